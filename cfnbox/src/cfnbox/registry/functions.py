"""The handlers of a version: where their code is, and the Lambda runtimes that run it, one for each region."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from cfnbox.core.errors import LocalFailure

if TYPE_CHECKING:
    from pathlib import Path

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition


class Runtime(Protocol):
    """Runs one handler; cfnbox.handlers.runtime.LambdaRuntime does."""

    def invoke(self, event: Json) -> Any:
        """Return the handler's JSON answer. Starts the processes that it needs. Raises InvocationFailed."""

    def close(self) -> None:
        """End every process; safe to call twice."""


@dataclass(frozen=True)
class Code:
    """A version at this moment: its schema and its handlers. `digest` changes with every byte of them.

    `isolated` handlers see what `paths` hold and what Lambda brings, and nothing of this environment.
    """

    definition: TypeDefinition
    handler: str
    paths: tuple[Path, ...]
    digest: str
    isolated: bool = False


class Source(Protocol):
    """Where a version comes from: a package, which never changes, or a project's folder, which its author edits."""

    @property
    def definition(self) -> TypeDefinition:
        """The schema; the last valid schema while its author is in the middle of a change."""

    def code(self) -> Code:
        """Return the code to run now. Raises LocalFailure, whose text says what is wrong with it."""

    def superseded(self, version_id: str, by: str) -> None:
        """Tell the author that version `by` serves in place of this one."""

    def close(self) -> None:
        """Remove the files that were made for it; safe to call twice."""


Start = Callable[[Code, str], Runtime]


class HandlerPool:
    """Invokes a source's handlers. Runtimes start when they are needed, and end when their code has changed."""

    def __init__(self, source: Source, start: Start) -> None:
        self.source, self._start = source, start
        self._runtimes: dict[str, _PooledRuntime] = {}
        self._lock = threading.Lock()
        self._closed = False

    def in_region(self, region: str) -> Callable[[Json], Any]:
        """Return the function that takes an event to the handlers in a region."""
        return partial(self._invoke, region)

    def runtime(self, region: str) -> Runtime:
        """Return the runtime of a region, and start it before it is needed."""
        pooled = self._acquire(region)
        pooled.end()
        return pooled.runtime

    def _invoke(self, region: str, event: Json) -> Any:
        pooled = self._acquire(region)
        try:
            return pooled.runtime.invoke(event)
        finally:
            pooled.end()

    def _acquire(self, region: str) -> _PooledRuntime:
        code = self.source.code()
        with self._lock:
            if self._closed:
                raise LocalFailure(f"The handlers of {code.definition.type_name} have been stopped.")
            pooled = self._runtimes.get(region)
            if pooled is None or pooled.digest != code.digest:
                if pooled is not None:
                    pooled.retire()
                pooled = self._runtimes[region] = _PooledRuntime(code.digest, self._start(code, region))
            pooled.begin()
            return pooled

    def retire(self) -> None:
        """Close each runtime once nothing runs in it. The next invocation starts new ones."""
        with self._lock:
            for pooled in self._runtimes.values():
                pooled.retire()
            self._runtimes.clear()

    def close(self) -> None:
        """Close every runtime at once, and the source."""
        with self._lock:
            self._closed = True
            for pooled in self._runtimes.values():
                pooled.runtime.close()
            self._runtimes.clear()
        self.source.close()


class _PooledRuntime:
    """A runtime with the number of its running invocations."""

    def __init__(self, digest: str, runtime: Runtime) -> None:
        self.digest, self.runtime = digest, runtime
        self._running, self._retired = 0, False
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self._running += 1

    def end(self) -> None:
        with self._lock:
            self._running -= 1
            over = self._retired and not self._running
        if over:
            self.runtime.close()

    def retire(self) -> None:
        """Close the runtime as soon as nothing runs in it."""
        with self._lock:
            self._retired = True
            over = not self._running
        if over:
            self.runtime.close()
