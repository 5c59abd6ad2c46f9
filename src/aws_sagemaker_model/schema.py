"""Check properties against the schema: coerce their types, and describe every violation. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple

from .properties import MODEL, UNKNOWN, Path, matches, schema_of

# The longest message that CloudFormation accepts: StatusMessage of RecordHandlerProgress (API reference).
MAX_MESSAGE_LENGTH = 1024
_WORD = r"\w{1,64}"


class Violation(NamedTuple):
    """A broken rule: the path of the property, and what must hold instead."""

    path: Path
    message: str

    @property
    def pointer(self) -> str:
        """Return the JSON pointer. A name that is not a word becomes `*`, because it may be a misplaced value."""
        return "/properties" + "".join(f"/{step if matches(_WORD, str(step)) else '*'}" for step in self.path)

    def __str__(self) -> str:
        return f"{self.pointer} {self.message}"


def to_message(violations: Sequence[Violation]) -> str:
    """Return violations as one message that CloudFormation does not cut: it ends after a whole violation."""
    texts = [str(violation) for violation in violations]
    lengths = list(accumulate(len(text) + len("; ") for text in texts))
    if lengths[-1] - len("; ") <= MAX_MESSAGE_LENGTH:
        return "; ".join(texts)
    room = MAX_MESSAGE_LENGTH - len(f"… and {len(texts)} more")
    count = max(1, sum(length <= room for length in lengths))
    return "; ".join([*texts[:count], f"… and {len(texts) - count} more"])


def coerce(properties: Any) -> tuple[dict[str, Any], list[Violation]]:
    """Return properties with the types of the schema, and every violation of the schema.

    CloudFormation sends booleans and numbers as strings, and authors of templates write numbers and booleans for
    strings. A value that breaks the schema stays unchanged.
    """
    violations: list[Violation] = []
    if not isinstance(properties, dict):
        return {}, [Violation((), "must be an object")]
    return _coerced_members(properties, MODEL, (), violations), violations


def unknown_property(path: Path, known: Iterable[str]) -> Violation:
    """Return the violation of a property that the schema lacks; `known` are the properties of the schema there."""
    # Imported here because it is seldom needed and adds milliseconds to a cold start.
    from difflib import get_close_matches

    by_lower_case = {name.lower(): name for name in known}
    nearest = get_close_matches(str(path[-1]).lower(), by_lower_case, n=1, cutoff=0.7)
    advice = f"did you mean {by_lower_case[nearest[0]]}?" if nearest else "correct its name or leave it out"
    return Violation(path, f"is not a property of {_innermost_name(path[:-1]) or 'this type'}: {advice}")


def _innermost_name(path: Path) -> str | None:
    return next((step for step in reversed(path) if isinstance(step, str)), None)


def _coerced_members(
    value: dict[str, Any], schema: dict[str, Any], path: Path, violations: list[Violation]
) -> dict[str, Any]:
    coerced = {}
    for name, member in value.items():
        member_path = (*path, name)
        member_schema = schema_of(name, schema)
        if member_schema is not None:
            member = _coerced(member, member_schema, member_path, violations)
        elif "patternProperties" in schema:
            message = f"cannot be a name in {_innermost_name(path)}: it must be {_in_words(schema)}"
            violations.append(Violation(member_path, message))
        else:
            violations.append(unknown_property(member_path, schema["properties"]))
        coerced[name] = member
    return coerced


def _coerced(value: Any, schema: dict[str, Any], path: Path, violations: list[Violation]) -> Any:
    if value is UNKNOWN:
        return value
    if value is None:
        violations.append(Violation(path, "must not be null: leave it out"))
        return value
    convert, kind = _KINDS[schema["type"]]
    try:
        value = convert(value)
    except (TypeError, ValueError):
        violations.append(Violation(path, f"must be {kind}"))
        return value
    violations += [Violation(path, message) for message in _broken_keywords(value, schema)]
    if isinstance(value, dict):
        return _coerced_members(value, schema, path, violations)
    if isinstance(value, list):
        return [_coerced(item, schema["items"], (*path, i), violations) for i, item in enumerate(value)]
    return value


def _to_string(value: Any) -> str:
    if not isinstance(value, str | bool | int | float):
        raise TypeError
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_boolean(value: Any) -> bool:
    return ("false", "true").index(_to_string(value).lower()) == 1


def _to_integer(value: Any) -> int:
    if isinstance(value, bool) or not matches(r"-?[0-9]{1,18}", _to_string(value)):
        raise ValueError
    return int(value)


def _of_type(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


# By type of the schema: the function that converts a value, and the words for a value that it refuses.
_KINDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "string": (_to_string, "a string"),
    "boolean": (_to_boolean, "true or false"),
    "integer": (_to_integer, "a whole number"),
    "object": (partial(_of_type, dict), "an object"),
    "array": (partial(_of_type, list), "a list"),
}


def _broken_keywords(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    """Yield which keywords of the schema a value breaks, in words that do not repeat the value."""
    for keyword, (holds, words) in _KEYWORDS.items():
        if keyword in schema and not holds(value, schema[keyword]):
            limit = schema[keyword]
            text = words.format(", ".join(map(str, limit)) if isinstance(limit, list) else limit)
            yield text.replace(" 1 characters", " 1 character").replace(" 1 entries", " 1 entry")
    if isinstance(value, str):
        if not is_text(value):
            yield "must be valid Unicode text: it has one half of a surrogate pair without the other"
        if "pattern" in schema and not matches(schema["pattern"], value):
            yield f"must be {_in_words(schema)}"
    for name in schema.get("required", ()):
        if name not in value:
            yield f"lacks {name}, which it must have"


def _in_words(schema: dict[str, Any]) -> str:
    """Return what a pattern of the schema allows, for readers who do not know regular expressions."""
    (example,) = schema["examples"]
    return f"{schema['$comment']}, such as {example if isinstance(example, str) else next(iter(example))}"


def is_text(value: str) -> bool:
    """Say whether UTF-8 can encode a string: JSON allows a lone \\ud800, which it cannot."""
    return matches(r"[^\ud800-\udfff]*", value)


_KEYWORDS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minLength": (lambda value, limit: len(value) >= limit, "must have at least {} characters"),
    "maxLength": (lambda value, limit: len(value) <= limit, "must have at most {} characters"),
    "enum": (lambda value, limit: value in limit, "must be one of {}"),
    "minItems": (lambda value, limit: len(value) >= limit, "must have at least {} entries"),
    "maxItems": (lambda value, limit: len(value) <= limit, "must have at most {} entries"),
    "maxProperties": (lambda value, limit: len(value) <= limit, "must have at most {} entries"),
}
