"""The parameters of a template: which values an operation works with, and which it refuses. Pure.

Source of the rules: "Parameters" in the CloudFormation user guide, and the sentences that CloudFormation answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import regex

from cfnbox.core import patterns
from cfnbox.core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cfnbox.core.paths import Json

# What CloudFormation's change sets show for a value that only the operation will give.
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
_SSM_VALUE = "AWS::SSM::Parameter::Value<"
_OF_THE_ACCOUNT = (
    "AWS::EC2::AvailabilityZone::Name", "AWS::EC2::Image::Id", "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName", "AWS::EC2::SecurityGroup::GroupName", "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id", "AWS::EC2::VPC::Id", "AWS::EC2::Volume::Id", "AWS::Route53::HostedZone::Id",
)  # fmt: skip
_TEXTS = (
    "String",
    "CommaDelimitedList",
    "List<String>",
    *_OF_THE_ACCOUNT,
    *(f"List<{one}>" for one in _OF_THE_ACCOUNT),
)
TYPES = {"Number", "List<Number>", "AWS::SSM::Parameter::Name", *_TEXTS, *(f"{_SSM_VALUE}{one}>" for one in _TEXTS)}
_MOST_BYTES = 4096


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
        return self.type.removeprefix(_SSM_VALUE).startswith(("List<", "CommaDelimitedList"))

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
    requested = {one["ParameterKey"]: one for one in given}
    if unknown := sorted(requested.keys() - declared.keys()):
        raise Invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values = {key: _value(key, one, requested.get(key, {}), previous) for key, one in declared.items()}
    if missing := sorted(key for key, value in values.items() if value is None):
        raise Invalid(f"Parameters: [{', '.join(missing)}] must have values")
    with patterns.shared_time_limit():
        found = {key: _parameter(key, declared[key], value) for key, value in values.items() if value is not None}
    return {key: _fetched(one, read_parameter) for key, one in found.items()}


def _value(key: str, declared: Json, requested: Mapping[str, Any], previous: Mapping[str, Parameter]) -> str | None:
    value = requested.get("ParameterValue")
    if requested.get("UsePreviousValue"):
        if value or key not in previous:
            what = "and a new value" if value else "for a parameter key not in the previous template"
            raise Invalid(f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true {what}")
        return previous[key].value
    if requested or "Default" not in declared:
        return value
    return as_text(declared["Default"])


def _parameter(key: str, declared: Json, value: str) -> Parameter:
    parameter = Parameter(key, value, declared["Type"], as_text(declared.get("NoEcho", False)).lower() == "true")
    if UNKNOWN in value:
        # A nested change set, whose parent will give the value.
        return parameter
    unmet = next((demand for demand, met in _demands(parameter, declared) if not met), None)
    described = declared.get("ConstraintDescription")
    if unmet and described:
        raise Invalid(f"Parameter {key} failed to satisfy constraint: {described}")
    if unmet:
        raise Invalid(f"Parameter '{key}' {unmet}")
    return parameter


def _demands(parameter: Parameter, declared: Json) -> Iterator[tuple[str, bool]]:
    """Each demand of the declaration in words without the value, and whether the value meets it."""
    value = parameter.value
    members = [one.strip() for one in value.split(",")] if parameter.as_list else [value]
    least, most = declared.get("MinValue"), declared.get("MaxValue")
    yield f"must contain at most {_MOST_BYTES} bytes", len(value.encode(errors="replace")) <= _MOST_BYTES
    if "Number" in parameter.type:
        numbers = [_number(one) for one in members]
        yield "must be a number.", not any(math.isnan(one) for one in numbers)
        yield f"must be a number not less than {least}", least is None or min(numbers) >= float(least)
        yield f"must be a number not greater than {most}", most is None or max(numbers) <= float(most)
    if "AllowedValues" in declared:
        read = _number if "Number" in parameter.type else as_text
        allowed = {read(one) for one in declared["AllowedValues"]}
        yield "must be one of AllowedValues", {read(one) for one in members} <= allowed
    if "AllowedPattern" in declared:
        pattern = str(declared["AllowedPattern"])
        yield f"must match pattern {pattern}", _all_match(parameter.key, pattern, members)
    if "MinLength" in declared:
        yield f"must contain at least {declared['MinLength']} characters", len(value) >= float(declared["MinLength"])
    if "MaxLength" in declared:
        yield f"must contain at most {declared['MaxLength']} characters", len(value) <= float(declared["MaxLength"])


def _number(text: Any) -> float:
    """The number in a text; nan when it is none."""
    return float(text) if regex.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", str(text)) else math.nan


def _all_match(key: str, pattern: str, members: Sequence[str]) -> bool:
    try:
        return all(patterns.matches(pattern, member, whole=True) for member in members)
    except regex.error:
        raise Invalid(f"Template format error: AllowedPattern {pattern} is not a regular expression.") from None
    except patterns.PatternTooLarge:
        most = patterns.LARGEST_SIZE
        raise Invalid(
            f"Template format error: AllowedPattern of parameter {key} repeats more than cfnbox can match: write a "
            f"pattern of at most {most} items, with repetitions written out."
        ) from None
    except patterns.PatternTimeout:
        raise Invalid(
            f"Template format error: AllowedPattern of parameter {key} takes too long to match: the patterns of one "
            f"request together may compute {patterns.LIMIT_SECONDS:.0f} s. Write it without nested repetitions."
        ) from None


def _fetched(parameter: Parameter, read_parameter: Callable[[str], str | None]) -> Parameter:
    if not parameter.type.startswith("AWS::SSM::Parameter::"):
        return parameter
    held = read_parameter(parameter.value)
    if held is None:
        name = "****" if parameter.no_echo else parameter.value
        raise Invalid(f"Unable to fetch parameters [{name}] from parameter store for this account.")
    return replace(parameter, resolved=held) if parameter.type.startswith(_SSM_VALUE) else parameter
