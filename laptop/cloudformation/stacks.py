"""The state of CloudFormation: stacks, their resources, events, change sets and exports, behind one lock."""

from __future__ import annotations

import json
import re
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from laptop.cloudformation import secrets
from laptop.providers.protocol import ResourceFailed
from laptop.refusal import Invalid, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laptop.cloudformation.plan import Change
    from laptop.cloudformation.policy import Policy
    from laptop.paths import Json
    from laptop.providers.protocol import Place, Resource
    from laptop.template.parameters import Parameter

STACK_TYPE = "AWS::CloudFormation::Stack"
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")


@dataclass(frozen=True)
class Deployment:
    """What a stack is to become, or is: a template with its parameters, and the options that go with it."""

    body: str
    document: Json
    processed: Json
    parameters: Mapping[str, Parameter]
    conditions: Mapping[str, bool]
    tags: Mapping[str, str]
    options: Json = field(default_factory=dict)

    @property
    def resources(self) -> dict[str, Json]:
        """The resource definitions whose condition holds, by logical id."""
        return {
            logical_id: definition
            for logical_id, definition in self.processed.get("Resources", {}).items()
            if self.conditions.get(definition.get("Condition", ""), True)
        }


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack. `properties` are those it was made or updated with; `created` once its create ended.

    `exists` is what the provider knows of it, None before it has an identity and after it is deleted. `attempted` are
    the properties of an update that failed.
    """

    logical_id: str
    type_name: str
    definition: Json
    depends_on: frozenset[str]
    status: str = ""
    reason: str = ""
    properties: Json = field(default_factory=dict)
    stack_tags: Mapping[str, str] = field(default_factory=dict)
    exists: Resource | None = None
    created: bool = False
    physical_id: str = ""
    attempted: Json | None = None
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    drift: Json = field(default_factory=lambda: {"StackResourceDriftStatus": "NOT_CHECKED"})

    @property
    def identity(self) -> Resource:
        """What the provider knows of it; ResourceFailed when it does not exist."""
        if self.exists is None:
            raise ResourceFailed(f"{self.logical_id} does not exist, so there is nothing to change.", "NotFound")
        return self.exists


@dataclass(frozen=True)
class Leftover:
    """A resource that its stack no longer uses: to be deleted in the clean-up, or kept when its policy says so."""

    resource: StackResource
    retained: bool


@dataclass
class ChangeSet:
    """A change set: `goal` is what executing it deploys, None when it FAILED; `request` what asked for it."""

    id: str
    name: str
    kind: str
    goal: Deployment | None
    reason: str
    created: datetime
    changes: list[Change]
    request: Json

    @property
    def status(self) -> str:
        """How its making ended."""
        return "FAILED" if self.goal is None else "CREATE_COMPLETE"

    @property
    def execution_status(self) -> str:
        """Whether it can be executed."""
        return "UNAVAILABLE" if self.goal is None else "AVAILABLE"


@dataclass
class Stack:
    """One stack. `deployment` is the goal of the operation under way or of the last one; `stable` what to go back to.

    `before` is what was stable before that; `gone` are the physical ids that were deleted since it was complete.
    `resources` and `change_sets` are replaced and never changed, so that whoever reads them needs no lock.
    """

    id: str
    name: str
    place: Place
    status: str
    deployment: Deployment | None
    created: datetime
    reason: str = ""
    updated: datetime | None = None
    deleted: datetime | None = None
    resources: dict[str, StackResource] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    stable: Deployment | None = None
    stable_resources: dict[str, StackResource] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    before: Deployment | None = None
    outputs: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    signals: dict[str, dict[str, str]] = field(default_factory=dict)
    policy: Policy | None = None
    policy_during_update: Policy | None = None
    options: Json = field(default_factory=dict)
    parent_id: str | None = None
    root_id: str | None = None
    token: str | None = None
    drift: Json = field(default_factory=lambda: {"StackDriftStatus": "NOT_CHECKED"})
    imports: frozenset[str] = frozenset()

    @property
    def goal(self) -> Deployment:
        """The deployment; Refused for a stack that is only in review and has none yet."""
        if self.deployment is None:
            raise Invalid(f"Stack [{self.name}] has no template yet")
        return self.deployment

    @property
    def secrets(self) -> frozenset[str]:
        """The values that nobody may be shown."""
        return secrets.of((self.deployment, self.stable))

    @property
    def at_rest(self) -> bool:
        """Whether no operation is under way."""
        return not self.status.endswith("_IN_PROGRESS") or self.status == "REVIEW_IN_PROGRESS"

    @property
    def is_deleted(self) -> bool:
        """Whether only its history is left."""
        return self.status == "DELETE_COMPLETE"


class Stacks:
    """Every stack of a cloud. `changed` is notified at each change; it is the one lock of the state."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._stacks: dict[str, Stack] = {}

    def __iter__(self) -> Iterator[Stack]:
        with self.changed:
            return iter(list(self._stacks.values()))

    def in_place(self, place: Place) -> list[Stack]:
        """The stacks of an account and region, newest first."""
        return [stack for stack in reversed(list(self)) if stack.place == place]

    def new(self, place: Place, name: str) -> Stack:
        """A stack that is not part of the state yet; Refused when the name is taken or no name of a stack."""
        problems = []
        if not _STACK_NAME.fullmatch(name):
            problems.append("Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*")
        if len(name) > 128:
            problems.append("Member must have length less than or equal to 128")
        if problems:
            texts = [f"Value '{name}' at 'stackName' failed to satisfy constraint: {one}" for one in problems]
            plural = "s" * (len(texts) > 1)
            raise Invalid(f"{len(texts)} validation error{plural} detected: {'; '.join(texts)}")
        with self.changed:
            if self.find(place, name):
                raise Refused("AlreadyExistsException", f"Stack [{name}] already exists")
            arn = f"arn:{place.partition}:cloudformation:{place.region}:{place.account}:stack/{name}/{uuid.uuid4()}"
            return Stack(arn, name, place, "REVIEW_IN_PROGRESS", None, datetime.now(UTC))

    def add(self, stack: Stack) -> None:
        """Make a new stack part of the state; Refused when its name was taken meanwhile."""
        with self.changed:
            if self.find(stack.place, stack.name):
                raise Refused("AlreadyExistsException", f"Stack [{stack.name}] already exists")
            self._stacks[stack.id] = stack

    def discard(self, stack: Stack) -> None:
        """Forget a stack that never had anything."""
        with self.changed:
            self._stacks.pop(stack.id, None)

    def find(self, place: Place, name_or_id: str) -> Stack | None:
        """The stack of that id, deleted ones included, or of that name, deleted ones not; None when there is none."""
        with self.changed:
            by_id = self._stacks.get(name_or_id)
            if by_id is not None:
                return by_id if by_id.place == place else None
            return next((one for one in self.in_place(place) if one.name == name_or_id and not one.is_deleted), None)

    def require(self, place: Place, name_or_id: str) -> Stack:
        """The stack of that name or id; Refused when there is none."""
        stack = self.find(place, name_or_id)
        if stack is None:
            raise Invalid(f"Stack [{name_or_id}] does not exist")
        return stack

    def set_status(self, stack: Stack, status: str, reason: str = "") -> None:
        """The stack's new status, told in an event."""
        with self.changed:
            stack.status, stack.reason = status, reason
            if status.startswith(("UPDATE_IN", "UPDATE_ROLLBACK_IN", "ROLLBACK_IN", "IMPORT_IN")):
                stack.updated = datetime.now(UTC)
            if stack.is_deleted:
                stack.deleted = datetime.now(UTC)
            self._tell(stack, str(uuid.uuid4()), stack.name, stack.id, STACK_TYPE, status, reason)

    def put(self, stack: Stack, resource: StackResource, *, event: bool = True, sent: Json | None = None) -> None:
        """A resource as it now is, told in an event unless that says nothing new; `sent` are its properties there."""
        with self.changed:
            resource = replace(resource, updated=datetime.now(UTC))
            stack.resources = {**stack.resources, resource.logical_id: resource}
            if event:
                self.tell(stack, resource, resource.status, resource.reason, sent)
            self.changed.notify_all()

    def tell(
        self, stack: Stack, resource: StackResource, status: str, reason: str = "", sent: Json | None = None
    ) -> None:
        """An event of a resource, which the stack may no longer use."""
        with self.changed:
            identifier = f"{resource.logical_id}-{status}-{uuid.uuid4()}"
            self._tell(
                stack, identifier, resource.logical_id, resource.physical_id, resource.type_name, status, reason, sent
            )

    def note(self, stack: Stack, logical_id: str, text: str) -> None:
        """An event of a resource that stays as it is: a signal has arrived."""
        with self.changed:
            resource = stack.resources.get(logical_id)
            if resource is not None:
                self.tell(stack, resource, resource.status, text)

    def _tell(self, stack: Stack, event_id: str, logical_id: str, physical_id: str, type_name: str, status: str,
              reason: str, sent: Json | None = None) -> None:  # fmt: skip
        stack.events.append(
            {
                "StackId": stack.id,
                "EventId": event_id,
                "StackName": stack.name,
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": physical_id,
                "ResourceType": type_name,
                "Timestamp": datetime.now(UTC),
                "ResourceStatus": status,
                **({"ResourceStatusReason": reason} if reason else {}),
                **(
                    {"ResourceProperties": json.dumps(secrets.hidden(sent, stack.secrets))}
                    if sent is not None
                    else {}
                ),
                **({"ClientRequestToken": stack.token} if stack.token else {}),
            }
        )
        self.changed.notify_all()

    def exports(self, place: Place) -> dict[str, tuple[Stack, Json]]:
        """Every export by name: the stack and the output that exports it."""
        return {
            output["ExportName"]: (stack, output)
            for stack in self.in_place(place)
            if not stack.is_deleted
            for output in stack.outputs
            if "ExportName" in output
        }

    def owner(self, place: Place, type_name: str, identifier: str) -> Stack | None:
        """The stack that a resource belongs to, or None."""
        return next(
            (
                stack
                for stack in self.in_place(place)
                for one in stack.resources.values()
                if one.type_name == type_name and one.exists is not None and one.exists.identifier == identifier
            ),
            None,
        )

    def importers(self, place: Place, export: str) -> list[str]:
        """The names of the stacks that import it."""
        return [one.name for one in self.in_place(place) if export in one.imports and not one.is_deleted]

    def rest(self, stack: Stack, wait: Any) -> None:
        """Return once no operation is under way; `wait` is called between looks, and may raise to give up."""
        while True:
            with self.changed:
                if stack.at_rest:
                    return
            wait(0.02)
