"""The table that ends a run of the fault matrix."""

import re
from io import StringIO
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

Json = dict[str, Any]


def print_table(terminalreporter: Any) -> None:
    """Print the matrix of test_fault_matrix.py as its tests reported it, from whatever process they ran in."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    cells = [cell for report in reports for name, cell in getattr(report, "user_properties", ()) if name == "cell"]
    if not cells:
        return
    terminalreporter.section(f"{len(cells)} faults in calls")
    terminalreporter.write_line(
        "What CloudFormation hears when a fault comes once/every time: ok; waits: it shall ask again later; fails. "
        "One word where both are the same."
    )
    text = StringIO()
    Console(file=text, width=190).print(_table(cells))
    terminalreporter.write("\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n")


def _table(cells: list[Json]) -> Table:
    """Faults down, calls across; what failed says with which code in the last column."""
    calls = list(dict.fromkeys((cell["request"], cell["call"]) for cell in cells))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("fault", no_wrap=True, vertical="bottom")
    for request, call in calls:
        table.add_column(f"{request}\n{re.sub('(?<=[a-z])(?=[A-Z])', chr(10), call)}", vertical="bottom")
    table.add_column("fails as", no_wrap=True, vertical="bottom")
    for fault in dict.fromkeys(cell["fault"] for cell in cells):
        came: dict[tuple[str, str], list[str]] = {place: [] for place in calls}
        for cell in (cell for cell in cells if cell["fault"] == fault):
            came[cell["request"], cell["call"]].append(cell["outcome"])
        shown = ["/".join(dict.fromkeys(_WORDS.get(one, "fails") for one in here)) for here in came.values()]
        codes = {outcome for here in came.values() for outcome in here} - _WORDS.keys()
        table.add_row(fault, *shown, ", ".join(sorted(codes)))
    return table


_WORDS = {"SUCCESS": "ok", "IN_PROGRESS": "waits"}
