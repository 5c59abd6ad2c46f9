"""Write a JSON Schema with which an editor completes and checks this type inside a CloudFormation template.

    python -m tools.editor_schema [--type-name Acme::SageMaker::Model] [--output FILE]

It holds for the type of that name and for every other that ends in ::SageMaker::Model but AWS's own. An intrinsic
function may stand for any value: written out (`Fn::If: [...]`) it is seen as such, and in its short form
(`!If [...]`) as well, where the editor is told that tags yield objects (lint/README.md has the setting).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .generate import ROOT, SCHEMA

OUTPUT = Path("build/editor/sagemaker-model.schema.json")

Schema = dict[str, Any]

_FUNCTION = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "propertyNames": {"pattern": "^(Ref|Fn::[A-Za-z0-9:]+)$"},
}
# Its result is merged with what stands beside it, so that nothing is known to be missing there.
_MACRO = "Fn::Transform"
_OF_THIS_KIND = "^(?!AWS::).*::SageMaker::Model$"
# The registered schema leaves this rule to the create handler. A condition may remove a container, so that only
# containers count that are written out as such.
_OBJECT = {"type": "object", "minProperties": 1, "not": {"$ref": "#/definitions/Function"}}
_BOTH = {
    "properties": {"PrimaryContainer": _OBJECT, "Containers": {"type": "array", "contains": _OBJECT}},
    "required": ["PrimaryContainer", "Containers"],
}
# What has to do with the handlers and not with a template, or is said in another way below.
_KEYWORDS = (
    "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties", "required", "default",
)  # fmt: skip


def editor_schema(schema: Schema, type_name: str) -> Schema:
    """Return the JSON Schema (draft 7) for templates that use a type, given the registry schema of the type."""
    read_only = {pointer.rsplit("/", 1)[1] for pointer in schema["readOnlyProperties"]}
    properties = {name: member for name, member in schema["properties"].items() if name not in read_only}
    model = {**schema, "type": "object", "properties": properties}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"CloudFormation template with {type_name}",
        "type": "object",
        "properties": {
            "Resources": {
                "type": "object",
                "patternProperties": {"^Fn::": {}},
                "additionalProperties": {"$ref": "#/definitions/Resource"},
            }
        },
        "definitions": {
            "Resource": {
                "type": "object",
                "properties": {"Type": {"anyOf": [{"const": type_name}, {"type": "string"}]}},
                "if": {
                    "properties": {"Type": {"anyOf": [{"const": type_name}, {"pattern": _OF_THIS_KIND}]}},
                    "required": ["Type"],
                },
                "then": {
                    "properties": {
                        "Properties": {
                            "description": schema["description"],
                            **_strict(model),
                            "anyOf": _any_of("PrimaryContainer", "Containers", _MACRO),
                            "not": _BOTH,
                        }
                    },
                    "anyOf": _any_of("Properties", _MACRO),
                },
            },
            "Function": _FUNCTION,
            "DynamicReference": {"type": "string", "pattern": r"\{\{resolve:.+\}\}"},
            **{name: _strict(definition) for name, definition in schema["definitions"].items()},
        },
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the schema, say where, and return the exit code."""
    registry_schema = json.loads((ROOT / SCHEMA).read_bytes())
    parser = argparse.ArgumentParser(prog="python -m tools.editor_schema", description=__doc__.partition("\n")[0])
    parser.add_argument("--type-name", default=registry_schema["typeName"], help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=ROOT / OUTPUT, help=f"default: {OUTPUT}")
    options = parser.parse_args(arguments)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(editor_schema(registry_schema, options.type_name), indent=2) + "\n")
    print(f"wrote {options.output}: lint/README.md says how to tell your editor of it")
    return 0


def _any_of(*names: str) -> list[Schema]:
    return [{"required": [name]} for name in names]


def _or_function(schema: Schema) -> Schema:
    """Return the schema of a place in a template that a schema of the type describes."""
    described = {"description": schema["description"]} if "description" in schema else {}
    stated = {"$ref": schema["$ref"]} if "$ref" in schema else _strict(schema)
    is_scalar = schema.get("type") in ("string", "boolean", "integer")
    others = ["Function", *(["DynamicReference"] if is_scalar else [])]
    return {**described, "anyOf": [stated, *({"$ref": f"#/definitions/{other}"} for other in others)]}


def _strict(schema: Schema) -> Schema:
    """Return a schema as it holds where no function stands; CloudFormation takes any scalar for a string."""
    kept: Schema = {keyword: schema[keyword] for keyword in _KEYWORDS if keyword in schema}
    match schema["type"]:
        case "object":
            members = {"properties": {}, **schema}["properties"].items()
            kept["properties"] = {name: _or_function(member) for name, member in members}
            patterns = schema.get("patternProperties", {}).items()
            kept["patternProperties"] = {"^Fn::": {}, **{name: _or_function(member) for name, member in patterns}}
            kept["additionalProperties"] = False
            kept["type"] = "object"
            if required := kept.pop("required", None):
                kept |= {"if": _any_of(_MACRO)[0], "else": {"required": required}}
        case "array":
            kept["items"] = _or_function(schema["items"])
            kept["type"] = "array"
        case "boolean":
            kept["enum"] = [True, False, "true", "false"]
        case scalar if "enum" in schema:
            kept["enum"] = [*schema["enum"], *(str(value) for value in schema["enum"] if scalar == "integer")]
        case _:
            kept["type"] = ["string", "number", "boolean"]
    return kept


if __name__ == "__main__":
    sys.exit(main())
