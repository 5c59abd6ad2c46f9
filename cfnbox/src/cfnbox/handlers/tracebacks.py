"""Parse Python tracebacks in answers and logs of handlers: the exception, and its place in the own code. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HEADING = "Traceback (most recent call last):"
_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>.+)')
# Installed packages lie beside the function's own code. The author's own frames are more useful.
_INSTALLED = ("site-packages", "cloudformation_cli_python_lib")


@dataclass(frozen=True)
class Raised:
    """An exception: `kind` is its class, `message` its text, `place` file:line of the last frame in own code."""

    kind: str
    message: str
    place: str
    traceback: str

    def __str__(self) -> str:
        first_line = next((line.strip() for line in self.message.splitlines() if line.strip()), "")
        return f"{self.kind}{f': {first_line}' if first_line else ''}{f' ({self.place})' if self.place else ''}"


def answered(error: Mapping[str, Any], folders: Sequence[str], own: Sequence[str] | None = None) -> Raised:
    """Parse the error answer of AWS's runtime: errorType, errorMessage and stackTrace.

    `folders` hold the handlers' code and packages; `own` are the files and folders of the author.
    """
    kind, message = str(error.get("errorType", "Error")), str(error.get("errorMessage", ""))
    lines = [line for entry in error.get("stackTrace") or () for line in str(entry).splitlines()]
    last = f"{kind}: {message}" if message else kind
    return Raised(kind, message, _place(lines, folders, own), "\n".join([_HEADING, *lines, last]) if lines else "")


def last_logged(log: str, folders: Sequence[str], own: Sequence[str] | None = None) -> Raised | None:
    """Return the last exception with a traceback in a log, or None."""
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
    """Return file:line and function of the last frame in own code, or of the last frame if there is none."""
    frames = [found for found in map(_FRAME.fullmatch, lines) if found]
    own_frames = [frame for frame in frames if _is_own(Path(frame["file"]), folders if own is None else own)]
    chosen = (own_frames or frames)[-1:]
    return "".join(f"{_named(Path(frame['file']), folders)}:{frame['line']}, in {frame['name']}" for frame in chosen)


def _is_own(file: Path, folders: Sequence[str]) -> bool:
    return not set(_INSTALLED) & set(file.parts) and any(file.is_relative_to(folder) for folder in folders)


def _named(file: Path, folders: Sequence[str]) -> str:
    """Return the path of a file relative to its code folder."""
    return next((str(file.relative_to(folder)) for folder in folders if file.is_relative_to(folder)), str(file))
