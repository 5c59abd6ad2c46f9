"""The registry types that a command serves: from project folders, or from parts named by options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cfnbox.cli import inputs, output
from cfnbox.registry.projects import SETTINGS, Layout, Project, layout, projects

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

_PARTS = ("schema", "code", "handler")


def sources(arguments: Namespace) -> Sequence[Project]:
    """Return the types of the named folders, else of the working directory if it is a type's folder.

    `--schema`, `--code`, `--handler` and `--type-name` replace parts of the type in the working directory. In any
    other directory the first three define a type together. Raise BadInput or UnusableProject.
    """
    folders = [Path(folder) for folder in (*getattr(arguments, "folders", ()), *(arguments.project or ()))]
    is_project = Path(SETTINGS).is_file() and not getattr(arguments, "no_types", False)
    if not any(getattr(arguments, part) for part in (*_PARTS, "type_name")):
        return projects(folders or ([Path()] if is_project else []), say)
    if folders:
        raise inputs.BadInput("Name folders of types, or --schema, --code, --handler and --type-name, but not both.")
    is_whole = all(getattr(arguments, part) for part in _PARTS)
    found = _with_parts(layout(Path()), arguments) if is_project and not is_whole else _of_parts(arguments)
    return [Project(lambda: found, say, name) for name in arguments.type_name or (None,)]


def first_source(arguments: Namespace) -> Project:
    """Return the first type. Raise BadInput without any type."""
    found = sources(arguments)
    if not found:
        raise inputs.BadInput("There is no type here: name its folder with --project DIR, as `cfn init` makes it.")
    return found[0]


def _with_parts(found: Layout, arguments: Namespace) -> Layout:
    if arguments.schema:
        found = replace(found, schema=_schema(arguments.schema), type_name=None)
    if arguments.code:
        found = replace(found, code=_folders(arguments.code), requirements=None)
    return replace(found, handler=arguments.handler or found.handler)


def _of_parts(arguments: Namespace) -> Layout:
    missing = [f"--{part}" for part in _PARTS if not getattr(arguments, part)]
    schema = _schema(arguments.schema) if arguments.schema else Path()
    code = _folders(arguments.code or [])
    if missing:
        raise inputs.BadInput(
            f"{' and '.join(missing)} missing: this is not the folder of a type, as `cfn init` makes it, so that "
            "a type needs --schema, --code and --handler."
        )
    return Layout(schema.parent, schema, arguments.handler, code)


def say(text: str) -> None:
    """Print a remark to standard error."""
    output.remark(text)


def _schema(named: str) -> Path:
    if not Path(named).is_file():
        raise inputs.BadInput(
            f"--schema {named} is not a file: give the schema of a registry type (JSON, as `cfn init` makes it)."
        )
    return Path(named).resolve()


def _folders(named: Sequence[str]) -> tuple[Path, ...]:
    for folder in named:
        if not Path(folder).is_dir():
            raise inputs.BadInput(f"--code {folder} is not a directory.")
    return tuple(Path(folder).resolve() for folder in named)
