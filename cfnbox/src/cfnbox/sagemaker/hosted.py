"""The containers of an endpoint or an inference component, by variant. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.sagemaker.endpoint_rules import variants_of
from cfnbox.sagemaker.hosting import STARTUP_SECONDS, Container
from cfnbox.sagemaker.packages import containers_of_package
from cfnbox.sagemaker.rules import containers_of

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.sagemaker.api import PlaceStore

# SageMaker's name for the only container of a model.
PRIMARY = "primary"
_STARTUP = "ContainerStartupHealthCheckTimeoutInSeconds"


def containers_of_endpoint(place: PlaceStore, config: Json) -> dict[str, tuple[Container, ...]]:
    """Return the containers of a configuration by variant. A variant for inference components has no containers."""
    return {
        variant["VariantName"]: _containers_of_model(place, variant["ModelName"], variant.get(_STARTUP))
        for variant in variants_of(config)
        if "ModelName" in variant
    }


def containers_of_component(place: PlaceStore, component: Json) -> dict[str, tuple[Container, ...]]:
    """Return the containers of an inference component, keyed by the name of its variant."""
    specification = component.get("Specification", {})
    seconds = specification.get("StartupParameters", {}).get(_STARTUP)
    variant = component.get("VariantName", "")
    if "ModelName" in specification:
        return {variant: _containers_of_model(place, specification["ModelName"], seconds)}
    container = specification.get("Container", {})
    image = container.get("DeployedImage", {}).get("SpecifiedImage")
    if image is None:
        return {variant: ()}
    environment, artifacts = container.get("Environment", {}), container.get("ArtifactUrl", "")
    return {variant: (Container(PRIMARY, image, environment, artifacts, startup_seconds=seconds or STARTUP_SECONDS),)}


def _containers_of_model(place: PlaceStore, name: str, seconds: float | None) -> tuple[Container, ...]:
    model = place.model(name).description
    containers = [part for one in containers_of(model) for part in containers_of_package(place, one) or [one]]
    is_direct = model.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"
    return tuple(
        Container(
            one.get("ContainerHostname") or (PRIMARY if len(containers) == 1 else f"container-{number}"),
            # A package that is not stored has no image.
            one.get("Image") or one.get("ModelPackageName", ""),
            one.get("Environment", {}),
            one.get("ModelDataUrl") or one.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", ""),
            one.get("Mode") == "MultiModel",
            is_direct,
            seconds or STARTUP_SECONDS,
        )
        for number, one in enumerate(containers, 1)
    )
