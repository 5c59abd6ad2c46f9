"""The text of a template: YAML or JSON to one document with the long forms of functions, and what it must look like.

Sources: "Template anatomy", "Template format" and "CloudFormation quotas" in the user guide. Pure.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import yaml

from cfnbox.aws.shapes import HALF_CHARACTER
from cfnbox.core.errors import Invalid
from cfnbox.template.parameters import TYPES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from cfnbox.core.paths import Json

INLINE_BYTES = 51_200
URL_BYTES = 1_000_000
_MOST_LEVELS = 100
_LARGEST_NUMBER = 10**300
# A text, which is left alone, or a comma before the end of an object or list.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])')
_SHORT_FORMS = {"Ref": "Ref", "Condition": "Condition"} | {
    name: f"Fn::{name}"
    for name in (
        "And", "Base64", "Cidr", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "FindInMap", "GetAtt",
        "GetAZs", "GetStackOutput", "If", "ImportValue", "Join", "Length", "Not", "Or", "RefAll", "Select", "Split",
        "Sub", "ToJsonString", "Transform", "ValueOf", "ValueOfAll",
    )
}  # fmt: skip


class _Section(NamedTuple):
    """How many members there may be, what each must hold, and all that it may hold; None for anything."""

    noun: str
    most: int | None = None
    needed: str | None = None
    allowed: frozenset[str] | None = None


_SECTIONS = {
    "Parameters": _Section("Parameter", 200, "Type", frozenset({
        "AllowedPattern", "AllowedValues", "ConstraintDescription", "Default", "Description", "MaxLength", "MaxValue",
        "MinLength", "MinValue", "NoEcho", "Type",
    })),
    "Mappings": _Section("Mapping", 200),
    "Conditions": _Section("Condition"),
    "Rules": _Section("Rule"),
    "Resources": _Section("Resource", 500, "Type", frozenset({
        "Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type",
        "UpdatePolicy", "UpdateReplacePolicy",
    })),
    "Outputs": _Section("Output", 200, "Value", frozenset({"Condition", "Description", "Export", "Value"})),
}  # fmt: skip
_TOP_LEVEL = {*_SECTIONS, "AWSTemplateFormatVersion", "Description", "Hooks", "Metadata", "Transform"}
POLICIES = {
    "DeletionPolicy": ("Delete", "Retain", "RetainExceptOnCreate", "Snapshot"),
    "UpdateReplacePolicy": ("Delete", "Retain", "Snapshot"),
}
_WITH_SNAPSHOTS = {
    "AWS::DocDB::DBCluster", "AWS::EC2::Volume", "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup", "AWS::Neptune::DBCluster", "AWS::RDS::DBCluster", "AWS::RDS::DBInstance",
    "AWS::Redshift::Cluster",
}  # fmt: skip


def inline(body: str) -> str:
    """The template in a request itself; Refused when it is longer than a request may hold."""
    if len(body.encode(errors="replace")) > INLINE_BYTES:
        raise Invalid(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have "
            f"length less than or equal to {INLINE_BYTES}"
        )
    return body


def parse(body: str) -> Json:
    """The template in a text, with functions in their long form; Refused when it is none.

    A template that uses a macro need only have Resources: `check_form` looks at what its transforms make of it.
    """
    if len(body.encode(errors="replace")) > URL_BYTES:
        raise Invalid(f"Template may not exceed {URL_BYTES} bytes in size.")
    document = read(body)
    if not isinstance(document, dict):
        raise Invalid("Template format error: unsupported structure.")
    if not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise Invalid("Template format error: At least one Resources member must be defined.")
    if not uses_macro(document):
        check_form(document)
    return document


def uses_macro(document: Json) -> bool:
    """Whether the template names a transform, for all of it or for a part."""
    return "Transform" in document or any("Fn::Transform" in one for one in objects(document))


def objects(value: Any) -> Iterator[Json]:
    """Every object in the value, itself first."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from objects(one)


def read(text: str, *, short_forms: bool = True) -> Any:
    """What a text of JSON or YAML says; Refused, with line and column, when it is not well-formed."""
    language = "JSON" if text.lstrip().startswith("{") else "YAML"
    try:
        if language == "JSON":
            document = _load_json(text)
        else:
            _check_events(text)
            document = yaml.load(text, _Template if short_forms else _Plain)  # noqa: S506 both are safe loaders
    except json.JSONDecodeError as error:
        # Recorded: CloudFormation counts the character that it read last.
        raise _not_well_formed(language, error.lineno, error.colno + 1) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_well_formed(language, *((mark.line + 1, mark.column + 1) if mark else (1, 1))) from None
    except (yaml.YAMLError, UnicodeError):
        raise Invalid("Template format error: The template holds characters that no text has.") from None
    except (ValueError, LookupError):
        raise Invalid(f"Template format error: {language} not well-formed. A number cannot be read.") from None
    except RecursionError:
        raise _too_deep() from None
    if document is not None:
        _check_values(document, [])
    return document


def _load_json(text: str) -> Any:
    """Return what a text of JSON says; CloudFormation accepts a comma after the last member (recorded)."""
    try:
        return json.loads(text, object_pairs_hook=_members)
    except json.JSONDecodeError:
        # A space for the comma keeps the positions of other errors.
        without_commas = _TRAILING_COMMA.sub(lambda match: match[1] or " ", text)
        return json.loads(without_commas, object_pairs_hook=_members)


def _members(pairs: list[tuple[str, Any]]) -> Json:
    members: Json = {}
    for key, value in pairs:
        if key in members:
            raise Invalid(f"Template format error: JSON not well-formed. The key {key} stands twice in one object.")
        members[key] = value
    return members


def _check_events(text: str) -> None:
    """Refused for YAML that would be endless or endlessly deep, before anything is built of it."""
    levels = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise Invalid("Template error: YAML aliases are not allowed in CloudFormation templates")
        levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if levels > _MOST_LEVELS:
            raise _too_deep()


class _Plain(yaml.CSafeLoader):
    """YAML as CloudFormation reads it: keys are texts and stand once, times are texts."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: ARG002 it is always deep
        members: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in members:
                raise yaml.MarkedYAMLError(problem_mark=key.start_mark)
            members[key.value] = self.construct_object(value, deep=True)
        return members

    def refuse(self, node: Any) -> NoReturn:
        raise yaml.MarkedYAMLError(problem_mark=node.start_mark)


class _Template(_Plain):
    """The same with the short forms of functions."""

    def construct_function(self, name: str, node: Any) -> Json:
        if name not in _SHORT_FORMS:
            self.refuse(node)
        if isinstance(node, yaml.ScalarNode):
            return {_SHORT_FORMS[name]: node.value.split(".", 1) if name == "GetAtt" else node.value}
        build = self.construct_mapping if isinstance(node, yaml.MappingNode) else self.construct_sequence
        return {_SHORT_FORMS[name]: build(node, deep=True)}


_Plain.add_constructor("tag:yaml.org,2002:timestamp", lambda _reader, node: node.value)
for _unsupported in ("binary", "omap", "pairs", "set"):
    _Plain.add_constructor(f"tag:yaml.org,2002:{_unsupported}", _Plain.refuse)
_Template.add_multi_constructor("!", _Template.construct_function)


def _check_values(value: Any, path: list[str]) -> None:
    """Refused for what stands in no template, whatever the section."""
    if len(path) > _MOST_LEVELS:
        raise _too_deep()
    if value is None:
        raise Invalid(f"[/{'/'.join(path)}] 'null' values are not allowed in templates")
    if isinstance(value, float | int) and not abs(value) < _LARGEST_NUMBER:
        raise Invalid(f"Template format error: [/{'/'.join(path)}] is too large, or not a number.")
    if isinstance(value, str) and HALF_CHARACTER.search(value):
        raise Invalid(f"Template format error: [/{'/'.join(path)}] holds half of a character.")
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            _check_values(one, [*path, str(key)])


def check_form(document: Json) -> None:
    """Refused when sections, names or attributes are not those of a template, after its transforms."""
    if unknown := sorted(document.keys() - _TOP_LEVEL):
        raise Invalid(f"Invalid template property or properties [{', '.join(unknown)}]")
    if document.get("AWSTemplateFormatVersion", "2010-09-09") != "2010-09-09":
        raise Invalid("Template format error: unsupported value for AWSTemplateFormatVersion.")
    description = document.get("Description", "")
    if not isinstance(description, str) or len(description.encode()) > 1024:
        raise Invalid("Template format error: Description must be a string of at most 1024 bytes.")
    for name, section in _SECTIONS.items():
        members = document.get(name, {})
        if not isinstance(members, dict):
            raise Invalid(f"Template format error: {name} must be an object.")
        if section.most is not None and len(members) > section.most:
            raise Invalid(
                f"Template format error: Number of {name.lower()}, {len(members)}, is greater than maximum allowed, "
                f"{section.most}"
            )
        for key, member in members.items():
            _check_member(name, section, key, member)


def _check_member(name: str, section: _Section, key: str, member: Any) -> None:
    if not isinstance(member, dict):
        raise _malformed(name, section, key)
    # Recorded: a condition may have this name.
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", key) and (name, key) != ("Conditions", "AWS::NoValue"):
        raise Invalid(f"Template format error: {section.noun} name {key} is non alphanumeric.")
    if name == "Outputs" and "Value" not in member:
        raise Invalid("Template format error: Every Outputs member must contain a Value object")
    if section.needed and section.needed not in member:
        raise Invalid(
            f"Template format error: [/{name}/{key}] Every {name} object must contain a {section.needed} member."
        )
    if section.allowed is not None and (unknown := sorted(member.keys() - section.allowed)):
        raise Invalid(f"Invalid template {section.noun.lower()} property '{unknown[0]}'")
    if name in _CHECKS:
        _CHECKS[name](key, member)


def _malformed(name: str, section: _Section, key: str) -> Invalid:
    """Return the refusal of a member that is not an object, in the sentences that are recorded."""
    if name == "Mappings":
        return Invalid(f"Template format error: Every Mappings member {key} must be a map")
    if name == "Resources" and not key.startswith("Fn::"):
        return Invalid("Template format error: Any Resources member must be an object.")
    return Invalid(f"Template format error: [/{name}/{key}] {section.noun.lower()} definition is malformed")


def _check_texts(member: Json, *names: str) -> None:
    for name in names:
        if not isinstance(member.get(name, ""), str):
            raise Invalid(f"Template format error: Every {name} member must be a string.")


def _check_parameter(key: str, parameter: Json) -> None:
    _check_texts(parameter, "Type", "Description", "ConstraintDescription")
    allowed = parameter.get("AllowedValues", [])
    if not isinstance(allowed, list) or any(isinstance(one, dict | list) for one in allowed):
        raise Invalid("Template format error: Every AllowedValues member must be a list.")
    for name in parameter.keys() - {"AllowedValues"}:
        if isinstance(parameter[name], dict | list):
            raise Invalid(f"Template format error: Every {name} member must be a string.")
        if name.startswith(("Min", "Max")) and not re.fullmatch(r"-?\d+(\.\d+)?", str(parameter[name])):
            raise Invalid(f"Template format error: {name} of parameter {key} must be a number.")
    if parameter["Type"] not in TYPES:
        raise Invalid(f"Template format error: Unrecognized parameter type: {parameter['Type']}")


def _check_resource(logical_id: str, resource: Json) -> None:
    _check_texts(resource, "Type", "Condition")
    for name in ("Properties", "CreationPolicy", "UpdatePolicy", "Metadata"):
        if not isinstance(resource.get(name, {}), dict):
            raise Invalid(f"Template format error: [/Resources/{logical_id}/{name}] must be an object.")
    named = resource.get("DependsOn", [])
    if not all(isinstance(one, str) for one in (named if isinstance(named, list) else [named])):
        raise Invalid("Template format error: Every DependsOn value must be a string or a list of strings.")
    for name in POLICIES:
        for value in _choices(resource.get(name, "Delete")):
            if not (name == "UpdateReplacePolicy" and _is_reference(value)):
                check_policy(logical_id, resource["Type"], name, value)


def _is_reference(value: Any) -> bool:
    """Return whether a value is a Ref, which an UpdateReplacePolicy may be without a transform (recorded)."""
    return isinstance(value, dict) and value.keys() == {"Ref"}


def _choices(value: Any) -> Iterator[Any]:
    """Return every value that Fn::If can give a policy (recorded: it needs no transform)."""
    argument = value.get("Fn::If") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(argument, list) or len(argument) != 3:
        yield value
        return
    for branch in argument[1:]:
        yield from _choices(branch)


def check_policy(logical_id: str, type_name: str, name: str, value: Any) -> None:
    """Raise Refused if a DeletionPolicy or UpdateReplacePolicy has a value that the type does not support."""
    if value == {"Ref": "AWS::NoValue"}:
        return
    if not isinstance(value, str):
        raise Invalid(f"Template format error: Every {name} member must be a string.")
    allowed = POLICIES[name]
    if value not in allowed:
        raise Invalid(f"Template format error: {name} of resource {logical_id} must be one of {', '.join(allowed)}.")
    if value == "Snapshot" and type_name not in _WITH_SNAPSHOTS:
        kind = "deletion policy" if name == "DeletionPolicy" else "update replace policy"
        raise Invalid(f"Template error: resource type {type_name} does not support {kind} Snapshot")


def _check_output(key: str, output: Json) -> None:
    _check_texts(output, "Condition", "Description")
    if "Export" in output and (not isinstance(output["Export"], dict) or output["Export"].keys() != {"Name"}):
        raise Invalid(f"Template format error: Output {key} is malformed: Export must hold a Name and nothing else.")


def _check_mapping(_name: str, mapping: Json) -> None:
    for key, values in mapping.items():
        if not isinstance(values, dict):
            # Recorded: CloudFormation names the key, not the mapping.
            raise Invalid(f"Template format error: Every Mappings member {key} must be a map")
    if any(isinstance(value, dict) for keys in mapping.values() for value in keys.values()):
        raise Invalid("Template format error: Every Mappings attribute must be a String or a List.")


_CHECKS = {
    "Mappings": _check_mapping,
    "Outputs": _check_output,
    "Parameters": _check_parameter,
    "Resources": _check_resource,
}


def _not_well_formed(language: str, line: int, column: int) -> Invalid:
    return Invalid(f"Template format error: {language} not well-formed. (line {line}, column {column})")


def _too_deep() -> Invalid:
    return Invalid(f"Template format error: The template is nested more than {_MOST_LEVELS} levels deep.")
