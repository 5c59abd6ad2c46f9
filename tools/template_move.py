"""A template moved to another name of the type. Pure: text in, text out.

AWS's own type serves the name of a model as `ModelName`, a type under any other name serves it as `Name`, because
there Fn::GetAtt takes read-only properties only. So `Type` changes, and the references to that attribute. Both are
replaced in the text, at the places that the YAML parser tells: comments, layout and quotes stay.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tools.generate import ROOT, SCHEMA

AWS_TYPE = "AWS::SageMaker::Model"
_SUFFIX = "::SageMaker::Model"
_ARN, _NAME, _AWS_NAME = "ModelArn", "Name", "ModelName"
# Macros of AWS that write no reference to a model.
_PLAIN_TRANSFORMS = (
    "AWS::CodeDeployBlueGreen", "AWS::LanguageExtensions", "AWS::SecretsManager-2020-07-23",
    "AWS::SecretsManager-2024-09-16", "AWS::Serverless-2016-10-31", "AWS::ServiceCatalog",
)  # fmt: skip
# ${Resource.Attribute} of Fn::Sub; in a loop of Fn::ForEach the resource's name may hold ${...} itself.
_LOOP_VARIABLE = re.compile(r"[$&]\{[^{}]*\}")
_REFERENCE = re.compile(r"\$\{(?P<resource>(?:[^{}!.]|[$&]\{[^{}]*\})+)\.(?P<attribute>[^{}]+)\}")


class Remark(NamedTuple):
    """Something to say of a place in a template; line and column count from 1."""

    line: int
    column: int
    text: str


class CannotMove(Exception):
    """The template is left as it is; the remarks say where and why."""

    def __init__(self, remarks: Sequence[Remark]) -> None:
        super().__init__("; ".join(remark.text for remark in remarks))
        self.remarks = remarks


class Moved(NamedTuple):
    """The text of a template after the move, and what its author should look at."""

    text: str
    remarks: list[Remark]


def move(text: str, old: str, new: str) -> Moved:
    """Return a template, YAML or JSON, with the resources of a type under another name. Raises CannotMove."""
    found = _Move(text, old, new)
    if found.refused:
        raise CannotMove(sorted(found.refused))
    changed = text
    for start, end, word in sorted(found.edits, reverse=True):
        changed = changed[:start] + word + changed[end:]
    return Moved(changed, sorted(found.noted))


def types_in(text: str) -> set[str]:
    """Return the names that the type has in a template. Raises CannotMove where the template cannot be read."""
    stated = {kind.value for _, kind, _ in _resources(_composed(text)) if kind is not None}
    return {name for name in stated if name.endswith(_SUFFIX)}


class _Move:
    """What a move changes in a template (start, end and new text), refuses to do, and leaves to the author."""

    def __init__(self, text: str, old: str, new: str) -> None:
        self._text, self._old, self._new = text, old, new
        self.edits: set[tuple[int, int, str]] = set()
        self.refused: set[Remark] = set()
        self.noted: set[Remark] = set()
        root = _composed(text)
        self._ids: set[str] = set()
        self._others: set[str] = set()
        for logical_id, kind, properties in _resources(root):
            if kind is None or kind.value != old:
                self._others.add(logical_id)
                continue
            self._ids.add(_LOOP_VARIABLE.sub("${}", logical_id))
            self._replace(kind, old, new)
            if new == AWS_TYPE:
                self._require_known_to_aws(properties)
        types = {id(kind) for _, kind, _ in _resources(root)}
        for node in _nodes(root):
            if id(node) not in types:
                self._visit(node)
        for macro in _macros(root):
            self._note(macro, f"what the macro {macro.value} brings into the template is not looked at")

    def _visit(self, node: Node) -> None:
        """Change what a node says of a model, if it is a function that does."""
        name, argument = _function(node)
        if name == "GetAtt":
            self._get_att(argument)
        elif name == "Sub":
            self._sub(argument)
        elif name == "Transform":
            self._note(node, "what the macro brings into the template is not looked at")
        elif isinstance(node, ScalarNode) and self._old in node.value:
            self._note(node, f"{self._old} stays here: it is not the Type of a resource")

    def _get_att(self, argument: Node) -> None:
        if isinstance(argument, ScalarNode):
            resource, _, attribute = argument.value.partition(".")
            if self._is_model(resource):
                self._rename(argument, attribute, argument.value)
        elif isinstance(argument, SequenceNode) and len(argument.value) == 2:
            named, attribute_node = argument.value
            resource = _text(named)
            if resource is None:
                if _text(attribute_node) in (None, self._name(self._old)):
                    self._refuse(argument, "which resource is meant is decided by a function")
            elif self._is_model(resource) and _function(attribute_node)[0] is None:
                self._rename(attribute_node, attribute_node.value, attribute_node.value)
            elif self._is_model(resource):
                self._refuse(argument, "which attribute is meant is decided by a function")

    def _sub(self, argument: Node) -> None:
        text, values = argument, set()
        if isinstance(argument, SequenceNode) and argument.value:
            text = argument.value[0]
            values = {key.value for mapping in argument.value[1:2] for key, _ in _members(mapping)}
        if not isinstance(text, ScalarNode):
            return
        for found in _REFERENCE.finditer(text.value):
            own = f"{found['resource']}.{found['attribute']}"
            if own not in values and self._is_model(found["resource"].strip()):
                self._rename(text, found["attribute"].strip(), found[0])

    def _is_model(self, resource: str) -> bool:
        """Say whether a logical id, in or out of a loop, is one of the models'."""
        if _LOOP_VARIABLE.sub("${}", resource) in self._ids:
            return True
        patterns = (re.escape(name).replace(re.escape("${}"), "[A-Za-z0-9]+") for name in self._ids if "${}" in name)
        return resource not in self._others and any(re.fullmatch(pattern, resource) for pattern in patterns)

    def _name(self, kind: str) -> str:
        return _AWS_NAME if kind == AWS_TYPE else _NAME

    def _rename(self, node: ScalarNode, attribute: str, written: str) -> None:
        """Rename an attribute in the text of a scalar in which a reference is written so."""
        served = {_ARN, _AWS_NAME} if self._new == AWS_TYPE else _own_attributes()
        renamed = self._name(self._new) if attribute in (_NAME, _AWS_NAME) else attribute
        if renamed not in served:
            self._refuse(node, f"{self._new} has no attribute {attribute}: take it out first")
        elif renamed != attribute:
            before, _, after = written.rpartition(attribute)
            self._replace(node, written, before + renamed + after)

    def _replace(self, node: ScalarNode, old: str, new: str) -> None:
        """Replace a text in a scalar as it is written, quotes and escapes included."""
        start, end = node.start_mark.index, node.end_mark.index
        places = [found.start() for found in re.finditer(re.escape(old), self._text[start:end])]
        if len(places) != node.value.count(old):
            self._refuse(node, f"{old} is written with escapes or over lines: write it plainly first")
        self.edits |= {(start + place, start + place + len(old), new) for place in places}

    def _require_known_to_aws(self, properties: Node | None) -> None:
        unknown = _unknown_to_aws()
        for mapping in _nodes(properties) if properties else ():
            for key, _ in _members(mapping):
                if key.value in unknown:
                    self._refuse(key, f"AWS's own type has no {key.value}: take it out first")

    def _refuse(self, node: Node, reason: str) -> None:
        self.refused.add(Remark(node.start_mark.line + 1, node.start_mark.column + 1, reason))

    def _note(self, node: Node, text: str) -> None:
        self.noted.add(Remark(node.start_mark.line + 1, node.start_mark.column + 1, text))


def _composed(text: str) -> Node:
    # JSON is YAML but for its tabs, which stand between values only: a space is as long.
    is_json = text.lstrip("\ufeff \t\r\n").startswith("{")
    try:
        root = yaml.compose(text.replace("\t", " ") if is_json else text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise CannotMove(
            [Remark(line, column, f"this is not YAML or JSON: {error.problem or error.context}")]
        ) from None
    except yaml.YAMLError as error:
        raise CannotMove([Remark(1, 1, f"this is not YAML or JSON: {str(error).splitlines()[0]}")]) from None
    if root is None or not any(
        key.value == "Resources" and isinstance(value, MappingNode) for key, value in _members(root)
    ):
        raise CannotMove([Remark(1, 1, "this is not a template: it has no Resources")])
    return root


def _resources(root: Node) -> Iterator[tuple[str, ScalarNode | None, Node | None]]:
    """Yield logical id, Type and Properties of each resource; an id in a loop (Fn::ForEach) holds its variable."""
    ahead = [value for key, value in _members(root) if key.value == "Resources"]
    for mapping in ahead:
        for key, resource in _members(mapping):
            if key.value.startswith("Fn::ForEach::"):
                ahead += resource.value[2:] if isinstance(resource, SequenceNode) else []
                continue
            members = {member.value: value for member, value in _members(resource)}
            kind = members.get("Type")
            yield key.value, kind if isinstance(kind, ScalarNode) else None, members.get("Properties")


def _macros(root: Node) -> Iterator[ScalarNode]:
    """Yield the names of macros over the whole template that may write references of their own."""
    for key, value in _members(root):
        names = _nodes(value) if key.value == "Transform" else ()
        yield from (name for name in names if isinstance(name, ScalarNode) and name.value not in _PLAIN_TRANSFORMS)


def _members(node: Node | None) -> list[tuple[ScalarNode, Node]]:
    pairs = node.value if isinstance(node, MappingNode) else []
    return [(key, value) for key, value in pairs if isinstance(key, ScalarNode)]


def _nodes(node: Node) -> Iterator[Node]:
    """Yield every value within a value, each once."""
    seen: set[int] = set()
    ahead = [node]
    while ahead:
        one = ahead.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            ahead += [value for _, value in _members(one)] if isinstance(one, MappingNode) else []
            ahead += one.value if isinstance(one, SequenceNode) else []


def _function(node: Node) -> tuple[str | None, Node]:
    """Return the name of an intrinsic function, without `!` or `Fn::`, and its argument."""
    if node.tag.startswith("!"):
        return node.tag[1:], node
    for key, value in _members(node):
        if key.value.startswith("Fn::"):
            return key.value.removeprefix("Fn::"), value
    return None, node


def _text(node: Node) -> str | None:
    """Return the text that a scalar states, or Fn::Sub of one: the name of a resource in a loop."""
    name, argument = _function(node)
    return argument.value if name in (None, "Sub") and isinstance(argument, ScalarNode) else None


def _own_attributes() -> set[str]:
    """The attributes that this repository's type serves."""
    schema: dict[str, Any] = json.loads((ROOT / SCHEMA).read_bytes())
    return {pointer.rpartition("/")[2] for pointer in schema["readOnlyProperties"]}


def _unknown_to_aws() -> set[str]:
    """The members that this repository's type has and AWS's own lacks, by the schema that cfn-lint brings."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    published = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", AWS_TYPE).schema
    return _member_names(json.loads((ROOT / SCHEMA).read_bytes())) - _member_names(published)


def _member_names(schema: dict[str, Any]) -> set[str]:
    return {name for one in (schema, *schema["definitions"].values()) for name in one.get("properties", {})}
