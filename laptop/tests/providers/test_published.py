"""AWS's published schemas."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from laptop.providers.properties import violations
from laptop.providers.published import PublishedTypes


@pytest.fixture(scope="module")
def types() -> PublishedTypes:
    return PublishedTypes()


def test_a_type_has_identifier_and_attributes(types: PublishedTypes) -> None:
    found = types.find("AWS::SageMaker::EndpointConfig", "us-east-1")
    assert found
    assert found.primary_identifier == ("Id",)
    assert found.attributes == {"Id", "EndpointConfigName"}
    assert "EndpointConfigName" in found.create_only


def test_attributes_below_a_name_are_any(types: PublishedTypes) -> None:
    stack = types.find("AWS::CloudFormation::Stack", "eu-west-1")
    assert stack
    assert stack.has_attribute("Outputs.Url")
    assert not stack.has_attribute("Nope")


@pytest.mark.parametrize(
    "name", ["AWS::No::Such", "Custom::Thing", "Some::Company::Thing::MODULE", "", "AWS::Serverless::Api"]
)
def test_what_aws_does_not_publish_is_not_found(types: PublishedTypes, name: str) -> None:
    assert types.find(name, "us-east-1") is None


def test_regions_have_their_own_types(types: PublishedTypes) -> None:
    # Amazon Bedrock has agents in some regions only.
    assert types.find("AWS::Bedrock::Agent", "us-east-1") is not None
    assert types.find("AWS::Bedrock::Agent", "af-south-1") is None
    assert types.find("AWS::S3::Bucket", "nowhere-1") is not None


def test_any_number_of_threads_find_the_same_definition() -> None:
    types = PublishedTypes()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: types.find("AWS::SQS::Queue", "us-east-1"), range(40)))
    assert len({id(one) for one in found}) == 1


def test_cfn_lint_keeps_what_it_was_given() -> None:
    from cfnlint.schema import Schema
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    before = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::SQS::Queue")
    patched = Schema({**before.schema, "readOnlyProperties": []})
    PROVIDER_SCHEMA_MANAGER._registry_schemas["AWS::SQS::Queue"] = patched
    try:
        found = PublishedTypes().find("AWS::SQS::Queue", "us-east-1")
        assert found
        assert "Arn" in found.attributes
        assert PROVIDER_SCHEMA_MANAGER._registry_schemas["AWS::SQS::Queue"] is patched
        assert PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", "AWS::SQS::Queue") is before
    finally:
        del PROVIDER_SCHEMA_MANAGER._registry_schemas["AWS::SQS::Queue"]


def test_what_is_plainly_right_is_valid(types: PublishedTypes) -> None:
    bucket = types.find("AWS::S3::Bucket", "us-east-1")
    assert bucket
    assert violations(bucket, {"VersioningConfiguration": {"Status": "Enabled"}}) == []
