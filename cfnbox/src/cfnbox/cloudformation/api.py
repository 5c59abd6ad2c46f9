"""CloudFormation's operations on stacks: requests and answers in the shapes of botocore's service model.

What an answer has beside the members of its shape is left out on its way to a user, and so are its Nones. Inside the
cloud alone, where a stack is a resource of another, requests have members that no shape has: `ParentId` of
CreateStack, and `Deployment` of UpdateStack, one that DescribeStacks told before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cfnbox.aws.tokens import Tokens
from cfnbox.cloudformation import exports, policy
from cfnbox.cloudformation.changesets import ChangeSets
from cfnbox.cloudformation.describe import Descriptions
from cfnbox.cloudformation.drift import Drift
from cfnbox.cloudformation.operation import Operation
from cfnbox.cloudformation.plan import Change, plan
from cfnbox.cloudformation.runs import Runs
from cfnbox.core.errors import Invalid
from cfnbox.template import outputs
from cfnbox.template.functions import UNKNOWN

if TYPE_CHECKING:
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.stacks import Deployment, Stack
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

Handler = Callable[["Place", "Json"], "Json | None"]
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE",
              "IMPORT_ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_FAILED")  # fmt: skip
_DELETABLE_IN_PROGRESS = ("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS", "REVIEW_IN_PROGRESS")
_CREATION_OPTIONS = ("TimeoutInMinutes", "EnableTerminationProtection", "RetainExceptOnCreate")
_NO_CHANGES = "No updates are to be performed."


class CloudFormation:
    """The control plane: `operations` by name, for cfnbox.aws.wire.Api."""

    def __init__(self, deployments: Deployments, clock: Callable[[], float] = time.monotonic) -> None:
        self.deployments, self.stacks = deployments, deployments.stacks
        self.runs = Runs(deployments.stacks, clock)
        self._tokens = Tokens()
        change_sets = ChangeSets(self)
        changing: Mapping[str, Handler] = {
            "CreateStack": self._create_stack,
            "UpdateStack": self._update_stack,
            "DeleteStack": self._delete_stack,
            "SetStackPolicy": self._set_stack_policy,
            "CancelUpdateStack": self._of_stack(self._cancel_update),
            "ContinueUpdateRollback": self._of_stack(self._continue_rollback),
            "RollbackStack": self._of_stack(self._rollback_stack),
            "SignalResource": self._of_stack(self._signal),
            "UpdateTerminationProtection": self._of_stack(self._protect),
            "CreateChangeSet": change_sets.create,
            "ExecuteChangeSet": change_sets.execute,
        }
        self.operations: Mapping[str, Handler] = {
            **{name: self._once(name, handler) for name, handler in changing.items()},
            **Descriptions(deployments).operations,
            **change_sets.operations,
            **Drift(deployments).operations,
        }

    def _once(self, name: str, handler: Handler) -> Handler:
        return lambda place, request: self._tokens.once(place, name, request, lambda: handler(place, request) or {})

    def _start(self, stack: Stack, status: str, act: Callable[[Operation], None], minutes: int | None = None) -> None:
        self.runs.start(stack, status, lambda run: act(Operation(self.deployments, stack, run)), minutes)

    def _of_stack(self, handler: Callable[[Stack, Json], Json | None]) -> Handler:
        """An operation on the stack that a request names, which nothing else changes meanwhile."""

        def handle(place: Place, request: Json) -> Json | None:
            with self.stacks.changed:
                return handler(self.stacks.require(place, request["StackName"]), request)

        return handle

    def _create_stack(self, place: Place, request: Json) -> Json:
        if "OnFailure" in request and "DisableRollback" in request:
            raise Invalid("You can specify either OnFailure or DisableRollback, but not both.")
        stack = self.stacks.new(place, request["StackName"])
        if "ParentId" in request:
            parent = self.stacks.require(place, request["ParentId"])
            stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id
        self.start_creation(stack, self.deployments.build(stack, request), request)
        return {"StackId": stack.id}

    def start_creation(self, stack: Stack, goal: Deployment, request: Json) -> None:
        """Begin to create a new stack, with the options of the request."""
        on_failure = request.get("OnFailure") or ("DO_NOTHING" if request.get("DisableRollback") else "ROLLBACK")
        stack.deployment = goal
        stack.options = {key: request[key] for key in _CREATION_OPTIONS if key in request}
        stack.options["DisableRollback"] = on_failure == "DO_NOTHING"
        stack.policy = self._policy(stack.place, request, "StackPolicy")
        stack.token = request.get("ClientRequestToken")
        self.stacks.add(stack)
        minutes = request.get("TimeoutInMinutes")
        self._start(stack, "CREATE_IN_PROGRESS", lambda operation: operation.create(on_failure), minutes)

    def _policy(self, place: Place, request: Json, member: str) -> policy.Policy | None:
        """The stack policy that a request gives as a body or a URL; None when it gives none."""
        if f"{member}URL" in request:
            return policy.parse(self.deployments.read_url(request[f"{member}URL"], place))
        return policy.parse(request[f"{member}Body"]) if f"{member}Body" in request else None

    def _update_stack(self, place: Place, request: Json) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        self.require_updatable(stack)
        goal = request.get("Deployment") or self.deployments.build(stack, request)
        if not self.changes_anything(stack, goal):
            raise Invalid(_NO_CHANGES)
        self.start_update(stack, goal, request)
        return {"StackId": stack.id}

    def require_updatable(self, stack: Stack) -> None:
        """Refused when the stack is in a state in which CloudFormation updates none."""
        if stack.status not in _UPDATABLE:
            raise Invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    def changes_anything(self, stack: Stack, goal: Deployment) -> bool:
        """Whether deploying the goal would change a resource or an output, as far as that can be known before."""
        if goal.template.failure or any(change.action != "Keep" for change in self.planned(stack, goal)):
            return True
        told = outputs.described(goal.template, self.deployments.scope(stack, goal, as_written=True))
        return UNKNOWN in json.dumps(told) or told != stack.outputs or stack.status.endswith("_FAILED")

    def planned(self, stack: Stack, goal: Deployment) -> list[Change]:
        """What deploying the goal would do."""
        scope = self.deployments.scope(stack, goal, as_written=True)
        return plan(goal, stack.deployment, stack.resources, scope,
                    lambda kind: self.deployments.find(kind, stack.place).definition)  # fmt: skip

    def start_update(self, stack: Stack, goal: Deployment, request: Json) -> None:
        """Begin to bring the stack to the goal, with the options of the request; Refused when it is busy."""
        lasting = self._policy(stack.place, request, "StackPolicy")
        during = self._policy(stack.place, request, "StackPolicyDuringUpdate")
        disable_rollback = bool(request.get("DisableRollback"))
        with self.stacks.changed:
            self.require_updatable(stack)
            stack.deployment = goal
            stack.token = request.get("ClientRequestToken")
            stack.policy, stack.policy_during_update = lasting or stack.policy, during
            stack.options["RetainExceptOnCreate"] = request.get("RetainExceptOnCreate", False)
            self._start(stack, "UPDATE_IN_PROGRESS", lambda operation: operation.update(disable_rollback))

    def start_import(self, stack: Stack, goal: Deployment) -> None:
        """Begin to adopt what the goal imports."""
        stack.deployment = goal
        self._start(stack, "IMPORT_IN_PROGRESS", lambda operation: operation.adopt())

    def _delete_stack(self, place: Place, request: Json) -> None:
        stack = self.stacks.find(place, request["StackName"])
        with self.stacks.changed:
            if stack is None or stack.is_deleted:
                return
            retained = request.get("RetainResources", [])
            self._require_deletable(stack, retained)
            if stack.status == "DELETE_IN_PROGRESS":
                return
            stack.token = request.get("ClientRequestToken")
            if in_use := exports.in_use(self.stacks, stack):
                # CloudFormation tells it in an event of the status that the stack keeps.
                self.stacks.set_status(stack, stack.status, in_use)
                return
            force = request.get("DeletionMode") == "FORCE_DELETE_STACK"
            self._start(stack, "DELETE_IN_PROGRESS", lambda operation: operation.delete(retained, force=force))

    def _require_deletable(self, stack: Stack, retained: list[str]) -> None:
        if stack.options.get("EnableTerminationProtection"):
            raise Invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        if retained and stack.status != "DELETE_FAILED":
            raise Invalid(f"Stack [{stack.name}] is not in DELETE_FAILED state: RetainResources cannot be specified.")
        if unknown := sorted(set(retained) - stack.resources.keys()):
            raise Invalid(f"Resource(s) [{', '.join(unknown)}] do not exist in stack [{stack.name}]")
        if not stack.at_rest and stack.status not in _DELETABLE_IN_PROGRESS:
            raise Invalid(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")

    def _cancel_update(self, stack: Stack, _request: Json) -> None:
        _require_status(stack, "CancelUpdateStack", "UPDATE_IN_PROGRESS")
        self.runs.cancel_update(stack)

    def _continue_rollback(self, stack: Stack, request: Json) -> None:
        _require_status(stack, "ContinueUpdateRollback", "UPDATE_ROLLBACK_FAILED")
        skipped = request.get("ResourcesToSkip", [])
        failed = {name for name, one in stack.resources.items() if one.status == "UPDATE_FAILED"}
        if unknown := sorted(set(skipped) - failed):
            raise Invalid(f"Resource(s) [{', '.join(unknown)}] cannot be skipped: none is in UPDATE_FAILED.")
        self._start_rollback(stack, request, skipped)

    def _rollback_stack(self, stack: Stack, request: Json) -> Json:
        _require_status(stack, "RollbackStack", "CREATE_FAILED", "UPDATE_FAILED")
        stack.options["RetainExceptOnCreate"] = request.get("RetainExceptOnCreate", False)
        self._start_rollback(stack, request)
        return {"StackId": stack.id}

    def _start_rollback(self, stack: Stack, request: Json, skipped: list[str] | None = None) -> None:
        stack.token = request.get("ClientRequestToken")
        self._start(stack, f"{stack.rollback_word}_IN_PROGRESS", lambda operation: operation.roll_back(skipped or ()))

    def _set_stack_policy(self, place: Place, request: Json) -> None:
        stack = self.stacks.require(place, request["StackName"])
        given = self._policy(place, request, "StackPolicy")
        if given is None:
            raise Invalid("StackPolicyBody or StackPolicyURL is required")
        stack.policy = given

    def _signal(self, stack: Stack, request: Json) -> None:
        resource = stack.resource(request["LogicalResourceId"])
        if stack.at_rest:
            raise Invalid(f"Stack {stack.id} is in {stack.status} state and cannot be signaled")
        sent, unique = stack.signals.setdefault(resource.logical_id, {}), request["UniqueId"]
        if unique not in sent and request["Status"] == "SUCCESS":
            self.stacks.tell(stack, resource, resource.status, f"Received SUCCESS signal with UniqueId {unique}")
        sent[unique] = request["Status"]

    def _protect(self, stack: Stack, request: Json) -> Json:
        stack.options["EnableTerminationProtection"] = request["EnableTerminationProtection"]
        return {"StackId": stack.id}


def _require_status(stack: Stack, operation: str, *states: str) -> None:
    if stack.status not in states:
        raise Invalid(f"{operation} cannot be called from current stack status")
