"""Validation of requests, with SageMaker's messages: shapes from botocore, rules from records and the API reference.

"Not recorded" marks messages without a public record: the code and the rule are the service's, and the message
states the rule as in the API reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from botocore.model import ServiceModel

from cfnbox.aws import shapes
from cfnbox.core.errors import Refused
from cfnbox.core.paths import Json
from cfnbox.core.profiles import botocore_session

ENVIRONMENT_BYTES = 32 * 1024
TAGS_PER_RESOURCE = 50
METRIC_FREQUENCIES = (10, 30, 60, 120, 180, 240, 300)
ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)"
    r"\.(amazonaws\.com(\.cn)?|on\.(aws|amazonwebservices\.com\.cn))/\S+"
)
REGISTRY_HOST = re.compile(r"[^/]*[.:][^/]*/")


def invalid(message: str) -> Refused:
    """Return a ValidationException (HTTP 400), SageMaker's error for nearly every invalid request."""
    return Refused("ValidationException", message)


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of SageMaker, loaded once per process."""
    return ServiceModel(botocore_session().get_service_data("sagemaker"), "sagemaker")


def check_shape(operation: str, request: object) -> Json:
    """Return a request with the types of its shape. Raise Refused as documented in cfnbox.aws.shapes.checked."""
    return shapes.checked(service_model().operation_model(operation).input_shape, request)


def check_tags(tags: list[Json]) -> None:
    """Raise Refused for a reserved or a duplicate tag key (messages not recorded)."""
    keys = [tag["Key"] for tag in tags]
    check_tag_keys(keys)
    if len(set(keys)) < len(keys):
        raise invalid("Tag keys must be unique.")


def check_tag_keys(keys: list[str]) -> None:
    """Raise Refused for a key that begins with `aws:`, in upper or lower case (message not recorded)."""
    if any(key.lower().startswith("aws:") for key in keys):
        raise invalid("Tag keys that begin with aws: are reserved for internal use.")


def check_model(request: Json, region: str) -> None:
    """Raise Refused with the message of the first rule that a CreateModel request breaks, beyond its shape."""
    for rule in MODEL_RULES:
        if message := rule(request):
            raise invalid(message)
    for container in containers_of(request):
        for container_rule in CONTAINER_RULES:
            if message := container_rule(container):
                raise invalid(message)
        if message := _image_region(container, region):
            raise invalid(message)


def containers_of(request: Json) -> list[Json]:
    """Return the containers of a CreateModel request, from PrimaryContainer or Containers, in their order."""
    primary = request.get("PrimaryContainer")
    return [primary] if primary is not None else list(request.get("Containers", []))


def has_data_source(model: Json) -> bool:
    """Return whether a container of a model was created with ModelDataSource.

    A container with ModelDataUrl does not count: DescribeModel adds ModelDataSource to it.
    """
    return any("ModelDataSource" in c and "ModelDataUrl" not in c for c in containers_of(model))


def _image_region(container: Json, region: str) -> str | None:
    # ed-donner/alex#30; API reference, ContainerDefinition$Image.
    if container.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc":
        # The registry is the user's own, in the VPC: any host name is valid.
        return None
    image = container.get("Image", "")
    in_ecr = ECR_IMAGE.fullmatch(image)
    if in_ecr is None or in_ecr["region"] == region:
        return None
    return (
        f'Region of "{image}" does not match expected region of {region}. Cross region ECR image pulls are not '
        "allowed."
    )


def _one_kind_of_container(request: Json) -> str | None:
    # Not recorded; the API reference allows either PrimaryContainer or Containers.
    given = (request.get("PrimaryContainer") is not None) + bool(request.get("Containers"))
    return None if given == 1 else "Specify either PrimaryContainer or Containers."


def _one_multi_model_container(request: Json) -> str | None:
    multi = [c for c in request.get("Containers", []) if c.get("Mode") == "MultiModel"]
    return (
        "More than one container in MultiModel mode is not supported with inference pipeline."
        if len(multi) > 1
        else None
    )


def _hostnames(request: Json) -> str | None:
    # Not recorded; API reference, ContainerDefinition$ContainerHostname and InferenceExecutionConfig$Mode.
    containers = request.get("Containers", [])
    names = [c["ContainerHostname"] for c in containers if "ContainerHostname" in c]
    direct = request.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"
    if len(names) not in (0, len(containers)) or (direct and len(names) < len(containers)):
        return "Specify ContainerHostname for every container of the inference pipeline."
    return "ContainerHostname must be unique in the inference pipeline." if len(set(names)) < len(names) else None


def _environment_size(request: Json) -> str | None:
    # Not recorded; API reference, ContainerDefinition$Environment.
    maps = [c.get("Environment", {}) for c in containers_of(request)]
    size = sum(len((key + value).encode()) for one in maps for key, value in one.items())
    return None if size <= ENVIRONMENT_BYTES else "The combined length of all Environment maps must not exceed 32 KB."


def _vpc_for_private_registry(request: Json) -> str | None:
    # Not recorded; developer guide, "Use a Private Docker Registry for Real-Time Inference Containers".
    private = any(c.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc" for c in containers_of(request))
    return (
        "VpcConfig is required with Vpc repository access mode." if private and "VpcConfig" not in request else None
    )


def _package_or_image(container: Json) -> str | None:
    if "ModelPackageName" not in container or not container.keys() & {"Image", "ModelDataUrl"}:
        return None
    return "Specify one of either Image and Model Data URL or ModelPackageName in container definition."


def _image_reference(container: Json) -> str | None:
    image = container.get("Image")
    private = container.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc"
    if image is None or private or ECR_IMAGE.fullmatch(image):
        return None
    if REGISTRY_HOST.match(image) and ".dkr.ecr." not in image:
        return f'Using non-ECR image "{image}" without Vpc repository access mode is not supported.'
    return f'ECR image "{image}" is invalid.'


def _registry_auth(container: Json) -> str | None:
    # Not recorded; API reference, ImageConfig$RepositoryAuthConfig.
    config = container.get("ImageConfig", {})
    if "RepositoryAuthConfig" in config and config.get("RepositoryAccessMode") != "Vpc":
        return "RepositoryAuthConfig is supported with Vpc repository access mode only."
    return None


def _multi_model_source(container: Json) -> str | None:
    # Not recorded; API reference, ContainerDefinition$ModelDataSource.
    if container.get("Mode") == "MultiModel" and "ModelDataSource" in container:
        return "ModelDataSource is not supported in MultiModel mode."
    return None


def _data_sources(container: Json) -> str | None:
    # Not recorded; API reference, S3ModelDataSource$S3DataType and $CompressionType.
    sources = [container.get("ModelDataSource", {}), *container.get("AdditionalModelDataSources", [])]
    for source in (s["S3DataSource"] for s in sources if "S3DataSource" in s):
        if source["S3DataType"] != "S3Prefix":
            continue
        if not source["S3Uri"].endswith("/"):
            return "S3Uri must end with a forward slash when S3DataType is S3Prefix."
        if source["CompressionType"] == "Gzip":
            return "CompressionType Gzip requires S3DataType S3Object."
    return None


def _metric_frequency(container: Json) -> str | None:
    # Not recorded; API reference, MetricsEndpoint$MetricPublishFrequencyInSeconds.
    endpoints = container.get("ContainerMetricsConfig", {}).get("MetricsEndpoints", [])
    given = [e["MetricPublishFrequencyInSeconds"] for e in endpoints if "MetricPublishFrequencyInSeconds" in e]
    if all(frequency in METRIC_FREQUENCIES for frequency in given):
        return None
    return f"MetricPublishFrequencyInSeconds must be one of {', '.join(map(str, METRIC_FREQUENCIES))}."


Rule = Callable[[Json], "str | None"]
MODEL_RULES: tuple[Rule, ...] = (
    _one_kind_of_container,
    _one_multi_model_container,
    _hostnames,
    _environment_size,
    _vpc_for_private_registry,
)
CONTAINER_RULES: tuple[Rule, ...] = (
    _package_or_image,
    _image_reference,
    _registry_auth,
    _multi_model_source,
    _data_sources,
    _metric_frequency,
)
