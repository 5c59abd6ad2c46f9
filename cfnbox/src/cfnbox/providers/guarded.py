"""A wrapper of a provider that converts every exception and invalid result to ResourceFailed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cfnbox.core.unexpected import internal_error
from cfnbox.providers.protocol import Progress, Provider, Request, Resource, ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition


@dataclass(frozen=True)
class Guarded:
    """See cfnbox.providers.protocol.Provider. Messages have an exception's name only: its text may contain values."""

    provider: Provider

    def notice(self, definition: TypeDefinition, properties: Json) -> str | None:
        """Return the provider's notice for a resource."""
        return self.provider.notice(definition, properties)

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return the provider's definition of a type."""
        return self.provider.definition(type_name, place)

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create a resource. Raise only ResourceFailed."""
        return _resource(definition, lambda: self.provider.create(definition, request, desired, progress))

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update a resource. Raise only ResourceFailed."""
        return _resource(
            definition, lambda: self.provider.update(definition, request, resource, previous, desired, progress)
        )

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete a resource. Raise only ResourceFailed."""
        _answer(definition, lambda: self.provider.delete(definition, request, resource, previous, progress))

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Read a resource. Raise only ResourceFailed."""
        return _resource(definition, lambda: self.provider.read(definition, request, identifier))

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Return a page of models. Raise only ResourceFailed."""
        page: tuple[Sequence[Json], str | None] = _answer(
            definition, lambda: self.provider.list(definition, request, filters, next_token)
        )
        return page


def _answer(definition: TypeDefinition, operation: Callable[[], Any]) -> Any:
    try:
        return operation()
    except ResourceFailed:
        raise
    except BaseException as problem:
        raise ResourceFailed(
            internal_error(f"the provider of {definition.type_name}", problem), "InternalFailure"
        ) from None


def _resource(definition: TypeDefinition, operation: Callable[[], Any]) -> Resource:
    answer = _answer(definition, operation)
    if not isinstance(answer, Resource):
        raise ResourceFailed(
            f"The provider of {definition.type_name} returned an invalid result (expected Resource).",
            "InternalFailure",
        )
    return answer
