"""Refusals of AWS: they have the message of the service, and no effect."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.place import Place
from cfnbox.providers.protocol import ResourceFailed
from providers.services.harness import Bench
from providers.services.samples_iam import READ_ONLY, VIEW_ONLY, allow, inline, principals, trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

BUCKET, ROLE, USER = "AWS::S3::Bucket", "AWS::IAM::Role", "AWS::IAM::User"
LOG_GROUP = "AWS::Logs::LogGroup"
VERSIONED = {"BucketName": "mine", "VersioningConfiguration": {"Status": "Enabled"}}
TRUST = {"AssumeRolePolicyDocument": trust("ec2"), "RoleName": "mine"}


@pytest.fixture
def bench(service_clients: ServiceClients, published: PublishedTypes, ministack: Any) -> Bench:
    return Bench(service_clients, published)


def put_object(connect: Callable[..., Any]) -> None:
    connect("s3").put_object(Bucket="mine", Key="k", Body=b"1")


def delete_object(connect: Callable[..., Any]) -> None:
    put_object(connect)
    connect("s3").delete_object(Bucket="mine", Key="k")


def attach(connect: Callable[..., Any]) -> None:
    connect("iam").attach_role_policy(RoleName="mine", PolicyArn=VIEW_ONLY)


def put_policy(connect: Callable[..., Any]) -> None:
    document = json.dumps(allow("s3:GetObject"))
    connect("iam").put_role_policy(RoleName="mine", PolicyName="other", PolicyDocument=document)


def add_to_profile(connect: Callable[..., Any]) -> None:
    connect("iam").create_instance_profile(InstanceProfileName="other")
    connect("iam").add_role_to_instance_profile(InstanceProfileName="other", RoleName="mine")


def create_key(connect: Callable[..., Any]) -> None:
    connect("iam").create_access_key(UserName="mine")


def join_group(connect: Callable[..., Any]) -> None:
    connect("iam").create_group(GroupName="others")
    connect("iam").add_user_to_group(GroupName="others", UserName="mine")


@pytest.mark.parametrize(
    ("type_name", "properties", "behind_the_stack", "message"),
    [
        (BUCKET, {"BucketName": "mine"}, put_object, "The bucket you tried to delete is not empty"),
        (BUCKET, VERSIONED, put_object, "The bucket you tried to delete is not empty"),
        (BUCKET, VERSIONED, delete_object, "The bucket you tried to delete is not empty"),
        (ROLE, {**TRUST, "ManagedPolicyArns": [READ_ONLY]}, attach,
         "Cannot delete entity, must detach all policies first."),
        (ROLE, {**TRUST, "Policies": [inline("own", "s3:GetObject")]}, put_policy,
         "Cannot delete entity, must delete policies first."),
        (ROLE, TRUST, add_to_profile, "Cannot delete entity, must remove roles from instance profile first."),
        (USER, {"UserName": "mine"}, create_key, "Cannot delete entity, must delete access keys first."),
        (USER, {"UserName": "mine"}, join_group, "Cannot delete entity, must remove users from group first."),
    ],
    ids=["objects", "versions", "delete markers", "attached policy", "inline policy", "profile", "key", "group"],
)  # fmt: skip
def test_a_deletion_that_aws_refuses_has_no_effect(
    bench: Bench, connect: Any, type_name: str, properties: Json, behind_the_stack: Any, message: str
) -> None:
    created = bench.create(type_name, properties)
    behind_the_stack(connect)
    before = bench.read(type_name, created.identifier).model
    with pytest.raises(ResourceFailed) as failure:
        bench.delete(type_name, created, properties)
    assert f'"{message} (Service: ' in str(failure.value)
    assert failure.value.code == "ResourceConflict"
    assert bench.read(type_name, created.identifier).model == before


@pytest.mark.parametrize(("kind", "name"), [("role", "role-two"), ("user", "user-two"), ("group", "group-two")])
def test_a_managed_policy_in_use_is_not_deleted(bench: Bench, connect: Any, kind: str, name: str) -> None:
    principals(connect)
    properties = {"PolicyDocument": allow("s3:GetObject"), "Roles": ["role-one"]}
    policy = bench.create("AWS::IAM::ManagedPolicy", properties)
    arguments = {f"{kind.title()}Name": name, "PolicyArn": policy.physical_id}
    getattr(connect("iam"), f"attach_{kind}_policy")(**arguments)
    with pytest.raises(ResourceFailed, match="Cannot delete a policy attached to entities"):
        bench.delete("AWS::IAM::ManagedPolicy", policy, properties)
    assert bench.read("AWS::IAM::ManagedPolicy", policy.identifier).model["Roles"]
    getattr(connect("iam"), f"detach_{kind}_policy")(**arguments)
    bench.delete("AWS::IAM::ManagedPolicy", policy, properties)


def test_an_instance_profile_with_an_additional_role_is_not_deleted(bench: Bench, connect: Any) -> None:
    principals(connect)
    profile = bench.create("AWS::IAM::InstanceProfile", {"Roles": ["role-one"]})
    iam, name = connect("iam"), profile.physical_id
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName="role-one")
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName="role-two")
    with pytest.raises(ResourceFailed, match="Cannot delete entity, must remove roles from instance profile first"):
        bench.delete("AWS::IAM::InstanceProfile", profile, {"Roles": ["role-one"]})


@pytest.mark.parametrize(
    ("type_name", "properties", "words"),
    [
        (ROLE, {**TRUST, "ManagedPolicyArns": ["arn:aws:iam::123456789012:policy/none"]},
         "Policy arn:aws:iam::123456789012:policy/none does not exist or is not attachable."),
        (ROLE, {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
         "Could not parse the policy: Statement is empty!"),
        ("AWS::IAM::Policy", {"PolicyName": "p", "PolicyDocument": allow("s3:GetObject"), "Roles": ["none"]},
         "none"),
        (BUCKET, {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "ExpirationInDays": -1}]}},
         "'Days' for Expiration action must be a positive integer"),
        ("AWS::S3::BucketPolicy", {"Bucket": "none", "PolicyDocument": allow("s3:GetObject")},
         "The specified bucket does not exist"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_message_of_the_service(bench: Bench, type_name: str, properties: Json, words: str) -> None:
    with pytest.raises(ResourceFailed) as failure:
        bench.create(type_name, properties)
    assert words in str(failure.value)
    assert "(Service: " in str(failure.value)
    # CloudFormation takes NotFound for success where it deletes.
    assert failure.value.code in ("InvalidRequest", "NotFound")


@pytest.mark.parametrize(
    ("type_name", "properties"),
    [
        (ROLE, TRUST),
        (BUCKET, {"BucketName": "mine"}),
        ("AWS::IAM::ManagedPolicy", {"ManagedPolicyName": "mine", "PolicyDocument": allow("s3:GetObject")}),
    ],
)
def test_an_existing_name_is_refused(bench: Bench, type_name: str, properties: Json) -> None:
    bench.create(type_name, properties)
    with pytest.raises(ResourceFailed, match="already exists") as failure:
        bench.create(type_name, properties, logical_id="Other")
    assert failure.value.code == "AlreadyExists"


def test_generated_names_have_the_form_of_the_service(bench: Bench) -> None:
    role = {"AssumeRolePolicyDocument": trust("ec2")}
    names = [bench.create(ROLE, role, logical_id="Long" * 20).physical_id for _ in range(2)]
    assert len(set(names)) == 2
    assert all(len(name) == 64 and name.startswith("shop-LongLong") for name in names)
    bucket = bench.create(BUCKET, {}).physical_id
    assert bucket.startswith("shop-thing-")
    assert bucket == bucket.lower()
    assert len(bucket) <= 63


def test_drift_detection_reports_a_change_by_the_service_api(bench: Bench, connect: Any) -> None:
    encryption = {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    }
    properties = {"BucketName": "mine", "BucketEncryption": encryption}
    bucket = bench.create(BUCKET, properties)
    algorithm = {"SSEAlgorithm": "aws:kms"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": algorithm}]}
    connect("s3").put_bucket_encryption(Bucket="mine", ServerSideEncryptionConfiguration=rules)
    definition, model = bench.definition(BUCKET), bench.read(BUCKET, bucket.identifier).model
    assert definition.changed(definition.explicitly_set(model, properties), properties) == ["BucketEncryption"]


def test_the_domains_of_a_bucket_follow_the_partition_of_its_region(
    service_clients: ServiceClients, published: PublishedTypes, ministack: Any
) -> None:
    bucket = Bench(service_clients, published, Place("cn-north-1")).create(BUCKET, {"BucketName": "mine"})
    assert bucket.attributes == {
        "Arn": "arn:aws-cn:s3:::mine",
        "DomainName": "mine.s3.amazonaws.com.cn",
        "DualStackDomainName": "mine.s3.dualstack.cn-north-1.amazonaws.com.cn",
        "RegionalDomainName": "mine.s3.cn-north-1.amazonaws.com.cn",
        "WebsiteURL": "http://mine.s3-website.cn-north-1.amazonaws.com.cn",
    }


def test_a_managed_policy_can_change_more_often_than_its_limit_of_versions(bench: Bench, connect: Any) -> None:
    documents = [allow(f"s3:Get{number}") for number in range(8)]
    policy = bench.create("AWS::IAM::ManagedPolicy", {"PolicyDocument": documents[0]})
    for before, after in itertools.pairwise(documents):
        policy = bench.update(
            "AWS::IAM::ManagedPolicy", policy, {"PolicyDocument": before}, {"PolicyDocument": after}
        )
    versions = connect("iam").list_policy_versions(PolicyArn=policy.physical_id)["Versions"]
    assert len(versions) == 5
    assert bench.read("AWS::IAM::ManagedPolicy", policy.identifier).model["PolicyDocument"] == documents[-1]
    bench.delete("AWS::IAM::ManagedPolicy", policy, {"PolicyDocument": documents[-1]})


def test_a_log_group_with_deletion_protection_is_not_deleted(bench: Bench, connect: Callable[..., Any]) -> None:
    logs, protected = connect("logs"), {"LogGroupName": "kept", "DeletionProtectionEnabled": True}
    group = bench.create(LOG_GROUP, protected)
    with pytest.raises(ResourceFailed, match=r"deletion protection enabled\. \(Service: CloudWatchLogs") as failure:
        bench.delete(LOG_GROUP, group, protected)
    assert failure.value.code == "InvalidRequest"
    with pytest.raises(logs.exceptions.ValidationException):
        logs.delete_log_group(logGroupName="kept")
    assert logs.describe_log_groups()["logGroups"][0]["deletionProtectionEnabled"] is True
    arn = group.attributes["Arn"]
    logs.put_log_group_deletion_protection(logGroupIdentifier=arn, deletionProtectionEnabled=False)
    model = bench.read(LOG_GROUP, "kept").model
    assert model["DeletionProtectionEnabled"] is False
    bench.delete(LOG_GROUP, group, protected)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.put_log_group_deletion_protection(logGroupIdentifier="kept", deletionProtectionEnabled=True)


@pytest.mark.parametrize(
    ("type_name", "properties", "sentence"),
    [
        (
            "AWS::SQS::Queue",
            {"QueueName": "a b"},
            "Can only include alphanumeric characters, hyphens, or underscores",
        ),
        ("AWS::SQS::Queue", {"QueueName": "q" * 81}, "1 to 80 in length"),
        ("AWS::SQS::Queue", {"QueueName": "q.fifo"}, "1 to 80 in length"),
        ("AWS::SQS::Queue", {"QueueName": "q", "FifoQueue": True}, "1 to 80 in length"),
        ("AWS::SNS::Topic", {"TopicName": "a b"}, "Invalid parameter: Topic Name"),
        ("AWS::SNS::Topic", {"TopicName": "t.fifo"}, "Invalid parameter: Topic Name"),
        ("AWS::SNS::Topic", {"TopicName": "t", "FifoTopic": True}, "Invalid parameter: Topic Name"),
    ],
)
def test_an_invalid_name_is_refused(bench: Bench, type_name: str, properties: Json, sentence: str) -> None:
    with pytest.raises(ResourceFailed, match=sentence) as failure:
        bench.create(type_name, properties)
    assert failure.value.code == "InvalidRequest"


@pytest.mark.parametrize(
    ("type_name", "properties"),
    [
        ("AWS::SQS::Queue", {"QueueName": "q" * 80}),
        ("AWS::SQS::Queue", {"QueueName": "Q_-1.fifo", "FifoQueue": True}),
        ("AWS::SNS::Topic", {"TopicName": "t" * 256}),
        ("AWS::SNS::Topic", {"TopicName": "T_-1.fifo", "FifoTopic": True}),
    ],
)
def test_a_valid_name_is_accepted(bench: Bench, type_name: str, properties: Json) -> None:
    assert bench.create(type_name, properties).physical_id


def test_a_changed_path_of_a_named_user_is_refused_with_advice(bench: Bench, connect: Callable[..., Any]) -> None:
    before, after = ({"UserName": "moved", "Path": path} for path in ("/a/", "/b/"))
    user = bench.create(USER, before)
    with pytest.raises(ResourceFailed, match="Change UserName too"):
        bench.update(USER, user, before, after)
    assert connect("iam").get_user(UserName="moved")["User"]["Path"] == "/a/"
