"""Ends processes that were started, with all that they started themselves."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# A process that forks while it is looked for is found in a later round.
_ROUNDS = 20
_ROUND_SECONDS = 0.05
_STARTING_SECONDS = 1.0
# prctl(2), Linux only.
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Have processes below this one become its children when their parent ends, so that none escapes the end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_session(leader: int) -> None:
    """Kill every process of a session (setsid), whatever process groups it made."""
    _kill(lambda: [psutil.Process(pid) for pid in psutil.pids() if _session(pid) == leader])


def interrupt_children(seconds: float) -> None:
    """Do to what this process started what Ctrl-C does, and give it so long to end."""
    children = psutil.Process().children()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.send_signal(signal.SIGINT)
    psutil.wait_procs(children, timeout=seconds)


def kill_all_started() -> None:
    """Kill every process below this one, and have every attempt to start another one fail from now on."""
    sys.addaudithook(_refuse)
    until = time.monotonic() + _STARTING_SECONDS
    while _is_starting() and time.monotonic() < until:
        time.sleep(_ROUND_SECONDS / 10)
    _kill(lambda: psutil.Process().children(recursive=True))


def _refuse(event: str, _arguments: object) -> None:
    if event == "subprocess.Popen":
        raise RuntimeError("The command ends: no process is started any more.")


def halt() -> None:
    """Do nothing more in this thread, until the process ends."""
    threading.Event().wait()


def _is_starting() -> bool:
    """Whether a thread of this process is just starting another one."""
    return any(_starts(frame) for frame in sys._current_frames().values())


def _starts(frame: FrameType | None) -> bool:
    while frame and frame.f_code is not halt.__code__:
        if frame.f_code is subprocess.Popen.__init__.__code__:
            return True
        frame = frame.f_back
    return False


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
