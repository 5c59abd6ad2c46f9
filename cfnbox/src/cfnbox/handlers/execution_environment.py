"""A Lambda execution environment on this machine: a runtime process, which handles one event at a time."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

import psutil

from cfnbox.core.errors import LocalFailure
from cfnbox.core.processes import kill_session
from cfnbox.handlers.events import InvocationFailed
from cfnbox.handlers.runtime_api import DeadlinePassed, InitFailed, Reply, RuntimeApi, RuntimeEnded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cfnbox.handlers.runtime_api import Event
    from cfnbox.handlers.tracebacks import Raised

# The time limit of the init phase, in addition to the function's timeout (Lambda guide, "Lambda runtime environment
# lifecycle").
_INIT_SECONDS = 10.0


class RuntimeUnavailable(LocalFailure):
    """The runtime cannot be started on this machine; the message says why and what to do."""


class HandlerCrashed(InvocationFailed):
    """The handler process ended, or its code raised `raised`, or its code could not be imported."""

    def __init__(self, text: str, raised: Raised | None = None) -> None:
        super().__init__(text)
        self.raised = raised


class HandlerTimedOut(InvocationFailed):
    """The handler did not answer within its time limit."""


class ProcessExited(Exception):
    """The runtime process ended during an invocation. The message is Lambda's."""

    def __init__(self, returncode: int) -> None:
        # Lambda's texts, as the reports of Runtime.ExitError have them ("Troubleshoot invocation issues in Lambda").
        if returncode < 0:
            with suppress(ValueError):
                name = signal.strsignal(-returncode) or str(-returncode)
                super().__init__(f"Runtime exited with error: signal: {name.lower()}")
        elif returncode:
            super().__init__(f"Runtime exited with error: exit status {returncode}")
        else:
            super().__init__("Runtime exited without providing a reason")


class ExecutionEnvironment:
    """A runtime process. It starts with its first event, and again after its process has ended."""

    def __init__(
        self, command: Sequence[str], log: Path, environ: Mapping[str, str], cwd: str, timeout: float
    ) -> None:
        self._command, self._environ, self._cwd, self._timeout = command, environ, cwd, timeout
        self.log = log
        self.log.touch()
        self._reader: IO[bytes] | None = None
        self._process: _RuntimeProcess | None = None
        # The time from the start of the last process to its first poll; None after it has been read.
        self._init_seconds: float | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> _RuntimeProcess:
        """Start the process if it is not running, without waiting for it. Raise RuntimeUnavailable."""
        with self._lock:
            if self._closed:
                raise RuntimeUnavailable("The Lambda runtime has been closed.")
            if self._process and not self._process.is_alive():
                self._process.end()
                self._process = None
            if self._process is None:
                self._process = self._start_process()
            return self._process

    def _start_process(self) -> _RuntimeProcess:
        try:
            with self.log.open("ab") as log:
                process = _RuntimeProcess(self._command, self._environ, self._cwd, log)
            self._reader = self._reader or self.log.open("rb")
            return process
        except OSError as error:
            text = f"The Lambda runtime cannot be started in {self._cwd}: {error.strerror}."
            raise RuntimeUnavailable(text) from None

    def invoke(self, event: Event) -> Reply:
        """Return the runtime's reply to an event.

        Raise HandlerTimedOut, ProcessExited, RuntimeUnavailable.
        """
        process = self.start()
        try:
            self._init_seconds = process.wait_until_ready(self._timeout + _INIT_SECONDS)
            reply = process.invoke(event, self._timeout)
            if reply.is_too_large:
                # A runtime ends some time after its answer was refused: awslambdaric raises RuntimeError.
                self.stop()
            return reply
        except InitFailed as failure:
            self.stop()
            return Reply(failure.error, is_error=True)
        except DeadlinePassed:
            self.stop()
            raise HandlerTimedOut(f"The handler gave no answer within {self._timeout:g} s.") from None
        except RuntimeEnded:
            self.stop()
            raise ProcessExited(process.returncode) from None

    def take_init_seconds(self) -> float | None:
        """Return the init duration once for each process, otherwise None."""
        seconds, self._init_seconds = self._init_seconds, None
        return seconds

    @property
    def process_id(self) -> int | None:
        """Return the id of the running process, or None."""
        process = self._process
        return process.pid if process and process.is_alive() else None

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that the process has used."""
        with suppress(psutil.Error):
            if (process_id := self.process_id) is not None:
                times = psutil.Process(process_id).cpu_times()
                return float(times.user + times.system)
        return 0.0

    def stop(self) -> None:
        """Kill the process and its child processes."""
        with self._lock:
            process, self._process = self._process, None
        if process:
            process.end()

    def close(self) -> None:
        """Kill the process, and never start another."""
        with self._lock:
            self._closed = True
        self.stop()
        if self._reader:
            self._reader.close()

    def logged(self) -> str:
        """Return the lines that the process has written since the last call."""
        # awslambdaric ends the lines of a traceback with carriage returns.
        return "\n".join(line for line in self.read_log().splitlines() if line)

    def read_log(self) -> str:
        """Return the text that the process has written since the last call."""
        # It may be closed at any moment.
        with suppress(OSError, ValueError):
            return (self._reader.read() if self._reader else b"").decode(errors="replace")
        return ""


class _RuntimeProcess:
    """The process, and the Runtime API that it polls. A thread waits for the end of the process."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], cwd: str, log: IO[bytes]) -> None:
        self._api = RuntimeApi()
        self._serving = threading.Lock()
        self._started: float | None = time.monotonic()
        try:
            self._process = subprocess.Popen(
                command, env={**environ, "AWS_LAMBDA_RUNTIME_API": self._api.address}, cwd=cwd, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            self._api.close()
            raise
        self.pid = self._process.pid
        self._waiter = threading.Thread(target=self._wait, name=f"wait for {self.pid}", daemon=True)
        self._waiter.start()

    def _wait(self) -> None:
        self._process.wait()
        self._api.notify_ended()

    @property
    def returncode(self) -> int:
        """Wait for the end of the process, and return its exit status."""
        return self._process.wait()

    def is_alive(self) -> bool:
        """Return whether the process is running."""
        return self._waiter.is_alive() and (self._serving.locked() or self._api.is_connected())

    def wait_until_ready(self, timeout: float) -> float | None:
        """Wait until the process polls for an event. Return the init duration the first time, otherwise None.

        Raise InitFailed, DeadlinePassed, RuntimeEnded.
        """
        with self._serving:
            self._api.wait_until_polled(time.monotonic() + timeout)
        started, self._started = self._started, None
        return None if started is None else time.monotonic() - started

    def invoke(self, event: Event, timeout: float) -> Reply:
        """Return the reply to an event. Raise DeadlinePassed, RuntimeEnded."""
        with self._serving:
            return self._api.invoke(event, time.monotonic() + timeout)

    def end(self) -> None:
        """Kill every process of the session, and wait for the end of the process."""
        kill_session(self.pid)
        self._waiter.join()
        with self._serving:
            self._api.close()
