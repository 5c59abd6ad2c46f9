"""Validate the schema of a type as the CloudFormation CLI and the registry do."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING, Any

import jsonata
from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

from cfnbox.aws.http import json_value
from cfnbox.core.type_definition import TypeDefinition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cfnbox.core.paths import Json

# RegisterType in the API reference: "reserved and can't be used in your extension names".
RESERVED_NAMESPACES = ("Alexa", "AMZN", "Amazon", "AWS", "Custom", "Dev")
_LONGEST_REASON = 400
# What "Resource type definition schema" of the CloudFormation CLI guide requires.
_REQUIRED = ("typeName", "properties", "description", "primaryIdentifier", "additionalProperties")


class UnusableSchema(Exception):
    """The schema cannot be registered; the message says why."""


def load(path: Path) -> tuple[str, TypeDefinition]:
    """Return the text of a schema file and its definition. Raise UnusableSchema.

    Where the CloudFormation CLI is installed, validate as `cfn validate` does. Elsewhere validate only the members
    that cfnbox reads.
    """
    try:
        text = path.read_text(encoding="utf-8")
        schema = json_value(text)
        _refuse_foreign_references(schema)
        _refuse_reference_cycles(schema)
        checked = _checked(path, schema)
        _refuse_unreadable_transforms(checked)
        return text, TypeDefinition.from_schema(checked)
    except UnicodeDecodeError:
        raise UnusableSchema(f"{path.name} is not UTF-8 text.") from None
    except ValueError as error:
        raise UnusableSchema(f"{path.name} is not JSON: {error}.") from None


def _checked(path: Path, schema: Any) -> Json:
    if importlib.util.find_spec("rpdk") is None:
        return _with_required_members(path, schema)
    # Imported here, because the import of rpdk takes most of a second.
    from rpdk.core.data_loaders import load_resource_spec
    from rpdk.core.exceptions import RPDKBaseException

    # Discard its warnings: the author sees them in `cfn validate`, and here they would mix with the cloud's output.
    logging.getLogger("rpdk").addHandler(logging.NullHandler())
    try:
        with path.open(encoding="utf-8") as file:
            inlined: Json = load_resource_spec(file)
        return inlined
    except RPDKBaseException as error:
        raise UnusableSchema(f"{path.name} is not a resource type schema: {_reason(error)}.") from None


def _with_required_members(path: Path, schema: Any) -> Json:
    """Return the schema. Raise UnusableSchema unless it is JSON Schema and has the members of a resource type."""
    if not isinstance(schema, dict):
        raise UnusableSchema(f"{path.name} is not a resource type schema: it is not an object.")
    missing = [name for name in _REQUIRED if name not in schema]
    if missing:
        raise UnusableSchema(f"{path.name} is not a resource type schema: it lacks {' and '.join(missing)}.")
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        raise UnusableSchema(f"{path.name} is not a resource type schema: {_reason(error)}.") from None
    return schema


def _reason(error: Exception) -> str:
    """Return the message and the location of an error, without the parts of the schema that jsonschema adds."""
    cause: Any = error.__cause__ or error
    where = "/".join(str(part) for part in getattr(cause, "absolute_path", ()))
    what = str(getattr(cause, "message", "") or cause).strip().removesuffix(".")[:_LONGEST_REASON]
    return f"{what}, at {where}" if where else what


def _refuse_foreign_references(schema: Any) -> None:
    for reference in _references(schema):
        # resource-schema.json is the schema itself, as a handlerSchema names it.
        if not reference.startswith(("#", "resource-schema.json#")):
            raise UnusableSchema(
                f"The schema refers to {reference}, which is outside of the schema. cfnbox reads no other documents: "
                "move the definition into the schema."
            )


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _refuse_reference_cycles(schema: Any) -> None:
    """Raise UnusableSchema for a cycle of references without a property or an item in between."""
    visited: dict[int, bool] = {}
    for node in _objects(schema):
        if cycle := _cycle(schema, node, [], visited):
            raise UnusableSchema(
                f"The schema has a cycle of references, {' -> '.join(cycle)}, so that no value can be validated. "
                "Describe the value in one of these definitions instead of referring on."
            )


def _cycle(schema: Any, node: Any, path: list[str], visited: dict[int, bool]) -> list[str]:
    """Return the references of a cycle that the node leads into, or an empty list."""
    if not isinstance(node, dict) or id(node) in visited:
        return []
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        if reference in path:
            return [*path[path.index(reference) :], reference]
        targets = [(_target(schema, reference), [*path, reference])]
    else:
        targets = [(branch, path) for name in ("allOf", "anyOf", "oneOf") for branch in _as_list(node.get(name))]
    cycles = (_cycle(schema, target, target_path, visited) for target, target_path in targets)
    cycle = next(filter(None, cycles), [])
    if not cycle:
        visited[id(node)] = True
    return cycle


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _target(schema: Any, reference: str) -> Any:
    target = schema
    for part in reference.removeprefix("#").strip("/").split("/") if reference.strip("#/") else ():
        target = target.get(part) if isinstance(target, dict) else None
    return target


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else _as_list(node):
        yield from _objects(inner)


def _refuse_unreadable_transforms(schema: Mapping[str, Any]) -> None:
    for pointer, expression in schema.get("propertyTransform", {}).items():
        try:
            jsonata.Jsonata(expression)
        except RecursionError:
            raise UnusableSchema(f"The propertyTransform of {pointer} is nested too deeply.") from None
        except jsonata.JException as problem:
            raise UnusableSchema(
                f"The propertyTransform of {pointer} is not valid JSONata: {problem}. CloudFormation would report "
                "drift when only the spelling of the property differs."
            ) from None


def provisioning_type(schema: Mapping[str, Any]) -> str:
    """Return the ProvisioningType of DescribeType, which depends on the type's handlers."""
    handlers = schema.get("handlers", {})
    if "create" not in handlers:
        return "NON_PROVISIONABLE"
    return "FULLY_MUTABLE" if "update" in handlers else "IMMUTABLE"
