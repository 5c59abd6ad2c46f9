"""What a template states of a resource in each outcome of its conditions."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aws_sagemaker_model.properties import Path
from aws_sagemaker_model.validation import UNKNOWN

Place = list[str | int]
Properties = Mapping[str, Any]

_ABSENT = object()
# 2 to the power of this many outcomes are looked at; with more conditions, what depends on them is unknown.
_MAX_CONDITIONS = 6
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")  # of Fn::Sub; ${!...} is plain text


class Resource(NamedTuple):
    """A resource in one outcome of the template's conditions.

    `properties` is JSON with UNKNOWN for what an intrinsic function yields, `places` says where each part of it
    stands in the template.
    """

    cfn: Any
    logical_id: str
    type_name: str
    properties: Any
    places: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Return where a property stands in the template, or would stand: its nearest parent."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def stated(self, path: Path) -> Any:
        """Return what the template has for a property, intrinsic functions included; None where it has nothing."""
        if path not in self.places:
            return None
        value = self.cfn.template
        for step in self.places[path]:
            value = value[step]
        return value


def outcomes(cfn: Any, *logical_ids: str) -> Iterator[tuple[Resource, ...]]:
    """Yield some resources as they are together, in each outcome of the conditions that they depend on.

    Outcomes in which one of them is not made are left out, and all of them where a macro writes the properties
    (`Fn::Transform`), because then nothing is known of them.
    """
    resources = [cfn.template["Resources"][name] for name in logical_ids]
    if any("Fn::Transform" in resource for resource in resources):
        return
    for scenario in _scenarios(cfn, resources):
        together = tuple(_resource(cfn, *pair, scenario) for pair in zip(logical_ids, resources, strict=True))
        if all(one.properties is not UNKNOWN for one in together):
            yield together


def resources_of(cfn: Any, type_name: str) -> list[str]:
    """Return the logical ids of the resources of a type."""
    return [name for name, one in cfn.get_resources().items() if one.get("Type") == type_name]


def text_of(value: Any) -> str | None:
    """Return the text that a string, Fn::Sub or Fn::Join yields, with `${}` for each part that is not known.

    Pseudo parameters stay as they are (`${AWS::Region}`); None where nothing is known of the text.
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
    """Return the names that stand in `${...}` in the text of an Fn::Sub."""
    return _VARIABLE.findall(text)


def _scenarios(cfn: Any, resources: list[Properties]) -> Iterator[Mapping[str, bool]]:
    known = set(cfn.template.get("Conditions") or ())
    stated = [resource.get("Properties") for resource in resources]
    choosing = set().union(*map(_conditions, stated)) & known
    conditions = {} if len(choosing) > _MAX_CONDITIONS else {name: {True, False} for name in choosing}
    if conditions or len(resources) > 1:
        making = (resource.get("Condition") for resource in resources)
        conditions |= {name: {True} for name in making if isinstance(name, str) and name in known}
    return cfn.conditions.build_scenarios(conditions) if conditions else iter([{}])


def _resource(cfn: Any, logical_id: str, resource: Properties, scenario: Mapping[str, bool]) -> Resource:
    place: Place = ["Resources", logical_id, "Properties"]
    places: dict[Path, Place] = {(): place}
    stated = resource.get("Properties")
    properties = _resolved(stated, (), place, scenario, places) if isinstance(stated, dict) else {}
    return Resource(cfn, logical_id, str(resource.get("Type")), {} if properties is _ABSENT else properties, places)


def _conditions(value: Any) -> set[str]:
    """Return the names of the conditions on which parts of a value depend."""
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


def _resolved(value: Any, path: Path, place: Place, scenario: Mapping[str, bool], places: dict[Path, Place]) -> Any:
    """Return a value of the template as JSON: chosen where a condition decides, UNKNOWN where a function stands.

    Enters into `places` where each part of it stands.
    """
    if isinstance(value, dict) and _is_condition(value) and value["Fn::If"][0] in scenario:
        arm = 1 if scenario[value["Fn::If"][0]] else 2
        return _resolved(value["Fn::If"][arm], path, [*place, "Fn::If", arm], scenario, places)
    if value == {"Ref": "AWS::NoValue"}:
        return _ABSENT
    places[path] = place
    if isinstance(value, dict):
        if any(key == "Ref" or str(key).startswith("Fn::") for key in value):
            return UNKNOWN
        members = {
            str(key): _resolved(member, (*path, str(key)), [*place, key], scenario, places)
            for key, member in value.items()
        }
        return {key: member for key, member in members.items() if member is not _ABSENT}
    if isinstance(value, list):
        items: list[Any] = []
        for position, item in enumerate(value):
            resolved = _resolved(item, (*path, len(items)), [*place, position], scenario, places)
            items += [resolved] if resolved is not _ABSENT else []
        return items
    return UNKNOWN if isinstance(value, str) and "{{resolve:" in value else value
