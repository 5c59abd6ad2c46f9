"""The results of a schema's propertyTransform, a JSONata expression over the properties of a resource.

The author of a type writes it. JSONata looks at its limits only between two steps, and one step, such as
`$sum([1..10000000])` or a regular expression, can take minutes and gigabytes. So a process of its own, with limits of
the operating system, evaluates every expression that has such steps.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonata

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM = str(Path(__file__).with_name("transform_process.py"))
# The program ends itself after a second of CPU time. A busy machine may need much longer for that.
_MOST_SECONDS = 120.0
_MILLISECONDS, _LEVELS = 1000, 200
# Expressions whose steps are short: no ranges, variables, functions of their own or regular expressions. Most of the
# expressions in AWS's published schemas are of this kind. Every repetition is possessive, so that nothing backtracks.
_SHORT_STEPS = re.compile(
    r"""(?: "(?:[^"\\]|\\.)*+" | '(?:[^'\\]|\\.)*+'
          | \$(?:lowercase|uppercase|trim|string|number|join|split|substringBefore|substringAfter|exists|not)\(
          | (?!function\b)[A-Za-z_][A-Za-z0-9_]*+ | -?[0-9]{1,9}+ | \.(?!\.) | :(?!=) | [\s()\[\],&=?]
        )++""",
    re.VERBOSE | re.DOTALL,
)


def transformed(expression: str, model: Mapping[str, Any], value: Any) -> Any:
    """Return the result of an expression over a model, or `value` if it has none within its limits."""
    evaluate = _in_this_process if _SHORT_STEPS.fullmatch(expression) else _in_own_process
    result = evaluate(expression, model)
    return value if result is None else result


def _in_this_process(expression: str, model: Mapping[str, Any]) -> Any:
    try:
        # A new object for each evaluation, because its timeout begins when it is created.
        return jsonata.Jsonata(expression, timeout=_MILLISECONDS, stack=_LEVELS).evaluate(model)
    except (jsonata.JException, RecursionError):
        return None


def _in_own_process(expression: str, model: Mapping[str, Any]) -> Any:
    text = _result_of_process(json.dumps({"expression": expression, "model": model}, sort_keys=True))
    return json.loads(text) if text else None


@lru_cache(maxsize=256)
def _result_of_process(task: str) -> str:
    """Return what the program prints; nothing if the expression has no result, or if a limit ended it."""
    command = [sys.executable, "-P", _PROGRAM]
    try:
        ended = subprocess.run(
            command, input=task.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
            timeout=_MOST_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.decode() if ended.returncode == 0 else ""
