"""What the definition of a resource refers to, and the order that follows from it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.template.functions import attribute_of, function_of, substitution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cfnbox.core.paths import Json


def references(value: Any, conditions: Mapping[str, bool] | None = None) -> Iterator[tuple[str, str | None]]:
    """Every name in Ref, Fn::GetAtt and Fn::Sub of the value, with the attribute: None for Ref, "" if computed.

    With conditions, only those of the branches that Fn::If takes. ResolutionFailed for a malformed function.
    """
    name = function_of(value)
    argument = value[name] if name else None
    if name == "Ref":
        yield str(argument), None
    elif name == "Fn::GetAtt":
        logical_id, attribute = attribute_of(argument)
        yield logical_id, attribute if isinstance(attribute, str) else ""
        yield from references(attribute, conditions)
    elif name == "Fn::Sub":
        _, names, given = substitution(argument)
        for variable in names:
            if variable not in given:
                logical_id, dot, attribute = variable.partition(".")
                yield logical_id, attribute if dot else None
        yield from references(given, conditions)
    elif isinstance(value, dict | list):
        for one in _taken(value, name, conditions):
            yield from references(one, conditions)


def imports(value: Any, conditions: Mapping[str, bool]) -> Iterator[Any]:
    """What every Fn::ImportValue of the branches that Fn::If takes is given: the name of an export, or a function."""
    name = function_of(value)
    if name == "Fn::ImportValue":
        yield value[name]
    elif isinstance(value, dict | list):
        for one in _taken(value, name, conditions):
            yield from imports(one, conditions)


def _taken(value: Any, name: str | None, conditions: Mapping[str, bool] | None) -> Iterable[Any]:
    """What is inside of an object or list; of an Fn::If with conditions, the branch that it takes."""
    inside: Iterable[Any] = value.values() if isinstance(value, dict) else value
    argument = next(iter(inside)) if name == "Fn::If" else None
    if conditions is None or not isinstance(argument, list) or len(argument) != 3:
        return inside
    return [argument[1 if conditions.get(str(argument[0])) else 2]]


def depends_on(definition: Json) -> list[str]:
    """The logical ids in DependsOn."""
    named = definition.get("DependsOn", [])
    return [named] if isinstance(named, str) else list(named)


def dependencies(resources: Mapping[str, Json], conditions: Mapping[str, bool]) -> dict[str, set[str]]:
    """The graph of resource definitions: the logical ids that each of them needs first."""
    return {
        logical_id: resources.keys() & {*depends_on(one), *(name for name, _ in references(one, conditions))}
        for logical_id, one in resources.items()
    }
