"""The state of CloudFormation: stacks, their events, operations, change sets and exports, behind one lock."""

from __future__ import annotations

import json
import re
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from cfnbox.cloudformation.deployment import STACK_TYPE, Deployment, ResourceState
from cfnbox.cloudformation.status import (
    ChangeSetStatus,
    ChangeSetType,
    DriftStatus,
    ExecutionStatus,
    InvalidTransition,
    OperationStatus,
    ResourceStatus,
    RollbackPrefix,
    StackStatus,
)
from cfnbox.core.errors import Invalid, Refused
from cfnbox.core.history import drop_oldest
from cfnbox.template import secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cfnbox.cloudformation.changes import Change
    from cfnbox.cloudformation.policy import Policy
    from cfnbox.cloudformation.validation_problems import Problem
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.protocol import Owner

# botocore's shape of that name.
OperationType = Literal[
    "CREATE_STACK", "UPDATE_STACK", "DELETE_STACK", "CONTINUE_ROLLBACK", "ROLLBACK", "CREATE_CHANGESET"
]
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")
# Clients in JavaScript sort events by milliseconds.
# CloudFormation keeps a deleted stack for 90 days. A cloud keeps as many as it can keep for weeks.
_MOST_DELETED = 300
# Of one stack.
_MOST_EVENTS = 5_000
_MOST_OPERATIONS = 1_000
_MOST_EXECUTED = 100
_BETWEEN_EVENTS = timedelta(milliseconds=1)


@dataclass
class OperationRecord:
    """An operation on a stack, by which DescribeEvents finds its events. An automatic rollback is one of its own."""

    kind: OperationType
    is_automatic: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    status: OperationStatus = OperationStatus.IN_PROGRESS
    problems: Sequence[Problem] = ()

    def end(self, status: OperationStatus) -> None:
        """Set the status of the ended operation, unless it has ended."""
        if self.ended is None:
            self.ended, self.status = datetime.now(UTC), status


@dataclass(frozen=True)
class ChangeSetParent:
    """Of which change sets a nested change set is part: the one of its parent stack, and the one of the root stack.

    `logical_id` is that of the nested stack in its parent.
    """

    change_set_id: str
    root_id: str
    logical_id: str


@dataclass
class ChangeSet:
    """A change set: executing it deploys `deployment`, which is None in a change set that FAILED.

    `options` are those of the request that the change set answers with. `operation` is its creation.
    """

    id: str
    name: str
    kind: ChangeSetType
    deployment: Deployment | None
    reason: str
    created: datetime
    changes: list[Change]
    options: Json
    operation: OperationRecord
    execution_status: ExecutionStatus
    parent: ChangeSetParent | None = None
    drift_status: DriftStatus | None = None

    @property
    def status(self) -> ChangeSetStatus:
        """How its making ended."""
        return ChangeSetStatus.FAILED if self.deployment is None else ChangeSetStatus.CREATE_COMPLETE


@dataclass
class StackState:
    """One stack. `deployment` is that of the running operation or of the last one.

    A rollback goes back to `last_complete` and `last_complete_resources`, a rollback of the parent of a nested stack
    to `complete_in_parent`. A nested stack that is updated with its parent `awaits_root`: it keeps what it replaced
    until the clean-up of the root stack, so that a rollback finds it. The clean-up deletes the `leftovers`, which the
    stack no longer uses. `deleted_physical_ids` are those deleted since the stack was complete.
    `resources` and `change_sets` are replaced and never changed, so that readers need no lock.
    """

    id: str
    name: str
    place: Place
    status: StackStatus
    deployment: Deployment | None
    created: datetime
    reason: str = ""
    updated: datetime | None = None
    deleted: datetime | None = None
    resources: dict[str, ResourceState] = field(default_factory=dict)
    leftovers: list[ResourceState] = field(default_factory=list)
    last_complete: Deployment | None = None
    last_complete_resources: dict[str, ResourceState] = field(default_factory=dict)
    complete_in_parent: Deployment | None = None
    awaits_root: bool = False
    deleted_physical_ids: set[str] = field(default_factory=set)
    outputs: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    operations: list[OperationRecord] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    executed_change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    change_set_id: str | None = None
    signals: dict[str, dict[str, str]] = field(default_factory=dict)
    policy: Policy | None = None
    policy_during_update: Policy | None = None
    timeout_minutes: int | None = None
    disable_rollback: bool = False
    retain_except_on_create: bool = False
    has_termination_protection: bool = False
    parent_id: str | None = None
    root_id: str | None = None
    token: str | None = None
    drift: Json = field(default_factory=lambda: {"StackDriftStatus": DriftStatus.NOT_CHECKED})
    imports: frozenset[str] = frozenset()

    def require_deployment(self) -> Deployment:
        """Return the deployment. Raise Refused for a stack in review, which has none yet."""
        if self.deployment is None:
            raise Invalid(f"Stack [{self.name}] has no template yet")
        return self.deployment

    def require_resource(self, logical_id: str, stack_name: str = "") -> ResourceState:
        """Return the resource of that logical id. Raise Refused if the stack does not have it.

        `stack_name` is the name or id of the request, which the refusal repeats (recorded).
        """
        if logical_id not in self.resources:
            raise Invalid(f"Resource {logical_id} does not exist for stack {stack_name or self.name}")
        return self.resources[logical_id]

    @property
    def secrets(self) -> frozenset[str]:
        """The values that no answer may show."""
        deployments = (self.deployment, self.last_complete)
        return frozenset().union(*(deployment.template.secrets for deployment in deployments if deployment))

    @property
    def rollback_status_prefix(self) -> RollbackPrefix:
        """How statuses of its rollback begin: a stack that was never complete goes back to having no resources."""
        return RollbackPrefix.ROLLBACK if self.last_complete is None else RollbackPrefix.UPDATE_ROLLBACK

    @property
    def policy_in_force(self) -> Policy | None:
        """The stack policy of the running update."""
        return self.policy_during_update or self.policy

    @property
    def is_deleted(self) -> bool:
        """Whether only its history is left."""
        return self.status == StackStatus.DELETE_COMPLETE

    @property
    def operation_id(self) -> str | None:
        """The id of the running operation, or of the last one."""
        return self.operations[-1].id if self.operations else None


class Stacks:
    """Every stack of a cloud. `changed` is notified at each change; it is the one lock of the state."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._stacks: dict[str, StackState] = {}

    def __iter__(self) -> Iterator[StackState]:
        with self.changed:
            return iter(list(self._stacks.values()))

    def in_place(self, place: Place) -> list[StackState]:
        """Return the stacks of an account and region, newest first."""
        return [stack for stack in reversed(list(self)) if stack.place == place]

    def new(self, place: Place, name: str) -> StackState:
        """Return a stack that is not part of the state yet. Raise Refused if the name is taken or invalid."""
        constraints = {
            "satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*": _STACK_NAME.fullmatch(name),
            "have length less than or equal to 128": len(name) <= 128,
        }
        start = f"Value '{name}' at 'stackName' failed to satisfy constraint: Member must"
        if texts := [f"{start} {text}" for text, is_met in constraints.items() if not is_met]:
            raise Invalid(f"{len(texts)} validation error{'s' * (len(texts) > 1)} detected: {'; '.join(texts)}")
        with self.changed:
            if self.find(place, name):
                raise Refused("AlreadyExistsException", f"Stack [{name}] already exists")
            arn = f"arn:{place.partition}:cloudformation:{place.region}:{place.account}:stack/{name}/{uuid.uuid4()}"
            return StackState(arn, name, place, StackStatus.REVIEW_IN_PROGRESS, None, datetime.now(UTC))

    def add(self, stack: StackState) -> None:
        """Make a stack part of the state, unless it is. Raise Refused if its name was taken meanwhile."""
        with self.changed:
            known = self.find(stack.place, stack.name)
            if known is not None and known is not stack:
                raise Refused("AlreadyExistsException", f"Stack [{stack.name}] already exists")
            self._stacks[stack.id] = stack

    def find(self, place: Place, name_or_id: str) -> StackState | None:
        """Return the stack of that id, or the stack of that name that is not deleted."""
        with self.changed:
            by_id = self._stacks.get(name_or_id)
            if by_id is not None:
                return by_id if by_id.place == place else None
            named = (stack for stack in self.in_place(place) if stack.name == name_or_id)
            return next((stack for stack in named if not stack.is_deleted), None)

    def require(self, place: Place, name_or_id: str, message: str = "Stack [{}] does not exist") -> StackState:
        """Return the stack of that name or id. Raise Refused with the message if there is none."""
        stack = self.find(place, name_or_id)
        if stack is None:
            raise Invalid(message.format(name_or_id))
        return stack

    def children(self, parent: StackState) -> list[StackState]:
        """Return the nested stacks of a stack that are not deleted."""
        return [stack for stack in self if stack.parent_id == parent.id and not stack.is_deleted]

    def change_set(self, place: Place, name_or_arn: str, stack_name: str | None) -> tuple[StackState, ChangeSet]:
        """Return a change set and its stack. Raise Refused if there is none. Executed change sets are found too."""
        if name_or_arn.startswith("arn:"):
            candidates = self.in_place(place)
        elif stack_name is not None:
            candidates = [self.require(place, stack_name)]
        else:
            # Recorded.
            raise Invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
        for stack in candidates:
            every = [*stack.executed_change_sets.values(), *stack.change_sets.values()]
            for change_set in reversed(every):
                if name_or_arn in (change_set.id, change_set.name):
                    return stack, change_set
        # botocore's model: httpStatusCode 404.
        raise Refused("ChangeSetNotFound", f"ChangeSet [{name_or_arn}] does not exist", 404)

    def nested_change_sets(self, change_set_id: str) -> list[tuple[StackState, ChangeSet]]:
        """Return the change sets of nested stacks that are part of a change set, and were not executed."""
        return [
            (stack, nested)
            for stack in self
            for nested in stack.change_sets.values()
            if nested.parent is not None and nested.parent.change_set_id == change_set_id
        ]

    def begin_execution(self, stack: StackState, change_set: ChangeSet) -> None:
        """Keep a change set whose execution has begun; the others of its stack go, as CloudFormation deletes them."""
        with self.changed:
            others = [one for one in stack.change_sets.values() if one is not change_set]
            change_set.execution_status = ExecutionStatus.EXECUTE_IN_PROGRESS
            stack.executed_change_sets = {**stack.executed_change_sets, change_set.id: change_set}
            drop_oldest(stack.executed_change_sets, _MOST_EXECUTED)
            stack.change_sets, stack.change_set_id = {}, change_set.id
            for other in others:
                self.delete_nested_change_sets(other.id)
            if not stack.status.is_in_progress and stack.status != StackStatus.REVIEW_IN_PROGRESS:
                # The operation has ended already.
                self._settle_execution(stack)

    def delete_nested_change_sets(self, change_set_id: str) -> None:
        """Delete the nested change sets of a change set, and the nested stacks that were made for them alone."""
        with self.changed:
            for stack, nested in self.nested_change_sets(change_set_id):
                stack.change_sets = {key: one for key, one in stack.change_sets.items() if one is not nested}
                self.delete_nested_change_sets(nested.id)
                if stack.status == StackStatus.REVIEW_IN_PROGRESS:
                    self.set_status(stack, StackStatus.DELETE_IN_PROGRESS)
                    self.set_status(stack, StackStatus.DELETE_COMPLETE)

    def begin_operation(
        self, stack: StackState, kind: OperationType, *, is_automatic: bool = False
    ) -> OperationRecord:
        """Make a new operation the last one of a stack. The one before has failed, unless it has ended."""
        with self.changed:
            if stack.operations:
                stack.operations[-1].end(OperationStatus.FAILED)
            operation = OperationRecord(kind, is_automatic)
            stack.operations.append(operation)
            del stack.operations[:-_MOST_OPERATIONS]
            return operation

    def set_status(self, stack: StackState, status: StackStatus, reason: str = "") -> None:
        """Give a stack its next status, and append an event. Raise InvalidTransition if it cannot follow."""
        with self.changed:
            if not stack.status.may_become(status):
                raise InvalidTransition(stack.status, status)
            stack.status = status
            self._settle(stack)
            self.append_stack_event(stack, reason)

    def enter_review(self, stack: StackState) -> None:
        """Add a stack that is made for a change set, and append its first event."""
        with self.changed:
            self.add(stack)
            self.append_stack_event(stack, "User Initiated")

    def append_stack_event(self, stack: StackState, reason: str, detailed_status: str | None = None) -> None:
        """Append an event of the status that the stack has, with a new reason."""
        with self.changed:
            stack.reason = reason
            itself = ResourceState(stack.name, STACK_TYPE, {}, frozenset(), physical_id=stack.id)
            self.append_event(stack, itself, stack.status, reason, detailed_status=detailed_status)

    def _forget_deleted(self) -> None:
        """Forget the stacks that were deleted before the last _MOST_DELETED ones."""
        deleted = [stack for stack in self._stacks.values() if stack.is_deleted]
        deleted.sort(key=lambda stack: stack.deleted or stack.created)
        for stack in deleted[:-_MOST_DELETED]:
            del self._stacks[stack.id]

    def _settle(self, stack: StackState) -> None:
        """Set what follows from a status."""
        if stack.status.sets_updated_time:
            stack.updated = datetime.now(UTC)
        if stack.status.sets_deletion_time:
            stack.deleted = datetime.now(UTC)
        if stack.is_deleted:
            self._forget_deleted()
        if stack.operations and not stack.status.is_in_progress:
            has_failed = stack.status.is_failed
            stack.operations[-1].end(OperationStatus.FAILED if has_failed else OperationStatus.SUCCEEDED)
        self._settle_execution(stack)

    def _settle_execution(self, stack: StackState) -> None:
        """End the execution of the change set that the ended operation of a stack has executed."""
        executed = stack.executed_change_sets.get(stack.change_set_id or "")
        if (
            executed is not None
            and executed.execution_status == ExecutionStatus.EXECUTE_IN_PROGRESS
            and not stack.status.is_in_progress
        ):
            has_failed = stack.status.is_failed or stack.status.is_rollback
            executed.execution_status = (
                ExecutionStatus.EXECUTE_FAILED if has_failed else ExecutionStatus.EXECUTE_COMPLETE
            )

    def save_resource(
        self, stack: StackState, resource: ResourceState, *, event: bool = True, properties: Json | None = None
    ) -> None:
        """Store a resource and append an event, unless `event=False`. `properties` go into ResourceProperties."""
        with self.changed:
            stack.resources = {**stack.resources, resource.logical_id: replace(resource, updated=datetime.now(UTC))}
            if event:
                self.append_event(stack, resource, resource.status, resource.reason, properties)
            self.changed.notify_all()

    def append_event(
        self,
        stack: StackState,
        resource: ResourceState,
        status: StackStatus | ResourceStatus,
        reason: str = "",
        properties: Json | None = None,
        detailed_status: str | None = None,
    ) -> None:
        """Append an event of a resource, which the stack may no longer use, or of the stack itself."""
        with self.changed:
            now = datetime.now(UTC)
            if stack.events:
                now = max(now, stack.events[-1]["Timestamp"] + _BETWEEN_EVENTS)
            event: Json = {
                "StackId": stack.id,
                "EventId": _event_id(stack, resource, status, now),
                "StackName": stack.name,
                "OperationId": stack.operation_id,
                "LogicalResourceId": resource.logical_id,
                "PhysicalResourceId": resource.physical_id,
                "ResourceType": resource.type_name,
                "Timestamp": now,
                "ResourceStatus": status,
                "ResourceStatusReason": reason or None,
                "DetailedStatus": detailed_status,
                "ResourceProperties": None
                if properties is None
                else json.dumps(secrets.hidden(properties, stack.secrets)),
                "ClientRequestToken": stack.token,
            }
            stack.events.append({member: value for member, value in event.items() if value is not None})
            del stack.events[:-_MOST_EVENTS]
            self.changed.notify_all()

    def append_signal_event(self, owner: Owner, text: str) -> None:
        """Append an event of a resource that keeps its status: a signal has arrived."""
        with self.changed:
            stack = self._stacks[owner.stack_id]
            if owner.logical_id in stack.resources:
                resource = stack.resources[owner.logical_id]
                self.append_event(stack, resource, resource.status, text)

    def exports(self, place: Place) -> dict[str, tuple[StackState, str]]:
        """Return every export by name: the stack that exports it, and its value."""
        return {
            output["ExportName"]: (stack, output["OutputValue"])
            for stack in self.in_place(place)
            if not stack.is_deleted
            for output in stack.outputs
            if "ExportName" in output
        }

    def owner(self, place: Place, type_name: str, identifier: str) -> StackState | None:
        """Return the stack that a resource belongs to, or None."""
        for stack in self.in_place(place):
            for resource in stack.resources.values():
                live = resource.live
                if resource.type_name == type_name and live is not None and live.identifier == identifier:
                    return stack
        return None

    def importers(self, place: Place, export: str, except_for: StackState | None = None) -> list[str]:
        """Return the names of the stacks that import an export."""
        importing = (stack for stack in self.in_place(place) if export in stack.imports and not stack.is_deleted)
        return [stack.name for stack in importing if stack is not except_for]


def _event_id(stack: StackState, resource: ResourceState, status: str, now: datetime) -> str:
    """Return an id as AWS makes it (recorded): a UUID for the stack; for a resource its id, status and time."""
    if resource.physical_id == stack.id:
        return str(uuid.uuid4())
    return f"{resource.logical_id}-{status}-{now.strftime('%Y-%m-%dT%H:%M:%S')}.{now.microsecond // 1000:03d}Z"
