"""The table of the README, made of bench/results.json."""

import re
from typing import Any

_BEGIN, _END = "<!-- what `make bench` wrote last -->", "<!-- end of it -->"


def with_table(readme: str, results: dict[str, Any]) -> str:
    """Return the README with its table made anew. Raises ValueError where the README has no place for it."""
    if _BEGIN not in readme or _END not in readme:
        raise ValueError(f"README.md has no place for the table: the lines {_BEGIN} and {_END}")
    return re.sub(f"{_BEGIN}.*{_END}", lambda _: f"{_BEGIN}\n{_table(results)}\n{_END}", readme, flags=re.DOTALL)


def _table(results: dict[str, Any]) -> str:
    rows = ["| what | against | floor | ours | ratio | target |", "|---|---|--:|--:|--:|--:|"]
    for row in results["rows"]:
        floor, ours = (_amount(row[side], row["unit"]) for side in ("floor", "ours"))
        target = "" if row["target"] is None else f"{row['target']:.2f}"
        rows.append(f"| {row['what']} | {row['floor_is']} | {floor} | {ours} | {row['ratio']:.2f} | {target} |")
    return "\n".join([*rows, "", f"{results['machine']}; {results['versions']}."])


def _amount(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit else f"{value:g}"
