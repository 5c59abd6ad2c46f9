"""Packages as `cfn submit` and `python -m tools.package` make them, unpacked without trust.

A package is a zip with schema.json, .rpdk-config, ResourceProvider.zip (the function) and inputs/.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cfnbox.registry import schemas
from cfnbox.registry.functions import Code

if TYPE_CHECKING:
    from cfnbox.core.type_definition import TypeDefinition

_SCHEMA, _SETTINGS, _FUNCTION = "schema.json", ".rpdk-config", "ResourceProvider.zip"
# "Lambda quotas": the deployment package, unzipped.
_MOST_BYTES = 250 * 1024 * 1024
_MOST_MEMBERS = 100_000
_CHUNK_BYTES = 1 << 20


class BadPackage(Exception):
    """The package cannot be registered; the text says why."""


class Package:
    """An unpacked package: a Source that never changes. Its files are removed when it is closed."""

    def __init__(self, content: bytes, type_name: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="registered-type-")
        try:
            folder = Path(self._folder.name)
            _unpack(io.BytesIO(content), folder / "package", "The package")
            handler = _handler(folder / "package")
            self.schema, self.definition = _definition(folder / "package", type_name)
            _unpack(_member(folder / "package", _FUNCTION), folder / "function", _FUNCTION)
        except BaseException:
            self.close()
            raise
        digest = hashlib.sha256(content).hexdigest()
        self._code = Code(self.definition, handler, (folder / "function",), digest, isolated=True)

    def code(self) -> Code:
        """The package's code."""
        return self._code

    def superseded(self, version_id: str, by: str) -> None:
        """Nobody works in a package."""

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


def _definition(package: Path, type_name: str) -> tuple[str, TypeDefinition]:
    try:
        text, definition = schemas.load(_member(package, _SCHEMA))
    except schemas.UnusableSchema as problem:
        raise BadPackage(str(problem)) from None
    if definition.type_name != type_name:
        raise BadPackage(f"{_SCHEMA} is that of {definition.type_name}, and not of {type_name}.")
    return text, definition


def _handler(package: Path) -> str:
    """The entry point, such as acme_notes_note.handlers.resource."""
    try:
        settings = json.loads(_member(package, _SETTINGS).read_text(encoding="utf-8"))
        kind = str(settings.get("artifact_type", "RESOURCE"))
    except (ValueError, AttributeError):
        raise BadPackage(f"{_SETTINGS} is not what `cfn init` writes.") from None
    # Recorded: AWS takes a package whose settings name a runtime such as python3.9 and no language.
    language = str(settings.get("language") or settings.get("runtime"))
    if problem := unsupported(kind, language):
        raise BadPackage(problem)
    entry_point = settings.get("entrypoint")
    if not (isinstance(entry_point, str) and re.fullmatch(r"\w+(\.\w+)+", entry_point, re.ASCII)):
        raise BadPackage(
            f"The entrypoint in {_SETTINGS} is not a function in a module, as in acme.handlers.resource."
        )
    return entry_point


def unsupported(kind: str, language: str) -> str | None:
    """Why the local cloud does not run such an extension, or None; by artifact_type and language of .rpdk-config."""
    if kind != "RESOURCE":
        return f"It is a {kind.lower()}. cfnbox runs resource types alone, no hooks and no modules."
    if not language.startswith("python"):
        return f"Its handlers are written in {language}. cfnbox runs handlers in Python alone."
    return None


def _member(package: Path, name: str) -> Path:
    path = package / name
    if not path.is_file():
        raise BadPackage(f"The package has no {name}: make it with cfn submit.")
    return path


def _unpack(source: io.BytesIO | Path, folder: Path, name: str) -> None:
    """Write the files of a zip into a new folder. Raises BadPackage before anything stands outside of it."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            _refuse_dangerous(members, name)
            left = _MOST_BYTES
            folder.mkdir()
            for member in members:
                left -= _extracted(archive, member, folder / member.filename, left, name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise BadPackage(f"{name} cannot be read as a zip file: {error}.") from None
    except RuntimeError:
        # What zipfile raises for a member that is encrypted.
        raise BadPackage(f"{name} is encrypted.") from None


def _refuse_dangerous(members: list[zipfile.ZipInfo], name: str) -> None:
    if len(members) > _MOST_MEMBERS:
        raise BadPackage(f"{name} holds {len(members)} files, more than {_MOST_MEMBERS}.")
    seen = set()
    for member in members:
        path = PurePosixPath(member.filename)
        outside = path.is_absolute() or ".." in path.parts or not path.parts
        if outside or "\\" in member.filename or ":" in path.parts[0]:
            raise BadPackage(f"{name} holds {member.filename}, which would lie outside of its folder.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise BadPackage(f"{name} holds {member.filename}, a symbolic link.")
        if path in seen:
            raise BadPackage(f"{name} holds {member.filename} twice.")
        seen.add(path)


def _extracted(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, left: int, name: str) -> int:
    """Write one file, and return its size. What the zip says of sizes is not believed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > left:
                raise BadPackage(f"{name} is more than {_MOST_BYTES >> 20} MB unzipped, which Lambda does not take.")
            target.write(chunk)
    return written
