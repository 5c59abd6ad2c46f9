"""The list of properties that services of the local cloud do not keep, in the README of cfnbox: from its tables."""

import re
from pathlib import Path

from cfnbox.providers.services.catalogue import SERVICE_TYPES

PATH = "cfnbox/README.md"
_BLOCK = re.compile(
    r"(?<=<!-- not applied: written by `make generate` -->\n).*?(?=<!-- end of not applied -->)", re.DOTALL
)


def text(readme: Path) -> str:
    """Return the README with the list as the tables have it."""
    return _BLOCK.sub(lambda _: _table(), readme.read_text())


def _table() -> str:
    rows = [
        f"| `{name}` | {', '.join(f'`{one}`' for one in row.not_applied)} |"
        for name, row in sorted(SERVICE_TYPES.items())
        if row.not_applied
    ]
    return "\n".join(("| type | not applied here |", "|---|---|", *rows, ""))
