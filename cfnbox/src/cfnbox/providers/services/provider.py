"""The provider of the types in this package's tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cfnbox.core.paths import values_at
from cfnbox.providers.failures import not_applied
from cfnbox.providers.protocol import NOT_APPLIED
from cfnbox.providers.services.calls import Calls
from cfnbox.providers.services.catalogue import SERVICE_TYPES, UNIFORM_TYPES
from cfnbox.providers.services.operations import ApiOperation
from cfnbox.providers.services.uniform import UniformCalls, UniformOperation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.protocol import Progress, Request, Resource
    from cfnbox.providers.published import PublishedTypes

# Of a type whose published schema lists no handlers, such as that of an endpoint configuration.
_HANDLERS: Mapping[str, Mapping[str, Any]] = {name: {} for name in ("create", "read", "update", "delete", "list")}


class ServiceProvider:
    """Serves the types of the tables by calls to the services behind the cloud's address.

    `on_tagged` gets ARN and system tags of each resource of SageMaker: CloudFormation itself writes its
    `aws:cloudformation:` tags there, which no caller of that API can. It must not raise. `before_create`
    gets type, place and properties of what is created next. With `strict` a property that the service here does not
    keep is refused.
    """

    def __init__(
        self,
        clients: ServiceClients,
        published: PublishedTypes,
        on_tagged: Callable[[str, Mapping[str, str]], None] = lambda _arn, _tags: None,
        *,
        before_create: Callable[[str, Place, Json], None] = lambda _type_name, _place, _properties: None,
        strict: bool = False,
    ) -> None:
        self._clients, self._published, self._on_tagged, self._strict = clients, published, on_tagged, strict
        self._before_create = before_create
        self._properties: dict[tuple[Place, str, str], Json] = {}
        self._provisionable: dict[TypeDefinition, TypeDefinition] = {}

    def notice(self, definition: TypeDefinition, properties: Json) -> str | None:
        """Return which of the properties the service here does not keep, or applies in another way."""
        row = SERVICE_TYPES.get(definition.type_name)
        names = [*_not_applied(definition, properties), *(row.remarks(properties) if row else ())]
        return f"{NOT_APPLIED}{', '.join(names)}" if names else None

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return the published schema of a type of the tables, with every operation where it lists none."""
        row = UNIFORM_TYPES.get(type_name) or SERVICE_TYPES.get(type_name)
        if row is None:
            return None
        # A type is asked for when its template is read, well before the first call.
        self._clients.prepare(row.service, place)
        published = self._published.find(type_name, place.region)
        if published is None or published.handlers:
            return published
        return self._provisionable.setdefault(published, replace(published, handlers=_HANDLERS))

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create, and wait until the resource is ready; its identity is told before the wait."""
        self._refuse_if_strict(definition, request, desired)
        self._before_create(definition.type_name, request.place, desired)
        created = self._operation(definition, request).create(desired, progress)
        self.remember(definition, request, created.identifier, _known(definition, created, desired))
        return created

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update in place, tags last, and wait."""
        self._refuse_if_strict(definition, request, desired)
        updated = self._operation(definition, request).update(resource, previous, desired, progress)
        self.remember(definition, request, updated.identifier, _known(definition, updated, desired))
        return updated

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete, after running operations, and wait until the resource is gone."""
        self._operation(definition, request).delete(resource.identifier, previous, progress)
        self._properties.pop((request.place, definition.type_name, resource.identifier), None)

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Return the resource as the service has it, over the properties that no service returns."""
        known = self._properties.get((request.place, definition.type_name, identifier), {})
        return self._operation(definition, request).read(identifier, known)

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Return a page of identifiers."""
        return self._operation(definition, request).page(filters, next_token)

    def remember(self, definition: TypeDefinition, request: Request, identifier: str, properties: Json) -> None:
        """Keep the properties last sent, for a read of what no service returns."""
        self._properties[request.place, definition.type_name, identifier] = properties

    def _operation(self, definition: TypeDefinition, request: Request) -> ApiOperation | UniformOperation:
        def connect(service: str) -> Any:
            return self._clients.of(service, request.place)

        if uniform := UNIFORM_TYPES.get(definition.type_name):
            calls = UniformCalls(connect(uniform.service), request, connect, uniform)
            return UniformOperation(definition, request, uniform, calls, self._on_tagged)

        def resources(type_name: str) -> Mapping[str, Json]:
            known = list(self._properties.items())
            return {key[2]: properties for key, properties in known if key[:2] == (request.place, type_name)}

        row = SERVICE_TYPES[definition.type_name]
        return ApiOperation(definition, request, row, Calls(connect(row.service), request, connect), resources)

    def _refuse_if_strict(self, definition: TypeDefinition, request: Request, properties: Json) -> None:
        names = _not_applied(definition, properties) if self._strict else []
        if names:
            pairs = (name.partition(": ") for name in names)
            named = [f"{name} ({reason})" if reason else name for name, _, reason in pairs]
            raise not_applied(request, definition.type_name, named)


def _known(definition: TypeDefinition, resource: Resource, properties: Json) -> Json:
    """Return the properties last sent, and those that only the answer to the create call has."""
    row = SERVICE_TYPES.get(definition.type_name)
    kept = {name: resource.model[name] for name in row.kept if name in resource.model} if row else {}
    return {**properties, **kept}


def _not_applied(definition: TypeDefinition, properties: Json) -> list[str]:
    """Return those properties that the service here does not keep: their names, or a sentence about the value."""
    row = SERVICE_TYPES.get(definition.type_name)
    if row is None:
        return []
    return [*(name for name in row.not_applied if values_at(properties, name)), *row.unsupported(properties)]
