"""AWS's own contract tests (`cfn test`), unmodified, on the handlers in the Lambda runtime and the local SageMaker.

`cfn test` looks for STS at a hard-coded address of AWS; moto answers there. All its other requests are the full
events of production and go to the Lambda endpoint. Run it in a process of its own: rpdk sets up logging globally.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from laptop import console
from laptop.definition import TypeDefinition
from laptop.events import LocalFailure

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    import pytest

ROOT = Path(__file__).resolve().parent.parent
_ROLE = "arn:aws:iam::123456789012:role/contract-test-{}"
# What CloudFormation gives a READ or LIST; cfn allows the other handlers twice as much.
_READ_SECONDS = 30
_STYLES = {"passed": "green", "skipped": "yellow", "failed": "red"}


class ContractNotRun(LocalFailure):
    """The suite cannot run; the message says what is missing."""


@dataclass(frozen=True)
class Outcome:
    """One test of the suite: `outcome` is passed, skipped or failed; `reason` is pytest's for a skip."""

    inputs: int
    test: str
    outcome: str
    seconds: float
    reason: str = ""


# pytest loads this module as a plugin by its name: cfn leaves no other way to hand it one.
_outcomes: list[Outcome] = []
_left_out: set[str] = set()
_runs = 0


def pytest_sessionstart() -> None:
    """cfn runs one session for each set of inputs, in the order of their numbers."""
    global _runs
    _runs += 1


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Note what a selection leaves out; the tests with "pre" in their names are for hooks."""
    _left_out.update(item.name for item in items if "_pre_" not in item.name)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note each test once, and a failing setup or teardown as a failure of its own."""
    if report.when != "call" and report.passed:
        return
    reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
    name = report.nodeid.rpartition("::")[2]
    suffix = "" if report.when == "call" or report.skipped else f" ({report.when})"
    outcome = Outcome(_runs, name + suffix, report.outcome, report.duration, reason)
    _outcomes.append(outcome)
    _print(outcome)


def _print(outcome: Outcome) -> None:
    # pytest's own report is kept back meanwhile: this goes past it.
    line = f"[{_STYLES[outcome.outcome]}]{outcome.outcome:<8}[/] inputs_{outcome.inputs}  {outcome.test:<32}"
    console.out.print(f"{line} [dim]{outcome.seconds:5.2f} s[/]  {outcome.reason}".rstrip())


def run(arguments: Namespace) -> int:
    """Run the suite once for each set of inputs; 0 when everything that applies has passed."""
    watch = console.Stopwatch()
    definition = TypeDefinition.load(
        _schema(arguments.schema or str(ROOT / "aws-sagemaker-model.json")), arguments.type_name
    )
    code = _code(arguments.code or str(ROOT / "src"))
    console.out.print(
        f"[bold]AWS's contract tests[/] of {definition.type_name}: cfn test (cloudformation-cli "
        f"{importlib.metadata.version('cloudformation-cli')}) on {arguments.code or 'src'}, in AWS's Lambda runtime"
    )
    console.out.file = sys.stdout
    with tempfile.TemporaryDirectory(prefix="contract-") as project:
        _write_project(Path(project), definition, Path(arguments.inputs or ROOT / "inputs"))
        status, report, left = _suite(Path(project), code, arguments.select)
    if arguments.select and not _outcomes:
        raise ContractNotRun(
            f"--select {arguments.select} selects none of the tests: {', '.join(sorted(_left_out))}."
        )
    if status or not _outcomes:
        console.err.print(report, markup=False)
    return _concluded(definition, left, str(watch)) or status


def _code(path: str) -> Path:
    code = Path(path)
    if not code.is_dir():
        raise ContractNotRun(f"--code {path} is no directory: name the one that holds the handlers' package.")
    return code


def _schema(path: str) -> str:
    if not Path(path).is_file():
        raise ContractNotRun(f"--schema {path} is no file: name the schema of the registry type (JSON).")
    return path


def _write_project(project: Path, definition: TypeDefinition, inputs: Path) -> None:
    """A project as `cfn` wants it, in a place where its rpdk.log harms nobody."""
    if not list(inputs.glob("inputs_1_*.json")):
        raise ContractNotRun(f"--inputs {inputs} holds no inputs_1_create.json.")
    settings = json.loads((ROOT / ".rpdk-config").read_text(encoding="utf-8"))
    (project / ".rpdk-config").write_text(json.dumps(settings | {"typeName": definition.type_name}))
    schema_name = definition.type_name.replace("::", "-").lower() + ".json"
    (project / schema_name).write_text(json.dumps(definition.schema))
    shutil.copytree(inputs, project / "inputs")


def _suite(project: Path, code: Path, select: str | None) -> tuple[int, str, int]:
    """cfn's exit status, what it printed, and how many models it left behind."""
    # Imported when needed: moto and rpdk take most of a second.
    import botocore.loaders
    import moto
    from rpdk.core import cli

    from laptop.execution_environment import FUNCTION_NAME
    from laptop.runtime import LambdaRuntime
    from laptop.sagemaker.server import LocalSageMaker

    # A running cloud that the user works with is not the one to test on.
    os.environ.pop("AWS_ENDPOINT_URL", None)
    passthrough = {"core": {"passthrough": {"urls": [r"^http://127\.0\.0\.1"]}}}
    with (
        moto.mock_aws(config=passthrough),
        LocalSageMaker() as sagemaker,
        LambdaRuntime(code=[code], env={"AWS_ENDPOINT_URL": sagemaker.url}) as runtime,
        # rpdk has botocore parse its list of endpoints twice for every request: a third of the whole run.
        mock.patch.object(botocore.loaders, "create_loader", functools.cache(botocore.loaders.create_loader)),
        contextlib.chdir(project),
    ):
        arguments = ["test", "--endpoint", runtime.endpoint, "--function-name", FUNCTION_NAME,
                     "--region", "us-east-1", "--enforce-timeout", str(_READ_SECONDS),
                     "--role-arn", _ROLE.format("caller"),
                     "--log-group-name", "contract-tests", "--log-role-arn", _ROLE.format("provider"),
                     "--", "-p", __name__, "-p", "no:cacheprovider", "-o", "log_cli=false", "-rs"]  # fmt: skip
        with _kept_back() as report:
            status = _exit_status(cli.main, [*arguments, *(["-k", select] if select else [])])
        accepted = Counter(call.operation for call in sagemaker.calls if call.status == 200)
    return status, report.getvalue(), accepted["CreateModel"] - accepted["DeleteModel"]


@contextlib.contextmanager
def _kept_back() -> Iterator[io.StringIO]:
    report = io.StringIO()
    with contextlib.redirect_stdout(report), contextlib.redirect_stderr(report):
        yield report


def _exit_status(main: Any, arguments: list[str]) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _concluded(definition: TypeDefinition, left: int, seconds: str) -> int:
    """The skipped tests with the reason behind pytest's, and the last line; 1 when something is wrong."""
    skipped = Counter((one.test, one.reason) for one in _outcomes if one.outcome == "skipped")
    for (test, reason), times in sorted(skipped.items()):
        console.out.print(f"[yellow]skipped[/] {test} ({times} times): {reason}{_why(definition, reason)}")
    counts = Counter(one.outcome for one in _outcomes)
    if left:
        console.out.print(f"[red]Created and not deleted: {left}.[/]")
    good = counts["passed"] > 0 and not counts["failed"] and not left
    style, word = ("green", "passed") if good else ("red", "FAILED")
    console.out.print(
        f"[bold {style}]contract tests {word}:[/] {counts['passed']} passed, {counts['skipped']} skipped, "
        f"{counts['failed']} failed, {_runs} set{'s' * (_runs != 1)} of inputs, {seconds}"
    )
    return 0 if good else 1


def _why(definition: TypeDefinition, reason: str) -> str:
    read_only = [name for name in definition.primary_identifier if name in definition.read_only]
    if not (re.search("writable identifiers", reason) and read_only):
        return ""
    return f" The identifier, {' and '.join(read_only)}, is read-only: no request chooses it, so none can repeat it."
