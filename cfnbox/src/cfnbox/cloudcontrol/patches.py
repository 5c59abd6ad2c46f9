"""Patches of UpdateResource: JSON Patch on what a resource is now, and what no update may change. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonpatch
import jsonpointer

from cfnbox.core.errors import Refused
from cfnbox.core.paths import values_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition

# Cloud Control's limit of a DesiredState and of a PatchDocument (botocore: Properties, PatchDocument).
_MOST_CHARACTERS = 262_144
_FAULTS = (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, ValueError, LookupError)


def patched(document: str, model: Json) -> Json:
    """The model after the patch; the model itself stays as it is. Raises Refused, never with a value in the text."""
    try:
        operations = json.loads(document)
    except (ValueError, RecursionError):
        raise _unusable("it is not JSON") from None
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise _unusable("it is not a list of operations (RFC 6902)")
    text = json.dumps(model)
    result, size = json.loads(text), len(text) + len(document)
    for number, operation in enumerate(operations, 1):
        name = f"operation {number}, {operation.get('op')} {operation.get('path')}"
        try:
            size += _copied(operation, result)
            if size > _MOST_CHARACTERS:
                raise _unusable(
                    f"{name}, makes the properties larger than {_MOST_CHARACTERS} characters, the most that they can "
                    "have"
                )
            # In place, because a copy of all properties for each operation takes too long.
            result = jsonpatch.apply_patch(result, [operation], in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            raise _unusable(f"{name}, found another value than it expects") from None
        except _FAULTS as fault:
            reason = "" if isinstance(fault, TypeError | ValueError) else f": {fault}"
            raise _unusable(f"{name}, cannot be applied{reason}") from None
    if not isinstance(result, dict):
        raise _unusable("it leaves no object of properties")
    return result


def _copied(operation: Json, document: Any) -> int:
    """Return how many characters an operation copies from one place of the document to another."""
    if operation.get("op") != "copy":
        return 0
    return len(json.dumps(jsonpointer.resolve_pointer(document, str(operation.get("from")))))


def _unusable(reason: str) -> Refused:
    return Refused("InvalidRequestException", f"The patch document cannot be used: {reason}.")


def refuse_fixed(definition: TypeDefinition, before: Json, after: Json) -> None:
    """Raise Refused when a read-only or create-only property differs, in the service's words."""
    read_only = [*definition.read_only]
    create_only = [one for one in definition.create_only if one not in read_only]
    if changed := _differing(read_only, before, after):
        raise Refused("ValidationException", f"Invalid patch update: readOnlyProperties {changed} cannot be updated")
    if changed := _differing(create_only, before, after):
        raise Refused(
            "NotUpdatableException", f"Invalid patch update: createOnlyProperties {changed} cannot be updated"
        )


def _differing(names: Sequence[str], before: Json, after: Json) -> str:
    found = [
        f"/properties/{name.replace('.', '/')}" for name in names if values_at(before, name) != values_at(after, name)
    ]
    return f"[{', '.join(found)}]" if found else ""
