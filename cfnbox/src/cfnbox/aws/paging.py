"""Pagination: pages of lists, and their NextToken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from cfnbox.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cfnbox.core.paths import Json

_PER_PAGE = 100
Item = TypeVar("Item")


def page(items: Sequence[Item], request: Mapping[str, Any], member: str, size: int = _PER_PAGE) -> Json:
    """Return the requested page as `member`, with the NextToken of the next page."""
    start = _position(request.get("NextToken"), len(items))
    end = start + max(1, min(request.get("MaxResults", size), size))
    return {member: list(items[start:end]), **({"NextToken": str(end)} if end < len(items) else {})}


def page_backwards(items: Sequence[Item], request: Mapping[str, Any], member: str) -> Json:
    """Return a page, newest first, of a list that grows at its end. New members do not move the pages."""
    end = len(items) if request.get("NextToken") is None else _position(request["NextToken"], len(items))
    start = max(end - _PER_PAGE, 0)
    return {member: list(reversed(items[start:end])), **({"NextToken": str(start)} if start else {})}


def _position(token: str | None, length: int) -> int:
    if token is None:
        return 0
    # A list has fewer members than a number of ten digits.
    if not (token.isascii() and token.isdigit() and len(token) <= 10 and int(token) <= length):
        raise Invalid("Invalid NextToken: use the NextToken of a previous page.")
    return int(token)
