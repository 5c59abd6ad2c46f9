"""Convert the state of the cloud to the plain values that the pages show. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cfnbox.core.paths import without
from cfnbox.core.place import Place

if TYPE_CHECKING:
    from cfnbox.cloudformation.changes import Change
    from cfnbox.cloudformation.deployment import ResourceState
    from cfnbox.cloudformation.stacks import ChangeSet, StackState
    from cfnbox.core.paths import Json
    from cfnbox.handlers.invocations import HandlerInvocation
    from cfnbox.sagemaker.service import SageMakerResource

# The write-only properties of a type in a place, as dotted names.
WriteOnly = Callable[[str, Place], Iterable[str]]
MOST_LINES = 100
_SYSTEM = "aws:cloudformation:"
_HIDDEN = "****"
_KINDS = (("FAILED", "bad"), ("ROLLBACK", "bad"), ("IN_PROGRESS", "going"), ("COMPLETE", "good"), ("SUCCESS", "good"),
          ("MODIFIED", "bad"), ("DRIFTED", "bad"), ("DELETED", "bad"), ("NO ANSWER", "bad"), ("IN_SYNC", "good"),
          ("InService", "good"), ("Failed", "bad"))  # fmt: skip


def status_class(status: str) -> str:
    """Return the style sheet class of a status."""
    return next((kind for part, kind in _KINDS if part in status), "plain")


def time_of_day(value: datetime | None) -> str:
    """Return a time on this machine's clock, with its date unless that is today."""
    if value is None:
        return ""
    local = value.astimezone()
    return local.strftime("%H:%M:%S" if local.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M:%S")


def _key(stack_id: str) -> str:
    """Return the last part of a stack id, which identifies the stack in an address."""
    return stack_id.rpartition("/")[2]


def failures(stack: StackState) -> list[Json]:
    """Return the events of the resources that failed in the last operation that a user began, oldest first.

    Resources whose operation was cancelled because another one failed are left out.
    """
    began = [event for event in stack.events if event.get("ResourceStatusReason") == "User Initiated"]
    since = stack.events.index(began[-1]) if began else 0
    return [
        event
        for event in stack.events[since:]
        if event["ResourceStatus"].is_failed
        and event.get("PhysicalResourceId") != stack.id
        and not event.get("ResourceStatusReason", "").endswith("cancelled")
    ]


def summary(stack: StackState) -> Json:
    """Return the line of a stack in a list."""
    failed = failures(stack)
    return {
        "failed": failed[0]["LogicalResourceId"] if failed else "",
        "why": failed[0].get("ResourceStatusReason", "") if failed else "",
        "name": stack.name,
        "key": _key(stack.id),
        "status": stack.status,
        "reason": stack.reason,
        "place": f"{stack.place.account} {stack.place.region}",
        "resources": len(stack.resources),
        "drift": stack.drift["StackDriftStatus"],
        "at": stack.deleted or stack.updated or stack.created,
    }


def stack(stack: StackState, write_only: WriteOnly) -> Json:
    """Return a stack with its resources, change sets and events."""
    goal, failed = stack.deployment, failures(stack)
    names = {event["LogicalResourceId"]: event["ResourceStatus"] for event in failed}
    hidden = {one.type_name: tuple(write_only(one.type_name, stack.place)) for one in stack.resources.values()}
    return summary(stack) | {
        "id": stack.id,
        "parent": _key(stack.parent_id) if stack.parent_id else "",
        "parameters": {one.key: _HIDDEN if one.no_echo else one.text for one in goal.template.parameters.values()}
        if goal
        else {},
        "tags": dict(goal.tags) if goal else {},
        "outputs": stack.outputs,
        "failures": failed,
        "template": _template(goal.template.processed, stack.place, write_only) if goal else None,
        "list": [
            _resource(one, hidden[one.type_name]) | {"failed": names.get(one.logical_id, "")}
            for one in stack.resources.values()
        ],
        "change_sets": [_change_set(one, stack.place, write_only) for one in stack.change_sets.values()],
        "events": stack.events[::-1],
    }


def _template(processed: Json, place: Place, write_only: WriteOnly) -> Json:
    """Return a template without write-only properties, and without the defaults of NoEcho parameters."""
    resources = {
        name: {
            **definition,
            "Properties": _without(definition["Properties"], write_only(str(definition["Type"]), place)),
        }
        if definition.get("Properties")
        else definition
        for name, definition in processed.get("Resources", {}).items()
    }
    parameters = {
        name: {**declared, "Default": _HIDDEN} if declared.get("NoEcho") and "Default" in declared else declared
        for name, declared in processed.get("Parameters", {}).items()
    }
    return {**processed, **({"Parameters": parameters} if parameters else {}), "Resources": resources}


def _resource(resource: ResourceState, write_only: Iterable[str]) -> Json:
    is_stack = resource.type_name == "AWS::CloudFormation::Stack" and ":stack/" in resource.physical_id
    return {
        "logical_id": resource.logical_id,
        "type_name": resource.type_name,
        "physical_id": resource.physical_id,
        "nested": _key(resource.physical_id) if is_stack else "",
        "status": resource.status,
        "reason": resource.reason,
        "properties": _without(resource.properties, write_only),
        "drift": resource.drift["StackResourceDriftStatus"],
        "differences": resource.drift.get("PropertyDifferences", []),
    }


def _change_set(change_set: ChangeSet, place: Place, write_only: WriteOnly) -> Json:
    return {
        "name": change_set.name,
        "status": change_set.status,
        "execution": change_set.execution_status,
        "reason": change_set.reason,
        "at": change_set.created,
        "changes": [
            {
                "resource": change.described(values=False)["ResourceChange"],
                "values": _values(change, tuple(write_only(change.type_name, place))),
            }
            for change in change_set.changes
        ],
    }


def _values(change: Change, write_only: Iterable[str]) -> list[Json]:
    """Return the properties that a change has values of, each with its old and new value."""
    hidden = {name.partition(".")[0] for name in write_only}
    targets = {detail.target.name: detail.target for detail in change.details_with_values if detail.target.name}
    return [
        {"name": name, "before": target.before, "after": target.after}
        if name not in hidden
        else {"name": name, "before": _HIDDEN, "after": _HIDDEN}
        for name, target in targets.items()
    ]


def line(invocation: HandlerInvocation) -> Json:
    """Return the line of an invocation in a list."""
    return {
        "number": invocation.number,
        "at": invocation.began,
        "action": invocation.action,
        "status": invocation.status or "NO ANSWER",
        "logical_id": invocation.logical_id,
        "type_name": invocation.type_name,
        "seconds": invocation.seconds,
        "code": invocation.error_code,
        "said": invocation.message or invocation.raised,
        "stack": _key(invocation.stack_id),
    }


def invocation(invocation: HandlerInvocation, write_only: WriteOnly) -> Json:
    """Return the details of an invocation."""
    names = tuple(write_only(invocation.type_name, Place(invocation.region, invocation.account)))
    models = {name: _without(getattr(invocation, name), names) for name in ("properties", "previous", "model")}
    return line(invocation) | {
        "stack_name": invocation.stack_id.split("/")[1] if invocation.stack_id.count("/") > 1 else "",
        "version": invocation.version,
        "place": f"{invocation.account} {invocation.region}",
        "token": invocation.token,
        "delay": invocation.delay,
        "contexts": {"given": invocation.context, "answered": invocation.next_context},
        "models": {name: value for name, value in models.items() if value is not None},
        "log": invocation.log,
        "traceback": invocation.traceback,
    }


def kept(one: SageMakerResource) -> Json:
    """Return a model or endpoint of the local SageMaker. CloudFormation's tags identify its stack resource."""
    return {
        "kind": one.kind,
        "name": one.name,
        "arn": one.arn,
        "status": one.status,
        "tags": {key: value for key, value in one.tags.items() if not key.startswith(_SYSTEM)},
        "stack": _key(one.tags.get(f"{_SYSTEM}stack-id", "")),
        "logical_id": one.tags.get(f"{_SYSTEM}logical-id", ""),
    }


def _without(model: Any, names: Iterable[str]) -> Any:
    """Return a resource model, or a list of them, without write-only properties, which may be secrets."""
    return [without(one, tuple(names)) for one in model] if isinstance(model, list) else without(model, tuple(names))
