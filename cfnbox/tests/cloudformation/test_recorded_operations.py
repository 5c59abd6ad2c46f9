"""Operations as they are recorded on AWS, or documented, where local clouds differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing
from cloudformation.test_nested import child, parent

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

BASE = template(A=thing(Name="a", Value="1"))
CHANGED = template(A=thing(Name="a", Value="2"))
LANGUAGE = "AWS::LanguageExtensions"
ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"


def chosen(name: str, *branches: Any) -> dict[str, Any]:
    """A template with a policy by Fn::If; the condition holds with the parameter `yes`."""
    policy = {"Fn::If": ["Keep", *branches]}
    return {
        **template(A=thing(Name="a", policies={name: policy}, Frozen={"Ref": "Version"})),
        "Parameters": {"Keep": {"Type": "String", "Default": "no"}, "Version": {"Type": "String", "Default": "1"}},
        "Conditions": {"Keep": {"Fn::Equals": [{"Ref": "Keep"}, "yes"]}},
    }


REFERRED_POLICY = {"UpdateReplacePolicy": {"Ref": "Policy"}}


def with_parameters(*names: str, **resources: Any) -> dict[str, Any]:
    return {**template(**resources), "Parameters": {name: {"Type": "String"} for name in names}}


def given(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


@pytest.mark.parametrize(("keep", "left"), [("yes", 1), ("no", 0)])
@pytest.mark.parametrize("transform", [{}, {"Transform": LANGUAGE}])
def test_a_condition_chooses_the_deletion_policy(
    user: User, control: Control, keep: str, left: int, transform: dict[str, str]
) -> None:
    body = chosen("DeletionPolicy", "Retain", "Delete") | transform
    user.create("s", body, Parameters=given(Keep=keep), Capabilities=["CAPABILITY_AUTO_EXPAND"])
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert len(control.things.things) == left


@pytest.mark.parametrize(("keep", "left"), [("yes", 2), ("no", 1)])
def test_a_condition_chooses_the_update_replace_policy(user: User, control: Control, keep: str, left: int) -> None:
    body = chosen("UpdateReplacePolicy", "Retain", {"Ref": "AWS::NoValue"})
    user.create("s", body, Parameters=given(Keep=keep))
    assert user.update("s", body, Parameters=given(Keep=keep, Version="2"))["StackStatus"] == "UPDATE_COMPLETE"
    assert len(control.things.things) == left


@pytest.mark.parametrize(("policy", "left"), [("Retain", 2), ("Delete", 1)])
def test_an_update_replace_policy_can_be_a_parameter(user: User, control: Control, policy: str, left: int) -> None:
    body = with_parameters("Version", "Policy", A=thing(Frozen={"Ref": "Version"}, policies=REFERRED_POLICY))
    user.create("s", body, Parameters=given(Version="1", Policy=policy))
    assert user.update("s", body, Parameters=given(Version="2", Policy=policy))["StackStatus"] == "UPDATE_COMPLETE"
    assert len(control.things.things) == left


@pytest.mark.parametrize(("body", "sentence"), [
    (with_parameters("Policy", A=thing(policies=REFERRED_POLICY)),
     "Template format error: UpdateReplacePolicy of resource A must be one of Delete, Retain, Snapshot."),
    (with_parameters("Policy", A=thing(policies={"UpdateReplacePolicy": {"Ref": "B"}}), B=thing()),
     "Template format error: Every UpdateReplacePolicy member must be a string."),
])  # fmt: skip
def test_what_an_update_replace_policy_refers_to_is_checked(user: User, body: Any, sentence: str) -> None:
    refusal = user.refused("create_stack", StackName="s", TemplateBody=text(body), Parameters=given(Policy="Keep"))
    assert refusal == ("ValidationError", sentence)


@pytest.mark.parametrize(("branch", "sentence"), [
    ("Perhaps", "Template format error: DeletionPolicy of resource A must be one of Delete, Retain, "
                "RetainExceptOnCreate, Snapshot."),
    ("Snapshot", "Template error: resource type Acme::Store::Thing does not support deletion policy Snapshot"),
    ({"Ref": "Version"}, "Template format error: Every DeletionPolicy member must be a string."),
])  # fmt: skip
def test_deletion_policies_in_all_branches_of_a_condition_are_checked(user: User, branch: Any, sentence: str) -> None:
    body = text(chosen("DeletionPolicy", "Retain", branch))
    refusal = user.refused("create_stack", StackName="s", TemplateBody=body)
    assert refusal == ("ValidationError", sentence)


def test_an_unchanged_template_with_a_transform_is_updated(user: User) -> None:
    body = {**BASE, "Transform": LANGUAGE}
    user.create("s", body, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    stack = user.update("s", body, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    change_set = user.change_set("s", body, Capabilities=["CAPABILITY_AUTO_EXPAND"])
    assert (change_set["Status"], change_set["Changes"]) == ("FAILED", [])


def test_a_changed_rollback_configuration_is_an_update(user: User) -> None:
    user.create("s", BASE)
    configuration = {"RollbackTriggers": [{"Arn": ALARM, "Type": "AWS::CloudWatch::Alarm"}]}
    assert user.update("s", BASE, RollbackConfiguration=configuration)["RollbackConfiguration"] == configuration
    # It stays until an update has another configuration.
    assert user.update("s", CHANGED)["RollbackConfiguration"] == configuration
    none = user.update("s", CHANGED, RollbackConfiguration={"RollbackTriggers": []})["RollbackConfiguration"]
    assert none.get("RollbackTriggers", []) == []


@pytest.mark.parametrize(("trigger", "sentence"), [
    ({"Arn": ALARM, "Type": "AWS::SNS::Topic"}, "Rollback Trigger Type not supported"),
    ({"Arn": "arn:aws:cloudwatch:us-east-1:123456789012:errors", "Type": "AWS::CloudWatch::Alarm"},
     "RelativeId of a Rollback Trigger's ARN is incorrect"),
])  # fmt: skip
def test_an_invalid_rollback_trigger_is_refused(user: User, trigger: dict[str, str], sentence: str) -> None:
    configuration = {"RollbackTriggers": [trigger]}
    request = {"StackName": "s", "TemplateBody": text(BASE), "RollbackConfiguration": configuration}
    assert user.refused("create_stack", **request) == ("ValidationError", sentence)
    user.create("s", BASE)
    assert user.refused("update_stack", **request) == ("ValidationError", sentence)


def test_notification_topics_stay_until_an_update_replaces_them(user: User) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:topic"
    user.create("s", BASE, NotificationARNs=[topic])
    assert user.update("s", CHANGED)["NotificationARNs"] == [topic]
    assert user.update("s", BASE, NotificationARNs=[])["NotificationARNs"] == []


def test_an_empty_stack_policy_is_valid_and_returned(user: User) -> None:
    user.create("s", BASE, StackPolicyBody="{}")
    assert user.client.get_stack_policy(StackName="s")["StackPolicyBody"] == "{}"


@pytest.mark.parametrize("principal", [{"AWS": "arn:aws:iam::123456789012:role/r"}, "me"])
def test_a_principal_in_a_stack_policy_is_refused(user: User, principal: Any) -> None:
    statement = {"Effect": "Allow", "Action": "Update:*", "Principal": principal, "Resource": "*"}
    user.create("s", BASE)
    refusal = user.refused("set_stack_policy", StackName="s", StackPolicyBody=json.dumps({"Statement": [statement]}))
    assert refusal == ("ValidationError", "Error validating stack policy: Invalid stack policy")


def test_a_stack_policy_as_body_and_as_url_is_refused(user: User) -> None:
    user.create("s", BASE)
    both = {"StackPolicyBody": "{}", "StackPolicyURL": "https://policies/p"}
    assert user.refused("set_stack_policy", StackName="s", **both) == (
        "ValidationError", "You cannot specify both StackPolicyURL and StackPolicyBody")  # fmt: skip


def test_get_stack_policy_returns_the_temporary_policy_during_an_update(user: User, control: Control) -> None:
    statement = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
    temporary = json.dumps({"Statement": [statement]})
    user.create("s", BASE, StackPolicyBody="{}")
    control.things.orders.wait["update", "a"] = 60
    user.client.update_stack(StackName="s", TemplateBody=text(CHANGED), StackPolicyDuringUpdateBody=temporary)
    user.reach("s", "A", "UPDATE_IN_PROGRESS")
    assert user.client.get_stack_policy(StackName="s")["StackPolicyBody"] == temporary
    user.client.cancel_update_stack(StackName="s")
    user.rest("s")
    assert user.client.get_stack_policy(StackName="s")["StackPolicyBody"] == "{}"


def test_force_delete_stack_requires_a_failed_deletion(user: User, control: Control) -> None:
    user.create("s", BASE)
    assert user.refused("delete_stack", StackName="s", DeletionMode="FORCE_DELETE_STACK") == (
        "ValidationError", "Stack [s] is not in DELETE_FAILED state: FORCE_DELETE_STACK cannot be specified."
    )  # fmt: skip
    assert len(control.things.things) == 1


def test_a_nested_stack_has_the_termination_protection_of_its_root(user: User, control: Control) -> None:
    child(control)
    root = user.create("s", parent(), EnableTerminationProtection=True)["StackId"]
    nested = user.describe(user.resources("s")["N"]["PhysicalResourceId"])
    refusal = user.refused(
        "update_termination_protection", StackName=nested["StackName"], EnableTerminationProtection=True
    )
    name = nested["StackName"]
    assert refusal == (
        "ValidationError",
        f"Stack [{name}] is a nested stack: its termination protection is that of its root {root}",
    )
    assert user.refused("delete_stack", StackName=name) == (
        "ValidationError", f"Stack [{name}] cannot be deleted while TerminationProtection is enabled")  # fmt: skip


NOT_A_STRING = "Template format error: The Value field of every Outputs member must evaluate to a String."


@pytest.mark.parametrize("value", [
    {"Ref": "List"}, {"Fn::Split": [",", "a,b"]}, {"Fn::GetAZs": ""}, ["a"], {"a": "b"},
    {"Fn::If": ["Always", {"Ref": "List"}, "x"]}, {"Fn::FindInMap": ["M", "k", "l"]},
])  # fmt: skip
def test_a_list_as_the_value_of_an_output_is_refused(user: User, value: Any) -> None:
    body = {
        **BASE,
        "Parameters": {"List": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        "Conditions": {"Always": {"Fn::Equals": ["a", "a"]}},
        "Mappings": {"M": {"k": {"l": ["a"]}}},
        "Outputs": {"O": {"Value": value}},
    }
    assert user.refused("create_stack", StackName="s", TemplateBody=text(body)) == ("ValidationError", NOT_A_STRING)


def test_an_output_that_resolves_to_a_list_fails_the_operation(user: User) -> None:
    body = {
        **template(A=thing(Name="a", Value="x,y")),
        "Outputs": {"O": {"Value": {"Fn::Split": [",", {"Fn::GetAtt": ["A", "Echo"]}]}}},
    }
    assert user.create("s", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("s", "ROLLBACK_IN_PROGRESS", f"{NOT_A_STRING[:-1]}. Rollback requested by user.") in user.events("s")


def test_a_secure_string_is_refused_outside_of_the_documented_properties(user: User) -> None:
    reference = "{{resolve:ssm-secure:/password:1}}"
    body = template(A=thing(Name="a", Parts=[{"Key": reference}], Value={"Fn::Sub": reference}))
    assert user.refused("create_stack", StackName="s", TemplateBody=text(body)) == (
        "ValidationError",
        "SSM Secure reference is not supported in: [Acme::Store::Thing/Properties/Parts/Key, "
        "Acme::Store::Thing/Properties/Value]",
    )


def test_an_update_of_a_deleted_resource_fails(user: User, control: Control) -> None:
    user.create("s", BASE)
    control.things.things.clear()
    stack = user.update("s", CHANGED)
    assert stack["StackStatus"] in ("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE")
    assert ("A", "UPDATE_FAILED", "There is no such thing.") in user.events("s")


def test_an_attribute_missing_from_the_response_of_a_custom_resource_fails_the_stack(user: User) -> None:
    custom = {"Type": "Custom::Thing", "Properties": {"Name": "a"}}
    stack = user.create("s", template(A=custom, B=thing(Name="b", Value={"Fn::GetAtt": ["A", "Nope"]})))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = [reason for name, status, reason in user.events("s") if (name, status) == ("B", "CREATE_FAILED")]
    response, bucket = reason.removeprefix(
        "CustomResource attribute error: Vendor response doesn't contain Nope key in object "
    ).split(" in S3 bucket ")
    assert response.startswith(f"{stack['StackId']}|A|")
    assert bucket == "cloudformation-custom-resource-storage-useast1"


@pytest.mark.parametrize("name", ["StackSet", "GuardHook", "LambdaHook", "HookVersion"])
def test_types_that_act_on_other_stacks_are_not_simulated(user: User, control: Control, name: str) -> None:
    body = template(A=thing(Name="a"), B={"Type": f"AWS::CloudFormation::{name}"})
    code, sentence = user.refused("create_stack", StackName="s", TemplateBody=text(body))
    assert code == "ValidationError"
    assert f"AWS::CloudFormation::{name}" in sentence
    assert control.things.calls == []


@pytest.mark.parametrize(("value", "processed"), [
    ({"Fn::Sub": "${P}-x"}, "p-x"),
    ({"Fn::Sub": ["${P}-${V}", {"V": "v"}]}, "p-v"),
    ({"Fn::Join": ["-", ["a", {"Ref": "P"}]]}, "a-p"),
    ({"Fn::Sub": "${AWS::Region}"}, "us-east-1"),
    ({"Fn::Sub": "${AWS::StackName}"}, "s"),
    ({"Fn::Sub": "${AWS::StackName}-${P}"}, {"Fn::Sub": "${AWS::StackName}-${P}"}),
    ({"Fn::Sub": "${B}-${P}"}, {"Fn::Sub": "${B}-${P}"}),
    ({"Fn::Sub": "${Secret}"}, {"Fn::Sub": "${Secret}"}),
    ({"Fn::Join": ["", [{"Ref": "B"}, "x"]]}, {"Fn::Join": ["", [{"Ref": "B"}, "x"]]}),
])  # fmt: skip
def test_language_extensions_resolve_functions_with_known_values(user: User, value: Any, processed: Any) -> None:
    body = {
        **template(A=thing(Name="a", Value=value), B=thing(Name="b", Value="1")),
        "Transform": LANGUAGE,
        "Parameters": {"P": {"Type": "String", "Default": "p"},
                       "Secret": {"Type": "String", "Default": "secret", "NoEcho": True}},
    }  # fmt: skip
    assert user.create("s", body, Capabilities=["CAPABILITY_AUTO_EXPAND"])["StackStatus"] == "CREATE_COMPLETE"
    answer = user.client.get_template(StackName="s", TemplateStage="Processed")["TemplateBody"]
    document = json.loads(answer) if isinstance(answer, str) else answer
    assert document["Resources"]["A"]["Properties"]["Value"] == processed
