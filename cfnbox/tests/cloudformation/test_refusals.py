"""Requests that CloudFormation refuses before it creates anything: code, message, and no effect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import REGION, User, template, thing

if TYPE_CHECKING:
    from cfnbox.aws.http import HttpServer
    from cloudformation.conftest import Control

GOOD = template(M=thing(Name="m", Value="1"))
UNRESOLVED = "Template format error: Unresolved resource dependencies [X] in the {} block of the template"
CIRCLE = "Circular dependency between resources: [A, B]"
NO_ATTRIBUTE = "Template error: resource M does not support attribute type {} in Fn::GetAtt"
NO_CONDITION = "Template format error: Unresolved condition dependency X in the {} block of the template"


def with_output(value: Any, **more: Any) -> dict[str, Any]:
    return {**GOOD, "Outputs": {"O": {"Value": value, **more}}}


def with_parameter(**declared: Any) -> dict[str, Any]:
    return {"Parameters": {"P": {"Type": "String", **declared}}, **template(M=thing(Value={"Ref": "P"}))}


TEMPLATES = {
    "Ref": (template(M=thing(Value={"Ref": "X"})), UNRESOLVED.format("Resources")),
    "GetAtt": (template(M=thing(Value={"Fn::GetAtt": ["X", "Id"]})), UNRESOLVED.format("Resources")),
    "GetAtt with a dot": (template(M=thing(Value={"Fn::GetAtt": "X.Id"})), UNRESOLVED.format("Resources")),
    "Sub": (template(M=thing(Value={"Fn::Sub": "a ${X} b"})), UNRESOLVED.format("Resources")),
    "Sub of an attribute": (template(M=thing(Value={"Fn::Sub": "${X.Id}"})), UNRESOLVED.format("Resources")),
    "DependsOn": (template(M=thing(depends_on="X")), UNRESOLVED.format("Resources")),
    "DependsOn of several": (template(M=thing(depends_on=["X"])), UNRESOLVED.format("Resources")),
    "output": (with_output({"Ref": "X"}), UNRESOLVED.format("Outputs")),
    "condition": (template(M={**thing(), "Condition": "X"}), NO_CONDITION.format("Resources")),
    "condition of an output": (with_output("1", Condition="X"), NO_CONDITION.format("Outputs")),
    "circle": (template(A=thing(depends_on="B"), B=thing(Value={"Ref": "A"})), CIRCLE),
    "attribute that the type lacks": (with_output({"Fn::GetAtt": ["M", "Nope"]}), NO_ATTRIBUTE.format("Nope")),
    "property that is no attribute": (with_output({"Fn::GetAtt": ["M", "Value"]}), NO_ATTRIBUTE.format("Value")),
    "no resources": ({"Resources": {}}, "Template format error: At least one Resources member must be defined."),
    "unknown attribute of a resource": (
        template(M={**thing(), "Nope": 1}), "Invalid template resource property 'Nope'"),
    "policy that the type lacks": (
        template(M=thing(policies={"DeletionPolicy": "Snapshot"})),
        "Template error: resource type Acme::Store::Thing does not support deletion policy Snapshot"),
    "unknown type": (
        template(M={"Type": "Acme::Store::Nope"}),
        "Template format error: Unrecognized resource types: [Acme::Store::Nope]"),
    "a wait without an end": (
        template(M={"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Count": 1}}),
        "Resource M needs Handle and Timeout, or a CreationPolicy: nothing else ends the wait."),
    "missing parameter": (with_parameter(), "Parameters: [P] must have values"),
    "value outside AllowedValues": (
        with_parameter(Default="c", AllowedValues=["a", "b"]), "Parameter 'P' must be one of AllowedValues"),
    "value outside AllowedPattern": (
        with_parameter(Default="c", AllowedPattern="[ab]"), "Parameter 'P' must match pattern [ab]"),
    "a list": ("[]", "Template format error: unsupported structure."),
}  # fmt: skip


@pytest.mark.parametrize(("body", "sentence"), TEMPLATES.values(), ids=TEMPLATES)
def test_an_invalid_template_is_refused_without_an_effect(
    user: User, control: Control, body: Any, sentence: str
) -> None:
    written = body if isinstance(body, str) else json.dumps(body)
    expected = ("ValidationError", sentence)
    assert user.refused("create_stack", StackName="s", TemplateBody=written) == expected
    asked = {"StackName": "s", "ChangeSetName": "c", "TemplateBody": written}
    assert user.refused("create_change_set", **asked, ChangeSetType="CREATE") == expected
    assert user.client.list_stacks()["StackSummaries"] == []
    user.create("s", GOOD)
    made, told = dict(control.things.things), user.story("s")
    assert user.refused("update_stack", StackName="s", TemplateBody=written) == expected
    assert user.refused("create_change_set", **asked) == expected
    assert (control.things.things, user.story("s")) == (made, told)
    assert user.client.list_change_sets(StackName="s")["Summaries"] == []


# What ValidateTemplate finds without parameters and types, and what it leaves to the operations.
VALIDATED = ("Ref", "GetAtt", "GetAtt with a dot", "Sub", "Sub of an attribute", "DependsOn", "DependsOn of several",
             "output", "condition", "condition of an output", "circle", "no resources",
             "unknown attribute of a resource", "a list")  # fmt: skip


@pytest.mark.parametrize("name", VALIDATED)
def test_validate_template_refuses_an_invalid_template(user: User, name: str) -> None:
    body, sentence = TEMPLATES[name]
    written = body if isinstance(body, str) else json.dumps(body)
    assert user.refused("validate_template", TemplateBody=written) == ("ValidationError", sentence)


CHOICE = {"Fn::If": ["C", {"Ref": "B"}, "none"]}
VALID = {
    "an unknown type": TEMPLATES["unknown type"][0],
    "a parameter without a value": with_parameter(),
    "a reference to a resource that a macro adds": {**template(M=thing(Value={"Ref": "X"})), "Transform": "Macro"},
    "a circle that a condition may break": {
        **template(A=thing(Value=CHOICE), B=thing(Value={"Ref": "A"})),
        "Conditions": {"C": {"Fn::Equals": ["a", "b"]}},
    },
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID)
def test_validate_template_accepts_errors_that_only_an_operation_finds(user: User, body: Any) -> None:
    assert "Parameters" in user.client.validate_template(TemplateBody=json.dumps(body))


def test_a_parameter_without_a_declaration_is_refused(user: User, control: Control) -> None:
    given = [{"ParameterKey": "Q", "ParameterValue": "1"}]
    refusal = user.refused("create_stack", StackName="s", TemplateBody=json.dumps(GOOD), Parameters=given)
    assert refusal == ("ValidationError", "Parameters: [Q] do not exist in the template")
    assert control.things.calls == []


PROPERTIES = {
    "unknown": ({"Nope": 1}, "#: extraneous key [Nope] is not permitted"),
    "wrong type": ({"Value": ["1"]}, "#/Value: expected type: String, found: JSONArray"),
    "no number": ({"Number": "one"}, "#/Number: expected type: Integer, found: String"),
    "read-only": ({"Echo": "1"}, "#: extraneous key [Echo] is not permitted"),
}


@pytest.mark.parametrize(("properties", "line"), PROPERTIES.values(), ids=PROPERTIES)
def test_properties_that_violate_the_schema_fail_the_resource(
    user: User, control: Control, properties: dict[str, Any], line: str
) -> None:
    reason = f"Properties validation failed for resource M with message:\n{line}"
    stack = user.create("s", template(M=thing(**properties)))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("M", "CREATE_FAILED", reason) in user.events("s")
    user.create("t", GOOD)
    assert user.update("t", template(M=thing(Name="m", **properties)))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert ("M", "UPDATE_FAILED", reason) in user.events("t")
    assert control.things.calls == [("create", "m")]


def test_a_scalar_is_converted_to_the_declared_type(user: User, control: Control) -> None:
    assert user.create("s", template(M=thing(Number="3", Value=4)))["StackStatus"] == "CREATE_COMPLETE"


def test_a_changed_type_of_a_logical_id_is_refused(user: User, control: Control) -> None:
    user.create("s", GOOD)
    body = json.dumps(template(M=thing("Fixed", Name="m", Value="1")))
    expected = (
        "ValidationError",
        "Update of resource type is not permitted. The new template modifies resource type of the following "
        "resources: [M]",
    )
    assert user.refused("update_stack", StackName="s", TemplateBody=body) == expected
    assert user.refused("create_change_set", StackName="s", ChangeSetName="c", TemplateBody=body) == expected
    assert control.things.calls == [("create", "m")]


NAMES = {
    "an underscore": "my_stack",
    "a digit first": "1stack",
    "a dash first": "-stack",
    "a letter of another script": "štack",
    "129 letters": "s" * 129,
    "a line": "s\n",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_invalid_stack_names_are_refused(user: User, name: str) -> None:
    code, sentence = user.refused("create_stack", StackName=name, TemplateBody=json.dumps(GOOD))
    assert code == "ValidationError"
    assert "'stackName' failed to satisfy constraint" in sentence


@pytest.mark.parametrize("name", ["a", "A-1", "s" * 128, "s--"])
def test_valid_stack_names_are_accepted(user: User, name: str) -> None:
    assert user.create(name, GOOD)["StackStatus"] == "CREATE_COMPLETE"


def test_the_name_of_an_existing_stack_is_refused(user: User, control: Control) -> None:
    user.create("s", GOOD)
    refusal = user.refused("create_stack", StackName="s", TemplateBody=json.dumps(GOOD))
    assert refusal == ("AlreadyExistsException", "Stack [s] already exists")
    assert len(control.things.things) == 1


def test_a_template_with_more_than_500_resources_is_refused(user: User, control: Control) -> None:
    body = json.dumps(template(**{f"R{number}": {"Type": "Acme::Store::Thing"} for number in range(600)}))
    assert user.refused("create_stack", StackName="s", TemplateBody=body) == (
        "ValidationError",
        "Template format error: Number of resources, 600, is greater than maximum allowed, 500",
    )
    assert control.things.calls == []


def test_a_stack_exists_only_in_its_region(user: User, server: HttpServer) -> None:
    user.create("s", GOOD)
    elsewhere = User(server.url, "eu-west-1")
    assert elsewhere.refused("describe_stacks", StackName="s") == (
        "ValidationError", "Stack with id s does not exist")  # fmt: skip
    assert elsewhere.create("s", GOOD)["StackId"].split(":")[3] == "eu-west-1"
    assert user.describe("s")["StackId"].split(":")[3] == REGION


def test_an_unsupported_operation_is_named_in_its_refusal(user: User) -> None:
    code, sentence = user.refused("list_stack_sets")
    assert code == "UnsupportedOperation"
    assert "ListStackSets" in sentence


@pytest.mark.parametrize("operation", [
    "update_stack", "cancel_update_stack", "continue_update_rollback", "rollback_stack", "get_stack_policy",
    "describe_stack_events", "get_template_summary",
    "detect_stack_drift", "describe_stack_resource_drifts", "list_change_sets",
])  # fmt: skip
def test_operations_on_a_missing_stack_are_refused(user: User, operation: str) -> None:
    more = {"TemplateBody": json.dumps(GOOD)} if operation == "update_stack" else {}
    assert user.refused(operation, StackName="missing", **more) == (
        "ValidationError",
        "Stack [missing] does not exist",
    )
