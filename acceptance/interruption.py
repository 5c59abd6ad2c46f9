"""What Ctrl-C and other signals do to a run: it ends before its next call, and removes what it made."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Interruption:
    """Notes signals; called before each call of AWS, it raises SystemExit once one has come.

    The signal handlers do not raise: the program may just be in a callback of C code, such as the one that signs
    requests, which would swallow the exception and leave its caller waiting for ever.
    """

    def __init__(self) -> None:
        self._number, self._held_back = 0, False

    def listen(self) -> None:
        """Take the signals of this process from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        if not self._held_back:
            self._number = number

    def __call__(self, **_: Any) -> None:
        """End the run when a signal has come."""
        if self._number and not self._held_back:
            raise SystemExit(128 + self._number)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let signals do nothing meanwhile."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False
