"""Refusals with the messages recorded on AWS, by the call that AWS refuses, and templates that AWS accepts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

FORMAT = "Template format error: "
SELECT = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
PARAMETER = {"Parameters": {"P": {"Type": "String", "Default": "p"}}}


def with_value(value: Any, **sections: Any) -> dict[str, Any]:
    return {**template(A=thing(Name="a", Value=value)), **sections}


NEVER = {"Never": {"Fn::Equals": ["a", "b"]}}
REFUSED = [
    (with_value({"Fn::Select": ["bad", ["x", "y"]]}), SELECT),
    (with_value({"Fn::Select": [0, 2]}), SELECT),
    (with_value({"Fn::Select": [100, ["x", "y"]]}), SELECT),
    (with_value({"Fn::Select": [-1, ["x", "y"]]}), SELECT),
    (with_value("v", Mappings={"M": {"k": {"l": {"Ref": "A"}}}}),
     FORMAT + "Every Mappings attribute must be a String or a List."),
    (with_value("v", Mappings={"M": "x"}), FORMAT + "Every Mappings member M must be a map"),
    (with_value({"Fn::If": ["Nope", "x", "y"]}), "Template error: unresolved condition dependency Nope in Fn::If"),
    (with_value("v", Conditions={"C": {"Fn::Equals": ["a"]}}),
     "Template error: every Fn::Equals object requires a list of 2 string parameters."),
    (with_value("v", Outputs={"O": {"Description": "x"}}),
     FORMAT + "Every Outputs member must contain a Value object"),
    ({"Resources": {"A": "x"}}, FORMAT + "Any Resources member must be an object."),
    ({"Resources": {"A": thing(Name="a"), "T": {**thing(Name="t"), "Condition": "Never"}}, "Conditions": NEVER,
      "Outputs": {"O": {"Value": {"Ref": "T"}}}},
     "Unresolved resource dependencies [T] in the Outputs block of the template"),
    (with_value("v", Parameters={"Value": {"Type": "Number", "Default": "x"}}),
     "Parameter 'Value' must be a number."),
    ('{"Resources": {"A": }}', FORMAT + "JSON not well-formed. (line 1, column 22)"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "sentence"), REFUSED, ids=[sentence[-40:] for _, sentence in REFUSED])
def test_an_invalid_template_is_refused_by_every_operation(
    user: User, control: Control, body: Any, sentence: str
) -> None:
    user.create("old", with_value("v"))
    calls = [
        ("create_stack", {"StackName": "new"}),
        ("create_change_set", {"StackName": "new", "ChangeSetName": "c", "ChangeSetType": "CREATE"}),
        ("create_change_set", {"StackName": "old", "ChangeSetName": "c"}),
        ("update_stack", {"StackName": "old"}),
    ]
    for operation, request in calls:
        assert user.refused(operation, TemplateBody=text(body), **request) == ("ValidationError", sentence)
    assert [one["StackName"] for one in user.client.describe_stacks()["Stacks"]] == ["old"]
    assert user.client.list_change_sets(StackName="old")["Summaries"] == []
    assert len(control.things.things) == 1


def test_fn_select_accepts_a_list_known_only_during_the_operation(user: User) -> None:
    items = {"Fn::Split": [",", {"Fn::GetAtt": ["A", "Echo"]}]}
    body = template(A=thing(Name="a", Value="x,y"), B=thing(Name="b", Value={"Fn::Select": ["1", items]}))
    assert user.create("s", body)["StackStatus"] == "CREATE_COMPLETE"


def test_a_comma_after_the_last_member_is_accepted(user: User, control: Control) -> None:
    body = json.dumps(with_value("a,}b")).replace('"a,}b"', '"a,}b" ,').replace("}}}}", "},},}\n,}")
    with pytest.raises(ValueError, match=r"property name|Illegal trailing comma"):
        json.loads(body)
    assert user.create("s", body)["StackStatus"] == "CREATE_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "a,}b"


def test_a_json_error_after_a_trailing_comma_is_reported(user: User) -> None:
    assert user.refused("create_stack", StackName="s", TemplateBody='{"A": [1,], "B" 2}') == (
        "ValidationError", FORMAT + "JSON not well-formed. (line 1, column 18)")  # fmt: skip


def test_a_parameter_with_the_value_aws_no_value_removes_the_property(user: User, control: Control) -> None:
    body = with_value({"Ref": "P"}, **PARAMETER)
    user.create("s", body, Parameters=[{"ParameterKey": "P", "ParameterValue": "AWS::NoValue"}])
    assert "Value" not in control.things.things["thing-1"]


def test_a_condition_may_have_the_name_aws_no_value(user: User, control: Control) -> None:
    body = with_value({"Fn::If": ["AWS::NoValue", "x", "y"]}, Conditions={"AWS::NoValue": {"Fn::Equals": ["a", "b"]}})
    assert user.create("s", body)["StackStatus"] == "CREATE_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "y"
