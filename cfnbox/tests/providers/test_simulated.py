"""Types without a local service: they are simulated from their published schemas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.paths import has, value_at
from cfnbox.core.place import Place
from cfnbox.providers.properties import violations
from cfnbox.providers.protocol import Resource, ResourceFailed
from cfnbox.providers.simulated import SimulatedProvider
from providers.provider_requests import PLACE, RecordingProgress, request

if TYPE_CHECKING:
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.published import PublishedTypes

GROUP, INSTANCE = "AWS::IAM::Group", "AWS::EC2::Instance"


@pytest.fixture
def provider(published: PublishedTypes) -> SimulatedProvider:
    return SimulatedProvider(published)


def definition_of(provider: SimulatedProvider, type_name: str) -> TypeDefinition:
    found = provider.definition(type_name, PLACE)
    assert found
    return found


def create(provider: SimulatedProvider, type_name: str, properties: dict[str, Any], **members: Any) -> Resource:
    definition = definition_of(provider, type_name)
    assert violations(definition, properties) == []
    return provider.create(definition, request(**members), properties, RecordingProgress())


def test_simulated_types_have_a_notice(provider: SimulatedProvider) -> None:
    definition = definition_of(provider, "AWS::Route53::HostedZone")
    assert provider.notice(definition, {}) == "simulated: no such service in cfnbox"


@pytest.mark.parametrize(
    "name", ["AWS::No::Such", "Custom::Thing", "Example::Any::Thing", "AWS::Serverless::Function"]
)
def test_an_unpublished_type_is_not_simulated(provider: SimulatedProvider, name: str) -> None:
    assert provider.definition(name, PLACE) is None


@pytest.mark.parametrize(
    ("type_name", "properties", "physical_id", "attributes"),
    [
        (GROUP, {}, r"shop-Thing-[A-Z0-9]{12}", {"Arn": r"arn:aws:iam::123456789012:group/shop-Thing-[A-Z0-9]{12}"}),
        (GROUP, {"GroupName": "ops"}, "ops", {"Arn": "arn:aws:iam::123456789012:group/ops"}),
        (
            INSTANCE,
            {"ImageId": "ami-1234567890abcdef0"},
            r"i-[0-9a-f]{17}",
            {"InstanceId": r"i-[0-9a-f]{17}", "PrivateIp": r"203\.0\.113\.\d+", "VpcId": "vpc-[0-9a-f]{17}"},
        ),
        ("AWS::EC2::EIP", {"Domain": "vpc"}, r"203\.0\.113\.\d+", {"AllocationId": "eipalloc-[0-9a-f]{17}"}),
        ("AWS::EC2::NatGateway", {"SubnetId": "subnet-1234567890abcdef0"}, "nat-[0-9a-f]{17}", {}),
        ("AWS::CodeDeploy::Application", {"ApplicationName": "shop"}, "shop", {}),
        (
            "AWS::MSK::Configuration",
            {"Name": "brokers", "ServerProperties": "a=b"},
            "arn:aws:kafka:us-east-1:123456789012:configuration/brokers",
            {"Arn": "arn:aws:kafka:us-east-1:123456789012:configuration/brokers"},
        ),
        (
            "AWS::Redshift::Cluster",
            {"ClusterType": "single-node", "DBName": "d", "MasterUsername": "u", "NodeType": "dc2.large"},
            ".*",
            {"Endpoint.Address": r"[0-9a-f]+\.redshift\.us-east-1\.amazonaws\.com", "Endpoint.Port": r"\d+"},
        ),
    ],
)
def test_identifiers_and_attributes_have_their_documented_form(
    provider: SimulatedProvider,
    type_name: str,
    properties: dict[str, Any],
    physical_id: str,
    attributes: dict[str, str],
) -> None:
    made = create(provider, type_name, properties)
    assert re.fullmatch(physical_id, made.physical_id)
    for name, form in attributes.items():
        assert re.fullmatch(form, str(made.attributes[name])), (name, made.attributes[name])
    assert {name: made.model[name] for name in properties} == properties


def test_a_simulated_resource_is_created_updated_and_deleted(provider: SimulatedProvider) -> None:
    definition = definition_of(provider, INSTANCE)
    first = {"ImageId": "ami-1", "InstanceType": "t3.micro", "Tags": [{"Key": "own", "Value": "1"}]}
    made = create(provider, INSTANCE, first, stack_tags={"team": "ml", "own": "2"})
    read = provider.read(definition, request(), made.identifier)
    assert (read.physical_id, read.attributes) == (made.physical_id, made.attributes)
    tags = [{"Key": "own", "Value": "1"}, {"Key": "team", "Value": "ml"}]
    assert definition.explicitly_set(read.model, first) == {**first, "Tags": tags}
    second = {"ImageId": "ami-1", "InstanceType": "t3.large"}
    updated = provider.update(definition, request(), made, first, second, RecordingProgress())
    kept = {name: value for name, value in made.attributes.items() if name not in first}
    assert updated.attributes == {**kept, **second}
    assert provider.read(definition, request(), made.identifier).model.get("Tags") is None
    provider.delete(definition, request(), updated, second, RecordingProgress())
    for gone in (
        lambda: provider.read(definition, request(), made.identifier),
        lambda: provider.delete(definition, request(), updated, second, RecordingProgress()),
        lambda: provider.update(definition, request(), updated, second, second, RecordingProgress()),
    ):
        with pytest.raises(ResourceFailed) as raised:
            gone()
        assert raised.value.code == "NotFound"


def test_an_existing_name_in_a_region_is_refused(provider: SimulatedProvider) -> None:
    create(provider, GROUP, {"GroupName": "ops"})
    with pytest.raises(ResourceFailed, match="identifier 'ops' already exists") as raised:
        create(provider, GROUP, {"GroupName": "ops"})
    assert raised.value.code == "AlreadyExists"
    create(provider, GROUP, {"GroupName": "ops"}, place=Place("eu-west-1"))


def test_write_only_properties_are_not_read(provider: SimulatedProvider) -> None:
    properties = {
        "ClusterType": "single-node",
        "DBName": "d",
        "MasterUsername": "u",
        "NodeType": "dc2.large",
        "MasterUserPassword": "Secret-1234",
    }
    made = create(provider, "AWS::Redshift::Cluster", properties)
    definition = definition_of(provider, "AWS::Redshift::Cluster")
    assert "MasterUserPassword" in definition.write_only
    read = provider.read(definition, request(), made.identifier).model
    assert "MasterUserPassword" not in read
    assert read["NodeType"] == "dc2.large"


def test_scalars_are_stored_in_their_declared_type(provider: SimulatedProvider) -> None:
    made = create(provider, INSTANCE, {"EbsOptimized": "true"})
    assert made.model["EbsOptimized"] is True


def test_resources_are_listed_in_pages(provider: SimulatedProvider) -> None:
    definition = definition_of(provider, GROUP)
    for number in range(150):
        create(provider, GROUP, {"GroupName": f"g{number}"})
    first, token = provider.list(definition, request(), {}, None)
    second, end = provider.list(definition, request(), {}, token)
    assert (len(first), len(second), end) == (100, 50, None)
    assert {definition.identifier(one) for one in (*first, *second)} == {f"g{number}" for number in range(150)}


def test_each_provider_has_its_own_resources(published: PublishedTypes) -> None:
    first, second = SimulatedProvider(published), SimulatedProvider(published)
    create(first, GROUP, {"GroupName": "ops"})
    create(second, GROUP, {"GroupName": "ops"})


def test_generated_identifiers_satisfy_the_schema(provider: SimulatedProvider, published: PublishedTypes) -> None:
    """Tests every fortieth type without properties: generated values satisfy patterns and lengths."""
    names = published.names("us-east-1")[::40]
    tried = 0
    for name in names:
        definition = provider.definition(name, PLACE)
        if definition is None:
            continue
        made = provider.create(definition, request(), {}, RecordingProgress())
        assert made.identifier == provider.read(definition, request(), made.identifier).identifier
        assert made.physical_id
        strings = [one for one in definition.read_only if "*" not in one and has(made.model, one)]
        assert [one for one in strings if value_at(made.model, one) is None] == []
        broken = [
            line
            for line in violations(definition, {one: made.model[one] for one in made.model if one in strings})
            if "pattern" in line or "Length" in line
        ]
        assert broken == [], name
        tried += 1
    assert tried > 30
