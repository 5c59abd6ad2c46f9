"""Endpoint configurations, endpoints and inference components: create, update, describe, delete and list."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING

from cfnbox.sagemaker.endpoint_rules import check_configuration, check_variant_model, variants_of
from cfnbox.sagemaker.resources import Kind, Statuses, Words, output
from cfnbox.sagemaker.rules import containers_of, has_data_source, invalid
from cfnbox.sagemaker.store import Stored, now

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.sagemaker.api import PlaceStore

# Members that DescribeEndpoint copies from the configuration.
_SHOWN_OF_CONFIGURATION = ("AsyncInferenceConfig", "ExplainerConfig", "MetricsConfig")
# UpdateEndpoint$RetainAllVariantProperties: the retained members of a variant, by VariantPropertyType.
_RETAINED = {
    "DesiredInstanceCount": ("DesiredInstanceCount", "CurrentInstanceCount"),
    "DesiredWeight": ("DesiredWeight", "CurrentWeight"),
}
_IN_PROGRESS = Words('Cannot update in-progress endpoint "{arn}".')


def _prepared_configuration(place: PlaceStore, request: Json) -> Json:
    check_configuration(request)
    _check_models(place, request)
    for variant in variants_of(request):
        # API reference, ProductionVariant$InitialVariantWeight; a variant for inference components has none.
        if "ModelName" in variant:
            variant.setdefault("InitialVariantWeight", 1.0)
    return request


def _check_models(place: PlaceStore, config: Json) -> None:
    for variant in variants_of(config):
        if "ModelName" in variant:
            check_variant_model(config, variant, place.model(variant["ModelName"]).description, place.account)


CONFIGURATION = Kind(
    title="EndpointConfig",
    path="endpoint-config",
    missing=Words('Could not find endpoint configuration "{arn}".'),
    exists=Words('Cannot create already existing endpoint configuration "{arn}".'),
    prepared=_prepared_configuration,
)


def _deployed(place: PlaceStore, config: Stored) -> Json:
    """Return the members of an endpoint that follow from its deployed configuration."""
    shown = {name: copy.deepcopy(config.members[name]) for name in _SHOWN_OF_CONFIGURATION if name in config.members}
    shown["EndpointConfigName"] = config.name
    for name in ("ProductionVariants", "ShadowProductionVariants"):
        if config.members.get(name):
            shown[name] = [_variant(place, variant) for variant in config.members[name]]
    if capture := config.members.get("DataCaptureConfig"):
        shown["DataCaptureConfig"] = {
            "EnableCapture": capture.get("EnableCapture", False),
            "CaptureStatus": "Started" if capture.get("EnableCapture") else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
        } | ({"KmsKeyId": capture["KmsKeyId"]} if "KmsKeyId" in capture else {})
    return shown


def _variant(place: PlaceStore, variant: Json) -> Json:
    """Return the summary of a variant after its deployment."""
    shown: Json = {"VariantName": variant["VariantName"]}
    if "ModelName" in variant:
        containers = containers_of(place.model(variant["ModelName"]).description)
        shown["DeployedImages"] = [deployed_image(one["Image"]) for one in containers if "Image" in one]
        shown["CurrentWeight"] = shown["DesiredWeight"] = variant["InitialVariantWeight"]
    if "ServerlessConfig" in variant:
        shown["CurrentInstanceCount"] = 0
        shown["CurrentServerlessConfig"] = shown["DesiredServerlessConfig"] = dict(variant["ServerlessConfig"])
    else:
        least = variant.get("ManagedInstanceScaling", {}).get("MinInstanceCount", 1)
        shown["CurrentInstanceCount"] = shown["DesiredInstanceCount"] = variant.get("InitialInstanceCount", least)
    for name in ("ManagedInstanceScaling", "RoutingConfig"):
        if name in variant:
            shown[name] = copy.deepcopy(variant[name])
    return shown


def deployed_image(image: str) -> Json:
    """Return a DeployedImage. Without a registry, the digest is the hash of the image reference."""
    repository, _, digest = image.partition("@")
    if not digest:
        name, _, tag = repository.rpartition(":")
        repository = name if name and "/" not in tag else repository
        digest = f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"
    return {"SpecifiedImage": image, "ResolvedImage": f"{repository}@{digest}", "ResolutionTime": now()}


def _prepared_endpoint(place: PlaceStore, request: Json) -> Json:
    config = CONFIGURATION.find(place, request["EndpointConfigName"])
    _check_models(place, config.members)
    members = _deployed(place, config)
    return members | ({"LastDeploymentConfig": request["DeploymentConfig"]} if "DeploymentConfig" in request else {})


def _changed_endpoint(place: PlaceStore, endpoint: Stored, request: Json) -> Json:
    config = CONFIGURATION.find(place, request["EndpointConfigName"])
    _check_models(place, config.members)
    if "AsyncInferenceConfig" in endpoint.members and "AsyncInferenceConfig" not in config.members:
        # aws/sagemaker-python-sdk#3124, whose quotation ends after "To change the e".
        raise invalid(
            f"The AsyncInferenceConfig parameter cannot be removed from this endpoint {endpoint.name}. To change the "
            "e... (the rest of AWS's message is not known: create another endpoint for real-time inference)"
        )
    members = _deployed(place, config)
    if request.get("RetainAllVariantProperties"):
        excluded = [one["VariantPropertyType"] for one in request.get("ExcludeRetainedVariantProperties", [])]
        _retain(endpoint.members, members, excluded)
    last = endpoint.members.get("LastDeploymentConfig") if request.get("RetainDeploymentConfig") else None
    deployment = request.get("DeploymentConfig", last)
    endpoint.members["PendingDeploymentSummary"] = _pending(config, members)
    return members | ({"LastDeploymentConfig": deployment} if deployment else {})


def _retain(old: Json, new: Json, excluded: list[str]) -> None:
    before = {variant["VariantName"]: variant for variant in old.get("ProductionVariants", [])}
    for variant in new["ProductionVariants"]:
        kept = before.get(variant["VariantName"], {})
        for kind, members in _RETAINED.items():
            if kind not in excluded:
                variant.update({name: kept[name] for name in members if name in kept and name in variant})
    if "DataCaptureConfig" in old and "DataCaptureConfig" not in excluded:
        new["DataCaptureConfig"] = old["DataCaptureConfig"]


def _pending(config: Stored, members: Json) -> Json:
    instance_types = {one["VariantName"]: one.get("InstanceType") for one in variants_of(config.members)}
    pending: Json = {"EndpointConfigName": config.name, "StartTime": now()}
    for name in ("ProductionVariants", "ShadowProductionVariants"):
        if name in members:
            pending[name] = [
                variant | ({"InstanceType": kind} if (kind := instance_types[variant["VariantName"]]) else {})
                for variant in members[name]
            ]
    return pending


def _shown_endpoint(place: PlaceStore, endpoint: Stored) -> Json:
    """Return the pending summary. During a create it replaces the variants; during an update they stay."""
    if endpoint.change is None:
        return {"PendingDeploymentSummary": None}
    if endpoint.status == "Creating":
        config = place.resources.find(CONFIGURATION.path, endpoint.members["EndpointConfigName"])
        pending = _pending(config, endpoint.members) if config else None
        hidden = dict.fromkeys(("ProductionVariants", "ShadowProductionVariants"))
        return hidden | {"PendingDeploymentSummary": pending}
    return {}


def _check_settled(endpoint: Stored) -> None:
    if endpoint.change is not None:
        raise _IN_PROGRESS.about(endpoint)


def _check_updatable(_: PlaceStore, endpoint: Stored) -> None:
    _check_settled(endpoint)
    if endpoint.status == "Failed":
        # Not recorded; API reference, DescribeEndpoint$EndpointStatus: a failed endpoint can only be deleted.
        raise invalid(f'Cannot update failed endpoint "{endpoint.arn}". It can only be deleted.')


def _check_deletable(place: PlaceStore, endpoint: Stored) -> None:
    _check_settled(endpoint)
    hosted = [one for one in place.resources.all(COMPONENT.path) if one.members["EndpointName"] == endpoint.name]
    if hosted:
        # Not recorded; seen in amazon-sagemaker-feedback#49: no deletion before that of the inference components.
        raise invalid(f'Cannot delete endpoint "{endpoint.arn}": delete its inference components first.')


ENDPOINT = Kind(
    title="Endpoint",
    path="endpoint",
    missing=Words('Could not find endpoint "{arn}".'),
    exists=Words('Cannot create already existing endpoint "{arn}".'),
    statuses=Statuses("EndpointStatus", "InService", "Creating", "Updating", "Deleting"),
    prepared=_prepared_endpoint,
    changed=_changed_endpoint,
    before_change=_check_updatable,
    before_delete=_check_deletable,
    shown=_shown_endpoint,
)


def update_weights_and_capacities(place: PlaceStore, request: Json) -> Json:
    """Answer UpdateEndpointWeightsAndCapacities. The desired values apply after the status Updating."""
    endpoint = ENDPOINT.find(place, request["EndpointName"])
    _check_updatable(place, endpoint)
    members = copy.deepcopy(endpoint.members)
    variants = {variant["VariantName"]: variant for variant in variants_of(members)}
    for desired in request["DesiredWeightsAndCapacities"]:
        if desired["VariantName"] not in variants:
            # Not recorded; API reference, DesiredWeightAndCapacity$VariantName.
            raise invalid(f'Could not find variant "{desired["VariantName"]}" of endpoint "{endpoint.arn}".')
        variant = variants[desired["VariantName"]]
        for name in ("Weight", "InstanceCount"):
            if f"Desired{name}" in desired:
                variant[f"Desired{name}"] = variant[f"Current{name}"] = desired[f"Desired{name}"]
        if "ServerlessUpdateConfig" in desired:
            config = variant.get("CurrentServerlessConfig", {}) | desired["ServerlessUpdateConfig"]
            variant["CurrentServerlessConfig"] = variant["DesiredServerlessConfig"] = config
    ENDPOINT.begin_update(endpoint, members)
    return output("UpdateEndpointWeightsAndCapacities", {"EndpointArn": endpoint.arn})


def _prepared_component(place: PlaceStore, request: Json) -> Json:
    endpoint = ENDPOINT.find(place, request["EndpointName"])
    if any("CurrentWeight" in variant for variant in endpoint.members["ProductionVariants"]):
        # hashicorp/terraform-provider-aws#40644; only a variant with a model has a weight.
        raise invalid(
            "Inference Components are not supported in this Endpoint. Please make sure this endpoint can deploy "
            "inference components."
        )
    if request.get("RuntimeConfig", {}).get("CopyCount") == 0:
        # stdapi-ai/stdapi.ai#43
        raise invalid("Inference components copy count an integer larger than 0")
    variants = [variant["VariantName"] for variant in endpoint.members["ProductionVariants"]]
    if request.get("VariantName", variants[0]) not in variants:
        # Not recorded; API reference, CreateInferenceComponent$VariantName.
        raise invalid(f'Could not find variant "{request["VariantName"]}" of endpoint "{endpoint.arn}".')
    return _with_specification(place, request | {"EndpointArn": endpoint.arn})


def _with_specification(place: PlaceStore, members: Json) -> Json:
    """Return the members with Describe's summary of the specification, and the current copy count."""
    specification = members.get("Specification", {})
    if "ModelName" in specification:
        place.model(specification["ModelName"])
    container = specification.get("Container", {})
    if "Image" in container:
        container["DeployedImage"] = deployed_image(container.pop("Image"))
    if copies := members.get("RuntimeConfig", {}).pop("CopyCount", None):
        members["RuntimeConfig"] = {"DesiredCopyCount": copies, "CurrentCopyCount": copies}
    return members


def _changed_component(place: PlaceStore, component: Stored, request: Json) -> Json:
    return _with_specification(place, component.members | request)


def _check_component_settled(_: PlaceStore, component: Stored) -> None:
    if component.change is not None:
        # Not recorded; seen in amazon-sagemaker-examples#3432: a component cannot be deleted while it is created.
        raise invalid(f'Cannot update in-progress inference component "{component.arn}".')


COMPONENT = Kind(
    title="InferenceComponent",
    path="inference-component",
    # The beginning is recorded (the Terraform provider matches it). The rest is as for endpoints.
    missing=Words('Could not find inference component "{arn}".'),
    # Not recorded; as for endpoints.
    exists=Words('Cannot create already existing inference component "{arn}".'),
    statuses=Statuses("InferenceComponentStatus", "InService", "Creating", "Updating", "Deleting"),
    prepared=_prepared_component,
    changed=_changed_component,
    before_change=_check_component_settled,
    before_delete=_check_component_settled,
)


def update_copies(place: PlaceStore, request: Json) -> Json:
    """Answer UpdateInferenceComponentRuntimeConfig. The desired copy count applies after the status Updating."""
    component = COMPONENT.find(place, request["InferenceComponentName"])
    _check_component_settled(place, component)
    members = _with_specification(
        place, component.members | {"RuntimeConfig": copy.deepcopy(request["DesiredRuntimeConfig"])}
    )
    COMPONENT.begin_update(component, members)
    return output("UpdateInferenceComponentRuntimeConfig", {"InferenceComponentArn": component.arn})


def check_transform_job(place: PlaceStore, request: Json) -> None:
    """Raise Refused if the model of a CreateTransformJob request is missing, or has a ModelDataSource."""
    if has_data_source(place.model(request["ModelName"]).description):
        # Not recorded; API reference, ContainerDefinition$ModelDataSource.
        raise invalid("ModelDataSource is not supported in batch transform.")


KINDS = (CONFIGURATION, ENDPOINT, COMPONENT)
OPERATIONS = {
    "UpdateEndpointWeightsAndCapacities": update_weights_and_capacities,
    "UpdateInferenceComponentRuntimeConfig": update_copies,
}
