"""`make bench`: measure everything side by side, show it, and write it down for guide/benchmark.md."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import command_line, lists, plot, processes, readme, stack, terraform, warm
from bench.measure import ROOT, Row
from tools import function_package, package

_RESULTS = ROOT / "bench" / "results.json"
_PLOT = ROOT / "bench" / "latency.svg"
_README = ROOT / "guide" / "benchmark.md"


@dataclass(frozen=True)
class _Subject:
    """What is measured: the package, its function unpacked, and the Python that it is compiled for."""

    built: package.Package
    function: Path
    python: str


_PARTS: dict[str, Callable[[_Subject], Iterable[Row]]] = {
    "warm": lambda of: warm.rows(of.function),
    "package": lambda of: processes.rows(of.built, of.function, of.python),
    "list": lambda of: lists.rows(of.function, of.python),
    "stack": lambda _: stack.rows(),
    "ready": lambda _: command_line.ready_rows(),
    "terraform": lambda _: () if terraform.unavailable() else command_line.terraform_rows(),
}
_console = Console(highlight=False)
if not _console.is_terminal:
    _console = Console(highlight=False, width=130)


def main() -> int:
    """Measure and report; write it down only when everything was measured."""
    asked = _parts_asked_for()
    with _console.status("building the package"):
        built = package.build()
        if built.compiled_for is None:
            built = package.build(python=sys.executable)
    python = built.python or sys.executable
    versions = f"Python {platform.python_version()}, for cold starts and memory {function_package.version(python)}"
    machine = f"{_processor()}, {os.cpu_count()} cores"
    rows: list[Row] = []
    with package.unpacked(built.path) as function:
        for part in asked or _PARTS:
            with _console.status(part):
                rows += _PARTS[part](_Subject(built, function, python))
    _console.print(_table(rows, f"{machine}; {versions}"))
    without = terraform.unavailable()
    if without:
        _console.print(without)
    if asked:
        return 0
    results = {"machine": machine, "versions": versions, "without": without, "rows": [_to_json(row) for row in rows]}
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    _README.write_text(readme.with_table(_README.read_text(encoding="utf-8"), results), encoding="utf-8")
    _PLOT.write_text(plot.latency(results), encoding="utf-8")
    _console.print(f"Written: {', '.join(str(file.relative_to(ROOT)) for file in (_RESULTS, _PLOT, _README))}")
    return 0


def _parts_asked_for() -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure against the floor.")
    parser.add_argument("--only", action="append", choices=_PARTS, default=[],
                        help="show only this part, and write nothing; repeatable")  # fmt: skip
    only: list[str] = parser.parse_args().only
    return only


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
