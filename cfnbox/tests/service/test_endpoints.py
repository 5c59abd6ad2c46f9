"""Endpoints: prerequisites, statuses, descriptions and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.sagemaker import store
from service.endpoint_samples import (
    ARN,
    CAPTURE,
    FOR_COMPONENTS,
    VARIANT,
    WEIGHT,
    described,
    refused,
)
from service.samples import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.conftest import Settling


def test_the_name_of_an_existing_endpoint_or_configuration_is_refused(
    client: Any, endpoint: Callable[..., None], config: Callable[..., str]
) -> None:
    endpoint()

    assert refused(config) == (
        "ValidationException",
        f'Cannot create already existing endpoint configuration "{ARN}endpoint-config/config".',
    )
    assert refused(client.create_endpoint, EndpointName="endpoint", EndpointConfigName="config") == (
        "ValidationException",
        f'Cannot create already existing endpoint "{ARN}endpoint/endpoint".',
    )


NO_CONFIG = f'Could not find endpoint configuration "{ARN}endpoint-config/other".'
NO_ENDPOINT = f'Could not find endpoint "{ARN}endpoint/other".'
MISSING: dict[str, tuple[str, dict[str, Any], str]] = {
    "configuration described": ("describe_endpoint_config", {"EndpointConfigName": "other"}, NO_CONFIG),
    "configuration deleted": ("delete_endpoint_config", {"EndpointConfigName": "other"}, NO_CONFIG),
    "created of nothing": ("create_endpoint", {"EndpointName": "new", "EndpointConfigName": "other"}, NO_CONFIG),
    "updated to nothing": ("update_endpoint", {"EndpointName": "endpoint", "EndpointConfigName": "other"}, NO_CONFIG),
    "described": ("describe_endpoint", {"EndpointName": "other"}, NO_ENDPOINT),
    "updated": ("update_endpoint", {"EndpointName": "other", "EndpointConfigName": "config"}, NO_ENDPOINT),
    "deleted": ("delete_endpoint", {"EndpointName": "other"}, NO_ENDPOINT),
    "weighed": (
        "update_endpoint_weights_and_capacities",
        {"EndpointName": "other", "DesiredWeightsAndCapacities": [WEIGHT]},
        NO_ENDPOINT,
    ),
    "tagged": (
        "add_tags",
        {"ResourceArn": f"{ARN}endpoint/other", "Tags": [{"Key": "a", "Value": "b"}]},
        NO_ENDPOINT,
    ),
    "tags listed": ("list_tags", {"ResourceArn": f"{ARN}endpoint/other"}, NO_ENDPOINT),
}


@pytest.mark.parametrize(("operation", "members", "text"), MISSING.values(), ids=MISSING)
def test_operations_on_missing_resources_are_refused_with_their_names(
    client: Any, endpoint: Callable[..., None], operation: str, members: dict[str, Any], text: str
) -> None:
    endpoint()

    assert refused(getattr(client, operation), **members) == ("ValidationException", text)
    assert [one["EndpointName"] for one in client.list_endpoints()["Endpoints"]] == ["endpoint"]


def test_an_endpoint_of_a_deleted_model_is_refused(client: Any, config: Callable[..., str]) -> None:
    config()
    client.delete_model(ModelName="model")

    assert refused(client.create_endpoint, EndpointName="endpoint", EndpointConfigName="config")[1] == (
        f'Could not find model "{ARN}model/model".'
    )


def test_an_endpoint_is_creating_and_then_in_service(
    client: Any, config: Callable[..., str], settling: Settling
) -> None:
    config(DataCaptureConfig=CAPTURE)
    settling.goes_on()
    client.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")

    creating = described(client)
    assert creating["EndpointStatus"] == "Creating"
    assert "ProductionVariants" not in creating
    assert creating["PendingDeploymentSummary"]["EndpointConfigName"] == "config"
    assert creating["PendingDeploymentSummary"]["ProductionVariants"][0]["InstanceType"] == "ml.g6e.4xlarge"

    settling.ends()
    in_service = described(client)
    image = in_service["ProductionVariants"][0].pop("DeployedImages")[0]
    assert image["SpecifiedImage"] == IMAGE
    assert image["ResolvedImage"].startswith(IMAGE.rpartition(":")[0] + "@sha256:")
    assert in_service.pop("CreationTime") <= in_service.pop("LastModifiedTime")
    assert in_service == {
        "EndpointName": "endpoint",
        "EndpointArn": f"{ARN}endpoint/endpoint",
        "EndpointConfigName": "config",
        "EndpointStatus": "InService",
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "CurrentWeight": 1.0,
                "DesiredWeight": 1.0,
                "CurrentInstanceCount": 2,
                "DesiredInstanceCount": 2,
            }
        ],
        "DataCaptureConfig": {
            "EnableCapture": True,
            "CaptureStatus": "Started",
            "CurrentSamplingPercentage": 30,
            "DestinationS3Uri": "s3://bucket/captured",
        },
    }


def test_waiters_see_creation_update_and_deletion_end(client: Any, config: Callable[..., str]) -> None:
    client.create_endpoint(EndpointName="endpoint", EndpointConfigName=config())
    statuses = [described(client)["EndpointStatus"]]
    often = {"Delay": 0.05, "MaxAttempts": 1000}
    client.get_waiter("endpoint_in_service").wait(EndpointName="endpoint", WaiterConfig=often)
    client.delete_endpoint(EndpointName="endpoint")
    client.get_waiter("endpoint_deleted").wait(EndpointName="endpoint", WaiterConfig=often)

    assert statuses[0] in ("Creating", "InService")
    assert client.list_endpoints()["Endpoints"] == []


def test_lists_are_filtered_sorted_and_in_pages(
    client: Any, endpoint: Callable[..., None], config: Callable[..., str], settling: Settling
) -> None:
    endpoint()
    names = [f"{'xyz'[i % 3]}-{i:02}" for i in range(23)]
    for name in names:
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[VARIANT])
        client.create_endpoint(EndpointName=name, EndpointConfigName="config")

    def listed(**members: Any) -> list[str]:
        pages = client.get_paginator("list_endpoints").paginate(**members)
        return [one["EndpointName"] for page in pages for one in page["Endpoints"]]

    assert listed() == [*names[::-1], "endpoint"]
    assert listed(SortOrder="Ascending", MaxResults=7) == ["endpoint", *names]
    assert listed(SortBy="Name", SortOrder="Ascending", NameContains="y-", MaxResults=3) == sorted(
        name for name in names if "y-" in name
    )
    settling.goes_on()
    client.update_endpoint(EndpointName="x-03", EndpointConfigName="x-00")
    assert listed(StatusEquals="Updating") == ["x-03"]
    assert len(listed(StatusEquals="InService")) == 23
    middle = client.describe_endpoint(EndpointName=names[11])["CreationTime"]
    assert len(listed(CreationTimeAfter=middle)) + len(listed(CreationTimeBefore=middle)) == 24

    first = client.list_endpoint_configs()
    assert len(first["EndpointConfigs"]) == 10
    assert set(first["EndpointConfigs"][0]) == {"EndpointConfigName", "EndpointConfigArn", "CreationTime"}
    assert refused(client.list_endpoints, NextToken="none") == (
        "ValidationException",
        "The NextToken is not valid.",
    )


def test_endpoints_and_configurations_have_tags(client: Any, endpoint: Callable[..., None]) -> None:
    endpoint(Tags=[{"Key": "a", "Value": "1"}])
    for arn, before in (
        (f"{ARN}endpoint-config/config", [{"Key": "a", "Value": "1"}]),
        (f"{ARN}endpoint/endpoint", []),
    ):
        assert client.list_tags(ResourceArn=arn)["Tags"] == before
        client.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
        client.delete_tags(ResourceArn=arn, TagKeys=["b", "none"])
        assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "2"}]


def test_system_tags_can_be_written_on_configurations(connect: Callable[..., Any], server: Any) -> None:
    client = connect()
    client.create_endpoint_config(EndpointConfigName="config", **FOR_COMPONENTS)
    arn = f"{ARN}endpoint-config/config"
    server.write_system_tags(arn, {"aws:cloudformation:stack-name": "stack"})

    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "aws:cloudformation:stack-name", "Value": "stack"}]


def test_endpoints_belong_to_a_region_and_end_with_a_reset(
    connect: Callable[..., Any], server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SETTLING_SECONDS", 0)
    here, there = connect(), connect(region_name="eu-west-1")
    here.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE})
    here.create_endpoint_config(EndpointConfigName="config", ProductionVariants=[VARIANT])
    here.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")

    assert there.list_endpoints()["Endpoints"] == []
    assert refused(there.create_endpoint, EndpointName="endpoint", EndpointConfigName="config")[1] == (
        'Could not find endpoint configuration "arn:aws:sagemaker:eu-west-1:123456789012:endpoint-config/config".'
    )
    server.reset()
    assert here.list_endpoints()["Endpoints"] == []
    assert here.list_endpoint_configs()["EndpointConfigs"] == []
