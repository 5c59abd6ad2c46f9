"""Ends the processes of a run and removes its folder. A program: `python -m cfnbox.core.cleanup`.

A run is what one ChildProcesses (cfnbox.core.processes) started: its processes have RUN_VARIABLE in their
environment, with the path of the run's folder. The program runs in two ways:

- `watch FOLDER`: beside the owner of the run. Wait until standard input closes, which happens when the owner closes
  the run or ends in any way, SIGKILL included. Then end the run.
- `exit STATUS FOLDER...`: instead of the owner, by exec. Exec ends the owner's threads, so nothing new is started or
  written during the cleanup. End the run, and exit with the status.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import psutil

RUN_VARIABLE = "CFNBOX_RUN"
FOLDER_PREFIX = "cfnbox-run-"
_NEW_PREFIX = "cfnbox-new-"
_LOCK = "owner.lock"
# A process that forks during a scan is found by a later one.
_ROUNDS = 40
_ROUND_SECONDS = 0.05
_REMOVALS = 3
_ABANDONED_SECONDS = 3600.0


def make_run_folder(parent: Path) -> tuple[Path, int]:
    """Return a new folder, and the descriptor of its lock, which the kernel releases when this process ends."""
    unlocked = Path(tempfile.mkdtemp(prefix=_NEW_PREFIX, dir=parent))
    lock = os.open(unlocked / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    _try_lock(lock)
    # Rename only with the lock held: another process would remove a run folder whose lock is free.
    folder = parent / f"{FOLDER_PREFIX}{os.getpid()}-{unlocked.name.removeprefix(_NEW_PREFIX)}"
    unlocked.rename(folder)
    return folder, lock


def end_run(folder: Path, *, descendants_of: int | None = None) -> None:
    """Kill the processes of a run and their descendants, and remove its folder."""
    kill(lambda: _run_processes(str(folder), descendants_of))
    remove(folder)


def remove_abandoned_runs(parent: Path) -> None:
    """End every run whose owner was killed, together with the program that watched the owner."""
    for folder in parent.glob(f"{FOLDER_PREFIX}*"):
        if _is_own(folder) and not _is_locked(folder):
            end_run(folder)
    for folder in parent.glob(f"{_NEW_PREFIX}*"):
        if _is_own(folder) and time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
            remove(folder)


def kill(find: Callable[[], list[psutil.Process]]) -> None:
    """Kill the processes that `find` returns, until two searches in a row return none."""
    import psutil

    quiet = 0
    for _ in range(_ROUNDS):
        processes: list[psutil.Process] = []
        with suppress(psutil.Error):
            processes = [process for process in find() if is_running(process)]
        quiet = 0 if processes else quiet + 1
        if quiet == 2:
            return
        if quiet:
            time.sleep(_ROUND_SECONDS / 10)
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=_ROUND_SECONDS)


def is_running(process: psutil.Process) -> bool:
    """Return whether a process still runs; a zombie does not."""
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def remove(folder: Path) -> None:
    """Remove a folder, with folders in it that are not writable."""
    for _ in range(_REMOVALS):
        for path, _, _ in os.walk(folder):
            with suppress(OSError):
                os.chmod(path, stat.S_IRWXU)
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def _run_processes(run: str, descendants_of: int | None) -> list[psutil.Process]:
    import psutil

    # Children are collected before a parent is killed: afterwards they have another parent.
    processes: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == descendants_of or _belongs(process.environ(), run):
                processes |= {child.pid: child for child in process.children(recursive=True)}
                processes[process.pid] = process
    return [process for pid, process in processes.items() if pid not in (os.getpid(), descendants_of)]


def _belongs(environment: Mapping[str, str], run: str) -> bool:
    # A function's process has a short environment, but its temporary files are the run's.
    return environment.get(RUN_VARIABLE) == run or environment.get("TMPDIR", "").startswith(run + os.sep)


def _is_own(folder: Path) -> bool:
    with suppress(OSError):
        status = folder.lstat()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return False


def _is_locked(folder: Path) -> bool:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        # Another process is removing the folder, and has removed the lock.
        return False
    except OSError:
        return True
    try:
        return not _try_lock(lock)
    finally:
        os.close(lock)


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        # No abandoned runs are removed on Windows.
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _watch(folder: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    remove_abandoned_runs(folder.parent)
    while os.read(0, 4096):
        pass
    end_run(folder)


def _exit(status: int, folders: Iterable[Path]) -> None:
    run, *others = folders
    end_run(run, descendants_of=os.getpid())
    for folder in others:
        remove(folder)
    # Without this the children are zombies until process 1 notices.
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        _watch(Path(sys.argv[2]))
    else:
        _exit(int(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
