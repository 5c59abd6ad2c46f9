"""Every other resource type of AWS, from its published schema alone: nothing is behind its resources."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cfnbox.core.paths import has, without
from cfnbox.providers import iam_documents
from cfnbox.providers.failures import already_exists, handler_failure, not_found
from cfnbox.providers.generated import completed
from cfnbox.providers.properties import coerced
from cfnbox.providers.protocol import Resource
from cfnbox.providers.tags import merged, tag_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.providers.published import PublishedTypes

_PER_PAGE = 100
# What Ref returns where that is not the primary identifier (template reference, "Return values").
_REF = {"AWS::EC2::EIP": "PublicIp"}


class SimulatedProvider:
    """The provider of every published type. It stores properties, and generates the values of a service."""

    def __init__(self, published: PublishedTypes) -> None:
        self._published = published
        self._kept: dict[tuple[Place, str], dict[str, Resource]] = {}
        self._lock = threading.Lock()

    def notice(self, _definition: TypeDefinition, _properties: Json) -> str | None:
        """Return the notice of a simulated resource."""
        return "simulated: no such service in cfnbox"

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return the published schema, or None for a type that AWS does not publish."""
        return self._published.find(type_name, place.region)

    def create(self, definition: TypeDefinition, request: Request, desired: Json, _progress: Progress) -> Resource:
        """Store the properties, with a generated identifier if they have none."""
        iam_documents.require_valid(definition.type_name, request, desired)
        model = self._tagged(definition, request, coerced(definition, desired))
        resource = _resource(definition, completed(definition, request, model))
        with self._lock:
            kept = self._of(definition, request)
            if resource.identifier in kept:
                raise already_exists(request, definition.type_name, resource.identifier)
            kept[resource.identifier] = resource
        return resource

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        _previous: Json,
        desired: Json,
        _progress: Progress,
    ) -> Resource:
        """Store the new properties, and keep the generated values."""
        iam_documents.require_valid(definition.type_name, request, desired)
        with self._lock:
            before = self._find(definition, request, resource.identifier).model
            given = self._tagged(definition, request, coerced(definition, desired))
            updated = _resource(definition, completed(definition, request, given, before))
            if updated.identifier != resource.identifier:
                raise handler_failure(request, "The identifier of a resource cannot be changed.", "NotUpdatable")
            self._of(definition, request)[updated.identifier] = updated
        return updated

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, _previous: Json, _progress: Progress
    ) -> None:
        """Delete a resource. Raise NotFound if it does not exist."""
        with self._lock:
            self._find(definition, request, resource.identifier)
            del self._of(definition, request)[resource.identifier]

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Return a resource without its write-only properties, as a read handler does."""
        with self._lock:
            kept = self._find(definition, request, identifier)
        model: Json = without(kept.model, definition.write_only)
        return Resource(kept.physical_id, kept.identifier, model, kept.attributes)

    def list(
        self, definition: TypeDefinition, request: Request, _filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Return a page of resources in the order of creation. The token is the number of earlier resources."""
        with self._lock:
            models = [one.model for one in self._of(definition, request).values()]
        start = int(next_token) if next_token and next_token.isdecimal() else 0
        end = start + _PER_PAGE
        page: list[Json] = [without(one, definition.write_only) for one in models[start:end]]
        return page, str(end) if end < len(models) else None

    def _of(self, definition: TypeDefinition, request: Request) -> dict[str, Resource]:
        return self._kept.setdefault((request.place, definition.type_name), {})

    def _find(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        kept = self._of(definition, request).get(identifier)
        if kept is None:
            raise not_found(request, definition.type_name, identifier)
        return kept

    def _tagged(self, definition: TypeDefinition, request: Request, properties: Json) -> Json:
        name = definition.tag_property
        if not name or "." in name or not request.stack_tags:
            return properties
        tags = merged(properties.get(name), request.stack_tags)
        return {**properties, name: tags if definition.tags_are_a_map else tag_list(tags)}


def _resource(definition: TypeDefinition, model: Json) -> Resource:
    identifier = definition.identifier(model)
    ref = _REF.get(definition.type_name)
    physical_id = str(model[ref]) if ref and has(model, ref) else identifier
    return Resource(physical_id, identifier, model, definition.attributes_of(model))
