"""The rules for SageMaker models: how they look, and how they are applied, whichever program asks. Pure."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

from aws_sagemaker_model import schema
from aws_sagemaker_model.schema import Violation
from lint_sagemaker_model.template import Place, Resource, Template, outcomes

Broken = tuple[Resource, Violation]
"""A resource, and how it breaks a rule."""


class Rule:
    """A rule with an ID, so that it can be ignored alone. E stands for an error, W for a warning."""

    id: ClassVar[str]
    is_in_validator: ClassVar[bool] = False
    """Whether AWS's cloudformation-validate checks the same by itself."""
    shortdesc: ClassVar[str]
    description: ClassVar[str]

    def in_model(self, model: Resource) -> Iterator[Violation]:  # noqa: ARG002 - rules that need it use it
        """Yield how a model breaks the rule in one outcome of the template's conditions."""
        yield from ()

    def in_template(self, template: Template) -> Iterator[Broken]:  # noqa: ARG002 - as above
        """Yield how the resources of a template break the rule together."""
        yield from ()

    def in_places(self, template: Template) -> Iterator[tuple[Place, str]]:  # noqa: ARG002 - as above
        """Yield the places in a template, within resources or not, that break the rule, and a message for each."""
        yield from ()


class Finding(NamedTuple):
    """What a rule says about a place in a template."""

    rule_id: str
    place: Place
    message: str


def findings(template: Template, rules: Iterable[Rule]) -> list[Finding]:
    """Return what some rules say about a template, each thing once."""
    found: dict[tuple[object, ...], Finding] = {}
    for rule in rules:
        for resource, violation in (*_in_models(rule, template), *rule.in_template(template)):
            place = resource.place(violation.path)
            found.setdefault((rule.id, *place, violation.message), Finding(rule.id, place, str(violation)))
        for place, message in rule.in_places(template):
            found.setdefault((rule.id, *place, message), Finding(rule.id, place, message))
    return list(found.values())


def _in_models(rule: Rule, template: Template) -> Iterator[Broken]:
    for name in template.models:
        for (stated,) in outcomes(template, name):
            model = stated._replace(properties=schema.coerce(stated.properties)[0])
            yield from ((model, violation) for violation in rule.in_model(model))
