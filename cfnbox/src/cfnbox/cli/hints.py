"""Hints for probable mistakes in a template, in addition to CloudFormation's errors. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Refused
from cfnbox.template.functions import ResolutionFailed
from cfnbox.template.references import references

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition

    Find = Callable[[str], TypeDefinition | None]

_CUSTOM = ("Custom::", "AWS::CloudFormation::CustomResource", "AWS::Serverless::")
_SIMILAR = 0.75
_MOST_LISTED = 8


@dataclass(frozen=True)
class Hint:
    """A sentence about a place of a template, such as Resources/Queue/Properties/DelaySecond."""

    place: str
    message: str


def hints(document: Mapping[str, Any], find: Find, names: Iterable[str]) -> list[Hint]:
    """Return the hints for a template. `find` returns the definition of a type; `names` has all type names."""
    resources = {
        name: resource
        for name, resource in _object(document.get("Resources")).items()
        if isinstance(resource, dict) and isinstance(resource.get("Type"), str)
    }
    found: list[Hint] = []
    known = list(names)
    for logical_id, resource in resources.items():
        type_name = resource["Type"]
        if type_name.startswith(_CUSTOM):
            continue
        definition = find(type_name)
        if definition is None:
            found.append(Hint(f"Resources/{logical_id}/Type", _unknown_type(type_name, known)))
            continue
        place = f"Resources/{logical_id}/Properties"
        found += _in_properties(definition, definition.schema, _object(resource.get("Properties")), place)
    return [*found, *_attributes(document, resources, find)]


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _similar(name: str, names: Iterable[str]) -> str | None:
    """Return the most similar name, ignoring case, or None."""
    by_lower = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), by_lower, 1, _SIMILAR)
    return by_lower[close[0]] if close else None


def _unknown_type(type_name: str, names: list[str]) -> str:
    similar = _similar(type_name, names)
    meant = f" Did you mean {similar}?" if similar else ""
    if type_name.startswith("AWS::"):
        return f"AWS publishes no type {type_name}.{meant}"
    return f"No type {type_name} is served. If it is yours, serve its folder: cfnbox up DIR.{meant}"


def _in_properties(definition: TypeDefinition, node: Mapping[str, Any], value: Any, place: str) -> Iterator[Hint]:
    node = definition.resolved(node)
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _in_properties(definition, _object(node.get("items")), item, f"{place}/{number}")
    declared = node.get("properties")
    if not isinstance(value, dict) or _is_function(value) or not isinstance(declared, dict):
        return
    yield from _exclusive(definition, node, value, place)
    for name, inner in value.items():
        if name in declared:
            yield from _in_properties(definition, declared[name], inner, f"{place}/{name}")
        elif node.get("additionalProperties") is False and (similar := _similar(name, declared)):
            yield Hint(f"{place}/{name}", f"There is no property {name}. Did you mean {similar}?")


def _is_function(value: Json) -> bool:
    return any(name == "Ref" or name.startswith("Fn::") for name in value)


def _exclusive(definition: TypeDefinition, node: Mapping[str, Any], value: Json, place: str) -> Iterator[Hint]:
    """Yield a hint if oneOf requires exactly one of several members, and several or none are present."""
    choices: list[list[str]] = [definition.resolved(choice).get("required", []) for choice in node.get("oneOf", ())]
    if not choices or not all(choices):
        return
    names = [" with ".join(choice) for choice in choices]
    present = [name for name, choice in zip(names, choices, strict=True) if all(part in value for part in choice)]
    if len(present) > 1:
        yield Hint(place, f"Give exactly one of {' and '.join(present)}, not both.")
    elif not present:
        yield Hint(place, f"Give one of {' or '.join(names)}.")


def _attributes(document: Mapping[str, Any], resources: Mapping[str, Json], find: Find) -> Iterator[Hint]:
    try:
        used = [*references(document.get("Resources", {})), *references(document.get("Outputs", {}))]
    except (ResolutionFailed, Refused):
        # A malformed function: CloudFormation's own error is enough.
        return
    for logical_id, attribute in dict.fromkeys(used):
        type_name = resources.get(logical_id, {}).get("Type", "")
        definition = find(type_name) if attribute and type_name and not type_name.startswith(_CUSTOM) else None
        if (
            definition is None
            or attribute is None
            or definition.has_attribute(attribute)
            or not definition.attributes
        ):
            continue
        yield Hint(f"Resources/{logical_id}", _no_attribute(definition, attribute, find))


def _no_attribute(definition: TypeDefinition, attribute: str, find: Find) -> str:
    known = definition.attributes
    listed = f", but {', '.join(known)}" if len(known) <= _MOST_LISTED else ""
    of_type = f"Fn::GetAtt of {definition.type_name} has no {attribute}{listed}."
    original = "::".join(["AWS", *definition.type_name.split("::")[1:]])
    published = find(original)
    ends = [name for name in known if attribute.endswith(name)] + [name for name in known if name.endswith(attribute)]
    named = ends[0] if ends else _similar(attribute, known)
    meant = f" Did you mean {named}?" if named else ""
    if original != definition.type_name and published is not None and published.has_attribute(attribute):
        return f"{of_type} {attribute} is an attribute of {original} alone.{meant}"
    return f"{of_type}{meant}"
