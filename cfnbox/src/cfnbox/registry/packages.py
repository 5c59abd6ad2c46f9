"""Read packages of `cfn submit` and `python -m tools.package`. Their content is not trusted.

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
        """Return the package's code."""
        return self._code

    def superseded(self, version_id: str, by: str) -> None:
        """Do nothing, because a package has no author who edits it."""

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


def _definition(package: Path, type_name: str) -> tuple[str, TypeDefinition]:
    try:
        text, definition = schemas.load(_member(package, _SCHEMA))
    except schemas.UnusableSchema as problem:
        raise BadPackage(str(problem)) from None
    if definition.type_name != type_name:
        raise BadPackage(f"{_SCHEMA} is the schema of {definition.type_name}, not of {type_name}.")
    return text, definition


def _handler(package: Path) -> str:
    """Return the entry point, such as acme_notes_note.handlers.resource."""
    try:
        settings = json.loads(_member(package, _SETTINGS).read_text(encoding="utf-8"))
        kind = str(settings.get("artifact_type", "RESOURCE"))
    except (ValueError, AttributeError):
        raise BadPackage(f"{_SETTINGS} does not have the format that `cfn init` writes.") from None
    # Recorded: AWS accepts a package whose settings name a runtime such as python3.9 and no language.
    language = str(settings.get("language") or settings.get("runtime"))
    if problem := unsupported(kind, language):
        raise BadPackage(problem)
    entry_point = settings.get("entrypoint")
    if not (isinstance(entry_point, str) and re.fullmatch(r"\w+(\.\w+)+", entry_point, re.ASCII)):
        raise BadPackage(
            f"The entrypoint in {_SETTINGS} does not name a function of a module, such as acme.handlers.resource."
        )
    return entry_point


def unsupported(kind: str, language: str) -> str | None:
    """Return why cfnbox cannot run an extension, by its artifact_type and language in .rpdk-config, or None."""
    if kind != "RESOURCE":
        return f"It is a {kind.lower()}. cfnbox runs only resource types, not hooks or modules."
    if not language.startswith("python"):
        return f"Its handlers are written in {language}. cfnbox runs only handlers in Python."
    return None


def _member(package: Path, name: str) -> Path:
    path = package / name
    if not path.is_file():
        raise BadPackage(f"The package has no {name}. Make the package with cfn submit.")
    return path


def _unpack(source: io.BytesIO | Path, folder: Path, name: str) -> None:
    """Extract a zip file into a new folder. Raise BadPackage before a file is written outside of the folder."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _refuse_dangerous(members, name)
            bytes_left = _MOST_BYTES
            folder.mkdir()
            for member in members:
                bytes_left -= _extract(archive, member, folder / member.filename, bytes_left, name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise BadPackage(f"{name} cannot be read as a zip file: {error}.") from None
    except RuntimeError:
        # zipfile raises it for an encrypted member.
        raise BadPackage(f"{name} is encrypted.") from None


def _refuse_dangerous(members: list[zipfile.ZipInfo], name: str) -> None:
    if len(members) > _MOST_MEMBERS:
        raise BadPackage(f"{name} contains {len(members)} files, more than the limit of {_MOST_MEMBERS}.")
    seen = set()
    for member in members:
        path = PurePosixPath(member.filename)
        is_outside = path.is_absolute() or ".." in path.parts or not path.parts
        if is_outside or "\\" in member.filename or ":" in path.parts[0]:
            raise BadPackage(f"{name} contains {member.filename}, whose path leads outside of the folder.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise BadPackage(f"{name} contains the symbolic link {member.filename}, which is not allowed.")
        if path in seen:
            raise BadPackage(f"{name} contains {member.filename} twice.")
        seen.add(path)


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, bytes_left: int, name: str) -> int:
    """Write one file, and return its size. Count the bytes, because the sizes in a zip file may be wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, path.open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > bytes_left:
                raise BadPackage(f"{name} is larger than Lambda's limit of {_MOST_BYTES >> 20} MB unzipped.")
            target.write(chunk)
    return written
