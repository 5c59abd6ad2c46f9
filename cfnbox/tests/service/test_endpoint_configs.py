"""Endpoint configurations: refusals and descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.endpoint_samples import (
    ARN,
    ASYNC,
    CAPTURE,
    FOR_COMPONENTS,
    SERVERLESS,
    VARIANT,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_configuration_is_described_with_the_members_of_its_request(
    client: Any, config: Callable[..., str]
) -> None:
    config(DataCaptureConfig=CAPTURE, AsyncInferenceConfig=ASYNC, Tags=[{"Key": "team", "Value": "fraud"}])

    answered = client.describe_endpoint_config(EndpointConfigName="config")

    assert answered.pop("CreationTime")
    answered.pop("ResponseMetadata")
    assert answered == {
        "EndpointConfigName": "config",
        "EndpointConfigArn": f"{ARN}endpoint-config/config",
        "ProductionVariants": [VARIANT | {"InitialVariantWeight": 1.0}],
        "DataCaptureConfig": CAPTURE,
        "AsyncInferenceConfig": ASYNC,
    }


NO_MODEL = f'Could not find model "{ARN}model/other".'
BAD_CONFIGURATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "model missing": ({"ProductionVariants": [VARIANT | {"ModelName": "other"}]}, NO_MODEL),
    "shadow's model missing": (
        {"ShadowProductionVariants": [VARIANT | {"ModelName": "other", "VariantName": "b"}]},
        NO_MODEL,
    ),
    "instance type unknown": (
        {"ProductionVariants": [VARIANT | {"InstanceType": "ml.x1.large"}]},
        "1 validation error detected: Value 'ml.x1.large' at 'productionVariants.1.member.instanceType' failed to "
        "satisfy constraint: Member must satisfy enum value set: [ml.t2.medium",
    ),
    "no variant": ({"ProductionVariants": []}, "1 validation error detected: Value '[]' at 'productionVariants'"),
    "name too long": ({"EndpointConfigName": "n" * 64}, f"2 validation errors detected: Value '{'n' * 64}' at"),
    "variant twice": (
        {"ProductionVariants": [VARIANT, VARIANT]},
        "Each VariantName must be unique in the endpoint configuration.",
    ),
    "nothing to run on": (
        {"ProductionVariants": [{"VariantName": "v", "ModelName": "model"}]},
        "Specify one of InstanceType, InstancePools and ServerlessConfig for each variant.",
    ),
    "serverless on instances": (
        {"ProductionVariants": [SERVERLESS | {"InstanceType": "ml.m5.large"}]},
        "Specify one of InstanceType, InstancePools and ServerlessConfig for each variant.",
    ),
    "no instance count": (
        {"ProductionVariants": [{"VariantName": "v", "ModelName": "model", "InstanceType": "ml.m5.large"}]},
        "Specify InitialInstanceCount for each variant that runs on instances.",
    ),
    "serverless and async": (
        {"ProductionVariants": [SERVERLESS], "AsyncInferenceConfig": ASYNC},
        "Serverless inference does not support AsyncInferenceConfig.",
    ),
    "serverless and data capture": (
        {"ProductionVariants": [SERVERLESS], "DataCaptureConfig": CAPTURE},
        "Serverless inference does not support data capture.",
    ),
    "serverless of 1.5 GB": (
        {"ProductionVariants": [SERVERLESS | {"ServerlessConfig": {"MemorySizeInMB": 1536, "MaxConcurrency": 1}}]},
        "MemorySizeInMB must be one of 1024, 2048, 3072, 4096, 5120, 6144.",
    ),
    "two shadows": (
        {"ShadowProductionVariants": [VARIANT | {"VariantName": "b"}, VARIANT | {"VariantName": "c"}]},
        "With ShadowProductionVariants, specify one variant for each of ProductionVariants and it.",
    ),
    "system tag": (
        {"Tags": [{"Key": "aws:team", "Value": "x"}]},
        "Tag keys that begin with aws: are reserved for internal use.",
    ),
}


@pytest.mark.parametrize(("members", "text"), BAD_CONFIGURATIONS.values(), ids=BAD_CONFIGURATIONS)
def test_an_inconsistent_configuration_is_refused_and_not_stored(
    client: Any, create: Callable[..., str], members: dict[str, Any], text: str
) -> None:
    create("model")
    request = {"EndpointConfigName": "config", "ProductionVariants": [VARIANT]} | members

    code, message = refused(client.create_endpoint_config, **request)

    assert (code, message[: len(text)]) == ("ValidationException", text)
    assert client.list_endpoint_configs()["EndpointConfigs"] == []


def test_serverless_inference_refuses_models_with_unsupported_features(
    client: Any, create: Callable[..., str]
) -> None:
    create("model", VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}, EnableNetworkIsolation=True)

    request = {"EndpointConfigName": "config", "ProductionVariants": [SERVERLESS]}

    assert refused(client.create_endpoint_config, **request)[1] == (
        "Serverless inference does not support VpcConfig or network isolation."
    )


def test_a_variant_for_inference_components_has_no_model(client: Any) -> None:
    client.create_endpoint_config(EndpointConfigName="config", **FOR_COMPONENTS)

    described = client.describe_endpoint_config(EndpointConfigName="config")
    assert described["ProductionVariants"] == FOR_COMPONENTS["ProductionVariants"]
