"""AWS's runtime interface emulator with a runtime in it: one execution environment of Lambda's, as processes here."""

from __future__ import annotations

import http.client
import importlib.util
import platform
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil

from cfnbox.core.errors import LocalFailure
from cfnbox.core.processes import kill_session
from cfnbox.handlers.events import InvocationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cfnbox.handlers.tracebacks import Raised

FUNCTION_NAME = "function"
_INVOCATIONS = f"/2015-03-31/functions/{FUNCTION_NAME}/invocations"
_START_SECONDS = 10.0
# The emulator ends a late handler by itself; this only guards against an emulator that hangs.
_EMULATOR_MARGIN_SECONDS = 15.0
_EMULATOR_LINE = re.compile(r"(START|END|REPORT) RequestId: |\d+ \w+ \d+ [\d:,]+ \[\w+\] \(rapid\) ")
# Records its process id first: the emulator puts the runtime into a process group of its own.
_BOOTSTRAP = 'echo $$ > "$1"; shift; exec "$@"'


class RuntimeUnavailable(LocalFailure):
    """The runtime cannot be started here; the message says why and what to do."""


class HandlerCrashed(InvocationFailed):
    """The handler process ended, or its code raised, or could not be imported; `raised` is the exception."""

    def __init__(self, text: str, raised: Raised | None = None) -> None:
        super().__init__(text)
        self.raised = raised


class HandlerTimedOut(InvocationFailed):
    """The handler did not answer within its time limit."""


def emulator_path() -> Path:
    """AWS's runtime interface emulator for this machine, out of the aws-sam-cli wheel."""
    machine = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
    sam = importlib.util.find_spec("samcli")
    if sam is None or sam.origin is None:
        raise RuntimeUnavailable("aws-sam-cli is not installed: pip install -r requirements-dev.txt")
    path = Path(sam.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    if sys.platform != "linux" or not path.exists():
        raise RuntimeUnavailable(f"AWS's runtime interface emulator runs on Linux only, here is {sys.platform}.")
    return path


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class ExecutionEnvironment:
    """One emulator with one runtime: serves one invocation at a time, like an environment of Lambda's."""

    def __init__(
        self, command: Sequence[str], directory: Path, environ: Mapping[str, str], cwd: str, timeout: int
    ) -> None:
        self._command, self._environ, self._cwd, self._timeout = command, environ, cwd, timeout
        self._pid_file = directory / "runtime.pid"
        self.log = directory / "log"
        self.log.touch()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._reader: IO[bytes] | None = None
        self._changing = threading.Lock()
        self._closed = False
        self.port = 0

    def start(self) -> http.client.HTTPConnection:
        emulator_port, api_port = free_ports(2)
        # Kept over a restart, so that an endpoint once given out stays true.
        self.port = self.port or emulator_port
        self._pid_file.unlink(missing_ok=True)
        with self._changing, self.log.open("ab") as log:
            if self._closed:
                raise RuntimeUnavailable("The Lambda runtime has been closed.")
            command = [
                str(emulator_path()),
                "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}",
                "--runtime-api-address", f"127.0.0.1:{api_port}",
                "/bin/sh", "-c", _BOOTSTRAP, "sh", str(self._pid_file), *self._command,
            ]  # fmt: skip
            try:
                self._process = subprocess.Popen(
                    command, env=dict(self._environ), cwd=self._cwd, stdout=log, stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                text = f"The Lambda runtime cannot be started in {self._cwd}: {error.strerror}."
                raise RuntimeUnavailable(text) from None
            self._reader = self._reader or self.log.open("rb")
        self._wait_until_ready()
        limit = self._timeout + _EMULATOR_MARGIN_SECONDS
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        return self._connection

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._alive():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.005)
        self.stop()
        raise RuntimeUnavailable(f"The Lambda runtime emulator did not start; its log ends:\n{self.tail()}")

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def invoke(self, payload: bytes) -> bytes:
        if self._closed:
            raise RuntimeUnavailable("The Lambda runtime has been closed.")
        connection = self._connected()
        try:
            connection.request("POST", _INVOCATIONS, body=payload)
            return connection.getresponse().read()
        except TimeoutError:
            self.stop()
            raise HandlerTimedOut(f"The handler gave no answer within {self._timeout} s.") from None
        except (OSError, http.client.HTTPException):
            self.stop()
            raise HandlerCrashed("The Lambda runtime emulator ended during the invocation.") from None

    @property
    def process_id(self) -> int | None:
        with suppress(OSError, ValueError):
            return int(self._pid_file.read_text())
        return None

    @property
    def serves(self) -> bool:
        """Whether the handler's process runs; the next invocation starts it where it does not."""
        return self.process_id is not None and psutil.pid_exists(self.process_id)

    def stop(self) -> None:
        """Kill the emulator and the handler, even one that hangs."""
        with self._changing:
            process, self._process = self._process, None
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is not None:
            # The emulator gives the handler a process group of its own, and what the handler starts may have others.
            kill_session(process.pid)
            process.wait()
            self._pid_file.unlink(missing_ok=True)

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None or not self._alive():
            self.stop()
            return self.start()
        return self._connection

    def close(self) -> None:
        with self._changing:
            self._closed = True
        self.stop()
        if self._reader:
            self._reader.close()

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def logged(self) -> str:
        """What the handler has written since the last time that this was asked, without the emulator's own lines."""
        content = b""
        # It may be closed at any moment.
        with suppress(OSError, ValueError):
            content = self._reader.read() if self._reader else b""
        text = content.decode(errors="replace")
        # awslambdaric ends the lines of a traceback with carriage returns.
        return "\n".join(line for line in text.splitlines() if line and not _EMULATOR_LINE.match(line))
