"""The row of a type: everything that the engine (operations.py) needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.protocol import Request
    from cfnbox.providers.services.calls import Calls
    from cfnbox.providers.services.parts import Part


# The resources of a type that were made here: properties by primary identifier.
Resources = Callable[[str], Mapping[str, "Json"]]


def _same(members: Json) -> Json:
    return members


@dataclass(frozen=True)
class GeneratedName:
    """The name `STACK-LOGICAL-RANDOM` that a template may leave out; `limit` is the service's longest name.

    `stack_name` stands in place of the stack's name, "" for none; `suffix` follows the random part.
    An `abbreviated` one has five characters of each, as the physical ids of resources that have no name to a service.
    """

    property: str
    limit: int
    allowed: str = "A-Za-z0-9-"
    lower: bool = False
    abbreviated: bool = False
    stack_name: str | None = None
    suffix: Callable[[Json], str] = lambda _desired: ""


@dataclass(frozen=True)
class Tags:
    """How a service tags, untags and lists the tags of a resource.

    `target` makes the members that name the resource to these operations, of the key and the model. `in_create` is
    the member of the create call that takes tags, "" when it has none. `service` is set where another API tags.
    `takes_system_tags` is false where the service here refuses `aws:cloudformation:` tags of CloudFormation itself,
    and where AWS's service does not list them.
    `untags_by_item` is true where the operation that removes takes tags with a key each, and no list of keys.
    """

    tag: str
    untag: str
    list: str
    target: Callable[[Json, Json], Json] = lambda key, _model: key
    list_target: Callable[[Json, Json], Json] | None = None
    in_create: str = "Tags"
    tags_member: str = "Tags"
    keys_member: str = "TagKeys"
    answer_member: str = "Tags"
    key_name: str = "Key"
    value_name: str = "Value"
    written_as_map: bool = False
    read_as_map: bool = False
    service: str = ""
    takes_system_tags: bool = True
    untags_by_item: bool = False

    def written(self, tags: dict[str, str]) -> Any:
        """Return tags in the form that the service takes."""
        if self.written_as_map:
            return tags
        return [{self.key_name: key, self.value_name: value} for key, value in tags.items()]

    def written_keys(self, keys: Iterable[str]) -> Any:
        """Return the keys of tags to be removed in the form that the service takes."""
        return [{self.key_name: key} if self.untags_by_item else key for key in keys]

    def read(self, answer: Json) -> dict[str, str]:
        """Return the tags in an answer of the list operation."""
        found = answer.get(self.answer_member) or ()
        if isinstance(found, dict):
            return dict(found)
        return {tag[self.key_name]: tag.get(self.value_name, "") for tag in found}


@dataclass(frozen=True)
class ServiceType:
    """One resource type. `service` is boto3's name of its API.

    Names and reading:
    `key` makes the members that name the resource to the API, of its primary identifier. `describe` returns the
    properties that the service answers at once, read-only ones included, or None when the resource does not exist; it
    gets the properties last sent too, for types that are no resource to the service (an inline policy). `parts` are
    the properties with calls of their own. `derived` makes read-only properties that no API answers. `ref` is the
    property that Ref returns where that is not the primary identifier, `physical_id` makes it of several. `kept` are
    properties that only the answer to the create call has. `filled_in` are those that a template may leave out, and
    that the service then sets: Fn::GetAtt returns them.

    `not_own` takes out of a model that was read what other resources have put there and the template does not name
    (an AWS::IAM::Policy in a role), so that this is no drift.

    Operations:
    `create` and `delete` are operations ("" when there is none); `create_request` makes members of the properties and
    the place (`create_members` where that takes calls), `create_answer` properties of the answer. `is_taken` says
    whether a resource of that name exists, where the API's create would silently take it. `require` raises
    ResourceFailed for properties that only the service in AWS refuses; `check` does so where that depends on other
    resources, and gets previous properties (none for a creation) and desired ones. `deletion` makes the calls of a
    deletion where `delete` with `delete_request` is not enough. `refuse_deletion` raises it for
    what AWS does not delete and the service here does; it gets the properties of the template, whose own attachments
    are no reason to refuse. `service_refuses_deletion` is true where the service here refuses all of it too: then a
    deletion is tried first, which saves calls.
    `is_settled` and `failure` judge a description where the service works on after its answer. Without
    `describe_after_create` the answer to the create call has all read-only properties, and `delete_takes_time` is
    true where a deletion is to be waited for.

    `remarks` are sentences about properties that have another effect here than in AWS, for the resource's event.
    `unsupported` are sentences about values that have no effect here; `--strict` refuses them.
    `not_applied` are dotted names of properties that the service here does not keep. The tests of the package prove
    that the list is exact.
    """

    service: str
    key: Callable[[str], Json]
    describe: Callable[[Calls, Json, Json], Json | None]
    create: str = ""
    delete: str = ""
    name: GeneratedName | None = None
    create_request: Callable[[Json, Place], Json] = lambda properties, _place: properties
    create_answer: Callable[[Json], Json] = _same
    create_members: Callable[[Calls, Json], Json] | None = None
    is_taken: Callable[[Calls, Json], bool] | None = None
    parts: tuple[Part, ...] = ()
    tags: Tags | None = None
    derived: Callable[[Place, Json], Json] = lambda _place, _model: {}
    ref: str = ""
    physical_id: Callable[[Json], str] | None = None
    kept: tuple[str, ...] = ()
    filled_in: tuple[str, ...] = ()
    not_own: Callable[[Json, Json, Resources], Json] = lambda model, _known, _resources: model
    delete_request: Callable[[Json], Json] = field(default=lambda _previous: {})
    deletion: Callable[[Calls, Json, Json], None] | None = None
    require: Callable[[Request, Json], None] = lambda _request, _properties: None
    check: Callable[[Calls, Json, Json], None] = lambda _calls, _previous, _desired: None
    refuse_deletion: Callable[[Calls, Json, Json], None] = lambda _calls, _key, _previous: None
    service_refuses_deletion: bool = False
    is_settled: Callable[[Json], bool] = lambda _description: True
    failure: Callable[[Json], str | None] = lambda _description: None
    describe_after_create: bool = True
    delete_takes_time: bool = False
    list: Callable[[Calls, Json], Iterable[Json]] | None = None
    remarks: Callable[[Json], tuple[str, ...]] = lambda _properties: ()
    unsupported: Callable[[Json], tuple[str, ...]] = lambda _properties: ()
    not_applied: tuple[str, ...] = ()


def described_by(
    operation: str, member: str = "", parse: Callable[[Json], Json] = _same
) -> Callable[[Calls, Json, Json], Json | None]:
    """Return a `describe` that calls one operation and takes one member of its answer, or all of it."""

    def describe(calls: Calls, key: Json, _known: Json) -> Json | None:
        answer = calls.find(operation, key)
        found = answer if answer is None or not member else answer.get(member)
        return None if found is None else parse(found)

    return describe


def listed_by(operation: str, member: str, names: dict[str, str]) -> Callable[[Calls, Json], Iterable[Json]]:
    """Return a `list` that calls one operation; `names` are properties by the members of an item."""

    def items(calls: Calls, filters: Json) -> Iterable[Json]:
        for item in calls.items(operation, filters, member):
            yield {name: item[source] if source else item for source, name in names.items()}

    return items


def named_by(member: str) -> Callable[[str], Json]:
    """Return a `key` of one member, which holds the whole primary identifier."""
    return lambda identifier: {member: identifier}
