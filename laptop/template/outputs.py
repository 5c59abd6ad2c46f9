"""The outputs of a template: what they are, and which exports of others it imports. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laptop.template import functions
from laptop.template.parameters import as_text

if TYPE_CHECKING:
    from laptop.paths import Json
    from laptop.template.preparation import Prepared
    from laptop.template.scope import Scope


def described(template: Prepared, scope: Scope) -> list[Json]:
    """The outputs as DescribeStacks answers them; values that are not known yet are functions.UNKNOWN."""
    return [_output(key, definition, scope) for key, definition in template.outputs.items()]


def _output(key: str, definition: Json, scope: Scope) -> Json:
    name = functions.resolve(definition.get("Export", {}).get("Name"), scope)
    return {
        "OutputKey": key,
        "OutputValue": _text(functions.resolve(definition.get("Value"), scope)),
        "Description": definition.get("Description"),
        "ExportName": None if name is None else _text(name),
    }


def _text(value: Any) -> str:
    return ",".join(map(_text, value)) if isinstance(value, list) else as_text(value)


def imports(template: Prepared, scope: Scope) -> list[str]:
    """The names of all exports that a template imports."""
    return [str(functions.resolve(name, scope)) for name in template.imports]
