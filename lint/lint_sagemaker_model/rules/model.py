"""What the type checks before it calls SageMaker, and which resources are of the type."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from cfnlint.rules import RuleMatch

from aws_sagemaker_model import schema, validation
from aws_sagemaker_model.schema import Violation
from lint_sagemaker_model.known_types import known_types
from lint_sagemaker_model.model_rule import AWS_TYPE, MODEL_RULES, Finding, ModelRule
from lint_sagemaker_model.template import Resource, outcomes


class ModelRules(ModelRule):
    """The rules of validation.py and of the other files here, on every resource that is a SageMaker model."""

    id = MODEL_RULES
    shortdesc = "A SageMaker model keeps the rules that its schema cannot say"
    description = "The rules that the type checks before it calls SageMaker, checked in the template"

    def __init__(self) -> None:
        super().__init__()
        # Types that are this one, besides those that end in ::SageMaker::Model outside the AWS namespace; with
        # hyphens where colons cannot be written.
        self.config_definition = {"types": {"default": [], "type": "list", "itemtype": "string"}}
        self._known = ExitStack()

    def initialize(self, cfn: Any) -> None:
        """Make cfn-lint know the types of the template: its own rules then check their properties and attributes."""
        self._known.close()
        used = {str(resource.get("Type")) for resource in cfn.get_resources().values()}
        self._known.enter_context(known_types(list(filter(self._is_own, used)), cfn.regions))

    def match(self, cfn: Any) -> list[RuleMatch]:
        """Return what is found, each under the id of its rule.

        cfn-lint's own rules were there before, as they are loaded first: what they were made to know is taken back.
        """
        self._known.close()
        models = [name for name, one in cfn.get_resources().items() if self._is_model(str(one.get("Type")))]
        found: dict[tuple[Any, ...], RuleMatch] = {}
        for rule in [self, *self.child_rules.values()]:
            for resource, violation in (*_in_models(rule, cfn, models), *rule.in_template(cfn, models)):
                place = resource.place(violation.path)
                match = RuleMatch(place, str(violation), rule=rule)
                found.setdefault((rule.id, *place, violation.message), match)
        return list(found.values())

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the rules of validation.py that a model breaks, and a better name for what the schema lacks."""
        yield from validation.violations(model.properties)
        if self._is_own(model.type_name):
            yield from validation.read_only(model.properties)
            # cfn-lint says that a property is unknown (E3002), and seldom which one may be meant.
            yield from (one for one in schema.coerce(model.properties)[1] if "did you mean" in one.message)

    def _is_model(self, type_name: str) -> bool:
        return type_name == AWS_TYPE or self._is_own(type_name)

    def _is_own(self, type_name: str) -> bool:
        """Say whether a type is the one of this repository, registered under some name."""
        if not {type_name, type_name.replace("::", "-")}.isdisjoint(self.config["types"]):
            return True
        return type_name.endswith("::SageMaker::Model") and type_name != AWS_TYPE


def _in_models(rule: ModelRule, cfn: Any, models: list[str]) -> Iterator[Finding]:
    for name in models:
        for (stated,) in outcomes(cfn, name):
            model = stated._replace(properties=schema.coerce(stated.properties)[0])
            yield from ((model, violation) for violation in rule.in_model(model))
