"""The file of `cfnbox up --state`: what deployed each stack, so that the next start can deploy it again.

The file has no value of a NoEcho parameter. It names those whose value is not their default, `withheld`: the user has
to deploy such a stack again. Until then its entry stays in the file as it is.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from cfnbox.core.errors import LocalFailure
from cfnbox.core.unexpected import internal_error
from cfnbox.template.parameters import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cfnbox.cloudformation.stacks import Stacks, StackState
    from cfnbox.core.paths import Json
    from cfnbox.template.parameters import Parameter

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


def how_to_deploy(entry: Json) -> str:
    """Return how the user deploys a stack with withheld parameters; an empty text when it has none."""
    withheld, name = entry.get("withheld", []), entry["name"]
    if not withheld:
        return ""
    return (
        f"Stack {name} is not deployed again: values of NoEcho parameters are not kept. Give those of "
        f"{' and '.join(withheld)}: cfnbox deploy TEMPLATE --stack-name {name} --region {entry['region']} "
        + " ".join(f"--parameter {key}=VALUE" for key in withheld)
    )


class StateFile:
    """Writes the file after each change of a stack, until closed. Only the user can read it: it has parameter values.

    `waiting` are the entries of stacks that the user has to deploy: each stays until a stack has its name.
    Raise UnusableState when it cannot be written.
    """

    def __init__(self, path: Path, stacks: Stacks, waiting: Sequence[Json] = ()) -> None:
        self._path, self._stacks, self._is_closed = path, stacks, False
        self._waiting = {_key(entry): entry for entry in waiting}
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
        entries = [_snapshot(stack) for stack in self._stacks if not stack.parent_id and not stack.is_deleted]
        entries = [entry for entry in entries if entry]
        for entry in entries:
            self._waiting.pop(_key(entry), None)
        return json.dumps({"format": _FORMAT, "stacks": [*self._waiting.values(), *entries]}, indent=1)

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
    declared = deployment.template.document.get("Parameters", {})
    parameters = {key: value for key, value in deployment.template.parameters.items() if key in declared}
    return {
        "name": stack.name,
        "region": stack.place.region,
        "account": stack.place.account,
        "template": deployment.template.body,
        "parameters": {key: parameter.value for key, parameter in parameters.items() if not parameter.no_echo},
        "withheld": list(_withheld(parameters, declared)),
        "tags": dict(deployment.tags),
    }


def _withheld(parameters: Mapping[str, Parameter], declared: Json) -> Iterator[str]:
    for key, parameter in parameters.items():
        has_default = "Default" in declared[key]
        if parameter.no_echo and not (has_default and parameter.value == as_text(declared[key]["Default"])):
            yield key


def _key(entry: Json) -> tuple[str, str, str]:
    return entry["account"], entry["region"], entry["name"]
