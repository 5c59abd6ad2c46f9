"""A program that evaluates one propertyTransform: JSON of the expression and the model in, JSON of the result out.

Its own limits end it, so that no expression outlives the program that started it.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress

import jsonata

# Importing JSONata takes less than a tenth of a second of these.
_CPU_SECONDS = 1
_MEMORY_BYTES = 1 << 28
_RESULT_CHARACTERS = 1 << 20
# Levels of recursion in an expression.
_LEVELS = 200


def main() -> int:
    """Evaluate the expression of stdin, and return the exit status: 1 when there is no result."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    # macOS has no limit of the address space.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    task = json.load(sys.stdin)
    try:
        result = jsonata.Jsonata(task["expression"], stack=_LEVELS).evaluate(task["model"])
        text = json.dumps(result)
    except (jsonata.JException, MemoryError, RecursionError, TypeError, ValueError):
        return 1
    if len(text) > _RESULT_CHARACTERS:
        return 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
