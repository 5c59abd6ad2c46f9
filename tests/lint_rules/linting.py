"""Templates with marks of what the rules must report, and cfn-lint with the rules as its command line runs it."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cfnlint.config import ConfigMixIn
from cfnlint.runner import Runner

import programs
from once import made_once

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "lint"
DATA = ROOT / "tests" / "data" / "lint"
# File name, line, rule and message of each.
Findings = list[tuple[str, int, str, str]]


def lint(*templates: Path, options: tuple[str, ...] = ()) -> Findings:
    """Run cfn-lint in this process; return file name, line, rule and message of each finding."""
    with pytest.MonkeyPatch.context() as patch:
        # cfn-lint takes the regions of a stack from them.
        patch.delenv("AWS_REGION", raising=False)
        patch.delenv("AWS_DEFAULT_REGION", raising=False)
        config = ConfigMixIn([*map(str, templates), "--append-rules", str(RULES), *options])
        matches = list(Runner(config).run())
    return sorted((Path(match.filename).name, match.linenumber, match.rule.id, match.message) for match in matches)


def lint_in_another_process(*templates: Path, options: tuple[str, ...]) -> Findings:
    """Run cfn-lint as a program, for options that change what its process knows about a type."""
    command = [programs.program("cfn-lint"), *map(str, templates), "--append-rules", str(RULES), *options]
    environment = {"PATH": os.environ["PATH"], "HOME": str(Path.home())}
    output = subprocess.run(
        [*command, "--format", "json"], env=environment, cwd=DATA, capture_output=True, text=True, check=False
    ).stdout
    return sorted(
        (
            Path(match["Filename"]).name,
            match["Location"]["Start"]["LineNumber"],
            match["Rule"]["Id"],
            match["Message"],
        )
        for match in json.loads(output)
    )


def found_once(factory: pytest.TempPathFactory, name: str, find: Callable[[], Findings]) -> Findings:
    """Return findings that one process of pytest-xdist finds for all."""
    path = made_once(factory, name, lambda path: path.write_text(json.dumps(find())))
    return [(file, line, rule, message) for file, line, rule, message in json.loads(path.read_text())]


TEMPLATES = sorted(path.name for path in DATA.glob("*.*"))


def subject(template: str) -> str:
    """Return what a template is about: its name without the verdict on it."""
    return re.sub(r"-(good|bad)\.\w+$", "", template)


def marked(template: str) -> list[tuple[int, str]]:
    """Return the line and the rule of each mark in a template: a comment at the end of a line."""
    lines = (DATA / template).read_text().splitlines()
    marks = [(number, re.search(r"#((?: [EW]\d{4})+)$", line)) for number, line in enumerate(lines, 1)]
    return [(number, rule) for number, found in marks if found for rule in found[1].split()]
