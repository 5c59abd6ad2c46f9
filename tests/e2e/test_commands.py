"""`python -m laptop`, as a user runs it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from laptop import clients
from tests.e2e.conftest import ROOT, local_command

if TYPE_CHECKING:
    from laptop.cloud import Cloud

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"
TEMPLATE = """
Parameters:
  Image: {Type: String}
Resources:
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: arn:aws:iam::123456789012:role/execution
      PrimaryContainer: {Image: !Ref Image}
Outputs:
  Name: {Value: !GetAtt Model.Name}
"""


@pytest.fixture
def template(tmp_path: Path) -> str:
    file = tmp_path / "one_model.yaml"
    file.write_text(TEMPLATE)
    return str(file)


def run(*arguments: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "AWS_ENDPOINT_URL"}
    if url:
        environment["AWS_ENDPOINT_URL"] = url
    return subprocess.run(
        local_command(*arguments), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_command_works_from_any_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for command in ([sys.executable, "-m", "laptop"], [str(Path(sys.executable).with_name("laptop"))]):
        done = subprocess.run(
            [*command, "list"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "No laptop cloud answers at http://127.0.0.1:9" in done.stderr


def test_without_its_environment_one_line_says_what_to_do() -> None:
    # -S: Python without the packages of its environment.
    done = subprocess.run(
        [sys.executable, "-S", "-m", "laptop", "up"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "Run `make setup`" in line


def test_up_says_that_the_port_is_taken() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = run("up", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_deploy_in_a_cloud_of_its_own(template: str, cloud: Cloud) -> None:
    done = run("deploy", template, "--parameter", f"Image={IMAGE}", "--tag", "team=search", "--own-cloud")
    assert done.returncode == 0, done.stderr
    assert re.search(r"Model +AWS::SageMaker::Model", done.stdout)
    assert re.search(r"CREATE_COMPLETE +one-model ", done.stdout)
    assert re.search(r"Name +one-model-Model-", done.stdout)
    assert "\x1b" not in done.stdout


def test_a_stacks_life_in_a_running_cloud(template: str, cloud: Cloud) -> None:
    def changed(image: str) -> tuple[str, ...]:
        return (template, "--stack-name", "life", "--parameter", f"Image={image}")

    assert run("deploy", *changed(IMAGE), url=cloud.url).returncode == 0
    assert "up to date" in run("deploy", *changed(IMAGE), url=cloud.url).stdout
    shown = run("change-set", *changed(IMAGE + "1"), url=cloud.url).stdout
    assert re.search(r"Modify +Model +AWS::SageMaker::Model +True +PrimaryContainer", shown)
    assert re.search(r"IN_SYNC +Model", run("drift", "--stack-name", "life", url=cloud.url).stdout)
    assert re.search(r"life +CREATE_COMPLETE", run("list", url=cloud.url).stdout)
    assert "Resource creation Initiated" in run("events", "--stack-name", "life", url=cloud.url).stdout
    deleted = run("delete", "--stack-name", "life", url=cloud.url)
    assert deleted.returncode == 0
    assert re.search(r"DELETE_COMPLETE +life", deleted.stdout)


def test_a_failed_deployment_gives_the_whole_reason(template: str, cloud: Cloud) -> None:
    done = run("deploy", template, "--stack-name", "bad", "--parameter", "Image=not an image", url=cloud.url)
    assert done.returncode == 1
    assert "ROLLBACK_COMPLETE" in done.stderr
    assert "Model: Properties validation failed for resource Model with message:" in done.stderr
    assert "#/PrimaryContainer/Image" in done.stderr


def test_import(template: str, cloud: Cloud, tmp_path: Path) -> None:
    sagemaker: Any = clients.client("sagemaker", cloud.url)
    role = "arn:aws:iam::123456789012:role/execution"
    container = {"Image": IMAGE}
    made = sagemaker.create_model(ModelName="adopted", ExecutionRoleArn=role, PrimaryContainer=container)
    file = tmp_path / "import.yaml"
    file.write_text(TEMPLATE.partition("Outputs")[0] + "    DeletionPolicy: Retain\n")
    resources = json.dumps(
        [
            {
                "ResourceType": "AWS::SageMaker::Model",
                "LogicalResourceId": "Model",
                "ResourceIdentifier": {"ModelArn": made["ModelArn"]},
            }
        ]
    )
    options = ("--parameter", f"Image={IMAGE}", "--resources-to-import", resources)
    done = run("import", str(file), *options, url=cloud.url)
    assert done.returncode == 0, done.stderr
    assert re.search(r"IMPORT_COMPLETE +Model", done.stdout)


def test_invoke_shows_each_progress_event(tmp_path: Path, cloud: Cloud) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"PrimaryContainer": {"Image": IMAGE}}))
    cloud.sagemaker.faults.replace([{"operation": "CreateModel", "fault": "iam-race-role", "times": 1}])
    done = run("invoke", "create", "--model", str(file), url=cloud.url)
    assert done.returncode == 0, done.stderr
    progress = [json.loads(one) for one in re.split(r"\n(?=\{)", done.stdout)]
    assert [one["status"] for one in progress] == ["IN_PROGRESS", "SUCCESS"]
    assert progress[1]["resourceModel"]["ModelArn"] == progress[0]["resourceModel"]["ModelArn"]


@pytest.mark.parametrize(
    ("arguments", "url", "message"),
    [
        (("list",), "https://cloudformation.us-east-1.amazonaws.com", "is not an address of this machine"),
        (("list",), "http://127.0.0.1:9", "Start one: python -m laptop up"),
        (("deploy", "nowhere.yaml"), None, "nowhere.yaml cannot be read"),
        (("events", "--stack-name", "nowhere"), "CLOUD", "does not exist"),
    ],
)
def test_mistakes_are_answered_in_words(
    arguments: tuple[str, ...], url: str | None, message: str, cloud: Cloud
) -> None:
    done = run(*arguments, url=cloud.url if url == "CLOUD" else url)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
