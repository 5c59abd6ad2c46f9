"""Shutdown of a command: at once after a signal, with all its child processes and temporary files.

No state outside of this process needs an orderly close: child processes are killed, temporary files are deleted, and
the rest ends with the process (cfnbox.core.processes). Any thread may receive a signal, and a main thread that waits
in a system call does not handle it. Therefore a separate thread reads the signals (signal.set_wakeup_fd).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from cfnbox.core.processes import ChildProcesses
from cfnbox.core.unexpected import internal_error, write_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = "\x1b[?25h"


class Ending:
    """The shutdown of this process.

    `status` is the exit status after a signal; the default is 128 plus the signal's number, as in shells. `first` is
    called after a signal, when the main thread has stopped and before any process is killed. `unfinished` returns
    folders to delete in addition to the folder of temporary files. `children` are the child processes.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.first: Callable[[], None] = lambda: None
        self.unfinished: Callable[[], Iterable[Path]] = tuple
        self._once, self._finishes = threading.Lock(), False
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self.children = ChildProcesses()

    def prepare(self) -> None:
        """Install the signal handlers, and set the folder of temporary files, for ministack as well."""
        environment = self.children.environment
        folder = tempfile.tempdir = environment["TMPDIR"]
        own = {name: os.path.join(folder, name.lower()) for name in ("STATE_DIR", "S3_DATA_DIR")}
        os.environ.update({**environment, **own})
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            # nohup lets a command outlive its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._halt)
        threading.Thread(target=self._watch, name="signals", daemon=True).start()

    def _halt(self, _number: int, _frame: object) -> None:
        """Stop the main thread, so that it starts nothing during the cleanup."""
        if not self._finishes:
            wait_for_signal()

    def _watch(self) -> None:
        number = self._receiver.recv(1)[0]
        self._once.acquire()
        _fall_silent()
        try:
            self.first()
        except Exception as problem:
            # The shutdown continues. Standard error is closed by now, so only the log has the error.
            internal_error("the end of the command", problem)
        self._end(128 + number if self.status is None else self.status)

    def finish(self, status: int) -> NoReturn:
        """End the process without waiting for its threads."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        self._finishes = True
        self._once.acquire()
        self._end(status)

    def _end(self, status: int) -> NoReturn:
        self.children.exit(status, self.unfinished())


def _fall_silent() -> None:
    """Discard further output, because errors during the shutdown are expected."""
    with suppress(OSError):
        if os.isatty(1):
            os.write(1, _SHOW_CURSOR.encode())
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)


def run(command: Callable[[Ending], int]) -> NoReturn:
    """Run a command, and end the process with its status or after a signal."""
    try:
        ending, status = Ending(), 1
    except OSError as problem:
        sys.exit(f"error: There is no folder for temporary files: {problem.strerror or problem}.")
    ending.prepare()
    write_log()
    try:
        status = command(ending)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as problem:
        print(f"error: {internal_error('the command', problem)}", file=sys.stderr)
    ending.finish(status)


def wait_for_signal() -> None:
    """Wait until a signal ends the process."""
    threading.Event().wait()
