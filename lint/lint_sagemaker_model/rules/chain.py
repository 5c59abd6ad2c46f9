"""Rules for the chain from a model to an endpoint: what SageMaker refuses in its later calls."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from aws_sagemaker_model.properties import UNKNOWN, Path
from aws_sagemaker_model.schema import Violation
from aws_sagemaker_model.validation import containers
from lint_sagemaker_model.names import same_name
from lint_sagemaker_model.rule import Broken, Rule
from lint_sagemaker_model.rules.endpoints import CONFIGURATION, ENDPOINT, VARIANTS
from lint_sagemaker_model.template import Resource, Template, outcomes

_COMPONENT = "AWS::SageMaker::InferenceComponent"
# Instance families with local storage, whose size cannot be chosen: those of botocore's ProductionVariantInstanceType
# for which DescribeInstanceTypes of Amazon EC2 answers InstanceStorageSupported. A test compares them.
# ("Available storage is fixed to the NVMe-type instance's storage capacity": SageMaker AI developer guide, "Managing
# storage paths for different types of instance local storage".)
LOCAL_STORAGE_FAMILIES = frozenset((
    "c5d", "c6gd", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "m5d", "m6gd", "p4d", "p4de", "p5", "p5e", "p5en",
    "p6-b200", "p6-b300", "r5d", "r6gd", "r7gd", "trn1", "trn1n", "trn2",
))  # fmt: skip


class ServerlessArtifacts(Rule):
    """CreateEndpointConfig: `Model with containers that use ModelDataSource ...`."""

    id = "E9371"
    shortdesc = "A serverless variant has a model without ModelDataSource"
    description = "Serverless inference takes artifacts by ModelDataUrl only (API reference, ContainerDefinition)"

    def in_template(self, template: Template) -> Iterator[Broken]:
        """Yield the serverless variants whose model has a ModelDataSource."""
        for pair in product(template.of_type(CONFIGURATION), template.models):
            for configuration, model in outcomes(template, *pair):
                has_source = any(
                    isinstance(container.get("ModelDataSource"), dict)
                    for _, container in containers(model.properties)
                )
                for path, variant in _variants(configuration) if has_source else ():
                    is_its_model = _refers_to(configuration.stated((*path, "ModelName")), model, ("ModelName",))
                    if _is_set(variant, "ServerlessConfig") and is_its_model:
                        yield (
                            configuration,
                            Violation(
                                (*path, "ServerlessConfig"),
                                f"cannot be used with {model.logical_id}, which has a ModelDataSource: serverless "
                                "inference needs a ModelDataUrl",
                            ),
                        )


class ScalingWithoutModel(Rule):
    """CreateEndpointConfig: `ManagedInstanceScaling is only supported for inference component endpoints.`"""

    id = "E9372"
    shortdesc = "A variant with ManagedInstanceScaling has no ModelName"
    description = "ManagedInstanceScaling is for endpoints of inference components, whose variants name no model"

    def in_template(self, template: Template) -> Iterator[Broken]:
        """Yield the variants that have both."""
        for name in template.of_type(CONFIGURATION):
            for (configuration,) in outcomes(template, name):
                for path, variant in _variants(configuration):
                    if _is_set(variant, "ManagedInstanceScaling") and _is_stated(variant, "ModelName"):
                        yield (
                            configuration,
                            Violation(
                                (*path, "ManagedInstanceScaling"),
                                "is only for endpoints of inference components: leave it out and scale the variant "
                                "with Application Auto Scaling, or leave out ModelName and add an "
                                "AWS::SageMaker::InferenceComponent",
                            ),
                        )


class InferenceComponentHasAnEndpoint(Rule):
    """CreateInferenceComponent: `Inference Components are not supported in this Endpoint.`"""

    id = "E9373"
    shortdesc = "An inference component is on an endpoint whose variants have no ModelName"
    description = "An endpoint either has models in its variants, or inference components"

    def in_template(self, template: Template) -> Iterator[Broken]:
        """Yield the inference components on endpoints whose variants name models."""
        for names in product(*map(template.of_type, (_COMPONENT, ENDPOINT, CONFIGURATION))):
            for component, endpoint, configuration in outcomes(template, *names):
                is_its_endpoint = _refers_to(component.stated(("EndpointName",)), endpoint, ("EndpointName",))
                has_configuration = _refers_to(
                    endpoint.stated(("EndpointConfigName",)), configuration, ("EndpointConfigName",)
                )
                has_model = any(_is_stated(variant, "ModelName") for _, variant in _variants(configuration))
                if is_its_endpoint and has_configuration and has_model:
                    message = (
                        f"is an endpoint whose configuration {configuration.logical_id} names a model in a variant, "
                        "so it accepts no inference components: leave ModelName out of the variant, and give the "
                        "configuration an ExecutionRoleArn"
                    )
                    yield component, Violation(("EndpointName",), message)


class VolumeOfLocalStorage(Rule):
    """CreateEndpointConfig: `VolumeSize parameter is not allowed for the selected Instance type ...`."""

    id = "E9374"
    shortdesc = "VolumeSizeInGB is for instance types without local storage"
    description = "Instances with local NVMe storage have volumes of a fixed size"

    def in_template(self, template: Template) -> Iterator[Broken]:
        """Yield the volume sizes of variants on instance types with local storage."""
        for name in template.of_type(CONFIGURATION):
            for (configuration,) in outcomes(template, name):
                for path, variant in _variants(configuration):
                    instance_type = variant.get("InstanceType")
                    has_local_storage = (
                        isinstance(instance_type, str) and _family(instance_type) in LOCAL_STORAGE_FAMILIES
                    )
                    if has_local_storage and _is_stated(variant, "VolumeSizeInGB"):
                        message = "must be left out, because the instance type has local storage of a fixed size"
                        yield configuration, Violation((*path, "VolumeSizeInGB"), message)


def _family(instance_type: str) -> str:
    return instance_type.removeprefix("ml.").rpartition(".")[0]


class InferenceComponentNeeds(Rule):
    """Users have reported these refusals; AWS does not document them, so they are warnings."""

    id = "W9375"
    shortdesc = "An endpoint of inference components has a role, and each component a copy"
    description = "Refusals of SageMaker that users have reported for inference components and their endpoints"

    def in_template(self, template: Template) -> Iterator[Broken]:
        """Yield configurations without a role, isolation beside a model, and components without a copy."""
        for name in template.of_type(CONFIGURATION):
            for (configuration,) in outcomes(template, name):
                yield from ((configuration, violation) for violation in _in_configuration(configuration))
        for name in template.of_type(_COMPONENT):
            for (component,) in outcomes(template, name):
                runtime = component.properties.get("RuntimeConfig")
                if isinstance(runtime, dict) and str(runtime.get("CopyCount")) == "0":
                    message = "should be at least 1: SageMaker creates no component without a copy"
                    yield component, Violation(("RuntimeConfig", "CopyCount"), message)


def _in_configuration(configuration: Resource) -> Iterator[Violation]:
    variants = [variant for _, variant in _variants(configuration)]
    has_model = any(_is_stated(variant, "ModelName") for variant in variants)
    if variants and not has_model and not _is_stated(configuration.properties, "ExecutionRoleArn"):
        message = "should have an ExecutionRoleArn, because its variants name no model: inference components need it"
        yield Violation((), message)
    if has_model and str(configuration.properties.get("EnableNetworkIsolation")).lower() == "true":
        message = (
            "should be left out, because a variant names a model: set EnableNetworkIsolation of the model instead; "
            "here it is for inference components"
        )
        yield Violation(("EnableNetworkIsolation",), message)


def _variants(configuration: Resource) -> Iterator[tuple[Path, dict[str, Any]]]:
    for kind in VARIANTS:
        listed = configuration.properties.get(kind)
        for position, variant in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(variant, dict):
                yield (kind, position), variant


def _is_set(properties: Any, name: str) -> bool:
    """Say whether a property is set to a value that is known."""
    return _is_stated(properties, name) and properties[name] is not UNKNOWN


def _is_stated(properties: Any, name: str) -> bool:
    """Say whether the template has a property, which may be a function."""
    return properties.get(name) is not None


def _refers_to(value: Any, resource: Resource, name_property: Path) -> bool:
    """Say whether a value is the name of a resource: a reference to it, or the same text."""
    match value:
        case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
            return bool(name == resource.logical_id)
        case {"Fn::GetAtt": str(reference)}:
            return reference.partition(".")[0] == resource.logical_id
    own = resource.stated(name_property)
    return own is not None and value is not None and same_name(value, own)
