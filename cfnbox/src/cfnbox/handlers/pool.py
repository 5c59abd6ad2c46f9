"""The execution environments of one function. They start on demand, one for each concurrent invocation."""

from __future__ import annotations

import os
import queue
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.handlers.execution_environment import ExecutionEnvironment

_CORES = os.cpu_count() or 1
# Run at most one CPU-bound handler per core. A handler that waits for I/O gives up its slot after this time.
CPU_SLOT_SECONDS = 0.25
# Starting an environment costs about this much CPU. While as many start as there are cores, wait so long for one of
# them before another is started.
START_SECONDS = 1.0
# While the environments compute, another one makes none of them faster: wait longer, as on a busy machine.
_MOST_WAIT_SECONDS = 5.0
# The share of the cores from which on environments count as computing, and not as waiting for something.
_COMPUTING_SHARE = 0.1


class EnvironmentPool:
    """A pool of at most `concurrency` execution environments. `make` creates an environment by its number, from 0."""

    def __init__(self, make: Callable[[int], ExecutionEnvironment], concurrency: int) -> None:
        self._make, self._concurrency = make, concurrency
        self._environments: list[ExecutionEnvironment] = []
        self._idle: queue.LifoQueue[ExecutionEnvironment] = queue.LifoQueue()
        self._starting: set[ExecutionEnvironment] = set()
        self._scale_lock = threading.Lock()
        self._cpu_slots = threading.Semaphore(_CORES)
        self._retired = self._closed = False

    def start(self) -> None:
        """Start an environment in advance, without waiting for it. Raise RuntimeUnavailable."""
        environment = self._add_environment()
        environment.start()
        self._idle.put(environment)

    @contextmanager
    def environment(self) -> Iterator[ExecutionEnvironment]:
        """Acquire an environment for the context. It starts with its first event."""
        with self._cpu_slot():
            environment = self._acquire_environment()
            try:
                yield environment
            finally:
                self._starting.discard(environment)
                self._idle.put(environment)
                if self._retired:
                    self._close_when_idle()

    @property
    def process_ids(self) -> list[int]:
        """Return the ids of the running processes."""
        return [pid for environment in self._environments if (pid := environment.process_id) is not None]

    def logs(self) -> str:
        """Return the whole output of the processes so far."""
        return "".join(environment.log.read_text(errors="replace") for environment in self._environments)

    def close(self) -> None:
        """End every process; safe to call twice."""
        self._closed = True
        for environment in self._environments:
            environment.close()

    def retire(self) -> None:
        """Close after the last running invocation."""
        self._retired = True
        self._close_when_idle()

    def _close_when_idle(self) -> None:
        if self._idle.qsize() == len(self._environments):
            self.close()

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
        """Return an idle environment, or start a new one when that is faster than to wait for a busy one."""
        with suppress(queue.Empty):
            return self._idle.get_nowait()
        deadline = time.monotonic() + _MOST_WAIT_SECONDS
        while True:
            patience, used = self._patience(), self._cpu_seconds()
            with suppress(queue.Empty):
                return self._idle.get(timeout=patience)
            computing_seconds = patience * _COMPUTING_SHARE * _CORES
            is_computing = patience > 0 and self._cpu_seconds() - used > computing_seconds
            with self._scale_lock:
                if len(self._environments) >= self._concurrency:
                    break
                if not is_computing or time.monotonic() > deadline:
                    return self._add_environment()
        return self._idle.get()

    def _patience(self) -> float:
        """Return how long to wait for an idle environment before another is started."""
        if len(self._environments) < _CORES:
            return 0
        return START_SECONDS if len(self._starting) >= _CORES else CPU_SLOT_SECONDS

    def _cpu_seconds(self) -> float:
        return sum(environment.cpu_seconds() for environment in list(self._environments))

    def _add_environment(self) -> ExecutionEnvironment:
        environment = self._make(len(self._environments))
        self._environments.append(environment)
        self._starting.add(environment)
        if self._closed:
            environment.close()
        return environment
