"""botocore's data, cut to what the operations in use can reach. Pure: JSON in, JSON out."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

Json = dict[str, Any]


class UnknownOperation(ValueError):
    """A service model has no operation of the name that is wanted."""


def cut_service_model(model: Mapping[str, Any], operations: Collection[str]) -> Json:
    """Return a service model (`service-2.json`) with these operations and exactly the shapes they reach.

    Documentation is left out: botocore reads it for `help()` only. Raises UnknownOperation.
    """
    if missing := sorted(set(operations) - set(model["operations"])):
        raise UnknownOperation(f"{model['metadata']['serviceId']} has no operation {', '.join(missing)}")
    kept = {name: model["operations"][name] for name in sorted(operations)}
    shapes = {name: model["shapes"][name] for name in sorted(_reachable(kept, model["shapes"]))}
    return {
        "version": model["version"],
        "metadata": model["metadata"],
        "operations": {name: _undocumented(operation) for name, operation in kept.items()},
        "shapes": {name: _undocumented(shape) for name, shape in shapes.items()},
    }


def cut_endpoints(endpoints: Mapping[str, Any], endpoint_prefixes: Collection[str]) -> Json:
    """Return `endpoints.json` with the services of these endpoint prefixes; all partitions and regions stay."""
    partitions = [
        partition | {"services": {n: s for n, s in partition["services"].items() if n in endpoint_prefixes}}
        for partition in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def _reachable(operations: Mapping[str, Any], shapes: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    ahead = list(_references(operations))
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += _references(shapes[name])
    return found


def _references(node: Any) -> Iterator[str]:
    """Every shape that a node names: `{"shape": NAME}`, at any depth."""
    if isinstance(node, dict):
        if isinstance(node.get("shape"), str):
            yield node["shape"]
        for member in node.values():
            yield from _references(member)
    elif isinstance(node, list):
        for member in node:
            yield from _references(member)


def _undocumented(node: Any) -> Any:
    """A copy without documentation; a member that happens to be named so is a reference to a shape, and stays."""
    if isinstance(node, dict):
        return {
            name: _undocumented(member)
            for name, member in node.items()
            if name != "documentation" or not isinstance(member, str)
        }
    if isinstance(node, list):
        return [_undocumented(member) for member in node]
    return node
