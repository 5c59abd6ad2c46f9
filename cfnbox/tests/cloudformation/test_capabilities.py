"""Capabilities that a template needs, macros that do not exist, and summaries of templates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

MACRO = {**template(M=thing()), "Transform": "MyMacro"}
EXTENDED = {**template(M=thing()), "Transform": "AWS::LanguageExtensions"}


def role(**properties: Any) -> dict[str, Any]:
    return template(M=thing(Name="m"), R={"Type": "AWS::IAM::Role", "Properties": properties})


NEEDED = {
    "IAM": (role(), [], "CAPABILITY_IAM"),
    "named IAM": (role(RoleName="r"), ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM"),
    "a macro": (EXTENDED, [], "CAPABILITY_AUTO_EXPAND"),
}


@pytest.mark.parametrize(("body", "given", "needed"), NEEDED.values(), ids=NEEDED)
def test_missing_capabilities_are_refused_before_anything_is_created(
    user: User, control: Control, body: Any, given: list[str], needed: str
) -> None:
    expected = ("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
    asked = {"StackName": "s", "TemplateBody": text(body), "Capabilities": given}
    assert user.refused("create_stack", **asked) == expected
    user.create("t", template(M=thing(Name="m")))
    assert user.refused("update_stack", **asked | {"StackName": "t"}) == expected
    assert control.things.calls == [("create", "m")]
    assert user.client.list_stacks()["StackSummaries"][0]["StackName"] == "t"


UNKNOWN = "No transform named 123456789012::MyMacro found."


def test_a_change_set_with_an_unknown_macro_fails(user: User, control: Control) -> None:
    user.create("t", template(M=thing(Name="m")))
    change_set = user.change_set("t", MACRO)
    assert (change_set["Status"], change_set["StatusReason"]) == ("FAILED", UNKNOWN)
    assert control.things.calls == [("create", "m")]


def test_a_stack_with_an_unknown_macro_rolls_back(user: User, control: Control) -> None:
    asked = {"StackName": "s", "TemplateBody": text(MACRO)}
    needed = ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
    assert user.refused("create_stack", **asked) == needed
    stack = user.create("s", MACRO, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("s", "ROLLBACK_IN_PROGRESS", UNKNOWN + ". Rollback requested by user.") in user.events("s")
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.calls == []


def test_an_update_with_an_unknown_macro_rolls_back(user: User, control: Control) -> None:
    body = template(M=thing(Name="m"))
    user.create("t", body)
    stack = user.update("t", MACRO, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert ("t", "UPDATE_ROLLBACK_IN_PROGRESS", UNKNOWN) in user.events("t")
    assert user.client.get_template(StackName="t")["TemplateBody"] == body
    assert control.things.calls == [("create", "m")]


def test_template_summary_lists_parameters_types_and_identifiers(user: User) -> None:
    body = {
        "Description": "two things",
        "Metadata": {"a": "b"},
        "Parameters": {"P": {"Type": "String", "Default": "1", "AllowedValues": ["1", "2"], "Description": "which"},
                       "S": {"Type": "String", "NoEcho": True}},
        **template(A=thing(Value={"Ref": "P"}), B=thing(), N=thing("Named", Name="n")),
    }  # fmt: skip
    told = user.client.get_template_summary(TemplateBody=text(body))
    assert told["Description"] == "two things"
    assert json.loads(told["Metadata"]) == {"a": "b"}
    assert [(one["ParameterKey"], one.get("DefaultValue"), one["NoEcho"]) for one in told["Parameters"]] == [
        ("P", "1", False), ("S", None, True)]  # fmt: skip
    assert told["Parameters"][0]["ParameterConstraints"] == {"AllowedValues": ["1", "2"]}
    assert sorted(told["ResourceTypes"]) == ["Acme::Store::Named", "Acme::Store::Thing"]
    identified = {one["ResourceType"]: one for one in told["ResourceIdentifierSummaries"]}
    assert identified["Acme::Store::Thing"] == {
        "ResourceType": "Acme::Store::Thing",
        "LogicalResourceIds": ["A", "B"],
        "ResourceIdentifiers": ["Id"],
    }
    assert identified["Acme::Store::Named"]["ResourceIdentifiers"] == ["Name"]
    given = [{"ParameterKey": "S", "ParameterValue": "s"}]
    user.create("s", body, Parameters=given)
    assert user.client.get_template_summary(StackName="s")["ResourceTypes"] == told["ResourceTypes"]
    assert user.client.validate_template(TemplateBody=text(body))["Description"] == "two things"


def test_a_no_echo_parameter_is_masked_in_every_answer(user: User) -> None:
    body = {"Parameters": {"S": {"Type": "String", "NoEcho": True}}, **template(M=thing())}
    given = [{"ParameterKey": "S", "ParameterValue": "a secret"}]
    assert user.create("s", body, Parameters=given)["Parameters"][0]["ParameterValue"] == "****"
    change_set = user.change_set("s", {**body, **template(M=thing(Value="2"))}, Parameters=given)
    assert change_set["Parameters"][0]["ParameterValue"] == "****"


@pytest.mark.parametrize("stage", ["Original", "Processed"])
def test_get_template_returns_the_original_and_the_processed_template(user: User, stage: str) -> None:
    value = {"Fn::ToJsonString": {"a": 1}}
    body = {**template(M=thing(Value=value)), "Transform": "AWS::LanguageExtensions"}
    user.create("s", body, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    told = user.client.get_template(StackName="s", TemplateStage=stage)
    assert told["StagesAvailable"] == ["Original", "Processed"]
    assert ("Transform" in told["TemplateBody"]) == (stage == "Original")
