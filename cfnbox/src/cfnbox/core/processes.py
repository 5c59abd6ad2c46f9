"""Child processes that end with this process, however it ends; nothing of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import psutil

from cfnbox.core.cleanup import RUN_VARIABLE, kill, make_run_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_CLEANUP = (sys.executable, "-P", "-m", "cfnbox.core.cleanup")


class ChildProcesses:
    """Starts processes and keeps their temporary files.

    How to use it: make one for a cloud, and call `start` instead of subprocess.Popen, or pass `environment` to what
    starts the process. `stop` ends one process with all that it started. `close` ends all and removes `folder`.

    The processes and `folder` also go when this process is killed, on Linux and on macOS. A program beside this
    process (cfnbox.core.cleanup) waits at a pipe that the kernel closes with this process. It finds the processes by
    a variable in their environment, RUN_VARIABLE, so a process must be started with `environment`, and what it starts
    must inherit that. The children themselves need no code for it. When that program is killed as well, the next
    ChildProcesses on this machine cleans up: the lock on `folder` is then free.
    """

    def __init__(self) -> None:
        self.folder, self._lock = make_run_folder(Path(tempfile.gettempdir()))
        temporary = self.folder / "tmp"
        temporary.mkdir()
        # To be in the environment of every process.
        self.environment: Mapping[str, str] = {RUN_VARIABLE: str(self.folder), "TMPDIR": str(temporary)}
        own = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
        self._watcher = subprocess.Popen(
            [*_CLEANUP, "watch", str(self.folder)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, env=own, cwd=os.sep,
        )  # fmt: skip

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own. `env` is its whole environment; None: that of this process.

        `options` are those of subprocess.Popen. OSError: the command cannot be started.
        """
        environment = {**(os.environ if env is None else env), **self.environment}
        options.setdefault("stdin", subprocess.DEVNULL)
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command, env=environment, start_new_session=True, **options
        )
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process that `start` returned, with all that it started, and wait for it."""
        kill_session(process.pid)
        process.wait()

    def interrupt(self, seconds: float) -> None:
        """Send this process's children what Ctrl-C sends, and wait so long for their end."""
        children = [child for child in psutil.Process().children() if child.pid != self._watcher.pid]
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGINT)
        psutil.wait_procs(children, timeout=seconds)

    def close(self) -> None:
        """End every process that was started, and remove the folder. Safe to call twice."""
        if self._watcher.stdin and not self._watcher.stdin.closed:
            self._watcher.stdin.close()
            self._watcher.wait()
            os.close(self._lock)

    def exit(self, status: int, folders: Iterable[Path] = ()) -> NoReturn:
        """End this process, every process that it started, and these folders: with the status.

        The process becomes the program that cleans up, so no thread of it starts or writes anything more.
        """
        # Without the marks of the run, or the program that watches would kill this one.
        environment = {name: value for name, value in os.environ.items() if name not in self.environment}
        # A second signal must not end the cleanup. Exec keeps this mask; any thread may set it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        with suppress(OSError):
            # The current folder may be one of those.
            os.chdir(os.sep)
        names = [str(folder.absolute()) for folder in (self.folder, *folders)]
        os.execve(sys.executable, [*_CLEANUP, "exit", str(status), *names], environment)  # noqa: S606


def kill_session(leader: int) -> None:
    """Kill every process of a session (setsid), whatever process groups it made, and what its leader started."""
    kill(lambda: _session_processes(leader))


def _session_processes(leader: int) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    with suppress(psutil.Error):
        found += psutil.Process(leader).children(recursive=True)
    return [*found, *(process for process in psutil.process_iter() if _session(process.pid) == leader)]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
