"""The acceptance run on the local cloud: the whole story, an early end, and what it says of a real account."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import moto
import pytest

from acceptance.__main__ import main
from acceptance.account import Account
from acceptance.interruption import Interruption
from acceptance.recording import differences, redacted
from cfnbox.aws import clients
from tests.conftest import ROOT
from tests.e2e.conftest import started_cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMMAND = [sys.executable, "-m", "acceptance"]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with started_cloud() as (url, _):
        yield url


def _left(url: str) -> list[Any]:
    """What bears a name of a run."""
    stacks = clients.client("cloudformation", url).describe_stacks()["Stacks"]
    models = clients.client("sagemaker", url).list_models()["Models"]
    buckets = clients.client("s3", url).list_buckets()["Buckets"]
    roles = clients.client("iam", url).list_roles()["Roles"]
    types = clients.client("cloudformation", url).list_types(Visibility="PRIVATE")["TypeSummaries"]
    named = [
        (stacks, "StackName"),
        (models, "ModelName"),
        (buckets, "Name"),
        (roles, "RoleName"),
        (types, "TypeName"),
    ]
    names = [one[key] for found, key in named for one in found]
    return [name for name in names if name.lower().startswith("acceptance")]


def test_the_whole_story_leaves_nothing_and_comes_out_the_same_twice(url: str) -> None:
    done = subprocess.run(
        COMMAND, cwd=ROOT, env={**os.environ, "AWS_ENDPOINT_URL": url}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 differences from the local cloud")
    assert _left(url) == []
    kept = json.loads((ROOT / "build" / "acceptance.json").read_text())
    assert kept["SageMaker: describe what is not there"]["answer"]["Error"]["Code"] == "ValidationException"
    assert all(one["answer"] == one["local"] for one in kept.values())


def test_ended_in_its_midst_it_removes_what_it_made(url: str) -> None:
    environment = {**os.environ, "AWS_ENDPOINT_URL": url, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if "tags change in place" in line:
                assert _left(url)
                process.send_signal(signal.SIGINT)
            if "removing" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 128 + signal.SIGINT
    assert _left(url) == []


@pytest.fixture
def with_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs the command in this process, with credentials of one's own: its status, output, and errors."""
    for name in (name for name in os.environ if name.startswith("AWS_")):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")

    def run(*given: str, **environment: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        status = main(given)
        return status, *capsys.readouterr()

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_on_a_real_account_it_first_says_what_it_makes(
    with_credentials: Callable[..., tuple[int, str, str]],
) -> None:
    # moto stands in for the account, which is asked for its number alone.
    with moto.mock_aws():
        status, said, errors = with_credentials("--live", AWS_REGION="eu-west-1")
    assert status == 0, errors
    assert "In account 123456789012, region eu-west-1, this makes and removes again:" in said
    assert "models cost nothing" in said
    assert said.splitlines()[-1].endswith("To go on: make acceptance LIVE=1 CONFIRM=123456789012")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "AWS_ENDPOINT_URL is set"),
        ({"AWS_REGION": "ap-south-2"}, "The region is ap-south-2: set AWS_REGION to one of us-east-1"),
        ({}, "The region is not set"),
    ],
    ids=["an endpoint", "another region", "no region"],
)
def test_what_is_no_real_account_is_refused(
    with_credentials: Callable[..., tuple[int, str, str]], environment: dict[str, str], message: str
) -> None:
    status, said, errors = with_credentials("--live", **environment)
    assert (status, said) == (1, "")
    assert f"error: {message}" in errors


def test_nothing_of_the_account_is_kept() -> None:
    account = Account("abcd1234", "us-east-1", "555566667777", Interruption())
    answer = {
        "acceptance-abcd1234-model": datetime.datetime(2025, 1, 2, tzinfo=datetime.UTC),
        "Arn": "arn:aws:iam::555566667777:role/acceptance-abcd1234-model-ExecutionRole-A1B2C3D4E5F6",
        "Message": "User: arn:aws:sts::555566667777:assumed-role/Admin/jane is not allowed (request "
        "0f0e0d0c-1111-2222-3333-444455556666)",
        "Properties": '{"CreationTime": "2025-01-02T03:04:05.678Z"}',
    }
    assert redacted(answer, account) == {
        "acceptance-RUN-model": "TIME",
        "Arn": "arn:aws:iam::ACCOUNT:role/acceptance-RUN-model-ExecutionRole-NAME",
        "Message": "User: arn:aws:sts::ACCOUNT:assumed-role/CALLER is not allowed (request UUID)",
        "Properties": {"CreationTime": "TIME"},
    }


def test_differences_are_named_by_their_place() -> None:
    real = {"a model": {"Error": {"Code": "X"}, "Mode": "MultiModel"}, "events": ["A"], "same": 1}
    local = {"a model": {"Error": {"Code": "Y"}}, "events": ["A", "B"], "same": 1}
    assert list(differences(real, local)) == [
        ("a model > Error > Code", '"X"', '"Y"'),
        ("a model > Mode", '"MultiModel"', "nothing"),
        ("events", '["A"]', '["A", "B"]'),
    ]
