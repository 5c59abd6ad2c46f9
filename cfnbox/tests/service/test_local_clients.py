"""Real clients of the local SageMaker: the AWS CLI, Terraform, and clients of a server process."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import programs
from service.samples import IMAGE, KEYS, REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker

ROOT = Path(__file__).parents[3]
MODEL_OF_MANY = {
    "ModelName": "cli",
    "Containers": [{"Image": IMAGE, "ContainerHostname": "b"}, {"Image": IMAGE, "ContainerHostname": "a"}],
    "Tags": [{"Key": "stage", "Value": "test"}],
}


@pytest.fixture
def aws(server: LocalSageMaker, tmp_path: Path) -> Callable[..., tuple[int, Any]]:
    """Runs the AWS CLI: aws("list-models"). Returns its exit code, and its JSON or what it said on stderr."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_PAGER": "",
        **{name.upper(): value for name, value in KEYS.items()},
    }

    def _aws(*words: str) -> tuple[int, Any]:
        command = [programs.program("aws"), "sagemaker", *words, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            return done.returncode, done.stderr.strip()
        return 0, json.loads(done.stdout or "null")

    return _aws


def test_the_aws_cli_creates_lists_tags_and_deletes_models(
    aws: Callable[..., tuple[int, Any]], connect: Callable[..., Any]
) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/cli"
    for i in range(12):
        connect().create_model(ModelName=f"other-{i}", PrimaryContainer={"Image": IMAGE})

    assert aws("create-model", "--cli-input-json", json.dumps(MODEL_OF_MANY)) == (0, {"ModelArn": arn})
    described = aws("describe-model", "--model-name", "cli")[1]
    assert [container["ContainerHostname"] for container in described["Containers"]] == ["b", "a"]
    assert described["InferenceExecutionConfig"] == {"Mode": "Serial"}
    assert aws("add-tags", "--resource-arn", arn, "--tags", "Key=stage,Value=live", "Key=team,Value=a")[0] == 0
    assert aws("delete-tags", "--resource-arn", arn, "--tag-keys", "team") == (0, None)
    assert aws("list-tags", "--resource-arn", arn)[1]["Tags"] == [{"Key": "stage", "Value": "live"}]
    assert len(aws("list-models", "--page-size", "5")[1]["Models"]) == 13
    newest = ("list-models", "--max-items", "1", "--query", "Models[].ModelName")
    assert aws(*newest)[1] == ["cli"]
    assert aws("delete-model", "--model-name", "cli") == (0, None)
    code, said = aws("delete-model", "--model-name", "cli")
    assert code != 0
    assert f'calling the DeleteModel operation: Could not find model "{arn}".' in said


@pytest.fixture
def terraform(server: LocalSageMaker, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs Terraform on models.tf: terraform("plan"). Returns its exit code, and what it said."""
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not on PATH")
    configuration = terraform_configuration(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(Path(__file__).with_name("models.tf"), work)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        "TF_VAR_endpoint": server.url,
    }

    def _terraform(*words: str) -> tuple[int, str]:
        command = [program, words[0], "-no-color", "-input=false", *words[1:]]
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return _terraform


def terraform_configuration(tmp_path: Path) -> Path:
    """A configuration by which Terraform finds its AWS provider without a network; skips the test without one."""
    if mirror := os.environ.get("TERRAFORM_MIRROR"):
        written = tmp_path / "terraformrc"
        written.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
        return written
    given = Path(os.environ.get("TF_CLI_CONFIG_FILE", ""))
    if not given.is_file():
        pytest.skip("no AWS provider for Terraform: set TERRAFORM_MIRROR to a directory with a provider mirror")
    return given


def test_terraform_creates_updates_and_destroys_models(
    terraform: Callable[..., tuple[int, str]], connect: Callable[..., Any], server: LocalSageMaker, tmp_path: Path
) -> None:
    client = connect()
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/single"
    first, second = '-var=tags={"team":"one","stage":"test"}', '-var=tags={"team":"two","new":"x"}'

    code, said = terraform("init")
    assert code == 0, said
    code, said = terraform("apply", "-auto-approve", first)
    assert "4 added, 0 changed, 0 destroyed" in said, said
    assert client.describe_model(ModelName="single")["ModelArn"] == arn
    code, said = terraform("plan", "-detailed-exitcode", first)
    assert code == 0, said

    code, said = terraform("apply", "-auto-approve", second)
    assert "0 added, 1 changed, 0 destroyed" in said, said
    tags = client.list_tags(ResourceArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "two", "new": "x"}

    (tmp_path / "work" / "terraform.tfstate").unlink()
    imported = '-var=imported=["single","prefix","multi","pipeline"]'
    code, said = terraform("apply", "-auto-approve", second, imported)
    assert "4 imported, 0 added, 0 changed, 0 destroyed" in said, said

    code, said = terraform("destroy", "-auto-approve", second)
    assert "4 destroyed" in said, said
    assert client.list_models()["Models"] == []
    assert {call.code for call in server.calls} == {None}


def test_a_server_process_serves_clients(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cfnbox", "sagemaker", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split("http://")[1].split()[0].rstrip(")")
        status = ask(address, "DescribeModel", {"ModelName": "none"})[0]
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()

    assert status == 400
    assert (process.returncode, rest) == (0, "")


def ask(address: str, operation: str, request: dict[str, Any]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("POST", "/", json.dumps(request), {"X-Amz-Target": f"SageMaker.{operation}"})
    answer = connection.getresponse()
    status, content = answer.status, json.loads(answer.read())
    connection.close()
    return status, content


def test_connection_stays_open_between_requests(server: LocalSageMaker) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    sockets = set()
    for body in ('{"ModelName": "none"}', "{", '{"MaxResults": 1}', ""):
        connection.request("POST", "/", body, {"X-Amz-Target": "SageMaker.ListModels"})
        connection.getresponse().read()
        sockets.add(connection.sock)
    connection.close()

    assert len(sockets) == 1
    assert None not in sockets


def test_an_answer_has_a_date(connect: Callable[..., Any]) -> None:
    assert connect().list_models()["ResponseMetadata"]["HTTPHeaders"]["date"].count("GMT") == 1


def test_an_operation_without_an_output_shape_returns_an_empty_body(
    connect: Callable[..., Any], server: LocalSageMaker
) -> None:
    connect().create_model(ModelName="model", PrimaryContainer={"Image": IMAGE})
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    connection.request("POST", "/", '{"ModelName": "model"}', {"X-Amz-Target": "SageMaker.DeleteModel"})
    answer = connection.getresponse()
    status, content = answer.status, answer.read()
    connection.close()

    assert (status, content) == (200, b"")


def test_an_operation_that_moto_does_not_implement_is_refused(connect: Callable[..., Any]) -> None:
    client = connect()

    with pytest.raises(client.exceptions.ClientError, match="does not have ListHubs of SageMaker") as unknown:
        client.list_hubs()
    assert unknown.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert client.list_models()["Models"] == []


def test_a_closed_server_closes_its_connections(connect: Callable[..., Any]) -> None:
    from cfnbox.sagemaker.server import LocalSageMaker

    with LocalSageMaker() as short_lived:
        address = short_lived.url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("POST", "/", "{}", {"X-Amz-Target": "SageMaker.ListModels"})
        connection.getresponse().read()
        assert connection.sock is not None
        still_open = connection.sock.recv

    assert still_open(1) == b""
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        ask(address, "ListModels", {})
    assert connect().list_models()["Models"] == []
