"""Type configurations: they are set, described, validated and passed to the handlers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from registry.package_builders import NAME, package

if TYPE_CHECKING:
    from registry.conftest import Cloud

ARN = "arn:aws:cloudformation:us-east-1:123456789012:type/resource/Example-Notes-Note"
CONFIGURATION_ARN = f"{ARN.replace(':type/', ':type-configuration/')}/default"
TYPE = {"Type": "RESOURCE", "TypeName": NAME}
CONFIGURABLE = {
    "definitions": {"Key": {"type": "string", "minLength": 3}},
    "typeConfiguration": {
        "properties": {"Key": {"$ref": "#/definitions/Key"}},
        "required": ["Key"],
        "additionalProperties": False,
    },
}


@pytest.fixture
def configurable(cloud: Cloud) -> Cloud:
    cloud.register(package(schema=CONFIGURABLE))
    return cloud


@pytest.mark.parametrize("named", [TYPE, {"TypeArn": ARN}])
def test_a_configuration_reaches_the_handlers(configurable: Cloud, named: Any) -> None:
    assert configurable.created_by().endswith(" None")
    answer = configurable.client.set_type_configuration(**named, Configuration='{"Key": "first"}')
    assert answer["ConfigurationArn"] == CONFIGURATION_ARN
    assert configurable.created_by().endswith(" {'Key': 'first'}")
    configurable.client.set_type_configuration(**named, Configuration='{"Key": "second"}')
    assert configurable.created_by().endswith(" {'Key': 'second'}")


def test_a_configuration_with_another_alias_does_not_reach_the_handlers(configurable: Cloud) -> None:
    asked = {**TYPE, "ConfigurationAlias": "spare", "Configuration": '{"Key": "spare"}'}
    assert configurable.client.set_type_configuration(**asked)["ConfigurationArn"].endswith("/spare")
    assert configurable.created_by().endswith(" None")


def test_batch_describe_returns_configurations_and_errors(configurable: Cloud) -> None:
    client = configurable.client
    client.set_type_configuration(**TYPE, Configuration='{"Key": "first"}')
    wanted = [
        TYPE,
        {"TypeArn": ARN},
        {"TypeConfigurationArn": CONFIGURATION_ARN},
        {**TYPE, "TypeConfigurationAlias": "spare"},
        {**TYPE, "TypeName": "Example::Other::Note"},
    ]
    answer = client.batch_describe_type_configurations(TypeConfigurationIdentifiers=wanted)
    found = answer["TypeConfigurations"]
    assert [one["Arn"] for one in found] == [CONFIGURATION_ARN] * 3
    assert (json.loads(found[0]["Configuration"]), found[0]["Alias"]) == ({"Key": "first"}, "default")
    assert found[0]["IsDefaultConfiguration"]
    assert [one["TypeConfigurationIdentifier"] for one in answer["Errors"]] == wanted[3:]
    assert json.loads(client.describe_type(**TYPE)["ConfigurationSchema"])["required"] == ["Key"]


@pytest.mark.parametrize(
    "text", ['{"Key": "xy"}', '{"Key": "secret", "Other": 1}', "{}", "[]", "secret", '{"Key": {"a": "secret"}}']
)
def test_a_configuration_that_violates_the_schema_is_refused(configurable: Cloud, text: str) -> None:
    call = configurable.client.set_type_configuration
    said = configurable.refused("CFNRegistryException", call, **TYPE, Configuration=text)
    assert "secret" not in said
    assert configurable.created_by().endswith(" None")


def test_a_type_without_a_configuration_schema_refuses_configurations(cloud: Cloud) -> None:
    call = cloud.client.set_type_configuration
    cloud.refused("TypeNotFoundException", call, **TYPE, Configuration="{}")
    cloud.register()
    assert "no typeConfiguration" in cloud.refused("CFNRegistryException", call, **TYPE, Configuration="{}")
    cloud.refused("CFNRegistryException", call, Configuration="{}")
