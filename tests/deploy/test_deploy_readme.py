"""deploy/README.md: its programs accept every command in it."""

import contextlib
import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import boto3
import botocore
import pytest
from botocore.awsrequest import AWSResponse
from cfnlint.decode import cfn_yaml

from tests.deploy.commands import commands_of
from tests.deploy.registry import Clients, mocked_aws, write_package
from tools import move_template, register

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = commands_of(ROOT / "deploy" / "README.md")
BUCKETS = ("acme-types", "acme-types-us-east-1", "acme-types-eu-west-1")


def those_of(*words: str) -> list[list[str]]:
    return [command for command in COMMANDS if tuple(command[: len(words)]) == words]


def ids(command: list[str]) -> str:
    return " ".join(command[1:4])


API_CALLS = [one for one in those_of("aws") if one[1] != "s3" and one[2] != "deploy"]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An account of moto's, and the folder as it is after `make package`."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (tmp_path / "build").mkdir()
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    write_package(tmp_path / "build" / "acme-sagemaker-model.zip", "Acme::SageMaker::Model")
    monkeypatch.chdir(tmp_path)
    with mocked_aws():
        yield


@functools.cache
def driver() -> Any:
    """The AWS CLI, which reads the models of services once: a fifth of a second for each command."""
    import awscli.clidriver

    return awscli.clidriver.create_clidriver()


def aws(*arguments: str, sent: list[str] | None = None) -> int:
    """Run the AWS CLI; with `sent`, requests go there by name once botocore found them valid, and not further."""

    def keep(model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        if sent is None:
            return None
        sent.append(model.name)
        return AWSResponse("", 200, cast("Any", {}), None), {}

    driver().session.register("before-call", keep)
    try:
        return int(driver().main(list(arguments)))
    finally:
        driver().session.unregister("before-call", keep)


def test_every_command_is_tested() -> None:
    tools = [*those_of("python", "-m", "tools.register"), *those_of("python", "-m", "tools.move_template")]
    tested = [*those_of("aws"), *those_of("make"), *tools]
    assert sorted(COMMANDS) == sorted(tested)
    assert len(COMMANDS) > 25


@pytest.mark.parametrize("command", API_CALLS, ids=ids)
def test_the_service_model_accepts_the_arguments(
    account: None, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[str] = []
    assert (aws(*command[1:], sent=sent), capsys.readouterr().err) == (0, "")
    assert sent == ["".join(map(str.capitalize, command[2].split("-")))]


@pytest.mark.parametrize("command", those_of("aws", "cloudformation", "deploy"), ids=ids)
def test_the_template_accepts_the_parameters(
    account: None, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = aws(*command[1:], "--no-execute-changeset")
    assert (status, capsys.readouterr().err) == (0, "")


def test_every_parameter_in_the_text_exists_in_the_template() -> None:
    declared = set(cfn_yaml.load(str(ROOT / "deploy" / "registration.yaml"))["Parameters"])
    # Of a stack: Name=value; of a stack set: ParameterKey=Name,... ; the AWS CLI drops a name that it does not know.
    words = {word for command in API_CALLS for word in command if word.startswith("ParameterKey=")}
    given = {re.split("[=,]", word)[1] for word in words}
    for command in those_of("aws", "cloudformation", "deploy"):
        given |= {word.split("=")[0] for word in command[command.index("--parameter-overrides") + 1 :]}
    assert given <= declared
    assert "PackageKey" in given


def test_the_package_is_uploaded_to_the_address_in_the_stack(account: None) -> None:
    for command in those_of("aws", "s3", "mb"):
        assert aws(*command[1:]) == 0
    for command in those_of("aws", "s3", "cp"):
        assert aws(*command[1:]) == 0
    s3 = boto3.client("s3")
    assert {one["Name"] for one in s3.list_buckets()["Buckets"]} == set(BUCKETS)
    packages = {one["Key"] for one in s3.list_objects_v2(Bucket="acme-types")["Contents"]}
    deployed = {
        word.removeprefix("PackageKey=") for one in COMMANDS for word in one if word.startswith("PackageKey=")
    }
    assert packages == deployed
    for command in those_of("aws", "s3", "rm"):
        assert aws(*command[1:]) == 0
    assert s3.list_objects_v2(Bucket="acme-types")["KeyCount"] == 0


@pytest.mark.parametrize("command", those_of("python", "-m", "tools.register"), ids=lambda one: f"{len(one)} words")
def test_the_tool_accepts_the_arguments(
    account: None, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for bucket in BUCKETS:
        boto3.client("s3").create_bucket(Bucket=bucket)
    with contextlib.closing(Clients()) as clients:
        assert register.main([*command[3:], "--dry-run"], clients, poll_seconds=0) == 0
        assert "would register Acme::SageMaker::Model with arn:aws:iam::" in capsys.readouterr().out
        if "--dry-run" not in command:
            assert register.main(command[3:], clients, poll_seconds=0) == 0
            assert "type/resource/Acme-SageMaker-Model/00000001 (the default version" in capsys.readouterr().out


@pytest.mark.parametrize("command", those_of("python", "-m", "tools.move_template"), ids=ids)
def test_the_examples_can_be_moved(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    templates = [str(path) for word in command[3:] if "*" in word for path in sorted(ROOT.glob(word))]
    assert len(templates) > 5
    assert move_template.main([*templates, *(word for word in command[3:] if "*" not in word)]) == 0
    said = capsys.readouterr().out
    assert [template for template in templates if f"{template}: nothing is written yet" not in said] == []


def test_installing_the_command_line_keeps_botocore() -> None:
    # awscli has a copy of its own, which everybody gets who imports botocore later than awscli.
    assert "awscli" not in botocore.__file__


@pytest.mark.parametrize("command", those_of("make"), ids=ids)
def test_the_makefile_has_the_target(command: list[str]) -> None:
    done = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
