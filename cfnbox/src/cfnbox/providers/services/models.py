"""Resource models made of what a service answers. Pure."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def parsed(text: Any) -> Any:
    """Return the object in a text of JSON; anything else as it is."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def cut_to_schema(definition: TypeDefinition, members: Json) -> Json:
    """Return a description with the properties that the schema has, times as text."""
    model: Json = _cut(definition, definition.schema, members)
    return model


def _cut(definition: TypeDefinition, node: Mapping[str, Any], value: Any) -> Any:
    node = definition.resolved(node)
    if isinstance(value, dict):
        declared = node.get("properties")
        if declared is None:
            return {name: _cut(definition, {}, part) for name, part in value.items()}
        return {name: _cut(definition, declared[name], part) for name, part in value.items() if name in declared}
    if isinstance(value, list):
        return [_cut(definition, node.get("items", {}), item) for item in value]
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


def in_known_form(value: Any, known: Any) -> Any:
    """Return what was read as it is known, where that is the same.

    Lists may have another order, times another form, and a template may give a policy as a text of JSON.
    """
    if isinstance(known, str) and isinstance(value, dict):
        return known if parsed(known) == value else value
    if isinstance(value, dict) and isinstance(known, dict):
        return {name: in_known_form(member, known.get(name)) for name, member in value.items()}
    if isinstance(value, list) and isinstance(known, list) and len(value) == len(known):
        same = all(item in known for item in value) and all(item in value for item in known)
        return known if same else [in_known_form(item, other) for item, other in zip(value, known, strict=True)]
    return known if _is_same_time(value, known) else value


def _is_same_time(value: Any, known: Any) -> bool:
    texts = [text for text in (value, known) if isinstance(text, str) and _TIME.match(text)]
    try:
        return len(texts) == 2 and len({datetime.fromisoformat(text) for text in texts}) == 1
    except ValueError:
        return False


def with_values_at(model: Json, known: Json, names: tuple[str, ...]) -> Json:
    """Return the model with the known values of dotted names that it lacks; `*` goes into lists of equal length."""
    for name in names:
        model = _grafted(model, known, name.split("."))
    return model


def _grafted(value: Any, known: Any, path: list[str]) -> Any:
    if not path:
        return known
    part, *rest = path
    if isinstance(known, list) and isinstance(value, list) and len(known) == len(value):
        inner = rest if part == "*" else path
        return [_grafted(item, known_item, inner) for item, known_item in zip(value, known, strict=True)]
    if not isinstance(known, dict) or part not in known or not isinstance(value, dict):
        return value
    return {**value, part: _grafted(value.get(part, {} if rest else None), known[part], rest)}
