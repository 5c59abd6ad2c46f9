"""Checks for exports: unique names, and no change of an export that another stack imports."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template import functions, outputs

if TYPE_CHECKING:
    from cfnbox.cloudformation.stacks import Stacks, StackState
    from cfnbox.core.paths import Json
    from cfnbox.template.scope import Scope


def resolve(stacks: Stacks, stack: StackState, scope: Scope) -> None:
    """Set the outputs of a stack. Raise ResourceFailed, and change nothing, if an export is not allowed."""
    template = stack.require_deployment().template
    resolved = outputs.described(template.outputs, scope)
    imports = frozenset(outputs.imports(template.imports, scope))
    with stacks.changed:
        _check_exports(stacks, stack, resolved, imports)
        stack.outputs, stack.imports = resolved, imports


def restore(stacks: Stacks, stack: StackState, scope: Scope) -> None:
    """Set the outputs after a rollback, so that they name no resource that is deleted; nothing is refused then."""
    template = stack.require_deployment().template
    with suppress(functions.ResolutionFailed):
        resolved, imported = outputs.described(template.outputs, scope), outputs.imports(template.imports, scope)
        with stacks.changed:
            stack.outputs, stack.imports = resolved, frozenset(imported)


def _check_exports(stacks: Stacks, stack: StackState, resolved: list[Json], imports: frozenset[str]) -> None:
    exports = {output["ExportName"]: output["OutputValue"] for output in resolved if "ExportName" in output}
    for name, (owner, _) in stacks.exports(stack.place).items():
        if name in exports and owner is not stack:
            raise ResourceFailed(f"Export with name {name} is already exported by stack {owner.name}.")
    for output in stack.outputs:
        export = output.get("ExportName")
        importers = stacks.importers(stack.place, export, except_for=stack) if export else []
        if export in imports:
            importers.append(stack.name)
        if importers and exports.get(export) != output["OutputValue"]:
            change = "updated" if export in exports else "deleted"
            raise ResourceFailed(f"Export {export} cannot be {change} as it is in use by {' and '.join(importers)}")


def in_use(stacks: Stacks, stack: StackState) -> str:
    """Return why the stack cannot be deleted, because an export of it is imported; or nothing."""
    for output in stack.outputs:
        if "ExportName" in output and (importers := _others(stacks, stack, output["ExportName"])):
            return f"Export {output['ExportName']} cannot be deleted as it is in use by {' and '.join(importers)}"
    return ""


def _others(stacks: Stacks, stack: StackState, export: str) -> list[str]:
    """Return the other stacks that import an export; a stack that imports its own can be deleted."""
    return stacks.importers(stack.place, export, except_for=stack)


def missing_import(stacks: Stacks, stack: StackState, scope: Scope) -> str:
    """Return the first export that the stack's template imports and no stack exports; or nothing."""
    exports = stacks.exports(stack.place)
    imports = outputs.imports(stack.require_deployment().template.imports, scope)
    return next((name for name in imports if name not in exports), "")
