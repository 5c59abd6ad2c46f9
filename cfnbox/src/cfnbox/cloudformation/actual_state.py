"""The actual state of resources: what providers read, beside what the last deployment says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cfnbox.cloudformation.changes import Cause, Change, Detail, ResourceDrift, Target
from cfnbox.cloudformation.status import DriftStatus
from cfnbox.providers import comparison
from cfnbox.providers.protocol import Request, ResourceFailed
from cfnbox.providers.tags import tag_map
from cfnbox.template import dynamic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cfnbox.cloudformation.deployment import ResourceState
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.stacks import StackState
    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition

# Of botocore's StackResourceDriftStatus, what a change set says of types that cannot be read.
_STATUSES = {"NotFound": "DELETED", "UnsupportedAction": "UNSUPPORTED"}


@dataclass(frozen=True)
class Comparison:
    """The properties that a template sets of a resource, as its last deployment says and as its provider reads."""

    definition: TypeDefinition
    expected: Json
    actual: Json

    @property
    def differences(self) -> list[Json]:
        """The differences as CloudFormation's PropertyDifferences."""
        return list(comparison.differences(self.definition, self.expected, self.actual))


def compare(deployments: Deployments, stack: StackState, resource: ResourceState) -> Comparison:
    """Read a live resource. Raise ResourceFailed if that fails: NotFound if it was deleted outside of the stack."""
    served = deployments.find(resource.type_name, stack.place)
    read = served.provider.read(served.definition, Request(stack.place), resource.require_live().identifier)
    expected = comparison.expected(served.definition, resource.properties, resource.stack_tags)
    actual = dynamic.as_referred(expected, comparison.compared(served.definition, read.model, expected))
    return Comparison(served.definition, expected, actual)


@dataclass(frozen=True)
class ActualState:
    """The actual state of one resource: `resource` with the properties that it has, without `live` if it is gone.

    `ignored` are the names of properties that no provider can read.
    """

    status: str
    resource: ResourceState
    ignored: tuple[str, ...] = ()
    detected: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_drifted(self) -> bool:
        """Whether the resource was changed or deleted outside of the stack."""
        return self.status in (DriftStatus.MODIFIED, DriftStatus.DELETED)


def actual_states(deployments: Deployments, stack: StackState) -> dict[str, ActualState]:
    """Return the actual state of each live resource of a stack."""
    return {name: _actual(deployments, stack, one) for name, one in stack.resources.items() if one.is_live}


def _actual(deployments: Deployments, stack: StackState, resource: ResourceState) -> ActualState:
    try:
        compared = compare(deployments, stack, resource)
    except ResourceFailed as failure:
        status = _STATUSES.get(failure.code, "UNKNOWN")
        return ActualState(status, replace(resource, live=None) if status == DriftStatus.DELETED else resource)
    ignored = tuple(name for name in compared.definition.write_only if name in resource.properties)
    if not compared.differences:
        return ActualState(DriftStatus.IN_SYNC, resource, ignored)
    return ActualState(DriftStatus.MODIFIED, _with_actual_properties(resource, compared), ignored)


def _with_actual_properties(resource: ResourceState, compared: Comparison) -> ResourceState:
    properties, stack_tags = dict(resource.properties), resource.stack_tags
    for name in compared.definition.changed(compared.expected, compared.actual):
        value = compared.actual.get(name)
        if name == compared.definition.tag_property:
            value, stack_tags = _own_tags(value, resource, name)
        if value is None:
            properties.pop(name, None)
        else:
            properties[name] = value
    return replace(resource, properties=properties, stack_tags=stack_tags)


def _own_tags(actual: Any, resource: ResourceState, name: str) -> tuple[Any, Mapping[str, str]]:
    """Return the tags of a resource without those of its stack, and those of its stack that it has."""
    own, values = tag_map(resource.properties.get(name)), tag_map(actual)
    of_stack = {key: value for key, value in resource.stack_tags.items() if values.get(key) == value}
    hidden = of_stack.keys() - own.keys()
    if isinstance(actual, dict):
        return {key: value for key, value in actual.items() if key not in hidden} or None, of_stack
    return [tag for tag in actual or [] if tag["Key"] not in hidden] or None, of_stack


def with_drift(
    changes: Iterable[Change],
    states: Mapping[str, ActualState],
    stack: StackState,
    find: Callable[[str], TypeDefinition],
) -> list[Change]:
    """Return the changes from the actual states with what they say of drift.

    A resource whose template now says what it is already changes in the records of CloudFormation alone.
    """
    return [_with_drift(change, states.get(change.logical_id), stack, find) for change in changes]


def _with_drift(
    change: Change, state: ActualState | None, stack: StackState, find: Callable[[str], TypeDefinition]
) -> Change:
    if state is None:
        return change
    previous = stack.resources[change.logical_id]
    drift = ResourceDrift(state.status, state.detected, previous.properties, state.ignored)
    if change.action != "Keep" or not state.is_drifted:
        return replace(change, drift=drift)
    desired, actual = change.after or {}, state.resource.properties
    names = find(change.type_name).changed(previous.properties, desired)
    targets = [Target("Properties", "Never", name, actual.get(name), desired.get(name)) for name in names]
    details = tuple(Detail(target, Cause("NoModification")) for target in targets)
    return replace(change, action="SyncWithActual", drift=drift, details=details, details_with_values=details)
