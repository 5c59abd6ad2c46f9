"""Values that CloudFormation never shows: those of NoEcho parameters and of dynamic references."""

from __future__ import annotations

import json
from typing import Any

from cfnbox.providers.protocol import ResourceFailed
from cloudformation.conftest import Control, User, template, text, thing

SECRET = "canary-4711"


def told(user: User, name: str) -> str:
    """Return all answers about a stack as text."""
    client = user.client
    made = [client.describe_stacks(StackName=name), client.describe_stack_events(StackName=name),
            client.describe_stack_resource_drifts(StackName=name), client.get_template(StackName=name),
            client.describe_stack_resources(StackName=name)]  # fmt: skip
    return json.dumps(made, default=str)


def test_the_value_of_a_no_echo_parameter_reaches_only_the_resource(control: Control, user: User) -> None:
    body = template(A=thing(Name="a", Value={"Fn::Sub": "token=${Token}"}))
    body["Parameters"] = {"Token": {"Type": "String", "NoEcho": True}}
    given = {"Parameters": [{"ParameterKey": "Token", "ParameterValue": SECRET}]}
    assert user.create("s", body, **given)["StackStatus"] == "CREATE_COMPLETE"
    assert [one["Value"] for one in control.things.things.values()] == [f"token={SECRET}"]

    changed: dict[str, Any] = {"Parameters": [{"ParameterKey": "Token", "ParameterValue": SECRET + "-2"}]}
    made = user.client.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=text(body), **changed)
    shown = user.client.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True)

    assert "token=****" in json.dumps(shown, default=str)
    assert SECRET not in json.dumps(shown, default=str)
    assert SECRET not in told(user, "s")


def test_a_no_echo_value_in_a_service_message_is_masked(control: Control, user: User) -> None:
    body = template(A=thing(Name="a", Value={"Ref": "Token"}))
    body["Parameters"] = {"Token": {"Type": "String", "NoEcho": True}}
    given = {"Parameters": [{"ParameterKey": "Token", "ParameterValue": SECRET}]}
    control.things.orders.astonish["create", "a"] = ResourceFailed(f"Value '{SECRET}' at 'value' is wrong.")
    stack = user.create("s", body, DisableRollback=True, **given)
    assert stack["StackStatus"] == "CREATE_FAILED"
    assert ("A", "CREATE_FAILED", "Value '****' at 'value' is wrong.") in user.events("s")
    assert SECRET not in told(user, "s")

    body["Outputs"] = {name: {"Value": "1", "Export": {"Name": {"Ref": "Token"}}} for name in "AB"}
    _, said = user.refused("create_stack", StackName="t", TemplateBody=text(body), **given)
    assert "duplicate Export names: [****]" in said


def test_answers_show_dynamic_references_unresolved(control: Control, user: User) -> None:
    control.parameters["/token"] = SECRET
    reference = "{{resolve:ssm:/token}}"
    body = template(A=thing(Name="a", Value=reference))
    assert user.create("s", body)["StackStatus"] == "CREATE_COMPLETE"
    assert [one["Value"] for one in control.things.things.values()] == [SECRET]

    body["Resources"]["A"]["Properties"]["Frozen"] = "1"
    made = user.client.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=text(body))
    shown = user.client.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True)
    user.update("s", body)

    (change,) = shown["Changes"]
    assert reference in change["ResourceChange"]["AfterContext"]
    assert SECRET not in json.dumps(shown, default=str) + told(user, "s")
    assert [one["Value"] for one in control.things.things.values()] == [SECRET]


def test_a_dynamic_reference_to_a_missing_parameter_fails_the_resource(control: Control, user: User) -> None:
    stack = user.create("s", template(A=thing(Name="a", Value="{{resolve:ssm:/nowhere}}")))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = [reason for name, status, reason in user.events(stack["StackId"]) if status == "CREATE_FAILED"]
    assert reason == "Could not resolve the dynamic reference {{resolve:ssm:/nowhere}}: nothing is there."
    assert control.things.things == {}
