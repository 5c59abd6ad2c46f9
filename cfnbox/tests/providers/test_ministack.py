"""Resources that ministack makes, as its own services show them."""

from __future__ import annotations

import importlib.metadata
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.place import Place
from cfnbox.core.processes import ChildProcesses
from cfnbox.providers.emulated import MinistackProvider
from cfnbox.providers.ministack import BOOTSTRAP_PARAMETER, Ministack, MinistackUnavailable
from cfnbox.providers.protocol import Resource, ResourceFailed
from cfnbox.providers.services.catalogue import SERVICE_TYPES, UNIFORM_TYPES
from providers.provider_requests import PLACE, SYSTEM_TAGS, RecordingProgress, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.published import PublishedTypes

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
        return self.provider.create(self.definition(type_name), asked, properties, RecordingProgress())

    def update(
        self, type_name: str, resource: Resource, before: dict[str, Any], after: dict[str, Any], **members: Any
    ) -> Resource:
        definition = self.definition(type_name)
        return self.provider.update(definition, request(**members), resource, before, after, RecordingProgress())

    def delete(self, type_name: str, resource: Resource, properties: dict[str, Any]) -> None:
        self.provider.delete(self.definition(type_name), request(), resource, properties, RecordingProgress())

    def read(self, type_name: str, identifier: str) -> Resource:
        return self.provider.read(self.definition(type_name), request(), identifier)


@pytest.fixture
def types(ministack: Ministack, published: PublishedTypes) -> Types:
    return Types(MinistackProvider(ministack, published))


@pytest.fixture
def connect(types: Types, connect: Callable[..., Any]) -> Callable[..., Any]:
    """Clients of a ministack that has been emptied."""
    return connect


def test_a_log_group_lives_as_at_aws(types: Types, connect: Any) -> None:
    logs, group = connect("logs"), {"RetentionInDays": 7, "Tags": [{"Key": "team", "Value": "own"}]}
    made = types.create(
        "AWS::Logs::LogGroup", group, stack_tags={"team": "stack", "cost": "1"}, system_tags=SYSTEM_TAGS
    )
    assert made.physical_id == made.identifier == made.model["LogGroupName"]
    assert made.physical_id.startswith("shop-Thing-")
    (there,) = logs.describe_log_groups()["logGroups"]
    assert made.attributes["Arn"] == there["arn"]
    tags = logs.list_tags_for_resource(resourceArn=there["arn"].removesuffix(":*"))["tags"]
    assert tags == {"team": "own", "cost": "1", **SYSTEM_TAGS}
    longer = {**group, "RetentionInDays": 30}
    updated = types.update("AWS::Logs::LogGroup", made, group, longer, stack_tags={"cost": "2"},
                           previous_stack_tags={"team": "stack", "cost": "1"})  # fmt: skip
    assert (updated.physical_id, updated.attributes) == (made.physical_id, made.attributes)
    (there,) = logs.describe_log_groups()["logGroups"]
    assert there["retentionInDays"] == 30
    assert logs.list_tags_for_resource(resourceArn=there["arn"].removesuffix(":*"))["tags"]["cost"] == "2"
    types.delete("AWS::Logs::LogGroup", updated, longer)
    assert logs.describe_log_groups()["logGroups"] == []


def test_each_creation_draws_a_name_of_its_own(types: Types) -> None:
    first, second = (types.create("AWS::DynamoDB::Table", TABLE) for _ in range(2))
    assert first.physical_id != second.physical_id
    assert all(one.physical_id.startswith("shop-Thing-") for one in (first, second))


def test_a_generated_name_stays_through_updates(types: Types) -> None:
    made = types.create("AWS::DynamoDB::Table", TABLE)
    protected = {**TABLE, "DeletionProtectionEnabled": True}
    assert types.update("AWS::DynamoDB::Table", made, TABLE, protected).physical_id == made.physical_id


def test_an_update_that_ministack_cannot_make_in_place_takes_a_new_name(types: Types, connect: Any) -> None:
    other = {**TABLE, "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}]}
    made = types.create("AWS::DynamoDB::Table", TABLE)
    updated = types.update("AWS::DynamoDB::Table", made, TABLE, other)
    assert updated.physical_id != made.physical_id
    assert updated.physical_id.startswith("shop-Thing-")
    # The old one is there until the control plane deletes it, so that a rollback finds it.
    assert set(connect("dynamodb").list_tables()["TableNames"]) == {made.physical_id, updated.physical_id}
    types.delete("AWS::DynamoDB::Table", made, TABLE)
    assert connect("dynamodb").list_tables()["TableNames"] == [updated.physical_id]


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
        ("AWS::DynamoDB::Table", {"TableName": "taken", **TABLE}),
        ("AWS::ECR::Repository", {"RepositoryName": "taken"}),
        ("AWS::Kinesis::Stream", {"Name": "taken", "ShardCount": 1}),
        ("AWS::Logs::LogGroup", {"LogGroupName": "taken"}),
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
    logs = connect("logs")
    logs.create_log_group(logGroupName="mine")
    logs.put_retention_policy(logGroupName="mine", retentionInDays=3)
    with pytest.raises(ResourceFailed, match="identifier 'mine' already exists"):
        types.create("AWS::Logs::LogGroup", {"LogGroupName": "mine", "RetentionInDays": 7})
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 3


def test_read_finds_what_changed_and_knows_the_rest(types: Types, connect: Any) -> None:
    logs, group = (
        connect("logs"),
        {"LogGroupName": "jobs", "RetentionInDays": 7, "DataProtectionPolicy": {"Name": "p"}},
    )
    made = types.create("AWS::Logs::LogGroup", group, stack_tags={"a": "1"})
    read = types.read("AWS::Logs::LogGroup", made.identifier)
    assert read.model["RetentionInDays"] == 7
    assert read.model["DataProtectionPolicy"] == {"Name": "p"}
    assert read.model["Tags"] == [{"Key": "a", "Value": "1"}]
    assert read.attributes["Arn"] == made.attributes["Arn"]
    logs.put_retention_policy(logGroupName="jobs", retentionInDays=30)
    assert types.read("AWS::Logs::LogGroup", made.identifier).model["RetentionInDays"] == 30
    logs.delete_log_group(logGroupName="jobs")
    with pytest.raises(ResourceFailed) as raised:
        types.read("AWS::Logs::LogGroup", made.identifier)
    assert raised.value.code == "NotFound"


def test_stack_tags_are_known_where_ministack_keeps_none(types: Types) -> None:
    group = {"Name": "jobs"}
    made = types.create("AWS::Athena::WorkGroup", group, stack_tags={"a": "1"}, system_tags=SYSTEM_TAGS)
    assert made.model["Tags"] == [{"Key": "a", "Value": "1"}]


def test_a_resource_that_no_stack_made_can_be_read_changed_and_deleted(types: Types, connect: Any) -> None:
    logs = connect("logs")
    logs.create_log_group(logGroupName="by-hand")
    read = types.read("AWS::Logs::LogGroup", "by-hand")
    assert (read.physical_id, read.model["LogGroupName"]) == ("by-hand", "by-hand")
    assert read.attributes["Arn"] == logs.describe_log_groups()["logGroups"][0]["arn"]
    name = {"LogGroupName": "by-hand"}
    changed = types.update("AWS::Logs::LogGroup", read, name, {**name, "RetentionInDays": 5})
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 5
    types.delete("AWS::Logs::LogGroup", changed, name)
    assert logs.describe_log_groups()["logGroups"] == []


def test_a_type_that_cannot_be_read_says_so(types: Types) -> None:
    made = types.create("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"})
    with pytest.raises(ResourceFailed, match=r"cannot read resources of type AWS::EC2::VPC") as raised:
        types.read("AWS::EC2::VPC", made.identifier)
    assert raised.value.code == "UnsupportedAction"


def test_list_has_what_was_made_here(types: Types) -> None:
    made = [types.create("AWS::Logs::LogGroup", {"LogGroupName": name}) for name in ("one", "two")]
    listed, token = types.provider.list(types.definition("AWS::Logs::LogGroup"), request(), {}, None)
    assert ([group["LogGroupName"] for group in listed], token) == ([group.identifier for group in made], None)


def test_regions_are_apart(types: Types, connect: Any) -> None:
    elsewhere = Place("eu-west-1")
    made = types.create("AWS::Logs::LogGroup", {"LogGroupName": "news"}, place=elsewhere)
    assert made.attributes["Arn"] == "arn:aws:logs:eu-west-1:123456789012:log-group:news:*"
    assert connect("logs", "us-east-1").describe_log_groups()["logGroups"] == []
    assert (
        types.create("AWS::Logs::LogGroup", {"LogGroupName": "news"}).attributes["Arn"].split(":")[3] == "us-east-1"
    )


def test_many_are_made_at_once(types: Types, connect: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: types.create("AWS::Logs::LogGroup", {"LogGroupName": f"g{n}"}), range(40)))
    assert len(connect("logs").describe_log_groups(limit=50)["logGroups"]) == 40


def test_the_parameter_of_the_cdk_is_there_and_gives_way_to_the_bootstrap_stack(
    ministack: Ministack, connect: Any
) -> None:
    ssm, own = connect("ssm"), {"Name": BOOTSTRAP_PARAMETER, "Type": "String", "Value": "25"}
    for _ in range(2):
        ministack.add_bootstrap_parameter(PLACE)
    assert ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"] == "21"
    ministack.remove_bootstrap_parameter(PLACE)
    ssm.put_parameter(**own)
    # The parameter of the stack is not a placeholder: nothing removes or replaces it.
    ministack.add_bootstrap_parameter(PLACE)
    ministack.remove_bootstrap_parameter(PLACE)
    assert ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"] == "25"


def test_nothing_is_left_when_it_is_cleared(types: Types, connect: Any, ministack: Ministack) -> None:
    types.create("AWS::Logs::LogGroup", {"LogGroupName": "old"})
    ministack.clear()
    assert connect("logs").describe_log_groups()["logGroups"] == []


def test_every_type_that_ministack_makes_is_served_and_has_a_published_schema(
    ministack: Ministack, published: PublishedTypes
) -> None:
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    provider = MinistackProvider(ministack, published)
    # What the control plane makes, and what is made by its service's own API.
    names = ("CustomResource", "Stack", "WaitCondition", "WaitConditionHandle")
    own = {f"AWS::CloudFormation::{name}" for name in names} | SERVICE_TYPES.keys() | UNIFORM_TYPES.keys()
    served = {name for name in _RESOURCE_HANDLERS if provider.definition(name, PLACE) is not None}
    assert served >= set(_RESOURCE_HANDLERS) - own
    assert {name for name in published.names(PLACE.region) if provider.definition(name, PLACE)} == served


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


def test_an_attribute_that_is_a_list_is_one(types: Types) -> None:
    made = types.create("AWS::Route53::HostedZone", {"Name": "example.com."})
    assert [server for server in made.attributes["NameServers"] if not server.startswith("ns-")] == []
    assert len(made.attributes["NameServers"]) > 1


def test_a_mistake_of_ministack_shows_no_value(types: Types) -> None:
    with pytest.raises(ResourceFailed, match="ministack cannot carry this out") as raised:
        types.create("AWS::AutoScaling::AutoScalingGroup", {"MinSize": "secret", "MaxSize": "1"})
    assert raised.value.code == "InternalFailure"
    assert "secret" not in str(raised.value)


def test_a_large_property_arrives(types: Types, connect: Any) -> None:
    body = {"openapi": "3.0.1", "info": {"title": "large", "version": "1"}, "paths": {
        f"/path{number}": {"get": {"description": "x" * 200}} for number in range(400)
    }}  # fmt: skip
    made = types.create("AWS::ApiGateway::RestApi", {"Name": "large", "Body": body})
    assert connect("apigateway").get_rest_api(restApiId=made.physical_id)["name"]
    assert connect("s3").list_buckets()["Buckets"] == []


def test_generated_names_have_the_form_of_the_users_stack(types: Types) -> None:
    made = [
        types.create("AWS::ECS::Cluster", {}), types.create("AWS::Kinesis::Stream", {"ShardCount": 1}),
        types.create("AWS::EC2::SecurityGroup", {"GroupDescription": "d"}), types.create("AWS::Glue::Trigger", {
            "Type": "ON_DEMAND", "Actions": [{"JobName": "j"}]}),
    ]  # fmt: skip
    names = [resource.model.get("GroupName", resource.physical_id) for resource in made]
    assert [name for name in names if not re.fullmatch("shop-Thing-[A-Z0-9]{12}", name)] == []


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
