"""Property paths: dotted names below /properties, as Fn::GetAtt writes them; `*` stands for every item. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def from_pointer(pointer: str) -> str:
    """The dotted name of a JSON pointer of a schema, such as /properties/A/properties/B or /properties/A/*/B."""
    return (
        pointer.removeprefix("/properties/").replace("/properties/", "/").replace("/items/", "/*/").replace("/", ".")
    )


def values_at(value: Any, name: str) -> list[Any]:
    """All values that the dotted name reaches, in order; empty when there is none."""
    found = [value]
    for part in name.split("."):
        found = [inner for outer in found for inner in _step(outer, part)]
    return found


def _step(value: Any, part: str) -> list[Any]:
    if part == "*":
        if isinstance(value, Mapping):
            return list(value.values())
        return list(value) if isinstance(value, list) else []
    if isinstance(value, list):
        # Some schemas leave out the `*` of an array on the way.
        return [one[part] for one in value if isinstance(one, Mapping) and part in one]
    return [value[part]] if isinstance(value, Mapping) and part in value else []


def value_at(model: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name without `*`; KeyError if absent."""
    value: Any = model
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise KeyError(name)
        value = value[part]
    return value


def has(model: Mapping[str, Any], name: str) -> bool:
    """Whether the model holds the dotted name."""
    try:
        value_at(model, name)
    except KeyError:
        return False
    return True


def put_at(model: Json, name: str, value: Any) -> None:
    """Set the value of a dotted name, making the objects on the way."""
    *path, last = name.split(".")
    for part in path:
        model = model.setdefault(part, {})
    model[last] = value


def without(value: Any, names: Sequence[str]) -> Any:
    """A copy of the value without what the dotted names reach."""
    return _pruned(value, [name.split(".") for name in names])


def _pruned(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, Mapping):
        gone = {path[0] for path in paths if len(path) == 1}
        return {
            key: _pruned(inner, [path[1:] for path in paths if path[0] in (key, "*") and len(path) > 1])
            for key, inner in value.items()
            if key not in gone
        }
    if isinstance(value, list):
        return [_pruned(one, [path[1:] if path[0] == "*" else path for path in paths]) for one in value]
    return value
