"""Resources that ministack creates, as its own services describe them."""

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
from cfnbox.providers.properties import violations
from cfnbox.providers.protocol import NOT_APPLIED, Resource, ResourceFailed
from cfnbox.providers.services.catalogue import SERVICE_TYPES, UNIFORM_TYPES
from providers.ministack_samples import SAMPLES, MinistackSample
from providers.provider_requests import PLACE, SYSTEM_TAGS, RecordingProgress, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.published import PublishedTypes

STREAM, STREAM_TYPE = {"ShardCount": 1}, "AWS::Kinesis::Stream"
# AWS's schema has ThingTypeProperties as updatable, and a change of the description replaces a thing type.
THING, THING_TYPE = {"ThingTypeProperties": {"ThingTypeDescription": "first"}}, "AWS::IoT::ThingType"
OTHER_THING = {"ThingTypeProperties": {"ThingTypeDescription": "second"}}
TABLE = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
    "Replicas": [{"Region": "us-east-1"}],
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


def stream_tags(connect: Any, name: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in connect("kinesis").list_tags_for_stream(StreamName=name)["Tags"]}


def thing_types(connect: Any) -> set[str]:
    return {found["thingTypeName"] for found in connect("iot").list_thing_types()["thingTypes"]}


def test_a_stream_is_created_updated_and_deleted_as_in_aws(types: Types, connect: Any) -> None:
    kinesis = connect("kinesis")
    stream = {**STREAM, "RetentionPeriodHours": 48, "Tags": [{"Key": "team", "Value": "own"}]}
    made = types.create(STREAM_TYPE, stream, stack_tags={"team": "stack", "cost": "1"}, system_tags=SYSTEM_TAGS)
    assert made.physical_id == made.identifier == made.model["Name"]
    assert made.physical_id.startswith("shop-Thing-")
    described = kinesis.describe_stream(StreamName=made.physical_id)["StreamDescription"]
    assert (made.attributes["Arn"], described["RetentionPeriodHours"]) == (described["StreamARN"], 48)
    assert stream_tags(connect, made.physical_id) == {"team": "own", "cost": "1", **SYSTEM_TAGS}
    # CloudFormation's own tags are no part of a resource model.
    assert made.model["Tags"] == [{"Key": "team", "Value": "own"}, {"Key": "cost", "Value": "1"}]
    longer = {**stream, "RetentionPeriodHours": 72}
    updated = types.update(STREAM_TYPE, made, stream, longer, stack_tags={"cost": "2"},
                           previous_stack_tags={"team": "stack", "cost": "1"})  # fmt: skip
    assert (updated.physical_id, updated.attributes) == (made.physical_id, made.attributes)
    described = kinesis.describe_stream(StreamName=made.physical_id)["StreamDescription"]
    assert described["RetentionPeriodHours"] == 72
    assert stream_tags(connect, made.physical_id)["cost"] == "2"
    types.delete(STREAM_TYPE, updated, longer)
    assert kinesis.list_streams()["StreamNames"] == []


def test_each_create_generates_a_new_name(types: Types) -> None:
    first, second = (types.create(STREAM_TYPE, STREAM) for _ in range(2))
    assert first.physical_id != second.physical_id
    assert all(one.physical_id.startswith("shop-Thing-") for one in (first, second))


def test_a_generated_name_stays_through_updates(types: Types) -> None:
    made = types.create(STREAM_TYPE, STREAM)
    longer = {**STREAM, "RetentionPeriodHours": 72}
    assert types.update(STREAM_TYPE, made, STREAM, longer).physical_id == made.physical_id


def test_an_update_that_ministack_cannot_apply_in_place_generates_a_new_name(types: Types, connect: Any) -> None:
    made = types.create(THING_TYPE, THING)
    updated = types.update(THING_TYPE, made, THING, OTHER_THING)
    assert updated.physical_id != made.physical_id
    assert updated.physical_id.startswith("shop-Thing-")
    # The old one is there until the control plane deletes it, so that a rollback finds it.
    assert thing_types(connect) == {made.physical_id, updated.physical_id}
    types.delete(THING_TYPE, made, THING)
    assert thing_types(connect) == {updated.physical_id}


def test_a_replacement_of_a_custom_named_resource_is_refused_without_an_effect(types: Types, connect: Any) -> None:
    first, other = {"ThingTypeName": "kept", **THING}, {"ThingTypeName": "kept", **OTHER_THING}
    made = types.create(THING_TYPE, first)
    with pytest.raises(ResourceFailed) as failure:
        types.update(THING_TYPE, made, first, other)
    assert str(failure.value) == (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename kept and "
        "update the stack again."
    )
    back = types.update(THING_TYPE, made, other, first, reverting=True)
    assert back.physical_id == "kept"
    kept = connect("iot").describe_thing_type(thingTypeName="kept")
    assert kept["thingTypeProperties"]["thingTypeDescription"] == "first"


@pytest.mark.parametrize(
    ("type_name", "properties"),
    [
        ("AWS::DynamoDB::GlobalTable", {"TableName": "taken", **TABLE}),
        ("AWS::ECS::Cluster", {"ClusterName": "taken"}),
        ("AWS::IoT::ThingType", {"ThingTypeName": "taken"}),
        ("AWS::Kinesis::Stream", {"Name": "taken", "ShardCount": 1}),
    ],
)
def test_an_existing_name_is_refused(types: Types, type_name: str, properties: dict[str, Any]) -> None:
    made = types.create(type_name, properties)
    with pytest.raises(ResourceFailed, match="already exists") as raised:
        types.create(type_name, properties, logical_id="Other")
    assert raised.value.code == "AlreadyExists"
    types.delete(type_name, made, properties)
    assert types.create(type_name, properties).physical_id == made.physical_id


def test_a_resource_created_by_the_api_is_not_overwritten(types: Types, connect: Any) -> None:
    iot = connect("iot")
    iot.create_thing_type(thingTypeName="mine", thingTypeProperties={"thingTypeDescription": "by hand"})
    with pytest.raises(ResourceFailed, match="identifier 'mine' already exists"):
        types.create(THING_TYPE, {"ThingTypeName": "mine", **THING})
    mine = iot.describe_thing_type(thingTypeName="mine")
    assert mine["thingTypeProperties"]["thingTypeDescription"] == "by hand"


def test_stack_tags_are_read_of_types_without_tags_in_ministack(types: Types) -> None:
    group = {"Name": "jobs"}
    made = types.create("AWS::Athena::WorkGroup", group, stack_tags={"a": "1"}, system_tags=SYSTEM_TAGS)
    assert made.model["Tags"] == [{"Key": "a", "Value": "1"}]


def test_a_resource_created_outside_of_stacks_can_be_read_and_deleted(types: Types, connect: Any) -> None:
    connect("iot").create_thing_type(thingTypeName="by-hand")
    read = types.read(THING_TYPE, "by-hand")
    assert (read.physical_id, read.model["ThingTypeName"]) == ("by-hand", "by-hand")
    types.delete(THING_TYPE, read, {"ThingTypeName": "by-hand"})
    assert thing_types(connect) == set()
    with pytest.raises(ResourceFailed) as raised:
        types.read(THING_TYPE, "by-hand")
    assert raised.value.code == "NotFound"


def test_reading_a_type_without_a_read_operation_is_refused(types: Types) -> None:
    made = types.create(STREAM_TYPE, STREAM)
    with pytest.raises(ResourceFailed, match=r"cannot read resources of type AWS::Kinesis::Stream") as raised:
        types.read(STREAM_TYPE, made.identifier)
    assert raised.value.code == "UnsupportedAction"


def test_list_returns_the_resources_of_the_provider(types: Types) -> None:
    made = [types.create(STREAM_TYPE, {**STREAM, "Name": name}) for name in ("one", "two")]
    listed, token = types.provider.list(types.definition(STREAM_TYPE), request(), {}, None)
    assert ([stream["Name"] for stream in listed], token) == ([stream.identifier for stream in made], None)


def test_resources_belong_to_their_region(types: Types, connect: Any) -> None:
    elsewhere, named = Place("eu-west-1"), {**STREAM, "Name": "news"}
    made = types.create(STREAM_TYPE, named, place=elsewhere)
    assert made.attributes["Arn"] == "arn:aws:kinesis:eu-west-1:123456789012:stream/news"
    assert connect("kinesis", "us-east-1").list_streams()["StreamNames"] == []
    assert types.create(STREAM_TYPE, named).attributes["Arn"].split(":")[3] == "us-east-1"


def test_many_resources_can_be_created_in_parallel(types: Types, connect: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: types.create(STREAM_TYPE, {**STREAM, "Name": f"g{n}"}), range(40)))
    assert len(connect("kinesis").list_streams(Limit=50)["StreamNames"]) == 40


def test_the_bootstrap_stack_replaces_the_bootstrap_parameter(ministack: Ministack, connect: Any) -> None:
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


def test_clear_deletes_all_resources(types: Types, connect: Any, ministack: Ministack) -> None:
    types.create(STREAM_TYPE, {**STREAM, "Name": "old"})
    ministack.clear()
    assert connect("kinesis").list_streams()["StreamNames"] == []


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
def test_an_answer_has_a_single_date_header(connect: Any, service: str, operation: str) -> None:
    """AWS's SDK for JavaScript and the CDK cannot parse two date headers."""
    answer = getattr(connect(service), operation)()
    assert answer["ResponseMetadata"]["HTTPHeaders"]["date"].count("GMT") == 1


def test_a_property_that_ministack_ignores_is_named(types: Types) -> None:
    definition = types.definition("AWS::Glue::Job")
    job = {"Command": {}, "Role": "r", "ExecutionClass": "FLEX", "LogUri": "s3://b/l"}
    assert types.provider.notice(definition, job) == "not applied here: ExecutionClass, LogUri"
    assert types.provider.notice(definition, {"Command": {}, "Role": "r"}) is None


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_every_property_of_a_sample_arrives_or_is_named(types: Types, connect: Any, sample: MinistackSample) -> None:
    definition = types.definition(sample.type_name)
    assert violations(definition, sample.properties) == []
    made = types.create(sample.type_name, sample.properties)
    notice = types.provider.notice(definition, sample.properties) or NOT_APPLIED
    named = [name for name in notice.removeprefix(NOT_APPLIED).split(", ") if name]
    lost = sample.lost(connect, made)
    assert {name for name in lost if not any(is_at(name, other) for other in named)} == set()
    assert [other for other in named if not any(is_at(name, other) for name in lost)] == []


def is_at(name: str, other: str) -> bool:
    """Return whether a name is another one, or below it."""
    return name == other or name.startswith(f"{other}.")


def test_a_strict_cloud_refuses_a_property_that_ministack_ignores(
    ministack: Ministack, published: PublishedTypes
) -> None:
    strict = Types(MinistackProvider(ministack, published, strict=True))
    with pytest.raises(ResourceFailed, match=r"does not apply LogUri of AWS::Glue::Job, .* without --strict"):
        strict.create("AWS::Glue::Job", {"Command": {}, "Role": "r", "LogUri": "s3://b/l"})


STREAMS = [{}, {"StreamSpecification": {"StreamViewType": "NEW_IMAGE"}}]


def test_attributes_that_depend_on_properties_are_returned_if_they_exist(types: Types) -> None:
    with ThreadPoolExecutor(4) as pool:
        tables = pool.map(lambda stream: types.create("AWS::DynamoDB::GlobalTable", {**TABLE, **stream}), STREAMS * 4)
        made = list(tables)
    assert ["StreamArn" in table.attributes for table in made] == [False, True] * 4


def test_a_list_attribute_is_returned_as_a_list(types: Types) -> None:
    made = types.create("AWS::Route53::HostedZone", {"Name": "example.com."})
    assert [server for server in made.attributes["NameServers"] if not server.startswith("ns-")] == []
    assert len(made.attributes["NameServers"]) > 1


def test_an_internal_error_of_ministack_shows_no_value(types: Types) -> None:
    with pytest.raises(ResourceFailed, match="ministack cannot carry this out") as raised:
        types.create("AWS::AutoScaling::AutoScalingGroup", {"MinSize": "secret", "MaxSize": "1"})
    assert raised.value.code == "InternalFailure"
    assert "secret" not in str(raised.value)


def test_a_large_property_reaches_ministack(types: Types, connect: Any) -> None:
    body = {"openapi": "3.0.1", "info": {"title": "large", "version": "1"}, "paths": {
        f"/path{number}": {"get": {"description": "x" * 200}} for number in range(400)
    }}  # fmt: skip
    made = types.create("AWS::ApiGateway::RestApi", {"Name": "large", "Body": body})
    assert connect("apigateway").get_rest_api(restApiId=made.physical_id)["name"]
    assert connect("s3").list_buckets()["Buckets"] == []


def test_generated_names_have_the_form_of_the_users_stack(types: Types) -> None:
    made = [
        types.create("AWS::ECS::Cluster", {}), types.create("AWS::Kinesis::Stream", {"ShardCount": 1}),
        types.create("AWS::Glue::Trigger", {"Type": "ON_DEMAND", "Actions": [{"JobName": "j"}]}),
    ]  # fmt: skip
    names = [resource.physical_id for resource in made]
    assert [name for name in names if not re.fullmatch("shop-Thing-[A-Z0-9]{12}", name)] == []


def test_a_failed_create_leaves_nothing_and_has_the_message_of_the_service(types: Types, connect: Any) -> None:
    with pytest.raises(ResourceFailed, match="Resource handler returned message"):
        types.create("AWS::ServiceDiscovery::Instance", {"ServiceId": "srv-none", "InstanceAttributes": {}})
    assert types.provider.list(types.definition("AWS::ServiceDiscovery::Instance"), request(), {}, None) == ([], None)


def test_a_deleted_resource_is_not_found(types: Types) -> None:
    made = types.create("AWS::ServiceDiscovery::HttpNamespace", {"Name": "space"})
    types.delete("AWS::ServiceDiscovery::HttpNamespace", made, {"Name": "space"})
    with pytest.raises(ResourceFailed) as raised:
        types.delete("AWS::ServiceDiscovery::HttpNamespace", made, {"Name": "space"})
    assert raised.value.code == "NotFound"


def test_an_unsupported_version_of_ministack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == "ministack" else version(name))
    processes = ChildProcesses()
    with pytest.raises(MinistackUnavailable, match=r"installed is 0\.1\. Install .* pip install ministack==1"):
        Ministack(4566, processes)
    processes.close()
