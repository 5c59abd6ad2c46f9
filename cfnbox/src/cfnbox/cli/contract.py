"""AWS's own contract tests (`cfn test`), unmodified, on a project's handlers in a local cloud that ends with them.

`cfn test` looks for STS at a hard-coded address of AWS; moto answers there. All its other requests are the full
events of production and go to the cloud. It runs in a folder that holds what it reads of the project and nothing
else, since pytest would load the project's own conftest.py. Run it in a process of its own: rpdk sets up logging
globally.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cfnbox import stack_client
from cfnbox.aws import clients
from cfnbox.cli import output
from cfnbox.cloudformation.status import ResourceStatus
from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION
from cfnbox.registry.projects import SETTINGS, Project, layout

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    import pytest

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition

_OVERRIDES = "overrides.json"
_ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT}:role/contract-test-{{}}"
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
    output.out.print(f"{line} [dim]{outcome.seconds:5.2f} s[/]  {outcome.reason}".rstrip())


def run(arguments: Namespace) -> int:
    """Run the suite once for each set of inputs; 0 when everything that applies has passed."""
    watch = output.Stopwatch()
    inputs = Path(arguments.inputs) if arguments.inputs else None
    if inputs and not list(inputs.glob("inputs_1_*.json")):
        raise ContractNotRun(f"--inputs {inputs} holds no inputs_1_create.json.")
    with (
        contextlib.closing(_project(arguments)) as project,
        tempfile.TemporaryDirectory(prefix="contract-") as folder,
    ):
        definition, version = project.definition, importlib.metadata.version("cloudformation-cli")
        output.out.print(
            f"[bold]AWS's contract tests[/] of {definition.type_name}: cfn test (cloudformation-cli {version}) on "
            f"{arguments.code or project.layout.root}, in AWS's Lambda runtime"
        )
        output.out.file = sys.stdout
        _write_project(Path(folder), project, inputs or project.layout.inputs)
        if (exports := _named_exports(Path(folder))) and not arguments.stack:
            raise ContractNotRun(
                f"The inputs name exports of a stack, {' and '.join(sorted(exports))}: --stack TEMPLATE deploys it."
            )
        status, report, left = _suite(Path(folder), project, arguments.stack or (), arguments.select)
    if arguments.select and not _outcomes:
        raise ContractNotRun(
            f"--select {arguments.select} selects none of the tests: {', '.join(sorted(_left_out))}."
        )
    if status or not _outcomes:
        output.err.print(report, markup=False)
    return _concluded(definition, left, str(watch)) or status


def _project(arguments: Namespace) -> Project:
    """The project of a folder, with the parts that are named instead of its own."""
    found = layout(Path(arguments.folder))
    if arguments.schema:
        if not Path(arguments.schema).is_file():
            raise ContractNotRun(
                f"--schema {arguments.schema} is no file: name the schema of the registry type (JSON)."
            )
        found = replace(found, schema=Path(arguments.schema).resolve(), type_name=None)
    if arguments.code:
        if not Path(arguments.code).is_dir():
            raise ContractNotRun(
                f"--code {arguments.code} is no directory: name the one that holds the handlers' package."
            )
        found = replace(found, code=(Path(arguments.code).resolve(),), requirements=None)
    return Project(lambda: found, output.err.print, arguments.type_name)


def _write_project(folder: Path, project: Project, inputs: Path) -> None:
    """What `cfn` reads of a project, in a place where its rpdk.log harms nobody."""
    definition, root = project.definition, project.layout.root
    settings = json.loads((root / SETTINGS).read_text(encoding="utf-8"))
    (folder / SETTINGS).write_text(json.dumps(settings | {"typeName": definition.type_name}))
    schema_name = definition.type_name.replace("::", "-").lower() + ".json"
    (folder / schema_name).write_text(json.dumps(definition.schema))
    # Without inputs the suite makes them up from the schema, as overrides.json allows.
    if inputs.is_dir():
        shutil.copytree(inputs, folder / "inputs")
    if (root / _OVERRIDES).is_file():
        shutil.copy(root / _OVERRIDES, folder)


def _named_exports(folder: Path) -> set[str]:
    """The exports whose values cfn puts into inputs and overrides: {{Name}}."""
    files = [*folder.glob("inputs/*.json"), *folder.glob(_OVERRIDES)]
    return {name.strip() for one in files for name in re.findall(r"{{([-A-Za-z0-9:\s]+?)}}", one.read_text())}


def _deploy(url: str, templates: Sequence[str]) -> None:
    """Make the stacks that the inputs count on. Raises ContractNotRun."""
    cloudformation = clients.client("cloudformation", url)
    for number, template in enumerate(templates, 1):
        name = f"before-the-tests-{number}"
        text = Path(template).read_text(encoding="utf-8")
        change_set = stack_client.make_change_set(cloudformation, name, text, parameters={})
        if change_set is None:
            raise ContractNotRun(f"--stack {template} has no resources.")
        operation = stack_client.execute(cloudformation, name, change_set)
        reasons = [event.get("ResourceStatusReason", "") for event in operation.events() if _failed(event)]
        if not operation.succeeded:
            raise ContractNotRun(f"--stack {template} ended in {operation.status}: {'; '.join(reasons)}")


def _failed(event: Json) -> bool:
    return ResourceStatus.of_event(event).is_failed


def _suite(folder: Path, project: Project, stacks: Sequence[str], select: str | None) -> tuple[int, str, int]:
    """cfn's exit status, what it printed, and how many resources it left behind."""
    # Imported when needed: moto and rpdk take most of a second.
    import moto
    from rpdk.core import cli

    from cfnbox.cloud import Cloud
    from cfnbox.handlers.runtime import TYPE_FUNCTION

    # A running cloud that the user works with is not the one to test on.
    os.environ.pop("AWS_ENDPOINT_URL", None)
    passthrough = {"core": {"passthrough": {"urls": [r"^http://127\.0\.0\.1"]}}}
    with moto.mock_aws(config=passthrough), Cloud(sources=[project]) as cloud:
        arguments = ["test", "--endpoint", cloud.url, "--function-name", TYPE_FUNCTION,
                     "--cloudformation-endpoint-url", cloud.url, "--region", DEFAULT_REGION,
                     "--enforce-timeout", str(_READ_SECONDS), "--role-arn", _ROLE.format("caller"),
                     "--log-group-name", "contract-tests", "--log-role-arn", _ROLE.format("provider"),
                     "--", "-p", __name__, "-p", "no:cacheprovider", "-o", "log_cli=false", "-rs"]  # fmt: skip
        _deploy(cloud.url, stacks)
        before = _resources(cloud.url, project.definition)
        with _kept_back() as report, contextlib.chdir(folder):
            status = _exit_status(cli.main, [*arguments, *(["-k", select] if select else [])])
        left = _resources(cloud.url, project.definition) - before
    return status, report.getvalue(), len(left)


def _resources(url: str, definition: TypeDefinition) -> set[str]:
    """The identifiers of the type's resources that are there now; none of a type that cannot list them."""
    control = clients.client("cloudcontrol", url)
    if "list" not in definition.handlers:
        return set()
    try:
        pages = control.get_paginator("list_resources").paginate(TypeName=definition.type_name)
        return {one["Identifier"] for page in pages for one in page["ResourceDescriptions"]}
    except ClientError:
        # Some lists need a parent. Whether the handler works is for the suite to say.
        return set()


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
        output.out.print(f"[yellow]skipped[/] {test} ({times} times): {reason}{_why(definition, reason)}")
    counts = Counter(one.outcome for one in _outcomes)
    if left:
        output.out.print(f"[red]Created and not deleted: {left}.[/]")
    good = counts["passed"] > 0 and not counts["failed"] and not left
    style, word = ("green", "passed") if good else ("red", "FAILED")
    output.out.print(
        f"[bold {style}]contract tests {word}:[/] {counts['passed']} passed, {counts['skipped']} skipped, "
        f"{counts['failed']} failed, {_runs} set{'s' * (_runs != 1)} of inputs, {seconds}"
    )
    return 0 if good else 1


def _why(definition: TypeDefinition, reason: str) -> str:
    read_only = [name for name in definition.primary_identifier if name in definition.read_only]
    if not (re.search("writable identifiers", reason) and read_only):
        return ""
    return f" The identifier, {' and '.join(read_only)}, is read-only: no request chooses it, so none can repeat it."
