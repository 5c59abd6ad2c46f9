"""`cfnbox` or `python -m cfnbox`: the command line; without its environment it says in one line how to make one."""

from __future__ import annotations

import gc
import io
import logging
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cfnbox.cli.shutdown import Ending

# Modules and service models are a million permanent objects. The default threshold of 700 new objects makes garbage
# collection take a quarter of the time of a short command.
_OBJECTS_UNTIL_COLLECTION = 50_000


def main() -> int:
    """Run one command. The process ends here, with the command's status; 1 when a package is missing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Print a question mark for a character that the locale does not have.
            stream.reconfigure(errors="replace")
    gc.set_threshold(_OBJECTS_UNTIL_COLLECTION)
    # SAM's translator warns about features that only an AWS account has.
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)
    # Until Ending.prepare() there is nothing to clean up, so SIGINT ends the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from cfnbox.cli import shutdown
    except ModuleNotFoundError as missing:
        return _lacks(missing)
    return shutdown.run(_command)


def _command(ending: Ending) -> int:
    try:
        from cfnbox.cli.arguments import run

        return run(sys.argv[1:], ending)
    except ModuleNotFoundError as missing:
        return _lacks(missing)


def _lacks(missing: ModuleNotFoundError) -> int:
    print(
        f"error: {sys.executable} has no package {missing.name}, which the local cloud needs. "
        "Install it with its packages (pip install cfnbox), or in a clone of the project: `make setup`, and then "
        "`source .venv/bin/activate`.",
        file=sys.stderr,
    )
    return 1
