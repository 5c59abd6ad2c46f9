"""Functions for the tests of templates: prepare a template, and return the text of a refusal."""

from __future__ import annotations

from typing import Any

from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.template.checks import check
from cfnbox.template.conditions import check_rules, conditions
from cfnbox.template.parameters import parameters
from cfnbox.template.scope import Scope
from cfnbox.template.syntax import parse
from cfnbox.template.transforms import transform

PLACE = Place("eu-west-1")
THING = TypeDefinition.from_schema(
    {
        "typeName": "Acme::Test::Thing",
        "primaryIdentifier": ["/properties/Id"],
        "readOnlyProperties": ["/properties/Id", "/properties/Arn", "/properties/Endpoint"],
        "handlers": {"create": {}, "read": {}, "delete": {}},
    }
)
A = "Resources:\n  A: {Type: Acme::Test::Thing}\n"


def find(type_name: Any) -> Any:
    return THING if type_name in (THING.type_name, "AWS::IAM::Role") else None


def given(**values: Any) -> Any:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def prepared(body: Any, stored: Any = None, **values: Any) -> Any:
    """The template in its scope, as far as an operation prepares it: transformed, checked, conditions evaluated."""
    document = parse(body)
    found = parameters(document, given(**values), {}, {"/ami": "ami-1"}.get)
    processed = transform(document, found, PLACE, lambda bucket, key: (stored or {}).get(f"{bucket}/{key}"))
    scope = Scope(PLACE, "stack", "stack-id", found, mappings=processed.get("Mappings", {}))
    check_rules(processed, scope)
    held = conditions(processed, scope)
    check(processed, found, held, find)
    return processed, Scope(PLACE, "stack", "stack-id", found, held, processed.get("Mappings", {}))


def refusal(function: Any, *arguments: Any, **named: Any) -> Any:
    """The text of the ValidationError, or None."""
    try:
        function(*arguments, **named)
    except Refused as refused:
        return refused.message if refused.code == "ValidationError" else refused.code
    return None
