"""`cfnbox validate`: CloudFormation's errors, AWS's own validator, and hints. It needs no cloud.

AWS's validator is the package cloudformation-validate, an optional extra.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from cfnbox.cli import inputs, output
from cfnbox.cli.hints import hints
from cfnbox.core.errors import Invalid, LocalFailure, Refused
from cfnbox.core.extras import how_to_install
from cfnbox.providers.published import PublishedTypes
from cfnbox.template import checks, syntax

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cfnbox.core.type_definition import TypeDefinition

    Find = Callable[[str], TypeDefinition | None]

_VALIDATOR = "cloudformation_validate"


@dataclass(frozen=True)
class Finding:
    """A problem in a template. `source` is cloudformation, cloudformation-validate or hint."""

    template: str
    place: str
    source: str
    message: str


class ValidatorRefused(LocalFailure):
    """AWS's validator refuses the schema of a type. The message has the reason."""


class TypeLookup:
    """The types of project folders, and the types that AWS publishes for a region."""

    def __init__(self, own: Mapping[str, TypeDefinition], region: str) -> None:
        self._own, self._region, self._published = own, region, PublishedTypes()

    def find(self, type_name: str) -> TypeDefinition | None:
        """Return the definition of a type, or None."""
        return self._own.get(type_name) or self._published.find(type_name, self._region)

    @property
    def names(self) -> list[str]:
        """Return the names of all types."""
        return [*self._own, *self._published.names(self._region)]


def run(arguments: Namespace) -> int:
    """Validate templates. Return 0 without findings, 1 with findings."""
    from cfnbox.cli.type_sources import sources

    own: dict[str, TypeDefinition] = {}
    for source in sources(arguments):
        own[source.definition.type_name] = source.definition
        source.close()
    types = TypeLookup(own, inputs.region(arguments))
    found = [finding for path in arguments.templates for finding in _findings(path, types, own)]
    if arguments.json:
        output.print_json([asdict(finding) for finding in found])
    else:
        _print(found, arguments)
    return int(bool(found))


def _print(found: Sequence[Finding], arguments: Namespace) -> None:
    for finding in found:
        style = "yellow" if finding.source == "hint" else "red"
        output.out.print(
            f"{escape(finding.template)}: {escape(finding.place)} [{style}]{finding.source}[/]: "
            f"{escape(finding.message)}"
        )
    if not importlib.util.find_spec(_VALIDATOR):
        output.remark(f"AWS's validator was not run, because it is not installed: {how_to_install('validate')}")
    elif not found:
        output.remark(f"Nothing is wrong with {' and '.join(arguments.templates)}.")


def _findings(path: str, types: TypeLookup, own: Mapping[str, TypeDefinition]) -> Iterator[Finding]:
    text = inputs.read(path)
    try:
        document = syntax.parse(text)
        if not syntax.uses_macro(document):
            conditions = dict.fromkeys(document.get("Conditions", {}), True)
            checks.check(document, document.get("Parameters", {}), conditions, types.find)
    except Refused as refused:
        yield Finding(path, "", "cloudformation", refused.message)
    try:
        document = syntax.read(text)
    except Invalid:
        return
    if isinstance(document, dict):
        for hint in hints(document, types.find, types.names):
            yield Finding(path, hint.place, "hint", hint.message)
    if importlib.util.find_spec(_VALIDATOR):
        try:
            yield from _of_validator(path, text, own)
        except ValidatorRefused as refused:
            output.remark(str(refused))


def _of_validator(path: str, text: str, own: Mapping[str, TypeDefinition]) -> Iterator[Finding]:
    # Imported here, because the package is an optional extra.
    from cloudformation_validate import (
        AdditionalSchemaSource,
        CompositeEngine,
        CompositeEngineConfig,
        SchemaValidatorConfig,
        Severity,
        TemplateContent,
        ValidateConfig,
        ValidationError,
    )

    schemas = [
        AdditionalSchemaSource(schema=json.dumps({**definition.schema, "typeName": name}))
        for name, definition in own.items()
    ]
    try:
        engine = CompositeEngine(
            CompositeEngineConfig(schema_validator_config=SchemaValidatorConfig(additional_schemas=schemas))
        )
        report = engine.validate_template(TemplateContent(text, path), ValidateConfig(severity_level=Severity.ERROR))
    except ValidationError as problem:
        # Patterns of a schema are JavaScript's. The validator accepts only Rust's, and refuses (?<=a).
        raise ValidatorRefused(f"AWS's validator was not run, because it refuses a schema: {problem}") from None
    for diagnostic in report.diagnostics:
        line = f"line {diagnostic.start_line}" if diagnostic.start_line else ""
        logical_id = diagnostic.entity.logical_id if diagnostic.entity else ""
        place = ", ".join(filter(None, (line, logical_id)))
        message: Any = " ".join(diagnostic.message.split())
        yield Finding(path, place, "cloudformation-validate", f"{diagnostic.rule_id} {message}")


def print_warnings(template: str, path: str, cloudformation: Any, region: str) -> None:
    """Print the findings of AWS's validator and hints for a template, with the types of a running cloud.

    They are warnings. CloudFormation decides whether it accepts the template.
    """
    try:
        document = syntax.read(template)
    except Refused:
        return
    types = _TypesOfCloud(cloudformation, region)
    if importlib.util.find_spec(_VALIDATOR):
        try:
            for finding in _of_validator(path, template, types.own):
                place = f"{escape(finding.place)}: " if finding.place else ""
                output.notes.print(f"[yellow]{finding.source}:[/] {place}{escape(finding.message)}")
        except ValidatorRefused as refused:
            output.remark(str(refused))
    for hint in hints(document, types.find, types.names) if isinstance(document, dict) else ():
        output.notes.print(f"[yellow]hint:[/] {escape(hint.place)}: {escape(hint.message)}")


class _TypesOfCloud(TypeLookup):
    """The types of a running cloud, and the types that AWS publishes."""

    def __init__(self, cloudformation: Any, region: str) -> None:
        self.own = {name: _described(cloudformation, name) for name in _private(cloudformation)}
        super().__init__(self.own, region)


def _private(cloudformation: Any) -> list[str]:
    pages = cloudformation.get_paginator("list_types").paginate(Visibility="PRIVATE")
    return [summary["TypeName"] for page in pages for summary in page["TypeSummaries"]]


def _described(cloudformation: Any, name: str) -> TypeDefinition:
    from cfnbox.core.type_definition import TypeDefinition

    return TypeDefinition.from_schema(
        {**json.loads(cloudformation.describe_type(Type="RESOURCE", TypeName=name)["Schema"]), "typeName": name}
    )
