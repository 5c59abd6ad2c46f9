"""The rules that the type checks itself before it calls SageMaker."""

from collections.abc import Iterator
from typing import Any

from aws_sagemaker_model import schema, validation
from aws_sagemaker_model.properties import READ_ONLY
from aws_sagemaker_model.schema import Violation
from lint_sagemaker_model.rule import Rule
from lint_sagemaker_model.template import AWS_TYPE, Place, Resource, Template, variables


class ModelRules(Rule):
    """The rules of validation.py, which the create handler checks."""

    id = "E9360"
    shortdesc = "A SageMaker model keeps the rules that its schema cannot say"
    description = "The rules that the type checks before it calls SageMaker, checked in the template"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the rules of validation.py that a model breaks."""
        yield from validation.violations(model.properties)
        if model.template.is_ours(model.type_name):
            yield from validation.read_only(model.properties)


class SchemaRules(Rule):
    """The schema of the type. AWS's own type has a schema of its own, which linters have."""

    id = "E9370"
    shortdesc = "A SageMaker model keeps its schema"
    description = "Names, types, patterns, lengths and allowed values of properties, as CloudFormation checks them"

    def in_model(self, model: Resource) -> Iterator[Violation]:
        """Yield the violations of the schema, and the name that is meant by an unknown one."""
        if model.template.is_ours(model.type_name):
            yield from schema.coerce(model.properties)[1]


class Attributes(Rule):
    """Fn::GetAtt takes read-only properties, as CloudFormation does; parts of an object come after a dot."""

    id = "E9376"
    shortdesc = "Fn::GetAtt names an attribute of the type"
    description = "The attributes of a resource type are the read-only properties of its schema"
    is_in_validator = True

    def in_places(self, template: Template) -> Iterator[tuple[Place, str]]:
        """Yield the attributes of models that the type does not have."""
        # Linters know the attributes of AWS's own type, to which CloudFormation adds ModelName.
        ours = [name for name in template.models if template.resources[name]["Type"] != AWS_TYPE]
        for place, logical_id, attribute in _attributes(template.body, []):
            if logical_id in ours and attribute.partition(".")[0] not in READ_ONLY:
                yield place, f"must be one of {', '.join(sorted(READ_ONLY))}, the attributes of {logical_id}"


def _attributes(value: Any, place: Place) -> Iterator[tuple[Place, str, str]]:
    """Yield each logical ID and attribute in the functions of a template, with its place."""
    match value:
        case {"Fn::GetAtt": [str(logical_id), str(attribute)]}:
            yield [*place, "Fn::GetAtt", 1], logical_id, attribute
        case {"Fn::GetAtt": str(reference)}:
            logical_id, _, attribute = reference.partition(".")
            yield [*place, "Fn::GetAtt"], logical_id, attribute
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            for logical_id, dot, attribute in (variable.partition(".") for variable in variables(text)):
                if dot:
                    yield [*place, "Fn::Sub"], logical_id, attribute
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield from _attributes(member, [*place, step])
