"""Read and validate command-line input: templates, KEY=VALUE pairs and JSON."""

from __future__ import annotations

import json
import os
import re
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


# The environment variables for the region, in the order of precedence.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
# A parameter or a tag in the AWS CLI's shorthand syntax, where a backslash escapes a comma in a value.
# https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html
_SHORTHAND = re.compile(
    r"(?:Parameter)?Key=(?P<key>[^,=]+),(?:Parameter)?Value=(?P<value>(?:[^,]|(?<=\\),)*)", re.DOTALL
)


class BadInput(LocalFailure):
    """An argument or a file is invalid. The message names it and the reason."""


class StackInput(NamedTuple):
    """The input of a deployment. `tags` is None if the stack keeps its tags."""

    stack_name: str
    template: str
    parameters: dict[str, str]
    tags: dict[str, str] | None


def deployment(arguments: Namespace) -> StackInput:
    """Read and validate all input of a deployment before it begins. Raise BadInput."""
    tags = {**_from_file(arguments.tags, "Tags"), **pairs(arguments.tag, "--tag")}
    template = _template_text(arguments)
    name = arguments.stack_name or stack_name_of(arguments.template)
    parameters = {
        **_of_stack(_from_file(arguments.parameters, "Parameters"), name),
        **_of_stack(pairs(arguments.parameter, "--parameter"), name),
    }
    return StackInput(name, template, parameters, tags if arguments.tag or arguments.tags else None)


def _from_file(path: str | None, section: str) -> dict[str, str]:
    """Return the parameters or tags of a file, in any format of the AWS CLI or the CDK. Raise BadInput.

    A list of ParameterKey and ParameterValue (create-stack), of Key and Value (tags, and those of cdk.json), of
    KEY=VALUE (deploy), or an object, which may have the member Parameters or Tags (CodePipeline), or tags (cdk.json).
    In a file that is not JSON, each line is KEY=VALUE.
    """
    if path is None:
        return {}
    text = path if _is_inline(path) else read(path.removeprefix("file://"))
    if not _is_inline(text):
        lines = (line.strip() for line in text.splitlines())
        return pairs([line for line in lines if line and not line.startswith("#")], path)
    value = _parsed(text, "The argument" if _is_inline(path) else path)
    if isinstance(value, dict):
        members = next((value[name] for name in (section, section.lower()) if name in value), value)
    else:
        members = value
    if isinstance(members, dict) and not any(isinstance(member, dict) for member in members.values()):
        return {str(key): text_of(member) for key, member in members.items()}
    if isinstance(members, list) and all(isinstance(member, str) for member in members):
        return pairs(members, path)
    if isinstance(members, list):
        found = [_entry(member) for member in members if not _keeps_its_value(member)]
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


def _keeps_its_value(member: object) -> bool:
    """Return whether an entry has UsePreviousValue. Parameters that are not passed keep their values."""
    return isinstance(member, dict) and member.get("UsePreviousValue") is True and "ParameterKey" in member


def _of_stack(parameters: dict[str, str], stack_name: str) -> dict[str, str]:
    """Return the parameters for a stack. Names may have the CDK's prefix: STACK:KEY, or *:KEY for each stack.

    Parameter names have no colon. A value for the stack takes precedence over a general value.
    """
    split = [(*name.rpartition(":")[::2], value) for name, value in parameters.items()]
    return {key: value for wanted in ("", "*", stack_name) for stack, key, value in split if stack == wanted}


def text_of(value: object) -> str:
    """Return the text of a parameter's value: booleans as in JSON, lists joined by commas."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(text_of, value)) if isinstance(value, list | tuple) else str(value)


def _template_text(arguments: Namespace) -> str:
    """Return the text of the template. Raise BadInput with the position of the error if it is not a template."""
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
    """Return the top-level names of a YAML or JSON text. Raise yaml.YAMLError or json.JSONDecodeError."""
    if text.lstrip().startswith("{"):
        # CloudFormation also parses such a text as JSON, even if it is valid YAML.
        parsed: dict[str, Any] = json.loads(text)
        return parsed
    root = yaml.compose(text, yaml.SafeLoader)
    return {key.value for key, _ in root.value} if isinstance(root, yaml.MappingNode) else ()


def region(arguments: Namespace) -> str:
    """Return the region: from --region, else from the environment, as in the AWS CLI."""
    set_ = (os.environ.get(name) for name in REGION_VARIABLES)
    return next(filter(None, (arguments.region, *set_)), DEFAULT_REGION)


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Return KEY=VALUE arguments of an option, or ParameterKey=KEY,ParameterValue=VALUE as the AWS CLI takes them.

    Raise BadInput for an argument without =.
    """
    for one in given or []:
        if "=" not in one:
            raise BadInput(f"{option} takes KEY=VALUE, and {one.split()[0] if one.split() else 'nothing'} has no =.")
    return dict(map(_pair, given or []))


def _pair(text: str) -> tuple[str, str]:
    if shorthand := _SHORTHAND.fullmatch(text):
        return shorthand["key"], shorthand["value"].replace("\\,", ",")
    key, _, value = text.partition("=")
    return key, value


def read(path: str) -> str:
    """Return the text of a file, or of standard input for -. Raise BadInput if it cannot be read."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}."
        ) from None


def model(path: str | None) -> Any:
    """Return a resource model from a JSON file, or {} without a path."""
    return json_value(path) if path else {}


def json_value(given: str) -> Any:
    """Return the JSON value of an argument: inline JSON, or the path of a JSON file."""
    if _is_inline(given):
        return _parsed(given, "The argument")
    return _parsed(read(given.removeprefix("file://")), given)


def _is_inline(text: str) -> bool:
    return text.lstrip().startswith(("[", "{"))


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"{where} is not JSON: {error}.") from None
