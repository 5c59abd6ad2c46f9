"""The list of properties that the local cloud does not apply, in the README of cfnbox: from its tables."""

import re
from pathlib import Path

from cfnbox.providers.ministack_stacks import types
from cfnbox.providers.services.catalogue import SERVICE_TYPES, UNIFORM_TYPES

PATH = "cfnbox/README.md"
_BLOCK = re.compile(
    r"(?<=<!-- not applied: written by `make generate` -->\n).*?(?=<!-- end of not applied -->)", re.DOTALL
)


def text(readme: Path) -> str:
    """Return the README with the list as the tables have it."""
    return _BLOCK.sub(lambda _: _table(), readme.read_text())


def _table() -> str:
    properties = {name: sorted(entry.ignored) for name, entry in types().items() if name not in UNIFORM_TYPES}
    properties |= {name: list(row.not_applied) for name, row in SERVICE_TYPES.items()}
    rows = [
        f"| `{name}` | {', '.join(f'`{one}`' for one in names)} |"
        for name, names in sorted(properties.items())
        if names
    ]
    return "\n".join(("| type | not applied here |", "|---|---|", *rows, ""))
