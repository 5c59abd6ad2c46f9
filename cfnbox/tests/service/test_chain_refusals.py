"""The chain from a model to an endpoint: the refusals of SageMaker, with its messages, by operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.endpoint_samples import ARN, ASYNC, FOR_COMPONENTS, SERVERLESS, VARIANT, refused
from service.samples import ROLE, data_source

if TYPE_CHECKING:
    from collections.abc import Callable

_OTHER_ACCOUNT = "111122223333.dkr.ecr.us-east-1.amazonaws.com/image:1"
_UNCOMPRESSED = {"S3DataSource": data_source()}
_NO_OWN_IMAGE = (
    "The container image URI is not a prebuilt SageMaker algorithm or deep learning image, or the bring-your-own "
    "container image URI does not reside in an Amazon ECR repository within the same AWS account creating the "
    "endpoint."
)
_MARKETPLACE = "arn:aws:sagemaker:us-east-1:865070037744:model-package/marketplace-model"
_SHARED = "arn:aws:sagemaker:us-east-1:111122223333:model-package/group/3"


@pytest.mark.parametrize(
    ("region", "image"),
    [
        ("eu-central-1", "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:1.13.1"),
        ("us-east-1", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/image:1"),
        ("us-east-1", "123456789012.dkr-ecr.us-west-2.on.aws/image:1"),
    ],
)
def test_an_image_of_another_region_is_refused(connect: Callable[..., Any], region: str, image: str) -> None:
    client = connect(region_name=region)

    assert refused(client.create_model, ModelName="model", PrimaryContainer={"Image": image}) == (
        "ValidationException",
        f'Region of "{image}" does not match expected region of {region}. Cross region ECR image pulls are not '
        "allowed.",
    )
    assert client.list_models()["Models"] == []


def test_an_image_of_a_private_registry_has_no_region(create: Callable[..., str]) -> None:
    create(
        "model",
        PrimaryContainer={"Image": "registry.example.com/image:1", "ImageConfig": {"RepositoryAccessMode": "Vpc"}},
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    )


_MODEL_REFUSALS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "serverless with ModelDataSource": (
        {"ModelDataSource": _UNCOMPRESSED},
        {"ProductionVariants": [SERVERLESS]},
        "Model with containers that use ModelDataSource ...",
    ),
    "serverless with an image of another account": (
        {"Image": _OTHER_ACCOUNT},
        {"ProductionVariants": [SERVERLESS]},
        _NO_OWN_IMAGE,
    ),
    "asynchronous with a package of the Marketplace": (
        {"Image": None, "ModelPackageName": _MARKETPLACE},
        {"AsyncInferenceConfig": ASYNC},
        "Marketplace images are not supported when specifying an AsyncInferenceConfig.",
    ),
}


@pytest.mark.parametrize(("container", "members", "text"), _MODEL_REFUSALS.values(), ids=_MODEL_REFUSALS)
def test_a_configuration_with_an_unsuitable_model_is_refused(
    client: Any, create: Callable[..., str], container: dict[str, Any], members: dict[str, Any], text: str
) -> None:
    create("model", PrimaryContainer=_container(container))

    code, message = refused(client.create_endpoint_config, **_configuration(members))

    assert (code, message[: len(text)]) == ("ValidationException", text)
    assert client.list_endpoint_configs()["EndpointConfigs"] == []


_MODELS_THAT_RUN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "serverless with an artifact": ({"ModelDataUrl": "s3://b/m.tar.gz"}, {"ProductionVariants": [SERVERLESS]}),
    "serverless with an image of this account": (
        {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"},
        {"ProductionVariants": [SERVERLESS]},
    ),
    "serverless with a deep learning image": (
        {"Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.1-cpu-py310"},
        {"ProductionVariants": [SERVERLESS]},
    ),
    "instances with an image of another account": ({"Image": _OTHER_ACCOUNT}, {}),
    "instances with ModelDataSource": ({"ModelDataSource": _UNCOMPRESSED}, {}),
    "instances with a package of the Marketplace": ({"Image": None, "ModelPackageName": _MARKETPLACE}, {}),
    "asynchronous with a package that another account shares": (
        {"Image": None, "ModelPackageName": _SHARED},
        {"AsyncInferenceConfig": ASYNC},
    ),
}


@pytest.mark.parametrize(("container", "members"), _MODELS_THAT_RUN.values(), ids=_MODELS_THAT_RUN)
def test_a_configuration_with_a_suitable_model_is_created(
    client: Any, create: Callable[..., str], container: dict[str, Any], members: dict[str, Any]
) -> None:
    create("model", PrimaryContainer=_container(container))

    client.create_endpoint_config(**_configuration(members))


_SCALED = {"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}}
_BAD_CONFIGURATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "managed scaling beside a model": (
        {"ProductionVariants": [VARIANT | _SCALED]},
        "ManagedInstanceScaling is only supported for inference component endpoints.",
    ),
    "volume size on local storage": (
        {"ProductionVariants": [VARIANT | {"InstanceType": "ml.g5.xlarge", "VolumeSizeInGB": 200}]},
        "VolumeSize parameter is not allowed for the selected Instance type ...",
    ),
    "inference components without a role": (
        {"ProductionVariants": FOR_COMPONENTS["ProductionVariants"]},
        "ExecutionRoleArn is required for an endpoint configuration whose variants have no ModelName.",
    ),
    "isolation of the configuration beside a model": (
        {"EnableNetworkIsolation": True, "ExecutionRoleArn": ROLE},
        "EnableNetworkIsolation is only supported for inference component endpoints.",
    ),
}


@pytest.mark.parametrize(("members", "text"), _BAD_CONFIGURATIONS.values(), ids=_BAD_CONFIGURATIONS)
def test_an_invalid_configuration_is_refused(
    client: Any, create: Callable[..., str], members: dict[str, Any], text: str
) -> None:
    create("model")

    code, message = refused(client.create_endpoint_config, **_configuration(members))

    assert (code, message[: len(text)]) == ("ValidationException", text)
    assert client.list_endpoint_configs()["EndpointConfigs"] == []


@pytest.mark.parametrize("instance_type", ["ml.m5.large", "ml.inf2.xlarge", "ml.c6i.xlarge"])
def test_a_volume_size_is_accepted_for_instances_without_local_storage(
    client: Any, create: Callable[..., str], instance_type: str
) -> None:
    create("model")

    variant = VARIANT | {"InstanceType": instance_type, "VolumeSizeInGB": 64}
    client.create_endpoint_config(**_configuration({"ProductionVariants": [variant]}))


def test_managed_scaling_is_accepted_for_inference_components(client: Any) -> None:
    variant = FOR_COMPONENTS["ProductionVariants"][0] | _SCALED

    client.create_endpoint_config(**_configuration(FOR_COMPONENTS | {"ProductionVariants": [variant]}))


def test_an_endpoint_of_models_refuses_inference_components(client: Any, endpoint: Callable[..., None]) -> None:
    endpoint()

    assert refused(client.create_inference_component, **_component()) == (
        "ValidationException",
        "Inference Components are not supported in this Endpoint. Please make sure this endpoint can deploy "
        "inference components.",
    )


def test_an_inference_component_requires_a_copy(
    client: Any, create: Callable[..., str], endpoint: Callable[..., None]
) -> None:
    endpoint(**FOR_COMPONENTS)

    assert refused(client.create_inference_component, **_component(RuntimeConfig={"CopyCount": 0})) == (
        "ValidationException",
        "Inference components copy count an integer larger than 0",
    )
    client.create_inference_component(**_component())


def test_asynchronous_inference_cannot_be_removed(
    client: Any, config: Callable[..., str], endpoint: Callable[..., None]
) -> None:
    endpoint(AsyncInferenceConfig=ASYNC)
    config("without")
    config("other", AsyncInferenceConfig=ASYNC)
    text = "The AsyncInferenceConfig parameter cannot be removed from this endpoint endpoint. To change the e"

    code, message = refused(client.update_endpoint, EndpointName="endpoint", EndpointConfigName="without")

    assert (code, message[: len(text)]) == ("ValidationException", text)
    assert client.describe_endpoint(EndpointName="endpoint")["EndpointConfigName"] == "config"
    client.update_endpoint(EndpointName="endpoint", EndpointConfigName="other")
    assert client.describe_endpoint(EndpointName="endpoint")["EndpointConfigName"] == "other"


def test_a_transform_job_needs_a_model(client: Any) -> None:
    assert refused(client.create_transform_job, **_transform_job()) == (
        "ValidationException",
        f'Could not find model "{ARN}model/model".',
    )


def test_a_transform_job_refuses_a_model_with_a_data_source(client: Any, create: Callable[..., str]) -> None:
    create("model", PrimaryContainer=_container({"ModelDataSource": _UNCOMPRESSED}))

    assert refused(client.create_transform_job, **_transform_job()) == (
        "ValidationException",
        "ModelDataSource is not supported in batch transform.",
    )


def test_a_transform_job_of_a_model_is_created(client: Any, create: Callable[..., str]) -> None:
    create("model", PrimaryContainer=_container({"ModelDataUrl": "s3://b/m.tar.gz"}))

    client.create_transform_job(**_transform_job())

    assert client.describe_transform_job(TransformJobName="job")["ModelName"] == "model"


def _container(members: dict[str, Any]) -> dict[str, Any]:
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.5-1"
    return {name: value for name, value in ({"Image": image} | members).items() if value is not None}


def _configuration(members: dict[str, Any]) -> dict[str, Any]:
    return {"EndpointConfigName": "config", "ProductionVariants": [VARIANT]} | members


def _component(**members: Any) -> dict[str, Any]:
    return {
        "InferenceComponentName": "component",
        "EndpointName": "endpoint",
        "VariantName": "AllTraffic",
        "Specification": {"ModelName": "model", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128}},
        "RuntimeConfig": {"CopyCount": 1},
    } | members


def _transform_job() -> dict[str, Any]:
    return {
        "TransformJobName": "job",
        "ModelName": "model",
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}},
        "TransformOutput": {"S3OutputPath": "s3://b/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
