"""Models and their roles: SageMaker looks at the trust of those that were made in the cloud."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cfnbox.aws import clients
from waiting import eventually

if TYPE_CHECKING:
    from cfnbox.cloud import Cloud
    from tests.e2e.conftest import Stack

CONTAINER = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"}
WITHOUT, WITH = ["ec2.amazonaws.com"], ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]


def trusting(services: list[str]) -> dict[str, Any]:
    """A document by which services may assume a role."""
    return {"Statement": {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}}


def test_a_model_waits_until_its_role_trusts_sagemaker(stack: Stack, cloud: Cloud) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trusting(WITHOUT)}}
    properties = {"ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "PrimaryContainer": CONTAINER}
    model = {"Type": "AWS::SageMaker::Model", "Properties": properties}
    before = len(cloud.sagemaker.calls)
    stack.begin({"Resources": {"Role": role, "Model": model}})
    made = eventually(lambda: [call for call in cloud.sagemaker.calls[before:] if call.operation == "CreateModel"])
    assert made[0].code == "ValidationException"
    iam = clients.client("iam", cloud.url)
    iam.update_assume_role_policy(RoleName=stack.physical_id("Role"), PolicyDocument=json.dumps(trusting(WITH)))
    assert stack.rest()["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(("services", "may"), [(WITHOUT, False), (WITH, True)])
def test_a_role_created_by_the_api_is_checked(sagemaker: Any, cloud: Cloud, services: list[str], may: bool) -> None:
    name, trust = f"by-hand-{len(services)}", json.dumps(trusting(services))
    iam = clients.client("iam", cloud.url)
    arn = iam.create_role(RoleName=name, Path="/service-role/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    refused = pytest.raises(ClientError, match=f'The execution role ARN "{arn}" is invalid. Please ensure')
    with nullcontext() if may else refused:
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=arn, PrimaryContainer=CONTAINER)
    # Of this ARN there is no role here, so nothing is known of it.
    elsewhere = arn.replace("/service-role/", "/")
    sagemaker.create_model(ModelName=f"{name}-b", ExecutionRoleArn=elsewhere, PrimaryContainer=CONTAINER)


@pytest.mark.parametrize("role", ["no ARN, but long enough", "arn:aws:iam::role/without-account", ":" * 20])
def test_an_invalid_role_arn_is_refused(sagemaker: Any, role: str) -> None:
    with pytest.raises(ClientError, match="failed to satisfy constraint"):
        sagemaker.create_model(ModelName="none", ExecutionRoleArn=role, PrimaryContainer=CONTAINER)


@pytest.mark.parametrize(("services", "may"), [(WITHOUT, False), (WITH, True)])
def test_a_role_of_another_partition(cloud: Cloud, services: list[str], may: bool) -> None:
    region, name = "cn-north-1", f"of-china-{len(services)}"
    iam, sagemaker = clients.client("iam", cloud.url, region), clients.client("sagemaker", cloud.url, region)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trusting(services)))["Role"]
    assert role["Arn"].startswith("arn:aws-cn:iam::")
    container = {"Image": "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/inference:1"}
    with nullcontext() if may else pytest.raises(ClientError, match=r"is invalid\. Please ensure"):
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=role["Arn"], PrimaryContainer=container)
