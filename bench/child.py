"""The function in a bare interpreter, as it starts in Lambda: answers the events of stdin, and says what it took.

    python -S -s -B bench/child.py FOLDER < events > answers

Standard library only. Prints the status of every answer, and last the peak of the process's memory in bytes.
"""

import importlib
import json
import resource
import sys
from pathlib import Path


def main() -> None:
    sys.path[0] = sys.argv[1]
    entry_point = importlib.import_module("aws_sagemaker_model.handlers").resource
    for line in sys.stdin:
        answer = entry_point(json.loads(line), None)
        print(json.dumps([answer["status"], answer.get("message")]), flush=True)
    print(_peak_memory())


def _peak_memory() -> int:
    """The most memory that the process had, in bytes. On Linux getrusage would tell the parent's before the exec."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        # macOS counts in bytes (getrusage(2) there).
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak) * 1024


if __name__ == "__main__":
    main()
