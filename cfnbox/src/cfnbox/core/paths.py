"""Property paths: dotted names below /properties, as Fn::GetAtt writes them; `*` stands for every item. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def from_pointer(pointer: str) -> str:
    """Return the dotted name of a schema's JSON pointer, such as /properties/A/properties/B or /properties/A/*/B."""
    return (
        pointer.removeprefix("/properties/").replace("/properties/", "/").replace("/items/", "/*/").replace("/", ".")
    )


def values_at(value: Any, name: str) -> list[Any]:
    """Return all values at a dotted name, in order; an empty list if there is no value."""
    values = [value]
    for part in name.split("."):
        values = [inner for outer in values for inner in _step(outer, part)]
    return values


def _step(value: Any, part: str) -> list[Any]:
    if part == "*":
        if isinstance(value, Mapping):
            return list(value.values())
        return list(value) if isinstance(value, list) else []
    if isinstance(value, list):
        # Some schemas leave out the `*` of an array on the way.
        return [item[part] for item in value if isinstance(item, Mapping) and part in item]
    return [value[part]] if isinstance(value, Mapping) and part in value else []


def value_at(model: Mapping[str, Any], name: str) -> Any:
    """Return the value at a dotted name without `*`. Raise KeyError if it is absent."""
    value: Any = model
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise KeyError(name)
        value = value[part]
    return value


def has(model: Mapping[str, Any], name: str) -> bool:
    """Return whether the model has a value at the dotted name."""
    try:
        value_at(model, name)
    except KeyError:
        return False
    return True


def put_at(model: Json, name: str, value: Any) -> None:
    """Set the value at a dotted name. Create the objects that contain it."""
    *path, last = name.split(".")
    for part in path:
        model = model.setdefault(part, {})
    model[last] = value


def without(value: Any, names: Sequence[str]) -> Any:
    """Return a copy of the value without the values at the dotted names."""
    return _pruned(value, [name.split(".") for name in names])


def _pruned(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, Mapping):
        removed = {path[0] for path in paths if len(path) == 1}
        return {
            key: _pruned(inner, [path[1:] for path in paths if path[0] in (key, "*") and len(path) > 1])
            for key, inner in value.items()
            if key not in removed
        }
    if isinstance(value, list):
        return [_pruned(item, [path[1:] if path[0] == "*" else path for path in paths]) for item in value]
    return value
