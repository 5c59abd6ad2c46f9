"""Child processes that end with this process, even when it is killed; their temporary files are removed."""

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

    Usage: create one object for a cloud. Call `start` instead of subprocess.Popen, or pass `environment` to the
    library that starts the process. `stop` ends one process and its descendants. `close` ends all processes and
    removes `folder`.

    When this process is killed, its children are killed and `folder` is removed as well, on Linux and on macOS. A
    separate program (cfnbox.core.cleanup) reads from a pipe that the kernel closes when this process ends. It finds
    the processes by a variable in their environment, RUN_VARIABLE. So a process must be started with `environment`,
    and its children must inherit it. If that program is killed as well, the next ChildProcesses on this machine
    cleans up, because the lock on `folder` is then free.
    """

    def __init__(self) -> None:
        self.folder, self._lock = make_run_folder(Path(tempfile.gettempdir()))
        temporary = self.folder / "tmp"
        temporary.mkdir()
        # Every child process must have these variables.
        self.environment: Mapping[str, str] = {RUN_VARIABLE: str(self.folder), "TMPDIR": str(temporary)}
        own = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
        self._watcher = subprocess.Popen(
            [*_CLEANUP, "watch", str(self.folder)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, env=own, cwd=os.sep,
        )  # fmt: skip

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own. `env` is its whole environment, by default that of this process.

        `options` are those of subprocess.Popen. Raise OSError when the command cannot be started.
        """
        environment = {**(os.environ if env is None else env), **self.environment}
        options.setdefault("stdin", subprocess.DEVNULL)
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command, env=environment, start_new_session=True, **options
        )
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process that `start` returned and its descendants, and wait for it."""
        kill_session(process.pid)
        process.wait()

    def interrupt(self, seconds: float) -> None:
        """Send SIGINT to this process's children, as Ctrl-C does, and wait at most `seconds` for their end."""
        children = [child for child in psutil.Process().children() if child.pid != self._watcher.pid]
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGINT)
        psutil.wait_procs(children, timeout=seconds)

    def close(self) -> None:
        """End every started process, and remove the folder. Safe to call twice."""
        if self._watcher.stdin and not self._watcher.stdin.closed:
            self._watcher.stdin.close()
            self._watcher.wait()
            os.close(self._lock)

    def exit(self, status: int, folders: Iterable[Path] = ()) -> NoReturn:
        """Exit with the status. End every started process first, and remove these folders.

        Exec replaces this process by the cleanup program, so no thread starts or writes anything more.
        """
        # Without the variables of the run: the watching program kills every process that has them.
        environment = {name: value for name, value in os.environ.items() if name not in self.environment}
        # A second signal must not end the cleanup. Exec keeps this mask; any thread may set it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        with suppress(OSError):
            # The current folder may be one of the removed folders.
            os.chdir(os.sep)
        names = [str(folder.absolute()) for folder in (self.folder, *folders)]
        os.execve(sys.executable, [*_CLEANUP, "exit", str(status), *names], environment)  # noqa: S606


def kill_session(leader: int) -> None:
    """Kill every process of a session (setsid), in all its process groups, and the descendants of its leader."""
    kill(lambda: _session_processes(leader))


def _session_processes(leader: int) -> list[psutil.Process]:
    descendants: list[psutil.Process] = []
    with suppress(psutil.Error):
        descendants += psutil.Process(leader).children(recursive=True)
    return [*descendants, *(process for process in psutil.process_iter() if _session(process.pid) == leader)]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
