"""Ends processes that were started, with all that they started themselves."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

# A process that forks while it is looked for is found in a later round.
_ROUNDS = 20
_ROUND_SECONDS = 0.05
# prctl(2), Linux only.
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Have processes below this one become its children when their parent ends, so that none escapes the end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_session(leader: int) -> None:
    """Kill every process of a session (setsid), whatever process groups it made."""
    _kill(lambda: [psutil.Process(pid) for pid in psutil.pids() if _session(pid) == leader])


def kill_descendants() -> None:
    """Kill every process below this one."""
    _kill(lambda: psutil.Process().children(recursive=True))


def refuse_new() -> None:
    """Have every attempt to start a process fail from now on, whatever thread makes it."""
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: object) -> None:
    if event == "subprocess.Popen":
        raise RuntimeError("The command ends: no process is started any more.")


def _kill(found: Callable[[], list[psutil.Process]]) -> None:
    for _ in range(_ROUNDS):
        living: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            living = [process for process in found() if _lives(process)]
            if not living:
                return
        for process in living:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(living, timeout=_ROUND_SECONDS)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
