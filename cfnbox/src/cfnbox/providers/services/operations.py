"""The engine of the types whose properties have API calls of their own: one operation on one resource."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cfnbox.core.paths import has, put_at, value_at, without
from cfnbox.providers.failures import already_exists, not_found
from cfnbox.providers.names import generated_name
from cfnbox.providers.properties import coerced
from cfnbox.providers.protocol import Resource, ResourceFailed
from cfnbox.providers.services.models import cut_to_schema, in_known_form, with_values_at
from cfnbox.providers.tags import merged, tag_list, tag_map

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.providers.services.calls import Calls
    from cfnbox.providers.services.service_type import Resources, ServiceType

_PER_PAGE = 100
# Characters of stack name and logical id in an abbreviated name.
_SHORT = 5
_FIRST_POLL_SECONDS, _MOST_POLL_SECONDS, _LONGER = 0.05, 1.0, 1.5


@dataclass(frozen=True)
class ApiOperation:
    """One operation on one resource of a type."""

    definition: TypeDefinition
    request: Request
    row: ServiceType
    calls: Calls
    resources: Resources

    def create(self, desired: Json, progress: Progress) -> Resource:
        """Create, tell the identity, then make the calls of the properties that the create call does not take."""
        self.row.require(self.request, desired)
        given = coerced(self.definition, desired)
        desired = self._with_name(given)
        if desired is given:
            # A generated name is free.
            self._require_free(desired)
        self.row.check(self.calls, {}, desired)
        tags = self._tags(desired, self.request.stack_tags, self.request.system_tags)
        model = {**desired, **self._call_create(desired, tags)}
        model = {**model, **self.row.derived(self.request.place, model)}
        key = self.row.key(self._identifier(model))
        progress.identified(self._resource(model))
        for part in self.row.parts:
            if not part.in_create:
                part.apply(self.calls, key, {}, desired)
        if self.row.tags and not self.row.tags.in_create and tags:
            self._add_tags(key, model, tags)
        if self.row.describe_after_create:
            model = {**model, **self._read_only(self._wait_until_settled(key, desired, progress))}
        return self._resource(model)

    def update(self, resource: Resource, previous: Json, desired: Json, progress: Progress) -> Resource:
        """Make the calls of the parts that differ, tags last, and wait."""
        self.row.require(self.request, desired)
        previous, desired = (coerced(self.definition, state) for state in (previous, desired))
        kept = {name: value_at(resource.model, name) for name in self._kept_names() if has(resource.model, name)}
        previous, desired = {**kept, **previous}, {**kept, **desired}
        key = self.row.key(resource.identifier)
        if self.row.describe(self.calls, key, previous) is None:
            # An operation such as PutRule would make it again.
            raise not_found(self.request, self.definition.type_name, resource.identifier)
        self.row.check(self.calls, previous, desired)
        for part in self.row.parts:
            part.apply(self.calls, key, previous, desired)
        if self.row.tags:
            tags_before = self._tags(previous, self.request.previous_stack_tags, self.request.previous_system_tags)
            tags_after = self._tags(desired, self.request.stack_tags, self.request.system_tags)
            if tags_before or tags_after:
                self._write_tags(key, resource.model, tags_before, tags_after)
        description = self._wait_until_settled(key, desired, progress)
        read_only = {**self.definition.read_only_part(resource.model), **self._read_only(description)}
        updated: Json = {**desired}
        for name, value in read_only.items():
            put_at(updated, name, value)
        return self._resource({**updated, **self.row.derived(self.request.place, updated)})

    def delete(self, identifier: str, previous: Json, progress: Progress) -> None:
        """Delete; what AWS refuses is refused before anything is removed."""
        previous = coerced(self.definition, previous)
        key = self.row.key(identifier)
        if not (self.row.service_refuses_deletion and self._is_deleted_at_once(key, previous)):
            self._remove_and_delete(identifier, key, previous)
        if self.row.delete_takes_time:
            self._wait_until_gone(key, previous, progress)

    def _is_deleted_at_once(self, key: Json, previous: Json) -> bool:
        """Try to delete a resource that may have nothing to be removed before."""
        try:
            self.calls.invoke(self.row.delete, {**key, **self.row.delete_request(previous)})
        except ResourceFailed as failure:
            if failure.code != "ResourceConflict":
                raise
            return False
        return True

    def _remove_and_delete(self, identifier: str, key: Json, previous: Json) -> None:
        if self.row.describe(self.calls, key, previous) is None:
            raise not_found(self.request, self.definition.type_name, identifier)
        self.row.refuse_deletion(self.calls, key, previous)
        for part in reversed(self.row.parts):
            if part.removed_before_delete:
                part.apply(self.calls, key, previous, {})
        if self.row.deletion:
            self.row.deletion(self.calls, key, previous)
        elif self.row.delete:
            self.calls.invoke(self.row.delete, {**key, **self.row.delete_request(previous)})

    def read(self, identifier: str, known: Json) -> Resource:
        """Return the resource as the service has it, with the properties that the service here does not keep."""
        key = self.row.key(identifier)
        description = self.row.describe(self.calls, key, known)
        if description is None:
            raise not_found(self.request, self.definition.type_name, identifier)
        model = {**description}
        for part in self.row.parts:
            model |= part.read(self.calls, key)
        if self.row.tags and (name := self.definition.tag_property):
            model[name] = self._tag_property(self._read_tags(key, model), known)
        for name, value in self.definition.identifier_model(identifier).items():
            model.setdefault(name, value)
        model = cut_to_schema(self.definition, {**model, **self.row.derived(self.request.place, model)})
        model = coerced(self.definition, model)
        model = self.row.not_own(model, known, self.resources)
        model = {name: value for name, value in model.items() if value not in ([], {}, None) or name in known}
        model = in_known_form(model, known)
        model = with_values_at(model, known, (*self.row.not_applied, *self.row.kept))
        return self._resource(without(model, self.definition.write_only))

    def page(self, filters: Json, next_token: str | None) -> tuple[Sequence[Json], str | None]:
        """Return a page of the resources that the service lists."""
        if self.row.list is None:
            message = f"Resource type {self.definition.type_name} does not support LIST action"
            raise self.calls.failed(message, "UnsupportedAction")
        models = list(self.row.list(self.calls, filters))
        start = int(next_token) if next_token and next_token.isdecimal() else 0
        end = start + _PER_PAGE
        return models[start:end], str(end) if end < len(models) else None

    def _with_name(self, desired: Json) -> Json:
        name = self.row.name
        if name is None or name.property in desired:
            return desired
        owner, suffix = self.request.owner, name.suffix(desired)
        if owner and name.abbreviated:
            owner = replace(owner, stack_name=owner.stack_name[:_SHORT], logical_id=owner.logical_id[:_SHORT])
        if owner and name.stack_name is not None:
            owner = replace(owner, stack_name=name.stack_name)
        request = replace(self.request, owner=owner)
        generated = generated_name(request, name.limit - len(suffix), name.allowed, lower=name.lower)
        return {**desired, name.property: generated + suffix}

    def _require_free(self, desired: Json) -> None:
        if self.row.is_taken and self.row.is_taken(self.calls, desired):
            model = {**desired, **self.row.derived(self.request.place, desired)}
            names = (self.row.name.property,) if self.row.name else self.definition.primary_identifier
            identifier = "|".join(str(model[name]) for name in names)
            raise already_exists(self.request, self.definition.type_name, identifier)

    def _call_create(self, desired: Json, tags: Mapping[str, str]) -> Json:
        if not self.row.create:
            return {}
        properties = self._without_tags(desired)
        if self.row.create_members:
            members = self.row.create_members(self.calls, properties)
        else:
            members = self.row.create_request(properties, self.request.place)
        if self.row.tags and self.row.tags.in_create and tags:
            members = {**members, self.row.tags.in_create: self.row.tags.written(dict(tags))}
        # What a create does not find is not the resource itself.
        answer = self.calls.invoke(self.row.create, members, missing_is="InvalidRequest")
        return self._read_only(self.row.create_answer(answer))

    def _read_only(self, description: Json) -> Json:
        """Return the properties of a description that no template has to set, and the identifiers."""
        model = cut_to_schema(self.definition, description)
        dotted = (*self.definition.read_only, *self.definition.primary_identifier, *self.row.filled_in)
        names = {name.partition(".")[0] for name in dotted}
        return {name: value for name, value in model.items() if name in names}

    def _kept_names(self) -> tuple[str, ...]:
        name = (self.row.name.property,) if self.row.name else ()
        return (*name, *self.definition.primary_identifier, *self.row.kept)

    def _wait_until_settled(self, key: Json, desired: Json, progress: Progress) -> Json:
        pause = _FIRST_POLL_SECONDS
        while True:
            description = self.row.describe(self.calls, key, desired)
            if description is None:
                raise not_found(self.request, self.definition.type_name, "|".join(map(str, key.values())))
            if self.row.is_settled(description):
                break
            progress.wait(pause)
            pause = min(pause * _LONGER, _MOST_POLL_SECONDS)
        if failure := self.row.failure(description):
            raise self.calls.failed(failure, "NotStabilized")
        return description

    def _wait_until_gone(self, key: Json, previous: Json, progress: Progress) -> None:
        pause = _FIRST_POLL_SECONDS
        while (description := self.row.describe(self.calls, key, previous)) is not None:
            if self.row.is_settled(description):
                return
            progress.wait(pause)
            pause = min(pause * _LONGER, _MOST_POLL_SECONDS)

    def _tags(self, properties: Json, *brought: Mapping[str, str]) -> dict[str, str]:
        name = self.definition.tag_property
        if not (name and self.row.tags):
            return {}
        tags = tag_map(properties.get(name))
        for further in brought:
            tags = merged(tags, further)
        if not self.row.tags.takes_system_tags:
            tags = {name: value for name, value in tags.items() if not name.startswith("aws:")}
        return tags

    def _write_tags(self, key: Json, model: Json, before: dict[str, str], after: dict[str, str]) -> None:
        tags = self.row.tags
        if tags is None:
            return
        current = self._read_tags(key, model, with_system_tags=True)
        added = {name: value for name, value in after.items() if current.get(name) != value}
        removed = [name for name in before if name not in after and name in current]
        if removed:
            members = {**tags.target(key, model), tags.keys_member: tags.written_keys(removed)}
            self.calls.invoke(tags.untag, members, service=tags.service)
        if added:
            self._add_tags(key, model, added)

    def _add_tags(self, key: Json, model: Json, added: dict[str, str]) -> None:
        if tags := self.row.tags:
            members = {**tags.target(key, model), tags.tags_member: tags.written(added)}
            self.calls.invoke(tags.tag, members, service=tags.service)

    def _read_tags(self, key: Json, model: Json, *, with_system_tags: bool = False) -> dict[str, str]:
        tags = self.row.tags
        if tags is None:
            return {}
        target = (tags.list_target or tags.target)(key, model)
        found = tags.read({tags.answer_member: self._listed_tags(target)})
        return {name: value for name, value in found.items() if with_system_tags or not name.startswith("aws:")}

    def _listed_tags(self, target: Json) -> Any:
        tags = self.row.tags
        if tags is None or tags.read_as_map:
            return (self.calls.find(tags.list, target) or {}).get(tags.answer_member) if tags else []
        return self.calls.items(tags.list, target, tags.answer_member)

    def _tag_property(self, tags: dict[str, str], known: Json) -> Any:
        """Return tags in the form of the type's property, and in the order of the known ones."""
        own = tag_map(known.get(self.definition.tag_property or ""))
        ordered = {key: tags[key] for key in [*(name for name in own if name in tags), *tags]}
        return ordered if self.definition.tags_are_a_map else tag_list(ordered)

    def _without_tags(self, properties: Json) -> Json:
        return {name: value for name, value in properties.items() if name != self.definition.tag_property}

    def _identifier(self, model: Json) -> str:
        missing = [name for name in self.definition.primary_identifier if not has(model, name)]
        if missing:
            raise self.calls.failed(f"The service's answer lacks {' and '.join(missing)}.", "ServiceInternalError")
        return self.definition.identifier(model)

    def _resource(self, model: Json) -> Resource:
        identifier = self._identifier(model)
        physical_id = str(value_at(model, self.row.ref)) if self.row.ref else identifier
        if self.row.physical_id:
            physical_id = self.row.physical_id(model)
        return Resource(physical_id, identifier, model, self.definition.attributes_of(model))
