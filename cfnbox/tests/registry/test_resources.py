"""AWS::CloudFormation::ResourceVersion and ResourceDefaultVersion, as resources of a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.providers.protocol import Progress, Request, Resource, ResourceFailed
from cfnbox.registry.resources import RegistryProvider
from providers.provider_requests import RecordingProgress, request
from registry.conftest import EAST, PUBLISHED
from registry.package_builders import NAME, package

if TYPE_CHECKING:
    from registry.conftest import Cloud

VERSION, DEFAULT = "AWS::CloudFormation::ResourceVersion", "AWS::CloudFormation::ResourceDefaultVersion"
ARN = "arn:aws:cloudformation:us-east-1:123456789012:type/resource/Example-Notes-Note"
ROLE = "arn:aws:iam::123456789012:role/types"


class Waiting(RecordingProgress):
    """A progress during whose waits registrations continue."""

    def wait(self, seconds: float) -> None:
        import time

        time.sleep(seconds)


class Stack:
    """Creates resources of both types as the control plane does."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.provider = cloud, RegistryProvider(cloud.registry, PUBLISHED)
        self._requests = 0

    def _asked(self, kind: str) -> tuple[Any, Request, Progress]:
        self._requests += 1
        return self.provider.definition(kind, EAST), request(f"R{self._requests}"), Waiting()

    def create(self, kind: str, **properties: Any) -> Resource:
        definition, asked, progress = self._asked(kind)
        return self.provider.create(definition, asked, properties, progress)

    def version(self, content: bytes = b"", **properties: Any) -> Resource:
        url = f"s3://types/{len(self.cloud.objects)}.zip"
        self.cloud.objects[url] = content or package()
        return self.create(VERSION, TypeName=NAME, SchemaHandlerPackage=url, **properties)

    def read(self, kind: str, identifier: str) -> Resource:
        definition, asked, _ = self._asked(kind)
        return self.provider.read(definition, asked, identifier)

    def delete(self, kind: str, resource: Resource) -> None:
        definition, asked, progress = self._asked(kind)
        self.provider.delete(definition, asked, resource, {}, progress)

    def listed(self, kind: str) -> list[str]:
        definition, asked, _ = self._asked(kind)
        return [one["Arn"] for one in self.provider.list(definition, asked, {}, None)[0]]


@pytest.fixture
def stack(cloud: Cloud) -> Stack:
    return Stack(cloud)


def test_a_resource_version_registers_a_version(stack: Stack) -> None:
    made = stack.version(ExecutionRoleArn=ROLE)
    assert (made.physical_id, made.identifier) == (f"{ARN}/00000001", f"{ARN}/00000001")
    attributes = {"Arn": f"{ARN}/00000001", "IsDefaultVersion": True, "ProvisioningType": "FULLY_MUTABLE",
                  "TypeArn": ARN, "VersionId": "00000001", "Visibility": "PRIVATE"}  # fmt: skip
    assert {name: made.attributes[name] for name in attributes} == attributes
    assert made.model["ExecutionRoleArn"] == ROLE
    assert stack.read(VERSION, made.identifier) == made
    assert stack.listed(VERSION) == [made.identifier]


def test_a_repeated_create_registers_a_single_version(stack: Stack) -> None:
    stack.version()
    definition, asked, progress = stack.provider.definition(VERSION, EAST), request("Again"), Waiting()
    properties = {"TypeName": NAME, "SchemaHandlerPackage": "s3://types/0.zip"}
    made = [stack.provider.create(definition, asked, properties, progress).identifier for _ in range(2)]  # type: ignore[arg-type]
    assert made == [f"{ARN}/00000002"] * 2


def test_a_package_that_cannot_be_registered_fails_the_resource(stack: Stack) -> None:
    with pytest.raises(ResourceFailed, match="cannot be read as a zip file") as caught:
        stack.version(b"no zip")
    assert caught.value.code == "NotStabilized"
    with pytest.raises(ResourceFailed, match="is reserved"):
        stack.create(VERSION, TypeName="AWS::S3::Bucket", SchemaHandlerPackage="s3://types/0.zip")


@pytest.mark.parametrize("by_arn", [True, False])
def test_a_default_version_is_set_and_changed(stack: Stack, by_arn: bool) -> None:
    first, second = stack.version(), stack.version(package("second"))

    def properties(version: Resource) -> dict[str, str]:
        if by_arn:
            return {"TypeVersionArn": version.identifier}
        return {"TypeName": NAME, "VersionId": version.identifier[-8:]}

    made = stack.create(DEFAULT, **properties(second))
    assert (made.physical_id, made.model["TypeVersionArn"]) == (ARN, second.identifier)
    assert stack.cloud.created_by().startswith("second ")
    definition = stack.provider.definition(DEFAULT, EAST)
    assert definition
    stack.provider.update(definition, request("R"), made, properties(second), properties(first), Waiting())
    assert stack.cloud.created_by().startswith("first ")
    assert stack.read(DEFAULT, ARN).model["VersionId"] == "00000001"
    assert stack.listed(DEFAULT) == [ARN]


def test_setting_the_current_default_version_succeeds(stack: Stack) -> None:
    """The first version is the default one; deploy/registration.yaml sets it nevertheless."""
    assert stack.create(DEFAULT, TypeVersionArn=stack.version().identifier).identifier == ARN


def test_a_newer_package_replaces_the_version(stack: Stack) -> None:
    """The new version is registered first, then becomes the default. The clean-up deletes the previous version."""
    old = stack.version()
    stack.create(DEFAULT, TypeVersionArn=old.identifier)
    new = stack.version(package("second"))
    stack.create(DEFAULT, TypeVersionArn=new.identifier)
    stack.delete(VERSION, old)
    assert stack.listed(VERSION) == [new.identifier]


def test_deleting_a_default_version_has_no_effect_and_deleting_the_last_version_removes_the_type(
    stack: Stack,
) -> None:
    version = stack.version()
    stack.delete(DEFAULT, stack.create(DEFAULT, TypeVersionArn=version.identifier))
    assert stack.listed(DEFAULT) == [ARN]
    stack.delete(VERSION, version)
    assert stack.listed(VERSION) == stack.listed(DEFAULT) == []
    for kind, identifier in ((VERSION, version.identifier), (DEFAULT, ARN)):
        with pytest.raises(ResourceFailed) as caught:
            stack.read(kind, identifier)
        assert caught.value.code == "NotFound"
    with pytest.raises(ResourceFailed) as caught:
        stack.delete(VERSION, version)
    assert caught.value.code == "NotFound"


def test_a_default_version_with_other_versions_is_not_deleted(stack: Stack) -> None:
    first = stack.version()
    stack.version(package("second"))
    with pytest.raises(ResourceFailed, match="has other versions in use"):
        stack.delete(VERSION, first)


def test_a_default_version_of_a_missing_version_is_refused(stack: Stack) -> None:
    for properties in ({"TypeVersionArn": f"{ARN}/00000007"}, {"TypeName": NAME, "VersionId": "00000001"}):
        with pytest.raises(ResourceFailed, match="cannot be found"):
            stack.create(DEFAULT, **properties)
