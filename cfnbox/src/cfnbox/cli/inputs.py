"""What the user gave to a command: templates, pairs, JSON; refused in a sentence when it cannot be used."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_REGION
from cfnbox.stack_client import stack_name_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection


# Where clients of AWS look for the region, the first first.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


class BadInput(LocalFailure):
    """An argument or a file cannot be used; the message says which and why."""


class StackInput(NamedTuple):
    """What a stack is to be made of; `tags` is None where its tags stay as they are."""

    stack_name: str
    template: str
    parameters: dict[str, str]
    tags: dict[str, str] | None


def deployment(arguments: Namespace) -> StackInput:
    """What the arguments ask for, all of it read before anything begins. Raises BadInput."""
    tags = {**_from_file(arguments.tags, "Tags"), **pairs(arguments.tag, "--tag")}
    parameters = {**_from_file(arguments.parameters, "Parameters"), **pairs(arguments.parameter, "--parameter")}
    template = _template_text(arguments)
    name = arguments.stack_name or stack_name_of(arguments.template)
    return StackInput(name, template, parameters, tags if arguments.tag or arguments.tags else None)


def _from_file(path: str | None, section: str) -> dict[str, str]:
    """Return the parameters or tags of a file, in each form that the AWS CLI and the CDK write. Raise BadInput.

    A list of ParameterKey and ParameterValue (create-stack), of Key and Value (tags, and those of cdk.json), of
    KEY=VALUE (deploy), or an object, which may have the member Parameters or Tags (CodePipeline), or tags (cdk.json).
    """
    if path is None:
        return {}
    value = json_value(path)
    if isinstance(value, dict):
        members = next((value[name] for name in (section, section.lower()) if name in value), value)
    else:
        members = value
    if isinstance(members, dict) and not any(isinstance(member, dict) for member in members.values()):
        return {str(key): text_of(member) for key, member in members.items()}
    if isinstance(members, list) and all(isinstance(member, str) for member in members):
        return pairs(members, path)
    if isinstance(members, list):
        found = [_entry(member) for member in members]
        if None not in found:
            return dict(filter(None, found))
    raise BadInput(
        f"{path} holds no {section.lower()}: give an object of names and values, or a list as the AWS CLI takes it."
    )


def _entry(member: object) -> tuple[str, str] | None:
    for key, value in (("ParameterKey", "ParameterValue"), ("Key", "Value")):
        if isinstance(member, dict) and key in member and value in member:
            return str(member[key]), text_of(member[value])
    return None


def text_of(value: object) -> str:
    """Return the text of a parameter's value: booleans as JSON has them, lists with commas."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(text_of, value)) if isinstance(value, list | tuple) else str(value)


def _template_text(arguments: Namespace) -> str:
    """The text of the template; BadInput when it is none, with the place of what is wrong."""
    if arguments.template == "-" and not arguments.stack_name:
        raise BadInput("A template from standard input has no file name: give the stack's with --stack-name.")
    text, name = read(arguments.template), "Standard input" if arguments.template == "-" else arguments.template
    try:
        members = _members(text)
    except json.JSONDecodeError as error:
        place = f"{name}, line {error.lineno}, column {error.colno}"
        raise BadInput(f"{place}: not valid JSON: {error.msg[0].lower()}{error.msg[1:]}.") from None
    except yaml.MarkedYAMLError as error:
        mark, said = error.problem_mark or error.context_mark, [error.context, error.problem]
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadInput(f"{name}{place}: not valid YAML: {', '.join(filter(None, said))}.") from None
    except RecursionError:
        raise BadInput(f"{name} is nested too deeply for a template.") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{name}: not valid YAML: {error}.") from None
    if not text.strip():
        raise BadInput(f"{name} is empty: a template needs Resources.")
    if "Resources" not in members:
        raise BadInput(f"{name} is no template: it has no Resources.")
    return text


def _members(text: str) -> Collection[str]:
    """The names at the top of a YAML or JSON text. Raises yaml.YAMLError and json.JSONDecodeError."""
    if text.lstrip().startswith("{"):
        # JSON to CloudFormation, too, whatever YAML would take it for.
        parsed: dict[str, Any] = json.loads(text)
        return parsed
    root = yaml.compose(text, yaml.SafeLoader)
    return {key.value for key, _ in root.value} if isinstance(root, yaml.MappingNode) else ()


def region(arguments: Namespace) -> str:
    """The region that is meant: the one that was named, or the environment's, as with the AWS CLI."""
    set_ = (os.environ.get(name) for name in REGION_VARIABLES)
    return next(filter(None, (arguments.region, *set_)), DEFAULT_REGION)


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """KEY=VALUE arguments of an option; BadInput for one without =."""
    for one in given or []:
        if "=" not in one:
            raise BadInput(f"{option} takes KEY=VALUE, and {one.split()[0] if one.split() else 'nothing'} has no =.")
    return dict(one.split("=", 1) for one in given or [])


def read(path: str) -> str:
    """The text of a file, or of standard input for -; BadInput when it cannot be read."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}."
        ) from None


def model(path: str | None) -> Any:
    """A resource model from a JSON file; empty without one."""
    return json_value(path) if path else {}


def json_value(given: str) -> Any:
    """JSON of an argument that starts like JSON, else of the file it names."""
    inline = given.lstrip().startswith(("[", "{"))
    try:
        return json.loads(given if inline else read(given.removeprefix("file://")))
    except ValueError as error:
        where = "The argument" if inline else given
        raise BadInput(f"{where} is not JSON: {error}.") from None
