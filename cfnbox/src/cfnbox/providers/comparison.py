"""Drift: compare a resource's template properties with its read model, by the schema of the type. Pure."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from cfnbox.core.paths import without
from cfnbox.providers.properties import coerced
from cfnbox.providers.tags import tag_list, tag_map

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition


def expected(definition: TypeDefinition, properties: Json, stack_tags: Mapping[str, str]) -> Json:
    """Return the expected model: template properties in schema types, without write-only ones, with stack tags."""
    set_there: Json = coerced(definition, without(properties, definition.write_only))
    name = definition.tag_property
    if name is None or not stack_tags or "." in name:
        return set_there
    own = set_there.get(name)
    added = {key: value for key, value in stack_tags.items() if key not in tag_map(own)}
    tags: Any = {**added, **(own or {})} if definition.tags_are_a_map else [*(own or []), *tag_list(added)]
    # A template writes "1" where a service answers 1, and a stack does so of its tags.
    return coerced(definition, {**set_there, name: tags})


def compared(definition: TypeDefinition, model: Json, expected: Json) -> Json:
    """Return the compared part of a read model: the properties of the template, and all tags except `aws:` tags."""
    part = definition.explicitly_set(model, expected)
    name = definition.tag_property
    if name and name in model:
        tags: Any = model[name]
        if isinstance(tags, dict):
            tags = {key: value for key, value in tags.items() if not key.startswith("aws:")}
        elif isinstance(tags, list):
            tags = [tag for tag in tags if not str(tag.get("Key", "")).startswith("aws:")]
        if tags or name in expected:
            part[name] = tags
    return part


def differences(definition: TypeDefinition, expected: Json, actual: Json) -> Iterator[Json]:
    """Yield each difference of two models as a PropertyDifference. The schema defines which values are equal."""
    for name in definition.changed(expected, actual):
        yield from _parts(f"/{name}", expected.get(name), actual.get(name))


def _parts(path: str, expected: Any, actual: Any) -> Iterator[Json]:
    if expected == actual:
        return
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            yield from _parts(f"{path}/{key}", expected.get(key), actual.get(key))
        return
    if isinstance(expected, list | None) and isinstance(actual, list):
        for position, (wanted, found) in enumerate(_paired(expected or [], actual)):
            yield from _parts(f"{path}/{position}", wanted, found)
        return
    kind = "REMOVE" if actual is None else "ADD" if expected is None else "NOT_EQUAL"
    yield {
        "PropertyPath": path,
        "ExpectedValue": _text(expected),
        "ActualValue": _text(actual),
        "DifferenceType": kind,
    }


def _paired(expected: list[Any], actual: list[Any]) -> list[tuple[Any, Any]]:
    """Return pairs of matching items: tags by their Key, other items by position. A missing item is None."""
    items = [*expected, *actual]
    if not all(isinstance(one, dict) and "Key" in one for one in items):
        return list(itertools.zip_longest(expected, actual))
    wanted, found = ({one["Key"]: one for one in side} for side in (expected, actual))
    return [(wanted.get(key), found.get(key)) for key in {one["Key"]: None for one in items}]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
