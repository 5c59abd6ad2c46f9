"""The handlers of a version: their code, and the Lambda runtimes that run it, one for each region."""

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
    """A snapshot of a version: its schema and its handlers. `digest` changes with every byte of them.

    `isolated` handlers import from `paths` and from Lambda's own packages only, not from this environment.
    """

    definition: TypeDefinition
    handler: str
    paths: tuple[Path, ...]
    digest: str
    isolated: bool = False


class Source(Protocol):
    """The origin of a version: a package, which never changes, or a project's folder, which its author edits."""

    @property
    def definition(self) -> TypeDefinition:
        """Return the schema, or the last valid schema while the current file is not valid."""

    def code(self) -> Code:
        """Return the current code. Raise LocalFailure, whose message says what is wrong with it."""

    def superseded(self, version_id: str, by: str) -> None:
        """Tell the author that version `by` replaces this version."""

    def close(self) -> None:
        """Remove its temporary files; safe to call twice."""


Start = Callable[[Code, str], Runtime]


class HandlerPool:
    """Invokes the handlers of a source. Starts runtimes on demand, and replaces them when their code has changed."""

    def __init__(self, source: Source, start: Start) -> None:
        self.source, self._start = source, start
        self._runtimes: dict[str, _PooledRuntime] = {}
        self._lock = threading.Lock()
        self._closed = False

    def in_region(self, region: str) -> Callable[[Json], Any]:
        """Return the function that invokes the handlers in a region."""
        return partial(self._invoke, region)

    def runtime(self, region: str) -> Runtime:
        """Return the runtime of a region, started before its first invocation."""
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
        """Close each runtime after its last invocation. The next invocation starts a new one."""
        with self._lock:
            for pooled in self._runtimes.values():
                pooled.retire()
            self._runtimes.clear()

    def close(self) -> None:
        """Close every runtime and the source at once."""
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
            is_unused = self._retired and not self._running
        if is_unused:
            self.runtime.close()

    def retire(self) -> None:
        """Close the runtime after its last invocation."""
        with self._lock:
            self._retired = True
            is_unused = not self._running
        if is_unused:
            self.runtime.close()
