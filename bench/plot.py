"""The latency of each action against its floor, as SVG."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_TITLE = "Warm latency of each action, beside the same API calls by boto3"
_COLOURS = ("#8a8f98", "#2f7ed8", "#0b3d91")
_BAR, _GAP, _LEFT, _WIDTH, _TOP = 18, 22, 80, 760, 84
_FONT = "font-family='system-ui, sans-serif' font-size='13'"


def latency(seconds: Mapping[str, Mapping[str, Sequence[float]]], machine: str) -> str:
    """Draw the median of each contender for each action, with whiskers from the first to the third quartile.

    `seconds` holds sorted or unsorted measurements by action and contender.
    """
    quartiles = {action: {name: _quartiles(of) for name, of in taken.items()} for action, taken in seconds.items()}
    contenders = list(next(iter(quartiles.values())))
    longest = max(q[2] for taken in quartiles.values() for q in taken.values())
    scale = (_WIDTH - _LEFT - 150) / longest
    drawn, y = [], _TOP
    for action, taken in quartiles.items():
        middle = y + len(contenders) * _BAR / 2
        drawn.append(f"<text x='{_LEFT - 10}' y='{middle + 4:.1f}' text-anchor='end'>{action}</text>")
        for name, colour in zip(contenders, _COLOURS, strict=True):
            drawn += _bar(y, colour, taken[name], taken[contenders[0]][1], scale)
            y += _BAR
        y += _GAP
    return "\n".join([*_head(y, contenders, machine), *drawn, "</g>", "</svg>", ""])


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The quartiles, in milliseconds."""
    ordered = sorted(values)
    low, middle, high = (ordered[round((len(ordered) - 1) * part)] * 1e3 for part in (0.25, 0.5, 0.75))
    return low, middle, high


def _bar(y: int, colour: str, quartiles: tuple[float, float, float], floor: float, scale: float) -> list[str]:
    low, middle, high = quartiles
    centre, right = y + (_BAR - 3) / 2, _LEFT + high * scale
    label = f"{middle:.1f} ms" + (f" ({middle / floor:.2f}x)" if middle != floor else "")
    return [
        f"<rect x='{_LEFT}' y='{y}' width='{middle * scale:.1f}' height='{_BAR - 3}' fill='{colour}'/>",
        f"<path d='M{_LEFT + low * scale:.1f} {centre}H{right:.1f}' stroke='#e8912d' stroke-width='1.5'/>",
        f"<text x='{right + 8:.1f}' y='{centre + 4.5}' font-size='12'>{label}</text>",
    ]


def _head(height: int, contenders: Sequence[str], machine: str) -> list[str]:
    legend, x = [], _LEFT
    for name, colour in zip(contenders, _COLOURS, strict=True):
        legend += [
            f"<rect x='{x}' y='52' width='12' height='12' fill='{colour}'/>",
            f"<text x='{x + 18}' y='63'>{name}</text>",
        ]
        x += 50 + 8 * len(name)
    return [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' role='img'>",
        f"<rect width='{_WIDTH}' height='{height}' fill='#ffffff'/>",
        f"<g {_FONT} fill='#24292f'>",
        f"<text x='{_LEFT}' y='24' font-size='16' font-weight='600'>{_TITLE}</text>",
        f"<text x='{_LEFT}' y='42' font-size='12' fill='#57606a'>median and quartiles; {escape(machine)}</text>",
        *legend,
    ]
