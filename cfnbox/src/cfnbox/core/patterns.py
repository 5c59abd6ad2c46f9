"""Regular expressions of templates and schemas: matching has a time limit, compiling has a size limit.

The user writes both the pattern and the text. Matching may backtrack without end, and compiling writes out every
repetition: `a{10000000}` takes 10 s and 2.8 GB. The library `regex` can limit the time of a match only.
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

# How long all matches together of one request, or of one operation on a resource, may compute. On a busy machine more
# time passes meanwhile: `regex` compares its `timeout` with the CPU time of the process.
LIMIT_SECONDS = 2.0
# The most items that a compiled pattern may have; the largest of AWS's published schemas has 800.
LARGEST_SIZE = 5_000
# A compiled item takes about 100 bytes; larger patterns are not cached.
_LARGEST_CACHED = 1_000
_LONGEST_PATTERN = 20_000
# The resources of a template often have equal values. Longer texts are matched again each time.
_LONGEST_CACHED_TEXT = 1_024
_QUANTIFIER = regex.compile(r"\{(\d*)(?:,\d*)?\}")


class PatternTooLarge(Exception):
    """The pattern repeats more than can be compiled."""


class PatternTimeout(Exception):
    """Matching exceeded its time limit."""


@dataclass
class _TimeLimit:
    """The remaining CPU time for matching. Time between two matches does not count."""

    remaining: float = LIMIT_SECONDS

    def match(self, pattern: str, text: str, *, whole: bool, flags: int) -> bool:
        if self.remaining <= 0:
            raise PatternTimeout
        began = time.thread_time()
        try:
            expression = _expression(pattern, flags)
            match = expression.fullmatch if whole else expression.search
            return match(text, timeout=self.remaining) is not None
        except TimeoutError:
            # `regex` counts the CPU time of all threads, which may be more than that of this one.
            self.remaining = 0
            raise PatternTimeout from None
        finally:
            self.remaining -= time.thread_time() - began


_TIME_LIMIT: ContextVar[_TimeLimit | None] = ContextVar("cfnbox_pattern_time_limit", default=None)


@contextlib.contextmanager
def shared_time_limit() -> Iterator[None]:
    """Let all matches in the block share one time limit. A nested block shares the limit of the outer block."""
    if _TIME_LIMIT.get() is not None:
        yield
        return
    token = _TIME_LIMIT.set(_TimeLimit())
    try:
        yield
    finally:
        _TIME_LIMIT.reset(token)


def matches(pattern: str, text: str, *, whole: bool, flags: int = 0) -> bool:
    """Return whether a pattern matches the whole text (`whole`), or a part of it.

    Raise regex.error, PatternTooLarge or PatternTimeout. Outside of `shared_time_limit` each match has its own limit.
    """
    match = _match_cached if len(text) <= _LONGEST_CACHED_TEXT else _match
    return match(pattern, text, whole=whole, flags=flags)


def _match(pattern: str, text: str, *, whole: bool, flags: int) -> bool:
    return (_TIME_LIMIT.get() or _TimeLimit()).match(pattern, text, whole=whole, flags=flags)


# Exceptions are not cached.
_match_cached = lru_cache(maxsize=2048)(_match)


def _expression(pattern: str, flags: int) -> Any:
    size = _LONGEST_PATTERN if len(pattern) >= _LONGEST_PATTERN else _size(pattern)
    if size > LARGEST_SIZE:
        raise PatternTooLarge
    return _compile_cached(pattern, flags) if size <= _LARGEST_CACHED else _compile(pattern, flags)


def _compile(pattern: str, flags: int) -> Any:
    # Without regex's own cache, which would keep every pattern of every user.
    return regex.compile(pattern, flags, cache_pattern=False)


_compile_cached = lru_cache(maxsize=1024)(_compile)


@lru_cache(maxsize=1024)
def _size(pattern: str) -> int:
    """Return about how many items a pattern has when its repetitions are written out."""
    # `groups` has the sizes of the open groups, the outermost first; `last` is the size of the previous item.
    groups, last, at = [0], 0, 0
    while at < len(pattern):
        character = pattern[at]
        quantifier = _QUANTIFIER.match(pattern, at) if character == "{" else None
        if quantifier:
            # Only mandatory repetitions are written out; an optional repetition is compiled once.
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
    """Return the position of the `]` that ends the set of characters at `start`."""
    at = start + 1
    # A `]` at the beginning stands for itself.
    at += pattern[at : at + 1] == "^"
    at += pattern[at : at + 1] == "]"
    while at < len(pattern) and pattern[at] != "]":
        at += 1 + (pattern[at] == "\\")
    return at
