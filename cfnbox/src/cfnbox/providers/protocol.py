"""The protocol of resource providers: the operations that the control plane and Cloud Control call."""

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


# The beginning of the notice of a resource whose local service ignores properties. Their names follow.
NOT_APPLIED = "not applied here: "


# The HandlerErrorCodes of botocore's model of CloudFormation. In addition, "UnsupportedAction": the type does not
# have the operation; "TypeNotFound": the type was removed.
FailureCode = Literal[
    "NotUpdatable", "InvalidRequest", "AccessDenied", "InvalidCredentials", "AlreadyExists", "NotFound",
    "ResourceConflict", "Throttling", "ServiceLimitExceeded", "NotStabilized", "GeneralServiceException",
    "ServiceInternalError", "NetworkFailure", "InternalFailure", "InvalidTypeConfiguration", "HandlerInternalFailure",
    "NonCompliant", "Unknown", "UnsupportedTarget", "ServiceTimeout", "UnauthorizedTaggingOperation",
    "UnsupportedAction", "TypeNotFound",
]  # fmt: skip


def failure_code(text: str) -> FailureCode:
    """Return the failure code of a name, or InternalFailure for an unknown name."""
    return cast("FailureCode", text) if text in get_args(FailureCode) else "InternalFailure"


@dataclass(frozen=True)
class Owner:
    """The stack that a resource belongs to. Resources of Cloud Control have no owner."""

    stack_id: str
    stack_name: str
    logical_id: str


@dataclass(frozen=True)
class Request:
    """A resource operation. `stack_tags` are the stack's tags, without those in the resource's properties.

    `reverting` marks an update that rolls a resource back after a failed operation.
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
    """An existing resource. Ref returns `physical_id`, Fn::GetAtt returns `attributes`, by dotted name.

    `model` has all known properties of the schema, including read-only ones. `identifier` is the primary identifier
    with its parts joined by "|", for READ, import and Cloud Control.
    """

    physical_id: str
    identifier: str
    model: Json
    attributes: Json


class Progress(Protocol):
    """The callbacks of a provider during an operation: to report an identity, and to wait."""

    def identified(self, resource: Resource) -> None:
        """Report the identity of a resource before its creation has ended, so that a rollback can delete it."""

    def wait(self, seconds: float) -> None:
        """Sleep. Raise Cancelled if the operation is cancelled or times out."""

    def waking(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """During the context, call `wake` when the operation is cancelled or times out.

        A provider can wait for its own event, and then call `wait(0)`, which raises Cancelled.
        """


class ResourceFailed(Exception):
    """A resource operation failed. The message is the stack event's reason; `code` is a HandlerErrorCode."""

    def __init__(self, reason: str, code: FailureCode = "GeneralServiceException") -> None:
        super().__init__(reason)
        self.code = code


class Cancelled(ResourceFailed):
    """The operation was cancelled or timed out during a wait."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "NotStabilized")


class Provider(Protocol):
    """A provider of some resource types. Every operation runs in its own thread and may block.

    All operations raise ResourceFailed. `previous` and `desired` are template properties with resolved functions.
    """

    def notice(self, definition: TypeDefinition, properties: Json) -> str | None:
        """Return the notice in events of a resource that differs from AWS, such as "simulated: ...", or None."""

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return the definition of a type in a place, or None if this provider does not serve it."""

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create a resource. Raise AlreadyExists if it exists."""

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update a resource in place. Raise NotUpdatable if that is impossible."""

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete a resource. Raise NotFound if it does not exist; the caller treats that as success."""

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Return the current resource of a primary identifier. Raise NotFound if it does not exist."""

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Return a page of resource models, with at least their identifiers, and the token of the next page."""


def no_notice(_definition: TypeDefinition, _properties: Json) -> str | None:
    """Return None, for providers whose resources do not differ from AWS."""
    return None


@dataclass(frozen=True)
class Served:
    """A type and the provider that serves it."""

    provider: Provider
    definition: TypeDefinition

    def notice(self, properties: Json) -> str:
        """Return the notice for events of a resource with these properties, or ""."""
        return self.provider.notice(self.definition, properties) or ""


@dataclass(frozen=True)
class Providers:
    """All providers of a cloud. The first provider that has a type serves it."""

    providers: Sequence[Provider]

    def find(self, type_name: str, place: Place) -> Served | None:
        """Return a type with its provider, or None if no provider serves it."""
        for provider in self.providers:
            definition = provider.definition(type_name, place)
            if definition is not None:
                return Served(provider, definition)
        return None
