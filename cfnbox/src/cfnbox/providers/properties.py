"""Validation of properties against the schema of their type, before a handler is invoked. Pure.

The messages are those of CloudFormation's validator (everit's, with messages that would contain a value replaced:
aws-cloudformation/cloudformation-resource-schema, ValidationException). No message contains a value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import regex
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from cfnbox.core import patterns

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition

# The Java validator's names of JSON's types.
_JAVA_TYPES = {"string": "String", "object": "JSONObject", "array": "JSONArray", "boolean": "Boolean",
             "integer": "Integer", "number": "Number", "null": "Null"}  # fmt: skip
_FOUND: Mapping[type, str] = {str: "String", dict: "JSONObject", list: "JSONArray", bool: "Boolean", int: "Integer",
                              float: "BigDecimal", type(None): "Null"}  # fmt: skip


def violations(definition: TypeDefinition, properties: Json) -> list[str]:
    """Return the schema violations of a template's properties, one line each, or [] for valid properties.

    CloudFormation joins the lines by newlines. Scalars of another type are validated after `coerced`.
    """
    found = [line for error in _compiled(definition).errors(properties) for line in _lines(error)]
    found += [line for name in definition.read_only for line in _given_but_read_only(definition, name, properties)]
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Violation:
    """A schema violation: its path, early validation's reason, and the line of `violations`."""

    path: tuple[str, ...]
    reason: str
    line: str


# Early validation's message in RFC 897 of the CDK.
_UNSUPPORTED = "Unsupported property: {}"


def known_violations(
    definition: TypeDefinition, properties: Json, is_unknown: Callable[[Any], bool]
) -> list[Violation]:
    """Return the schema violations of known values. Values for which `is_unknown` is true are not validated."""
    found = dict[Violation, None]()
    for error in _compiled(definition).errors(properties):
        path = tuple(str(part) for part in error.absolute_path)
        if str(error.validator) not in _SAID_BY_THEMSELVES and is_unknown(error.instance):
            continue
        lines = list(_lines(error))
        found[Violation(path, _early_reason(error, lines[0]), "\n".join(lines))] = None
    for name in definition.read_only:
        for line in _given_but_read_only(definition, name, properties):
            *parents, last = name.split(".")
            found[Violation(tuple(parents), _UNSUPPORTED.format(last), line)] = None
    return list(found)


def _early_reason(error: ValidationError, line: str) -> str:
    """Return early validation's message. Users quote those of `required` and `enum`; the others are inferred."""
    message = str(error.message)
    if error.validator == "required":
        return message.replace("required key", "Required property")
    if error.validator == "additionalProperties":
        return _UNSUPPORTED.format(message.removeprefix("extraneous key [").removesuffix("] is not permitted"))
    if error.validator == "enum":
        supported = ", ".join(str(value) for value in error.validator_value)
        return f"{error.instance} is not a valid enum value. Supported values: [{supported}]"
    return line.partition(": ")[2]


def coerced(definition: TypeDefinition, properties: Json) -> Json:
    """Return the properties with each scalar converted to the schema's type, if its text allows that."""
    return cast("Json", _compiled(definition).coerced(properties))


def _given_but_read_only(definition: TypeDefinition, name: str, properties: Json) -> Iterator[str]:
    *parents, last = name.split(".")
    # Some of AWS's schemas list properties as read-only that a create accepts, such as EndpointName.
    if name in (*definition.create_only, *definition.schema.get("required", ())):
        return
    for at in _places_of(properties, parents, last, "#"):
        yield f"{at}: extraneous key [{last}] is not permitted"


def _places_of(value: Any, parents: Sequence[str], last: str, at: str) -> Iterator[str]:
    """Yield the places of the key `last` below the parents. The parent `*` means every item."""
    if parents and parents[0] == "*" and isinstance(value, dict):
        inner: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        # Some schemas omit the `*` of an array in a path.
        inner, parents = enumerate(value), parents if parents[:1] == ["*"] else ["*", *parents]
    else:
        if isinstance(value, dict) and not parents and last in value:
            yield at
        elif isinstance(value, dict) and parents and parents[0] in value:
            yield from _places_of(value[parents[0]], parents[1:], last, f"{at}/{parents[0]}")
        return
    for key, item in inner:
        yield from _places_of(item, parents[1:], last, f"{at}/{key}")


class _CompiledSchema:
    """The compiled schema of a type, to validate many sets of properties."""

    def __init__(self, definition: TypeDefinition) -> None:
        self._schema, self._resolved = definition.schema, definition.resolved
        validator: Any = extend(Draft7Validator, {**_KEYWORDS, "$ref": self._ref})
        self._validator: Any = validator(definition.schema)

    def errors(self, properties: Json) -> list[ValidationError]:
        """Return all errors, those of the outermost properties first."""
        with patterns.shared_time_limit():
            found: Iterator[ValidationError] = self._validator.iter_errors(self.coerced(properties))
            return sorted(found, key=lambda error: [str(part) for part in error.absolute_path])

    def coerced(self, properties: Json) -> Any:
        """Return the properties with scalars in the types of the schema."""
        with patterns.shared_time_limit():
            return self._coerced(self._schema, properties)

    def _ref(self, validator: Any, ref: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
        # An external reference of a schema is not available, so it accepts every value.
        if isinstance(ref, str) and ref.startswith("#/"):
            yield from validator.descend(instance, self._resolved({"$ref": ref}))

    def _coerced(self, node: Any, value: Any) -> Any:
        if not isinstance(node, Mapping):
            return value
        node = self._resolved(node)
        if isinstance(value, dict):
            value = {key: self._coerced(_member(node, key), one) for key, one in value.items()}
        elif isinstance(value, list):
            value = [self._coerced(_item(node, at), one) for at, one in enumerate(value)]
        elif "type" in node:
            value = _as_declared(node["type"], value)
        for branch in node.get("allOf", ()):
            value = self._coerced(branch, value)
        for keyword in ("anyOf", "oneOf"):
            value = self._in_branch(node.get(keyword, ()), value)
        return value

    def _in_branch(self, branches: Any, value: Any) -> Any:
        """Return the value, unchanged if a branch accepts it, else coerced by the first branch that then does."""
        if any(self._validator.evolve(schema=branch).is_valid(value) for branch in branches):
            return value
        made = ((branch, self._coerced(branch, value)) for branch in branches)
        return next((one for branch, one in made if self._validator.evolve(schema=branch).is_valid(one)), value)


@lru_cache(maxsize=512)
def _compiled(definition: TypeDefinition) -> _CompiledSchema:
    return _CompiledSchema(definition)


def _member(node: Mapping[str, Any], key: str) -> Any:
    declared = node.get("properties", {})
    if key in declared:
        return declared[key]
    named = node.get("patternProperties", {})
    return next((inner for pattern, inner in named.items() if found(pattern, key)), node.get("additionalProperties"))


def _item(node: Mapping[str, Any], at: int) -> Any:
    items = node.get("items")
    if isinstance(items, list):
        return items[at] if at < len(items) else node.get("additionalItems")
    return items


def _as_declared(declared: Any, value: Any) -> Any:
    kinds = declared if isinstance(declared, list) else [declared]
    if any(_is(value, kind) for kind in kinds):
        return value
    return next((made for kind in kinds if _is(made := _READ_AS.get(kind, _itself)(value), kind)), value)


def _itself(value: Any) -> Any:
    return value


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _as_boolean(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _as_number(kind: Callable[[str], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # float() also accepts underscores, spaces and names such as "nan".
        if not isinstance(value, str) or not regex.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value):
            return value
        try:
            return kind(value)
        except ValueError:
            return value

    return read


_READ_AS: Mapping[str, Callable[[Any], Any]] = {
    "string": _as_text,
    "boolean": _as_boolean,
    "integer": _as_number(int),
    "number": _as_number(float),
}


def _is(value: Any, kind: str) -> bool:
    return bool(Draft7Validator.TYPE_CHECKER.is_type(value, kind)) if kind in _JAVA_TYPES else True


def _searched(pattern: str, text: str) -> bool:
    # The pattern is Java's: \d and \s are ASCII there, \p{...} is Unicode.
    return patterns.matches(pattern, text, whole=False, flags=0 if r"\p{" in pattern else regex.ASCII)


def found(pattern: str, text: str) -> bool:
    """Return whether a schema's pattern matches in a text. An invalid pattern matches every text."""
    try:
        return _searched(pattern, text)
    except (regex.error, patterns.PatternTooLarge):
        return True
    except patterns.PatternTimeout:
        return False


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not found(pattern, instance):
        yield ValidationError("")


def _pattern_properties(validator: Any, declared: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, inner in declared.items():
            for key, value in instance.items():
                if found(pattern, key):
                    yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, value in instance.items():
        if key in declared or any(found(pattern, key) for pattern in patterns):
            continue
        if validator.is_type(allowed, "object"):
            yield from validator.descend(value, allowed, path=key)
        elif allowed is False:
            yield ValidationError(f"extraneous key [{key}] is not permitted")


def _required(validator: Any, required: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for name in required:
            if name not in instance:
                yield ValidationError(f"required key [{name}] not found")


def _unique_items(validator: Any, unique: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    # jsonschema compares each item with every other one, which takes minutes for some thousand objects.
    if unique and validator.is_type(instance, "array"):
        items = {_canonical(item) for item in instance}
        if len(items) < len(instance):
            yield ValidationError("")


def _canonical(value: Any) -> str:
    """Return the same text for equal values: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


_KEYWORDS = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "required": _required,
    "uniqueItems": _unique_items,
}
# CloudFormation's message for each violated keyword, from the keyword's value and the actual count.
_SAID: Mapping[str, str] = {
    "minLength": "expected minLength: {wanted}, actual: {size}",
    "maxLength": "expected maxLength: {wanted}, actual: {size}",
    "minItems": "expected minimum item count: {wanted}, found: {size}",
    "maxItems": "expected maximum item count: {wanted}, found: {size}",
    "minProperties": "minimum size: [{wanted}], found: [{size}]",
    "maxProperties": "maximum size: [{wanted}], found: [{size}]",
    "uniqueItems": "array items are not unique",
    "contains": "expected at least one array item to match 'contains' schema",
    "anyOf": "#: no subschema matched out of the total {count} subschemas",
}
_SAID_BY_THEMSELVES = ("additionalProperties", "required")


def _lines(error: ValidationError) -> Iterator[str]:
    """Yield the lines of an error, without CloudFormation's lines that only count subschemas."""
    at = "#" + "".join(f"/{part}" for part in error.absolute_path)
    keyword, wanted, value = str(error.validator), error.validator_value, error.instance
    if keyword == "type":
        yield from _type_lines(at, wanted if isinstance(wanted, list) else [wanted], value)
    elif keyword in _SAID_BY_THEMSELVES:
        yield f"{at}: {error.message}"
    elif keyword == "oneOf":
        # An error of each branch, or none where several branches fit.
        matched = "0 subschemas" if error.context else "more than one subschema"
        yield f"{at}: #: {matched} matched instead of one"
    elif keyword in _SAID:
        size = len(value) if isinstance(value, str | list | dict) else 0
        count = len(wanted) if isinstance(wanted, list) else 0
        yield f"{at}: {_SAID[keyword].format(wanted=wanted, size=size, count=count)}"
    else:
        yield f"{at}: failed validation constraint for keyword [{keyword}]"
    for inner in error.context or ():
        yield from _lines(inner)


def _type_lines(at: str, expected: Sequence[str], value: Any) -> Iterator[str]:
    if len(expected) > 1:
        yield f"{at}: {_SAID['anyOf'].format(count=len(expected))}"
    for one in expected:
        yield f"{at}: expected type: {_JAVA_TYPES.get(one, one)}, found: {_FOUND.get(type(value), 'Object')}"
