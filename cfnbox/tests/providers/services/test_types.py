"""Every type of the tables: each property is set, read, changed and read again."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.paths import values_at, without
from cfnbox.core.place import Place
from cfnbox.providers.protocol import NOT_APPLIED, ResourceFailed
from cfnbox.providers.services.catalogue import SERVICE_TYPES
from cfnbox.providers.services.provider import ServiceProvider
from providers.provider_requests import SYSTEM_TAGS, RecordingProgress, request
from providers.services import (
    samples_data,
    samples_ec2,
    samples_events,
    samples_iam,
    samples_lambda,
    samples_messaging,
    samples_s3,
    samples_secrets,
)
from providers.services.harness import Bench, Sample, found_directly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

SAMPLES = [
    *samples_data.SAMPLES,
    *samples_ec2.SAMPLES,
    *samples_events.SAMPLES,
    *samples_iam.SAMPLES,
    *samples_lambda.SAMPLES,
    *samples_messaging.SAMPLES,
    *samples_s3.SAMPLES,
    *samples_secrets.SAMPLES,
]
each = pytest.mark.parametrize("sample", SAMPLES, ids=str)
taggable = pytest.mark.parametrize("sample", [one for one in SAMPLES if SERVICE_TYPES[one.type_name].tags], ids=str)


@pytest.fixture
def bench(service_clients: ServiceClients, published: PublishedTypes, ministack: Any) -> Bench:
    return Bench(service_clients, published)


def test_every_type_has_a_sample() -> None:
    assert sorted(SERVICE_TYPES) == sorted(sample.type_name for sample in SAMPLES)


@each
def test_each_sample_sets_every_property_at_every_depth(sample: Sample, bench: Bench, connect: Any) -> None:
    definition = bench.definition(sample.type_name)
    first, second, _ = sample.states(sample.prepare(connect))
    not_applied = SERVICE_TYPES[sample.type_name].not_applied
    unsampled = [
        name
        for name in leaves(definition, definition.schema)
        if not (values_at(first, name) or values_at(second, name) or is_below(name, (*not_applied, *sample.apart)))
    ]
    # EndpointName and its like are read-only by the schema, and can be given at the creation.
    read_only = [name for name in definition.read_only if name not in definition.create_only]
    assert [name for name in unsampled if not is_below(name, read_only)] == []
    assert [name for name in not_applied if not values_at(first, name) and not values_at(second, name)] == []


def leaves(definition: TypeDefinition, node: Any, prefix: str = "", seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the dotted names of all leaf properties; `*` stands for the items of a list."""
    reference = node.get("$ref", "")
    if reference in seen:
        return
    node, seen = definition.resolved(node), (*seen, *([reference] if reference else ()))
    if "properties" in node:
        for name, inner in node["properties"].items():
            yield from leaves(definition, inner, f"{prefix}.{name}".strip("."), seen)
    elif node.get("type") == "array":
        # A list of texts is one property.
        items = definition.resolved(node.get("items", {}))
        yield from leaves(definition, node["items"], f"{prefix}.*", seen) if "properties" in items else (prefix,)
    else:
        yield prefix


def is_below(name: str, parents: Sequence[str]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


@each
def test_every_property_reaches_the_service_or_is_declared_as_not_applied(
    sample: Sample, bench: Bench, connect: Any
) -> None:
    first, second, minimal = sample.states(sample.prepare(connect))
    write_only = bench.definition(sample.type_name).write_only
    readable = [name for name in SERVICE_TYPES[sample.type_name].not_applied if name not in write_only]
    resource = bench.create(sample.type_name, first)
    assert bench.lost(sample, resource, first) == {name for name in readable if values_at(first, name)}
    for look in sample.direct:
        assert found_directly(connect, sample.service, look, resource) == look.first, look.method
    updated = bench.update(sample.type_name, resource, first, second)
    assert (updated.physical_id, updated.identifier) == (resource.physical_id, resource.identifier)
    read_only = bench.definition(sample.type_name).read_only
    assert [name for name in read_only if name in resource.attributes and name not in updated.attributes] == []
    assert bench.lost(sample, updated, second) == {name for name in readable if values_at(second, name)}
    for look in sample.direct:
        assert found_directly(connect, sample.service, look, updated) == look.second, look.method
    left = bench.update(sample.type_name, updated, second, minimal)
    model = bench.read(sample.type_name, left.identifier).model
    removed = [name for name in second if name not in minimal and name not in sample.stays]
    assert [name for name in removed if name in model and model[name] == second[name]] == []


@each
def test_a_resource_has_no_drift_after_each_change(sample: Sample, bench: Bench, connect: Any) -> None:
    definition = bench.definition(sample.type_name)
    first, second, _ = sample.states(sample.prepare(connect))
    resource = bench.create(sample.type_name, first)
    for before, after in ((first, second), (second, first)):
        resource = bench.update(sample.type_name, resource, before, after)
        model = bench.read(sample.type_name, resource.identifier).model
        expected = without(after, definition.write_only)
        assert definition.changed(definition.explicitly_set(model, expected), expected) == []


@each
def test_a_read_returns_the_attributes_of_the_resource(sample: Sample, bench: Bench, connect: Any) -> None:
    first, _, _ = sample.states(sample.prepare(connect))
    created = bench.create(sample.type_name, first)
    read = bench.read(sample.type_name, created.identifier)
    assert (read.physical_id, read.identifier) == (created.physical_id, created.identifier)
    unread = bench.definition(sample.type_name).write_only
    constant = {
        name: value
        for name, value in without(created.attributes, unread).items()
        if not name.endswith(("Date", "Count"))
    }
    assert {name: read.attributes.get(name) for name in constant} == constant


@pytest.mark.parametrize("sample", [one for one in SAMPLES if SERVICE_TYPES[one.type_name].list], ids=str)
def test_a_list_has_the_identifier_of_the_resource(sample: Sample, bench: Bench, connect: Any) -> None:
    first, _, _ = sample.states(sample.prepare(connect))
    created = bench.create(sample.type_name, first)
    definition = bench.definition(sample.type_name)
    listed, _ = bench.provider.list(definition, request(), first, None)
    assert created.identifier in [definition.identifier(model) for model in listed]


@each
def test_a_deleted_resource_is_not_found(sample: Sample, bench: Bench, connect: Any) -> None:
    first, _, _ = sample.states(sample.prepare(connect))
    resource = bench.create(sample.type_name, first)
    bench.delete(sample.type_name, resource, first)
    with pytest.raises(ResourceFailed) as failure:
        bench.read(sample.type_name, resource.identifier)
    assert failure.value.code == "NotFound"
    with pytest.raises(ResourceFailed) as failure:
        bench.delete(sample.type_name, resource, first)
    assert failure.value.code == "NotFound"


@each
def test_an_update_of_a_deleted_resource_is_not_found_and_makes_nothing(
    sample: Sample, bench: Bench, connect: Any
) -> None:
    first, second, _ = sample.states(sample.prepare(connect))
    resource = bench.create(sample.type_name, first)
    bench.delete(sample.type_name, resource, first)
    with pytest.raises(ResourceFailed) as failure:
        bench.update(sample.type_name, resource, first, second)
    assert failure.value.code == "NotFound"
    with pytest.raises(ResourceFailed) as failure:
        bench.read(sample.type_name, resource.identifier)
    assert failure.value.code == "NotFound"


@taggable
def test_tags_of_the_stack_and_of_cloudformation_reach_the_service(
    sample: Sample, bench: Bench, connect: Any
) -> None:
    first, second, _ = sample.states(sample.prepare(connect))
    own = {"Tags": [{"Key": "team", "Value": "own"}]}
    if bench.definition(sample.type_name).tags_are_a_map:
        own = {"Tags": {"team": "own"}}  # type: ignore[dict-item]
    before, after = {**first, **own}, {**second, **own}
    resource = bench.create(sample.type_name, before, stack_tags={"team": "stack", "cost": "1", "old": "x"},
                            system_tags=SYSTEM_TAGS)  # fmt: skip
    assert sample.tags
    tags_of_row = SERVICE_TYPES[sample.type_name].tags
    system = SYSTEM_TAGS if tags_of_row and tags_of_row.takes_system_tags else {}
    assert sample.tags(connect, resource) == {"team": "own", "cost": "1", "old": "x", **system}
    resource = bench.update(sample.type_name, resource, before, after, stack_tags={"cost": "2"},
                            previous_stack_tags={"team": "stack", "cost": "1", "old": "x"}, system_tags=SYSTEM_TAGS,
                            previous_system_tags=SYSTEM_TAGS)  # fmt: skip
    assert sample.tags(connect, resource) == {"team": "own", "cost": "2", **system}
    # CloudFormation's own tags are no part of a resource model.
    shown = bench.read(sample.type_name, resource.identifier).model["Tags"]
    tags = shown if isinstance(shown, dict) else {tag["Key"]: tag["Value"] for tag in shown}
    assert tags == {"team": "own", "cost": "2"}


# Each type is in one of them.
ELSEWHERE = list(zip(SAMPLES, itertools.cycle(("cn-north-1", "us-gov-west-1", "us-iso-east-1")), strict=False))


@pytest.mark.parametrize(("sample", "region"), ELSEWHERE, ids=str)
def test_arns_are_in_the_partition_of_the_region(
    sample: Sample,
    region: str,
    service_clients: ServiceClients,
    published: PublishedTypes,
    ministack: Any,
    connect: Any,
) -> None:
    place = Place(region)
    bench = Bench(service_clients, published, place)
    first, _, _ = sample.states(sample.prepare(functools.partial(connect, region=region)))
    resource = bench.create(sample.type_name, moved(first, place))
    read = bench.read(sample.type_name, resource.identifier)
    answered = (resource.physical_id, resource.identifier, *texts(resource.attributes), *texts(read.attributes))
    assert {text for text in answered if "arn:" in text and f"arn:{place.partition}:" not in text} == set()


def moved(value: Any, place: Place) -> Any:
    """Return properties with their ARNs in another place."""
    if isinstance(value, dict):
        return {name: moved(inner, place) for name, inner in value.items()}
    if isinstance(value, list):
        return [moved(item, place) for item in value]
    if isinstance(value, str) and "arn:" in value:
        return value.replace("arn:aws:", f"arn:{place.partition}:").replace("us-east-1", place.region)
    return value


def texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value, at any depth."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@each
def test_generated_names_are_unique(sample: Sample, bench: Bench) -> None:
    name = SERVICE_TYPES[sample.type_name].name
    if name is None:
        assert sample.type_name in WITHOUT_NAMES
        return
    definition = bench.definition(sample.type_name)
    assert name.property in definition.schema["properties"]
    assert name.limit >= len("shop-Thing-") + 12


# Types whose identifier the service makes, or that belong to another resource.
WITHOUT_NAMES = {
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::Events::EventBus",
    "AWS::IAM::AccessKey",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Url",
    "AWS::Lambda::Version",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::SecretsManager::RotationSchedule",
}


@pytest.mark.parametrize("sample", [one for one in SAMPLES if SERVICE_TYPES[one.type_name].not_applied], ids=str)
def test_properties_that_are_not_applied_are_named_and_refused_with_strict(
    sample: Sample, bench: Bench, connect: Any, service_clients: ServiceClients, published: PublishedTypes
) -> None:
    definition = bench.definition(sample.type_name)
    first, second, minimal = sample.states(sample.prepare(connect))
    properties = {**second, **first}
    row = SERVICE_TYPES[sample.type_name]
    names = [name for name in row.not_applied if values_at(properties, name)]
    assert bench.provider.notice(definition, properties) == NOT_APPLIED + ", ".join(
        [*names, *row.remarks(properties)]
    )
    assert bench.provider.notice(definition, minimal) is None
    strict = ServiceProvider(service_clients, published, strict=True)
    with pytest.raises(ResourceFailed, match=f"cfnbox does not apply {names[0]}") as failure:
        strict.create(definition, request(), properties, RecordingProgress())
    assert failure.value.code == "InvalidRequest"
    assert strict.create(definition, request(), minimal, RecordingProgress()).physical_id
