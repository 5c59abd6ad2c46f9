"""The file that a cloud keeps its stacks in: what it has of parameters, and what the next cloud deploys again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox import Cloud
from waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = {"Type": "AWS::SNS::Topic"}
DATABASE = {
    "Parameters": {
        "Password": {"Type": "String", "NoEcho": True},
        "Key": {"Type": "String", "NoEcho": "true", "Default": "default-key"},
        "Size": {"Type": "Number"},
    },
    "Resources": {"Topic": TOPIC},
    "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Topic", "TopicName"]}, "Export": {"Name": "database-topic"}}},
}
READER = {
    "Resources": {
        "Name": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Fn::ImportValue": "database-topic"}},
        }
    }
}
WITH_DEFAULT = {"Parameters": {"Key": DATABASE["Parameters"]["Key"]}, "Resources": {"Topic": TOPIC}}  # type: ignore[index]


def names(cloud: Cloud) -> set[str]:
    stacks = cloud.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"] for stack in stacks if stack["StackStatus"] == "CREATE_COMPLETE"}


def entries(file: Path) -> dict[str, Any]:
    return {entry["name"]: entry for entry in json.loads(file.read_text(encoding="utf-8"))["stacks"]}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a cloud that has ended."""
    path: Path = tmp_path_factory.mktemp("state") / "state.json"
    with Cloud() as cloud:
        assert cloud.keep_state(path) == []
        values = {"Password": "secret-of-database", "Size": 7}
        cloud.deploy(DATABASE, parameters=values, tags={"team": "data"}, stack_name="database")
        cloud.deploy(READER, stack_name="reader")
        cloud.deploy(WITH_DEFAULT, stack_name="default")
        cloud.deploy(WITH_DEFAULT, parameters={"Key": "secret-key"}, stack_name="other-key")
    return path


def test_the_file_has_no_values_of_no_echo_parameters(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "secret-of-database" not in text
    assert "secret-key" not in text
    kept = {name: (entry["parameters"], entry["withheld"]) for name, entry in entries(file).items()}
    assert kept == {
        "database": ({"Size": "7"}, ["Password"]),
        "reader": ({}, []),
        "default": ({}, []),
        "other-key": ({}, ["Key"]),
    }


def test_a_stack_with_a_no_echo_value_waits_for_the_user(file: Path, tmp_path: Path) -> None:
    path, before = tmp_path / "state.json", entries(file)
    path.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    with Cloud() as cloud:
        sentences = cloud.keep_state(path)
        assert len(sentences) == 3, sentences
        database, reader, other_key = sentences
        assert database == (
            "Stack database is not deployed again: values of NoEcho parameters are not kept. Give those of Password: "
            "cfnbox deploy TEMPLATE --stack-name database --region us-east-1 --parameter Password=VALUE"
        )
        assert other_key.startswith("Stack other-key is not deployed again")
        # It imports a value of the stack that waits.
        assert reader.startswith("reader is not deployed")
        assert "database-topic" in reader
        assert names(cloud) == {"default"}
        assert entries(path) == before

        cloud.deploy(DATABASE, parameters={"Password": "secret-again", "Size": 8}, stack_name="database")
        kept = eventually(lambda: entries(path) if entries(path)["database"]["parameters"] != {"Size": "7"} else None)
        assert kept["database"]["parameters"] == {"Size": "8"}
        assert set(kept) == set(before)
        cloud.stack("database").delete()
        eventually(lambda: "database" not in entries(path))
    assert set(entries(path)) == {"reader", "default", "other-key"}
    assert "secret-again" not in path.read_text(encoding="utf-8")
