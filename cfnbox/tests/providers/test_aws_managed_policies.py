"""Managed policies of AWS, as boto3 and Terraform read them from IAM."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from cfnbox.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTEBOOK = "service-role/AWSGlueServiceNotebookRole"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as started:
        yield started


@pytest.fixture
def connect(cloud: Cloud) -> Callable[..., Any]:
    return lambda region="us-east-1": boto3.client(
        "iam", endpoint_url=cloud.url, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
    )


def listed(iam: Any, **members: Any) -> list[dict[str, Any]]:
    return [policy for page in iam.get_paginator("list_policies").paginate(**members) for policy in page["Policies"]]


@pytest.mark.parametrize(
    ("region", "partition"), [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_get_policy_returns_a_policy_of_aws_with_its_document(connect: Any, region: str, partition: str) -> None:
    iam, arn = connect(region), f"arn:{partition}:iam::aws:policy/{NOTEBOOK}"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (policy["Arn"], policy["PolicyName"], policy["Path"]) == (
        arn,
        "AWSGlueServiceNotebookRole",
        "/service-role/",
    )
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert version["IsDefaultVersion"]
    assert "glue:CreateDatabase" in str(version["Document"]["Statement"])
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [one["VersionId"] for one in versions] == [policy["DefaultVersionId"]]


@pytest.mark.parametrize("operation", ["get_policy", "list_policy_versions", "list_entities_for_policy"])
def test_a_policy_that_aws_does_not_have_is_not_found(connect: Any, operation: str) -> None:
    iam, arn = connect(), "arn:aws:iam::aws:policy/NoneOfThatName"
    with pytest.raises(iam.exceptions.NoSuchEntityException, match=f"Policy {arn} was not found."):
        getattr(iam, operation)(PolicyArn=arn)


def test_attachments_of_a_policy_are_counted_and_listed(connect: Any) -> None:
    iam, arn = connect(), f"arn:aws:iam::aws:policy/{NOTEBOOK}"
    before = iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"]
    iam.create_role(RoleName="has-it", AssumeRolePolicyDocument="{}")
    iam.create_user(UserName="has-it")
    iam.attach_role_policy(RoleName="has-it", PolicyArn=arn)
    iam.attach_user_policy(UserName="has-it", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == before + 2
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert "has-it" in [role["RoleName"] for role in entities["PolicyRoles"]]
    assert "has-it" in [user["UserName"] for user in entities["PolicyUsers"]]
    assert iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="Role")["PolicyUsers"] == []
    iam.detach_user_policy(UserName="has-it", PolicyArn=arn)
    assert iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"] == []


def test_lists_have_the_policies_of_aws_and_of_the_account(connect: Any) -> None:
    iam = connect()
    allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    own = iam.create_policy(PolicyName="own-one", Path="/own/", PolicyDocument=document)["Policy"]["Arn"]
    of_aws = {policy["Arn"] for policy in listed(iam, Scope="AWS")}
    assert f"arn:aws:iam::aws:policy/{NOTEBOOK}" in of_aws
    assert len(of_aws) > 1000
    assert own not in of_aws
    everything = [policy["Arn"] for policy in listed(iam)]
    assert len(everything) == len(set(everything))
    assert {own, *of_aws} <= set(everything)
    assert [policy["Arn"] for policy in listed(iam, PathPrefix="/own/")] == [own]
    assert own in [policy["Arn"] for policy in listed(iam, Scope="Local")]
    first = iam.list_policies(Scope="AWS", MaxItems=7)
    assert (len(first["Policies"]), first["IsTruncated"]) == (7, True)
