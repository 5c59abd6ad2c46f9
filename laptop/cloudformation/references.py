"""What the definition of a resource refers to, and the order that follows from it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laptop.cloudformation.functions import attribute_of, function_of, substitution, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laptop.paths import Json


def references(value: Any, conditions: Mapping[str, bool] | None = None) -> Iterator[tuple[str, str | None]]:
    """Every name that Ref, Fn::GetAtt and Fn::Sub name in the value, with the attribute, None for Ref.

    With conditions, only those of the branches that Fn::If takes. ResolutionFailed for a malformed function.
    """
    name = function_of(value)
    argument = value[name] if name else None
    if name == "Ref":
        yield str(argument), None
    elif name == "Fn::GetAtt":
        logical_id, attribute = attribute_of(argument)
        yield logical_id, attribute if isinstance(attribute, str) else None
        yield from references(attribute, conditions)
    elif name == "Fn::Sub":
        text, variables = substitution(argument)
        for variable in variables_of(text):
            if variable not in variables:
                logical_id, _, attribute = variable.partition(".")
                yield logical_id, attribute or None
        yield from references(variables, conditions)
    elif name == "Fn::If" and conditions is not None and isinstance(argument, list) and len(argument) == 3:
        yield from references(argument[1 if conditions.get(argument[0]) else 2], conditions)
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from references(one, conditions)


def depends_on(definition: Json) -> list[str]:
    """The logical ids in DependsOn."""
    named = definition.get("DependsOn", [])
    return [named] if isinstance(named, str) else list(named)


def dependencies(resources: Mapping[str, Json], conditions: Mapping[str, bool]) -> dict[str, set[str]]:
    """The graph of resource definitions: the logical ids that each of them needs first."""
    return {
        logical_id: {
            name
            for name in (*depends_on(definition), *(name for name, _ in references(definition, conditions)))
            if name in resources
        }
        for logical_id, definition in resources.items()
    }
