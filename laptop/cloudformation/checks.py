"""What CloudFormation refuses before it makes anything. Pure.

Source of the sentences: what CloudFormation answers to CreateStack, as reported in public.
"""

from __future__ import annotations

import graphlib
from typing import TYPE_CHECKING, Any

from laptop.cloudformation.conditions import CONDITION_FUNCTIONS, active_resources
from laptop.cloudformation.functions import FUNCTIONS, USAGE, attribute_of, function_of, substitution, variables_of
from laptop.cloudformation.references import dependencies, depends_on, references
from laptop.cloudformation.scope import PSEUDO_PARAMETERS
from laptop.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from laptop.definition import TypeDefinition
    from laptop.paths import Json

    Find = Callable[[str], TypeDefinition | None]

NESTED_STACK = "AWS::CloudFormation::Stack"
_SUPPORTED = (
    "Fn::Base64, Fn::GetAtt, Fn::GetAZs, Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, Fn::Select, Ref, "
    "Fn::Equals, Fn::If, Fn::Not, Condition, Fn::And, Fn::Or, Fn::Contains, Fn::EachMemberEquals, Fn::EachMemberIn, "
    "Fn::ValueOf, Fn::ValueOfAll, Fn::RefAll, Fn::Sub, Fn::Cidr"
)
# Functions of literal lists: how long these are.
_LENGTHS = {
    "Fn::If": (3,),
    "Fn::Join": (2,),
    "Fn::Split": (2,),
    "Fn::Select": (2,),
    "Fn::Cidr": (2, 3),
    "Fn::FindInMap": (3, 4),
}
# What only the operation gives, or other stacks: names of exports must not depend on it.
_OF_THE_OPERATION = ("Fn::GetAtt", "Fn::GetAZs", "Fn::ImportValue")


def check(document: Json, parameters: Collection[str], conditions: Mapping[str, bool], find: Find) -> None:
    """Refused when a transformed template names what does not exist, or uses functions as they are not meant.

    `parameters` are the names of the parameters, `conditions` the values of the conditions, `find` gives the
    definition of a resource type, or None when there is no such type.
    """
    resources: dict[str, Json] = document["Resources"]
    active = active_resources(document, conditions)
    outputs: dict[str, Json] = document.get("Outputs", {})
    for section, members in (("Resources", resources), ("Outputs", outputs)):
        _check_conditions(section, members, conditions)
        for name, member in members.items():
            _check_functions(member, f"/{section}/{name}", document, conditions)
    _check_types(active, find)
    known = {*resources, *parameters, *PSEUDO_PARAMETERS}
    _check_names("Resources", resources, known, None)
    _check_names("Outputs", outputs, known, None)
    existing = known - (resources.keys() - active.keys())
    _check_names("Resources", active, existing, conditions)
    _check_names("Outputs", _active_outputs(outputs, conditions), existing, conditions)
    _check_attributes([*resources.values(), *outputs.values()], resources, find)
    for name, output in outputs.items():
        _check_output(name, output, resources)
    _check_circles(dependencies(active, conditions))


def _active_outputs(outputs: dict[str, Json], conditions: Mapping[str, bool]) -> dict[str, Json]:
    return {name: one for name, one in outputs.items() if conditions.get(one.get("Condition", ""), True)}


def _check_conditions(section: str, members: dict[str, Json], conditions: Mapping[str, bool]) -> None:
    for member in members.values():
        if "Condition" in member and member["Condition"] not in conditions:
            raise _unknown_condition(member["Condition"], section)


def _unknown_condition(name: Any, section: str) -> Refused:
    return _refused(
        f"Template format error: Unresolved condition dependency {name} in the {section} block of the template"
    )


def _check_functions(value: Any, path: str, document: Json, conditions: Mapping[str, bool]) -> None:
    """Refused for a function that is none, stands where it cannot, or has arguments that it does not take."""
    name = function_of(value)
    if name is not None:
        _check_function(name, value[name], path, document, conditions)
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            _check_functions(one, f"{path}/{key}", document, conditions)


def _check_function(name: str, argument: Any, path: str, document: Json, conditions: Mapping[str, bool]) -> None:
    if name in CONDITION_FUNCTIONS:
        raise _refused(f"Template error: [{path}] {name} cannot be partially collapsed")
    if name not in FUNCTIONS:
        raise _refused(
            f"Template Error: Encountered unsupported function: {name} Supported functions are: [{_SUPPORTED}]"
        )
    is_list = isinstance(argument, list)
    if (name == "Ref" and not isinstance(argument, str)) or (
        name in _LENGTHS and (not is_list or len(argument) not in _LENGTHS[name])
    ):
        raise _refused(f"Template error: {USAGE[name]}")
    if name == "Fn::GetAtt":
        attribute_of(argument)
    elif name == "Fn::Sub":
        variables_of(substitution(argument)[0])
    elif name == "Fn::If" and argument[0] not in conditions:
        raise _unknown_condition(argument[0], path.split("/")[1])
    elif name == "Fn::FindInMap":
        _check_mapping(argument, document.get("Mappings", {}))


def _check_mapping(argument: list[Any], mappings: Json) -> None:
    keys = argument[:3]
    if isinstance(keys[0], str) and keys[0] not in mappings:
        raise _refused(
            f"Template error: Mapping named '{keys[0]}' is not present in the 'Mappings' section of template."
        )
    literal = len(argument) == 3 and all(isinstance(one, str) for one in keys)
    if literal and keys[2] not in mappings[keys[0]].get(keys[1], {}):
        raise _refused(f"Template error: Unable to get mapping for {'::'.join(keys)}")


def _check_types(active: dict[str, Json], find: Find) -> None:
    types = {resource["Type"] for resource in active.values()}
    if unknown := sorted(
        one for one in types if not _answers_anything(one) and one != NESTED_STACK and not find(one)
    ):
        raise _refused(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")


def _answers_anything(type_name: str) -> bool:
    """Whether the type is a custom resource, whose attributes are what its function answers."""
    return type_name.startswith("Custom::") or type_name == "AWS::CloudFormation::CustomResource"


def _check_names(
    section: str, members: dict[str, Json], known: Collection[str], conditions: Mapping[str, bool] | None
) -> None:
    named = {
        name
        for member in members.values()
        for name in (*depends_on(member), *(name for name, _ in references(member, conditions)))
    }
    if unresolved := sorted(named.difference(known)):
        names = ", ".join(unresolved)
        raise _refused(
            f"Template format error: Unresolved resource dependencies [{names}] in the {section} block of the "
            "template"
        )


def _check_attributes(members: list[Json], resources: dict[str, Json], find: Find) -> None:
    asked = {(name, attribute) for member in members for name, attribute in references(member) if attribute}
    for logical_id, attribute in sorted(asked):
        type_name = resources[logical_id]["Type"] if logical_id in resources else ""
        if not _has_attribute(type_name, attribute, find):
            raise _refused(
                f"Template error: resource {logical_id} does not support attribute type {attribute} in Fn::GetAtt"
            )


def _has_attribute(type_name: str, attribute: str, find: Find) -> bool:
    if _answers_anything(type_name):
        return True
    if type_name == NESTED_STACK:
        return attribute.startswith("Outputs.")
    definition = find(type_name)
    return definition is None or definition.has_attribute(attribute)


def _check_output(name: str, output: Json, resources: dict[str, Json]) -> None:
    if _calls(output["Value"], CONDITION_FUNCTIONS.keys() - {"Condition"}):
        raise _refused("Template format error: The Value field of every Outputs member must evaluate to a String.")
    export = output.get("Export", {}).get("Name", "")
    if _calls(export, _OF_THE_OPERATION) or any(one in resources for one, _ in references(export)):
        raise _refused(
            f"Template error: Output {name} is malformed. The Name field of every Export member must not depend on "
            "any resources, imported values, or Fn::GetAZs."
        )


def _calls(value: Any, names: Collection[str]) -> bool:
    if isinstance(value, dict):
        return any(key in names or _calls(one, names) for key, one in value.items())
    return isinstance(value, list) and any(_calls(one, names) for one in value)


def _check_circles(graph: Mapping[str, set[str]]) -> None:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as circle:
        names = ", ".join(sorted(set(circle.args[1])))
        raise _refused(f"Circular dependency between resources: [{names}]") from None


def _refused(message: str) -> Refused:
    return Refused("ValidationError", message)
