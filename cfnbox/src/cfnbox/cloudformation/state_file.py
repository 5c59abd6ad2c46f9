"""The file of `cfnbox up --state`: what deployed each stack, so that the next start can deploy it again."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import LocalFailure
from cfnbox.core.unexpected import internal_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cfnbox.cloudformation.stacks import Stacks, StackState
    from cfnbox.core.paths import Json

_FORMAT = 1


class UnusableState(LocalFailure):
    """The file cannot be read or written, or is of another format; the message names it."""


def read(path: Path) -> list[Json]:
    """Return the stacks of the file in the order of their creation; none when there is no file yet."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as problem:
        raise UnusableState(
            f"The state in {path} cannot be read: {problem}. Remove the file to begin anew."
        ) from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise UnusableState(f"{path} is not a file that `cfnbox up --state` wrote.")
    stacks: list[Json] = content["stacks"]
    return stacks


class StateFile:
    """Writes the file after each change of a stack, until closed. Only the user can read it: it has parameter values.

    Raise UnusableState when it cannot be written.
    """

    def __init__(self, path: Path, stacks: Stacks) -> None:
        self._path, self._stacks, self._is_closed = path, stacks, False
        self._written = ""
        self._write()
        self._thread = threading.Thread(target=self._follow, name="state", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write for the last time."""
        with self._stacks.changed:
            self._is_closed = True
            self._stacks.changed.notify_all()
        self._thread.join()

    def _follow(self) -> None:
        while not self._is_closed:
            with self._stacks.changed:
                self._stacks.changed.wait_for(lambda: self._is_closed or self._content() != self._written)
            try:
                self._write()
            except UnusableState as problem:
                internal_error("the state file", problem)
                return

    def _content(self) -> str:
        stacks = [_snapshot(stack) for stack in self._stacks if not stack.parent_id and not stack.is_deleted]
        return json.dumps({"format": _FORMAT, "stacks": [stack for stack in stacks if stack]}, indent=1)

    def _write(self) -> None:
        content = self._content()
        if content == self._written:
            return
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with suppress(FileNotFoundError):
                new.unlink()
            descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
            new.replace(self._path)
        except OSError as problem:
            raise UnusableState(f"The state cannot be written to {self._path}: {problem.strerror}.") from None
        self._written = content


def _snapshot(stack: StackState) -> Json:
    """Return what deployed a stack last; nothing for a stack that was never complete."""
    deployment = stack.last_complete
    if deployment is None:
        return {}
    parameters: dict[str, Any] = {key: value.value for key, value in deployment.template.parameters.items()}
    return {
        "name": stack.name,
        "region": stack.place.region,
        "account": stack.place.account,
        "template": deployment.template.body,
        "parameters": dict(_declared(parameters, deployment.template.document)),
        "tags": dict(deployment.tags),
    }


def _declared(parameters: dict[str, Any], document: Json) -> Iterator[tuple[str, Any]]:
    declared = document.get("Parameters", {})
    return ((key, value) for key, value in parameters.items() if key in declared)
