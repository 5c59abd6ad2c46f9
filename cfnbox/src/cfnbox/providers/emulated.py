"""The resource types that ministack makes, by the schemas that AWS publishes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cfnbox.core.paths import Json, put_at
from cfnbox.handlers.events import new_token
from cfnbox.providers import iam_documents, inline_code
from cfnbox.providers.failures import already_exists, handler_failure, not_found
from cfnbox.providers.ministack import BOOTSTRAP_PARAMETER, Emulated, MinistackFailed
from cfnbox.providers.properties import coerced
from cfnbox.providers.protocol import Resource, ResourceFailed, no_notice
from cfnbox.providers.tags import merged, tag_list, tag_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.ministack import Ministack
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.providers.published import PublishedTypes

# How CloudFormation, and ministack after it, begins to refuse a replacement that keeps the name of the resource.
_CUSTOM_NAMED = "CloudFormation cannot update a stack when a custom-named resource requires replacing."


def _nothing() -> None:
    """What most deletions begin with."""


@dataclass(frozen=True)
class _Made:
    """A resource that was made here, its properties with the tags of its stack, and the name that it was given."""

    resource: Resource
    emulated: Emulated
    names: tuple[str, ...]
    before_delete: Callable[[], None] = _nothing


class MinistackProvider:
    """Serves the types that ministack makes.

    An update of some types answers a resource with another physical id: that one takes the place of the old one,
    which is there until it is deleted.
    """

    notice = staticmethod(no_notice)

    def __init__(
        self, ministack: Ministack, published: PublishedTypes, clients: ServiceClients | None = None
    ) -> None:
        self._ministack, self._published, self._clients = ministack, published, clients
        self._made: dict[tuple[Place, str, str], _Made] = {}

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """The published schema of a type that ministack makes."""
        return self._published.find(type_name, place.region) if self._ministack.serves(type_name) else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, _progress: Progress) -> Resource:
        """Create at once. What has the name already is looked for before: ministack would write over it."""
        iam_documents.require_valid(definition.type_name, request, desired)
        names = self._names(definition, desired)
        self._require_free(definition, request, desired, names)
        wanted = self._emulated(definition, request, desired)
        try:
            physical_id, attributes, seed = self._ministack.create(replace(wanted, seed=new_token()))
        except MinistackFailed as failure:
            raise handler_failure(request, str(failure), failure.code) from None
        self._complete_code(definition, request, physical_id, desired)
        return self._keep(
            definition, replace(wanted, physical_id=physical_id, attributes=attributes, seed=seed), names
        )

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        _progress: Progress,
    ) -> Resource:
        """Update in place, or make a resource that takes the place of the old one."""
        iam_documents.require_valid(definition.type_name, request, desired)
        key = (request.place, definition.type_name, resource.physical_id)
        made = self._made.get(key)
        known = self._emulated(definition, request, previous, resource, before=True)
        wanted = self._emulated(definition, request, desired)
        try:
            changed = self._ministack.update(known, wanted.properties)
        except MinistackFailed as failure:
            if not str(failure).startswith(_CUSTOM_NAMED):
                raise handler_failure(request, str(failure), failure.code) from None
            if not (request.reverting and made is not None):
                raise ResourceFailed(str(failure), "AlreadyExists") from None
            # It was refused before it did anything: what is to be undone came before.
            changed = self._ministack.update(made.emulated, wanted.properties)
        physical_id, attributes, seed, before_delete = changed
        if physical_id == resource.physical_id:
            attributes = {**resource.attributes, **attributes}
        elif made is not None:
            self._made[key] = replace(made, before_delete=before_delete)
        self._complete_code(definition, request, physical_id, desired)
        wanted = replace(wanted, physical_id=physical_id, attributes=attributes, seed=seed)
        return self._keep(definition, wanted, self._names(definition, desired))

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, _progress: Progress
    ) -> None:
        """Delete; ministack takes no notice of what is not there."""
        key = (request.place, definition.type_name, resource.physical_id)
        try:
            if key in self._made:
                self._made[key].before_delete()
            self._ministack.delete(self._emulated(definition, request, previous, resource))
        except MinistackFailed as failure:
            raise handler_failure(request, str(failure), failure.code) from None
        self._made.pop(key, None)

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """What ministack reads of the resource, over what it was made with; UnsupportedAction if it reads nothing."""
        type_name = definition.type_name
        read = self._ministack.read_properties(type_name)
        if read is None and not self._ministack.identifiers(type_name):
            message = f"ministack cannot read resources of type {type_name}."
            raise handler_failure(request, message, "UnsupportedAction")
        try:
            there = self._there(definition, request, identifier)
            current = {} if read is None else self._ministack.read(there)
        except MinistackFailed as failure:
            raise handler_failure(request, str(failure), failure.code) from None
        if current is None:
            raise not_found(request, type_name, identifier)
        unread = {key: value for key, value in there.properties.items() if key not in (read or ())}
        properties = {**unread, **_with_tags(definition, current, there.properties)}
        return _resource(definition, replace(there, properties=coerced(definition, properties)))

    def list(
        self, definition: TypeDefinition, request: Request, _filters: Json, _next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """The resources that were made here; what was made through a service's own API is not among them."""
        return [one.resource.model for one in self._of_type(request.place, definition.type_name)], None

    def _complete_code(
        self, definition: TypeDefinition, request: Request, physical_id: str, properties: Json
    ) -> None:
        """Put beside inline code what is there at AWS; ministack has the code alone."""
        packed = inline_code.package(properties) if definition.type_name == "AWS::Lambda::Function" else None
        if packed is not None and self._clients is not None:
            functions = self._clients.of("lambda", request.place)
            functions.update_function_code(FunctionName=physical_id, ZipFile=packed)

    def _there(self, definition: TypeDefinition, request: Request, identifier: str) -> Emulated:
        """The resource as far as it is known without reading its properties; NotFound when it is not there."""
        made = self._of_type(request.place, definition.type_name)
        kept = next((one for one in made if identifier in (one.resource.identifier, one.resource.physical_id)), None)
        parts = identifier.split("|")
        known = kept.emulated if kept else replace(self._emulated(definition, request, {}), physical_id=parts[-1])
        if len(self._ministack.identifiers(definition.type_name)) != len(parts):
            return known
        found = self._ministack.find(request.place, definition.type_name, parts)
        if found is None:
            raise not_found(request, definition.type_name, identifier)
        return replace(known, physical_id=found[0], attributes={**known.attributes, **found[1]})

    def _of_type(self, place: Place, type_name: str) -> Sequence[_Made]:
        return [one for key, one in list(self._made.items()) if key[:2] == (place, type_name)]

    def _keep(self, definition: TypeDefinition, emulated: Emulated, names: tuple[str, ...]) -> Resource:
        resource = _resource(definition, emulated)
        self._made[emulated.place, emulated.type_name, emulated.physical_id] = _Made(resource, emulated, names)
        return resource

    def _emulated(
        self,
        definition: TypeDefinition,
        request: Request,
        properties: Json,
        resource: Resource | None = None,
        *,
        before: bool = False,
    ) -> Emulated:
        """A resource as ministack is told of it; `before`: with the tags that its stack had."""
        type_name, place, owner = definition.type_name, request.place, request.owner
        physical_id = resource.physical_id if resource else ""
        made = self._made.get((place, type_name, physical_id))
        return Emulated(
            place,
            type_name,
            owner.stack_name if owner else "cloudcontrol",
            owner.logical_id if owner else type_name.rpartition("::")[2],
            self._tagged(definition, request, properties, before=before),
            physical_id,
            resource.attributes if resource else {},
            made.emulated.seed if made else "",
        )

    def _tagged(self, definition: TypeDefinition, request: Request, properties: Json, *, before: bool) -> Json:
        """The properties with the tags of the stack in them, those of CloudFormation where ministack keeps tags."""
        kept = self._ministack.tag_property(definition.type_name)
        name, is_map = kept or (definition.tag_property, definition.tags_are_a_map)
        brought = request.previous_stack_tags if before else request.stack_tags
        # AWS IoT refuses tags that begin with aws:, CloudFormation's own as well.
        if kept and not definition.type_name.startswith("AWS::IoT::"):
            brought = {**brought, **(request.previous_system_tags if before else request.system_tags)}
        if not name or not brought:
            return properties
        tags = merged(properties.get(name), brought)
        return {**properties, name: tags if is_map else tag_list(tags)}

    def _names(self, definition: TypeDefinition, properties: Json) -> tuple[str, ...]:
        """The name that properties give a resource, of which there can be one alone; empty when it is generated."""
        wanted = self._ministack.name_properties(definition.type_name) or definition.primary_identifier
        given = tuple(str(properties[name]) for name in wanted if name in properties)
        return given if len(given) == len(wanted) else ()

    def _require_free(
        self, definition: TypeDefinition, request: Request, desired: Json, names: tuple[str, ...]
    ) -> None:
        type_name = definition.type_name
        if type_name == "AWS::SSM::Parameter" and names == (BOOTSTRAP_PARAMETER,):
            self._ministack.give_way(request.place)
        given = [desired[name] for name in self._ministack.identifiers(type_name) if name in desired]
        taken = any(one.names == names for one in self._of_type(request.place, type_name))
        complete = given and len(given) == len(self._ministack.identifiers(type_name))
        if names and (taken or (complete and self._ministack.find(request.place, type_name, given))):
            raise already_exists(request, type_name, "|".join(names))


def _resource(definition: TypeDefinition, emulated: Emulated) -> Resource:
    """The resource by what ministack answered, its attributes at their dotted names in the model."""
    model: Json = {**emulated.properties}
    declared = definition.schema.get("properties", {})
    for name, value in emulated.attributes.items():
        if name.partition(".")[0] in declared and isinstance(model.get(name.partition(".")[0], {}), dict):
            put_at(model, name, value)
    # A part of the identifier that is neither a property nor an attribute is what Ref returns.
    for name in definition.primary_identifier:
        model.setdefault(name, emulated.physical_id)
    served = {name: value for name, value in emulated.attributes.items() if definition.has_attribute(name)}
    attributes = {**definition.attributes_of(model), **served}
    return Resource(emulated.physical_id, definition.identifier(model), model, attributes)


def _with_tags(definition: TypeDefinition, current: Json, known: Json) -> Json:
    """What a reader found, its map of tags in the form of the type's tag property and the order of the known ones."""
    name = definition.tag_property
    if not name or name not in current:
        return current
    tags = tag_map(current[name])
    ordered = {key: tags[key] for key in [*(one for one in tag_map(known.get(name)) if one in tags), *tags]}
    return {**current, name: ordered if definition.tags_are_a_map else tag_list(ordered)}
