"""Types whose API has an operation for each of create, describe, update and delete, with the schema's member names.

A row says where type and API differ; all else follows from the type's published schema and the API's shapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cfnbox.core.paths import has
from cfnbox.providers.failures import already_exists, not_found
from cfnbox.providers.names import random_name
from cfnbox.providers.properties import coerced
from cfnbox.providers.protocol import Resource, ResourceFailed
from cfnbox.providers.services.calls import Calls
from cfnbox.providers.services.models import cut_to_schema
from cfnbox.providers.tags import merged, tag_list, tag_map

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.protocol import Progress, Request

_PER_PAGE = 100
_FIRST_POLL_SECONDS, _MOST_POLL_SECONDS, _LONGER = 0.05, 1.0, 1.5
# Operations and their members.
ExtraCalls = list[tuple[str, "Json"]]
_UNDER_WAY = (
    "Creating",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "Deleting",
    "Pending",
    "InProgress",
    "Stopping",
)


def _same(members: Json) -> Json:
    return members


def _none(_previous: Json, _desired: Json) -> ExtraCalls:
    return []


def changed_members(previous: Json, desired: Json) -> Json:
    """Return the members of an update that differ."""
    return {name: value for name, value in desired.items() if previous.get(name) != value}


@dataclass(frozen=True)
class UniformTags:
    """The operations on tags of an API, the member that holds the ARN, and whether tags are a map there.

    `takes_system_tags` says that the API here lets CloudFormation's own tags be written as others.
    """

    tag: str = "AddTags"
    untag: str = "DeleteTags"
    list: str = "ListTags"
    arn_member: str = "ResourceArn"
    is_map: bool = False
    takes_system_tags: bool = False

    def written(self, tags: Sequence[Json]) -> Any:
        """Return tags in the form that the API takes."""
        return tag_map(tags) if self.is_map else tags


@dataclass(frozen=True)
class UniformType:
    """One row of the table. The operations are called after `title`, and what they call a resource by default too.

    `create_request` makes the members of a create of properties, `update_request` those of an update of the
    previous and the desired properties, `parse_description` properties of the members of a description, and
    `extra_calls` the calls that follow a create or an update or come before a delete. An update that changes none
    of `update_for` is no call. `create_overwrites` says that the API's create overwrites a resource of that name.
    `required_parent` is the type that must exist under the same members. `ref` is the property that Ref returns
    where that is not the primary identifier.
    """

    title: str
    service: str = "sagemaker"
    create: str = ""
    update: str = ""
    delete: str = ""
    describe: str = ""
    list: str = ""
    answer_member: str = ""
    name_member: str = ""
    arn: str = ""
    ref: str = ""
    status: str = ""
    update_name_member: str = ""
    update_for: tuple[str, ...] = ()
    named_by_arn: bool = False
    stopped_for_changes: bool = False
    create_overwrites: bool = False
    required_parent: UniformType | None = None
    tags: UniformTags = UniformTags()
    delete_with: Mapping[str, Any] = field(default_factory=dict)
    key_from_identifier: Callable[[str], Json] | None = None
    describe_request: Callable[[Json], Json] = _same
    create_request: Callable[[Json], Json] = _same
    update_request: Callable[[Json, Json], Json] = changed_members
    parse_description: Callable[[Json], Json] = _same
    extra_calls: Callable[[Json, Json], ExtraCalls] = _none

    def operation(self, kind: str) -> str:
        """Return the operation that does a "Create", "Describe", "Update", "Delete" or "List"."""
        plural = "s" if kind == "List" else ""
        return str(getattr(self, kind.lower(), "")) or f"{kind}{self.title}{plural}"

    @property
    def name(self) -> str:
        """Return the member that names a resource."""
        return self.name_member or f"{self.title}Name"

    @property
    def arn_member(self) -> str:
        """Return the member of answers that holds the ARN."""
        return self.arn or f"{self.title}Arn"

    def key(self, identifier: str) -> Json:
        """Return the members that name a resource to the API, from its primary identifier."""
        if self.key_from_identifier:
            return self.key_from_identifier(identifier)
        whole = self.named_by_arn or not identifier.startswith("arn:")
        return {self.name: identifier if whole else identifier.rpartition("/")[2]}

    def is_settled(self, description: Json) -> bool:
        """Return whether no operation on it is running."""
        return description.get(self.status) not in _UNDER_WAY

    def failure(self, description: Json) -> str | None:
        """Return why the last operation on it failed; None when it did not."""
        status = str(description.get(self.status, ""))
        reason = description.get("FailureReason")
        return str(reason or f"The status is {status}.") if reason or "Failed" in status else None


@dataclass(frozen=True)
class UniformCalls(Calls):
    """The operations that a row names."""

    type: UniformType

    def call(self, kind: str, members: Json) -> Json:
        """Return the answer to a Create, Describe, Update, Delete or List."""
        # What a create does not find is not the resource itself.
        missing_is = "InvalidRequest" if kind == "Create" else "NotFound"
        return self.invoke(self.type.operation(kind), members, missing_is=missing_is)

    def description(self, key: Json) -> Json | None:
        """Return the description of the resource that these members name; None when there is none."""
        try:
            answer = self.call("Describe", self.type.describe_request(key))
        except ResourceFailed as failure:
            if failure.code == "NotFound":
                return None
            raise
        if not self.type.answer_member:
            return answer
        listed = answer[self.type.answer_member]
        found = [item for item in listed if all(item[name] == value for name, value in key.items() if name in item)]
        return found[0] if found else None

    def described_members(self) -> Sequence[str]:
        """Return the names of the members that a description can have."""
        shape: Any = self.client.meta.service_model.operation_model(self.type.operation("Describe")).output_shape
        if self.type.answer_member:
            shape = shape.members[self.type.answer_member].member
        return list(shape.members)

    def settled(self, key: Json, progress: Progress) -> Json | None:
        """Wait until no operation is running and return the description; None when the resource is gone."""
        pause = _FIRST_POLL_SECONDS
        while True:
            description = self.description(key)
            if description is None or self.type.is_settled(description):
                return description
            progress.wait(pause)
            pause = min(pause * _LONGER, _MOST_POLL_SECONDS)

    def succeeded(self, key: Json, progress: Progress) -> Json:
        """Wait until the running operation has succeeded and return the description."""
        description = self.settled(key, progress)
        if description is None:
            raise not_found(self.request, self.type.title, "|".join(str(item) for item in key.values()))
        failure = self.type.failure(description)
        if failure:
            raise self.failed(failure, "NotStabilized")
        return description

    def tags(self, arn: str) -> list[Json]:
        """Return all tags of a resource."""
        tags = self.type.tags
        target = {tags.arn_member: arn}
        if tags.is_map:
            found = self.invoke(tags.list, target).get("Tags", {})
            return tag_list({key: value for key, value in found.items() if not key.startswith("aws:")})
        return self.items(tags.list, target, "Tags")


@dataclass(frozen=True)
class UniformOperation:
    """One operation on a resource."""

    definition: TypeDefinition
    request: Request
    row: UniformType
    calls: UniformCalls
    on_tagged: Callable[[str, Mapping[str, str]], None]

    def create(self, desired: Json, progress: Progress) -> Resource:
        named = self._named(desired)
        members = self.row.create_request(coerced(self.definition, named))
        self._require(members)
        tags = self._tags(desired, self.request.stack_tags)
        answer = self._created(
            {**members, **({"Tags": self.row.tags.written(tags)} if tags else {})}, generated=named is not desired
        )
        made = {**members, **answer}
        identifier = self._identifier(made)
        progress.identified(self._resource(identifier, made, named, tags))
        self._write_system_tags(made)
        self._call_further({}, members)
        description = self.calls.succeeded(self.row.key(identifier), progress)
        return self._resource(identifier, description, named, tags)

    def _call_further(self, previous: Json, desired: Json) -> None:
        for operation, members in self.row.extra_calls(previous, desired):
            self.calls.invoke(operation, members)

    def _write_system_tags(self, description: Json) -> None:
        if not (self.request.system_tags and self.definition.tag_property):
            return
        names, arn = self.row.tags, description[self.row.arn_member]
        if names.takes_system_tags:
            written = names.written(tag_list(self.request.system_tags))
            self.calls.invoke(names.tag, {names.arn_member: arn, "Tags": written})
        else:
            self.on_tagged(arn, self.request.system_tags)

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
        before, after = (coerced(self.definition, self._without_tags(item)) for item in (previous, desired))
        watched = self.row.update_for or (*before, *after)
        if any(before.get(name) != after.get(name) for name in watched):
            self._change(resource, key, self.row.update_request(before, after), progress)
            self._call_further(before, after)
        description = self.calls.description(key)
        if description is None:
            raise not_found(self.request, self.definition.type_name, resource.identifier)
        tags, before_tags = (
            self._tags(*item)
            for item in ((desired, self.request.stack_tags), (previous, self.request.previous_stack_tags))
        )
        self._retag(description, before_tags, tags)
        self._write_system_tags(description)
        return self._resource(resource.identifier, description, desired, tags)

    def _change(self, resource: Resource, key: Json, members: Json, progress: Progress) -> None:
        named = {self.row.update_name_member: resource.identifier} if self.row.update_name_member else key
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
        names, arn = self.row.tags, description[self.row.arn_member]
        if added:
            self.calls.invoke(names.tag, {names.arn_member: arn, "Tags": names.written(added)})
        if gone:
            self.calls.invoke(names.untag, {names.arn_member: arn, "TagKeys": gone})

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
        models = [self._model(self.row.parse_description(item)) for item in listed]
        names = self.definition.primary_identifier
        return [{name: item[name] for name in names if name in item} for item in models], answer.get("NextToken")

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
        """Check for parent and duplicate where the API does not."""
        parent = self.row.required_parent
        if parent is not None and replace(self.calls, type=parent).description(_target(members)) is None:
            # The text of Application Auto Scaling's ObjectNotFoundException.
            named = ", ".join(f"{words}: {members.get(name)}" for words, name in _TARGET_WORDS.items())
            raise self.calls.failed(f"No scalable target registered for {named}", "InvalidRequest")
        if self.row.create_overwrites and self.calls.description(members) is not None:
            name = str(members.get("PolicyName") or members["ResourceId"])
            raise already_exists(self.request, self.definition.type_name, name)

    def _tags(self, properties: Json, brought: Mapping[str, str]) -> list[Json]:
        name = self.definition.tag_property
        return tag_list(merged(properties.get(name), brought)) if name else []

    def _without_tags(self, properties: Json) -> Json:
        return {name: value for name, value in properties.items() if name != self.definition.tag_property}

    def _resource(self, identifier: str, description: Json, known: Json, tags: list[Json]) -> Resource:
        model = self._model(self.row.parse_description(description))
        readable = self.row.parse_description(dict.fromkeys(self.calls.described_members()))
        unread = {name: value for name, value in self._without_tags(known).items() if name not in readable}
        model = {**unread, **model, **({str(self.definition.tag_property): tags} if tags else {})}
        physical_id = str(model[self.row.ref]) if self.row.ref else identifier
        return Resource(physical_id, identifier, model, self.definition.attributes_of(model))

    def _model(self, members: Json) -> Json:
        """A description in the properties of the schema and the types of JSON."""
        model: Json = cut_to_schema(self.definition, members)
        for name in ("Id", "Arn"):
            if name in self.definition.read_only and self.row.arn_member in members:
                model.setdefault(name, members[self.row.arn_member])
        return model

    def _identifier(self, members: Json) -> str:
        model = self._model(self.row.parse_description(members))
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
