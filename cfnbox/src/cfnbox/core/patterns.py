"""Regular expressions of templates and schemas: matched within a limit of time, compiled within a limit of size.

A pattern comes from the user, as its text does. Matching may backtrack without end, and compiling repeats what the
pattern repeats: `a{10000000}` takes 10 s and 2.8 GB. The library `regex` can limit the time of a match only.
"""

from __future__ import annotations

import contextlib
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import regex

if TYPE_CHECKING:
    from collections.abc import Iterator

# The time of all matches that one request, or one operation on a resource, needs.
LIMIT_SECONDS = 2.0
# The most items that a compiled pattern may have; the largest of AWS's published schemas has 800.
LARGEST_SIZE = 5_000
# A compiled item takes about 100 bytes; larger patterns are compiled anew each time.
_LARGEST_KEPT = 1_000
_LONGEST_PATTERN = 20_000
_QUANTIFIER = regex.compile(r"\{(\d*)(?:,\d*)?\}")


class PatternTooLarge(Exception):
    """The pattern repeats more than can be compiled."""


class PatternTimeout(Exception):
    """The time for matching is over."""


@dataclass
class _Time:
    """The time that is left for matching. What happens between two matches does not count."""

    left: float = LIMIT_SECONDS

    def match(self, pattern: str, text: str, *, whole: bool, flags: int) -> bool:
        if self.left <= 0:
            raise PatternTimeout
        began = time.monotonic()
        try:
            expression = _expression(pattern, flags)
            match = expression.fullmatch if whole else expression.search
            return match(text, timeout=self.left) is not None
        except TimeoutError:
            raise PatternTimeout from None
        finally:
            self.left -= time.monotonic() - began


_TIME: ContextVar[_Time | None] = ContextVar("cfnbox_pattern_time", default=None)


@contextlib.contextmanager
def one_limit() -> Iterator[None]:
    """Have all matches in the block share one limit of time; a block inside of another one shares the outer limit."""
    if _TIME.get() is not None:
        yield
        return
    token = _TIME.set(_Time())
    try:
        yield
    finally:
        _TIME.reset(token)


def matches(pattern: str, text: str, *, whole: bool, flags: int = 0) -> bool:
    """Return whether a pattern matches a text, all of it if `whole`, or is found in it.

    Raises regex.error, PatternTooLarge, or PatternTimeout. Outside of `one_limit` each match has its own limit.
    """
    return (_TIME.get() or _Time()).match(pattern, text, whole=whole, flags=flags)


def _expression(pattern: str, flags: int) -> Any:
    size = _LONGEST_PATTERN if len(pattern) >= _LONGEST_PATTERN else _size(pattern)
    if size > LARGEST_SIZE:
        raise PatternTooLarge
    return _kept(pattern, flags) if size <= _LARGEST_KEPT else _compiled(pattern, flags)


def _compiled(pattern: str, flags: int) -> Any:
    # Without regex's own cache, which would keep every pattern of every user.
    return regex.compile(pattern, flags, cache_pattern=False)


_kept = lru_cache(maxsize=1024)(_compiled)


@lru_cache(maxsize=1024)
def _size(pattern: str) -> int:
    """Return about how many items a pattern has once its repetitions are written out."""
    # The sizes of the groups that are open, the outermost first; `last` is that of the item before.
    groups, last, at = [0], 0, 0
    while at < len(pattern):
        character = pattern[at]
        quantifier = _QUANTIFIER.match(pattern, at) if character == "{" else None
        if quantifier:
            # What may be repeated is compiled once; only what must be repeated is written out.
            times = max(int(quantifier[1] or 0), 1)
            groups[-1] += last * (times - 1)
            last *= times
            at = quantifier.end()
            continue
        if character == "(":
            groups.append(1)
            at += 1
            continue
        if character == ")" and len(groups) > 1:
            last = groups.pop()
        else:
            last = 1
            at = _end_of_set(pattern, at) if character == "[" else at + (character == "\\")
        groups[-1] += last
        at += 1
    return sum(groups)


def _end_of_set(pattern: str, start: int) -> int:
    """Return where the set of characters that begins there ends."""
    at = start + 1
    # A `]` at the beginning stands for itself.
    at += pattern[at : at + 1] == "^"
    at += pattern[at : at + 1] == "]"
    while at < len(pattern) and pattern[at] != "]":
        at += 1 + (pattern[at] == "\\")
    return at
