"""What CloudFormation refuses of a transformed template before it makes anything. Pure.

Source of the sentences: what CloudFormation answers to CreateStack, as reported in public.
"""

from __future__ import annotations

import graphlib
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Invalid
from cfnbox.template.conditions import CONDITION_FUNCTIONS, active, unknown_condition
from cfnbox.template.functions import USAGE, attribute_of, function_of, misused, substitution
from cfnbox.template.references import dependencies, depends_on, references
from cfnbox.template.scope import PSEUDO_PARAMETERS
from cfnbox.template.syntax import objects, uses_macro

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition

    Find = Callable[[str], TypeDefinition | None]

NESTED_STACK = "AWS::CloudFormation::Stack"
_SUPPORTED = (
    "Fn::Base64, Fn::GetAtt, Fn::GetAZs, Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, Fn::Select, Ref, "
    "Fn::Equals, Fn::If, Fn::Not, Condition, Fn::And, Fn::Or, Fn::Contains, Fn::EachMemberEquals, Fn::EachMemberIn, "
    "Fn::ValueOf, Fn::ValueOfAll, Fn::RefAll, Fn::Sub, Fn::Cidr"
)
# How long the lists are that functions take.
_LENGTHS = {
    "Fn::Cidr": (2, 3), "Fn::FindInMap": (3, 4), "Fn::If": (3,), "Fn::Join": (2,), "Fn::Select": (2,),
    "Fn::Split": (2,),
}  # fmt: skip
# "Resources that support dynamic parameter patterns for secure strings" in the user guide.
_WITH_SECURE_REFERENCES = {
    "AWS::DirectoryService::MicrosoftAD/Properties/Password",
    "AWS::DirectoryService::SimpleAD/Properties/Password",
    "AWS::ElastiCache::ReplicationGroup/Properties/AuthToken",
    "AWS::IAM::User/Properties/LoginProfile/Password",
    "AWS::KinesisFirehose::DeliveryStream/Properties/RedshiftDestinationConfiguration/Password",
    "AWS::OpsWorks::App/Properties/AppSource/Password",
    "AWS::OpsWorks::Stack/Properties/CustomCookbooksSource/Password",
    "AWS::OpsWorks::Stack/Properties/RdsDbInstances/DbPassword",
    "AWS::RDS::DBCluster/Properties/MasterUserPassword",
    "AWS::RDS::DBInstance/Properties/MasterUserPassword",
    "AWS::Redshift::Cluster/Properties/MasterUserPassword",
}
# What only the operation or another stack gives, and the name of an export must not depend on.
_NOT_IN_EXPORTS = {"Fn::GetAtt", "Fn::GetAZs", "Fn::ImportValue"}


def check(document: Json, parameters: Collection[str], conditions: Mapping[str, bool], find: Find) -> None:
    """Refused when a template names what does not exist, or uses functions as they are not meant.

    `parameters` are the names of the parameters, `conditions` the values of the conditions, `find` gives the
    definition of a resource type, or None when there is no such type.
    """
    resources, outputs = document["Resources"], document.get("Outputs", {})
    existing = active(resources, conditions)
    for name, output in outputs.items():
        _check_output(name, output, resources)
    for section, members in (("Resources", resources), ("Outputs", outputs)):
        _check_conditions(section, members, conditions)
        for name, member in members.items():
            _check_functions(member, (section, name), document, conditions)
    _check_wait_conditions(existing)
    _check_secure_references(existing)
    _check_types(existing, find)
    for section, members in (("Resources", resources), ("Outputs", outputs)):
        _check_names(section, members, resources, parameters, None)
        _check_names(section, active(members, conditions), existing, parameters, conditions)
    _check_attributes(document, find)
    _check_circles(dependencies(existing, conditions))


def check_references(document: Json) -> None:
    """Refused when a template as it was sent refers to resources or parameters that it lacks, or in a circle.

    What ValidateTemplate finds; types are not looked at. A template that a transform makes may lack anything before.
    """
    if uses_macro(document):
        return
    resources, parameters = document["Resources"], document.get("Parameters", {})
    for section in ("Resources", "Outputs"):
        _check_conditions(section, document.get(section, {}), document.get("Conditions", {}))
        _check_names(section, document.get(section, {}), resources, parameters, None)
    unconditional = {name: one for name, one in resources.items() if "Condition" not in one}
    _check_circles(dependencies(_without_choices(unconditional), {}))


def _check_conditions(section: str, members: Mapping[str, Json], conditions: Collection[str]) -> None:
    for member in members.values():
        if "Condition" in member and member["Condition"] not in conditions:
            raise unknown_condition(member["Condition"], section)


def _without_choices(value: Any) -> Any:
    """The value without what only a condition decides."""
    if isinstance(value, dict):
        return {key: _without_choices(one) for key, one in value.items() if key != "Fn::If"}
    return [_without_choices(one) for one in value] if isinstance(value, list) else value


def _check_functions(value: Any, path: tuple[str, ...], document: Json, conditions: Mapping[str, bool]) -> None:
    """Refused for a function that is none, stands where it cannot, or has arguments that it does not take."""
    name = function_of(value)
    if name is not None:
        argument = value[name]
        _check_usage(name, argument, path)
        if name == "Fn::If" and str(argument[0]) not in conditions:
            # Recorded.
            raise Invalid(f"Template error: unresolved condition dependency {argument[0]} in Fn::If")
        if name == "Fn::FindInMap":
            _check_mapping(argument, document.get("Mappings", {}))
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            _check_functions(one, (*path, str(key)), document, conditions)


def _check_usage(name: str, argument: Any, path: tuple[str, ...]) -> None:
    if name in CONDITION_FUNCTIONS:
        raise Invalid(f"Template error: [/{'/'.join(path)}] {name} cannot be partially collapsed")
    if name not in USAGE:
        raise Invalid(
            f"Template Error: Encountered unsupported function: {name} Supported functions are: [{_SUPPORTED}]"
        )
    length = len(argument) if isinstance(argument, list) else -1
    if (name == "Ref" and not isinstance(argument, str)) or length not in _LENGTHS.get(name, (length,)):
        raise misused(name)
    if name == "Fn::GetAtt":
        attribute_of(argument)
    if name == "Fn::Sub":
        substitution(argument)
    if name == "Fn::Select" and not _can_select(*argument):
        raise misused(name)


def _can_select(index: Any, items: Any) -> bool:
    """Return whether Fn::Select can return an item, as far as the template says (recorded: refused at once)."""
    if function_of(items) is None and not isinstance(items, list):
        return False
    if function_of(index) is not None:
        return True
    if not isinstance(index, str | int) or isinstance(index, bool) or not str(index).isdecimal():
        return False
    # AWS::NoValue leaves an item out.
    has_functions = isinstance(items, list) and any(function_of(item) for item in items)
    return not isinstance(items, list) or has_functions or int(index) < len(items)


def _check_mapping(argument: list[Any], mappings: Json) -> None:
    keys = argument[:3]
    if isinstance(keys[0], str) and keys[0] not in mappings:
        raise Invalid(
            f"Template error: Mapping named '{keys[0]}' is not present in the 'Mappings' section of template."
        )
    literal = len(argument) == 3 and all(isinstance(one, str) for one in keys)
    if literal and keys[2] not in mappings[keys[0]].get(keys[1], {}):
        raise Invalid(f"Template error: Unable to get mapping for {'::'.join(keys)}")


def _check_types(resources: Mapping[str, Json], find: Find) -> None:
    types = {one["Type"] for one in resources.values()}
    if unknown := sorted(one for one in types if not _is_custom(one) and one != NESTED_STACK and not find(one)):
        raise Invalid(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")


def _check_secure_references(resources: Mapping[str, Json]) -> None:
    unsupported = [
        place
        for definition in resources.values()
        for place in _secure_references(definition.get("Properties", {}), f"{definition['Type']}/Properties")
        if place not in _WITH_SECURE_REFERENCES
    ]
    if unsupported:
        raise Invalid(f"SSM Secure reference is not supported in: [{', '.join(unsupported)}]")


def _secure_references(value: Any, place: str) -> Iterator[str]:
    """Return the places of the references to secure strings; positions in lists are not part of a place."""
    if isinstance(value, str) and "{{resolve:ssm-secure:" in value:
        yield place
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secure_references(item, place if key.startswith("Fn::") else f"{place}/{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _secure_references(item, place)


def _check_wait_conditions(resources: Mapping[str, Json]) -> None:
    for name, one in resources.items():
        waits = one["Type"] == "AWS::CloudFormation::WaitCondition" and "CreationPolicy" not in one
        if waits and not {"Handle", "Timeout"} <= one.get("Properties", {}).keys():
            raise Invalid(
                f"Resource {name} needs Handle and Timeout, or a CreationPolicy: nothing else ends the wait."
            )


def _is_custom(type_name: str) -> bool:
    return type_name.startswith("Custom::") or type_name == "AWS::CloudFormation::CustomResource"


def _check_names(
    section: str,
    members: Mapping[str, Json],
    resources: Mapping[str, Json],
    parameters: Collection[str],
    conditions: Mapping[str, bool] | None,
) -> None:
    named = [pair for one in members.values() for pair in references(one, conditions)]
    of_resources = {name for name, attribute in named if attribute is not None}
    of_resources.update(name for one in members.values() for name in depends_on(one))
    of_anything = {name for name, _ in named}.difference(parameters, PSEUDO_PARAMETERS)
    if unresolved := sorted((of_resources | of_anything) - resources.keys()):
        # Recorded: without a prefix where a condition leaves out what an output refers to.
        prefix = "" if section == "Outputs" and conditions is not None else "Template format error: "
        raise Invalid(
            f"{prefix}Unresolved resource dependencies [{', '.join(unresolved)}] in the {section} block of the "
            "template"
        )


def _check_attributes(document: Json, find: Find) -> None:
    asked = [*references(document["Resources"]), *references(document.get("Outputs", {}))]
    for logical_id, attribute in dict.fromkeys(asked):
        if attribute and not _has_attribute(document["Resources"][logical_id]["Type"], attribute, find):
            raise Invalid(
                f"Template error: resource {logical_id} does not support attribute type {attribute} in Fn::GetAtt"
            )


def _has_attribute(type_name: str, attribute: str, find: Find) -> bool:
    if type_name == NESTED_STACK:
        return attribute.startswith("Outputs.")
    definition = None if _is_custom(type_name) else find(type_name)
    return definition is None or definition.has_attribute(attribute)


def _check_output(name: str, output: Json, resources: Mapping[str, Json]) -> None:
    function = function_of(output["Value"])
    if function in CONDITION_FUNCTIONS or (function is None and isinstance(output["Value"], dict | list)):
        raise Invalid("Template format error: The Value field of every Outputs member must evaluate to a String.")
    export = output.get("Export", {})
    used = {function_of(one) for one in objects(export)} | {one for one, _ in references(export)}
    if not used.isdisjoint({*_NOT_IN_EXPORTS, *resources}):
        raise Invalid(
            # aws-cloudformation/cfn-lint#1632
            f"Template format error: Output {name} is malformed.  The Name field of Export must not depend on any "
            "resources, imported values, or Fn::GetAZs."
        )


def _check_circles(graph: Mapping[str, set[str]]) -> None:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as circle:
        names = ", ".join(sorted(set(circle.args[1])))
        raise Invalid(f"Circular dependency between resources: [{names}]") from None
