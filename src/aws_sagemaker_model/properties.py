"""The schema of a model: names and limits of its properties, and which lists have an order."""

import json
import re
from functools import cache
from pathlib import Path as File
from typing import Any, Final

Path = tuple[str | int, ...]
"""The path of a property: names and list positions, from the outside in."""

UNKNOWN: Final = object()
"""A value that is not known yet, such as that of an intrinsic function in a template."""

SCHEMA: dict[str, Any] = json.loads(File(__file__).with_name("schema.json").read_bytes())
TYPE_NAME: str = SCHEMA["typeName"]


def _names(pointers: list[str]) -> tuple[str, ...]:
    return tuple(pointer.rsplit("/", 1)[1] for pointer in pointers)


READ_ONLY = _names(SCHEMA["readOnlyProperties"])
CREATE_ONLY = _names(SCHEMA["createOnlyProperties"])
# The primary identifier, then the additional one.
IDENTIFIERS = _names([*SCHEMA["primaryIdentifier"], *(pointers[0] for pointers in SCHEMA["additionalIdentifiers"])])


def _resolved(node: Any) -> Any:
    """Return a part of the schema with each $ref replaced by its definition."""
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _resolved(SCHEMA["definitions"][_names([node["$ref"]])[0]])
    return {key: _resolved(value) for key, value in node.items()}


# The schema of a whole model, without references.
MODEL: dict[str, Any] = {"type": "object", "properties": _resolved(SCHEMA["properties"])}
MAX_TAGS: int = MODEL["properties"]["Tags"]["maxItems"]


def schema_of(name: str, parent: dict[str, Any]) -> Any:
    """Return the schema of a member of an object, None if the schema of the object lacks the member."""
    if name in parent.get("properties", ()):
        return parent["properties"][name]
    patterns = parent.get("patternProperties", {}).items()
    return next((member for pattern, member in patterns if matches(pattern, name)), None)


def matches(pattern: str, text: str) -> bool:
    """Say whether a pattern matches a whole text. As in ECMAScript and Java, \\d is 0 to 9."""
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


def cut_to_schema(value: Any, schema: dict[str, Any] = MODEL) -> Any:
    """Return an answer of the service without members that a user cannot set.

    These are members that the schema lacks, nulls, and empty objects and lists where the schema requires content.
    """
    if isinstance(value, list):
        return [cut_to_schema(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    cut = {}
    for name, member in value.items():
        member_schema = schema_of(name, schema)
        kept = None if member is None or member_schema is None else cut_to_schema(member, member_schema)
        must_have_content = member_schema and (member_schema.get("required") or member_schema.get("minItems"))
        if kept is not None and not (must_have_content and kept in ({}, [])):
            cut[name] = kept
    return cut
