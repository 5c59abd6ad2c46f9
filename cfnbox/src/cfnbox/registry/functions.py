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
        """The handler's JSON answer; starts what it needs. Raises InvocationFailed."""

    def close(self) -> None:
        """End every process; safe to call twice."""


@dataclass(frozen=True)
class Code:
    """What a version is at this moment: its schema and its handlers. `digest` changes with every byte of them.

    Handlers that are `alone` see what `paths` hold and what Lambda brings, and nothing of this environment.
    """

    definition: TypeDefinition
    handler: str
    paths: tuple[Path, ...]
    digest: str
    alone: bool = False


class Source(Protocol):
    """Where a version comes from: a package, which never changes, or a project's folder, which somebody works in."""

    @property
    def definition(self) -> TypeDefinition:
        """The schema, the last usable one where somebody is in the middle of a change."""

    def code(self) -> Code:
        """The code to run now. Raises LocalFailure, whose text says what is wrong with it."""

    def superseded(self, version_id: str, by: str) -> None:
        """Tell whoever works in it that another version serves in place of this one."""

    def close(self) -> None:
        """Remove what was made for it; safe to call twice."""


Start = Callable[[Code, str], Runtime]


class Functions:
    """Invokes a source's handlers. Runtimes start when they are needed, and end when their code has changed."""

    def __init__(self, source: Source, start: Start) -> None:
        self.source, self._start = source, start
        self._used: dict[str, _Used] = {}
        self._changing = threading.Lock()
        self._closed = False

    def in_region(self, region: str) -> Callable[[Json], Any]:
        """What takes an event to the handlers there."""
        return partial(self._invoke, region)

    def runtime(self, region: str) -> Runtime:
        """The runtime there as it is now, started before it is needed."""
        used = self._begun(region)
        used.end()
        return used.runtime

    def _invoke(self, region: str, event: Json) -> Any:
        used = self._begun(region)
        try:
            return used.runtime.invoke(event)
        finally:
            used.end()

    def _begun(self, region: str) -> _Used:
        code = self.source.code()
        with self._changing:
            if self._closed:
                raise LocalFailure(f"The handlers of {code.definition.type_name} have been stopped.")
            used = self._used.get(region)
            if used is None or used.digest != code.digest:
                if used is not None:
                    used.retire()
                used = self._used[region] = _Used(code.digest, self._start(code, region))
            used.begin()
            return used

    def rest(self) -> None:
        """End the runtimes once nothing runs in them; the next invocation starts new ones."""
        with self._changing:
            for used in self._used.values():
                used.retire()
            self._used.clear()

    def close(self) -> None:
        """End every runtime at once, and give up the source."""
        with self._changing:
            self._closed = True
            for used in self._used.values():
                used.runtime.close()
            self._used.clear()
        self.source.close()


class _Used:
    """A runtime, and how many invocations are under way in it."""

    def __init__(self, digest: str, runtime: Runtime) -> None:
        self.digest, self.runtime = digest, runtime
        self._running, self._retired = 0, False
        self._changing = threading.Lock()

    def begin(self) -> None:
        with self._changing:
            self._running += 1

    def end(self) -> None:
        with self._changing:
            self._running -= 1
            over = self._retired and not self._running
        if over:
            self.runtime.close()

    def retire(self) -> None:
        """Close the runtime as soon as nothing runs in it."""
        with self._changing:
            self._retired = True
            over = not self._running
        if over:
            self.runtime.close()
