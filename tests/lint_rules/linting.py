"""cfn-lint with the rules of lint/, as its command line runs it."""

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
