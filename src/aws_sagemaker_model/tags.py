"""Tags of the stack and of the model: what to add, what to remove, which are AWS's own. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Tags = Mapping[str, str]

# AWS keeps tags with this prefix, in any case of letters, for itself: callers can neither add nor remove them.
_RESERVED_PREFIX = "aws:"


class Changes(NamedTuple):
    """What makes one set of tags into another."""

    set: dict[str, str]
    remove: list[str]


def changes(previous: Tags, desired: Tags, current: Tags) -> Changes:
    """Return the smallest change that brings a model from the tags it has to those desired.

    A tag is set when CloudFormation changed it or when the model does not show it: what the model shows may
    lag behind, and may have been edited by others. Only keys that the stack or its template stated are removed.
    """
    return Changes(
        {key: value for key, value in desired.items() if not previous.get(key) == value == current.get(key)},
        [key for key in previous if key not in desired],
    )


def applied(current: Tags, change: Changes) -> dict[str, str]:
    """Return the tags that a model has once a change was made."""
    return {key: value for key, value in {**current, **change.set}.items() if key not in change.remove}


def is_reserved(key: str) -> bool:
    """Say whether a key belongs to AWS."""
    return key.lower().startswith(_RESERVED_PREFIX)


def without_reserved(tags: Tags) -> dict[str, str]:
    """Return tags without those that belong to AWS."""
    return {key: value for key, value in tags.items() if not is_reserved(key)}


def to_list(tags: Tags) -> list[dict[str, str]]:
    """Return tags as SageMaker and the resource model hold them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_list(tags: Any) -> dict[str, str]:
    """Return tags by key, without those that belong to AWS and without entries that have no key.

    Reads leniently, because tags that were once accepted may be illegal by now: what has a key is a tag.
    """
    if not isinstance(tags, list):
        return {}
    keyed = [tag for tag in tags if isinstance(tag, Mapping) and isinstance(tag.get("Key"), str)]
    return without_reserved({tag["Key"]: str(tag.get("Value", "")) for tag in keyed})
