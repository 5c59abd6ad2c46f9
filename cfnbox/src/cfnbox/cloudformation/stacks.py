"""The state of CloudFormation: stacks, their resources, events, change sets and exports, behind one lock."""

from __future__ import annotations

import json
import re
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cfnbox.core.errors import Invalid, Refused
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template import secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cfnbox.cloudformation.plan import Change
    from cfnbox.cloudformation.policy import Policy
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.protocol import Owner, Resource
    from cfnbox.template.preparation import Prepared

STACK_TYPE = "AWS::CloudFormation::Stack"
_STACK_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")


@dataclass(frozen=True)
class Deployment:
    """What a stack is to become, or is: a template with its parameters, and the options that go with it.

    `imports` are the resources that exist and are adopted: logical id to primary identifier.
    """

    template: Prepared
    tags: Mapping[str, str]
    options: Json = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack. `properties` are those it was made or updated with; `created` once its create ended.

    `exists` is what the provider knows of it, None before it has an identity and after it is deleted. `attempted` are
    the properties of an update that failed. One that is `imported` was there before the stack's operation; one that
    is `retained` is kept when its stack no longer uses it.
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
    imported: bool = False
    retained: bool = False
    physical_id: str = ""
    attempted: Json | None = None
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))
    drift: Json = field(default_factory=lambda: {"StackResourceDriftStatus": "NOT_CHECKED"})

    @property
    def is_kept(self) -> bool:
        """Whether its DeletionPolicy keeps it when the stack no longer has it."""
        return self.definition.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate")

    @property
    def identity(self) -> Resource:
        """What the provider knows of it; ResourceFailed when it does not exist."""
        if self.exists is None:
            raise ResourceFailed(f"{self.logical_id} does not exist, so there is nothing to change.", "NotFound")
        return self.exists


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

    `leftovers` are resources that it no longer uses and that the clean-up deletes, unless they are retained; `gone`
    are the physical ids that were deleted since it was complete.
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
    leftovers: list[StackResource] = field(default_factory=list)
    stable: Deployment | None = None
    stable_resources: dict[str, StackResource] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
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

    def resource(self, logical_id: str) -> StackResource:
        """The resource of that logical id; Refused when there is none."""
        if logical_id not in self.resources:
            raise Invalid(f"Resource {logical_id} does not exist for stack {self.name}")
        return self.resources[logical_id]

    @property
    def secrets(self) -> frozenset[str]:
        """The values that nobody may be shown."""
        return frozenset().union(*(one.template.secrets for one in (self.deployment, self.stable) if one))

    @property
    def rollback_word(self) -> str:
        """A stack that was never complete has nothing to go back to but the absence of its resources."""
        return "ROLLBACK" if self.stable is None else "UPDATE_ROLLBACK"

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
        constraints = {
            "satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*": _STACK_NAME.fullmatch(name),
            "have length less than or equal to 128": len(name) <= 128,
        }
        said = f"Value '{name}' at 'stackName' failed to satisfy constraint: Member must"
        if texts := [f"{said} {text}" for text, met in constraints.items() if not met]:
            raise Invalid(f"{len(texts)} validation error{'s' * (len(texts) > 1)} detected: {'; '.join(texts)}")
        with self.changed:
            if self.find(place, name):
                raise Refused("AlreadyExistsException", f"Stack [{name}] already exists")
            arn = f"arn:{place.partition}:cloudformation:{place.region}:{place.account}:stack/{name}/{uuid.uuid4()}"
            return Stack(arn, name, place, "REVIEW_IN_PROGRESS", None, datetime.now(UTC))

    def add(self, stack: Stack) -> None:
        """Make a stack part of the state, unless it is; Refused when its name was taken meanwhile."""
        with self.changed:
            known = self.find(stack.place, stack.name)
            if known is not None and known is not stack:
                raise Refused("AlreadyExistsException", f"Stack [{stack.name}] already exists")
            self._stacks[stack.id] = stack

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

    def change_set(self, place: Place, request: Json) -> tuple[Stack, ChangeSet]:
        """The stack and change set that a request names, by id or by both names; Refused when there is none."""
        name = request["ChangeSetName"]
        if name.startswith("arn:"):
            candidates = self.in_place(place)
        elif "StackName" in request:
            candidates = [self.require(place, request["StackName"])]
        else:
            raise Invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
        for stack in candidates:
            for change_set in reversed(list(stack.change_sets.values())):
                if name in (change_set.id, change_set.name):
                    return stack, change_set
        raise Refused("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")

    def set_status(self, stack: Stack, status: str, reason: str = "") -> None:
        """The stack's new status, told in an event."""
        with self.changed:
            stack.status, stack.reason = status, reason
            if status.startswith(("UPDATE_IN", "UPDATE_ROLLBACK_IN", "ROLLBACK_IN", "IMPORT_IN")):
                stack.updated = datetime.now(UTC)
            if stack.is_deleted:
                stack.deleted = datetime.now(UTC)
            self.tell(
                stack, StackResource(stack.name, STACK_TYPE, {}, frozenset(), physical_id=stack.id), status, reason
            )

    def put(self, stack: Stack, resource: StackResource, *, event: bool = True, sent: Json | None = None) -> None:
        """A resource as it now is, told in an event unless that says nothing new; `sent` are its properties there."""
        with self.changed:
            stack.resources = {**stack.resources, resource.logical_id: replace(resource, updated=datetime.now(UTC))}
            if event:
                self.tell(stack, resource, resource.status, resource.reason, sent)
            self.changed.notify_all()

    def tell(
        self, stack: Stack, about: StackResource, status: str, reason: str = "", sent: Json | None = None
    ) -> None:
        """An event of a resource, which the stack may no longer use, or of the stack itself."""
        event_id = str(uuid.uuid4())
        event: Json = {
            "StackId": stack.id,
            "EventId": event_id if about.physical_id == stack.id else f"{about.logical_id}-{status}-{event_id}",
            "StackName": stack.name,
            "LogicalResourceId": about.logical_id,
            "PhysicalResourceId": about.physical_id,
            "ResourceType": about.type_name,
            "Timestamp": datetime.now(UTC),
            "ResourceStatus": status,
            "ResourceStatusReason": reason or None,
            "ResourceProperties": None if sent is None else json.dumps(secrets.hidden(sent, stack.secrets)),
            "ClientRequestToken": stack.token,
        }
        with self.changed:
            stack.events.append(event)
            self.changed.notify_all()

    def note(self, owner: Owner, text: str) -> None:
        """An event of a resource that stays as it is: a signal has arrived."""
        with self.changed:
            stack = self._stacks[owner.stack_id]
            if owner.logical_id in stack.resources:
                resource = stack.resources[owner.logical_id]
                self.tell(stack, resource, resource.status, text)

    def exports(self, place: Place) -> dict[str, tuple[Stack, str]]:
        """Every export by name: the stack that exports it, and its value."""
        return {
            output["ExportName"]: (stack, output["OutputValue"])
            for stack in self.in_place(place)
            if not stack.is_deleted
            for output in stack.outputs
            if output["ExportName"]
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
