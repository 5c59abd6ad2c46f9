"""How the control plane and Cloud Control ask for a resource operation, whatever carries it out."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition


# How the notice of a resource begins whose service here does not keep all of its properties; their names follow.
NOT_APPLIED = "not applied here: "


# The HandlerErrorCodes of botocore's model of CloudFormation; "UnsupportedAction" beside them says that a type has no
# such operation, and "TypeNotFound" that its type is gone.
FailureCode = Literal[
    "NotUpdatable", "InvalidRequest", "AccessDenied", "InvalidCredentials", "AlreadyExists", "NotFound",
    "ResourceConflict", "Throttling", "ServiceLimitExceeded", "NotStabilized", "GeneralServiceException",
    "ServiceInternalError", "NetworkFailure", "InternalFailure", "InvalidTypeConfiguration", "HandlerInternalFailure",
    "NonCompliant", "Unknown", "UnsupportedTarget", "ServiceTimeout", "UnauthorizedTaggingOperation",
    "UnsupportedAction", "TypeNotFound",
]  # fmt: skip


def failure_code(text: str) -> FailureCode:
    """Return the failure code of that name, InternalFailure for a name that is not a failure code."""
    return cast("FailureCode", text) if text in get_args(FailureCode) else "InternalFailure"


@dataclass(frozen=True)
class Owner:
    """The stack that a resource belongs to; Cloud Control has none."""

    stack_id: str
    stack_name: str
    logical_id: str


@dataclass(frozen=True)
class Request:
    """One operation on one resource. Tags are the stack's, not those of the resource's own properties.

    `reverting` is true of an update that brings a resource back to what it was before a failed operation.
    """

    place: Place
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    owner: Owner | None = None
    stack_tags: Mapping[str, str] = field(default_factory=dict)
    previous_stack_tags: Mapping[str, str] = field(default_factory=dict)
    system_tags: Mapping[str, str] = field(default_factory=dict)
    previous_system_tags: Mapping[str, str] = field(default_factory=dict)
    reverting: bool = False


@dataclass(frozen=True)
class Resource:
    """A resource that exists: `physical_id` is what Ref returns, `attributes` what Fn::GetAtt does, by dotted name.

    `model` holds all that is known of it in the names of its schema, read-only properties included. `identifier` is
    the primary identifier, parts joined by "|", by which READ, import and Cloud Control name it.
    """

    physical_id: str
    identifier: str
    model: Json
    attributes: Json


class Progress(Protocol):
    """What a provider tells while it works, and how it waits."""

    def identified(self, resource: Resource) -> None:
        """The resource has this identity from now on, although its creation has not ended: it must not be lost."""

    def wait(self, seconds: float) -> None:
        """Sleep; raises Cancelled when the operation is cancelled or its time is over."""

    def waking(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `wake` when the operation is cancelled or its time is over, as long as the context lasts.

        It lets a provider wait for an event of its own, and then call `wait(0)`, which raises Cancelled.
        """


class ResourceFailed(Exception):
    """An operation on a resource failed: the text is the reason in the stack event, `code` a HandlerErrorCode."""

    def __init__(self, reason: str, code: FailureCode = "GeneralServiceException") -> None:
        super().__init__(reason)
        self.code = code


class Cancelled(ResourceFailed):
    """The operation was cancelled while it waited."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "NotStabilized")


class Provider(Protocol):
    """Makes resources of some types. Every operation runs in a thread of its own and may take as long as it needs.

    All raise ResourceFailed. `previous` and `desired` are the properties of the template, functions resolved.
    """

    def notice(self, definition: TypeDefinition, properties: Json) -> str | None:
        """Return what events say of a resource that is not as in AWS, such as "simulated: ..."; None for others."""

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """The type as this provider serves it there, or None when it does not."""

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create; AlreadyExists when it is there."""

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update in place; NotUpdatable when that cannot be."""

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete; NotFound when it is not there, which the caller takes for success."""

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """The resource of a primary identifier as it is now; NotFound when there is none."""

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """A page of the resource models there, identifiers at least, and the token of the next page."""


def no_notice(_definition: TypeDefinition, _properties: Json) -> str | None:
    """Return None: the resources of a provider are as in AWS."""
    return None


@dataclass(frozen=True)
class Served:
    """A type and the provider that serves it."""

    provider: Provider
    definition: TypeDefinition

    def notice(self, properties: Json) -> str:
        """Return what the events of a resource with these properties say beside its status, or nothing."""
        return self.provider.notice(self.definition, properties) or ""


@dataclass(frozen=True)
class Providers:
    """Every provider of a cloud, the first that serves a type takes it."""

    providers: Sequence[Provider]

    def find(self, type_name: str, place: Place) -> Served | None:
        """The type with its provider, or None when nobody serves it."""
        for provider in self.providers:
            definition = provider.definition(type_name, place)
            if definition is not None:
                return Served(provider, definition)
        return None
