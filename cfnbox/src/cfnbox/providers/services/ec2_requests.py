"""What the types of EC2 share: filters, tags, and describe operations that answer lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.providers.services.service_type import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cfnbox.core.paths import Json
    from cfnbox.providers.services.calls import Calls


def ec2_tags(identifier: str) -> Tags:
    """Return how EC2 tags a resource; `identifier` is the property that has its id."""
    return Tags(
        "CreateTags",
        "DeleteTags",
        "DescribeTags",
        target=lambda _key, model: {"Resources": [model[identifier]]},
        list_target=lambda _key, model: {"Filters": filters({"resource-id": model[identifier]})},
        in_create="",
        keys_member="Tags",
        untags_by_item=True,
    )


def filters(values: dict[str, str]) -> list[Json]:
    """Return the filters of a describe operation."""
    return [{"Name": name, "Values": [value]} for name, value in values.items()]


def first(calls: Calls, operation: str, members: Json, member: str) -> Json | None:
    """Return the first item of a describe operation's answer; None where there is none."""
    found = (calls.find(operation, members) or {}).get(member) or []
    return found[0] if found else None


def described_first(
    operation: str, member: str, parse: Callable[[Json], Json]
) -> Callable[[Calls, Json, Json], Json | None]:
    """Return a `describe` of a ServiceType that takes the first item of a describe operation's answer."""

    def describe(calls: Calls, key: Json, _known: Json) -> Json | None:
        found = first(calls, operation, key, member)
        return None if found is None else parse(found)

    return describe


def listed(operation: str, member: str, name: str) -> Callable[[Calls, Json], Iterable[Json]]:
    """Return a `list` of a ServiceType whose identifier has one name in the schema and in the answer."""
    return lambda calls, _filters: ({name: item[name]} for item in calls.items(operation, {}, member))
