"""README.md: every command in it is run here, or is the very command that runs another test."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bench import readme
from tests.e2e.conftest import ROOT, started_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
# Where the other commands are run; the file must name the command's last word but its options.
ELSEWHERE = {
    ("make", "test"): "Makefile",
    ("make", "demo"): "tests/e2e/test_demo.py",
    ("make", "package"): "tests/package/test_package.py",
    ("python", "-m", "tools.register"): "tests/deploy/test_register.py",
    ("python", "-m", "tools.move_template"): "tests/deploy/test_move_template.py",
    ("python", "-m", "laptop", "contract"): "tests/contract/test_contract.py",
}
LOCAL = [
    command
    for command in COMMANDS
    if command[:3] == ["python", "-m", "laptop"] and tuple(command[:4]) not in ELSEWHERE and command[3] != "up"
]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands for the placeholders of the README."""
    model: Path = tmp_path_factory.mktemp("readme") / "model.json"
    model.write_text(json.dumps({"PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/i:1"}}))
    return {
        "TEMPLATE": "examples/xgboost.yaml",
        "STACK": "xgboost",
        "K=V": "Stage=production",
        "model.json": str(model),
    }


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """`python -m laptop up`, as the README starts it, ended as its reader does."""
    with started_cloud() as (url, process):
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_the_commands_of_the_laptop_cloud_work_one_after_the_other(url: str, words: dict[str, str]) -> None:
    assert len(LOCAL) >= 6
    for command in LOCAL:
        given = [sys.executable, *(words.get(word, word) for word in command[1:])]
        done = subprocess.run(
            given, cwd=ROOT, env={**os.environ, "AWS_ENDPOINT_URL": url}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_every_other_command_is_run_somewhere() -> None:
    others = [command for command in COMMANDS if command not in LOCAL and command[3:4] != ["up"]]
    for command in others:
        start = next(start for start in ELSEWHERE if command[: len(start)] == list(start))
        assert start[-1].rpartition(".")[2] in (ROOT / ELSEWHERE[start]).read_text(encoding="utf-8"), command


def test_the_table_is_what_was_measured() -> None:
    results = json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
    assert readme.with_table(README, results) == README


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("https://")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
