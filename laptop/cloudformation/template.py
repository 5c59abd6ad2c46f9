"""The text of a template: YAML or JSON to one document with the long forms of functions, and what it must look like.

Sources: "Template anatomy", "CloudFormation quotas" and "Template format" in the CloudFormation user guide.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from laptop.cloudformation.parameters import TYPES
from laptop.refusal import Refused
from laptop.shapes import HALF_CHARACTER

if TYPE_CHECKING:
    from laptop.paths import Json

INLINE_BYTES = 51_200
URL_BYTES = 1_000_000
_MOST_LEVELS = 100
_LARGEST_NUMBER = 10**300
_SHORT_FORMS = {
    "!Ref": "Ref",
    "!Condition": "Condition",
    **{
        f"!{name}": f"Fn::{name}"
        for name in (
            "And", "Base64", "Cidr", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "FindInMap", "GetAtt",
            "GetAZs", "If", "ImportValue", "Join", "Length", "Not", "Or", "RefAll", "Select", "Split", "Sub",
            "ToJsonString", "Transform", "ValueOf", "ValueOfAll",
        )
    },
}  # fmt: skip
_YAML = "tag:yaml.org,2002:"
_SCALARS = (*(f"{_YAML}{name}" for name in ("bool", "int", "float", "null")),)
_TEXTS = ("!", f"{_YAML}str", f"{_YAML}timestamp", f"{_YAML}merge", f"{_YAML}value")
_SNAPSHOTS = frozenset(
    {
        "AWS::DocDB::DBCluster",
        "AWS::EC2::Volume",
        "AWS::ElastiCache::CacheCluster",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::Neptune::DBCluster",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::Redshift::Cluster",
    }
)
_POLICIES = {
    "DeletionPolicy": ("Delete", "Retain", "RetainExceptOnCreate", "Snapshot"),
    "UpdateReplacePolicy": ("Delete", "Retain", "Snapshot"),
}


@dataclass(frozen=True)
class _Section:
    """A section of named members: how many there may be, what each must and may hold; None for anything."""

    noun: str
    most: int | None = None
    needed: str | None = None
    allowed: frozenset[str] | None = None


_SECTIONS = {
    "Parameters": _Section(
        "Parameter", 200, "Type",
        frozenset({
            "AllowedPattern", "AllowedValues", "ConstraintDescription", "Default", "Description", "MaxLength",
            "MaxValue", "MinLength", "MinValue", "NoEcho", "Type",
        }),
    ),
    "Mappings": _Section("Mapping", 200),
    "Conditions": _Section("Condition"),
    "Rules": _Section("Rule"),
    "Resources": _Section(
        "Resource", 500, "Type",
        frozenset({
            "Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type",
            "UpdatePolicy", "UpdateReplacePolicy",
        }),
    ),
    "Outputs": _Section("Output", 200, "Value", frozenset({"Condition", "Description", "Export", "Value"})),
}  # fmt: skip
_TOP_LEVEL = {*_SECTIONS, "AWSTemplateFormatVersion", "Description", "Hooks", "Metadata", "Transform"}


def parse(body: str, most_bytes: int = INLINE_BYTES) -> Json:
    """The template in a text, with functions in their long form; Refused when it is none.

    What only holds after its transforms is checked where there is no transform: see `check_form`.
    """
    if len(body.encode(errors="replace")) > most_bytes:
        raise _refused(f"Template may not exceed {most_bytes} bytes in size.")
    document = read(body)
    if not isinstance(document, dict):
        raise _refused("Template format error: unsupported structure.")
    if not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise _refused("Template format error: At least one Resources member must be defined.")
    if not transforms_anything(document):
        check_form(document)
    return document


def transforms_anything(value: Any) -> bool:
    """Whether the template names a macro, for all of it or for a part."""
    if isinstance(value, dict):
        return "Transform" in value or "Fn::Transform" in value or any(map(transforms_anything, value.values()))
    return isinstance(value, list) and any(map(transforms_anything, value))


def read(text: str, *, short_forms: bool = True) -> Any:
    """What a text of JSON or YAML says; Refused, with line and column, when it is not well-formed."""
    if HALF_CHARACTER.search(text):
        raise _refused("Template format error: The template holds half of a character.")
    document = _json(text) if text.lstrip().startswith("{") else _yaml(text, _SHORT_FORMS if short_forms else {})
    _check_values(document, [])
    return document


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once_each)
    except json.JSONDecodeError as error:
        raise _not_well_formed("JSON", error.lineno, error.colno) from None
    except ValueError:
        raise _refused("Template format error: JSON not well-formed. A number has too many digits.") from None
    except RecursionError:
        raise _too_deep() from None


def _once_each(pairs: list[tuple[str, Any]]) -> Json:
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _refused(f"Template format error: JSON not well-formed. The key {twice} stands twice in one object.")
    return members


def _yaml(text: str, short_forms: dict[str, str]) -> Any:
    reader = None
    try:
        reader = yaml.CSafeLoader(text)
        return _Document(reader, short_forms).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_well_formed("YAML", *((mark.line + 1, mark.column + 1) if mark else (1, 1))) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        raise _not_well_formed("YAML", before.count("\n") + 1, len(before) - before.rfind("\n")) from None
    finally:
        if reader is not None:
            reader.dispose()


class _Document:
    """One YAML document, built from the parser's events: nothing is made twice, and no depth is recursion."""

    def __init__(self, reader: Any, short_forms: dict[str, str]) -> None:
        self._reader, self._short_forms = reader, short_forms
        self._open: list[tuple[Any, str | None, list[str]]] = []
        self._documents: list[Any] = []

    def build(self) -> Any:
        while self._reader.check_event():
            event = self._reader.get_event()
            if isinstance(event, yaml.AliasEvent):
                raise _refused("Template error: YAML aliases are not allowed in CloudFormation templates")
            if isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event), event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._start(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                container, tag, _ = self._open.pop()
                self._add({tag: container} if tag else container, event)
        return self._documents[0] if self._documents else None

    def _start(self, event: Any) -> None:
        if len(self._open) >= _MOST_LEVELS:
            raise _too_deep()
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag in (None, f"{_YAML}map" if is_mapping else f"{_YAML}seq"):
            function = None
        else:
            function = self._function(event)
        self._open.append(({} if is_mapping else [], function, []))

    def _function(self, event: Any) -> str:
        if event.tag not in self._short_forms:
            mark = event.start_mark
            raise _refused(
                f"Template format error: The tag {event.tag} is not supported. "
                f"(line {mark.line + 1}, column {mark.column + 1})"
            )
        return self._short_forms[event.tag]

    def _scalar(self, event: Any) -> Any:
        container, _, keys = self._open[-1] if self._open else (None, None, [])
        if isinstance(container, dict) and not keys and event.tag is None:
            return event.value
        tag = event.tag or self._reader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag in _TEXTS:
            return event.value
        if tag in _SCALARS:
            try:
                return self._reader.construct_object(yaml.ScalarNode(tag, event.value))
            except ValueError:
                return event.value
        function = self._function(event)
        parts = event.value.split(".", 1) if function == "Fn::GetAtt" else event.value
        return {function: parts}

    def _add(self, value: Any, event: Any) -> None:
        if not self._open:
            if self._documents:
                raise _not_well_formed("YAML", event.start_mark.line + 1, event.start_mark.column + 1)
            self._documents.append(value)
            return
        container, _, keys = self._open[-1]
        if isinstance(container, list):
            container.append(value)
        elif keys:
            container[keys.pop()] = value
        elif not isinstance(value, str) or value in container:
            raise _not_well_formed("YAML", event.start_mark.line + 1, event.start_mark.column + 1)
        else:
            keys.append(value)


def _check_values(value: Any, path: list[str]) -> None:
    """Refused for what stands in no template, whatever the section."""
    if len(path) > _MOST_LEVELS:
        raise _too_deep()
    if value is None:
        raise _refused(f"[/{'/'.join(path)}] 'null' values are not allowed in templates")
    if isinstance(value, float | int) and not abs(value) < _LARGEST_NUMBER:
        raise _refused(f"Template format error: [/{'/'.join(path)}] is too large, or not a number.")
    if isinstance(value, str) and HALF_CHARACTER.search(value):
        raise _refused(f"Template format error: [/{'/'.join(path)}] holds half of a character.")
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            _check_values(one, [*path, str(key)])


def check_form(document: Json) -> None:
    """Refused when sections, names or attributes are not those of a template, after its transforms."""
    if unknown := sorted(document.keys() - _TOP_LEVEL):
        raise _refused(f"Invalid template property or properties [{', '.join(unknown)}]")
    if document.get("AWSTemplateFormatVersion", "2010-09-09") != "2010-09-09":
        raise _refused("Template format error: unsupported value for AWSTemplateFormatVersion.")
    description = document.get("Description", "")
    if not isinstance(description, str) or len(description.encode()) > 1024:
        raise _refused("Template format error: Description must be a string of at most 1024 bytes.")
    for name, section in _SECTIONS.items():
        members = document.get(name, {})
        _check_section(name, section, members)
        for key, member in members.items():
            _check_member(name, section, key, member)
            if name in _CHECKS:
                _CHECKS[name](key, member)


def _check_section(name: str, section: _Section, members: Any) -> None:
    if not isinstance(members, dict):
        raise _refused(f"Template format error: {name} must be an object.")
    if section.most is not None and len(members) > section.most:
        raise _refused(
            f"Template format error: Number of {name.lower()}, {len(members)}, is greater than maximum allowed, "
            f"{section.most}"
        )


def _check_member(name: str, section: _Section, key: str, member: Any) -> None:
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", key):
        raise _refused(f"Template format error: {section.noun} name {key} is non alphanumeric.")
    if not isinstance(member, dict):
        raise _refused(f"Template format error: [/{name}/{key}] {section.noun.lower()} definition is malformed")
    if section.needed and section.needed not in member:
        raise _refused(
            f"Template format error: [/{name}/{key}] Every {name} object must contain a {section.needed} member."
        )
    if section.allowed is not None and (unknown := sorted(member.keys() - section.allowed)):
        raise _refused(f"Invalid template {section.noun.lower()} property '{unknown[0]}'")


def _check_parameter(key: str, parameter: Json) -> None:
    for name, value in parameter.items():
        if name == "AllowedValues":
            if not isinstance(value, list) or any(isinstance(one, dict | list) for one in value):
                raise _refused("Template format error: Every AllowedValues member must be a list.")
        elif isinstance(value, dict | list):
            raise _refused(f"Template format error: Every {name} member must be a string.")
        elif name.startswith(("Min", "Max")) and not re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
            raise _refused(f"Template format error: {name} of parameter {key} must be a number.")
    if parameter["Type"] not in TYPES:
        raise _refused(f"Template format error: Unrecognized parameter type: {parameter['Type']}")


def _check_resource(logical_id: str, resource: Json) -> None:
    for name in ("Type", "Condition", *_POLICIES):
        if not isinstance(resource.get(name, ""), str):
            raise _refused(f"Template format error: Every {name} member must be a string.")
    for name in ("Properties", "CreationPolicy", "UpdatePolicy", "Metadata"):
        if not isinstance(resource.get(name, {}), dict):
            raise _refused(f"Template format error: [/Resources/{logical_id}/{name}] must be an object.")
    depends_on = resource.get("DependsOn", [])
    if not all(isinstance(one, str) for one in (depends_on if isinstance(depends_on, list) else [depends_on])):
        raise _refused("Template format error: Every DependsOn value must be a string or a list of strings.")
    for name, allowed in _POLICIES.items():
        value = resource.get(name, "Delete")
        if value not in allowed:
            raise _refused(
                f"Template format error: {name} of resource {logical_id} must be one of {', '.join(allowed)}."
            )
        if value == "Snapshot" and resource["Type"] not in _SNAPSHOTS:
            raise _refused(
                f"Template format error: {name} Snapshot of resource {logical_id} is not supported by its type "
                f"{resource['Type']}."
            )


def _check_output(key: str, output: Json) -> None:
    if "Export" in output and (not isinstance(output["Export"], dict) or output["Export"].keys() != {"Name"}):
        raise _refused(f"Template format error: Output {key} is malformed: Export must hold a Name and nothing else.")
    if not isinstance(output.get("Condition", ""), str):
        raise _refused("Template format error: Every Condition member must be a string.")


def _check_mapping(name: str, mapping: Json) -> None:
    if not all(isinstance(one, dict) for one in mapping.values()):
        raise _refused(f"Template format error: Every member of mapping {name} must be an object.")


_CHECKS = {
    "Mappings": _check_mapping,
    "Outputs": _check_output,
    "Parameters": _check_parameter,
    "Resources": _check_resource,
}


def _not_well_formed(language: str, line: int, column: int) -> Refused:
    return _refused(f"Template format error: {language} not well-formed. (line {line}, column {column})")


def _too_deep() -> Refused:
    return _refused(f"Template format error: The template is nested more than {_MOST_LEVELS} levels deep.")


def _refused(message: str) -> Refused:
    return Refused("ValidationError", message)
