"""Requests and functions that several tests of endpoints use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable

ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": "model",
    "InstanceType": "ml.g6e.4xlarge",
    "InitialInstanceCount": 2,
}
# What CreateEndpointConfig takes for an endpoint of inference components.
FOR_COMPONENTS: dict[str, Any] = {
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/execution",
    "ProductionVariants": [{"VariantName": "AllTraffic", "InstanceType": "ml.g5.2xlarge", "InitialInstanceCount": 1}],
}
SERVERLESS = {
    "VariantName": "AllTraffic",
    "ModelName": "model",
    "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 30,
    "DestinationS3Uri": "s3://bucket/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
}
ASYNC = {"OutputConfig": {"S3OutputPath": "s3://bucket/results"}}
IN_PROGRESS = f'Cannot update in-progress endpoint "{ARN}endpoint/endpoint".'
TAGS = [{"Key": "a", "Value": "1"}]
WEIGHT = {"VariantName": "AllTraffic", "DesiredWeight": 2.0}


def described(client: Any) -> dict[str, Any]:
    """Describe the endpoint `endpoint`."""
    answered: dict[str, Any] = client.describe_endpoint(EndpointName="endpoint")
    answered.pop("ResponseMetadata")
    return answered


def refused(call: Callable[..., object], **members: Any) -> tuple[str, str]:
    """Return the code and message of the refusal of a call."""
    with pytest.raises(exceptions.ClientError) as raised:
        call(**members)
    error = raised.value.response["Error"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Code"], error["Message"]
