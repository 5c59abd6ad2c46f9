"""How a command ends: at once after a signal, and with every process and temporary file that it started.

What a command works with is on this machine and in this process, so that nothing is worth closing in order: processes
are killed, files removed, and the rest ends with the process. A signal may be taken by any thread, and a main thread
that waits in a system call does not hear of it then. So a thread of its own reads the signals (signal.set_wakeup_fd).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cfnbox.core import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = "\x1b[?25h"
# Another thread than the main one may make a file while they are removed.
_REMOVALS = 3


class Ending:
    """The end of this process.

    `status` is what it exits with after a signal, by default as shells have it: 128 and the signal's number. `first`
    is done after a signal before any process is killed, when the main thread has halted. `unfinished` says which
    folders go with the process, besides that of its temporary files.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.first: Callable[[], None] = lambda: None
        self.unfinished: Callable[[], Iterable[Path]] = tuple
        self._once, self._finishes = threading.Lock(), False
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._directory = tempfile.mkdtemp(prefix="cfnbox-")

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
                signal.signal(number, self._halt)
        threading.Thread(target=self._watch, name="signals", daemon=True).start()

    def _halt(self, _number: int, _frame: object) -> None:
        """Let the main thread make nothing more, while what it has made is removed."""
        if not self._finishes:
            processes.halt()

    def _watch(self) -> None:
        number = self._receiver.recv(1)[0]
        self._once.acquire()
        _fall_silent()
        with suppress(Exception):
            self.first()
        self._end(128 + number if self.status is None else self.status)

    def finish(self, status: int) -> NoReturn:
        """End the process, whatever threads still wait for something."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        self._finishes = True
        self._once.acquire()
        self._end(status)

    def _end(self, status: int) -> NoReturn:
        processes.kill_all_started()
        for _ in range(_REMOVALS):
            for folder in (Path(self._directory), *self.unfinished()):
                _remove(folder)
        os._exit(status)


def _remove(folder: Path) -> None:
    """Remove a folder, with folders in it that nobody may write to."""
    for path, _, _ in os.walk(folder):
        with suppress(OSError):
            os.chmod(path, stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)


def _fall_silent() -> None:
    """Let nothing be said of what breaks because the command ends."""
    with suppress(OSError):
        if os.isatty(1):
            os.write(1, _SHOW_CURSOR.encode())
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)


def run(command: Callable[[Ending], int]) -> NoReturn:
    """Run a command to its end, which is that of this process: with its status, or by a signal."""
    try:
        ending, status = Ending(), 1
    except OSError as problem:
        sys.exit(f"error: There is no folder for temporary files: {problem.strerror or problem}.")
    ending.prepare()
    try:
        status = command(ending)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
    ending.finish(status)


def wait_for_signal() -> None:
    """Wait until a signal ends the process."""
    processes.halt()
