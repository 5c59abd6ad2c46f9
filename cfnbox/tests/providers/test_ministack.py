"""Resources that ministack makes, as its own services show them."""

from __future__ import annotations

import importlib.metadata
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.place import Place
from cfnbox.core.processes import ChildProcesses
from cfnbox.providers.emulated import MinistackProvider
from cfnbox.providers.ministack import BOOTSTRAP_PARAMETER, Ministack, MinistackUnavailable
from cfnbox.providers.protocol import Resource, ResourceFailed
from providers.doubles import PLACE, SYSTEM_TAGS, Recorded, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.published import PublishedTypes

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
TABLE = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


class Types:
    """The provider with the definition of a type found for it."""

    def __init__(self, provider: MinistackProvider) -> None:
        self.provider = provider

    def definition(self, type_name: str) -> TypeDefinition:
        found = self.provider.definition(type_name, PLACE)
        assert found
        return found

    def create(self, type_name: str, properties: dict[str, Any], **members: Any) -> Resource:
        asked = request(members.pop("logical_id", "Thing"), **members)
        return self.provider.create(self.definition(type_name), asked, properties, Recorded())

    def update(
        self, type_name: str, resource: Resource, before: dict[str, Any], after: dict[str, Any], **members: Any
    ) -> Resource:
        definition = self.definition(type_name)
        return self.provider.update(definition, request(**members), resource, before, after, Recorded())

    def delete(self, type_name: str, resource: Resource, properties: dict[str, Any]) -> None:
        self.provider.delete(self.definition(type_name), request(), resource, properties, Recorded())

    def read(self, type_name: str, identifier: str) -> Resource:
        return self.provider.read(self.definition(type_name), request(), identifier)


@pytest.fixture
def types(ministack: Ministack, published: PublishedTypes) -> Types:
    return Types(MinistackProvider(ministack, published))


@pytest.fixture
def connect(types: Types, connect: Callable[..., Any]) -> Callable[..., Any]:
    """Clients of a ministack that has been emptied."""
    return connect


def test_a_role_lives_as_at_aws(types: Types, connect: Any) -> None:
    iam, role = connect("iam"), {"AssumeRolePolicyDocument": TRUST, "Tags": [{"Key": "team", "Value": "own"}]}
    made = types.create("AWS::IAM::Role", role, stack_tags={"team": "stack", "cost": "1"}, system_tags=SYSTEM_TAGS)
    assert made.physical_id == made.identifier == made.model["RoleName"]
    assert made.physical_id.startswith("shop-Thing-")
    there = iam.get_role(RoleName=made.physical_id)["Role"]
    assert made.attributes["Arn"] == there["Arn"]
    tags = {one["Key"]: one["Value"] for one in iam.list_role_tags(RoleName=made.physical_id)["Tags"]}
    assert tags == {"team": "own", "cost": "1", **SYSTEM_TAGS}
    longer = {**role, "MaxSessionDuration": 7200}
    updated = types.update("AWS::IAM::Role", made, role, longer, stack_tags={"cost": "2"},
                           previous_stack_tags={"team": "stack", "cost": "1"})  # fmt: skip
    assert (updated.physical_id, updated.attributes) == (made.physical_id, made.attributes)
    assert iam.get_role(RoleName=made.physical_id)["Role"]["MaxSessionDuration"] == 7200
    assert {"Key": "cost", "Value": "2"} in iam.list_role_tags(RoleName=made.physical_id)["Tags"]
    types.delete("AWS::IAM::Role", updated, longer)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=made.physical_id)


def test_each_creation_draws_a_name_of_its_own(types: Types) -> None:
    first, second = (types.create("AWS::DynamoDB::Table", TABLE) for _ in range(2))
    assert first.physical_id != second.physical_id
    assert all(one.physical_id.startswith("shop-Thing-") for one in (first, second))


def test_a_generated_name_stays_through_updates(types: Types) -> None:
    made = types.create("AWS::S3::Bucket", {})
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    assert types.update("AWS::S3::Bucket", made, {}, versioned).physical_id == made.physical_id


def test_a_replacement_under_its_name_is_refused_and_nothing_is_to_be_undone(types: Types, connect: Any) -> None:
    first = {"TableName": "kept", **TABLE}
    protected = {**first, "DeletionProtectionEnabled": True}
    other = {**protected, "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}]}
    made = types.create("AWS::DynamoDB::Table", first)
    updated = types.update("AWS::DynamoDB::Table", made, first, protected)
    with pytest.raises(ResourceFailed) as failure:
        types.update("AWS::DynamoDB::Table", updated, protected, other)
    assert str(failure.value) == (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename kept and "
        "update the stack again."
    )
    back = types.update("AWS::DynamoDB::Table", made, other, first, reverting=True)
    assert back.physical_id == "kept"
    read = types.read("AWS::DynamoDB::Table", "kept").model
    assert read["AttributeDefinitions"] == TABLE["AttributeDefinitions"]
    assert not connect("dynamodb").describe_table(TableName="kept")["Table"]["DeletionProtectionEnabled"]


@pytest.mark.parametrize(
    ("type_name", "properties"),
    [
        ("AWS::IAM::Role", {"RoleName": "taken", "AssumeRolePolicyDocument": TRUST}),
        ("AWS::DynamoDB::Table", {"TableName": "taken", **TABLE}),
        ("AWS::SQS::Queue", {"QueueName": "taken"}),
        ("AWS::S3::Bucket", {"BucketName": "taken"}),
        ("AWS::SNS::Topic", {"TopicName": "taken"}),
        ("AWS::SSM::Parameter", {"Name": "taken", "Type": "String", "Value": "1"}),
    ],
)
def test_a_name_is_given_once(types: Types, type_name: str, properties: dict[str, Any]) -> None:
    made = types.create(type_name, properties)
    with pytest.raises(ResourceFailed, match="already exists") as raised:
        types.create(type_name, properties, logical_id="Other")
    assert raised.value.code == "AlreadyExists"
    types.delete(type_name, made, properties)
    assert types.create(type_name, properties).physical_id == made.physical_id


def test_what_was_made_through_the_api_is_not_written_over(types: Types, connect: Any) -> None:
    connect("iam").create_role(RoleName="mine", AssumeRolePolicyDocument="{}", Description="by hand")
    with pytest.raises(ResourceFailed, match="identifier 'mine' already exists"):
        types.create("AWS::IAM::Role", {"RoleName": "mine", "AssumeRolePolicyDocument": TRUST})
    assert connect("iam").get_role(RoleName="mine")["Role"]["Description"] == "by hand"


def test_a_refusal_is_said_in_the_words_of_the_service(types: Types) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    policy = {"PolicyName": "p", "PolicyDocument": {"Statement": [statement]}, "Roles": ["nobody"]}
    with pytest.raises(ResourceFailed) as raised:
        types.create("AWS::IAM::Policy", policy)
    assert str(raised.value).startswith('Resource handler returned message: "')
    assert "nobody" in str(raised.value)
    assert "b'" not in str(raised.value)


def test_read_finds_what_changed_and_knows_the_rest(types: Types, connect: Any) -> None:
    queue = {"QueueName": "jobs", "VisibilityTimeout": 45, "KmsMasterKeyId": "alias/x"}
    made = types.create("AWS::SQS::Queue", queue, stack_tags={"a": "1"})
    read = types.read("AWS::SQS::Queue", made.identifier)
    assert read.model["VisibilityTimeout"] == 45
    assert read.model["KmsMasterKeyId"] == "alias/x"
    assert read.model["Tags"] == [{"Key": "a", "Value": "1"}]
    assert read.attributes["Arn"] == made.attributes["Arn"]
    connect("sqs").set_queue_attributes(QueueUrl=made.physical_id, Attributes={"VisibilityTimeout": "50"})
    assert types.read("AWS::SQS::Queue", made.identifier).model["VisibilityTimeout"] == 50
    connect("sqs").delete_queue(QueueUrl=made.physical_id)
    with pytest.raises(ResourceFailed) as raised:
        types.read("AWS::SQS::Queue", made.identifier)
    assert raised.value.code == "NotFound"


def test_stack_tags_are_known_where_ministack_keeps_none(types: Types) -> None:
    made = types.create("AWS::S3::Bucket", {}, stack_tags={"a": "1"}, system_tags=SYSTEM_TAGS)
    assert types.read("AWS::S3::Bucket", made.identifier).model["Tags"] == [{"Key": "a", "Value": "1"}]


def test_a_resource_that_no_stack_made_can_be_read(types: Types, connect: Any) -> None:
    connect("s3").create_bucket(Bucket="by-hand")
    read = types.read("AWS::S3::Bucket", "by-hand")
    assert (read.physical_id, read.model["BucketName"]) == ("by-hand", "by-hand")
    assert read.attributes["Arn"] == "arn:aws:s3:::by-hand"


def test_a_type_that_cannot_be_read_says_so(types: Types) -> None:
    made = types.create("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"})
    with pytest.raises(ResourceFailed, match=r"cannot read resources of type AWS::EC2::VPC") as raised:
        types.read("AWS::EC2::VPC", made.identifier)
    assert raised.value.code == "UnsupportedAction"


def test_list_has_what_was_made_here(types: Types) -> None:
    made = [types.create("AWS::SNS::Topic", {"TopicName": name}) for name in ("one", "two")]
    listed, token = types.provider.list(types.definition("AWS::SNS::Topic"), request(), {}, None)
    assert ([one["TopicArn"] for one in listed], token) == ([one.identifier for one in made], None)


def test_regions_are_apart(types: Types, connect: Any) -> None:
    elsewhere = Place("eu-west-1")
    made = types.create("AWS::SNS::Topic", {"TopicName": "news"}, place=elsewhere)
    assert made.physical_id == "arn:aws:sns:eu-west-1:123456789012:news"
    assert connect("sns", "us-east-1").list_topics()["Topics"] == []
    assert types.create("AWS::SNS::Topic", {"TopicName": "news"}).physical_id.split(":")[3] == "us-east-1"


def test_many_are_made_at_once(types: Types, connect: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: types.create("AWS::SQS::Queue", {"QueueName": f"q{n}"}), range(40)))
    assert len(connect("sqs").list_queues(MaxResults=100)["QueueUrls"]) == 40


def test_the_parameter_of_the_cdk_is_there_and_gives_way_to_the_bootstrap_stack(types: Types, connect: Any) -> None:
    ssm, ministack = connect("ssm"), types.provider._ministack
    for _ in range(2):
        ministack.add_bootstrap_parameter(PLACE)
    assert ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"] == "21"
    own = {"Name": BOOTSTRAP_PARAMETER, "Type": "String", "Value": "25"}
    made = types.create("AWS::SSM::Parameter", own)
    assert ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"] == "25"
    with pytest.raises(ResourceFailed, match="already exists"):
        types.create("AWS::SSM::Parameter", own)
    # The stack's own parameter is no stand-in: nothing takes it away, or puts another in its place.
    ministack.add_bootstrap_parameter(PLACE)
    assert ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"] == "25"
    types.delete("AWS::SSM::Parameter", made, own)


def test_a_bootstrap_stack_comes_before_anybody_asks_for_the_parameter(types: Types, connect: Any) -> None:
    own = {"Name": BOOTSTRAP_PARAMETER, "Type": "String", "Value": "25"}
    made = types.create("AWS::SSM::Parameter", own)
    types.provider._ministack.add_bootstrap_parameter(PLACE)
    assert connect("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"] == "25"
    types.delete("AWS::SSM::Parameter", made, own)


def test_nothing_is_left_when_it_is_cleared(types: Types, connect: Any, ministack: Ministack) -> None:
    types.create("AWS::SQS::Queue", {"QueueName": "old"})
    ministack.clear()
    assert connect("sqs").list_queues().get("QueueUrls", []) == []


def test_every_type_that_ministack_makes_is_served_and_has_a_published_schema(
    ministack: Ministack, published: PublishedTypes
) -> None:
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    provider = MinistackProvider(ministack, published)
    # What the control plane and other providers make.
    own = {
        f"AWS::CloudFormation::{name}" for name in ("CustomResource", "Stack", "WaitCondition", "WaitConditionHandle")
    }
    served = {name for name in _RESOURCE_HANDLERS if provider.definition(name, PLACE) is not None}
    assert served == set(_RESOURCE_HANDLERS) - own


@pytest.mark.parametrize(("service", "operation"), [("s3", "list_buckets"), ("sqs", "list_queues")])
def test_an_answer_has_one_date(connect: Any, service: str, operation: str) -> None:
    """AWS's SDK for JavaScript, and the CDK with it, cannot read two."""
    answer = getattr(connect(service), operation)()
    assert answer["ResponseMetadata"]["HTTPHeaders"]["date"].count("GMT") == 1


def test_a_property_that_ministack_does_not_look_at_is_named(types: Types) -> None:
    definition = types.definition("AWS::Glue::Job")
    job = {"Command": {}, "Role": "r", "ExecutionClass": "FLEX", "LogUri": "s3://b/l"}
    assert types.provider.notice(definition, job) == "not applied here: ExecutionClass, LogUri"
    assert types.provider.notice(definition, {"Command": {}, "Role": "r"}) is None


def test_a_strict_cloud_refuses_a_property_that_ministack_does_not_look_at(
    ministack: Ministack, published: PublishedTypes
) -> None:
    strict = Types(MinistackProvider(ministack, published, strict=True))
    with pytest.raises(ResourceFailed, match=r"does not apply LogUri of AWS::Glue::Job, .* without --strict"):
        strict.create("AWS::Glue::Job", {"Command": {}, "Role": "r", "LogUri": "s3://b/l"})


STREAMS = [{}, {"StreamSpecification": {"StreamViewType": "NEW_IMAGE"}}]


def test_attributes_that_depend_on_properties_are_there_when_the_resource_has_them(types: Types) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda stream: types.create("AWS::DynamoDB::Table", {**TABLE, **stream}), STREAMS * 4))
    assert ["StreamArn" in table.attributes for table in made] == [False, True] * 4


def test_a_large_property_arrives(types: Types, connect: Any) -> None:
    body = {"openapi": "3.0.1", "info": {"title": "large", "version": "1"}, "paths": {
        f"/path{number}": {"get": {"description": "x" * 200}} for number in range(400)
    }}  # fmt: skip
    made = types.create("AWS::ApiGateway::RestApi", {"Name": "large", "Body": body})
    assert connect("apigateway").get_rest_api(restApiId=made.physical_id)["name"]
    assert connect("s3").list_buckets()["Buckets"] == []


def test_what_fails_leaves_nothing_and_is_said_by_the_service(types: Types, connect: Any) -> None:
    with pytest.raises(ResourceFailed, match="Resource handler returned message"):
        types.create("AWS::ServiceDiscovery::Instance", {"ServiceId": "srv-none", "InstanceAttributes": {}})
    assert types.provider.list(types.definition("AWS::ServiceDiscovery::Instance"), request(), {}, None) == ([], None)


def test_a_deleted_resource_is_not_found_again(types: Types) -> None:
    made = types.create("AWS::ServiceDiscovery::HttpNamespace", {"Name": "space"})
    types.delete("AWS::ServiceDiscovery::HttpNamespace", made, {"Name": "space"})
    with pytest.raises(ResourceFailed) as raised:
        types.delete("AWS::ServiceDiscovery::HttpNamespace", made, {"Name": "space"})
    assert raised.value.code == "NotFound"


def test_a_version_that_cfnbox_does_not_require_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == "ministack" else version(name))
    processes = ChildProcesses()
    with pytest.raises(MinistackUnavailable, match=r"installed is 0\.1\. Install .* pip install ministack==1"):
        Ministack(4566, processes)
    processes.close()
