"""Create, Describe, Update, Delete and List for all named resources of SageMaker.

The fields of a Kind hold its names, its statuses and the functions that only this kind needs. Answers are limited to
the members of botocore's output shapes, so that a kind does not list them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Refused
from cfnbox.sagemaker.api import PlaceStore, position_of, token_of
from cfnbox.sagemaker.rules import check_tags, service_model
from cfnbox.sagemaker.store import Stored, Transition, now

if TYPE_CHECKING:
    from botocore.model import StructureShape

    from cfnbox.core.paths import Json

# ListEndpoints and most other lists of SageMaker document 10.
PER_PAGE = 10

Operation = Callable[[PlaceStore, "Json"], "Json"]


@dataclass(frozen=True)
class Words:
    """An error template: AWS's error code, and the message with the placeholders {arn} and {name}."""

    text: str
    code: str = "ValidationException"

    def about(self, resource: Stored) -> Refused:
        """Return the error for a resource."""
        return self.of(resource.name, resource.arn)

    def of(self, name: str, arn: str) -> Refused:
        """Return the error for a name and an ARN."""
        return Refused(self.code, self.text.format(name=name, arn=arn))


@dataclass(frozen=True)
class Statuses:
    """The names of a kind's statuses. "" marks a step that ends at once."""

    member: str
    ready: str
    creating: str = ""
    updating: str = ""
    deleting: str = ""
    failed: str = "Failed"


def _as_asked(_: PlaceStore, request: Json) -> Json:
    return request


def _written_over(_: PlaceStore, resource: Stored, request: Json) -> Json:
    return resource.members | request


def _nothing(*_: object) -> Any:
    return {}


@dataclass(frozen=True)
class Kind:
    """A kind of resource. `path` is the part of the ARN before the name.

    `prepared` returns the members of a new resource, `changed` the members after an update. Both and `before_delete`
    raise Refused for an invalid request. `shown` returns derived members for a description.
    """

    title: str
    path: str
    missing: Words
    exists: Words
    statuses: Statuses = field(default_factory=lambda: Statuses("", ""))
    named: str = ""
    plural: str = ""
    arn_member: str = ""
    identified: Callable[[PlaceStore, Json], str] | None = None
    prepared: Callable[[PlaceStore, Json], Json] = _as_asked
    changed: Callable[[PlaceStore, Stored, Json], Json] = _written_over
    before_change: Callable[[PlaceStore, Stored], object] = _nothing
    before_delete: Callable[[PlaceStore, Stored], object] = _nothing
    shown: Callable[[PlaceStore, Stored], Json] = _nothing
    looked_up: Callable[[PlaceStore, str], str] = lambda _, name: name
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def name_member(self) -> str:
        """Return the member that holds a resource's name."""
        return self.named or f"{self.title}Name"

    @property
    def arn_is(self) -> str:
        """Return the member that holds a resource's ARN."""
        return self.arn_member or f"{self.title}Arn"

    @property
    def list_operation(self) -> str:
        """Return the name of the kind's List operation."""
        return f"List{self.plural or f'{self.title}s'}"

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """Return the operations on this kind by name. SageMaker does not have all of them for every kind."""
        return {
            f"Create{self.title}": partial(create, self),
            f"Describe{self.title}": partial(describe, self),
            f"Update{self.title}": partial(update, self),
            f"Delete{self.title}": partial(delete, self),
            self.list_operation: partial(listed, self),
        }

    def find(self, place: PlaceStore, name: str) -> Stored:
        """Return the resource of a name. Raise Refused if no resource has it."""
        name = self.looked_up(place, name)
        if found := place.resources.find(self.path, name):
            return found
        raise self.missing.of(name, place.arn(name, self.path))

    def view(self, place: PlaceStore, resource: Stored) -> Json:
        """Return all members of a resource, stored and derived. `output` selects those of an output shape."""
        view = copy.deepcopy(resource.members) | {
            self.name_member: resource.name,
            self.arn_is: resource.arn,
            "CreationTime": resource.created,
            "LastModifiedTime": resource.modified,
        }
        if self.statuses.member:
            view[self.statuses.member] = resource.status
        if resource.failure:
            view["FailureReason"] = resource.failure
        view |= self.shown(place, resource)
        view |= {alias: view[name] for alias, name in self.aliases.items() if name in view}
        return {name: value for name, value in view.items() if value is not None}

    def begin_update(self, resource: Stored, members: Json) -> None:
        """Start an update. The resource gets the new members when the update ends."""

        def finish() -> None:
            resource.members = members

        resource.modified = now()
        if not self.statuses.updating:
            finish()
            return
        # Blue/green: a failed update leaves the previous members in service.
        resource.begin(Transition(self.statuses.updating, finish, _nothing))


def output(operation: str, view: Json) -> Json:
    """Return the members of a view that the operation's output shape has."""
    shape: StructureShape | None = service_model().operation_model(operation).output_shape
    return {} if shape is None else {name: view[name] for name in shape.members if name in view}


def create(kind: Kind, place: PlaceStore, request: Json) -> Json:
    """Answer Create. Raise Refused if the name is in use."""
    check_tags(request.get("Tags", []))
    name = kind.identified(place, request) if kind.identified else request[kind.name_member]
    arn = place.arn(name, kind.path)
    if place.resources.find(kind.path, name):
        raise kind.exists.of(name, arn)
    members = kind.prepared(place, copy.deepcopy({key: value for key, value in request.items() if key != "Tags"}))
    resource = Stored(name, arn, members, copy.deepcopy(request.get("Tags", [])), kind.statuses.ready)
    place.resources.add(kind.path, resource)
    if kind.statuses.creating:

        def fail() -> None:
            resource.ready = kind.statuses.failed

        resource.begin(Transition(kind.statuses.creating, lambda: None, fail))
    return output(f"Create{kind.title}", kind.view(place, resource))


def describe(kind: Kind, place: PlaceStore, request: Json) -> Json:
    """Answer Describe: the members of the create request with the service's defaults. Other members are absent."""
    return output(f"Describe{kind.title}", kind.view(place, kind.find(place, request[kind.name_member])))


def update(kind: Kind, place: PlaceStore, request: Json) -> Json:
    """Answer Update. The members of the request replace the previous ones when the update ends."""
    resource = kind.find(place, request[kind.name_member])
    kind.before_change(place, resource)
    kind.begin_update(resource, kind.changed(place, resource, copy.deepcopy(request)))
    return output(f"Update{kind.title}", kind.view(place, resource))


def delete(kind: Kind, place: PlaceStore, request: Json) -> Json:
    """Answer Delete: at once, or after a while for a kind with a deleting status."""
    resource = kind.find(place, request[kind.name_member])
    kind.before_delete(place, resource)

    def finish() -> None:
        place.resources.remove(kind.path, resource.name)

    def fail() -> None:
        resource.ready = kind.statuses.failed

    if kind.statuses.deleting:
        resource.begin(Transition(kind.statuses.deleting, finish, fail))
    else:
        finish()
    return {}


def listed(kind: Kind, place: PlaceStore, request: Json) -> Json:
    """Answer List: one page of the filtered and sorted summaries. The default order is newest first."""
    shape: Any = service_model().operation_model(kind.list_operation).output_shape
    member, summary = next((name, one.member) for name, one in shape.members.items() if one.type_name == "list")
    by = request.get("SortBy", "CreationTime")
    rows = []
    for resource in place.resources.all(kind.path):
        view = kind.view(place, resource)
        if all(_passes(kind, view, name, value) for name, value in request.items()):
            rows.append((_sort_value(kind, view, by), resource.sequence, view))
    ascending = request.get("SortOrder", "Ascending" if by == "Name" else "Descending") == "Ascending"
    rows.sort(key=lambda row: row[:2], reverse=not ascending)
    if token := request.get("NextToken"):
        last = position_of(token, (str, int))
        rows = [row for row in rows if (row[:2] > last if ascending else row[:2] < last)]
    limit = request.get("MaxResults", PER_PAGE)
    page = [{name: view[name] for name in summary.members if name in view} for _, _, view in rows[:limit]]
    return {member: page} | ({"NextToken": token_of(rows[limit - 1][:2])} if len(rows) > limit else {})


def _sort_value(kind: Kind, view: Json, by: str) -> str:
    """Return the sort key of a resource as text, because JSON keeps text exactly."""
    if by == "Name":
        return str(view[kind.name_member])
    if by in ("Status", kind.statuses.member):
        return str(view.get(kind.statuses.member, ""))
    return f"{view['LastModifiedTime' if by == 'LastModifiedTime' else 'CreationTime']:017.3f}"


_NO_FILTERS = ("SortBy", "SortOrder", "NextToken", "MaxResults", "CrossAccountFilterOption", "ModelPackageType")
_TIMES = {"Creation": "CreationTime", "Created": "CreationTime", "LastModified": "LastModifiedTime"}


def _passes(kind: Kind, view: Json, name: str, value: Any) -> bool:
    """Return whether a resource passes a filter of a List request. A member that is not a filter always passes."""
    for ending in ("After", "Before"):
        if name.endswith(ending):
            at = view[_TIMES[name.removesuffix(ending).removesuffix("Time")]]
            return bool(at >= value if ending == "After" else at < value)
    if name in _NO_FILTERS:
        return True
    if name in ("NameContains", f"{kind.title}NamePrefix"):
        text = str(view[kind.name_member])
        return text.startswith(value) if name.endswith("Prefix") else value in text
    if name.endswith("Contains"):
        return value in str(view.get(name.removesuffix("Contains"), ""))
    if name.endswith("Equals"):
        member = name.removesuffix("Equals")
        found = view.get(kind.statuses.member if member == "Status" else member)
        return bool(value in found if isinstance(found, list) else value == found)
    return bool(view.get(name) == value)
