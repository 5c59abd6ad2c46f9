"""`make bench`: measure everything side by side, show it, and write it down for the README."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import lists, plot, processes, readme, stack, warm
from bench.measure import ROOT, Row
from tools import function_package, package

_RESULTS = ROOT / "bench" / "results.json"
_PLOT = ROOT / "bench" / "latency.svg"
_README = ROOT / "README.md"
_console = Console(highlight=False)
if not _console.is_terminal:
    _console = Console(highlight=False, width=130)


def main() -> int:
    """Measure and report."""
    with _console.status("building the package"):
        built = package.build()
        if built.compiled_for is None:
            built = package.build(python=sys.executable)
    python = built.python or sys.executable
    versions = f"Python {platform.python_version()}, for cold starts and memory {function_package.version(python)}"
    machine = f"{_processor()}, {os.cpu_count()} cores"
    with package.unpacked(built.path) as function:
        with _console.status("warm requests"):
            seconds, calls = warm.measure(function)
        rows = [*warm.rows(seconds)]
        with _console.status("cold starts and memory"):
            rows += processes.rows(built, function, python)
        rows += warm.call_rows(calls)
        with _console.status(f"a list of {lists.MODELS:,} models"):
            rows += lists.rows(function, python)
        with _console.status(f"stacks of {stack.MODELS} models"):
            rows += stack.rows(function)
    _console.print(_table(rows, f"{machine}; {versions}"))
    results = {"machine": machine, "versions": versions, "rows": [_to_json(row) for row in rows]}
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    _README.write_text(readme.with_table(_README.read_text(encoding="utf-8"), results), encoding="utf-8")
    _PLOT.write_text(plot.latency(results), encoding="utf-8")
    _console.print(f"Written: {', '.join(str(file.relative_to(ROOT)) for file in (_RESULTS, _PLOT, _README))}")
    return 0


def _table(rows: Sequence[Row], machine: str) -> Table:
    table = Table(caption=machine)
    table.add_column("what")
    table.add_column("floor or peer")
    for heading in ("floor", "ours", "ratio", "target"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        target = "" if row.limit is None else f"≤ {row.limit:.2f}"
        table.add_row(
            row.what, row.floor_is, _amount(row.floor, row.unit), _amount(row.ours, row.unit), f"{row.ratio:.2f}",
            target, row.outcome, style="red" if row.outcome == "missed" else None,
        )  # fmt: skip
    return table


def _amount(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit else f"{value:g}"


def _to_json(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "floor_is": row.floor_is,
        "unit": row.unit,
        "floor": round(row.floor, 3),
        "ours": round(row.ours, 3),
        "ratio": round(row.ratio, 3),
        "target": None if row.limit is None else round(row.limit, 3),
        "outcome": row.outcome,
    }


def _processor() -> str:
    """What the processor calls itself."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
