"""The parameters of a template: which values an operation works with, and which it refuses. Pure.

Source of the rules: "Parameters" in the CloudFormation user guide, and the sentences that CloudFormation answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import regex

from laptop.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from laptop.paths import Json

_SSM_VALUE = "AWS::SSM::Parameter::Value<"
_OF_THE_ACCOUNT = (
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::Image::Id",
    "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::VPC::Id",
    "AWS::EC2::Volume::Id",
    "AWS::Route53::HostedZone::Id",
)
_PLAIN = (
    "String",
    "List<String>",
    "CommaDelimitedList",
    *_OF_THE_ACCOUNT,
    *(f"List<{one}>" for one in _OF_THE_ACCOUNT),
)
TYPES = frozenset(
    ("Number", "List<Number>", "AWS::SSM::Parameter::Name", *_PLAIN, *(f"{_SSM_VALUE}{one}>" for one in _PLAIN))
)
_MOST_BYTES = 4096
# A pattern of a template that backtracks without end is given up after this time.
_PATTERN_SECONDS = 2


@dataclass(frozen=True)
class Parameter:
    """A parameter with its value. Of an SSM type, `value` names an SSM parameter, which holds `resolved`."""

    key: str
    value: str
    type: str = "String"
    no_echo: bool = False
    resolved: str | None = None

    @property
    def text(self) -> str:
        """The value that the template works with."""
        return self.value if self.resolved is None else self.resolved

    @property
    def as_list(self) -> bool:
        """Whether Ref returns a list."""
        inner = self.type.removeprefix(_SSM_VALUE)
        return inner.startswith(("List<", "CommaDelimitedList"))

    @property
    def referred(self) -> str | list[str]:
        """What Ref returns."""
        return [one.strip() for one in self.text.split(",")] if self.as_list else self.text


def as_text(value: Any) -> str:
    """A string, number or boolean of a template as the text that CloudFormation makes of it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parameters(
    document: Json,
    given: Iterable[Mapping[str, Any]],
    previous: Mapping[str, Parameter],
    read_parameter: Callable[[str], str | None],
) -> dict[str, Parameter]:
    """The value of every parameter of the template; Refused when one is missing, unknown or not allowed.

    `given` are botocore's Parameter structures, `previous` the parameters of the stack as it is; `read_parameter`
    returns the value of an SSM parameter, or None when there is none.
    """
    declared: Json = document.get("Parameters", {})
    requested = _by_key(given)
    if unknown := sorted(requested.keys() - declared.keys()):
        raise _refused(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {key: _value(key, one, requested.get(key), previous) for key, one in declared.items()}
    if missing := sorted(key for key, value in values.items() if value is None):
        raise _refused(f"Parameters: [{', '.join(missing)}] must have values")
    found = {key: _parameter(key, declared[key], value) for key, value in values.items() if value is not None}
    return {key: _resolved(one, read_parameter) for key, one in found.items()}


def _by_key(given: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    requested: dict[str, Mapping[str, Any]] = {}
    for one in given:
        key = str(one.get("ParameterKey", ""))
        if key in requested:
            raise _refused(f"Parameter {key} is given twice.")
        requested[key] = one
    return requested


def _value(
    key: str, declared: Json, requested: Mapping[str, Any] | None, previous: Mapping[str, Parameter]
) -> str | None:
    if requested is None:
        return as_text(declared["Default"]) if "Default" in declared else None
    value = requested.get("ParameterValue")
    if not requested.get("UsePreviousValue"):
        return None if value is None else str(value)
    if value:
        raise _refused(
            f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true and a new value as well."
        )
    if key not in previous:
        raise _refused(
            f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a parameter key not "
            "in the previous template"
        )
    return previous[key].value


def _parameter(key: str, declared: Json, value: str) -> Parameter:
    parameter = Parameter(key, value, declared["Type"], as_text(declared.get("NoEcho", False)).lower() == "true")
    if broken := _broken(parameter, declared):
        described = declared.get("ConstraintDescription")
        raise _refused(
            f"Parameter {key} failed to satisfy constraint: {described}"
            if described
            else f"Parameter '{key}' {broken}"
        )
    return parameter


def _broken(parameter: Parameter, declared: Json) -> str | None:
    """What the declaration demands of the value and does not get, in words without the value; None if nothing."""
    members = [one.strip() for one in parameter.value.split(",")] if parameter.as_list else [parameter.value]
    if len(parameter.value.encode()) > _MOST_BYTES:
        return f"must contain at most {_MOST_BYTES} bytes"
    if "Number" in parameter.type:
        return _broken_number(members, declared)
    allowed = declared.get("AllowedValues")
    if allowed is not None and not set(members) <= {as_text(one) for one in allowed}:
        return "must be one of AllowedValues"
    if "AllowedPattern" in declared and not _all_match(str(declared["AllowedPattern"]), members):
        return f"must match pattern {declared['AllowedPattern']}"
    if len(parameter.value) < float(declared.get("MinLength", 0)):
        return f"must contain at least {declared['MinLength']} characters"
    if len(parameter.value) > float(declared.get("MaxLength", _MOST_BYTES)):
        return f"must contain at most {declared['MaxLength']} characters"
    return None


def _broken_number(members: Sequence[str], declared: Json) -> str | None:
    try:
        numbers = [float(one) for one in members]
    except ValueError:
        return "must be a number"
    if any(one - one for one in numbers):  # infinite, or no number
        return "must be a number"
    allowed = declared.get("AllowedValues")
    if allowed is not None and not set(numbers) <= {float(one) for one in allowed if _is_number(one)}:
        return "must be one of AllowedValues"
    if any(one < float(declared.get("MinValue", one)) for one in numbers):
        return f"must be a number not less than {declared['MinValue']}"
    if any(one > float(declared.get("MaxValue", one)) for one in numbers):
        return f"must be a number not greater than {declared['MaxValue']}"
    return None


def _is_number(value: Any) -> bool:
    return (
        not isinstance(value, bool)
        and regex.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", str(value)) is not None
    )


def _all_match(pattern: str, members: Sequence[str]) -> bool:
    try:
        expression = regex.compile(pattern)
        return all(expression.fullmatch(one, timeout=_PATTERN_SECONDS) for one in members)
    except regex.error:
        raise _refused(f"Template format error: AllowedPattern {pattern} is not a regular expression.") from None
    except TimeoutError:
        return False


def _resolved(parameter: Parameter, read_parameter: Callable[[str], str | None]) -> Parameter:
    if not parameter.type.startswith("AWS::SSM::Parameter::"):
        return parameter
    held = read_parameter(parameter.value)
    if held is None:
        name = "****" if parameter.no_echo else parameter.value
        raise _refused(f"Unable to fetch parameters [{name}] from parameter store for this account.")
    if not parameter.type.startswith(_SSM_VALUE):
        return parameter
    return Parameter(parameter.key, parameter.value, parameter.type, parameter.no_echo, held)


def _refused(message: str) -> Refused:
    return Refused("ValidationError", message)
