"""Validation of requests by the shapes of botocore's service models, with the error messages of AWS's services."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape

from cfnbox.core import patterns
from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from cfnbox.core.paths import Json

# JSON can contain half of a surrogate pair, which is not valid text.
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_SURROGATES = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_NUMBERS = ("integer", "long", "float", "double")


def checked(shape: StructureShape | None, request: object, code: str = "ValidationException") -> Json:
    """Return the request without nulls and unknown members, with every value validated.

    Raise Refused: SerializationException for a value of the wrong JSON type, else `code` with every violation.
    """
    if not isinstance(request, dict) or shape is None:
        raise _unreadable()
    parsed: Json = _parsed(shape, request)
    with patterns.shared_time_limit():
        violations = list(_violations(shape, parsed, ""))
    if violations:
        plural = "" if len(violations) == 1 else "s"
        raise Refused(code, f"{len(violations)} validation error{plural} detected: {'; '.join(violations)}")
    return parsed


def _unreadable() -> Refused:
    # The service's JSON layer sends no message for a body that it cannot parse.
    return Refused("SerializationException", "")


def _is_structure(value: object) -> bool:
    return isinstance(value, dict)


_JSON_TYPES: dict[str, Callable[[Any], bool]] = {
    "structure": _is_structure,
    "map": _is_structure,
    "list": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str) and not HALF_CHARACTER.search(value),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "long": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "double": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "timestamp": lambda value: isinstance(value, int | float | str | datetime) and not isinstance(value, bool),
    "blob": lambda value: isinstance(value, str | bytes),
}


def _parsed(shape: Shape, value: Any) -> Any:
    if not _JSON_TYPES[shape.type_name](value):
        raise _unreadable()
    if isinstance(shape, StructureShape):
        members = shape.members
        return {k: _parsed(members[k], v) for k, v in value.items() if k in members and v is not None}
    if isinstance(shape, ListShape):
        return [_parsed(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: _parsed(shape.value, item) for key, item in value.items()}
    return _seconds(value) if shape.type_name == "timestamp" else value


def _seconds(value: float | str | datetime) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if not isinstance(value, str):
        return float(value)
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        raise _unreadable() from None


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    for constraint in _unmet(shape, value):
        yield f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: {constraint}"
    if isinstance(shape, StructureShape):
        yield from _structure_violations(shape, value, path)
    elif isinstance(shape, ListShape) and isinstance(shape.member, StructureShape):
        for position, item in enumerate(value, 1):
            yield from _violations(shape.member, item, f"{path}.{position}.member")


def _structure_violations(shape: StructureShape, value: Json, path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        member_path = f"{path}.{_camel(name)}" if path else _camel(name)
        if name in value:
            yield from _violations(member, value[name], member_path)
        elif name in shape.required_members:
            yield f"Value null at '{member_path}' failed to satisfy constraint: Member must not be null"


def _unmet(shape: Shape, value: Any) -> Iterator[str]:
    """Yield the constraints that a value does not meet. The constraints of list or map members are one text."""
    yield from (text for text, is_met in _constraints(shape) if not is_met(value))
    if isinstance(shape, ListShape) and not isinstance(shape.member, StructureShape):
        yield from _unmet_by_members("Member must satisfy constraint", shape.member, value)
    elif isinstance(shape, MapShape):
        yield from _unmet_by_members("Map keys must satisfy constraint", shape.key, value)
        yield from _unmet_by_members("Map value must satisfy constraint", shape.value, value.values())


def _unmet_by_members(text: str, member: Shape, values: Any) -> Iterator[str]:
    constraints = _constraints(member)
    if any(not is_met(value) for value in values for _, is_met in constraints):
        yield f"{text}: [{', '.join(constraint for constraint, _ in constraints)}]"


Constraint = tuple[str, Callable[[Any], bool]]


@cache
def _constraints(shape: Shape) -> list[Constraint]:
    what, size = ("value", lambda v: v) if shape.type_name in _NUMBERS else ("length", len)
    limits, constraints = shape.metadata, list[Constraint]()
    if (highest := limits.get("max")) is not None:
        text = f"Member must have {what} less than or equal to {highest}"
        constraints.append((text, lambda v: size(v) <= highest))
    if (lowest := limits.get("min")) is not None:
        text = f"Member must have {what} greater than or equal to {lowest}"
        constraints.append((text, lambda v: size(v) >= lowest))
    if pattern := limits.get("pattern"):
        # The patterns are Java's: they match the whole value, \d and \s are ASCII, and \p{...} is Unicode.
        flags = 0 if r"\p{" in pattern else regex.ASCII
        text = f"Member must satisfy regular expression pattern: {pattern}"
        expression = _SURROGATES.sub(_code_point, pattern)
        constraints.append((text, lambda v: _matches(expression, v, flags)))
    if values := limits.get("enum"):
        text = f"Member must satisfy enum value set: [{', '.join(values)}]"
        constraints.append((text, lambda v: v in values))
    return constraints


def _matches(pattern: str, value: str, flags: int) -> bool:
    try:
        return patterns.matches(pattern, value, whole=True, flags=flags)
    except patterns.PatternTimeout:
        return False


def _code_point(pair: re.Match[str]) -> str:
    """Return the escape of the character that Java's pattern writes as a surrogate pair."""
    return rf"\U{0x10000 + (int(pair[1], 16) - 0xD800) * 0x400 + int(pair[2], 16) - 0xDC00:08x}"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _shown(value: Any) -> str:
    """Return a value as the service writes it in messages: by Java's toString."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    return str(value)
