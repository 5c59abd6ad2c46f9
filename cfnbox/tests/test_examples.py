"""Examples beside templates: the commands of the workflow and of the container."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

import programs
from programs import running_cloud

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEMPLATE = """\
Resources:
  Queue:
    Type: AWS::SQS::Queue
Outputs:
  Url:
    Value: !Ref Queue
"""
TEST = """\
def test_queue(cfnbox):
    assert cfnbox.deploy("templates/queue.yaml").status == "CREATE_COMPLETE"
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in (("templates/queue.yaml", TEMPLATE), ("tests/test_queue.py", TEST)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_commands_of_the_workflow_run(repository: Path) -> None:
    workflow = yaml.safe_load((EXAMPLES / "ci" / "github-actions.yml").read_text(encoding="utf-8"))
    port = free_port()
    environment = programs.environment_with(f"http://127.0.0.1:{port}", {"PATH": programs.path()})
    ran = 0
    for step in workflow["jobs"]["test"]["steps"]:
        if "run" not in step or step["run"].startswith("pip install"):
            continue
        # Of the default port there is one on a machine.
        command = step["run"].replace("cfnbox up", f"cfnbox up --port {port}")
        done = subprocess.run(
            ["/bin/bash", "-e", "-c", command], cwd=repository, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        ran += 1
    assert ran == 3
    assert "1 passed" in done.stdout


def test_the_command_of_the_container_serves() -> None:
    text = (EXAMPLES / "container" / "Dockerfile").read_text(encoding="utf-8")
    (words,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    command, *options = json.loads(words)
    assert command == "up"
    with open(os.devnull, "w") as errors, running_cloud(*options, errors=errors) as cloud:
        assert cloud.url.startswith("http://127.0.0.1:")
        assert cloud.client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
