"""Exports of a stack, and the imports of others: what CloudFormation refuses so that both hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template import outputs

if TYPE_CHECKING:
    from cfnbox.cloudformation.stacks import Stack, Stacks
    from cfnbox.core.paths import Json
    from cfnbox.template.scope import Scope


def resolve(stacks: Stacks, stack: Stack, scope: Scope) -> None:
    """Give the stack the outputs of its deployment; raises ResourceFailed, and changes nothing, when it cannot be."""
    made = outputs.described(stack.goal.template, scope)
    with stacks.changed:
        _check_exports(stacks, stack, made)
        stack.outputs = made
        stack.imports = frozenset(outputs.imports(stack.goal.template, scope))


def _check_exports(stacks: Stacks, stack: Stack, made: list[Json]) -> None:
    exports = {one["ExportName"]: one["OutputValue"] for one in made if one["ExportName"]}
    for name, (owner, _) in stacks.exports(stack.place).items():
        if name in exports and owner is not stack:
            raise ResourceFailed(f"Export with name {name} is already exported by stack {owner.name}.")
    for output in stack.outputs:
        export = output["ExportName"]
        importers = stacks.importers(stack.place, export)
        if importers and exports.get(export) != output["OutputValue"]:
            word = "updated" if export in exports else "deleted"
            raise ResourceFailed(f"Export {export} cannot be {word} as it is in use by {' and '.join(importers)}")


def in_use(stacks: Stacks, stack: Stack) -> str:
    """Why the stack cannot be deleted: an export that others import; or nothing."""
    for output in stack.outputs:
        if importers := stacks.importers(stack.place, output["ExportName"]):
            return f"Export {output['ExportName']} cannot be deleted as it is in use by {' and '.join(importers)}"
    return ""


def missing_import(stacks: Stacks, stack: Stack, scope: Scope) -> str:
    """The first export that the stack's template imports and nobody exports; or nothing."""
    exports = stacks.exports(stack.place)
    return next((name for name in outputs.imports(stack.goal.template, scope) if name not in exports), "")
