"""Strict validation of new models, lenient of existing ones: an update accepts properties that SageMaker returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.place import Place
from tests.conftest import ARTIFACTS, IMAGE, MODEL, ROLE, Invoke

if TYPE_CHECKING:
    from cfnbox.sagemaker.server import LocalSageMaker

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/risk/1"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/"
# What DescribeModel may say of a model: more than was set, or a value that the schema does not know.
NEWER = {
    "a recommendation status that is new": {"DeploymentRecommendation": {"RecommendationStatus": "STALE"}},
    "a mode that is new": {"PrimaryContainer": {**MODEL["PrimaryContainer"], "Mode": "ManyModels"}},
    "a setting that is new": {
        "PrimaryContainer": {**MODEL["PrimaryContainer"], "MultiModelConfig": {"ModelCacheSetting": "Automatic"}}
    },
    "the image and artifacts of a package": {
        "PrimaryContainer": {
            "ModelPackageName": PACKAGE,
            "Image": IMAGE,
            "ModelDataUrl": ARTIFACTS,
            "Mode": "SingleModel",
        }
    },
    "an image longer than allowed": {"PrimaryContainer": {"Image": IMAGE + "x" * 300, "Mode": "SingleModel"}},
    "a data source of another kind": {
        "PrimaryContainer": {
            "Image": IMAGE,
            "ModelDataSource": {
                "S3DataSource": {"S3Uri": "s3://b/m", "S3DataType": "S3Table", "CompressionType": "Zstd"}
            },
        }
    },
}


def tags(**values: Any) -> Any:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def held(client: Any, model: Any) -> Any:
    return {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=model["ModelArn"])["Tags"]}


@pytest.fixture
def made(invoke: Invoke) -> Any:
    return invoke("CREATE", {**MODEL, "ModelName": "scorer", "Tags": tags(team="risk", stage="dev")})["resourceModel"]


@pytest.fixture
def describe_as(made: Any, sagemaker: LocalSageMaker) -> Any:
    """Let SageMaker hold other members of the model than it was created with."""

    def hold(members: Any) -> None:
        sagemaker.service.store(Place("us-east-1")).models["scorer"].description.update(members)

    return hold


@pytest.mark.parametrize("members", NEWER.values(), ids=NEWER)
@pytest.mark.parametrize("with_previous", [True, False], ids=["previous", "no previous"])
def test_tags_can_change_after_a_read(
    invoke: Invoke, client: Any, made: Any, describe_as: Any, members: Any, with_previous: Any
) -> None:
    describe_as(members)
    read = invoke("READ", {"ModelArn": made["ModelArn"]})["resourceModel"]
    assert {name: read[name] for name in members} == members
    event = {"previous": read} if with_previous else {}
    answer = invoke("UPDATE", {**read, "Tags": tags(team="fraud", stage="dev")}, **event)
    assert answer["status"] == "SUCCESS", answer
    assert held(client, made) == {"team": "fraud", "stage": "dev"}


@pytest.mark.parametrize("members", NEWER.values(), ids=NEWER)
def test_a_difference_from_a_newer_value_is_a_change(
    invoke: Invoke, client: Any, made: Any, describe_as: Any, members: Any
) -> None:
    describe_as({**members, "EnableNetworkIsolation": True})
    read = invoke("READ", {"ModelArn": made["ModelArn"]})["resourceModel"]
    answer = invoke("UPDATE", {**read, "EnableNetworkIsolation": False, "Tags": []}, previous=read)
    assert answer["errorCode"] == "NotUpdatable"
    assert "/properties/EnableNetworkIsolation" in answer["message"]
    assert held(client, made) == {"team": "risk", "stage": "dev"}


def test_a_model_package_is_equal_to_the_image_that_sagemaker_returns_for_it(
    invoke: Invoke, client: Any, made: Any, describe_as: Any
) -> None:
    """An imported model: the template has the package, and SageMaker also returns its content."""
    describe_as(NEWER["the image and artifacts of a package"])
    template = {"ModelName": "scorer", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"ModelPackageName": PACKAGE}}
    for previous in ({}, {"previous": template}, {"previous": invoke("READ", made)["resourceModel"]}):
        answer = invoke("UPDATE", {**template, "Tags": tags(team="fraud")}, **previous)
        assert answer["status"] == "SUCCESS", answer
    other = {**template, "PrimaryContainer": {"ModelPackageName": PACKAGE + "1"}}
    assert invoke("UPDATE", other)["errorCode"] == "NotUpdatable"


@pytest.mark.parametrize("stated", [{}, {"EnableNetworkIsolation": "false"}, {"ExecutionRoleArn": ROLE}])
def test_without_previous_properties_only_desired_properties_are_compared(
    invoke: Invoke, client: Any, made: Any, stated: Any
) -> None:
    answer = invoke("UPDATE", {"ModelArn": made["ModelArn"], "Tags": tags(team="fraud"), **stated})
    assert answer["status"] == "SUCCESS", answer
    # Without previous properties no tag is known to be ours.
    assert held(client, made) == {"team": "fraud", "stage": "dev"}


@pytest.mark.parametrize(
    "changed",
    [
        {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": ARTIFACTS, "Environment": {"A": "1"}}},
        {"PrimaryContainer": {"Image": IMAGE}},
        {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": ARTIFACTS, "Retired": "1"}},
        {"PrimaryContainer": "an image"},
        {"VpcConfig": {"Subnets": [None], "SecurityGroupIds": []}},
    ],
    ids=["more in it", "less in it", "an unknown member in it", "text for an object", "illegal members"],
)
@pytest.mark.parametrize("with_previous", [True, False], ids=["previous", "no previous"])
def test_a_changed_create_only_property_is_not_updatable(
    invoke: Invoke, client: Any, made: Any, changed: Any, with_previous: Any
) -> None:
    event = {"previous": made} if with_previous else {}
    answer = invoke("UPDATE", {**made, **changed, "Tags": []}, **event)
    assert answer["errorCode"] == "NotUpdatable"
    assert f"/properties/{next(iter(changed))} cannot change" in answer["message"]
    assert held(client, made) == {"team": "risk", "stage": "dev"}


def test_an_update_refuses_an_unknown_property(invoke: Invoke, client: Any, made: Any) -> None:
    answer = invoke("UPDATE", {**made, "Tag": tags(team="fraud")}, previous=made)
    assert answer["errorCode"] == "InvalidRequest"
    assert answer["message"].startswith("/properties/Tag ")
    assert "Tags" in answer["message"]


@pytest.mark.parametrize(
    "bad", [tags(**{"aws:mine": "x"}), tags(a="100%"), tags(a="1") * 2, [{"Key": "a"}], "text", [None]]
)
def test_an_update_validates_tags(invoke: Invoke, client: Any, made: Any, bad: Any) -> None:
    answer = invoke("UPDATE", {**made, "Tags": bad}, previous=made)
    assert answer["errorCode"] == "InvalidRequest"
    assert answer["message"].startswith("/properties/Tags")
    assert held(client, made) == {"team": "risk", "stage": "dev"}


@pytest.mark.parametrize(
    "odd",
    [
        {"Key": "stage", "Value": "dev", "PropagateAtLaunch": True},
        {"Key": "stage", "Value": None},
        {"Key": "stage"},
        {"Key": "stage", "Value": 100},
    ],
    ids=["an unknown member", "null", "no value", "a number"],
)
def test_previous_tags_are_read_leniently(invoke: Invoke, client: Any, made: Any, odd: Any) -> None:
    previous = {**made, "Tags": [*tags(team="risk"), odd, None, "text", {"Value": "no key"}]}
    assert invoke("UPDATE", {**made, "Tags": tags(team="risk")}, previous=previous)["status"] == "SUCCESS"
    assert held(client, made) == {"team": "risk"}


def test_invalid_previous_properties_do_not_hide_tags(invoke: Invoke, client: Any, made: Any) -> None:
    previous = {**made, "Retired": {"a": 1}, "VpcConfig": "text", "ModelName": None}
    assert invoke("UPDATE", {**made, "Tags": tags(team="risk")}, previous=previous)["status"] == "SUCCESS"
    assert held(client, made) == {"team": "risk"}


@pytest.mark.parametrize("prefix", ["aws:", "AWS:", "Aws:"])
def test_stack_tags_with_a_reserved_prefix_are_ignored(
    invoke: Invoke, client: Any, sagemaker: LocalSageMaker, prefix: Any
) -> None:
    auto = {f"{prefix}servicecatalog:portfolioArn": "arn:aws:catalog:us-east-1:123456789012:portfolio/p", "cost": "1"}
    made = invoke("CREATE", MODEL, stack_tags=auto)["resourceModel"]
    assert made["Tags"] == tags(cost="1")
    sagemaker.write_system_tags(made["ModelArn"], {"aws:cloudformation:stack-name": "s"})
    answer = invoke("UPDATE", made, previous=made, stack_tags={**auto, "cost": "2"}, previous_stack_tags=auto)
    assert answer["status"] == "SUCCESS", answer
    answer = invoke("UPDATE", {**made, "Tags": []}, previous=made, stack_tags={}, previous_stack_tags=auto)
    assert answer["status"] == "SUCCESS", answer
    assert held(client, made) == {"aws:cloudformation:stack-name": "s"}


def test_ignored_stack_tags_do_not_count_towards_the_limit(invoke: Invoke) -> None:
    auto = {f"aws:servicecatalog:{number}": "x" for number in range(5)}
    stack = {f"k{number}": "v" for number in range(50)}
    assert invoke("CREATE", MODEL, stack_tags={**auto, **stack})["status"] == "SUCCESS"
