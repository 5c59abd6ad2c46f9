"""Rules for endpoints that a change of the model does not reach."""

from collections.abc import Iterator
from itertools import product

from aws_sagemaker_model.properties import Path
from aws_sagemaker_model.schema import Violation
from lint_sagemaker_model.names import is_fixed, same_name
from lint_sagemaker_model.rule import Broken, Rule
from lint_sagemaker_model.template import AWS_TYPE, Resource, Template, outcomes

CONFIGURATION, ENDPOINT = "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Endpoint"
VARIANTS = ("ProductionVariants", "ShadowProductionVariants")
_CONFIGURATION_NAME, _MODEL_NAME = ("EndpointConfigName",), ("ModelName",)


class ChangeReachesEndpoint(Rule):
    """A change creates a new model, which needs a new configuration, to which the endpoint must move.

    A resource that names another one by text instead of a reference breaks this chain: CloudFormation does not see
    the change, so the endpoint keeps the old model, or the update fails.
    """

    id = "W9369"
    shortdesc = "A change of a model reaches its endpoint"
    description = "Endpoint, configuration and model refer to each other, and none of the names between them is fixed"

    def in_template(self, template: Template) -> Iterator[Broken]:
        """Yield the names that keep a change of a model from its endpoint."""
        configurations, endpoints = template.of_type(CONFIGURATION), template.of_type(ENDPOINT)
        for name in configurations:
            for (configuration,) in outcomes(template, name):
                yield from _fixed_name(configuration)
        for needing, needed in ((configurations, template.models), (endpoints, configurations)):
            named_by_text = [name for name in needing if _has_a_name_by_text(template, name)]
            for pair in product(named_by_text, needed):
                for together in outcomes(template, *pair):
                    yield from _named_by_text(*together)


def _fixed_name(configuration: Resource) -> Iterator[Broken]:
    if is_fixed(configuration.stated(_CONFIGURATION_NAME)):
        message = (
            "is fixed, so a new model cannot reach the endpoint: it needs a new configuration, which cannot have the "
            "name of the old one. Leave it out"
        )
        yield configuration, Violation(_CONFIGURATION_NAME, message)


def _has_a_name_by_text(template: Template, logical_id: str) -> bool:
    names = [needing.stated(path) for (needing,) in outcomes(template, logical_id) for path in _names_in(needing)]
    return any(name is not None and "Fn::GetAtt" not in name for name in names if isinstance(name, str | dict))


def _named_by_text(needing: Resource, needed: Resource) -> Iterator[Broken]:
    """Yield where a resource has the name of a resource that it needs, and no reference to it."""
    own = _CONFIGURATION_NAME if needed.type_name == CONFIGURATION else _MODEL_NAME
    name = needed.stated(own)
    if name is None or not (is_fixed(name) or _may_come_first(needing, needed)):
        return
    because = "a new one never reaches the endpoint" if is_fixed(name) else "it may be created too early or too late"
    attribute = "Name" if own == _MODEL_NAME and needed.type_name != AWS_TYPE else own[0]
    message = (
        f"is the name of {needed.logical_id} as text, not a reference, so {because}: "
        f"write !GetAtt {needed.logical_id}.{attribute}"
    )
    for path in _names_in(needing):
        if same_name(needing.stated(path), name):
            yield needing, Violation(path, message)


def _names_in(needing: Resource) -> Iterator[Path]:
    """Yield the paths at which a configuration names models, or an endpoint its configuration."""
    if needing.type_name == ENDPOINT:
        yield _CONFIGURATION_NAME
        return
    for kind in VARIANTS:
        variants = needing.properties.get(kind)
        for position in range(len(variants) if isinstance(variants, list) else 0):
            yield kind, position, *_MODEL_NAME


def _may_come_first(needing: Resource, needed: Resource) -> bool:
    """Say whether no DependsOn tells CloudFormation to create the needed resource first."""
    stated = needing.template.resources[needing.logical_id].get("DependsOn")
    return needed.logical_id not in (stated if isinstance(stated, list) else [stated])
