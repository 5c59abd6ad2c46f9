"""Answers of DescribeModel after CreateModel, compared with recorded answers of the service."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from service.samples import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker

RECORDED = Path(__file__).parents[3] / "tests" / "data" / "recorded"
ROLE = "arn:aws:iam::123456789012:role/execution"


def described(client: Any, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.describe_model(ModelName=name)
    del answer["ResponseMetadata"]
    return answer


def test_model_with_model_data_url_is_described_as_recorded(client: Any) -> None:
    recorded = json.loads((RECORDED / "describe_with_modeldataurl.json").read_text())
    asked = {key: recorded["PrimaryContainer"][key] for key in ("Image", "ModelDataUrl", "Environment")}
    client.create_model(ModelName="recorded", PrimaryContainer=asked, ExecutionRoleArn=ROLE)

    answer = described(client, "recorded")

    assert answer["PrimaryContainer"] == recorded["PrimaryContainer"]
    assert answer["EnableNetworkIsolation"] == recorded["EnableNetworkIsolation"]
    unset = {"VpcConfig", "Containers", "InferenceExecutionConfig"}
    assert not answer.keys() & unset


def test_pipeline_is_described_as_recorded(connect: Callable[..., Any], server: LocalSageMaker) -> None:
    recorded = json.loads((RECORDED / "read_pipeline_model.json").read_text())
    live = recorded["liveRaw"]
    system_tags = {tag["Key"]: tag["Value"] for tag in live.pop("Tags")}
    asked = {key: value for key, value in recorded["declared"].items() if key != "InferenceExecutionConfig"}
    client = connect(**as_role_in(connect, "111111111111"))
    arn = client.create_model(**asked)["ModelArn"]
    server.write_system_tags(arn, system_tags)

    answer = described(client, asked["ModelName"])
    created = answer.pop("CreationTime")

    assert answer.pop("DeploymentRecommendation") == {"RecommendationStatus": "NOT_APPLICABLE"}
    assert answer == live
    assert isinstance(created, datetime)
    listed = client.list_tags(ResourceArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in listed} == system_tags


def as_role_in(connect: Callable[..., Any], account: str) -> dict[str, str]:
    role = f"arn:aws:iam::{account}:role/deployer"
    keys = connect("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


S3_PREFIX = {"S3Uri": "s3://b/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
SERIAL, DIRECT = {"Mode": "Serial"}, {"Mode": "Direct"}
VPC = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}
SINGLE = {"Image": IMAGE, "Mode": "SingleModel"}
NAMED = [{"Image": IMAGE, "ContainerHostname": name} for name in ("z", "a")]

# What is asked, and what DescribeModel then answers beyond what every model has.
SITUATIONS = {
    "image only": ({"PrimaryContainer": {"Image": IMAGE}}, {"PrimaryContainer": SINGLE}),
    "model data source, not mirrored back": (
        {"PrimaryContainer": {"Image": IMAGE, "ModelDataSource": {"S3DataSource": S3_PREFIX}}},
        {"PrimaryContainer": SINGLE | {"ModelDataSource": {"S3DataSource": S3_PREFIX}}},
    ),
    "multi-model, whose URL is a prefix": (
        {"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://b/models/"}},
        {"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://b/models/"}},
    ),
    "a list of one container": (
        {"Containers": [{"Image": IMAGE}]},
        {"Containers": [SINGLE], "InferenceExecutionConfig": SERIAL},
    ),
    "direct invocation, order kept": (
        {"Containers": NAMED, "InferenceExecutionConfig": DIRECT},
        {"Containers": [c | {"Mode": "SingleModel"} for c in NAMED], "InferenceExecutionConfig": DIRECT},
    ),
    "network isolation in a VPC": (
        {"PrimaryContainer": {"Image": IMAGE}, "VpcConfig": VPC, "EnableNetworkIsolation": True},
        {"PrimaryContainer": SINGLE, "VpcConfig": VPC, "EnableNetworkIsolation": True},
    ),
    "private registry": (
        {
            "PrimaryContainer": {
                "Image": "registry.example.com/team/image:1",
                "ImageConfig": {"RepositoryAccessMode": "Vpc"},
            },
            "VpcConfig": VPC,
        },
        {
            "PrimaryContainer": {
                "Image": "registry.example.com/team/image:1",
                "ImageConfig": {"RepositoryAccessMode": "Vpc"},
                "Mode": "SingleModel",
            },
            "VpcConfig": VPC,
        },
    ),
    "model package": (
        {"PrimaryContainer": {"ModelPackageName": "package/1", "Environment": {"A": "b"}}},
        {
            "PrimaryContainer": {
                "ModelPackageName": "package/1",
                "Environment": {"A": "b"},
                "Mode": "SingleModel",
            }
        },
    ),
    "nulls, an empty list of containers and unknown members are as if not there": (
        {"PrimaryContainer": {"Image": IMAGE, "Mode": None}, "VpcConfig": None, "Containers": [], "Odd": 1},
        {"PrimaryContainer": SINGLE},
    ),
}


@pytest.mark.parametrize(("asked", "expected"), SITUATIONS.values(), ids=SITUATIONS)
def test_describe_model_returns_the_request_with_defaults(
    client: Any, post: Callable[..., Any], asked: dict[str, Any], expected: dict[str, Any]
) -> None:
    status, _ = post("CreateModel", {"ModelName": "model", **asked})
    answer = described(client, "model")

    assert status == 200
    assert answer.pop("CreationTime").tzinfo is not None
    assert answer == {
        "EnableNetworkIsolation": False,
        **expected,
        "ModelName": "model",
        "ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/model",
        "DeploymentRecommendation": {"RecommendationStatus": "NOT_APPLICABLE"},
    }


def test_a_deleted_model_is_not_listed_and_its_name_can_be_used_again(
    client: Any, create: Callable[..., str]
) -> None:
    create("model", Tags=[{"Key": "a", "Value": "b"}])
    client.delete_model(ModelName="model")
    arn = create("model")

    assert client.list_tags(ResourceArn=arn)["Tags"] == []
    assert [m["ModelName"] for m in client.list_models()["Models"]] == ["model"]


def test_model_names_are_case_sensitive(client: Any, create: Callable[..., str]) -> None:
    arn = create("MyModel")
    create("mymodel")

    assert arn.endswith(":model/MyModel")
    assert {m["ModelName"] for m in client.list_models()["Models"]} == {"MyModel", "mymodel"}


@pytest.mark.parametrize(
    ("region", "arn"),
    [
        ("eu-central-1", "arn:aws:sagemaker:eu-central-1:123456789012:model/model"),
        ("cn-north-1", "arn:aws-cn:sagemaker:cn-north-1:123456789012:model/model"),
        ("us-gov-west-1", "arn:aws-us-gov:sagemaker:us-gov-west-1:123456789012:model/model"),
    ],
)
def test_regions_keep_their_own_models(connect: Callable[..., Any], region: str, arn: str) -> None:
    there = connect(region_name=region)
    image = IMAGE.replace("us-east-1", region)

    assert there.create_model(ModelName="model", PrimaryContainer={"Image": image})["ModelArn"] == arn
    assert connect().list_models()["Models"] == []
    assert [m["ModelArn"] for m in there.list_models()["Models"]] == [arn]


def test_accounts_keep_their_own_models(connect: Callable[..., Any]) -> None:
    other = connect(**as_role_in(connect, "222222222222"))
    other.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE})

    assert connect().list_models()["Models"] == []
    assert [m["ModelArn"].split(":")[4] for m in other.list_models()["Models"]] == ["222222222222"]


def test_tags_of_resources_in_moto_are_overwritten_by_key(client: Any) -> None:
    arn = client.create_experiment(ExperimentName="experiment")["ExperimentArn"]
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}])

    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "2"}]
    client.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert client.list_tags(ResourceArn=arn)["Tags"] == []
