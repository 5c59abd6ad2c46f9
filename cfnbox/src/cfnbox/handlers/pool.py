"""Execution environments of one function: as many as run at once, started when they are needed."""

from __future__ import annotations

import os
import queue
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cfnbox.handlers.execution_environment import ExecutionEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_CORES = os.cpu_count() or 1
# Run at most one CPU-bound handler per core. A handler that waits for I/O gives up its slot after this time.
CPU_SLOT_SECONDS = 0.25
# Starting an environment costs about this much CPU. While as many start as there are cores, wait so long for one of
# them before another is started.
_START_SECONDS = 1.0


class EnvironmentPool:
    """Lends execution environments of one command, `concurrency` at most. `directory` holds their logs."""

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        environ: Mapping[str, str],
        cwd: str,
        *,
        timeout: float,
        concurrency: int,
    ) -> None:
        self._command, self._directory, self._environ, self._cwd = command, directory, environ, cwd
        self._timeout, self._concurrency = timeout, concurrency
        self._environments: list[ExecutionEnvironment] = []
        self._idle: queue.LifoQueue[ExecutionEnvironment] = queue.LifoQueue()
        self._starting: set[ExecutionEnvironment] = set()
        self._scale_lock = threading.Lock()
        self._cpu_slots = threading.Semaphore(_CORES)
        self._closed = False

    def start(self) -> None:
        """Start an environment before it is needed, without waiting for it. Raises RuntimeUnavailable."""
        environment = self._add_environment()
        environment.start()
        self._idle.put(environment)

    @contextmanager
    def environment(self) -> Iterator[ExecutionEnvironment]:
        """Lend an environment. It starts with its first event."""
        with self._cpu_slot():
            environment = self._acquire_environment()
            try:
                yield environment
            finally:
                self._starting.discard(environment)
                self._idle.put(environment)

    @property
    def process_ids(self) -> list[int]:
        """The processes that run now."""
        return [pid for one in self._environments if (pid := one.process_id) is not None]

    def logs(self) -> str:
        """Return all that the processes have written so far."""
        return "".join(one.log.read_text(errors="replace") for one in self._environments)

    def close(self) -> None:
        """End every process; safe to call twice."""
        self._closed = True
        for environment in self._environments:
            environment.close()

    @contextmanager
    def _cpu_slot(self) -> Iterator[None]:
        """Wait for a core, but no longer than CPU_SLOT_SECONDS."""
        has_slot = self._cpu_slots.acquire(timeout=CPU_SLOT_SECONDS)
        try:
            yield
        finally:
            if has_slot:
                self._cpu_slots.release()

    def _acquire_environment(self) -> ExecutionEnvironment:
        with suppress(queue.Empty):
            return self._idle.get(timeout=_START_SECONDS if len(self._starting) >= _CORES else 0)
        with self._scale_lock:
            if len(self._environments) < self._concurrency:
                return self._add_environment()
        return self._idle.get()

    def _add_environment(self) -> ExecutionEnvironment:
        log = self._directory / f"{len(self._environments)}.log"
        environment = ExecutionEnvironment(self._command, log, self._environ, self._cwd, self._timeout)
        self._environments.append(environment)
        self._starting.add(environment)
        if self._closed:
            environment.close()
        return environment
