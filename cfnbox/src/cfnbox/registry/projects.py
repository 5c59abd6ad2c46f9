"""Projects: folders with a resource type as `cfn init` creates them, recognized by .rpdk-config.

A project is a `Source` of the registry: the next operation runs the current content of its files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.version import Version

from cfnbox.core.errors import LocalFailure
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers import distributions
from cfnbox.registry import schemas
from cfnbox.registry.functions import Code
from cfnbox.registry.packages import unsupported

Tell = Callable[[str], None]
SETTINGS = ".rpdk-config"
# The names that the Python plugin of `cfn` uses for the code and the requirements.
_CODE, _REQUIREMENTS, _INPUTS = "src", "requirements.txt", "inputs"
_CACHE = ".cfnbox"
# The first release whose HandlerRequest has the members of protocolVersion 2.0.0 (compared with that of 2.0.0).
_LIBRARY, _OLDEST_LIBRARY = "cloudformation-cli-python-lib", Version("2.1.0")
_MOST_NAMED_FILES = 3
SCAN_REUSE_SECONDS = 0.01
_Stamps = Mapping[str, tuple[int, int]]


class UnusableProject(LocalFailure):
    """The project of a folder cannot run; the message says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """The paths of a project. Without `requirements` its handlers can import every package of this environment."""

    root: Path
    schema: Path
    handler: str
    code: tuple[Path, ...]
    requirements: Path | None = None
    type_name: str | None = None

    @property
    def inputs(self) -> Path:
        """Return the folder with the inputs of AWS's contract tests."""
        return self.root / _INPUTS

    def files(self) -> Iterator[Path]:
        """Yield every file whose changes matter."""
        yield from self._beside()
        yield from (Path(one.path) for folder in self.code if folder.is_dir() for one in _entries(folder))

    def stamps(self) -> _Stamps:
        """Return the time and size of each file. Must be fast: runs before every operation. Raise OSError."""
        statuses = {str(one): one.stat() for one in self._beside()}
        statuses |= {one.path: one.stat() for folder in self.code if folder.is_dir() for one in _entries(folder)}
        return {path: (status.st_mtime_ns, status.st_size) for path, status in statuses.items()}

    def _beside(self) -> Iterator[Path]:
        yield self.schema
        yield from (one for one in (self.root / SETTINGS, self.requirements) if one and one.is_file())


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield every file below a folder, except byte code."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path) if entry.name != "__pycache__" else ()
            elif entry.is_file():
                yield entry


def layout(folder: Path) -> Layout:
    """Return the layout of the project in a folder. Raise UnusableProject."""
    root = folder.resolve()
    settings = _settings(root / SETTINGS)
    if problem := _unserved(root):
        raise UnusableProject(problem)
    name, handler = str(settings.get("typeName", "")), settings.get("entrypoint")
    if not (isinstance(handler, str) and re.fullmatch(r"\w+(\.\w+)+", handler, re.ASCII) and name):
        raise UnusableProject(f"{root / SETTINGS} lacks a typeName, or an entrypoint such as acme.handlers.resource.")
    schema = root / f"{name.replace('::', '-').lower()}.json"
    for path, what in ((schema, "the schema"), (root / _REQUIREMENTS, "what cfn submit installs")):
        if not path.is_file():
            raise UnusableProject(f"{folder} has no {path.name}, {what} of {name}.")
    module = root / _CODE / handler.partition(".")[0]
    if not (module.is_dir() or module.with_suffix(".py").is_file()):
        raise UnusableProject(f"{folder} has no {_CODE}/{module.name}, the package of its entrypoint {handler}.")
    return Layout(root, schema, handler, (root / _CODE,), root / _REQUIREMENTS, name)


def _settings(path: Path) -> Mapping[str, object]:
    if not path.is_file():
        raise UnusableProject(f"{path.parent} holds no {SETTINGS}, which cfn init writes: name the folder of a type.")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnusableProject(f"{path} is not JSON: {error}.") from None
    if not isinstance(settings, dict):
        raise UnusableProject(f"{path} is not what cfn init writes.")
    return settings


class Project:
    """A project under its own type name, or under another. Raises UnusableProject and RequirementsFailed.

    `find` returns the current layout. Calls `tell` with a sentence about installations, changes, and changes that
    have no effect.
    """

    def __init__(
        self, find: Callable[[], Layout], tell: Tell = lambda _text: None, type_name: str | None = None
    ) -> None:
        self._find, self._tell, self._type_name = find, tell, type_name
        self._folder = tempfile.TemporaryDirectory(prefix="project-")
        self._changing = threading.Lock()
        self._contents: Mapping[Path, str] = {}
        self._links = 0
        self._problem: tuple[_Stamps | None, LocalFailure] | None = None
        self._scanned_at = -math.inf
        try:
            self.layout = find()
            self._stamps = _stamps(self.layout)
            self._code = self._read(self.layout)
        except BaseException:
            self.close()
            raise

    @property
    def definition(self) -> TypeDefinition:
        """Return the current schema, or the last valid one. `code` says what is wrong with the current schema."""
        with suppress(LocalFailure):
            self._refresh()
        return self._code.definition

    def code(self) -> Code:
        """Return the current code. Raise LocalFailure while schema, settings or requirements are not valid.

        Reuse a scan of the last 10 ms: `definition` has just made it.
        """
        self._refresh(SCAN_REUSE_SECONDS)
        return self._code

    def superseded(self, version_id: str, by: str) -> None:
        """Tell the author that changes have no effect, and how to change that."""
        name = self._code.definition.type_name
        back = f"set-type-default-version --type RESOURCE --type-name {name} --version-id {version_id}"
        self._tell(
            f"{name}: version {by} is the default version now, so changes in {self.layout.root} have no effect. "
            f"To go back: aws cloudformation {back}"
        )

    def close(self) -> None:
        """Remove the temporary folder of the project."""
        self._folder.cleanup()

    def _refresh(self, before: float = 0) -> None:
        """Scan for changes, unless a scan has started after the call or at most `before` seconds earlier."""
        oldest = time.monotonic() - before
        with self._changing:
            if self._scanned_at <= oldest:
                self._scanned_at = time.monotonic()
                self._rescan()
            if self._problem:
                raise self._problem[1]

    def _rescan(self) -> None:
        stamps = None
        try:
            if self._is_unchanged():
                return
            current = self._find()
            stamps = _stamps(current)
            if self._problem and self._problem[0] == stamps:
                return
            if stamps != self._stamps:
                previous, contents = self._code, self._contents
                self._code = self._read(current)
                self.layout, self._stamps = current, stamps
                self._tell_changes(previous, contents)
            self._problem = None
        except LocalFailure as problem:
            self._problem = stamps, problem

    def _is_unchanged(self) -> bool:
        # The scanned files include the settings, which determine the other paths.
        with suppress(UnusableProject):
            return self._problem is None and _stamps(self.layout) == self._stamps
        return False

    def _tell_changes(self, previous: Code, contents: Mapping[Path, str]) -> None:
        if self._code.digest != previous.digest:
            paths = {**contents, **self._contents}
            changed = (path for path in paths if contents.get(path) != self._contents.get(path))
            names = _named(self.layout.root, changed)
            self._tell(f"{self._code.definition.type_name}: changed, and taken up: {names}")

    def _read(self, found: Layout) -> Code:
        try:
            _, definition = schemas.load(found.schema)
        except schemas.UnusableSchema as problem:
            raise UnusableProject(f"{found.schema} cannot be used. {problem}") from None
        if found.type_name not in (None, definition.type_name):
            text = f"{found.schema} is the schema of {definition.type_name}, and {SETTINGS} names {found.type_name}."
            raise UnusableProject(text)
        contents = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(found.files())}
        paths = found.code
        if found.requirements:
            packages = self._packages(found.requirements, found.root / _CACHE)
            _refuse_old_library(found.requirements, packages)
            paths += (packages,)
        self._contents = contents
        digest = hashlib.sha256(repr(contents).encode()).hexdigest()
        name = self._type_name or definition.type_name
        named = TypeDefinition.from_schema({**definition.schema, "typeName": name})
        return Code(named, found.handler, paths, digest, isolated=found.requirements is not None)

    def _packages(self, requirements: Path, cache: Path) -> Path:
        self._links += 1
        return distributions.packages(requirements, Path(self._folder.name) / str(self._links), cache, self._tell)


def _refuse_old_library(requirements: Path, packages: Path) -> None:
    version = distributions.installed_version(packages, _LIBRARY)
    if version is not None and version < _OLDEST_LIBRARY:
        raise UnusableProject(
            f"{requirements} installs {_LIBRARY} {version}, which cannot read the requests of CloudFormation: it "
            f"demands a member responseEndpoint, which they lack. Name {_LIBRARY}>={_OLDEST_LIBRARY} there."
        )


def projects(folders: Iterable[Path], tell: Tell = lambda _text: None) -> list[Project]:
    """Return the projects in these folders, or directly below a folder that is not a project itself.

    Skip folders below that cannot run, and call `tell` with the reason. Close the opened projects and raise
    LocalFailure when a project that the user named cannot run, or when none can run.
    """
    opened: dict[str, Project] = {}
    try:
        for folder in folders:
            _open_each(folder, opened, tell)
    except BaseException:
        for project in opened.values():
            project.close()
        raise
    return list(opened.values())


def _open_each(folder: Path, opened: dict[str, Project], tell: Tell) -> None:
    """Open every project of a folder, by type name. Raise UnusableProject when two have the same type name."""
    roots, problems = _roots(folder), list[LocalFailure]()
    for root in roots:
        try:
            project = Project(partial(layout, root), tell)
        except LocalFailure as problem:
            problems.append(problem)
            continue
        name = project.definition.type_name
        other = opened.setdefault(name, project)
        if other is not project:
            project.close()
            raise UnusableProject(f"{other.layout.root} and {root} both hold {name}: name one of them.")
    if len(problems) == len(roots):
        raise problems[0]
    for left_out in problems:
        tell(f"Left out: {left_out}")


def _unserved(root: Path) -> str | None:
    """Return why cfnbox cannot run the extension, or None."""
    settings = _settings(root / SETTINGS)
    language = str(settings.get("language") or settings.get("runtime"))
    problem = unsupported(str(settings.get("artifact_type", "RESOURCE")), language)
    return f"{root} cannot run here. {problem}" if problem else None


def _roots(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UnusableProject(f"{folder} is not a folder: name the folder of a type, with its {SETTINGS}.")
    if (folder / SETTINGS).is_file():
        return [folder]
    below = sorted(path.parent for path in folder.glob(f"*/{SETTINGS}"))
    if not below:
        raise UnusableProject(
            f"{folder} holds no {SETTINGS}, and no folder in it does: name a folder that cfn init made."
        )
    return below


def _stamps(found: Layout) -> _Stamps:
    try:
        return found.stamps()
    except OSError as error:
        raise UnusableProject(f"{error.filename} cannot be read: {error.strerror}.") from None


def _named(root: Path, paths: Iterable[Path]) -> str:
    names = sorted(str(path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in paths)
    more = len(names) - _MOST_NAMED_FILES
    return ", ".join(names[:_MOST_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
