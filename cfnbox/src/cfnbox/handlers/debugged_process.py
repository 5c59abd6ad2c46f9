"""Starts a runtime under debugpy: `python debugged_process.py FOLDER PORT SECONDS REPORT RUNTIME...`.

debugpy binds the port itself, so that no other program can take it meanwhile. REPORT is a file that gets the number
of the port. RUNTIME is what follows `python`: `-m MODULE`, or a file, and arguments.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from pathlib import Path


def main() -> None:
    """Wait for a debugger, and run the runtime."""
    folder, port, seconds, report, *runtime = sys.argv[1:]
    # The handlers see neither debugpy nor the packages beside it.
    sys.path[0] = folder
    import debugpy

    # As for `python -m`.
    sys.path[0] = os.getcwd()
    bound = _listen(debugpy, int(port), float(seconds))
    unfinished = Path(f"{report}.unfinished")
    unfinished.write_text(str(bound))
    unfinished.rename(report)
    debugpy.wait_for_client()
    if runtime[0] == "-m":
        sys.argv = runtime[1:]
        runpy.run_module(runtime[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = runtime
        runpy.run_path(runtime[0], run_name="__main__")


def _listen(debugpy: object, port: int, seconds: float) -> int:
    """Listen on the port, else on a free one. A process that has just ended may hold the port for some seconds."""
    deadline = time.monotonic() + seconds
    while port and time.monotonic() < deadline:
        try:
            return int(debugpy.listen(("127.0.0.1", port))[1])  # type: ignore[attr-defined]
        except RuntimeError:
            time.sleep(0.1)
    return int(debugpy.listen(("127.0.0.1", 0))[1])  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
