"""The latency of each action against its floor, as SVG: the numbers of the table in guide/benchmark.md."""

import re
from typing import Any
from xml.sax.saxutils import escape

_TITLE = "Warm latency of each action, beside the same API calls by boto3"
_FLOOR = "kept boto3 client"
_ROW = re.compile(r"warm (?P<action>\w+), (?P<contender>.+)")
_BAR, _GAP, _LEFT, _WIDTH, _TOP = 18, 22, 80, 760, 84
# Readable on a light page and on a dark one: with a ground of its own, by what the browser says the page is.
_STYLE = """<style>
.page { fill: #ffffff }
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.small { font-size: 12px }
.c0 { fill: #8a8f98 } .c1 { fill: #2f7ed8 } .c2 { fill: #0b3d91 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 }
text { fill: #e6edf3 }
.c0 { fill: #7d8590 } .c1 { fill: #58a6ff } .c2 { fill: #b6d7ff }
}
</style>"""


def latency(results: dict[str, Any]) -> str:
    """Draw the medians of the warm requests: of the floor and of each contender, action by action."""
    medians: dict[str, dict[str, float]] = {}
    for row in results["rows"]:
        if found := _ROW.fullmatch(row["what"]):
            medians.setdefault(found["action"], {_FLOOR: row["floor"]})[found["contender"]] = row["ours"]
    contenders = list(next(iter(medians.values())))
    scale = (_WIDTH - _LEFT - 130) / max(value for taken in medians.values() for value in taken.values())
    drawn, y = [], _TOP
    for action, taken in medians.items():
        middle = y + len(contenders) * _BAR / 2
        drawn.append(f"<text x='{_LEFT - 10}' y='{middle + 4:.1f}' text-anchor='end'>{action}</text>")
        for number, name in enumerate(contenders):
            drawn += _bar(y, number, taken[name], taken[_FLOOR], scale)
            y += _BAR
        y += _GAP
    return "\n".join([*_head(y, contenders, results["machine"]), *drawn, "</svg>", ""])


def _bar(y: int, number: int, median: float, floor: float, scale: float) -> list[str]:
    label = f"{median:.1f} ms" + (f" ({median / floor:.2f}x)" if number else "")
    width = median * scale
    return [
        f"<rect class='c{number}' x='{_LEFT}' y='{y}' width='{width:.1f}' height='{_BAR - 3}'/>",
        f"<text class='small' x='{_LEFT + width + 8:.1f}' y='{y + 12}'>{label}</text>",
    ]


def _head(height: int, contenders: list[str], machine: str) -> list[str]:
    legend, x = [], _LEFT
    for number, name in enumerate(contenders):
        legend += [
            f"<rect class='c{number}' x='{x}' y='52' width='12' height='12'/>",
            f"<text x='{x + 18}' y='63'>{name}</text>",
        ]
        x += 50 + 8 * len(name)
    return [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' role='img'>",
        _STYLE,
        f"<rect class='page' width='{_WIDTH}' height='{height}'/>",
        f"<text class='title' x='{_LEFT}' y='24'>{_TITLE}</text>",
        f"<text class='small' x='{_LEFT}' y='42'>medians; {escape(machine)}</text>",
        *legend,
    ]
