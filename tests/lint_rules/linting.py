"""Templates with marks of what the rules must report, and cfn-lint with the rules as its command line runs it."""

import re
from pathlib import Path

from cfnlint.config import ConfigMixIn
from cfnlint.runner import Runner

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "lint"
DATA = ROOT / "tests" / "data" / "lint"
# File name, line, rule and message of each.
Findings = list[tuple[str, int, str, str]]


def lint(*templates: Path, options: tuple[str, ...] = ()) -> Findings:
    """Run cfn-lint as its command line does; return file name, line, rule and message of each finding."""
    config = ConfigMixIn([*map(str, templates), "--append-rules", str(RULES), *options])
    return sorted(
        (Path(match.filename).name, match.linenumber, match.rule.id, match.message) for match in Runner(config).run()
    )


TEMPLATES = sorted(path.name for path in DATA.glob("*.*"))


def subject(template: str) -> str:
    """Return what a template is about: its name without the verdict on it."""
    return re.sub(r"-(good|bad)\.\w+$", "", template)


def marked(template: str) -> list[tuple[int, str]]:
    """Return the line and the rule of each mark in a template: a comment at the end of a line."""
    lines = (DATA / template).read_text().splitlines()
    marks = [(number, re.search(r"#((?: [EW]\d{4})+)$", line)) for number, line in enumerate(lines, 1)]
    return [(number, rule) for number, found in marks if found for rule in found[1].split()]
