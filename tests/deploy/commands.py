"""The commands that a document shows, as a shell would read them."""

import re
import shlex
from pathlib import Path


def blocks_of(document: Path) -> list[str]:
    """Return the text of each sh fence of a Markdown file."""
    return re.findall(r"^```sh\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands_of(document: Path, *, fenced: bool = True) -> list[list[str]]:
    """Return the words of each command outside fences, by their indentation, and of those in fences."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^    (?=\S)(.+)$", text.replace("\\\n", " "), re.MULTILINE)
    blocks = blocks_of(document) if fenced else []
    lines += [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line) for line in lines]
