"""A limit for the history of ended work: a cloud that runs for weeks keeps the newest entries only."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Key = TypeVar("Key")
Value = TypeVar("Value")


def drop_oldest(entries: dict[Key, Value], most: int, is_ended: Callable[[Value], bool] | None = None) -> None:
    """Delete the entries that ended and were added before the newest `most` of those that ended."""
    if len(entries) > most:
        ended = [key for key, value in entries.items() if is_ended is None or is_ended(value)]
        for key in ended[: max(len(ended) - most, 0)]:
            del entries[key]
