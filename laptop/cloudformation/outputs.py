"""Outputs and exports of a stack, and the imports of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laptop.providers.protocol import ResourceFailed
from laptop.template import functions
from laptop.template.conditions import active
from laptop.template.parameters import as_text
from laptop.template.references import imports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laptop.cloudformation.stacks import Deployment, Stack, Stacks
    from laptop.paths import Json
    from laptop.template.scope import Scope


def resolve(stacks: Stacks, stack: Stack, scope: Scope) -> None:
    """Give the stack the outputs of its deployment; raises ResourceFailed, and changes nothing, when it cannot be."""
    made = described(stack.goal, scope)
    with stacks.changed:
        _check_exports(stacks, stack, made)
        stack.outputs = made
        stack.imports = frozenset(_imports(stack.goal, scope))


def described(deployment: Deployment, scope: Scope) -> list[Json]:
    """The outputs as DescribeStacks answers them; values that are not known yet are functions.UNKNOWN."""
    return [_output(key, definition, scope) for key, definition in _active_outputs(deployment).items()]


def _active_outputs(deployment: Deployment) -> Mapping[str, Json]:
    return active(deployment.processed.get("Outputs", {}), deployment.conditions)


def _output(key: str, definition: Json, scope: Scope) -> Json:
    output: Json = {"OutputKey": key, "OutputValue": _text(functions.resolve(definition.get("Value"), scope))}
    if "Description" in definition:
        output["Description"] = definition["Description"]
    name = functions.resolve(definition.get("Export", {}).get("Name"), scope)
    return output | ({"ExportName": _text(name)} if name is not None else {})


def _text(value: Any) -> str:
    return ",".join(map(_text, value)) if isinstance(value, list) else as_text(value)


def _check_exports(stacks: Stacks, stack: Stack, made: list[Json]) -> None:
    exports = {one["ExportName"]: one["OutputValue"] for one in made if "ExportName" in one}
    for name, (owner, _) in stacks.exports(stack.place).items():
        if name in exports and owner is not stack:
            raise ResourceFailed(f"Export with name {name} is already exported by stack {owner.name}.")
    for output in stack.outputs:
        export = output.get("ExportName", "")
        importers = stacks.importers(stack.place, export)
        if importers and exports.get(export) != output["OutputValue"]:
            word = "updated" if export in exports else "deleted"
            raise ResourceFailed(f"Export {export} cannot be {word} as it is in use by {' and '.join(importers)}")


def exports_in_use(stacks: Stacks, stack: Stack) -> str:
    """Why the stack cannot be deleted: an export that others import; or nothing."""
    for output in stack.outputs:
        importers = stacks.importers(stack.place, output.get("ExportName", ""))
        if importers:
            return f"Export {output['ExportName']} cannot be deleted as it is in use by {' and '.join(importers)}"
    return ""


def missing_import(stacks: Stacks, stack: Stack, scope: Scope) -> str:
    """The first export that the stack's template imports and nobody exports; or nothing."""
    exports = stacks.exports(stack.place)
    return next((name for name in _imports(stack.goal, scope) if name not in exports), "")


def _imports(deployment: Deployment, scope: Scope) -> list[str]:
    """The names of all exports that a deployment imports."""
    named = [*deployment.resources.values(), *_active_outputs(deployment).values()]
    return [str(functions.resolve(name, scope)) for name in imports(named, deployment.conditions)]
