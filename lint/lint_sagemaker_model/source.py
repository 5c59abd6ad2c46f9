"""Templates as they are written: the text with its functions in their long forms, and the line of every part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lint_sagemaker_model.template import Place

# A loader that keeps every scalar but numbers, booleans and null as text: CloudFormation knows no dates.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Far more than a template has that CloudFormation accepts: 1 MB of text.
_DEEPEST, _MOST_PARTS = 200, 500_000
_DATE = "tag:yaml.org,2002:timestamp"


class UnreadableTemplate(ValueError):
    """A template that is neither YAML nor JSON."""


@dataclass(frozen=True)
class Source:
    """A template of a file; `positions` are the line and column of each part, both from 1."""

    body: Any
    positions: Mapping[tuple[str | int, ...], tuple[int, int]]

    def position(self, place: Place) -> tuple[int, int]:
        """Return the line and column of a place in the template, or of its nearest parent."""
        steps = tuple(place)
        while steps not in self.positions:
            steps = steps[:-1]
        return self.positions[steps]


def read(text: str) -> Source:
    """Return the source of a template in YAML or JSON. Raise UnreadableTemplate."""
    # JSON may be indented with tabs, which YAML does not allow; a tab within a string of JSON is escaped.
    text = text.replace("\t", " ") if text.lstrip().startswith("{") else text
    positions: dict[tuple[str | int, ...], tuple[int, int]] = {(): (1, 1)}
    loader = _LOADER(text)
    try:
        _refuse_deep_nesting(text)
        node = loader.get_single_node()
        body = None if node is None else _value(loader, node, (), positions)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableTemplate(str(error)) from None
    finally:
        loader.dispose()
    return Source(body, positions)


def _refuse_deep_nesting(text: str) -> None:
    """Raise UnreadableTemplate for a text on which the C code of PyYAML, which recurses, would crash."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise UnreadableTemplate(f"it is nested more than {_DEEPEST} levels deep")


def _value(loader: Any, node: Any, place: tuple[str | int, ...], positions: dict[Any, tuple[int, int]]) -> Any:
    """Return the value of a node, and add the position of each part to `positions`."""
    if len(positions) > _MOST_PARTS:
        raise UnreadableTemplate(f"it has more than {_MOST_PARTS} parts, or aliases that multiply to so many")
    positions.setdefault(place, (node.start_mark.line + 1, node.start_mark.column + 1))
    function = _function(node.tag)
    if function:
        return {function: _argument(function, _content(loader, node, (*place, function), positions))}
    return _content(loader, node, place, positions)


def _content(loader: Any, node: Any, place: tuple[str | int, ...], positions: dict[Any, tuple[int, int]]) -> Any:
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        members = {}
        for key_node, member in node.value:
            key = loader.construct_object(key_node, deep=True)
            name = key if isinstance(key, str | int) else str(key)
            positions[(*place, name)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            members[name] = _value(loader, member, (*place, name), positions)
        return members
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*place, position), positions) for position, item in enumerate(node.value)]
    if node.tag == _DATE or _function(node.tag):
        return node.value
    return loader.construct_object(node)


def _function(tag: str) -> str | None:
    """Return the long name of the function in a tag such as !Sub, None for a tag of YAML itself."""
    if not tag.startswith("!") or tag == "!":
        return None
    name = tag[1:]
    return name if name in ("Ref", "Condition") else f"Fn::{name}"


def _argument(function: str, value: Any) -> Any:
    """Return the argument of a function: the short form of Fn::GetAtt is one text."""
    if function == "Fn::GetAtt" and isinstance(value, str):
        return value.split(".", 1)
    return value
