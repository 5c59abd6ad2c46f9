"""Python's tracebacks in answers and logs of handlers: what was raised, and where in the handlers' own code. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HEADING = "Traceback (most recent call last):"
_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>.+)')
# What a function installs for itself stands beside its own code, and is not where its author looks first.
_INSTALLED = ("site-packages", "cloudformation_cli_python_lib")


@dataclass(frozen=True)
class Raised:
    """An exception: `kind` is its class, `message` its text, `place` is file:line of the handlers' own last frame."""

    kind: str
    message: str
    place: str
    traceback: str

    def __str__(self) -> str:
        said = next((line.strip() for line in self.message.splitlines() if line.strip()), "")
        return f"{self.kind}{f': {said}' if said else ''}{f' ({self.place})' if self.place else ''}"


def answered(error: Mapping[str, Any], folders: Sequence[str], own: Sequence[str] | None = None) -> Raised:
    """Return what AWS's runtime answers when a handler raises: errorType, errorMessage and stackTrace.

    `folders` hold the handlers' code and packages, `own` are those files and folders that the author wrote.
    """
    kind, message = str(error.get("errorType", "Error")), str(error.get("errorMessage", ""))
    lines = [line for entry in error.get("stackTrace") or () for line in str(entry).splitlines()]
    last = f"{kind}: {message}" if message else kind
    return Raised(kind, message, _place(lines, folders, own), "\n".join([_HEADING, *lines, last]) if lines else "")


def last_logged(log: str, folders: Sequence[str], own: Sequence[str] | None = None) -> Raised | None:
    """Return the last exception whose traceback stands in a log, or None."""
    before, heading, after = log.rpartition(_HEADING)
    lines = after.splitlines()[1:] if heading else []
    frames = next((number for number, line in enumerate(lines) if not line.startswith(" ")), len(lines))
    if frames == len(lines):
        return None
    kind, _, message = lines[frames].partition(": ")
    chain = before[before.find(_HEADING) :] if _HEADING in before else ""
    text = "\n".join([_HEADING, *lines[: frames + 1]])
    return Raised(kind, message, _place(lines[:frames], folders, own), chain + text)


def _place(lines: Iterable[str], folders: Sequence[str], own: Sequence[str] | None) -> str:
    """Return file:line and function of the last frame in the handlers' own code, else of the last frame of all."""
    frames = [found for found in map(_FRAME.fullmatch, lines) if found]
    own_frames = [frame for frame in frames if _is_own(Path(frame["file"]), folders if own is None else own)]
    chosen = (own_frames or frames)[-1:]
    return "".join(f"{_named(Path(frame['file']), folders)}:{frame['line']}, in {frame['name']}" for frame in chosen)


def _is_own(file: Path, folders: Sequence[str]) -> bool:
    return not set(_INSTALLED) & set(file.parts) and any(file.is_relative_to(one) for one in folders)


def _named(file: Path, folders: Sequence[str]) -> str:
    """The file as its author knows it: below the folder of the code that it is in."""
    return next((str(file.relative_to(one)) for one in folders if file.is_relative_to(one)), str(file))
