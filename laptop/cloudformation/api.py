"""CloudFormation's operations on stacks: requests and answers in the shapes of botocore's service model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from laptop.cloudformation import describe, drift, outputs, plan, policy
from laptop.cloudformation.changesets import ChangeSets
from laptop.cloudformation.deployments import Deployments, listed_tags
from laptop.cloudformation.operation import Carrier
from laptop.cloudformation.paging import page
from laptop.cloudformation.running import Operations
from laptop.cloudformation.tokens import Tokens
from laptop.refusal import Invalid
from laptop.template.parameters import as_text

if TYPE_CHECKING:
    from laptop.cloudformation.stacks import Deployment, Stack
    from laptop.paths import Json
    from laptop.providers.protocol import Place, Request

Handler = Callable[["Place", "Json"], "Json | None"]
UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE",
             "IMPORT_ROLLBACK_COMPLETE", "CREATE_FAILED", "UPDATE_FAILED")  # fmt: skip
_DELETABLE_IN_PROGRESS = ("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS", "REVIEW_IN_PROGRESS")
NO_CHANGES = "No updates are to be performed."


class CloudFormation:
    """The control plane: `operations` by name, for laptop.wire.Api."""

    def __init__(self, deployments: Deployments, clock: Callable[[], float] = time.monotonic) -> None:
        self.deployments, self.stacks = deployments, deployments.stacks
        self.carrier = Carrier(self.stacks, deployments.find, deployments.scope, clock)
        self.running = Operations(self.carrier)
        self._change_sets = ChangeSets(self)
        self._tokens = Tokens()
        self._detections: dict[str, drift.Detection] = {}

    @property
    def operations(self) -> Mapping[str, Handler]:
        """Every operation that is answered."""
        return {
            **{name: self._once(name, handler) for name, handler in self._changing().items()},
            **describe.operations(self.stacks, self.deployments),
            **self._change_sets.operations,
            "GetStackPolicy": self._get_stack_policy,
            "DescribeStackDriftDetectionStatus": self._detection_status,
            "DetectStackDrift": self._detect_drift,
            "DetectStackResourceDrift": self._detect_resource_drift,
            "DescribeStackResourceDrifts": self._resource_drifts,
        }

    def _changing(self) -> Mapping[str, Handler]:
        return {
            "CreateStack": self._create_stack,
            "UpdateStack": self._update_stack,
            "DeleteStack": self._delete_stack,
            "CancelUpdateStack": self._cancel_update,
            "ContinueUpdateRollback": self._continue_rollback,
            "RollbackStack": self._rollback_stack,
            "SetStackPolicy": self._set_stack_policy,
            "SignalResource": self._signal,
            "UpdateTerminationProtection": self._protect,
            "CreateChangeSet": self._change_sets.create,
            "ExecuteChangeSet": self._change_sets.execute,
        }

    def _once(self, name: str, handler: Handler) -> Handler:
        return lambda place, request: self._tokens.once(place, name, request, lambda: handler(place, request) or {})

    def _create_stack(self, place: Place, request: Json) -> Json:
        if "OnFailure" in request and "DisableRollback" in request:
            raise Invalid("You can specify either OnFailure or DisableRollback, but not both.")
        stack = self.stacks.new(place, request["StackName"])
        stack.deployment = self.deployments.build(place, request, None, stack.name, stack.id)
        self.start_creation(stack, request)
        return {"StackId": stack.id}

    def start_creation(self, stack: Stack, request: Json) -> None:
        """Begin to create a new stack, with the options of the request."""
        on_failure = request.get("OnFailure") or ("DO_NOTHING" if request.get("DisableRollback") else "ROLLBACK")
        stack.options = {
            "TimeoutInMinutes": request.get("TimeoutInMinutes"),
            "DisableRollback": on_failure == "DO_NOTHING",
            "EnableTerminationProtection": request.get("EnableTerminationProtection", False),
            "RetainExceptOnCreate": request.get("RetainExceptOnCreate", False),
        }
        stack.policy = self._policy(stack.place, request, "StackPolicy")
        stack.token = request.get("ClientRequestToken")
        if self.stacks.find(stack.place, stack.id) is None:
            self.stacks.add(stack)
        self.running.create(stack, timeout_minutes=request.get("TimeoutInMinutes"), on_failure=on_failure)

    def _policy(self, place: Place, request: Json, member: str) -> policy.Policy | None:
        """The stack policy that a request gives as a body or a URL; None when it gives none."""
        if f"{member}URL" in request:
            return policy.parse(self.deployments.read_url(request[f"{member}URL"], place))
        return policy.parse(request[f"{member}Body"]) if f"{member}Body" in request else None

    def _update_stack(self, place: Place, request: Json) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        self.require_updatable(stack)
        goal = self.deployments.build(place, request, stack, stack.name, stack.id)
        if not self.changes_anything(stack, goal):
            raise Invalid(NO_CHANGES)
        self.start_update(stack, goal, request)
        return {"StackId": stack.id}

    def require_updatable(self, stack: Stack) -> None:
        """Refused when the stack is in a state in which CloudFormation updates none."""
        if stack.status not in UPDATABLE:
            raise Invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    def changes_anything(self, stack: Stack, goal: Deployment) -> bool:
        """Whether deploying the goal would change a resource or an output."""
        if any(change.action != "Keep" for change in self.planned(stack, goal)):
            return True
        told = describe.planned_outputs(goal, self.deployments.scope_of(goal, stack))
        return told != stack.outputs or stack.status in ("CREATE_FAILED", "UPDATE_FAILED")

    def planned(self, stack: Stack, goal: Deployment) -> list[plan.Change]:
        """What deploying the goal would do."""
        place = stack.place
        return plan.plan(goal, stack.deployment, stack.resources, self.deployments.scope_of(goal, stack),
                         lambda kind: self.deployments.find(kind, place).definition)  # fmt: skip

    def start_update(self, stack: Stack, goal: Deployment, request: Json) -> None:
        """Begin to bring the stack to the goal, with the options of the request; Refused when it is busy."""
        lasting = self._policy(stack.place, request, "StackPolicy")
        during = self._policy(stack.place, request, "StackPolicyDuringUpdate")
        with self.stacks.changed:
            self.require_updatable(stack)
            stack.deployment = goal
            stack.token = request.get("ClientRequestToken")
            stack.policy = lasting or stack.policy
            stack.policy_during_update = during
            stack.options["RetainExceptOnCreate"] = request.get("RetainExceptOnCreate", False)
            self.running.update(stack, disable_rollback=bool(request.get("DisableRollback")))

    def _delete_stack(self, place: Place, request: Json) -> None:
        stack = self.stacks.find(place, request["StackName"])
        if stack is None or stack.is_deleted:
            return
        if stack.options.get("EnableTerminationProtection"):
            raise Invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        retained = request.get("RetainResources", [])
        if retained and stack.status != "DELETE_FAILED":
            raise Invalid(f"Stack [{stack.name}] is not in DELETE_FAILED state: RetainResources cannot be specified.")
        unknown = sorted(set(retained) - stack.resources.keys())
        if unknown:
            raise Invalid(f"Resource(s) [{', '.join(unknown)}] do not exist in stack [{stack.name}]")
        self.start_deletion(stack, request)

    def start_deletion(self, stack: Stack, request: Json) -> None:
        """Begin to delete a stack; Refused while an update is under way, nothing when a deletion is."""
        with self.stacks.changed:
            if stack.status == "DELETE_IN_PROGRESS":
                return
            if not stack.at_rest and stack.status not in _DELETABLE_IN_PROGRESS:
                raise Invalid(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")
            stack.token = request.get("ClientRequestToken")
            in_use = outputs.exports_in_use(self.stacks, stack)
            if in_use:
                # CloudFormation tells it in an event of the status that the stack keeps.
                self.stacks.set_status(stack, stack.status, in_use)
                return
            force = request.get("DeletionMode") == "FORCE_DELETE_STACK"
            self.running.delete(stack, request.get("RetainResources", []), force=force)

    def _cancel_update(self, place: Place, request: Json) -> None:
        stack = self.stacks.require(place, request["StackName"])
        with self.stacks.changed:
            if stack.status != "UPDATE_IN_PROGRESS":
                raise Invalid("CancelUpdateStack cannot be called from current stack status")
            self.running.cancel_update(stack)

    def _continue_rollback(self, place: Place, request: Json) -> None:
        stack = self.stacks.require(place, request["StackName"])
        with self.stacks.changed:
            if stack.status != "UPDATE_ROLLBACK_FAILED":
                raise Invalid("ContinueUpdateRollback cannot be called from current stack status")
            skipped = request.get("ResourcesToSkip", [])
            failed = {name for name, one in stack.resources.items() if one.status == "UPDATE_FAILED"}
            unknown = sorted(set(skipped) - failed)
            if unknown:
                listed = ", ".join(unknown)
                raise Invalid(f"Resource(s) [{listed}] cannot be skipped: none is in UPDATE_FAILED.")
            stack.token = request.get("ClientRequestToken")
            self.running.roll_back(stack, skipped)

    def _rollback_stack(self, place: Place, request: Json) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        with self.stacks.changed:
            if stack.status not in ("CREATE_FAILED", "UPDATE_FAILED"):
                raise Invalid("RollbackStack cannot be called from current stack status")
            stack.token = request.get("ClientRequestToken")
            stack.options["RetainExceptOnCreate"] = request.get("RetainExceptOnCreate", False)
            self.running.roll_back(stack)
        return {"StackId": stack.id}

    def _set_stack_policy(self, place: Place, request: Json) -> None:
        stack = self.stacks.require(place, request["StackName"])
        given = self._policy(place, request, "StackPolicy")
        if given is None:
            raise Invalid("StackPolicyBody or StackPolicyURL is required")
        stack.policy = given

    def _get_stack_policy(self, place: Place, request: Json) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        return {"StackPolicyBody": stack.policy.body} if stack.policy else {}

    def _signal(self, place: Place, request: Json) -> None:
        stack = self.stacks.require(place, request["StackName"])
        with self.stacks.changed:
            resource = describe.require_resource(stack, request["LogicalResourceId"])
            if stack.at_rest:
                raise Invalid(f"Stack {stack.id} is in {stack.status} state and cannot be signaled")
            sent, unique = stack.signals.setdefault(resource.logical_id, {}), request["UniqueId"]
            if unique not in sent and request["Status"] == "SUCCESS":
                self.stacks.tell(stack, resource, resource.status, f"Received SUCCESS signal with UniqueId {unique}")
            sent[unique] = request["Status"]

    def _protect(self, place: Place, request: Json) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        stack.options["EnableTerminationProtection"] = request["EnableTerminationProtection"]
        return {"StackId": stack.id}

    def _detect_drift(self, place: Place, request: Json) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        describe.require_drift_state(stack)
        detection = drift.detect(self.carrier, stack, request.get("LogicalResourceIds"))
        self._detections[detection.id] = detection
        return {"StackDriftDetectionId": detection.id}

    def _detection_status(self, _place: Place, request: Json) -> Json:
        detection = self._detections.get(request["StackDriftDetectionId"])
        if detection is None:
            raise Invalid("StackDriftDetectionId names no drift detection.")
        members = {
            "StackId": detection.stack.id,
            "StackDriftDetectionId": detection.id,
            "DetectionStatus": detection.status,
            "DetectionStatusReason": detection.reason or None,
            "DriftedStackResourceCount": detection.drifted,
            "Timestamp": detection.at,
        }
        if detection.status == "DETECTION_COMPLETE":
            members["StackDriftStatus"] = detection.stack.drift["StackDriftStatus"]
        return {key: value for key, value in members.items() if value is not None}

    def _detect_resource_drift(self, place: Place, request: Json) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        describe.require_drift_state(stack)
        resource = describe.require_resource(stack, request["LogicalResourceId"])
        return {"StackResourceDrift": describe.detected(self.carrier, stack, resource)}

    def _resource_drifts(self, place: Place, request: Json) -> Json:
        stack = self.stacks.require(place, request["StackName"])
        wanted = request.get("StackResourceDriftStatusFilters")
        checked = [
            drift.described(stack, one)
            for one in stack.resources.values()
            if one.drift["StackResourceDriftStatus"] != "NOT_CHECKED"
            and (wanted is None or one.drift["StackResourceDriftStatus"] in wanted)
        ]
        return page(checked, request, "StackResourceDrifts")

    def create_nested(self, parent: Stack, logical_id: str, request: Request, properties: Json) -> str:
        """Begin to create a nested stack; its id."""
        asked = nested_request(parent, properties, request)
        name = f"{parent.name}-{logical_id}-{request.token.replace('-', '')[:12].upper()}"
        stack = self.stacks.new(parent.place, name[-128:])
        stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id
        stack.deployment = self.deployments.build(parent.place, asked, None, stack.name, stack.id)
        self.start_creation(stack, asked | {"DisableRollback": True})
        return stack.id

    def update_nested(self, request: Request, stack_id: str, properties: Json) -> bool:
        """Begin to update a nested stack, or to bring it back; False when that changes nothing."""
        stack = self.stacks.require(request.place, stack_id)
        parent = self.stacks.require(request.place, stack.parent_id or "")
        if request.reverting:
            if stack.status == "UPDATE_FAILED":
                self.running.roll_back(stack)
                return True
            goal = stack.before
            if goal is None or stack.status == "UPDATE_ROLLBACK_COMPLETE":
                return False
        else:
            goal = self.deployments.build(
                request.place, nested_request(parent, properties, request), stack, stack.name, stack.id
            )
        if not self.changes_anything(stack, goal):
            return False
        self.start_update(stack, goal, {})
        return True

    def delete_nested(self, stack: Stack) -> None:
        """Begin to delete a nested stack."""
        self.start_deletion(stack, {})

    def stop_nested(self, stack: Stack) -> None:
        """End what a nested stack does, because its parent was stopped."""
        if stack.status == "UPDATE_IN_PROGRESS":
            self.running.cancel_update(stack)


def nested_request(parent: Stack, properties: Json, request: Request) -> Json:
    """The properties of a nested stack as the request that creates or updates it."""
    given = properties.get("Parameters", {})
    parameters = [{"ParameterKey": key, "ParameterValue": as_text(value)} for key, value in given.items()]
    tags = {**request.stack_tags, **{tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}}
    options: Json = {key: properties[key] for key in ("NotificationARNs", "TimeoutInMinutes") if key in properties}
    inherited = parent.deployment.options if parent.deployment else {}
    capabilities = {"Capabilities": inherited["Capabilities"]} if "Capabilities" in inherited else {}
    return {
        "TemplateURL": properties["TemplateURL"], "Parameters": parameters, "Tags": listed_tags(tags),
        **options, **capabilities,
    }  # fmt: skip
