"""A debugger for handlers: debugpy waits in their process until an editor attaches, and no time limit runs."""

from __future__ import annotations

import importlib.util
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cfnbox.core.errors import LocalFailure
from cfnbox.core.extras import how_to_install

if TYPE_CHECKING:
    from collections.abc import Callable

# The port that editors offer for an attachment to debugpy.
DEFAULT_PORT = 5678
# Longer than a developer steps through a handler.
TIME_LIMIT_SECONDS = 24 * 60 * 60
# So long a process that has just ended may still hold the port.
_PORT_SECONDS = 2.0


class NoDebugger(LocalFailure):
    """debugpy is not installed; the message says how to install it."""


class Debugger:
    """Prepares processes of handlers for a debugger. The first gets `port`, others any free one; 0: all do.

    `tell` is given the text that says how to attach, each time that a process waits.
    """

    def __init__(self, port: int, tell: Callable[[str], None]) -> None:
        self._port, self._tell = port, tell
        self._folder = _debugpy()

    def port(self) -> int:
        """A loopback port for the next process."""
        deadline = time.monotonic() + _PORT_SECONDS
        while self._port and time.monotonic() < deadline:
            if _is_free(self._port):
                return self._port
            time.sleep(0.05)
        return free_port()

    def options(self, port: int) -> list[str]:
        """What stands between Python and `-m module`: debugpy by its folder, so that handlers need not see it."""
        return ["-X", "frozen_modules=off", self._folder, "--listen", f"127.0.0.1:{port}", "--wait-for-client"]

    def announce(self, handler: str, port: int) -> None:
        """Say that the handlers of an entry point wait, and how to attach."""
        launch = f'{{"name": "cfnbox", "type": "debugpy", "request": "attach", "connect": {{"port": {port}}}}}'
        self._tell(
            f"{handler} waits for a debugger on port {port} of 127.0.0.1; time limits stand still meanwhile.\n"
            f"VS Code: add this to the configurations of .vscode/launch.json, set a breakpoint, and press F5:\n"
            f"  {launch}\n"
            f"Other editors: attach their client of debugpy to 127.0.0.1:{port}."
        )


def free_port() -> int:
    """Return a loopback port that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _debugpy() -> str:
    found = importlib.util.find_spec("debugpy")
    if found is None or found.origin is None:
        raise NoDebugger(f"debugpy, which --debug needs, is not installed: {how_to_install('debug')}")
    return str(Path(found.origin).parent)


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False
