"""Values of parameters that CloudFormation accepts and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from cfnbox.template.parameters import Parameter, parameters
from cloudformation.templates import given, refusal

LIST = "CommaDelimitedList"
SSM = "AWS::SSM::Parameter::Value<String>"


def values(declared: Any, asked: Any = (), previous: Any = None) -> Any:
    return parameters({"Parameters": declared}, asked, previous or {}, {"/ami": "ami-1", "/list": "a, b"}.get)


@pytest.mark.parametrize(
    ("declared", "asked", "value", "referred"),
    [
        ({"Type": "String", "Default": "d"}, [], "d", "d"),
        ({"Type": "String", "Default": True}, [], "true", "true"),
        ({"Type": "Number", "Default": 1.5}, [], "1.5", "1.5"),
        ({"Type": "String", "Default": "d"}, given(P=""), "", ""),
        ({"Type": "String"}, given(P="x"), "x", "x"),
        ({"Type": "Number", "MinValue": 1, "MaxValue": "3"}, given(P="3"), "3", "3"),
        ({"Type": "Number", "AllowedValues": [1, 2]}, given(P="1.0"), "1.0", "1.0"),
        ({"Type": LIST}, given(P="a, b ,c"), "a, b ,c", ["a", "b", "c"]),
        ({"Type": LIST}, given(P=""), "", [""]),
        ({"Type": LIST, "AllowedPattern": "[a-z]"}, given(P="a,b"), "a,b", ["a", "b"]),
        ({"Type": LIST, "AllowedValues": ["a", "b", "c"]}, given(P="a,b"), "a,b", ["a", "b"]),
        ({"Type": "List<Number>"}, given(P="1, 2"), "1, 2", ["1", "2"]),
        ({"Type": "List<AWS::EC2::Subnet::Id>"}, given(P="s-1,s-2"), "s-1,s-2", ["s-1", "s-2"]),
        ({"Type": "AWS::EC2::VPC::Id"}, given(P="vpc-1"), "vpc-1", "vpc-1"),
        ({"Type": SSM}, given(P="/ami"), "/ami", "ami-1"),
        ({"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/list"}, [], "/list", ["a", "b"]),
        ({"Type": "AWS::SSM::Parameter::Name"}, given(P="/ami"), "/ami", "/ami"),
        (
            {"Type": "String", "AllowedPattern": r"\p{Alpha}+", "MinLength": 2, "MaxLength": 3},
            given(P="abc"),
            "abc",
            "abc",
        ),
    ],
)
def test_a_valid_parameter_value_is_accepted(declared: Any, asked: Any, value: Any, referred: Any) -> None:
    parameter = values({"P": declared}, asked)["P"]
    assert (parameter.value, parameter.referred) == (value, referred)


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        ({"AllowedValues": ["a", 1]}, "secret", "Parameter 'P' must be one of AllowedValues"),
        ({"AllowedPattern": "[a-z]+"}, "abc1", "Parameter 'P' must match pattern [a-z]+"),
        ({"AllowedPattern": "(x+)+y"}, "x" * 60, "Parameter 'P' must match pattern (x+)+y"),
        ({"AllowedPattern": "["}, "secret", "Template format error: AllowedPattern [ is not a regular expression."),
        ({"MinLength": 8}, "secret", "Parameter 'P' must contain at least 8 characters"),
        ({"MaxLength": 5}, "secret", "Parameter 'P' must contain at most 5 characters"),
        (
            {"MinLength": 8, "ConstraintDescription": "be long"},
            "secret",
            "Parameter P failed to satisfy constraint: be long",
        ),
        ({"Type": "Number"}, "secret", "Parameter 'P' must be a number."),
        ({"Type": "Number"}, "nan", "Parameter 'P' must be a number."),
        ({"Type": "Number"}, "infinity", "Parameter 'P' must be a number."),
        ({"Type": "Number"}, "1_000", "Parameter 'P' must be a number."),
        ({"Type": "Number", "MinValue": 2}, "1.9", "Parameter 'P' must be a number not less than 2"),
        ({"Type": "Number", "MaxValue": 2}, "2.1", "Parameter 'P' must be a number not greater than 2"),
        ({"Type": "Number", "AllowedValues": [1, 2]}, "3", "Parameter 'P' must be one of AllowedValues"),
        ({"Type": "List<Number>"}, "1,secret", "Parameter 'P' must be a number."),
        ({"Type": LIST, "AllowedValues": ["a"]}, "a,secret", "Parameter 'P' must be one of AllowedValues"),
        ({"Type": LIST, "AllowedPattern": "[a-z]"}, "a,secret", "Parameter 'P' must match pattern [a-z]"),
        ({}, "é" * 2049, "Parameter 'P' must contain at most 4096 bytes"),
        ({"Type": SSM}, "/none", "Unable to fetch parameters [/none] from parameter store for this account."),
        (
            {"Type": SSM, "NoEcho": "true"},
            "/none",
            "Unable to fetch parameters [****] from parameter store for this account.",
        ),
    ],
)
def test_an_invalid_parameter_value_is_refused_without_being_shown(declared: Any, value: Any, message: str) -> None:
    refused = refusal(values, {"P": {"Type": "String", **declared}}, given(P=value))
    assert refused == message
    assert "secret" not in refused


@pytest.mark.parametrize(
    ("declared", "asked", "message"),
    [
        (["A", "B"], given(B="x", Z="y", Y="z"), "Parameters: [Y, Z] do not exist in the template"),
        (["B", "A"], [], "Parameters: [A, B] must have values"),
        (["A"], [{"ParameterKey": "A"}], "Parameters: [A] must have values"),
        (
            ["A"],
            [{"ParameterKey": "A", "UsePreviousValue": True}],
            "Invalid input for parameter key A. Cannot specify usePreviousValue as true for a parameter "
            "key not in the previous template",
        ),
        (
            ["A"],
            [{"ParameterKey": "A", "UsePreviousValue": True, "ParameterValue": "x"}],
            "Invalid input for parameter key A. Cannot specify usePreviousValue as true and a new value",
        ),
    ],
)
def test_unknown_and_missing_parameters_are_refused(declared: Any, asked: Any, message: str) -> None:
    assert refusal(values, {key: {"Type": "String"} for key in declared}, asked) == message


def test_use_previous_value_keeps_a_value_and_reads_ssm_parameters_again() -> None:
    previous = {"A": Parameter("A", "before"), "S": Parameter("S", "/ami", SSM, resolved="ami-0")}
    asked = [{"ParameterKey": key, "UsePreviousValue": True} for key in "AS"]
    found = values({"A": {"Type": "String", "Default": "d"}, "S": {"Type": SSM}}, asked, previous)
    assert {key: one.text for key, one in found.items()} == {"A": "before", "S": "ami-1"}


def test_no_echo_accepts_booleans_and_strings() -> None:
    assert [
        values({"P": {"Type": "String", "NoEcho": one, "Default": ""}})["P"].no_echo
        for one in (True, "true", "false")
    ] == [True, True, False]
