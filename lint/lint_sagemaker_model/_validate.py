"""`validate-sagemaker-model`: AWS's cloudformation-validate, with the schema of the type and the rules of lint/.

Exit status: 0 without findings, 1 with findings, 2 for templates that cannot be read.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cloudformation_validate import (
    AdditionalSchemaSource,
    CompositeEngine,
    CompositeEngineConfig,
    Diagnostic,
    SchemaValidatorConfig,
    Severity,
    TemplateContent,
    ValidateConfig,
)

from aws_sagemaker_model import properties
from lint_sagemaker_model import source
from lint_sagemaker_model.all_rules import ALL_RULES
from lint_sagemaker_model.rule import Rule, findings
from lint_sagemaker_model.template import Template

# The validator's rules for schemas. E9370 says the same of the type in the words of its handlers, without values.
_SCHEMA_RULE = re.compile(r"[EFW]3\d{3}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_IGNORED_IN = ("cfn-lint", "config", "ignore_checks")


class Line(NamedTuple):
    """A finding as it is printed."""

    path: str
    line: int
    column: int
    rule_id: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.rule_id} {self.message}"


class _File(NamedTuple):
    path: str
    text: str
    source: source.Source
    template: Template


def main(arguments: list[str] | None = None) -> int:
    """Validate the templates of the command line, print the findings, and return the exit status."""
    options = _options(arguments)
    files: list[_File] = []
    unreadable: list[str] = []
    for path in options.templates:
        try:
            files.append(_read(path, frozenset(options.regions), frozenset(options.type)))
        except (OSError, UnicodeDecodeError, source.UnreadableTemplate) as error:
            unreadable.append(f"{path}: cannot be read: {_reason(error)}")
    ignored = frozenset(options.ignore)
    lines = [line for line in validate(files) if not _is_ignored(line.rule_id, ignored)] if files else []
    for line in lines:
        print(line)
    for reason in unreadable:
        print(reason, file=sys.stderr)
    return 2 if unreadable else int(bool(lines))


def _reason(error: Exception) -> str:
    match error:
        case IsADirectoryError():
            return "it is a directory. Name the templates in it, such as DIRECTORY/*.yaml"
        case OSError():
            return str(error.strerror)
        case UnicodeDecodeError():
            return "it is not text in UTF-8"
    return " ".join(str(error).split())


def validate(files: list[_File]) -> Iterator[Line]:
    """Yield what AWS's validator and the rules of this package find, by file and line."""
    own_types = {
        resource["Type"]
        for file in files
        for resource in file.template.resources.values()
        if file.template.is_ours(resource["Type"])
    }
    engine = _engine(sorted(own_types))
    rules = [rule() for rule in ALL_RULES if not rule.is_in_validator]
    for file in files:
        yield from sorted({*_of_validator(file, engine), *_of_rules(file, rules)})


def _options(arguments: list[str] | None) -> argparse.Namespace:
    description = __doc__.partition("\n")[0] if __doc__ else None
    parser = argparse.ArgumentParser(prog="validate-sagemaker-model", description=description)
    parser.add_argument("templates", nargs="*", metavar="TEMPLATE", help="a file in YAML or JSON")
    help_of_regions = "where the stack will be; behind the templates"
    parser.add_argument("--regions", nargs="+", default=[], metavar="REGION", help=help_of_regions)
    parser.add_argument("--type", action="append", default=[], metavar="NAME", help="a further name of the type")
    parser.add_argument("--ignore", action="append", default=[], metavar="RULE", help="an ID, or how IDs begin")
    options = parser.parse_args(arguments)
    for name in options.regions:
        if not _REGION.fullmatch(name):
            parser.error(f"{name} is not a region: write the templates before --regions, or separate them by --")
    if not options.templates:
        parser.error("name at least one template")
    return options


def _read(path: str, regions: frozenset[str], type_names: frozenset[str]) -> _File:
    text = Path(path).read_text(encoding="utf-8-sig")
    read = source.read(text)
    return _File(path, text, read, Template(read.body if isinstance(read.body, dict) else {}, regions, type_names))


def _engine(type_names: list[str]) -> CompositeEngine:
    """Return AWS's validator with the schema of the type under each of some names."""
    schemas = [
        AdditionalSchemaSource(schema=json.dumps({**properties.SCHEMA, "typeName": name})) for name in type_names
    ]
    return CompositeEngine(
        CompositeEngineConfig(schema_validator_config=SchemaValidatorConfig(additional_schemas=schemas))
    )


def _of_validator(file: _File, engine: CompositeEngine) -> Iterator[Line]:
    report = engine.validate_template(
        TemplateContent(file.text, file.path), ValidateConfig(severity_level=Severity.ERROR)
    )
    for diagnostic in report.diagnostics:
        if not _is_said_by_own_rules(file, diagnostic):
            yield Line(
                file.path,
                diagnostic.start_line or 1,
                diagnostic.start_column or 1,
                diagnostic.rule_id,
                " ".join(diagnostic.message.split()),
            )


def _is_said_by_own_rules(file: _File, diagnostic: Diagnostic) -> bool:
    type_name = diagnostic.entity.resource_type if diagnostic.entity else None
    return bool(type_name and file.template.is_ours(type_name) and _SCHEMA_RULE.fullmatch(diagnostic.rule_id))


def _of_rules(file: _File, rules: list[Rule]) -> Iterator[Line]:
    for finding in findings(file.template, rules):
        if not _is_ignored(finding.rule_id, _ignored_by(file.template, finding.place)):
            yield Line(file.path, *file.source.position(finding.place), finding.rule_id, finding.message)


def _ignored_by(template: Template, place: list[str | int]) -> frozenset[str]:
    """Return the rules that the template, or the resource of a place, ignores in its metadata for cfn-lint."""
    owners = [template.body, template.resources.get(str(place[1])) if place[:1] == ["Resources"] else None]
    ignored: set[str] = set()
    for owner in owners:
        value = owner.get("Metadata") if owner else None
        for step in _IGNORED_IN:
            value = value.get(step) if isinstance(value, dict) else None
        ignored |= {rule for rule in value if isinstance(rule, str)} if isinstance(value, list) else set()
    return frozenset(ignored)


def _is_ignored(rule_id: str, ignored: frozenset[str]) -> bool:
    return any(rule_id.startswith(prefix) for prefix in ignored)
