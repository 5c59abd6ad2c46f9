"""Patches of UpdateResource: apply a JSON Patch, and refuse changes of read-only and create-only properties. Pure."""

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

# The maximum length of a DesiredState and of a PatchDocument (botocore: Properties, PatchDocument).
_MOST_CHARACTERS = 262_144
_PATCH_ERRORS = (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, ValueError, LookupError)


def apply(document: str, model: Json) -> Json:
    """Return a patched copy of the model. Raise Refused; its message never contains a property value."""
    try:
        operations = json.loads(document)
    except (ValueError, RecursionError):
        raise _invalid_patch("it is not JSON") from None
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise _invalid_patch("it is not a list of operations (RFC 6902)")
    text = json.dumps(model)
    result, size = json.loads(text), len(text) + len(document)
    for number, operation in enumerate(operations, 1):
        name = f"operation {number}, {operation.get('op')} {operation.get('path')}"
        try:
            size += _copy_size(operation, result)
            if size > _MOST_CHARACTERS:
                raise _invalid_patch(
                    f"{name}, makes the properties larger than the limit of {_MOST_CHARACTERS} characters"
                )
            # Apply it in place, because a copy of all properties for each operation takes too long.
            result = jsonpatch.apply_patch(result, [operation], in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            raise _invalid_patch(f"{name}, failed because the property has another value") from None
        except _PATCH_ERRORS as error:
            # jsonpointer appends the whole document, with its values, to "member X not found in".
            text = str(error).partition(" in {")[0]
            reason = "" if isinstance(error, TypeError | ValueError) else f": {text}"
            raise _invalid_patch(f"{name}, cannot be applied{reason}") from None
    if not isinstance(result, dict):
        raise _invalid_patch("its result is not an object of properties")
    return result


def _copy_size(operation: Json, document: Any) -> int:
    """Return the number of characters that a `copy` operation adds to the document."""
    if operation.get("op") != "copy":
        return 0
    return len(json.dumps(jsonpointer.resolve_pointer(document, str(operation.get("from")))))


def _invalid_patch(reason: str) -> Refused:
    return Refused("InvalidRequestException", f"The patch document is not valid: {reason}.")


def refuse_unchangeable(definition: TypeDefinition, before: Json, after: Json) -> None:
    """Raise Refused, with the service's message, when a read-only or create-only property differs."""
    read_only = [*definition.read_only]
    create_only = [name for name in definition.create_only if name not in read_only]
    if changed := _differing(read_only, before, after):
        raise Refused("ValidationException", f"Invalid patch update: readOnlyProperties {changed} cannot be updated")
    if changed := _differing(create_only, before, after):
        raise Refused(
            "NotUpdatableException", f"Invalid patch update: createOnlyProperties {changed} cannot be updated"
        )


def _differing(names: Sequence[str], before: Json, after: Json) -> str:
    pointers = [
        f"/properties/{name.replace('.', '/')}" for name in names if values_at(before, name) != values_at(after, name)
    ]
    return f"[{', '.join(pointers)}]" if pointers else ""
