"""The wheel in a separate environment outside of any clone: its content, and its commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from once import made_once

if TYPE_CHECKING:
    from email.message import Message

PROJECT = Path(__file__).resolve().parents[1]
MOST_REQUIREMENTS, MOST_MEGABYTES = 16, 350
# Installation compiles some thousand files on a busy machine.
pytestmark = pytest.mark.timeout(1800)

QUEUE = """\
Resources:
  Queue:
    Type: AWS::SQS::Queue
Outputs:
  Url:
    Value: !Ref Queue
"""
MODEL = """\
Resources:
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: arn:aws:iam::123456789012:role/inference
      PrimaryContainer:
        Image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1
Outputs:
  Name:
    Value: !GetAtt Model.ModelName
"""
SAM = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Table:
    Type: AWS::Serverless::SimpleTable
"""
TEST = """\
def test_queue(cfnbox):
    stack = cfnbox.deploy("queue.yaml")
    assert stack.status == "CREATE_COMPLETE"
    assert cfnbox.client("sqs").list_queues()["QueueUrls"] == [stack.outputs["Url"]]
"""


class Installed:
    """The distribution in an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.folder = folder

    def run(self, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder, with nothing of the clone's environment."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "VIRTUAL"))
        }
        environment = {**kept, "PATH": f"{self.programs}{os.pathsep}{os.defpath}"}
        program, *arguments = command
        return subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the source distribution, and of the wheel that is built from it."""

    def build(folder: Path) -> None:
        # In this environment, which has the build backend: another one takes longer than the build.
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return made_once(tmp_path_factory, "distributions", build)


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    (wheel,) = distributions.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        done = Installed(folder).run(wheel.parent, "pip", "install", "--disable-pip-version-check", str(wheel))
        assert done.returncode == 0, done.stdout + done.stderr

    return Installed(made_once(tmp_path_factory, "environment", install))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "queue.yaml").write_text(QUEUE, encoding="utf-8")
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    (tmp_path / "sam.yaml").write_text(SAM, encoding="utf-8")
    return tmp_path


def test_the_wheel_has_the_files_for_installers_and_type_checkers(wheel: Path, metadata: Message) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "cfnbox/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if not name.startswith("cfnbox")]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_the_source_distribution_has_the_files_that_the_wheel_is_built_from(distributions: Path) -> None:
    (source,) = distributions.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "src/cfnbox/py.typed",
        "src/cfnbox/console/layout.html",
    } <= names


def test_the_wheel_requires_few_packages(metadata: Message) -> None:
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert 0 < len(required) <= MOST_REQUIREMENTS
    assert {"contract", "console", "debug", "sam"} <= set(metadata.get_all("Provides-Extra", []))


def test_the_installation_is_small(installed: Installed) -> None:
    # Of a file system's blocks, as du counts them.
    files = [path.lstat() for path in installed.folder.rglob("*")]
    assert 50 < sum(status.st_blocks for status in files) * 512 / 2**20 <= MOST_MEGABYTES


def test_the_demo_runs_from_the_wheel(installed: Installed, folder: Path) -> None:
    done = installed.run(folder, "cfnbox", "demo")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "The demo is complete" in done.stdout


@pytest.mark.parametrize(
    ("template", "output"),
    [("queue.yaml", r"Url +http://127\.0\.0\.1:\d+/123456789012/queue-Queue-"), ("model.yaml", r"Name +Model-\w+")],
)
def test_a_template_of_aws_types_deploys(installed: Installed, folder: Path, template: str, output: str) -> None:
    done = installed.run(folder, "cfnbox", "deploy", template, "--own-cloud")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(output, done.stdout)
    assert "simulated" not in (done.stdout + done.stderr).lower()


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("completion", "bash"), "completion"),
        (("contract",), "contract"),
        (("up", "--port", "0", "--console"), "console"),
        (("up", "--port", "0", "--debug"), "debug"),
        (("deploy", "sam.yaml", "--own-cloud"), "sam"),
    ],
)
def test_a_command_without_its_extra_names_the_extra(
    installed: Installed, folder: Path, command: tuple[str, ...], extra: str
) -> None:
    done = installed.run(folder, "cfnbox", *command)
    assert done.returncode == 1
    assert f"pip install 'cfnbox[{extra}]'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_the_plugin_runs_the_tests_of_a_template(installed: Installed, folder: Path) -> None:
    done = installed.run(folder, "pip", "install", "--disable-pip-version-check", "--quiet", "pytest>=8,<10")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "test_queue.py").write_text(TEST, encoding="utf-8")
    done = installed.run(folder, "pytest", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_public_names_can_be_imported_without_pytest(installed: Installed, folder: Path) -> None:
    program = (
        "import json, sys; from cfnbox import Cloud\n"
        "with Cloud() as cloud:\n"
        "    stack = cloud.deploy('queue.yaml')\n"
        "    print(json.dumps([stack.status, cloud.stack(stack.name).status, 'pytest' in sys.modules]))\n"
    )
    done = installed.run(folder, "python", "-c", program)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["CREATE_COMPLETE", "CREATE_COMPLETE", False]
