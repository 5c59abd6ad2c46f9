"""Unexpected errors: logged once with their traceback by the logger `cfnbox`. The user's message names the log entry.

The application decides where the log goes, as with other libraries. The command line writes it to a file, and with
--verbose to standard error as well. No text of an exception is logged and no local variable, because both may hold
values of properties: a traceback here consists of types of exceptions, and files, lines and code.
"""

from __future__ import annotations

import logging
import os
import secrets
import traceback
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG = logging.getLogger("cfnbox")
_LOG.addHandler(logging.NullHandler())
_MOST_BYTES = 1_000_000


def internal_error(where: str, problem: BaseException) -> str:
    """Log an unexpected exception, and return a message that says where its traceback is."""
    entry = secrets.token_hex(4)
    _LOG.error("[%s] Internal error in %s\n%s", entry, where, traceback_without_values(problem))
    return f"Internal error in {where}: {type(problem).__name__}. Details: log entry {entry} {_place()}."


def internal_failure(where: str, problem: BaseException) -> Refused:
    """Log an exception as `internal_error` does, and return the error answer of a service."""
    return Refused("InternalFailure", internal_error(where, problem), 500)


def traceback_without_values(problem: BaseException) -> str:
    """Return the traceback of an exception, after those of its causes, without the texts of the exceptions."""
    return "".join(_lines(problem)).rstrip()


def write_log() -> None:
    """Write the log to a file in the user's home folder from now on. The first entry creates the file.

    Only a command calls this, because a command owns its process.
    """
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "cfnbox"
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "cfnbox.log"
        _add(RotatingFileHandler(file, maxBytes=_MOST_BYTES, backupCount=1, encoding="utf-8", delay=True))


def show_log() -> None:
    """Write the log to standard error from now on; see write_log."""
    _add(logging.StreamHandler())


def _add(handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _LOG.addHandler(handler)


def _place() -> str:
    for handler in _LOG.handlers:
        if isinstance(handler, logging.FileHandler):
            return f"in {handler.baseFilename}"
    return "of the logger cfnbox"


def _lines(problem: BaseException) -> Iterator[str]:
    chain = [problem]
    while (cause := _cause(chain[-1])) is not None and cause not in chain:
        chain.append(cause)
    for error in reversed(chain):
        yield from traceback.format_list(traceback.extract_tb(error.__traceback__))
        yield f"{type(error).__module__}.{type(error).__qualname__} (text left out: it may hold a property's value)\n"


def _cause(problem: BaseException) -> BaseException | None:
    return problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)
