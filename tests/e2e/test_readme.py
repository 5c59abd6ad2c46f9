"""README.md: every command in it is run here, or is the very command that runs another test."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from bench import plot, readme
from programs import Command
from tests.conftest import SCHEMA
from tests.e2e.conftest import ROOT, started_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPARISON, BENCHMARK = (
    (ROOT / "guide" / f"{page}.md").read_text(encoding="utf-8") for page in ("comparison", "benchmark")
)
# What only a description of a model has.
READ_ONLY = {"Name", "CreationTime", "DeploymentRecommendation"}
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if not line.startswith("source ")
]
# Where the other commands are run; the file must name the command's last word but its options.
ELSEWHERE = {
    ("make", "test"): "Makefile",
    ("make", "demo"): "tests/e2e/test_demo.py",
    ("make", "package"): "tests/package/test_package.py",
    ("python", "-m", "tools.register"): "tests/deploy/test_register.py",
    ("python", "-m", "tools.move_template"): "tests/deploy/test_move_template.py",
    ("cfnbox", "contract"): "tests/contract/test_contract.py",
}
LOCAL = [
    command
    for command in COMMANDS
    if command[0] == "cfnbox" and tuple(command[:2]) not in ELSEWHERE and command[1] != "up"
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
    """`cfnbox up`, as the README starts it, ended as its reader does."""
    with started_cloud() as (url, process):
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_the_commands_of_the_local_cloud_work_one_after_the_other(url: str, words: dict[str, str]) -> None:
    assert len(LOCAL) >= 5
    for command in LOCAL:
        done = Command(ROOT)(*(words.get(word, word) for word in command[1:]), url=url)
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_every_other_command_is_run_somewhere() -> None:
    others = [command for command in COMMANDS if command not in LOCAL and command[:2] != ["cfnbox", "up"]]
    for command in others:
        start = next(start for start in ELSEWHERE if command[: len(start)] == list(start))
        assert start[-1].rpartition(".")[2] in (ROOT / ELSEWHERE[start]).read_text(encoding="utf-8"), command


def test_the_template_to_copy_deploys_and_is_deleted(url: str, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "copied.yaml").write_text(text, encoding="utf-8")
    for command in (
        ["deploy", "copied.yaml"],
        ["drift", "--stack-name", "copied"],
        ["delete", "--stack-name", "copied"],
    ):
        done = Command(tmp_path)(*command, url=url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "simulated" not in done.stdout + done.stderr
        assert "MODIFIED" not in done.stdout


def test_what_is_said_of_awss_own_type_is_in_its_published_schema() -> None:
    said = re.search(r"cfn-lint\)\s(\S+)\shas it", COMPARISON)
    assert said
    assert said[1] == importlib.metadata.version("cfn-lint")
    published = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::SageMaker::Model").schema
    (row,) = [line for line in COMPARISON.splitlines() if line.startswith("| properties of CreateModel |")]
    lacking = re.findall(r"\w+", row.split("|")[3].replace("lacks", ""))[:-1]
    ours = json.loads(SCHEMA.read_text())
    assert set(lacking) == missing(ours, published, ours, published) - READ_ONLY
    assert published["properties"]["Containers"]["insertionOrder"] is False
    assert published["primaryIdentifier"] == ["/properties/ModelArn"]
    assert "additionalIdentifiers" not in published
    assert published["tagging"]["tagUpdatable"]
    container = published["definitions"]["ContainerDefinition"]["properties"]
    assert {"maxLength", "pattern"} <= container["Image"].keys()
    assert container["Environment"].keys() <= {"type", "format"}


def missing(ours: dict[str, Any], theirs: dict[str, Any], node: dict[str, Any], there: dict[str, Any]) -> set[str]:
    """The properties below a node of our schema that the same node of their schema lacks."""
    node, there = resolved(ours, node), resolved(theirs, there)
    if "items" in node:
        return missing(ours, theirs, node["items"], there["items"])
    named, known = node.get("properties", {}), there.get("properties", {})
    below = [missing(ours, theirs, named[name], known[name]) for name in named.keys() & known.keys()]
    return set().union(named.keys() - known.keys(), *below)


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The node, or what it refers to."""
    return schema["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def test_the_plot_shows_the_numbers_of_the_table() -> None:
    results = json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
    assert plot.latency(results) == (ROOT / "bench" / "latency.svg").read_text(encoding="utf-8")


def test_the_table_is_what_was_measured() -> None:
    results = json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
    assert readme.with_table(BENCHMARK, results) == BENCHMARK


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "guide").glob("*.md"))], ids=lambda path: path.stem
)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not link.startswith("https://") and not (page.parent / link).exists()] == []


def test_the_test_to_copy_passes(tmp_path: Path) -> None:
    """In a folder of its own: the type is in this clone."""
    (template,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (test,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "model.yaml").write_text(template, encoding="utf-8")
    assert '["."]' in test
    (tmp_path / "test_model.py").write_text(test.replace('["."]', f"[{str(ROOT)!r}]"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
