"""Build packages as `cfn submit` does, of a type that stores its resources in a file."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

Json = dict[str, Any]

NAME = "Example::Notes::Note"
SCHEMA: Json = {
    "typeName": NAME,
    "description": "A note in a file",
    "properties": {"Id": {"type": "string"}, "Text": {"type": "string"}, "By": {"type": "string"}},
    "additionalProperties": False,
    "required": ["Text"],
    "primaryIdentifier": ["/properties/Id"],
    "readOnlyProperties": ["/properties/Id", "/properties/By"],
    "tagging": {"taggable": False},
    "handlers": {name: {"permissions": []} for name in ("create", "read", "update", "delete", "list")},
}
SETTINGS: Json = {
    "artifact_type": "RESOURCE",
    "typeName": NAME,
    "language": "python312",
    "runtime": "python3.12",
    "entrypoint": "example_notes_note.handlers.resource",
    "testEntrypoint": "example_notes_note.handlers.test_entrypoint",
    "settings": {"protocolVersion": "2.0.0"},
}
# The property `By` names the handlers, the region and the type configuration.
HANDLERS = """
import os

def resource(event, _context):
    desired = event["requestData"]["resourceProperties"]
    by = "{by} " + os.environ["AWS_REGION"] + " " + str(event["requestData"].get("typeConfiguration"))
    if event["action"] == "LIST":
        return {{"status": "SUCCESS", "resourceModels": []}}
    model = {{**desired, "Id": desired.get("Id", "note-1"), "By": by}}
    return {{"status": "SUCCESS", "resourceModel": model if event["action"] != "DELETE" else None}}
"""


def zipped(members: dict[str, str | bytes]) -> bytes:
    """Return a zip archive of files, from name to content."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return content.getvalue()


def function(by: str = "first") -> bytes:
    """Return the zip archive of the Lambda function of a package."""
    return zipped({"example_notes_note/__init__.py": "", "example_notes_note/handlers.py": HANDLERS.format(by=by)})


def members(by: str = "first", schema: Json | None = None, settings: Json | None = None) -> dict[str, str | bytes]:
    """Return the files of a package. A None in `schema` or `settings` removes the member."""
    return {
        "schema.json": json.dumps(_with(SCHEMA, schema or {})),
        ".rpdk-config": json.dumps(_with(SETTINGS, settings or {})),
        "inputs/inputs_1_create.json": "{}",
        "ResourceProvider.zip": function(by),
        ".cfn_metadata.json": "{}",
    }


def package(by: str = "first", schema: Json | None = None, settings: Json | None = None) -> bytes:
    """Return a complete package; `by` is the name that its handlers answer."""
    return zipped(members(by, schema, settings))


def _with(base: Json, changes: Json) -> Json:
    return {key: value for key, value in {**base, **changes}.items() if value is not None}
