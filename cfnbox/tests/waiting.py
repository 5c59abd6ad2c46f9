"""Waits for what another thread or process does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1


def eventually(read: Callable[[], T | None], seconds: float = 300) -> T:
    """Return the first true value that `read` returns. Fail the test if there is none for so many seconds.

    The limit is for hangs. It must not decide whether a slow machine passes.
    """
    deadline, pause = time.monotonic() + seconds, _SHORTEST_PAUSE
    while not (value := read()):
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    return value
