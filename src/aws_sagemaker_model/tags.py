"""Tags of the stack and of the model: which to set, which to remove, which AWS reserves. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Tags = Mapping[str, str]

# AWS reserves tags with this prefix, in upper and lower case: callers can neither add nor remove them.
_RESERVED_PREFIX = "aws:"


class Changes(NamedTuple):
    """The tags to set and the keys to remove."""

    set: dict[str, str]
    remove: list[str]


def changes(previous: Tags, desired: Tags, current: Tags) -> Changes:
    """Return the smallest change from the current tags of a model to the desired ones.

    Set a tag when CloudFormation changed it, or when the model does not show it: the answer of ListTags may lag
    behind, and other callers may have changed tags. Remove only keys that the stack or its template had.
    """
    return Changes(
        {key: value for key, value in desired.items() if not previous.get(key) == value == current.get(key)},
        [key for key in previous if key not in desired],
    )


def applied(current: Tags, change: Changes) -> dict[str, str]:
    """Return the tags of a model after a change."""
    return {key: value for key, value in {**current, **change.set}.items() if key not in change.remove}


def is_reserved(key: str) -> bool:
    """Say whether AWS reserves a key."""
    return key.lower().startswith(_RESERVED_PREFIX)


def without_reserved(tags: Tags) -> dict[str, str]:
    """Return tags without those that AWS reserves."""
    return {key: value for key, value in tags.items() if not is_reserved(key)}


def to_list(tags: Tags) -> list[dict[str, str]]:
    """Return tags as a list, the form of SageMaker and of the resource model."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_list(tags: Any) -> dict[str, str]:
    """Return tags by key, without those that AWS reserves and without entries that have no key.

    Accept every entry with a key, because SageMaker may have accepted tags that are not valid today.
    """
    if not isinstance(tags, list):
        return {}
    keyed = [tag for tag in tags if isinstance(tag, Mapping) and isinstance(tag.get("Key"), str)]
    return without_reserved({tag["Key"]: str(tag.get("Value", "")) for tag in keyed})
