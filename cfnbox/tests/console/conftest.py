"""A cloud with the pot of paint and its console, and stacks whose texts would be markup if they were not escaped."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import programs
from programs import Command, RunningCloud, running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PAINT = ("--schema", str(HERE / "paint.json"), "--code", str(HERE), "--handler", "paint.resource")
SECRET = "correct-horse"
LABEL = "battery-staple"
INJECTED = "<script>document.title = 'owned'</script>"
GOOD: dict[str, Any] = {
    "Parameters": {"Password": {"Type": "String", "NoEcho": True}},
    "Resources": {
        "Pot": {
            "Type": "Example::Paint::Pot",
            "Properties": {
                "Name": INJECTED,
                "Colour": {"Fn::Sub": "blue ${Password}"},
                "Recipe": "write-only-recipe",
                "Label": "{{resolve:secretsmanager:label}}",
            },
        },
        "Model": {
            "Type": "AWS::SageMaker::Model",
            "Properties": {
                "ExecutionRoleArn": "arn:aws:iam::123456789012:role/model",
                "PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"},
                "Tags": [{"Key": "team", "Value": "forecasting"}],
            },
        },
    },
    "Outputs": {"Name": {"Value": {"Ref": "Pot"}, "Description": INJECTED}},
}
BAD: dict[str, Any] = {
    "Resources": {
        "Spilt": {"Type": "Example::Paint::Pot", "Properties": {"Name": "spilt", "Colour": "invisible"}},
    }
}


def cfnbox(url: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, sent to the cloud at that address."""
    command = [programs.program("cfnbox"), *arguments, "--endpoint", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


command = Command(HERE)


@pytest.fixture(scope="session")
def painted() -> Iterator[RunningCloud]:
    """The cloud: stack `good` with drift and a change set, stack `bad` whose handler raised."""
    with running_cloud("--console", *PAINT) as cloud:
        cloud.client("secretsmanager").create_secret(Name="label", SecretString=LABEL)
        password = ("--parameter", f"Password={SECRET}")
        made = command("deploy", "-", "--stack-name", "good", *password, stdin=json.dumps(GOOD), url=cloud.url)
        assert made.returncode == 0, made.stdout + made.stderr
        assert command("deploy", "-", "--stack-name", "bad", stdin=json.dumps(BAD), url=cloud.url).returncode == 1
        assert command("drift", "--stack-name", "good", url=cloud.url).returncode == 0
        cloud.client("cloudformation").create_change_set(
            StackName="good", ChangeSetName="repaint", TemplateBody=json.dumps(GOOD).replace("blue", "red"),
            Parameters=[{"ParameterKey": "Password", "UsePreviousValue": True}],
        )  # fmt: skip
        yield cloud


@pytest.fixture(autouse=True)
def _no_cloud_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of the same process may have named an endpoint, which a command would take for its cloud."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
