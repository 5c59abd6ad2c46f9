"""Rules for the names of models."""

from collections.abc import Iterator
from itertools import combinations

from aws_sagemaker_model.schema import Violation
from lint_sagemaker_model.names import is_fixed, same_name
from lint_sagemaker_model.rule import Broken, Rule
from lint_sagemaker_model.template import Resource, Template, outcomes

_NAME = ("ModelName",)


class FixedName(Rule):
    """Every change except of tags replaces the model, and the new model is created before the old one is deleted."""

    id = "W9362"
    shortdesc = "ModelName is not fixed"
    description = "A model with a fixed name cannot be replaced, and every change except of tags replaces it"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield a name that never changes."""
        if is_fixed(model.stated(_NAME)):
            yield Violation(
                _NAME,
                "is fixed, so every change except of tags fails: it replaces the model, and the new model cannot "
                "have the name of the old one. Leave it out, or use a parameter that you change as well",
            )


class SameName(Rule):
    """SageMaker refuses the second: `Cannot create already existing model`."""

    id = "E9366"
    shortdesc = "Two models of a template have two names"
    description = "Two models of a template that are created together cannot have the same name"

    def in_template(self, template: Template) -> Iterator[Broken]:
        """Yield the second of two models that are created together with the same name."""
        named = [name for name in template.models if _has_name(template, name)]
        for first, second in combinations(named, 2):
            for model, other in outcomes(template, first, second):
                name = model.stated(_NAME)
                if name is not None and same_name(name, other.stated(_NAME)):
                    message = f"is the name of {first} as well, and two models cannot have one name: leave it out"
                    yield other, Violation(_NAME, message)


def _has_name(template: Template, logical_id: str) -> bool:
    properties = template.resources[logical_id].get("Properties")
    return isinstance(properties, dict) and "ModelName" in properties
