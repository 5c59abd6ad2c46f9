"""Stack tags and model tags: what to add, what to remove, which are not ours."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Tags = Mapping[str, str]

# AWS reserves this prefix for its own tags, in any case of letters: callers cannot write them.
RESERVED_PREFIX = "aws:"


class Changes(NamedTuple):
    """What makes one set of tags into another."""

    set: dict[str, str]
    remove: list[str]


def merged(stack_tags: Tags | None, model_tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Return the tags a model shall have: the stack's, overruled by its own."""
    return {**(stack_tags or {}), **from_list(model_tags or [])}


def changes(previous: Tags, desired: Tags, current: Tags) -> Changes:
    """Return the smallest change that brings a model from the tags it has to those desired.

    A tag is set when CloudFormation changed it or when the model does not show it: what the model shows may
    lag behind, and may have been edited by others. Only keys that were ours are removed.
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
    return key.lower().startswith(RESERVED_PREFIX)


def to_list(tags: Tags) -> list[dict[str, str]]:
    """Return tags as SageMaker and the resource model hold them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_list(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags by key, without those that belong to AWS."""
    return {tag["Key"]: tag["Value"] for tag in tags if not is_reserved(tag["Key"])}
