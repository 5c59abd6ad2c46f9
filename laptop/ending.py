"""How a command ends: soon after a signal, and with every process and temporary file that it started.

A signal may be taken by any thread, and a main thread that waits in a system call does not hear of it then. So a
thread of its own reads the signals (signal.set_wakeup_fd), passes them on to the main thread, and ends the process
by force when the main thread does not.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from laptop import processes

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long the main thread has to close what it opened.
_CLOSING_SECONDS = 1.0
_REPEAT_SECONDS = 0.05


class Ending:
    """The end of this process: `status` is what it exits with after a signal, by default as shells have it."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._signal: int | None = None
        self._begun = False
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._directory = tempfile.mkdtemp(prefix="laptop-")

    def prepare(self) -> None:
        """Take over signals, orphans and the place of temporary files, those of ministack included."""
        tempfile.tempdir = self._directory
        own = {name: os.path.join(self._directory, name.lower()) for name in ("STATE_DIR", "S3_DATA_DIR")}
        os.environ.update(TMPDIR=self._directory, **own)
        processes.adopt_orphans()
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            # nohup lets a command outlive its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        threading.Thread(target=self._watch, name="signals", daemon=True).start()

    def _on_signal(self, number: int, _frame: object) -> None:
        """Leave the main thread's `with` blocks; a second signal must not interrupt that."""
        if not self._begun:
            self._begun, self._signal = True, number
            raise SystemExit

    def _watch(self) -> None:
        number = self._receiver.recv(1)[0]
        deadline = time.monotonic() + _CLOSING_SECONDS
        while time.monotonic() < deadline:
            if not self._begun:
                signal.pthread_kill(threading.main_thread().ident or 0, number)
            time.sleep(_REPEAT_SECONDS)
        self._signal = self._signal or number
        self._clean_up()
        os._exit(self._status(1))

    def _status(self, status: int) -> int:
        if self._signal is None:
            return status
        return 128 + self._signal if self.status is None else self.status

    def finish(self, status: int) -> NoReturn:
        """End the process, whatever threads still wait for something."""
        self._begun = True
        self._clean_up()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(self._status(status))

    def _clean_up(self) -> None:
        processes.refuse_new()
        processes.kill_descendants()
        if self._signal is not None:
            # A thread may have been about to start one.
            time.sleep(_REPEAT_SECONDS)
            processes.kill_descendants()
        shutil.rmtree(self._directory, ignore_errors=True)


def run(command: Callable[[Ending], int]) -> NoReturn:
    """Run a command to its end, which is that of this process: with its status, or by a signal."""
    ending, status = Ending(), 1
    try:
        ending.prepare()
        status = command(ending)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
    while True:
        # A signal that comes before `finish` has begun.
        with suppress(SystemExit):
            ending.finish(status)


def wait_for_signal() -> None:
    """Wait until a signal ends the process."""
    threading.Event().wait()
