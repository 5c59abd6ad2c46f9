"""The resource types that ministack's CloudFormation supports, with AWS's published schemas.

This module generates the names, and the control plane decides about replacement, as for any other provider.
"""

from __future__ import annotations

import ast
import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.core.paths import Json, put_at, values_at
from cfnbox.providers.failures import already_exists, handler_failure, not_applied, not_found
from cfnbox.providers.ministack import MinistackFailed
from cfnbox.providers.ministack_stacks import ResourceStack, ResourceStacks, types
from cfnbox.providers.names import generated_name
from cfnbox.providers.properties import coerced
from cfnbox.providers.protocol import NOT_APPLIED, Resource, ResourceFailed
from cfnbox.providers.tags import merged, tag_list, tag_map

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.ministack import Ministack
    from cfnbox.providers.ministack_stacks import Wait
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.providers.published import PublishedTypes

# The beginning of CloudFormation's and ministack's error for a replacement that keeps the resource's name.
_CUSTOM_NAMED = "CloudFormation cannot update a stack when a custom-named resource requires replacing."
_AS_OWNER = "cloudcontrol"
# A Python exception as the reason in an event, instead of a service's message. Its text may contain a value.
_MISTAKE = re.compile(
    r"^'[^']*'$|object has no attribute|object is not|indices must be|unsupported operand|unexpected keyword"
    r"|not supported between|argument of type|positional argument|index out of range"
    r"|invalid literal for|could not convert"
)
# A service's answer, quoted by ministack.
_QUOTED = re.compile(r"b'.*'|b\".*\"", re.DOTALL)


@dataclass(frozen=True)
class _Made:
    """A resource of this provider: its stack, and its name from the template or generated."""

    resource: Resource
    stack: ResourceStack
    names: tuple[str, ...]
    generated_name: str | None = None


class MinistackProvider:
    """The provider of the types that ministack supports.

    Some updates return a new physical ID. The old resource then exists until the clean-up. `strict` refuses
    properties that ministack ignores.
    """

    def __init__(
        self,
        ministack: Ministack,
        published: PublishedTypes,
        clients: ServiceClients | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self._published, self._clients, self._strict = published, clients, strict
        self._stacks = ResourceStacks(ministack, self._list_attributes)
        self._made: dict[tuple[Place, str, str], _Made] = {}

    def notice(self, definition: TypeDefinition, properties: Json) -> str | None:
        """Return a notice with the properties that ministack ignores, or None."""
        names = _ignored(definition, properties)
        return f"{NOT_APPLIED}{', '.join(names)}" if names else None

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return the published schema of a type that ministack supports, or None."""
        return self._published.find(type_name, place.region) if type_name in types() else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create a resource. Raise AlreadyExists for a name in use, because ministack overwrites resources."""
        if self._strict and (ignored := _ignored(definition, desired)):
            raise not_applied(request, definition.type_name, ignored)
        names = self._names(definition, desired)
        self._require_free(definition, request, desired, names)
        return self._create(definition, request, desired, names, progress)

    def _create(
        self, definition: TypeDefinition, request: Request, desired: Json, names: tuple[str, ...], progress: Progress
    ) -> Resource:
        generated = self._generated_name(definition, request, desired)
        wanted = self._stack(definition, request, desired, generated)
        with _failures(request):
            stack = self._stacks.create(wanted, progress.wait)
        return self._keep(definition, _Made(_resource(definition, stack), stack, names, generated))

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update a resource in place, or create its replacement."""
        if self._strict and (ignored := _ignored(definition, desired)):
            raise not_applied(request, definition.type_name, ignored)
        made = self._require_made(definition, request, resource, previous, progress.wait)
        wanted = self._stack(definition, request, desired, made.generated_name)
        replacing = types()[definition.type_name].replacing
        names = self._names(definition, desired)
        if not names and any(wanted.properties.get(name) != made.stack.properties.get(name) for name in replacing):
            return self._create(definition, request, desired, names, progress)
        try:
            stack = self._stacks.update(made.stack, wanted.properties, progress.wait)
        except MinistackFailed as failure:
            if not str(failure).startswith(_CUSTOM_NAMED):
                raise _failed(request, failure) from None
            if names:
                raise ResourceFailed(str(failure), "AlreadyExists") from None
            return self._create(definition, request, desired, names, progress)
        self._made.pop((request.place, definition.type_name, resource.physical_id), None)
        updated = _Made(_resource(definition, stack), stack, names, made.generated_name)
        return self._keep(definition, updated)

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete a resource. Raise NotFound if it does not exist."""
        made = self._require_made(definition, request, resource, previous, progress.wait)
        with _failures(request):
            self._stacks.delete(made.stack, progress.wait)
        self._made.pop((request.place, definition.type_name, made.stack.physical_id), None)

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Return an existing resource as created. Raise UnsupportedAction for types that ministack cannot look up."""
        if not types()[definition.type_name].identifiers:
            message = f"ministack cannot read resources of type {definition.type_name}."
            raise handler_failure(request, message, "UnsupportedAction")
        with _failures(request):
            return _resource(definition, self._existing_stack(definition, request, identifier))

    def list(
        self, definition: TypeDefinition, request: Request, _filters: Json, _next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Return the resources of this provider, without those created by a service's own API."""
        return [made.resource.model for made in self._of_type(request.place, definition.type_name)], None

    def _require_made(
        self, definition: TypeDefinition, request: Request, resource: Resource, properties: Json, wait: Wait
    ) -> _Made:
        """Return the record of a resource. Adopt a resource without a stack. Raise NotFound if it is missing."""
        made = self._made.get((request.place, definition.type_name, resource.physical_id))
        if made is not None:
            return made
        stack = self._stack(definition, request, properties, None)
        adopted = self._adopt(definition, stack, resource.identifier, wait)
        if adopted is None:
            raise not_found(request, definition.type_name, resource.identifier)
        made = _Made(_resource(definition, adopted), adopted, self._names(definition, properties))
        self._keep(definition, made)
        return made

    def _adopt(
        self, definition: TypeDefinition, stack: ResourceStack, identifier: str, wait: Wait
    ) -> ResourceStack | None:
        values = identifier.split("|")
        if len(values) != len(types()[definition.type_name].identifiers):
            return None
        return self._stacks.adopt(stack, values, wait)

    def _existing_stack(self, definition: TypeDefinition, request: Request, identifier: str) -> ResourceStack:
        """Return the stack of an existing resource, and create it if necessary. Raise NotFound."""
        made = next(
            (made for made in self._of_type(request.place, definition.type_name)
             if identifier in (made.resource.identifier, made.resource.physical_id)), None
        )  # fmt: skip
        if made is None:
            stack = self._adopt(definition, self._stack(definition, request, {}, None), identifier, time.sleep)
            if stack is None:
                raise not_found(request, definition.type_name, identifier)
            self._keep(definition, _Made(_resource(definition, stack), stack, ()))
            return stack
        entry, values = types()[definition.type_name], identifier.split("|")
        if len(values) == len(entry.identifiers) and not self._stacks.exists(made.stack, values):
            raise not_found(request, definition.type_name, identifier)
        return made.stack

    def _of_type(self, place: Place, type_name: str) -> Sequence[_Made]:
        return [made for key, made in list(self._made.items()) if key[:2] == (place, type_name)]

    def _keep(self, definition: TypeDefinition, made: _Made) -> Resource:
        self._made[made.stack.place, definition.type_name, made.stack.physical_id] = made
        return made.resource

    def _stack(
        self, definition: TypeDefinition, request: Request, properties: Json, generated_name: str | None
    ) -> ResourceStack:
        """Return the stack of a resource, with the tags of the user's stack and the generated name."""
        owner, rule = request.owner, types()[definition.type_name].name
        properties = self._tagged(definition, request, properties)
        if generated_name is not None and rule is not None:
            properties = {rule.property: generated_name, **properties}
        return ResourceStack(
            request.place,
            definition.type_name,
            owner.stack_name if owner else _AS_OWNER,
            owner.logical_id if owner else definition.type_name.rpartition("::")[2],
            properties,
        )

    def _generated_name(self, definition: TypeDefinition, request: Request, properties: Json) -> str | None:
        """Return a generated name if the template has no name, or None for a type without names."""
        rule = types()[definition.type_name].name
        if rule is None or rule.property in properties:
            return None
        return generated_name(request, rule.limit, lower=rule.lower)

    def _tagged(self, definition: TypeDefinition, request: Request, properties: Json) -> Json:
        """Return the properties with the stack's tags, and with CloudFormation's tags if ministack keeps tags."""
        entry = types()[definition.type_name]
        name, is_map = entry.tag_property or definition.tag_property, definition.tags_are_a_map
        brought = dict(request.stack_tags)
        if entry.tag_property:
            is_map = entry.tags_are_a_map
            # AWS IoT refuses tags that begin with aws:, including CloudFormation's own.
            if not definition.type_name.startswith("AWS::IoT::"):
                brought |= request.system_tags
        if not name or not brought:
            return properties
        tags = merged(properties.get(name), brought)
        return {**properties, name: tags if is_map else tag_list(tags)}

    def _names(self, definition: TypeDefinition, properties: Json) -> tuple[str, ...]:
        """Return the unique name in the properties of a resource, or () for a generated name."""
        wanted = types()[definition.type_name].names or definition.primary_identifier
        given = tuple(str(properties[name]) for name in wanted if name in properties)
        return given if len(given) == len(wanted) else ()

    def _require_free(
        self, definition: TypeDefinition, request: Request, desired: Json, names: tuple[str, ...]
    ) -> None:
        type_name = definition.type_name
        if not names:
            return
        identifiers = types()[type_name].identifiers
        values = [str(desired[name]) for name in identifiers if name in desired]
        is_taken = any(made.names == names for made in self._of_type(request.place, type_name))
        if not is_taken and values and len(values) == len(identifiers):
            with _failures(request):
                is_taken = self._stacks.exists(self._stack(definition, request, desired, None), values)
        if is_taken:
            raise already_exists(request, type_name, "|".join(names))

    def _list_attributes(self, type_name: str, place: Place) -> frozenset[str]:
        """Return the names of a type's list attributes."""
        definition = self._published.find(type_name, place.region)
        if definition is None:
            return frozenset()
        return frozenset(name for name in types()[type_name].attributes if _is_list(definition, name))


def _ignored(definition: TypeDefinition, properties: Json) -> list[str]:
    return sorted(name for name in types()[definition.type_name].ignored if values_at(properties, name))


@contextmanager
def _failures(request: Request) -> Iterator[None]:
    """Convert errors of ministack to CloudFormation's handler failures."""
    try:
        yield
    except MinistackFailed as failure:
        raise _failed(request, failure) from None


def _failed(request: Request, failure: MinistackFailed) -> ResourceFailed:
    text = str(failure)
    if _MISTAKE.search(text):
        return handler_failure(request, "ministack cannot carry this out.", "InternalFailure")
    quoted = _QUOTED.search(text)
    if quoted:
        text = _of_answer(ast.literal_eval(quoted[0]).decode("utf-8", "replace")) or text
    is_taken = re.search(r"already ?exists", text, re.IGNORECASE)
    return handler_failure(request, text, "AlreadyExists" if is_taken else "GeneralServiceException")


def _of_answer(body: str) -> str:
    """Return the message of a service's error answer, JSON or XML."""
    try:
        answer = json.loads(body)
    except ValueError:
        found = re.search(r"<Message>(.*?)</Message>", body, re.DOTALL)
        return found[1] if found else ""
    return str(answer.get("message") or answer.get("Message") or answer.get("__type", ""))


def _is_list(definition: TypeDefinition, attribute: str) -> bool:
    node = definition.schema
    for name in attribute.split("."):
        node = definition.resolved(node).get("properties", {}).get(name, {})
    return definition.resolved(node).get("type") == "array"


def _resource(definition: TypeDefinition, stack: ResourceStack) -> Resource:
    """Return the resource of a stack, with its attributes at their dotted names in the model."""
    model: Json = {**stack.properties}
    declared = definition.schema.get("properties", {})
    for name, value in stack.attributes.items():
        if name.partition(".")[0] in declared and isinstance(model.get(name.partition(".")[0], {}), dict):
            put_at(model, name, value)
    # A part of the identifier that is neither a property nor an attribute is what Ref returns.
    for name in definition.primary_identifier:
        model.setdefault(name, stack.physical_id)
    model = _without_system_tags(definition, coerced(definition, model))
    served = {name: value for name, value in stack.attributes.items() if definition.has_attribute(name)}
    attributes = {**served, **definition.attributes_of(model)}
    return Resource(stack.physical_id, definition.identifier(model), model, attributes)


def _without_system_tags(definition: TypeDefinition, model: Json) -> Json:
    """Return a model without CloudFormation's own tags, because resource models do not have them."""
    name = types()[definition.type_name].tag_property or definition.tag_property
    tags = tag_map(model.get(name)) if name else {}
    own = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    if not name or len(own) == len(tags):
        return model
    left = {member: value for member, value in model.items() if member != name}
    return {**left, name: own if isinstance(model[name], dict) else tag_list(own)} if own else left
