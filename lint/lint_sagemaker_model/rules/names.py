"""Names of models."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from aws_sagemaker_model.schema import Violation
from lint_sagemaker_model.model_rule import Finding, ModelRule
from lint_sagemaker_model.names import is_fixed, same_name
from lint_sagemaker_model.template import Resource, outcomes

_NAME = ("ModelName",)


class FixedName(ModelRule):
    """Every change but one of tags replaces the model, and the new one comes before the old one goes."""

    id = "W9362"
    shortdesc = "ModelName is not fixed"
    description = "A model with a fixed name cannot be replaced, and every change but one of tags replaces it"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield a name that no change of the model changes."""
        if is_fixed(model.stated(_NAME)):
            yield Violation(
                _NAME,
                "is fixed, so every change but one of tags fails: it replaces the model, and the new one cannot have "
                "the name of the old one. Leave it out, or let it come from a parameter that you change as well",
            )


class SameName(ModelRule):
    """SageMaker refuses the second: `Cannot create already existing model`."""

    id = "E9366"
    shortdesc = "Two models of a template have two names"
    description = "A name is taken by the first model of a template that has it; the second cannot be made"

    def in_template(self, cfn: Any, models: list[str]) -> Iterator[Finding]:
        """Yield the later one of two models that are made together and get the same name."""
        named = [name for name in models if _states_a_name(cfn, name)]
        for first, second in combinations(named, 2):
            for one, other in outcomes(cfn, first, second):
                name = one.stated(_NAME)
                if name is not None and same_name(name, other.stated(_NAME)):
                    message = f"is the name of {first} as well, and two models cannot have one name: leave it out"
                    yield other, Violation(_NAME, message)


def _states_a_name(cfn: Any, logical_id: str) -> bool:
    properties = cfn.template["Resources"][logical_id].get("Properties")
    return isinstance(properties, dict) and "ModelName" in properties
