"""Unknown regions: every API of the cloud refuses them in the format of its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from programs import running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import RunningCloud

# An operation of a service of each protocol, its own ones included, and the code by which a client knows the refusal.
CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "cloudformation": ("list_stacks", {}, "SignatureDoesNotMatch"),
    "cloudcontrol": ("list_resources", {"TypeName": "AWS::SageMaker::Model"}, "InvalidSignatureException"),
    "sagemaker": ("list_models", {}, "InvalidSignatureException"),
    "dynamodb": ("list_tables", {}, "InvalidSignatureException"),
    "lambda": ("list_functions", {}, "InvalidSignatureException"),
    "s3": ("put_object", {"Bucket": "b", "Key": "k", "Body": b"x" * 100_000}, "SignatureDoesNotMatch"),
    "ec2": ("describe_vpcs", {}, "SignatureDoesNotMatch"),
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud() as started:
        yield started


def client(cloud: RunningCloud, service: str, region: str) -> Any:
    make: Any = boto3.client
    return make(
        service, endpoint_url=cloud.url, region_name=region, aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip


@pytest.mark.parametrize("region", ["mars-1", "us-esat-1"])
@pytest.mark.parametrize("service", CALLS)
def test_an_unknown_region_is_refused(cloud: RunningCloud, service: str, region: str) -> None:
    operation, request, code = CALLS[service]
    with pytest.raises(ClientError) as refusal:
        getattr(client(cloud, service, region), operation)(**request)
    error = refusal.value.response["Error"]
    assert (error["Code"], error["Message"]) == (
        code,
        f"Credential should be scoped to a valid region. AWS has no region {region}: set AWS_REGION or --region to a "
        "region of AWS.",
    )


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "eusc-de-east-1"])
def test_regions_of_every_partition_are_served(cloud: RunningCloud, region: str) -> None:
    assert client(cloud, "cloudformation", region).list_stacks()["StackSummaries"] == []
