"""cfnbox/README.md: its files are written and its commands run in order, as a reader would do."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

import programs
from cfnbox.cli.arguments import parser
from console.conftest import BAD, PAINT, command
from programs import running_cloud
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "cfnbox" / "README.md").read_text(encoding="utf-8")
# A file is introduced by its path, and a command that fails says so in its comment.
_BLOCK = re.compile(
    r"(?:`(?P<path>[\w./-]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)
_FAILS = re.compile(r"#.*fails: (?P<said>.*)")
_SECONDS = 600


def blocks(title: str) -> Iterator[tuple[str, str]]:
    """Path and text of each block of a section; of commands the path is empty."""
    section = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    for found in _BLOCK.finditer(section):
        assert found["path"] or found["language"] == "sh", found["text"]
        yield found["path"] or "", found["text"]


def ran(command: str, folder: Path, environment: dict[str, str]) -> str:
    """What the command says; it must succeed, or fail with the words in its comment."""
    done = subprocess.run(
        ["/bin/bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    fails = _FAILS.search(command)
    assert (done.returncode != 0) == bool(fails), (command, done.stdout)
    # Consoles break long lines.
    assert not fails or fails["said"] in " ".join(done.stdout.split()), (command, done.stdout)
    return done.stdout


def told(title: str, folder: Path) -> dict[str, str]:
    """Carry a section out in a folder: each command, and what it said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    environment, said = {**kept, "PATH": programs.path(), "AWS_PAGER": ""}, dict[str, str]()
    with ExitStack() as stack:
        for file, text in blocks(title):
            if file:
                (folder / file).write_text(text, encoding="utf-8")
                continue
            for command in text.splitlines():
                if command.split()[:2] == ["cfnbox", "up"]:
                    cloud = stack.enter_context(running_cloud(folder=folder))
                    environment = {**environment, **cloud.exports}
                else:
                    said[command] = ran(command, folder, environment)
    return said


def test_the_section_about_a_type_works(tmp_path: Path) -> None:
    said = told("From an empty folder to a deployed type", tmp_path)
    assert "0 failed" in said["cfnbox contract"]
    assert (
        json.loads(said["aws ssm get-parameter --name /bookmarks/home"])["Parameter"]["Value"] == "https://elsewhere"
    )
    versions = json.loads(next(text for command, text in said.items() if "list-type-versions" in command))
    assert len(versions["TypeVersionSummaries"]) == 2
    assert "IN_SYNC" in said["cfnbox drift --stack-name bookmarks"]
    assert len(said) >= 15


def test_the_first_section_works(tmp_path: Path) -> None:
    said = told("Start", tmp_path)
    assert "2 passed" in next(text for command, text in said.items() if command.startswith("pytest"))
    assert len(said) >= 7


def _starts(title: str) -> Iterator[tuple[str, ...]]:
    """The options of each `cfnbox up` of a section."""
    for line in (line for _, text in blocks(title) for line in text.splitlines()):
        program, command, *options = shlex.split(line, comments=True)
        if (program, command) == ("cfnbox", "up"):
            yield tuple(options)


def test_the_section_about_inspection_works(tmp_path: Path) -> None:
    # The console has tests of its own.
    assert list(_starts("A look inside")) == [("--log",), ("--console",), ("--debug",)]
    [show] = (line for _, text in blocks("A look inside") for line in text.splitlines() if "cfnbox events" in line)
    shown, log = show.partition("#")[0].replace("STACK", "bad"), tmp_path / "log"
    with log.open("w") as errors, running_cloud("--log", *PAINT, errors=errors) as cloud:
        command("deploy", "-", "--stack-name", "bad", url=cloud.url, stdin=json.dumps(BAD))
        afterwards = ran(shown, tmp_path, {**os.environ, **cloud.exports, "PATH": programs.path()})
    for said in (log.read_text(), afterwards):
        assert "CREATE handler: FAILED" in said
        assert "| mixing invisible" in said
    # As the section says: the event ends with the exception and its place.
    assert re.search(r"The handler ended with KeyError: 'invisible' \(paint\.py:\d+, in mix\)", afterwards)


def test_the_section_about_debuggers_works(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as errors, running_cloud("--debug", *PAINT, errors=errors) as cloud:
        cloud.client("cloudformation").create_stack(StackName="bad", TemplateBody=json.dumps(BAD))
        eventually(lambda: "launch.json" in log.read_text())
    assert "paint.resource waits for a debugger on port " in log.read_text()


# What the README calls operations that are not there, and how their names go; others stand there by name.
FAMILIES = {
    "StackSets": r"StackSet|StackInstance|OrganizationsAccess",
    "stack refactoring": r"StackRefactor",
    "generated templates and resource scans": r"GeneratedTemplate|ResourceScan",
    "hooks": r"Hook",
    "publishing and activating public types": r"Publish|ActivateType|DeactivateType|TestType",
}


def test_every_unsupported_operation_is_listed() -> None:
    section = " ".join(README.partition("**Not there, and refused by name:**")[2].partition("\n\n")[0].split())
    with running_cloud() as cloud:
        client = cloud.client("cloudformation")
        with pytest.raises(ClientError, match="does not have DescribeAccountLimits") as refused:
            client.describe_account_limits()
    served = set(re.findall(r"\w+", refused.value.response["Error"]["Message"].partition("It has: ")[2]))
    refused_by_advice = {
        "PublishType",
        "RegisterPublisher",
        "DescribePublisher",
        "TestType",
        "ActivateType",
        "DeactivateType",
    }
    absent = (set(client.meta.service_model.operation_names) - served) | refused_by_advice
    for family, names in FAMILIES.items():
        assert family in section
        found = {one for one in absent if re.search(names, one)}
        assert found
        absent -= found
    assert absent == set(re.findall(r"`(\w+)`", section)) - {"Hooks"}


def test_every_command_in_the_readme_exists() -> None:
    (subcommands,) = (action for action in parser()._actions if hasattr(action, "choices") and action.choices)
    table = README.partition("| command | |")[2].partition("\n\n")[0]
    named = {
        word for row in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for word in re.findall(r"`([^`]+)`", row)
    }
    words = {one.removeprefix("cfnbox ").split()[0] for one in named}
    assert words == set(subcommands.choices or ()) - {"demo"}
