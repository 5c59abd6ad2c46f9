"""Types that a service's own API creates, and their properties in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.providers.properties import violations
from providers.provider_requests import PLACE, RecordingProgress, request

if TYPE_CHECKING:
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.protocol import Resource
    from cfnbox.providers.services.provider import ServiceProvider

ROLE = "arn:aws:iam::123456789012:role/service-role/inference"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"
MODEL = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}
VARIANT = {"VariantName": "all", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.g6e.4xlarge"}
OUTPUT = {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
}
SERVERLESS = {
    "VariantName": "s",
    "ModelName": "m",
    "ServerlessConfig": {"MaxConcurrency": 5, "MemorySizeInMB": 2048},
}
ENDPOINT, CONFIG = "AWS::SageMaker::Endpoint", "AWS::SageMaker::EndpointConfig"
TARGET, POLICY = "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"


class Types:
    """The provider, with properties checked as the control plane does before it asks."""

    def __init__(self, provider: ServiceProvider) -> None:
        self.provider = provider

    def definition(self, type_name: str) -> TypeDefinition:
        found = self.provider.definition(type_name, PLACE)
        assert found
        return found

    def create(
        self, type_name: str, properties: dict[str, Any], progress: RecordingProgress | None = None, **members: Any
    ) -> Resource:
        definition = self.definition(type_name)
        assert violations(definition, properties) == []
        return self.provider.create(definition, request(**members), properties, progress or RecordingProgress())

    def update(
        self, type_name: str, resource: Resource, before: dict[str, Any], after: dict[str, Any], **members: Any
    ) -> Resource:
        definition = self.definition(type_name)
        assert violations(definition, after) == []
        return self.provider.update(definition, request(**members), resource, before, after, RecordingProgress())

    def delete(self, type_name: str, resource: Resource, properties: dict[str, Any] | None = None) -> None:
        self.provider.delete(self.definition(type_name), request(), resource, properties or {}, RecordingProgress())

    def read(self, type_name: str, identifier: str) -> Resource:
        return self.provider.read(self.definition(type_name), request(), identifier)

    def has_no_drift(self, type_name: str, resource: Resource, properties: dict[str, Any]) -> bool:
        definition, model = self.definition(type_name), self.read(type_name, resource.identifier).model
        return definition.changed(definition.explicitly_set(model, properties), properties) == []


def tags_of(client: Any, arn: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=arn)["Tags"]}
