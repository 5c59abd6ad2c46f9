"""Tags of a resource: its own property, and the tags that its stack brings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfnbox.core.paths import Json


def tag_map(tags: Any) -> dict[str, str]:
    """Key to value, of a list of Key/Value pairs or of a map."""
    if isinstance(tags, Mapping):
        return {str(key): str(value) for key, value in tags.items()}
    return {
        str(tag["Key"]): str(tag.get("Value", "")) for tag in tags or () if isinstance(tag, Mapping) and "Key" in tag
    }


def tag_list(tags: Mapping[str, str]) -> list[Json]:
    """A list of Key/Value pairs."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def merged(own: Any, brought: Mapping[str, str]) -> dict[str, str]:
    """The resource's own tags and those that are brought; its own value of a key wins."""
    return {**tag_map(own), **{key: value for key, value in brought.items() if key not in tag_map(own)}}
