"""AWS's own contract tests (`cfn test`), unmodified, on a project's handlers in a local cloud that ends with them.

`cfn test` calls STS at a hard-coded address of AWS; moto answers there. All its other requests are the full events of
production and go to the cloud. It runs in a folder with only the files that it reads, because pytest would load the
project's own conftest.py. Run it in a separate process, because rpdk configures logging globally.
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
from cfnbox.cli import contract_results, output
from cfnbox.cli.inputs import json_value
from cfnbox.cloudformation.status import ResourceStatus
from cfnbox.cloudformation.template_sources import TemplateSources
from cfnbox.core.errors import LocalFailure, Refused
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION, Place
from cfnbox.registry.projects import SETTINGS, Project, layout
from cfnbox.template import dynamic

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from cfnbox.cli.contract_results import Results
    from cfnbox.cloud import Cloud
    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition

_OVERRIDES = "overrides.json"
_ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT}:role/contract-test-{{}}"
# CloudFormation's time limit for READ and LIST. cfn allows the other handlers twice as much.
_READ_SECONDS = 30
_TYPE_CONFIGURATION = "type-configuration.json"
# The default file of `cfn test` for a type configuration.
_USERS_TYPE_CONFIGURATION = "~/.cfn-cli/typeConfiguration.json"


class ContractNotRun(LocalFailure):
    """The suite cannot run; the message says what is missing."""


def run(arguments: Namespace) -> int:
    """Run the suite once for each set of inputs. Return 0 if every applicable test passed."""
    watch = output.Stopwatch()
    inputs = Path(arguments.inputs) if arguments.inputs else None
    if inputs and not list(inputs.glob("inputs_1_*.json")):
        raise ContractNotRun(f"--inputs {inputs} holds no inputs_1_create.json.")
    results = contract_results.start(show_logs=arguments.log)
    with (
        contextlib.closing(_project(arguments)) as project,
        tempfile.TemporaryDirectory(prefix="contract-") as folder,
    ):
        definition, version = project.definition, importlib.metadata.version("cloudformation-cli")
        configuration = _type_configuration(arguments, definition)
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
        suite = _Suite(Path(folder), project, arguments.stack or (), arguments.select, configuration)
        status, report, left = suite.run(results)
    if arguments.select and not results.outcomes:
        raise ContractNotRun(
            f"--select {arguments.select} selects none of the tests: {', '.join(sorted(results.left_out))}."
        )
    if status or not results.outcomes:
        output.err.print(report, markup=False)
    return _concluded(results, definition, left, str(watch), is_selection=bool(arguments.select)) or status


def _type_configuration(arguments: Namespace, definition: TypeDefinition) -> Json | None:
    """Return the type configuration with unresolved references: from the option, else from the file of `cfn test`."""
    users = Path(_USERS_TYPE_CONFIGURATION).expanduser()
    named = arguments.type_configuration or (str(users) if users.is_file() else None)
    if named is None:
        if "typeConfiguration" in definition.schema:
            output.err.print(
                f"The schema of {definition.type_name} has a typeConfiguration, and its handlers get none here: "
                f"give it with --type-configuration JSON, or in {_USERS_TYPE_CONFIGURATION}.", markup=False
            )  # fmt: skip
        return None
    value = json_value(named)
    if not isinstance(value, dict):
        raise ContractNotRun('A type configuration is a JSON object, as in {"Key": "..."}.')
    return value


def _project(arguments: Namespace) -> Project:
    """Return the project of a folder. Parts named by options replace the project's own."""
    found = layout(Path(arguments.folder))
    if arguments.schema:
        if not Path(arguments.schema).is_file():
            raise ContractNotRun(
                f"--schema {arguments.schema} is not a file: name the schema of the registry type (JSON)."
            )
        found = replace(found, schema=Path(arguments.schema).resolve(), type_name=None)
    if arguments.code:
        if not Path(arguments.code).is_dir():
            raise ContractNotRun(
                f"--code {arguments.code} is not a directory: name the directory that holds the handlers' package."
            )
        found = replace(found, code=(Path(arguments.code).resolve(),), requirements=None)
    return Project(lambda: found, output.err.print, arguments.type_name)


def _write_project(folder: Path, project: Project, inputs: Path) -> None:
    """Write the files that `cfn` reads into a temporary folder, which also receives its rpdk.log."""
    definition, root = project.definition, project.layout.root
    settings = json.loads((root / SETTINGS).read_text(encoding="utf-8"))
    settings |= {"typeName": definition.type_name, **_known_language(settings)}
    (folder / SETTINGS).write_text(json.dumps(settings))
    schema_name = definition.type_name.replace("::", "-").lower() + ".json"
    (folder / schema_name).write_text(json.dumps(definition.schema))
    # Without inputs the suite generates them from the schema and overrides.json.
    if inputs.is_dir():
        shutil.copytree(inputs, folder / "inputs")
    if (root / _OVERRIDES).is_file():
        shutil.copy(root / _OVERRIDES, folder)


def _known_language(settings: Json) -> Json:
    """Return the changed settings for a language that the installed plugin of `cfn` no longer supports.

    Print a remark if the handlers run with another version of Python than the project's.
    """
    plugins = importlib.metadata.entry_points(group="rpdk.v1.languages")
    known = sorted((plugin.name for plugin in plugins if plugin.name.startswith("python")), key=_minor)
    language, here = settings.get("language"), f"python3{sys.version_info.minor}"
    if language == here:
        return {}
    told = (
        f"The project is for {language or settings.get('runtime')}: its handlers run in Python 3.{_minor(here)} here"
    )
    if language in known or not known:
        output.out.print(f"{told}.", markup=False)
        return {}
    chosen = here if here in known else known[-1]
    output.out.print(f"{told}, and cfn test, which does not have it, reads a project for {chosen}.", markup=False)
    return {"language": chosen, "runtime": f"python3.{_minor(chosen)}"}


def _minor(language: str) -> int:
    return int(language.removeprefix("python3") or 0)


def _named_exports(folder: Path) -> set[str]:
    """Return the names of the exports that cfn inserts into inputs and overrides: {{Name}}."""
    files = [*folder.glob("inputs/*.json"), *folder.glob(_OVERRIDES)]
    return {name.strip() for one in files for name in re.findall(r"{{([-A-Za-z0-9:\s]+?)}}", one.read_text())}


def _deploy(url: str, templates: Sequence[str]) -> None:
    """Create the stacks that the inputs depend on. Raise ContractNotRun."""
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


@dataclass(frozen=True)
class _Suite:
    """The set-up of a run of `cfn test`: its folder, the project and the stacks to deploy before it."""

    folder: Path
    project: Project
    stacks: Sequence[str]
    select: str | None
    configuration: Json | None

    def run(self, results: Results) -> tuple[int, str, int]:
        """Return cfn's exit status, its output, and the number of leaked resources."""
        # Imported when needed: moto and rpdk take most of a second.
        import moto
        from rpdk.core import cli

        from cfnbox.cloud import Cloud

        # Do not run the tests on a running cloud of the user.
        os.environ.pop("AWS_ENDPOINT_URL", None)
        passthrough = {"core": {"passthrough": {"urls": [r"^http://127\.0\.0\.1"]}}}
        with (
            moto.mock_aws(config=passthrough),
            Cloud(sources=[self.project], on_invocation=results.append_invocation) as cloud,
        ):
            _deploy(cloud.url, self.stacks)
            self._write_type_configuration(cloud)
            before = _resources(cloud.url, self.project.definition)
            results.drop_invocations()
            with _kept_back() as report, contextlib.chdir(self.folder):
                status = _exit_status(cli.main, self._arguments(cloud.url))
            results.drop_invocations()
            left = _resources(cloud.url, self.project.definition) - before
        return status, report.getvalue(), len(left)

    def _arguments(self, url: str) -> list[str]:
        from cfnbox.handlers.runtime import TYPE_FUNCTION

        return ["test", "--endpoint", url, "--function-name", TYPE_FUNCTION,
                "--cloudformation-endpoint-url", url, "--region", DEFAULT_REGION,
                "--enforce-timeout", str(_READ_SECONDS), "--role-arn", _ROLE.format("caller"),
                "--log-group-name", "contract-tests", "--log-role-arn", _ROLE.format("provider"),
                *(["--typeconfig", _TYPE_CONFIGURATION] if self.configuration is not None else []),
                # Skip pytest's final garbage collection, because cfn runs pytest once for each set of inputs.
                "--", "-p", contract_results.__name__, "-p", "no:cacheprovider", "-p", "no:unraisableexception",
                "-o", "log_cli=false", "-rs",
                *(["-k", self.select] if self.select else [])]  # fmt: skip

    def _write_type_configuration(self, cloud: Cloud) -> None:
        """Write the configuration with its dynamic references resolved in the cloud, after the stacks of --stack."""
        if self.configuration is None:
            return
        references = TemplateSources(cloud.url).references(Place(DEFAULT_REGION))
        try:
            resolved = dynamic.replaced(self.configuration, references)
        except Refused as problem:
            raise ContractNotRun(
                f"The type configuration cannot be used. {problem} --stack TEMPLATE deploys what it names."
            ) from None
        cloud.invocations.hide(dynamic.secrets_of(self.configuration, resolved))
        (self.folder / _TYPE_CONFIGURATION).write_text(json.dumps(resolved), encoding="utf-8")


def _resources(url: str, definition: TypeDefinition) -> set[str]:
    """Return the identifiers of the type's existing resources, or an empty set if they cannot be listed."""
    control = clients.client("cloudcontrol", url)
    if "list" not in definition.handlers:
        return set()
    try:
        pages = control.get_paginator("list_resources").paginate(TypeName=definition.type_name)
        return {one["Identifier"] for page in pages for one in page["ResourceDescriptions"]}
    except ClientError:
        # Some lists need a parent. The suite tests whether the handler works.
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


def _concluded(results: Results, definition: TypeDefinition, left: int, seconds: str, *, is_selection: bool) -> int:
    """Print the skipped tests with explained reasons, and the summary line. Return 1 for any failure."""
    outcomes = results.outcomes
    skipped = Counter((outcome.test, outcome.reason) for outcome in outcomes if outcome.outcome == "skipped")
    for (test, reason), times in sorted(skipped.items()):
        explained = f"{reason}{_skip_explanation(definition, reason)}"
        output.out.print(f"[yellow]skipped[/] {test} ({times} times): {explained}")
    counts = Counter(outcome.outcome for outcome in outcomes)
    if left:
        output.out.print(f"[red]Created and not deleted: {left}.[/]")
    is_tested = is_selection or any(outcome.invocations for outcome in outcomes)
    if not is_tested:
        output.out.print(f"[red]Nothing of the type was tested:[/] {_untested(definition)}")
    good = counts["passed"] > 0 and is_tested and not counts["failed"] and not left
    style, word = ("green", "passed") if good else ("red", "FAILED")
    sets = f"{results.runs} set{'s' * (results.runs != 1)} of inputs"
    output.out.print(
        f"[bold {style}]contract tests {word}:[/] {counts['passed']} passed, {counts['skipped']} skipped, "
        f"{counts['failed']} failed, {sets}, {seconds}"
    )
    return 0 if good else 1


def _untested(definition: TypeDefinition) -> str:
    if not definition.handlers:
        return f"the schema of {definition.type_name} declares no handlers. Name them under `handlers`."
    declared = ", ".join(definition.handlers)
    return f"no test calls a handler of a type whose schema declares {declared} alone."


def _skip_explanation(definition: TypeDefinition, reason: str) -> str:
    read_only = [name for name in definition.primary_identifier if name in definition.read_only]
    if not (re.search("writable identifiers", reason) and read_only):
        return ""
    return f" The identifier, {' and '.join(read_only)}, is read-only: no request chooses it, so none can repeat it."
