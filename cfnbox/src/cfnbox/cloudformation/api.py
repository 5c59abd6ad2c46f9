"""CloudFormation's operations on stacks: requests and answers in the shapes of botocore's service model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.aws.tokens import Tokens
from cfnbox.cloudformation import policy
from cfnbox.cloudformation.changesets import ChangeSets
from cfnbox.cloudformation.describe import Descriptions
from cfnbox.cloudformation.drift import DriftOperations
from cfnbox.cloudformation.nesting import Nesting
from cfnbox.cloudformation.operation_events import OperationEvents
from cfnbox.cloudformation.requests import CreationOptions, DeploymentRequest, UpdateOptions, disables_rollback
from cfnbox.cloudformation.runs import timer
from cfnbox.cloudformation.service import StackService
from cfnbox.cloudformation.status import OnFailure
from cfnbox.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from types_boto3_cloudformation.type_defs import (
        CancelUpdateStackInputTypeDef,
        ContinueUpdateRollbackInputTypeDef,
        CreateStackInputTypeDef,
        DeleteStackInputTypeDef,
        RollbackStackInputTypeDef,
        SetStackPolicyInputTypeDef,
        SignalResourceInputTypeDef,
        UpdateStackInputTypeDef,
        UpdateTerminationProtectionInputTypeDef,
    )

    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.requests import Handler
    from cfnbox.cloudformation.runs import Timer
    from cfnbox.cloudformation.stacks import StackState
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place


class CloudFormation:
    """The control plane: `operations` by name, for cfnbox.aws.wire.Api; `nesting` for nested stacks."""

    def __init__(self, deployments: Deployments, timer: Callable[[float, Callable[[], None]], Timer] = timer) -> None:
        self.deployments, self.stacks = deployments, deployments.stacks
        self._service = StackService(deployments, timer)
        self.runs, self.nesting = self._service.runs, Nesting(self._service)
        self._tokens = Tokens()
        change_sets = ChangeSets(self._service)
        changing: Mapping[str, Handler] = {
            "CreateStack": self._create_stack,
            "UpdateStack": self._update_stack,
            "DeleteStack": self._delete_stack,
            "SetStackPolicy": self._set_stack_policy,
            "CancelUpdateStack": self._of_stack(self._cancel_update),
            "ContinueUpdateRollback": self._of_stack(self._continue_rollback),
            "RollbackStack": self._of_stack(self._roll_back),
            "SignalResource": self._of_stack(self._signal),
            "UpdateTerminationProtection": self._of_stack(self._protect),
            "CreateChangeSet": change_sets.create,
            "ExecuteChangeSet": change_sets.execute,
        }
        self.operations: Mapping[str, Handler] = {
            **{name: self._once(name, handler) for name, handler in changing.items()},
            **Descriptions(deployments).operations,
            "DescribeEvents": OperationEvents(deployments.stacks).describe,
            **change_sets.operations,
            **DriftOperations(deployments).operations,
        }

    def _once(self, name: str, handler: Handler) -> Handler:
        return lambda place, request: self._tokens.once(place, name, request, lambda: handler(place, request) or {})

    def _of_stack(self, handler: Callable[[StackState, Any], Json | None]) -> Handler:
        """Return an operation on the stack that a request names; nothing else changes the stack meanwhile."""

        def handle(place: Place, request: Mapping[str, Any]) -> Json | None:
            with self.stacks.changed:
                return handler(self.stacks.require(place, request["StackName"]), request)

        return handle

    def _create_stack(self, place: Place, request: CreateStackInputTypeDef) -> Json:
        if "OnFailure" in request and "DisableRollback" in request:
            raise Invalid("You can specify either OnFailure or DisableRollback, but not both.")
        default = OnFailure.DO_NOTHING if _disables_rollback(request) else OnFailure.ROLLBACK
        options = CreationOptions(
            OnFailure(request.get("OnFailure", default)),
            request.get("TimeoutInMinutes"),
            request.get("EnableTerminationProtection", False),
            request.get("RetainExceptOnCreate", False),
            self._policy(place, request, "StackPolicy"),
            request.get("ClientRequestToken"),
        )
        stack = self._service.create(place, request["StackName"], DeploymentRequest.of(request), options)
        return _begun(stack)

    def _policy(self, place: Place, request: Mapping[str, Any], member: str) -> policy.Policy | None:
        """Return the stack policy of a request, which gives it as a body or a URL; None if it gives none."""
        if {f"{member}URL", f"{member}Body"} <= request.keys():
            # Recorded for StackPolicy.
            raise Invalid(f"You cannot specify both {member}URL and {member}Body")
        if f"{member}URL" in request:
            return policy.parse(self.deployments.read_url(request[f"{member}URL"], place))
        return policy.parse(request[f"{member}Body"]) if f"{member}Body" in request else None

    def _update_stack(self, place: Place, request: UpdateStackInputTypeDef) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        options = UpdateOptions(
            _disables_rollback(request),
            request.get("RetainExceptOnCreate", False),
            self._policy(place, request, "StackPolicy"),
            self._policy(place, request, "StackPolicyDuringUpdate"),
            request.get("ClientRequestToken"),
        )
        self._service.update(stack, DeploymentRequest.of(request), options)
        return _begun(stack)

    def _delete_stack(self, place: Place, request: DeleteStackInputTypeDef) -> None:
        if (stack := self.stacks.find(place, request["StackName"])) is not None:
            self._require_unprotected_root(place, stack)
            force = request.get("DeletionMode") == "FORCE_DELETE_STACK"
            token = request.get("ClientRequestToken")
            self._service.delete(stack, request.get("RetainResources", []), force=force, token=token)

    def _require_unprotected_root(self, place: Place, stack: StackState) -> None:
        root = self.stacks.find(place, stack.root_id) if stack.root_id else None
        if root is not None and root.has_termination_protection:
            raise Invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")

    def _cancel_update(self, stack: StackState, _request: CancelUpdateStackInputTypeDef) -> None:
        self._service.cancel_update(stack)

    def _continue_rollback(self, stack: StackState, request: ContinueUpdateRollbackInputTypeDef) -> None:
        skipped = request.get("ResourcesToSkip", [])
        self._service.continue_rollback(stack, skipped, request.get("ClientRequestToken"))

    def _roll_back(self, stack: StackState, request: RollbackStackInputTypeDef) -> Json:
        self._service.roll_back(
            stack,
            retain_except_on_create=request.get("RetainExceptOnCreate", False),
            token=request.get("ClientRequestToken"),
        )
        return _begun(stack)

    def _set_stack_policy(self, place: Place, request: SetStackPolicyInputTypeDef) -> None:
        stack = self.stacks.require(place, request["StackName"])
        desired = self._policy(place, request, "StackPolicy")
        if desired is None:
            raise Invalid("StackPolicyBody or StackPolicyURL is required")
        stack.policy = desired

    def _signal(self, stack: StackState, request: SignalResourceInputTypeDef) -> None:
        self._service.signal(stack, request["LogicalResourceId"], request["UniqueId"], request["Status"])

    def _protect(self, stack: StackState, request: UpdateTerminationProtectionInputTypeDef) -> Json:
        if stack.parent_id is not None:
            # UpdateTerminationProtection in the API reference; the sentence is ours.
            raise Invalid(
                f"Stack [{stack.name}] is a nested stack: its termination protection is that of its root "
                f"{stack.root_id}"
            )
        stack.has_termination_protection = request["EnableTerminationProtection"]
        return {"StackId": stack.id}


def _disables_rollback(request: Mapping[str, Any]) -> bool:
    return disables_rollback(request, request.get("DeploymentConfig", {}))


def _begun(stack: StackState) -> Json:
    """Return the answer of an operation that has begun."""
    return {"StackId": stack.id, "OperationId": stack.operation_id}
