"""The outputs of a template: what they are, and which exports of others it imports. Pure."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Invalid
from cfnbox.template import functions, secrets
from cfnbox.template.parameters import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.template.scope import Scope


_EXPORT_NAME = re.compile(r"[A-Za-z0-9:-]+")


def check_exports(outputs: Mapping[str, Json], scope: Scope) -> None:
    """Refused when an export has no name, one that cannot be, or that of another. `outputs` by name.

    Source of the sentences: aws-samples/startup-kit-templates#45, compose-x/ecs_composex#444.
    """
    names = Counter[str]()
    for key, definition in outputs.items():
        if "Export" in definition:
            name = _text(functions.resolve(definition["Export"].get("Name", ""), scope))
            if not _EXPORT_NAME.fullmatch(name):
                raise Invalid(
                    f"Template format error: Output {key} is malformed. The Name field of every Export member must "
                    "be specified and consist only of alphanumeric characters, colons, or hyphens."
                )
            names[name] += 1
    if twice := sorted(name for name, times in names.items() if times > 1):
        shown = secrets.hidden(", ".join(twice), secrets.of(scope.parameters.values()))
        raise Invalid(
            f"Template format error: The Outputs section contains duplicate Export names: [{shown}]. Specify a "
            "unique name for each export."
        )


def described(definitions: Mapping[str, Json], scope: Scope) -> list[Json]:
    """Return the outputs as DescribeStacks answers them; values that are not known yet are functions.UNKNOWN."""
    return [_output(key, definition, scope) for key, definition in definitions.items()]


def _output(key: str, definition: Json, scope: Scope) -> Json:
    name = functions.resolve(definition.get("Export", {}).get("Name"), scope)
    output: Json = {"OutputKey": key, "OutputValue": _text(functions.resolve(definition.get("Value"), scope))}
    if "Description" in definition:
        output["Description"] = definition["Description"]
    if name is not None:
        output["ExportName"] = _text(name)
    return output


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        # AWS refuses lists too, parameters of a list type included.
        raise functions.ResolutionFailed(
            "Template format error: The Value field of every Outputs member must evaluate to a String."
        )
    return as_text(value)


def check_values(definitions: Mapping[str, Json], scope: Scope) -> None:
    """Raise Refused if the value of an output is known before the operation, and is not a text."""
    for definition in definitions.values():
        try:
            value = functions.resolve(definition["Value"], scope)
        except functions.ResolutionFailed:
            continue
        _text(value)


def imports(names: Iterable[Any], scope: Scope) -> list[str]:
    """Return the names of exports, which Fn::ImportValue has as texts or functions."""
    return [str(functions.resolve(name, scope)) for name in names]
