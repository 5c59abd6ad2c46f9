"""AWS's published schemas."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cfnbox.providers.properties import violations
from cfnbox.providers.published import PublishedSchemasMissing, PublishedTypes


@pytest.fixture(scope="module")
def types() -> PublishedTypes:
    return PublishedTypes()


def test_a_type_has_identifier_and_attributes(types: PublishedTypes) -> None:
    found = types.find("AWS::SageMaker::EndpointConfig", "us-east-1")
    assert found
    assert found.primary_identifier == ("EndpointConfigArn",)
    assert found.attributes == {"EndpointConfigArn", "EndpointConfigName"}
    assert "EndpointConfigName" in found.create_only


def test_attributes_with_free_names_are_accepted(types: PublishedTypes) -> None:
    stack = types.find("AWS::CloudFormation::Stack", "eu-west-1")
    assert stack
    assert stack.has_attribute("Outputs.Url")
    assert not stack.has_attribute("Nope")


@pytest.mark.parametrize(
    "name", ["AWS::No::Such", "Custom::Thing", "Some::Company::Thing::MODULE", "", "AWS::Serverless::Api"]
)
def test_an_unpublished_type_is_not_found(types: PublishedTypes, name: str) -> None:
    assert types.find(name, "us-east-1") is None


def test_regions_have_their_own_types(types: PublishedTypes) -> None:
    # Amazon Bedrock has agents in some regions only.
    assert types.find("AWS::Bedrock::Agent", "us-east-1") is not None
    assert types.find("AWS::Bedrock::Agent", "af-south-1") is None
    assert types.find("AWS::S3::Bucket", "nowhere-1") is not None


def test_a_type_of_another_region_has_its_attributes(types: PublishedTypes) -> None:
    assert types.find("AWS::OpsWorks::Instance", "us-east-1") is None
    instance = types.find("AWS::OpsWorks::Instance", "me-central-1")
    assert instance
    assert instance.has_attribute("AvailabilityZone")


def test_any_number_of_threads_find_the_same_definition() -> None:
    types = PublishedTypes()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: types.find("AWS::SQS::Queue", "us-east-1"), range(40)))
    assert len({id(one) for one in found}) == 1


def test_cfn_lint_is_not_imported() -> None:
    program = (
        "import sys; from cfnbox.providers.published import PublishedTypes; "
        "print(PublishedTypes().find('AWS::SQS::Queue', 'us-east-1').type_name, 'cfnlint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "AWS::SQS::Queue False\n"


def test_missing_schemas_raise_an_error_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(PublishedSchemasMissing, match=r"pip install 'cfn-lint<1\.\d+,>=1\.\d+'"):
        PublishedTypes().find("AWS::SQS::Queue", "us-east-1")


def test_valid_properties_have_no_violations(types: PublishedTypes) -> None:
    bucket = types.find("AWS::S3::Bucket", "us-east-1")
    assert bucket
    assert violations(bucket, {"VersioningConfiguration": {"Status": "Enabled"}}) == []
