"""What SageMaker refuses in an endpoint configuration beyond its shape. Pure.

"Not recorded" stands where no public record of the service's text is known: the situation is documented, the wording
is the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cfnbox.sagemaker.rules import containers_of, invalid

if TYPE_CHECKING:
    from cfnbox.core.paths import Json

SERVERLESS_MEMORY = tuple(range(1024, 6145, 1024))


def variants_of(config: Json) -> list[Json]:
    """All variants of a configuration, production first."""
    return [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]


def check_configuration(config: Json) -> None:
    """Raises Refused with the first rule that a CreateEndpointConfig request breaks."""
    for rule in CONFIGURATION_RULES:
        if message := rule(config):
            raise invalid(message)
    for variant in variants_of(config):
        for variant_rule in VARIANT_RULES:
            if message := variant_rule(variant):
                raise invalid(message)


def check_serverless_model(variant: Json, model: Json) -> None:
    """Raises Refused when a serverless variant names a model with features that serverless inference lacks.

    Not recorded; developer guide, "Deploy models with Amazon SageMaker Serverless Inference", feature exclusions.
    """
    if "ServerlessConfig" not in variant:
        return
    containers = containers_of(model)
    lacking = {
        "VpcConfig": "VpcConfig" in model,
        "network isolation": bool(model.get("EnableNetworkIsolation")),
        "inference pipelines": len(containers) > 1,
        "multi-model endpoints": any(one.get("Mode") == "MultiModel" for one in containers),
        "private Docker registries": any(
            one.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc" for one in containers
        ),
    }
    if features := [name for name, used in lacking.items() if used]:
        raise invalid(f"Serverless inference does not support {_listed(features)}.")


def _unique_names(config: Json) -> str | None:
    # Not recorded; API reference, ProductionVariant: the name identifies the variant in an endpoint.
    names = [variant["VariantName"] for variant in variants_of(config)]
    return None if len(set(names)) == len(names) else "Each VariantName must be unique in the endpoint configuration."


def _one_shadow(config: Json) -> str | None:
    # Not recorded; API reference, CreateEndpointConfig$ShadowProductionVariants.
    shadows = config.get("ShadowProductionVariants", [])
    if not shadows or len(shadows) == len(config["ProductionVariants"]) == 1:
        return None
    return "With ShadowProductionVariants, specify one variant for each of ProductionVariants and it."


def _serverless_alone(config: Json) -> str | None:
    # Not recorded; developer guide, "Deploy models with Amazon SageMaker Serverless Inference", feature exclusions.
    variants = variants_of(config)
    if not any("ServerlessConfig" in variant for variant in variants):
        return None
    lacking = {
        "several production variants": len(config["ProductionVariants"]) > 1,
        "ShadowProductionVariants": bool(config.get("ShadowProductionVariants")),
        "AsyncInferenceConfig": "AsyncInferenceConfig" in config,
        "data capture": bool(config.get("DataCaptureConfig", {}).get("EnableCapture")),
        "VpcConfig": "VpcConfig" in config,
        "network isolation": bool(config.get("EnableNetworkIsolation")),
    }
    features = [name for name, used in lacking.items() if used]
    return f"Serverless inference does not support {_listed(features)}." if features else None


def _one_kind_of_capacity(variant: Json) -> str | None:
    # Not recorded; API reference, ProductionVariant$ServerlessConfig and $InstancePools.
    given = [name for name in ("InstanceType", "InstancePools", "ServerlessConfig") if name in variant]
    if len(given) == 1:
        return None
    return "Specify one of InstanceType, InstancePools and ServerlessConfig for each variant."


def _instance_count(variant: Json) -> str | None:
    # Not recorded; API reference, ProductionVariant$InitialInstanceCount.
    counted = "InitialInstanceCount" in variant
    if "ServerlessConfig" in variant:
        return "InitialInstanceCount is not supported with ServerlessConfig." if counted else None
    if counted or "ManagedInstanceScaling" in variant:
        return None
    return "Specify InitialInstanceCount for each variant that runs on instances."


def _serverless_size(variant: Json) -> str | None:
    # Not recorded; API reference, ProductionVariantServerlessConfig.
    config = variant.get("ServerlessConfig")
    if config is None:
        return None
    if config["MemorySizeInMB"] not in SERVERLESS_MEMORY:
        return f"MemorySizeInMB must be one of {', '.join(map(str, SERVERLESS_MEMORY))}."
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        return "ProvisionedConcurrency must be less than or equal to MaxConcurrency."
    return None


def _listed(names: Iterable[str]) -> str:
    return " or ".join(names)


Rule = Callable[["Json"], "str | None"]
CONFIGURATION_RULES: tuple[Rule, ...] = (_unique_names, _one_shadow, _serverless_alone)
VARIANT_RULES: tuple[Rule, ...] = (_one_kind_of_capacity, _instance_count, _serverless_size)
