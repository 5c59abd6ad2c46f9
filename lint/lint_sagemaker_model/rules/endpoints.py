"""Endpoints that a change of the model would never reach."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from aws_sagemaker_model.properties import Path
from aws_sagemaker_model.schema import Violation
from lint_sagemaker_model.model_rule import AWS_TYPE, Finding, ModelRule
from lint_sagemaker_model.names import is_fixed, same_name
from lint_sagemaker_model.template import Resource, outcomes, resources_of

_CONFIGURATION, _ENDPOINT = "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint"
_VARIANTS = ("ProductionVariants", "ShadowProductionVariants")
_CONFIGURATION_NAME, _MODEL_NAME = ("EndpointConfigName",), ("ModelName",)


class ChangeReachesEndpoint(ModelRule):
    """A change makes a new model, which needs a new configuration, which the endpoint must move to.

    Any of the three that is named by text instead of a reference breaks the chain: CloudFormation changes what it
    sees to be changed, and the endpoint goes on with the old model, or the update fails.
    """

    id = "W9369"
    shortdesc = "A change of a model reaches its endpoint"
    description = "Endpoint, configuration and model refer to each other, and none of the names between them is fixed"

    def in_template(self, cfn: Any, models: list[str]) -> Iterator[Finding]:
        """Yield the places at which a change of a model is held up."""
        configurations, endpoints = resources_of(cfn, _CONFIGURATION), resources_of(cfn, _ENDPOINT)
        for name in configurations:
            for (configuration,) in outcomes(cfn, name):
                yield from _fixed_name(configuration)
        for needing, needed in ((configurations, models), (endpoints, configurations)):
            named_by_text = [name for name in needing if _has_a_name_by_text(cfn, name)]
            for pair in product(named_by_text, needed):
                for together in outcomes(cfn, *pair):
                    yield from _named_by_text(*together)


def _fixed_name(configuration: Resource) -> Iterator[Finding]:
    if is_fixed(configuration.stated(_CONFIGURATION_NAME)):
        message = (
            "is fixed, so a new model cannot reach the endpoint: it makes a new configuration, which cannot have the "
            "name of the old one. Leave it out"
        )
        yield configuration, Violation(_CONFIGURATION_NAME, message)


def _has_a_name_by_text(cfn: Any, logical_id: str) -> bool:
    names = [one.stated(path) for (one,) in outcomes(cfn, logical_id) for path in _names_in(one)]
    return any(name is not None and "Fn::GetAtt" not in name for name in names if isinstance(name, str | dict))


def _named_by_text(needing: Resource, needed: Resource) -> Iterator[Finding]:
    """Yield where a resource has the name of another that it needs, and no reference to it."""
    own = _CONFIGURATION_NAME if needed.type_name == _CONFIGURATION else _MODEL_NAME
    name = needed.stated(own)
    if name is None or not (is_fixed(name) or _may_come_first(needing, needed)):
        return
    because = "a new one never reaches the endpoint" if is_fixed(name) else "it may be made too early or too late"
    attribute = "Name" if own == _MODEL_NAME and needed.type_name != AWS_TYPE else own[0]
    message = (
        f"is the name of {needed.logical_id} as a text, not a reference, so {because}: "
        f"write !GetAtt {needed.logical_id}.{attribute}"
    )
    for path in _names_in(needing):
        if same_name(needing.stated(path), name):
            yield needing, Violation(path, message)


def _names_in(needing: Resource) -> Iterator[Path]:
    """Yield where a configuration names models, or an endpoint its configuration."""
    if needing.type_name == _ENDPOINT:
        yield _CONFIGURATION_NAME
        return
    for kind in _VARIANTS:
        variants = needing.properties.get(kind)
        for position in range(len(variants) if isinstance(variants, list) else 0):
            yield kind, position, *_MODEL_NAME


def _may_come_first(needing: Resource, needed: Resource) -> bool:
    """Say whether nothing but the name tells CloudFormation what to make first."""
    stated = needing.cfn.template["Resources"][needing.logical_id].get("DependsOn")
    return needed.logical_id not in (stated if isinstance(stated, list) else [stated])
