"""Validation rules for endpoint configurations, beyond the shape of the request. Pure.

"Not recorded" marks messages without a public record: the rule is documented, and the message states the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cfnbox.sagemaker.prebuilt_images import PREBUILT_IMAGE_ACCOUNTS
from cfnbox.sagemaker.rules import ECR_IMAGE, containers_of, has_data_source, invalid

if TYPE_CHECKING:
    from cfnbox.core.paths import Json

SERVERLESS_MEMORY = tuple(range(1024, 6145, 1024))
# Instance families with local storage of a fixed size: the families of botocore's ProductionVariantInstanceType
# for which DescribeInstanceTypes of Amazon EC2 returns InstanceStorageSupported. Rule E9374 of `lint/` has the same
# table, because the two distributions do not import each other; a test compares them.
LOCAL_STORAGE_FAMILIES = frozenset((
    "c5d", "c6gd", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "m5d", "m6gd", "p4d", "p4de", "p5", "p5e", "p5en",
    "p6-b200", "p6-b300", "r5d", "r6gd", "r7gd", "trn1", "trn1n", "trn2",
))  # fmt: skip
# A model package of AWS Marketplace is in an account of AWS and has no version. A package that another account shares
# is a version in a group.
_UNVERSIONED_PACKAGE = re.compile(r"arn:[^:]+:sagemaker:[^:]*:(?P<account>\d{12}):model-package/[^/]+")


def variants_of(config: Json) -> list[Json]:
    """Return all variants of a configuration, production variants first."""
    return [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]


def check_configuration(config: Json) -> None:
    """Raise Refused with the message of the first rule that a CreateEndpointConfig request breaks."""
    for rule in CONFIGURATION_RULES:
        if message := rule(config):
            raise invalid(message)
    for variant in variants_of(config):
        for variant_rule in VARIANT_RULES:
            if message := variant_rule(variant):
                raise invalid(message)


def check_variant_model(config: Json, variant: Json, model: Json, account: str) -> None:
    """Raise Refused if a variant of a configuration cannot run its model."""
    if "ServerlessConfig" in variant:
        _check_serverless_model(model, account)
    if "AsyncInferenceConfig" in config and any(_is_of_marketplace(one, account) for one in containers_of(model)):
        # aws/sagemaker-python-sdk#3969
        raise invalid("Marketplace images are not supported when specifying an AsyncInferenceConfig.")


def _is_of_marketplace(container: Json, account: str) -> bool:
    package = _UNVERSIONED_PACKAGE.fullmatch(container.get("ModelPackageName", ""))
    return package is not None and package["account"] != account


def _check_serverless_model(model: Json, account: str) -> None:
    """Raise Refused if a model uses a feature that serverless inference does not support.

    Messages without a source are not recorded. Rules: developer guide, "Deploy models with Amazon SageMaker
    Serverless Inference", feature exclusions.
    """
    if has_data_source(model):
        # All public records of the message end here. The rule is in the API reference, ContainerDefinition.
        raise invalid(
            "Model with containers that use ModelDataSource ... (the rest of AWS's message is not known: serverless "
            "inference takes artifacts by ModelDataUrl only)"
        )
    if any(_is_of_another_account(one.get("Image", ""), account) for one in containers_of(model)):
        # aws/amazon-sagemaker-feedback#181
        raise invalid(
            "The container image URI is not a prebuilt SageMaker algorithm or deep learning image, or the "
            "bring-your-own container image URI does not reside in an Amazon ECR repository within the same AWS "
            "account creating the endpoint."
        )
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


def _is_of_another_account(image: str, account: str) -> bool:
    in_ecr = ECR_IMAGE.fullmatch(image)
    return in_ecr is not None and in_ecr["account"] not in (account, *PREBUILT_IMAGE_ACCOUNTS)


def _components_or_models(config: Json) -> str | None:
    models = ["ModelName" in variant for variant in variants_of(config)]
    if any(models):
        # Not recorded; users' reports. API reference, CreateEndpointConfig$EnableNetworkIsolation.
        isolated = "EnableNetworkIsolation is only supported for inference component endpoints."
        return isolated if config.get("EnableNetworkIsolation") else None
    # Not recorded; API reference, CreateEndpointConfig$ExecutionRoleArn.
    role = "ExecutionRoleArn is required for an endpoint configuration whose variants have no ModelName."
    return None if "ExecutionRoleArn" in config else role


def _managed_scaling(variant: Json) -> str | None:
    # hashicorp/terraform-provider-aws#45926
    if "ModelName" in variant and "ManagedInstanceScaling" in variant:
        return "ManagedInstanceScaling is only supported for inference component endpoints."
    return None


def _family(variant: Json) -> str:
    return str(variant.get("InstanceType", "")).removeprefix("ml.").rpartition(".")[0]


def _volume_size(variant: Json) -> str | None:
    # autogluon/autogluon-cloud#50 has the beginning of the message.
    if "VolumeSizeInGB" in variant and _family(variant) in LOCAL_STORAGE_FAMILIES:
        return (
            "VolumeSize parameter is not allowed for the selected Instance type ... (the rest of AWS's message is "
            "not known: the type has local storage of a fixed size)"
        )
    return None


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
CONFIGURATION_RULES: tuple[Rule, ...] = (_unique_names, _one_shadow, _serverless_alone, _components_or_models)
VARIANT_RULES: tuple[Rule, ...] = (
    _one_kind_of_capacity,
    _instance_count,
    _serverless_size,
    _managed_scaling,
    _volume_size,
)
