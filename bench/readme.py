"""What guide/benchmark.md says of the measurements, made of bench/results.json."""

import math
import re
from typing import Any

_BEGIN, _END = "<!-- what `make bench` wrote last -->", "<!-- end of it -->"


def with_table(page: str, results: dict[str, Any]) -> str:
    """Return the page with its sentence and table made anew. Raises ValueError where it has no place."""
    if _BEGIN not in page or _END not in page:
        raise ValueError(f"guide/benchmark.md has no place for the table: the lines {_BEGIN} and {_END}")
    return re.sub(
        f"{_BEGIN}.*{_END}",
        lambda _: f"{_BEGIN}\n{_sentence(results)}\n\n{_table(results)}\n{_END}",
        page,
        flags=re.DOTALL,
    )


def _sentence(results: dict[str, Any]) -> str:
    inside, through = (_warm(results, where) for where in ("in process", "Lambda runtime"))
    most = round((max(one["ratio"] for one in inside) - 1) * 100)
    low = math.floor(min(one["ratio"] for one in through) * 10) / 10
    high = math.ceil(max(one["ratio"] for one in through) * 10) / 10
    more = max(one["ours"] - one["floor"] for one in through)
    return (
        f"In process the handlers take at most {most} % longer than the same API calls from a boto3 client that is\n"
        f"kept; through Lambda's runtime {low} to {high} times as long, at most {more:.1f} ms more."
    )


def _warm(results: dict[str, Any], where: str) -> list[dict[str, Any]]:
    return [row for row in results["rows"] if row["what"].startswith("warm ") and row["what"].endswith(f", {where}")]


def _table(results: dict[str, Any]) -> str:
    rows = ["| what | against | floor | ours | ratio | target |", "|---|---|--:|--:|--:|--:|"]
    for row in results["rows"]:
        floor, ours = (_amount(row[side], row["unit"]) for side in ("floor", "ours"))
        target = "" if row["target"] is None else f"{row['target']:.2f}"
        rows.append(f"| {row['what']} | {row['floor_is']} | {floor} | {ours} | {row['ratio']:.2f} | {target} |")
    without = [results["without"]] if results.get("without") else []
    missed = [row["what"] for row in results["rows"] if row["outcome"] == "missed"]
    short = [f"Over its target: {', '.join(missed)}."] if missed else []
    return "\n".join([*rows, "", f"{results['machine']}; {results['versions']}.", *short, *without])


def _amount(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit else f"{value:g}"
