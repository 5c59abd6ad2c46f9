"""Write what the schema is the source of: models, documentation, role and the schema that ships with the handlers.

Beside that, what the local cloud takes from tables of cfn-lint (published_attributes.py), and the list of properties
in its README that services there do not keep (not_applied.py).

    python -m tools.generate            write the files that differ
    python -m tools.generate --check    name the files that differ, write nothing, exit with 1 if there are any

`cfn generate` does the work, in a directory of its own. docs/ is what it writes, but for a first line that points to
reference/.
For reference/ and the role, templates/ replaces its templates where they fall short: nested properties of a
create-only property "update without interruption", a property with a `$ref` loses its own description, defaults and
limits of lists are not shown, and the role may pass every role to every service.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader
from rpdk.core.exceptions import RPDKBaseException
from rpdk.core.project import Project

from . import not_applied, published_attributes
from .documentation import Documentation
from .type_name import file_name

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "aws-sagemaker-model.json"
SETTINGS = ".rpdk-config"
PACKAGE = "src/aws_sagemaker_model"
ROLE = "resource-role.yaml"
DOCS = "docs"
_BETTER_PAGES = (
    "`cfn generate` writes these pages. "
    "[The reference](../reference/README.md) has the same with all limits and defaults."
)
REFERENCE = "reference"

# What the handlers need of the schema, in the order of the file.
_SHIPPED = (
    "typeName", "definitions", "properties", "readOnlyProperties", "createOnlyProperties", "primaryIdentifier",
    "additionalIdentifiers",
)  # fmt: skip
_TEMPLATES = Path(__file__).with_name("templates")


class SchemaRefused(Exception):
    """The schema does not pass `cfn validate`, or passes with warnings."""


def generated(schema: dict[str, Any], settings: dict[str, Any]) -> dict[str, str]:
    """Return the text of every generated file, by its path below the root.

    `schema` is the schema of the type and `settings` the content of `.rpdk-config`, both under one type name, which
    need not be the one of this repository. Raises SchemaRefused.
    """
    name = file_name(schema["typeName"])
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / f"{name}.json").write_text(json.dumps(schema))
        (root / SETTINGS).write_text(json.dumps(settings))
        _run_cfn_generate(root, schema)
        models = root / "src" / name.replace("-", "_") / "models.py"
        return {
            f"{PACKAGE}/schema.json": shipped_schema(schema),
            f"{PACKAGE}/models.py": models.read_text(),
            ROLE: (root / ROLE).read_text(),
            **{f"{DOCS}/{page.name}": _docs_page(page) for page in sorted((root / DOCS).glob("*.md"))},
            **{
                f"{REFERENCE}/{page.name}": page.read_text().rstrip() + "\n"
                for page in sorted((root / REFERENCE).glob("*.md"))
            },
        }


def shipped_schema(schema: dict[str, Any]) -> str:
    """Return the schema as it ships with the handlers: what they use of it, without descriptions."""
    return json.dumps({key: _undescribed(schema[key]) for key in _SHIPPED}, separators=(",", ":"))


def stale(root: Path = ROOT) -> dict[str, str | None]:
    """Return the generated files that are not as they must be, with their right text (None: must not be there)."""
    wanted = generated(_read_json(root / SCHEMA), _read_json(root / SETTINGS))
    wanted[published_attributes.PATH] = published_attributes.text()
    wanted[not_applied.PATH] = not_applied.text(root / not_applied.PATH)
    pages = [f"{folder}/{page.name}" for folder in (DOCS, REFERENCE) for page in sorted((root / folder).glob("*"))]
    leftover = [page for page in pages if page not in wanted]
    differing = {path: text for path, text in wanted.items() if _text(root / path) != text}
    return {**differing, **dict.fromkeys(leftover)}


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write or check the generated files, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is stale")
    check = parser.parse_args(arguments).check
    try:
        files = stale(root)
    except SchemaRefused as refused:
        print(f"{SCHEMA}: {refused}", file=sys.stderr)
        return 1
    for path, text in files.items():
        if check:
            print(f"{path} is stale: run `make generate`", file=sys.stderr)
        elif text is None:
            (root / path).unlink()
            print(f"removed {path}")
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            print(f"wrote {path}")
    return int(check and bool(files))


def _docs_page(page: Path) -> str:
    """Return a page of docs/; the first one begins with where the better pages are."""
    return f"{_BETTER_PAGES}\n\n{page.read_text()}" if page.name == "README.md" else page.read_text()


def _run_cfn_generate(root: Path, schema: dict[str, Any]) -> None:
    """Write docs/ as `cfn generate` does, and by the templates of this folder everything else."""
    (root / "src" / file_name(schema["typeName"]).replace("-", "_")).mkdir(parents=True)
    project = _templated(Project(overwrite_enabled=True, root=root), Documentation(schema))
    with _warnings() as warnings:
        try:
            project.load()
        except RPDKBaseException as error:
            raise SchemaRefused(_short(str(error))) from None
        project.generate(local_only=True)
        project.generate_docs()
        (root / DOCS).rename(root / REFERENCE)
        stock = Project(overwrite_enabled=True, root=root)
        stock.load()
        stock.generate_docs()
    if warnings:
        raise SchemaRefused("; ".join(warnings))


def _templated(project: Project, documentation: Documentation) -> Project:
    """The project with the templates of this folder before those of cloudformation-cli."""
    project.env.loader = ChoiceLoader([FileSystemLoader(_TEMPLATES), project.env.loader])
    # What is rendered is Markdown and YAML, not HTML.
    project.env.autoescape = False
    project.env.globals.update(
        property_facts=documentation.property_facts,
        page_facts=documentation.page_facts,
        read_only=documentation.read_only,
    )
    return project


def _short(refusal: str) -> str:
    """Cut a refusal to what is wrong and where; jsonschema adds the whole rule and the whole value."""
    first, *rest = refusal.splitlines()
    places = [line.removeprefix("On instance").rstrip(":") for line in rest if line.startswith("On instance")]
    return f"{first} (at {places[0]})" if places else first


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what cloudformation-cli warns of; it says at the same level that all is well."""
    collected: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() != "Resource schema is valid.":
                collected.append(record.getMessage())

    logger, collector = logging.getLogger("rpdk"), Collector(logging.WARNING)
    logger.addHandler(collector)
    propagates, logger.propagate = logger.propagate, False
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield collected
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagates
        logger.setLevel(level)


def _undescribed(value: Any) -> Any:
    """Drop the keyword `description`, but no property of that name."""
    if isinstance(value, dict):
        return {
            name: _undescribed(member)
            for name, member in value.items()
            if not (name == "description" and isinstance(member, str))
        }
    return [_undescribed(item) for item in value] if isinstance(value, list) else value


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def _text(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
