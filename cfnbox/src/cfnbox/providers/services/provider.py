"""The resource types that are an API with the same member names: each operation is a call, and then a wait."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cfnbox.core.paths import has
from cfnbox.providers.failures import already_exists, not_found
from cfnbox.providers.names import random_name
from cfnbox.providers.properties import coerced
from cfnbox.providers.protocol import Resource, ResourceFailed, no_notice
from cfnbox.providers.services.calls import Calls
from cfnbox.providers.services.tables import TYPES, ServiceType
from cfnbox.providers.tags import merged, tag_list

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.providers.published import PublishedTypes

_PER_PAGE = 100
# Of a type whose published schema lists no handlers, such as that of an endpoint configuration.
_HANDLERS: Mapping[str, Mapping[str, Any]] = {name: {} for name in ("create", "read", "update", "delete", "list")}


class ServiceProvider:
    """Serves the types of the table by calls to the services behind the cloud's address.

    `on_tagged` is told ARN and system tags of each resource that CloudFormation itself writes its
    `aws:cloudformation:` tags onto, which no caller of an API can; it must not raise.
    """

    notice = staticmethod(no_notice)

    def __init__(
        self,
        clients: ServiceClients,
        published: PublishedTypes,
        on_tagged: Callable[[str, Mapping[str, str]], None] = lambda _arn, _tags: None,
    ) -> None:
        self._clients, self._published, self._on_tagged = clients, published, on_tagged
        self._properties: dict[tuple[Place, str, str], Json] = {}
        self._provisionable: dict[TypeDefinition, TypeDefinition] = {}

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """The published schema of a type of the table, with every operation where it lists none."""
        if type_name not in TYPES:
            return None
        # A type is asked for when its template is read, well before the first call.
        self._clients.prepare(TYPES[type_name].service, place)
        published = self._published.find(type_name, place.region)
        if published is None or published.handlers:
            return published
        return self._provisionable.setdefault(published, replace(published, handlers=_HANDLERS))

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create, and wait until the resource is what it was to become; it is told before the wait."""
        made = self._operation(definition, request).create(desired, progress)
        self._properties[request.place, definition.type_name, made.identifier] = desired
        return made

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
        updated = self._operation(definition, request).update(resource, previous, desired, progress)
        self._properties[request.place, definition.type_name, updated.identifier] = desired
        return updated

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete, after what is under way, and wait until it is gone."""
        self._operation(definition, request).delete(resource.identifier, previous, progress)
        self._properties.pop((request.place, definition.type_name, resource.identifier), None)

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """The description, over the properties that no description has."""
        known = self._properties.get((request.place, definition.type_name, identifier), {})
        return self._operation(definition, request).read(identifier, known)

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """A page of identifiers."""
        return self._operation(definition, request).page(filters, next_token)

    def _operation(self, definition: TypeDefinition, request: Request) -> _Operation:
        row = TYPES[definition.type_name]
        calls = Calls(row, self._clients.of(row.service, request.place), request)
        return _Operation(definition, request, row, calls, self._on_tagged)


@dataclass(frozen=True)
class _Operation:
    """One operation on one resource of one type."""

    definition: TypeDefinition
    request: Request
    row: ServiceType
    calls: Calls
    on_tagged: Callable[[str, Mapping[str, str]], None]

    def create(self, desired: Json, progress: Progress) -> Resource:
        named = self._named(desired)
        members = self.row.requested(coerced(self.definition, named))
        self._require(members)
        tags = self._tags(desired, self.request.stack_tags)
        answer = self._created({**members, **({"Tags": tags} if tags else {})}, generated=named is not desired)
        made = {**members, **answer}
        identifier = self._identifier(made)
        progress.identified(self._resource(identifier, made, named, tags))
        self._write_system_tags(made)
        self._call_further({}, members)
        description = self.calls.succeeded(self.row.key(identifier), progress)
        return self._resource(identifier, description, named, tags)

    def _call_further(self, previous: Json, desired: Json) -> None:
        for operation, members in self.row.further(previous, desired):
            self.calls.invoke(operation, members)

    def _write_system_tags(self, description: Json) -> None:
        if self.request.system_tags and self.definition.tag_property:
            self.on_tagged(description[self.row.arn_member], self.request.system_tags)

    def _created(self, members: Json, *, generated: bool) -> Json:
        try:
            return self.calls.call("Create", members)
        except ResourceFailed as failure:
            # The create may be done although its answer was lost; a generated name is nobody else's.
            if not (generated and failure.code == "NetworkFailure"):
                raise
            description = self.calls.description({self.row.name: members[self.row.name]})
            if description is None:
                raise
            return description

    def update(self, resource: Resource, previous: Json, desired: Json, progress: Progress) -> Resource:
        key = self.row.key(resource.identifier)
        self.calls.settled(key, progress)
        before, after = (coerced(self.definition, self._without_tags(one)) for one in (previous, desired))
        watched = self.row.update_for or (*before, *after)
        if any(before.get(name) != after.get(name) for name in watched):
            self._change(resource, key, self.row.changed(before, after), progress)
            self._call_further(before, after)
        description = self.calls.description(key)
        if description is None:
            raise not_found(self.request, self.definition.type_name, resource.identifier)
        tags, before_tags = (
            self._tags(*one)
            for one in ((desired, self.request.stack_tags), (previous, self.request.previous_stack_tags))
        )
        self._retag(description, before_tags, tags)
        self._write_system_tags(description)
        return self._resource(resource.identifier, description, desired, tags)

    def _change(self, resource: Resource, key: Json, members: Json, progress: Progress) -> None:
        named = {self.row.update_named: resource.identifier} if self.row.update_named else key
        ran = self._stop(key, progress)
        self.calls.call("Update", {**members, **named})
        self.calls.succeeded(key, progress)
        if ran:
            self.calls.invoke(f"Start{self.row.title}", key)
            self.calls.succeeded(key, progress)

    def _stop(self, key: Json, progress: Progress) -> bool:
        """Stop what has to be stopped before a change; whether it ran."""
        description = self.calls.description(key) if self.row.stopped_for_changes else None
        if description is None or description.get(self.row.status) != "InService":
            return False
        self.calls.invoke(f"Stop{self.row.title}", key)
        self.calls.settled(key, progress)
        return True

    def _retag(self, description: Json, before: list[Json], after: list[Json]) -> None:
        added = [tag for tag in after if tag not in before]
        gone = sorted({tag["Key"] for tag in before} - {tag["Key"] for tag in after})
        if added:
            self.calls.invoke("AddTags", {"ResourceArn": description[self.row.arn_member], "Tags": added})
        if gone:
            self.calls.invoke("DeleteTags", {"ResourceArn": description[self.row.arn_member], "TagKeys": gone})

    def delete(self, identifier: str, previous: Json, progress: Progress) -> None:
        key = self.row.key(identifier)
        self._call_further(coerced(self.definition, previous), {})
        self.calls.settled(key, progress)
        self._stop(key, progress)
        self.calls.call("Delete", {**key, **self.row.delete_with})
        left = self.calls.settled(key, progress) if self.row.status else None
        if left is not None:
            raise self.calls.failed(
                self.row.failure(left) or "It is still there after its deletion.", "NotStabilized"
            )

    def read(self, identifier: str, known: Json) -> Resource:
        description = self.calls.description(self.row.key(identifier))
        if description is None:
            raise not_found(self.request, self.definition.type_name, identifier)
        tags = self.calls.tags(description[self.row.arn_member]) if self.definition.tag_property else []
        return self._resource(identifier, description, known, tags)

    def page(self, filters: Json, next_token: str | None) -> tuple[Sequence[Json], str | None]:
        if self.row.answer_member and "ServiceNamespace" not in filters:
            message = f"A list of {self.definition.type_name} needs ServiceNamespace in its resource model."
            raise self.calls.failed(message, "InvalidRequest")
        paging = {"MaxResults": _PER_PAGE} | ({"NextToken": next_token} if next_token else {})
        answer = self.calls.call("Describe" if self.row.answer_member else "List", {**filters, **paging})
        listed = next((value for value in answer.values() if isinstance(value, list)), [])
        models = [self._model(self.row.described(one)) for one in listed]
        names = self.definition.primary_identifier
        return [{name: one[name] for name in names if name in one} for one in models], answer.get("NextToken")

    def _named(self, desired: Json) -> Json:
        """The properties with a name, generated where the type lets a template leave it out; the same else."""
        name, definition = self.row.name, self.definition
        # Some of AWS's schemas list as read-only what can be given at the creation, such as EndpointName.
        settable = name in definition.create_only or (
            name in definition.schema.get("properties", {}) and name not in definition.read_only
        )
        # A model package in a group has a version for its name.
        if name in desired or not settable or "ModelPackageGroupName" in desired:
            return desired
        return {**desired, name: random_name(self.row.title)}

    def _require(self, members: Json) -> None:
        """What has to be there is, and what must not be is not, where the API itself does not look."""
        if self.row.needs and replace(self.calls, type=TYPES[self.row.needs]).description(_target(members)) is None:
            # The text of Application Auto Scaling's ObjectNotFoundException.
            named = ", ".join(f"{words}: {members.get(name)}" for words, name in _TARGET_WORDS.items())
            raise self.calls.failed(f"No scalable target registered for {named}", "InvalidRequest")
        if self.row.writes_over and self.calls.description(members) is not None:
            name = str(members.get("PolicyName") or members["ResourceId"])
            raise already_exists(self.request, self.definition.type_name, name)

    def _tags(self, properties: Json, brought: Mapping[str, str]) -> list[Json]:
        name = self.definition.tag_property
        return tag_list(merged(properties.get(name), brought)) if name else []

    def _without_tags(self, properties: Json) -> Json:
        return {name: value for name, value in properties.items() if name != self.definition.tag_property}

    def _resource(self, identifier: str, description: Json, known: Json, tags: list[Json]) -> Resource:
        model = self._model(self.row.described(description))
        readable = self.row.described(dict.fromkeys(self.calls.described_members()))
        unread = {name: value for name, value in self._without_tags(known).items() if name not in readable}
        model = {**unread, **model, **({str(self.definition.tag_property): tags} if tags else {})}
        physical_id = str(model[self.row.ref]) if self.row.ref else identifier
        return Resource(physical_id, identifier, model, self.definition.attributes_of(model))

    def _model(self, members: Json) -> Json:
        """A description in the properties of the schema and the types of JSON."""
        model: Json = _cut(self.definition, self.definition.schema, members)
        for name in ("Id", "Arn"):
            if name in self.definition.read_only and self.row.arn_member in members:
                model.setdefault(name, members[self.row.arn_member])
        return model

    def _identifier(self, members: Json) -> str:
        model = self._model(self.row.described(members))
        missing = [name for name in self.definition.primary_identifier if not has(model, name)]
        if missing:
            raise self.calls.failed(f"The service's answer lacks {' and '.join(missing)}.", "ServiceInternalError")
        return self.definition.identifier(model)


_TARGET_WORDS = {
    "service namespace": "ServiceNamespace",
    "resource ID": "ResourceId",
    "scalable dimension": "ScalableDimension",
}


def _target(members: Json) -> Json:
    return {name: members.get(name, "") for name in _TARGET_WORDS.values()}


def _cut(definition: TypeDefinition, node: Mapping[str, Any], value: Any) -> Any:
    """A value with the properties that a schema has, times as text."""
    node = definition.resolved(node)
    if isinstance(value, dict):
        declared = node.get("properties")
        if declared is None:
            return {name: _cut(definition, {}, one) for name, one in value.items()}
        return {name: _cut(definition, declared[name], one) for name, one in value.items() if name in declared}
    if isinstance(value, list):
        return [_cut(definition, node.get("items", {}), one) for one in value]
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
