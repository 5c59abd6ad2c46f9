"""Tags of a resource: those of its own property, and those of its stack. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfnbox.core.paths import Json


def tag_map(tags: Any) -> dict[str, str]:
    """Return tags as a map, from a list of Key/Value pairs or from a map."""
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items()}
    return {
        str(tag["Key"]): str(tag.get("Value", "")) for tag in tags or () if isinstance(tag, Mapping) and "Key" in tag
    }


def tag_list(tags: Mapping[str, str]) -> list[Json]:
    """Return tags as a list of Key/Value pairs."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def merged(own: Any, brought: Mapping[str, str]) -> dict[str, str]:
    """Return the resource's own tags merged with the stack's. The resource's own value takes precedence."""
    return {**tag_map(own), **{key: value for key, value in brought.items() if key not in tag_map(own)}}
