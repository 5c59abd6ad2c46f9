"""AWS's published schemas of its resource types, from the files of cfn-lint.

cfn-lint itself is not imported, because its import takes half a second.
"""

from __future__ import annotations

import importlib.util
import json
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cfnbox.core.errors import LocalFailure
from cfnbox.core.extras import requirement_of
from cfnbox.core.place import DEFAULT_REGION
from cfnbox.core.type_definition import TypeDefinition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Attributes of Fn::GetAtt for types where they are not the read-only properties. `make generate` writes the file.
_ATTRIBUTES = Path(__file__).with_name("published_attributes.json")


class PublishedSchemasMissing(LocalFailure):
    """The schemas of cfn-lint are not at the expected path."""


class PublishedTypes:
    """Definitions of AWS's types by name and region, each read once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, Mapping[str, str]] = {}
        self._definitions: dict[tuple[str, str], TypeDefinition | None] = {}

    def find(self, type_name: str, region: str) -> TypeDefinition | None:
        """Return a type in a region with its Fn::GetAtt attributes, or None if AWS does not publish the type."""
        with self._lock:
            if (type_name, region) not in self._definitions:
                self._definitions[type_name, region] = self._read(type_name, region)
            return self._definitions[type_name, region]

    def names(self, region: str) -> list[str]:
        """Return the sorted names of AWS's types in a region."""
        with self._lock:
            return sorted(self._types(region))

    def _read(self, type_name: str, region: str) -> TypeDefinition | None:
        if (file := self._types(region).get(type_name)) is None:
            return None
        schema = json.loads((self._folder / "resources" / f"{file}.json").read_bytes())
        read_only = [".".join(pointer.split("/")[2:]) for pointer in schema.get("readOnlyProperties", [])]
        return TypeDefinition.from_schema(schema, self._attributes.get(type_name, read_only))

    def _types(self, region: str) -> Mapping[str, str]:
        """Return the schema files of a region by type name."""
        if region not in self._files:
            path = self._folder / "providers" / f"{region}.json"
            path = path if path.exists() else path.with_name(f"{DEFAULT_REGION}.json")
            self._files[region] = json.loads(path.read_bytes())
        return self._files[region]

    @cached_property
    def _folder(self) -> Path:
        found = importlib.util.find_spec("cfnlint")
        folder = Path(found.origin).parent / "data" / "schemas" if found and found.origin else None
        if folder is None or not (folder / "providers" / f"{DEFAULT_REGION}.json").exists():
            raise PublishedSchemasMissing(
                f"cfn-lint has no schemas of AWS's types here: pip install '{requirement_of('cfn-lint')}'"
            )
        return folder

    @cached_property
    def _attributes(self) -> Mapping[str, Sequence[str]]:
        attributes: Mapping[str, Sequence[str]] = json.loads(_ATTRIBUTES.read_bytes())
        return attributes
