"""A debugger for handlers: debugpy waits in the handler process until an editor attaches, without a time limit."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cfnbox.core.errors import LocalFailure
from cfnbox.core.extras import how_to_install
from cfnbox.handlers import debugged_process

if TYPE_CHECKING:
    from collections.abc import Callable

# The default port of editors for attaching to debugpy.
DEFAULT_PORT = 5678
# Longer than a developer steps through a handler.
TIME_LIMIT_SECONDS = 24 * 60 * 60
# How long a process that has just ended may still hold the port.
_PORT_SECONDS = 2.0
_POLL_SECONDS = 0.05


class NoDebugger(LocalFailure):
    """debugpy is not installed; the message says how to install it."""


class Debugger:
    """Prepares handler processes for a debugger. One process at a time uses `port`, others a free port.

    With port 0 all use a free port. Calls `tell` with instructions for attaching each time that a process waits.
    """

    def __init__(self, port: int, tell: Callable[[str], None]) -> None:
        self._port, self._tell = port, tell
        self._folder = _debugpy()

    def options(self, report: Path) -> list[str]:
        """Return the arguments of Python before those of the runtime. The process writes its port to `report`."""
        program = str(Path(debugged_process.__file__))
        return ["-X", "frozen_modules=off", program, self._folder, str(self._port), str(_PORT_SECONDS), str(report)]

    def announce_when_ready(self, handler: str, report: Path, is_running: Callable[[], bool]) -> None:
        """Wait until a process writes its port to `report`, and announce it. Return if the process ends before."""
        while not report.exists():
            if not is_running():
                return
            time.sleep(_POLL_SECONDS)
        self.announce(handler, int(report.read_text()))

    def announce(self, handler: str, port: int) -> None:
        """Tell the user that the handlers of an entry point wait, and how to attach."""
        launch = f'{{"name": "cfnbox", "type": "debugpy", "request": "attach", "connect": {{"port": {port}}}}}'
        self._tell(
            f"{handler} waits for a debugger on port {port} of 127.0.0.1; time limits are suspended.\n"
            f"VS Code: add this to the configurations of .vscode/launch.json, set a breakpoint, and press F5:\n"
            f"  {launch}\n"
            f"Other editors: attach their client of debugpy to 127.0.0.1:{port}."
        )


def _debugpy() -> str:
    found = importlib.util.find_spec("debugpy")
    if found is None or found.origin is None:
        raise NoDebugger(f"debugpy, which --debug needs, is not installed: {how_to_install('debug')}")
    return str(Path(found.origin).parent.parent)
