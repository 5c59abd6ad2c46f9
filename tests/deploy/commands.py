"""The commands that a document shows, as a shell would read them."""

import re
import shlex
from pathlib import Path


def commands_of(document: Path) -> list[list[str]]:
    """Return the words of each command in the indented blocks and sh fences of a Markdown file."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    indented = re.findall(r"^    (?=\S)(.+)$", text, re.MULTILINE)
    fenced = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    return [shlex.split(line) for line in indented + fenced]
