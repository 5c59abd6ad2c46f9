"""What intrinsic functions, conditions and dynamic references return."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cfnbox.template.conditions import CONDITION_FUNCTIONS, conditions
from cfnbox.template.functions import UNKNOWN, USAGE, ResolutionFailed, resolve
from cfnbox.template.parameters import Parameter
from cfnbox.template.scope import PSEUDO_PARAMETERS, Scope
from cloudformation.templates import PLACE, refusal
from hypothesis_settings import property_test

ATTRIBUTES = {"Arn": "arn:a", "Flag": False, "Port": 80, "Outputs.X": "x", "End": {"Host": "h", "All": ["p", "q"]}}
STORED = {"/plain": "plain", "/plain:2": "second", "s": '{"user": "me", "age": 5}'}


class Stored:
    def parameter(self, name: str) -> Any:
        return STORED.get(name)

    def secret(self, secret_id: Any, stage: Any, version_id: Any) -> Any:
        return STORED.get(secret_id) and STORED[secret_id] + (stage or "") + (version_id or "")


SCOPE = Scope(
    PLACE,
    "stack",
    "stack-id",
    parameters={
        "Text": Parameter("Text", "t"),
        "List": Parameter("List", "a, b", "CommaDelimitedList"),
        "Secret": Parameter("Secret", "hush", no_echo=True),
        "Ami": Parameter("Ami", "/ami", "AWS::SSM::Parameter::Value<String>", resolved="ami-1"),
    },
    conditions={"Yes": True, "No": False},
    mappings={"M": {"eu-west-1": {"Number": 3, "List": ["x"]}}},
    resources={"R": SimpleNamespace(physical_id="r-1", attributes=ATTRIBUTES)},
    pending=frozenset({"New"}),
    exports={"exported": "value"}.get,
    notification_arns=("arn:n",),
)
NO_VALUE = {"Ref": "AWS::NoValue"}
NEW = {"Ref": "New"}


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({"a": [1, 2.5, True, "x", {"b": False}]}, {"a": [1, 2.5, True, "x", {"b": False}]}),
        ({"Ref": "Text", "b": 1}, {"Ref": "Text", "b": 1}),
        ({"Ref": "Text"}, "t"),
        ({"Ref": "List"}, ["a", "b"]),
        ({"Ref": "Ami"}, "ami-1"),
        ({"Ref": "R"}, "r-1"),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "AWS::AccountId"}, "123456789012"),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"Ref": "AWS::StackName"}, "stack"),
        ({"Ref": "AWS::StackId"}, "stack-id"),
        ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
        ({"Ref": "AWS::NotificationARNs"}, ["arn:n"]),
        (NO_VALUE, None),
        ({"a": NO_VALUE, "b": [1, NO_VALUE, 2], "c": {"d": NO_VALUE}}, {"b": [1, 2], "c": {}}),
        ({"Fn::GetAtt": ["R", "Arn"]}, "arn:a"),
        ({"Fn::GetAtt": "R.Arn"}, "arn:a"),
        ({"Fn::GetAtt": ["R", "Flag"]}, False),
        ({"Fn::GetAtt": ["R", "Port"]}, 80),
        ({"Fn::GetAtt": ["R", "Outputs.X"]}, "x"),
        ({"Fn::GetAtt": ["R", "End.Host"]}, "h"),
        ({"Fn::GetAtt": ["R", "End.All"]}, ["p", "q"]),
        ({"Fn::GetAtt": ["R", "End.All.1"]}, "q"),
        ({"Fn::Sub": "${Text}-${R}-${R.Arn}-${R.Port}-${AWS::Region}-$ {x}"}, "t-r-1-arn:a-80-eu-west-1-$ {x}"),
        ({"Fn::Sub": "${!Text} ${Text}"}, "${Text} t"),
        ({"Fn::Sub": ["${A}${Text}${B}", {"A": {"Ref": "R"}, "B": True}]}, "r-1ttrue"),
        ({"Fn::Join": ["-", ["a", 1, True, {"Ref": "Text"}, NO_VALUE]]}, "a-1-true-t"),
        ({"Fn::Join": [",", {"Ref": "List"}]}, "a,b"),
        ({"Fn::Join": ["", []]}, ""),
        ({"Fn::Split": ["/", "a/b//c"]}, ["a", "b", "", "c"]),
        ({"Fn::Select": [1, ["a", "b"]]}, "b"),
        ({"Fn::Select": ["0", {"Fn::Split": [":", {"Fn::GetAtt": ["R", "Arn"]}]}]}, "arn"),
        ({"Fn::If": ["Yes", {"a": 1}, {"Ref": "Nowhere"}]}, {"a": 1}),
        ({"P": {"Fn::If": ["No", 1, NO_VALUE]}}, {}),
        ({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "Number"]}, 3),
        ({"Fn::FindInMap": ["M", "us-east-1", "Number", {"DefaultValue": {"Ref": "Text"}}]}, "t"),
        ({"Fn::FindInMap": ["Other", "us-east-1", "Number", {"DefaultValue": []}]}, []),
        ({"Fn::Base64": {"Fn::Sub": "${Text}é"}}, "dMOp"),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Fn::GetAZs": {"Ref": "AWS::Region"}}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Fn::GetAZs": "us-east-1"}, []),
        ({"Fn::Cidr": ["192.168.0.0/24", 3, "5"]}, ["192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27"]),
        ({"Fn::Cidr": ["10.0.0.0/16", 2]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::Cidr": ["2600:1f18::/56", 2, 64]}, ["2600:1f18::/64", "2600:1f18:0:1::/64"]),
        ({"Fn::ImportValue": {"Fn::Join": ["", ["ex", "ported"]]}}, "value"),
        ({"Fn::Length": {"Ref": "List"}}, 2),
        ({"Fn::ToJsonString": {"a": {"Ref": "R"}, "b": [1, True, NO_VALUE]}}, '{"a":"r-1","b":[1,true]}'),
        # What only the operation gives.
        (NEW, UNKNOWN),
        ({"Fn::GetAtt": ["New", "Arn"]}, UNKNOWN),
        ({"Fn::Sub": "a-${New}-${New.Arn}"}, f"a-{UNKNOWN}-{UNKNOWN}"),
        ({"Fn::Join": ["-", ["a", NEW]]}, f"a-{UNKNOWN}"),
        ({"Fn::Join": ["-", {"Fn::GetAtt": ["New", "Names"]}]}, UNKNOWN),
        ({"Fn::Select": [0, ["a", NEW]]}, "a"),
        ({"Fn::Select": [1, ["a", NEW]]}, UNKNOWN),
        ({"Fn::Select": [5, {"Fn::GetAtt": ["New", "Names"]}]}, UNKNOWN),
        ({"Fn::Split": [":", {"Fn::Sub": "x:${New}"}]}, UNKNOWN),
        ({"Fn::Base64": {"Fn::Sub": "x:${New}"}}, UNKNOWN),
        ({"Fn::ImportValue": NEW}, UNKNOWN),
        ({"Fn::Length": {"Fn::GetAtt": ["New", "Names"]}}, UNKNOWN),
        ({"Fn::FindInMap": ["M", NEW, "Number"]}, UNKNOWN),
        ({"Fn::Cidr": [{"Fn::GetAtt": ["New", "Block"]}, 1, 8]}, UNKNOWN),
        ({"Fn::If": ["No", NEW, "known"]}, "known"),
        ({"a": NEW, "b": 1}, {"a": UNKNOWN, "b": 1}),
        ({"Fn::ToJsonString": {"a": NEW}}, f'{{"a":"{UNKNOWN}"}}'),
    ],
)
def test_an_intrinsic_function_returns(value: Any, result: Any) -> None:
    resolved = resolve(value, SCOPE)
    assert resolved == result
    assert type(resolved) is type(result)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Ref": "Gone"}, "Resource Gone does not exist now, so that nothing can refer to it."),
        ({"Ref": ["R"]}, "Template error: All References must be of type string"),
        ({"Fn::GetAtt": ["R", "Size"]}, "Resource R has no value for its attribute Size now."),
        ({"Fn::GetAtt": ["R", "End.Port"]}, "Resource R has no value for its attribute End.Port now."),
        ({"Fn::GetAtt": ["R", "Arn.x"]}, "Resource R has no value for its attribute Arn.x now."),
        ({"Fn::GetAtt": "R"}, "every Fn::GetAtt object requires two non-empty parameters"),
        ({"Fn::GetAtt": ["R", {"Ref": "List"}]}, "every Fn::GetAtt object requires two non-empty parameters"),
        ({"Fn::Sub": "${List}"}, "Template error: variable List in Fn::Sub expression does not resolve to a string"),
        ({"Fn::Sub": "${a b}"}, "variable names in Fn::Sub syntax must contain only alphanumeric characters"),
        ({"Fn::Sub": ["x"]}, "One or more Fn::Sub intrinsic functions don't specify expected arguments."),
        ({"Fn::Join": ["-", "ab"]}, "every Fn::Join object requires two parameters"),
        ({"Fn::Join": ["-", [["a"]]]}, "every Fn::Join object requires two parameters"),
        ({"Fn::Select": [2, ["a"]]}, "Template error: Fn::Select cannot select nonexistent value at index 2"),
        ({"Fn::Select": [-1, ["a"]]}, "Template error: Fn::Select cannot select nonexistent value at index -1"),
        ({"Fn::Select": ["x", ["a"]]}, "Fn::Select requires a list argument with two elements"),
        ({"Fn::Select": [0, "a"]}, "Fn::Select requires a list argument with two elements"),
        ({"Fn::Split": ["", "a"]}, "every Fn::Split object requires two parameters"),
        ({"Fn::If": ["Maybe", 1, 2]}, "Fn::If requires a list argument with three elements"),
        ({"Fn::If": [{"Ref": "Text"}, 1, 2]}, "Fn::If requires a list argument with three elements"),
        ({"Fn::FindInMap": ["M", "x", "y"]}, "Template error: Unable to get mapping for M::x::y"),
        ({"Fn::FindInMap": ["M", "x", "y", {"DefaultValue": 1}, "z"]}, "every Fn::FindInMap object requires three"),
        ({"Fn::Base64": ["a"]}, "every Fn::Base64 object must have a String-typed value."),
        ({"Fn::Cidr": ["10.0.0.0/24", 9, 5]}, "every Fn::Cidr object requires"),
        ({"Fn::Cidr": ["10.0.0.0/8", 300, 4]}, "every Fn::Cidr object requires"),
        ({"Fn::Cidr": ["nowhere", 1, 5]}, "every Fn::Cidr object requires"),
        ({"Fn::ImportValue": "absent"}, "No export named absent found."),
        ({"Fn::ImportValue": {"Ref": "Secret"}}, "No export named **** found."),
        ({"Fn::FindInMap": ["M", {"Ref": "Secret"}, "y"]}, "Template error: Unable to get mapping for M::****::y"),
        ({"fn::sub": "x"}, "Template Error: Encountered unsupported function: fn::sub"),
    ],
)
def test_a_function_without_a_value_fails_with_the_reason(value: Any, message: str) -> None:
    with pytest.raises(ResolutionFailed) as failed:
        resolve({"Properties": [value]}, SCOPE)
    assert message in failed.value.message
    assert "hush" not in failed.value.message


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{resolve:ssm:/plain}}", "plain"),
        ("a {{resolve:ssm:/plain:2}} {{resolve:ssm-secure:/plain}}", "a second plain"),
        ({"Fn::Sub": "{{resolve:ssm:/${P}}}"}, "plain"),
        ("{{resolve:secretsmanager:s:SecretString:user}}", "me"),
        ("{{resolve:secretsmanager:s::age}}", "5"),
        ("{{resolve:secretsmanager:s}}", STORED["s"]),
        ("{{resolve:secretsmanager:s:SecretString::AWSPREVIOUS}}", STORED["s"] + "AWSPREVIOUS"),
        ("{{resolve:other:x}}", "{{resolve:other:x}}"),
        ({"Fn::Sub": "{{resolve:ssm:${New}}}"}, f"{{{{resolve:ssm:{UNKNOWN}}}}}"),
    ],
)
def test_a_dynamic_reference_is_resolved_after_the_functions_around_it(text: str, result: Any) -> None:
    scope = replace(SCOPE, dynamic=Stored(), parameters={"P": Parameter("P", "plain")})
    assert resolve({"P": [text]}, scope) == {"P": [result]}


@pytest.mark.parametrize(
    "body",
    ["ssm:/none", "secretsmanager:none", "secretsmanager:s:SecretBinary:x", "secretsmanager:s:SecretString:none"],
)
def test_a_dynamic_reference_to_a_missing_value_is_refused(body: Any) -> None:
    message = f"Could not resolve the dynamic reference {{{{resolve:{body}}}}}: nothing is there."
    assert refusal(resolve, [f"{{{{resolve:{body}}}}}"], replace(SCOPE, dynamic=Stored())) == message


def test_dynamic_references_stay_unresolved_without_a_reader() -> None:
    assert resolve("{{resolve:ssm:/plain}}", SCOPE) == "{{resolve:ssm:/plain}}"


@pytest.mark.parametrize(
    ("region", "suffix", "partition"),
    [("cn-north-1", "amazonaws.com.cn", "aws-cn"), ("us-gov-west-1", "amazonaws.com", "aws-us-gov")],
)
def test_pseudo_parameters_follow_the_partition(region: str, suffix: Any, partition: str) -> None:
    scope = replace(SCOPE, place=Place(region))
    assert resolve({"Fn::Sub": "${AWS::Partition} ${AWS::URLSuffix}"}, scope) == f"{partition} {suffix}"


@pytest.mark.parametrize(
    ("expression", "truth"),
    [
        ({"Fn::Equals": ["t", {"Ref": "Text"}]}, True),
        ({"Fn::Equals": [True, "true"]}, True),
        ({"Fn::Equals": [1, "1"]}, True),
        ({"Fn::Equals": [{"Ref": "List"}, ["a", "b"]]}, True),
        ({"Fn::Equals": [{"Fn::Join": ["", {"Ref": "List"}]}, "x"]}, False),
        ({"Fn::Not": [{"Condition": "Later"}]}, True),
        ({"Fn::And": [{"Condition": "Later"}, {"Fn::Equals": ["a", "a"]}]}, False),
        ({"Fn::Or": [{"Condition": "Later"}, {"Fn::Equals": ["a", "a"]}]}, True),
        ({"Fn::Equals": [{"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "Number"]}, 3]}, True),
    ],
)
def test_a_condition_evaluates_to(expression: Any, truth: Any) -> None:
    document = {"Conditions": {"C": expression, "Later": {"Fn::Equals": ["a", "b"]}}}
    assert conditions(document, SCOPE) == {"C": truth, "Later": False}


# Recorded on AWS.
EQUALS = "Template error: every Fn::Equals object requires a list of 2 string parameters."
ONLY = "Template format error: Conditions can only be boolean operations on parameters and other conditions"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"Ref": "Text"}, ONLY),
        ({"Fn::And": [{"Condition": "D"}, "x"]}, ONLY),
        (
            {"Fn::And": [{"Condition": "D"}]},
            "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.",
        ),
        ({"Fn::Not": [{"Condition": "D"}] * 2}, "Template error: Fn::Not requires a list argument with one element"),
        ({"Fn::Equals": ["a"]}, EQUALS),
        ({"Fn::Equals": [{"a": 1}] * 2}, EQUALS),
        (
            {"Fn::Equals": ["a", {"Ref": "R"}]},
            "Template format error: Unresolved dependencies [R]. Cannot reference resources in the Conditions block "
            "of the template",
        ),
        (
            {"Condition": "X"},
            "Template format error: Unresolved condition dependency X in the Conditions block of the template",
        ),
        ({"Fn::Not": [{"Condition": "C"}]}, "Template format error: Circular dependency between conditions: [C]"),
        (
            {"Fn::Or": [{"Condition": "D"}, {"Condition": "E"}]},
            "Template format error: Circular dependency between conditions: [C, E]",
        ),
        (
            {"Fn::Equals": [{"Fn::FindInMap": ["M", "x", "y"]}, "a"]},
            "Template error: Unable to get mapping for M::x::y",
        ),
    ],
)
def test_an_invalid_condition_is_refused(expression: Any, message: str) -> None:
    document = {"Conditions": {"C": expression, "D": {"Fn::Equals": ["a", "a"]}, "E": {"Condition": "C"}}}
    assert refusal(conditions, document, SCOPE) == message


NAMES = st.sampled_from(
    ["Text", "List", "R", "New", "Gone", "Yes", "M", *sorted(PSEUDO_PARAMETERS), "R.End.All", "x"]
)
FUNCTIONS = st.sampled_from([*USAGE, *CONDITION_FUNCTIONS, "Fn::Nope", "a"])
VALUES = st.recursive(
    NAMES | NAMES.map(lambda name: f"${{{name}}}") | st.integers() | st.floats() | st.booleans() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FUNCTIONS, inner, max_size=2),
    max_leaves=20,
)


@property_test()
@examples(VALUES)
def test_arbitrary_values_resolve_or_are_refused(value: Any) -> None:
    for function, argument in ((resolve, value), (conditions, {"Conditions": {"C": value}})):
        with suppress(Refused):
            function(argument, replace(SCOPE, dynamic=Stored()))
