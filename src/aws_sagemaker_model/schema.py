"""Properties against the schema of the type: coerced as CloudFormation needs it, with every violation."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path as File
from typing import Any, NamedTuple

SCHEMA: dict[str, Any] = json.loads(File(__file__).with_name("schema.json").read_bytes())
TYPE_NAME: str = SCHEMA["typeName"]

Path = tuple[str | int, ...]


def _names(pointers: list[str]) -> tuple[str, ...]:
    return tuple(pointer.rsplit("/", 1)[1] for pointer in pointers)


READ_ONLY = _names(SCHEMA["readOnlyProperties"])
CREATE_ONLY = _names(SCHEMA["createOnlyProperties"])


class Violation(NamedTuple):
    """A rule that properties break: where, as steps from the properties, and what must hold instead."""

    path: Path
    message: str

    @property
    def pointer(self) -> str:
        """The JSON pointer of the place; a key that may be a user's secret gone astray is shown as `*`."""
        return "/properties" + "".join(f"/{step if _is_plain(step) else '*'}" for step in self.path)

    def __str__(self) -> str:
        return f"{self.pointer} {self.message}"


def _is_plain(step: str | int) -> bool:
    return isinstance(step, int) or re.fullmatch(r"\w{1,64}", step, re.ASCII) is not None


def coerce(properties: Any) -> tuple[dict[str, Any], list[Violation]]:
    """Return properties with the types of the schema, and every violation of it.

    CloudFormation sends booleans and numbers as strings; numbers and booleans where a string is wanted are what
    a template's author writes. Properties that break the schema are left as they came.
    """
    violations: list[Violation] = []
    if not isinstance(properties, dict):
        return {}, [Violation((), "must be an object")]
    coerced = {
        name: _coerce(value, _property_schema(SCHEMA, name), (name,), violations)
        for name, value in properties.items()
    }
    return coerced, violations


def known(value: Any, schema: dict[str, Any] = SCHEMA) -> Any:
    """Return a value of the service cut to what the schema knows, without members that are empty or null."""
    schema = _resolved(schema)
    if isinstance(value, dict):
        kept = {
            name: known(member, member_schema)
            for name, member in value.items()
            if (member_schema := _property_schema(schema, name)) is not None
        }
        return {name: member for name, member in kept.items() if member not in (None, {}, [])}
    if isinstance(value, list):
        return [known(item, schema.get("items", {})) for item in value]
    return value


def is_ordered(path: Path) -> bool:
    """Say whether the list at a path means something by its order."""
    return bool(_schema_at(path).get("insertionOrder", True))


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Return which of some names a misspelt one most likely means, whatever the case of its letters."""
    by_letters = {known.lower(): known for known in names}
    return next((by_letters[found] for found in get_close_matches(name.lower(), by_letters, 1)), None)


def _schema_at(path: Path) -> dict[str, Any]:
    schema: dict[str, Any] = SCHEMA
    for step in path:
        resolved = _resolved(schema)
        schema = resolved["items"] if isinstance(step, int) else _property_schema(resolved, step) or {}
    return _resolved(schema)


def _unknown_property(path: Path) -> Violation:
    nearest = nearest_name(str(path[-1]), _schema_at(path[:-1]).get("properties", ()))
    advice = f"did you mean {nearest}?" if nearest else "correct its name or leave it out"
    return Violation(path, f"is not a property of this type: {advice}")


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return SCHEMA["definitions"][reference.rsplit("/", 1)[1]] if reference else schema


def _property_schema(schema: dict[str, Any], name: Any) -> dict[str, Any] | None:
    if name in schema.get("properties", {}):
        return schema["properties"][name]  # type: ignore[no-any-return]
    for pattern, member in schema.get("patternProperties", {}).items():
        if isinstance(name, str) and _compiled(pattern).fullmatch(name):
            return member  # type: ignore[no-any-return]
    return None


def _coerce(value: Any, schema: dict[str, Any] | None, path: Path, violations: list[Violation]) -> Any:
    if schema is None:
        violations.append(_unknown_property(path))
        return value
    schema = _resolved(schema)
    if value is None:
        violations.append(Violation(path, "must not be null: leave it out"))
        return value
    try:
        value = _CONVERSIONS[schema["type"]](value)
    except (TypeError, ValueError):
        violations.append(Violation(path, f"must be {_ARTICLES[schema['type']]}"))
        return value
    violations += [Violation(path, broken) for broken in _broken(value, schema)]
    if isinstance(value, dict):
        return {
            name: _coerce(member, _property_schema(schema, name), (*path, name), violations)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_coerce(item, schema["items"], (*path, i), violations) for i, item in enumerate(value)]
    return value


def _to_string(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError


def _to_boolean(value: Any) -> bool:
    return ("false", "true").index(_to_string(value).lower()) == 1


def _to_integer(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,18}", _to_string(value)):
        raise ValueError
    return int(value)


def _exactly(wanted: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, wanted):
            raise TypeError
        return value

    return convert


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "string": _to_string,
    "boolean": _to_boolean,
    "integer": _to_integer,
    "object": _exactly(dict),
    "array": _exactly(list),
}
_ARTICLES = {
    "string": "a string",
    "boolean": "true or false",
    "integer": "a whole number",
    "object": "an object",
    "array": "a list",
}


def _broken(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    """Say which keywords of the schema a value breaks, in words that do not repeat it."""
    for keyword, (holds, words) in _KEYWORDS.items():
        if keyword in schema and not holds(value, schema[keyword]):
            limit = schema[keyword]
            yield words.format(", ".join(map(str, limit)) if isinstance(limit, list) else limit)
    if isinstance(value, str) and not _is_text(value):
        yield "must be whole text: it has half of a character outside Unicode's first plane"
    for name in schema.get("required", []):
        if name not in value:
            yield f"lacks {name}, which it must have"


def _is_text(value: str) -> bool:
    """Say whether a string can be sent: JSON's \\ud800 alone is read, and cannot be written as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # As in ECMAScript and Java: \d is 0 to 9, not every digit of Unicode.
    return re.compile(pattern, re.ASCII)


_KEYWORDS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minLength": (lambda value, limit: len(value) >= limit, "must have at least {} characters"),
    "maxLength": (lambda value, limit: len(value) <= limit, "must have at most {} characters"),
    "pattern": (lambda value, limit: bool(_compiled(limit).fullmatch(value)), "must match the pattern {}"),
    "enum": (lambda value, limit: value in limit, "must be one of {}"),
    "minItems": (lambda value, limit: len(value) >= limit, "must have at least {} entries"),
    "maxItems": (lambda value, limit: len(value) <= limit, "must have at most {} entries"),
    "maxProperties": (lambda value, limit: len(value) <= limit, "must have at most {} entries"),
}
