"""The resources of a template in each outcome of its conditions. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from aws_sagemaker_model.properties import UNKNOWN, Path
from lint_sagemaker_model.conditions import Conditions, Outcome

# AWS's own type. SageMaker refuses the same things in it, but its schema is AWS's.
AWS_TYPE = "AWS::SageMaker::Model"

Place = list[str | int]
"""A path in a template: names and list positions, from the outside in."""

Properties = Mapping[str, Any]

_ABSENT = object()
# The most conditions whose outcomes are tried. With more of them, values that depend on a condition are unknown.
_MAX_CONDITIONS = 6
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")  # of Fn::Sub; ${!...} is plain text


@dataclass(frozen=True)
class Template:
    """A template whose functions are in their long forms.

    `regions` are those in which the user says that the stack will be; empty where the user does not say it.
    `type_names` are names of this type besides those that end in ::SageMaker::Model outside of the AWS namespace.
    """

    body: Mapping[str, Any]
    regions: frozenset[str] = frozenset()
    type_names: frozenset[str] = frozenset()

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources by logical ID, without entries that have no type."""
        return {
            name: resource
            for name, resource in _members(self.body, "Resources").items()
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        }

    @cached_property
    def conditions(self) -> Conditions:
        """The conditions of the template."""
        return Conditions(self.body)

    @cached_property
    def models(self) -> list[str]:
        """The logical IDs of the SageMaker models, of this type and of AWS's."""
        return [
            name
            for name, resource in self.resources.items()
            if resource["Type"] == AWS_TYPE or self.is_ours(resource["Type"])
        ]

    def is_ours(self, type_name: str) -> bool:
        """Say whether a type is the type of this repository, registered under some name."""
        # cfn-lint takes no colons on its command line, so hyphens may stand for them.
        if not {type_name, type_name.replace("::", "-")}.isdisjoint(self.type_names):
            return True
        return type_name.endswith("::SageMaker::Model") and type_name != AWS_TYPE

    def parameter(self, name: Any) -> Mapping[str, Any]:
        """Return the definition of a parameter, empty if there is none."""
        return _members(_members(self.body, "Parameters"), name) if isinstance(name, str) else {}

    def of_type(self, type_name: str) -> list[str]:
        """Return the logical IDs of the resources of a type."""
        return [name for name, resource in self.resources.items() if resource["Type"] == type_name]


class Resource(NamedTuple):
    """A resource in one outcome of the template's conditions.

    `properties` is JSON with UNKNOWN for the values of intrinsic functions. `places` are the paths in the template of
    each property.
    """

    template: Template
    logical_id: str
    type_name: str
    properties: Any
    places: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Return the path in the template of a property, or of its nearest parent if it is not set."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def stated(self, path: Path) -> Any:
        """Return the value of a property with its intrinsic functions, None if it is not set."""
        if path not in self.places:
            return None
        value: Any = self.template.body
        for step in self.places[path]:
            value = value[step]
        return value


def outcomes(template: Template, *logical_ids: str) -> Iterator[tuple[Resource, ...]]:
    """Yield some resources together, in each outcome of the conditions that they depend on.

    Leave out outcomes in which one of them is not created. Yield nothing if a macro writes the properties of one
    (`Fn::Transform`), because they are not known then.
    """
    resources = [template.resources[name] for name in logical_ids]
    if any("Fn::Transform" in resource for resource in resources):
        return
    for outcome in _outcomes(template, resources):
        together = tuple(_resource(template, *pair, outcome) for pair in zip(logical_ids, resources, strict=True))
        if all(resource.properties is not UNKNOWN for resource in together):
            yield together


def text_of(value: Any) -> str | None:
    """Return the text of a string, Fn::Sub or Fn::Join, with `${}` for each part that is not known.

    Pseudo parameters stay in it (`${AWS::Region}`). Return None if no part of the text is known.
    """
    text = None
    match value:
        case bool():
            pass
        case str() | int():
            text = str(value)
        case {"Ref": str(name)} if name.startswith("AWS::"):
            text = f"${{{name}}}"
        case {"Fn::Sub": str(stated)} | {"Fn::Sub": [str(stated), _]}:
            text = _VARIABLE.sub(lambda found: found[0] if found[1].startswith("AWS::") else "${}", stated)
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            text = delimiter.join(text_of(part) or "${}" for part in parts)
    return None if text is None or "{{resolve:" in text else text


def variables(text: str) -> list[str]:
    """Return the names in `${...}` in the text of an Fn::Sub."""
    return _VARIABLE.findall(text)


def _members(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    members = value.get(name)
    return members if isinstance(members, dict) else {}


def _outcomes(template: Template, resources: list[dict[str, Any]]) -> Iterator[Outcome]:
    properties = [resource.get("Properties") for resource in resources]
    choosing = {name for name in set().union(*map(_conditions, properties)) if name in template.conditions}
    creating = {resource["Condition"] for resource in resources if _is_conditional(resource, template)}
    return template.conditions.outcomes(choosing if len(choosing) <= _MAX_CONDITIONS else (), creating)


def _is_conditional(resource: dict[str, Any], template: Template) -> bool:
    return isinstance(resource.get("Condition"), str) and resource["Condition"] in template.conditions


def _resource(template: Template, logical_id: str, resource: Properties, outcome: Outcome) -> Resource:
    place: Place = ["Resources", logical_id, "Properties"]
    places: dict[Path, Place] = {(): place}
    stated = resource.get("Properties")
    properties = _resolved(stated, (), place, outcome, places) if isinstance(stated, dict) else {}
    return Resource(template, logical_id, resource["Type"], {} if properties is _ABSENT else properties, places)


def _conditions(value: Any) -> set[str]:
    """Return the names of the conditions in the Fn::If functions of a value."""
    if isinstance(value, list):
        return set().union(*map(_conditions, value))
    if not isinstance(value, dict):
        return set()
    own = {value["Fn::If"][0]} if _is_condition(value) else set()
    return own.union(*map(_conditions, value.values()))


def _is_condition(value: dict[str, Any]) -> bool:
    match value:
        case {"Fn::If": [str(), _, _]}:
            return True
    return False


def _resolved(value: Any, path: Path, place: Place, outcome: Outcome, places: dict[Path, Place]) -> Any:
    """Return a value of the template with each Fn::If resolved, and UNKNOWN for every other function.

    Add the path in the template of each part to `places`.
    """
    if isinstance(value, dict) and _is_condition(value) and value["Fn::If"][0] in outcome:
        arm = 1 if outcome[value["Fn::If"][0]] else 2
        return _resolved(value["Fn::If"][arm], path, [*place, "Fn::If", arm], outcome, places)
    if value == {"Ref": "AWS::NoValue"}:
        return _ABSENT
    places[path] = place
    if isinstance(value, dict):
        if any(key == "Ref" or str(key).startswith("Fn::") for key in value):
            return UNKNOWN
        members = {
            str(key): _resolved(member, (*path, str(key)), [*place, key], outcome, places)
            for key, member in value.items()
        }
        return {key: member for key, member in members.items() if member is not _ABSENT}
    if isinstance(value, list):
        items: list[Any] = []
        for position, item in enumerate(value):
            resolved = _resolved(item, (*path, len(items)), [*place, position], outcome, places)
            items += [resolved] if resolved is not _ABSENT else []
        return items
    return UNKNOWN if isinstance(value, str) and "{{resolve:" in value else value
