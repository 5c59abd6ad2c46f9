"""Early validation: all errors of a deployment together, before any resource is created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

PROPERTY, EXISTS = "AWS::EarlyValidation::PropertyValidation", "AWS::EarlyValidation::ResourceExistenceCheck"


def reason(*hooks: str) -> str:
    return (
        f"The following hook(s)/validation failed: [{', '.join(hooks)}]. To troubleshoot Early Validation errors, "
        "use the DescribeEvents API for detailed failure information."
    )


def validation_events(user: User, **request: Any) -> list[dict[str, Any]]:
    """Return the sorted validation events without the members that differ in each run."""
    answer = user.client.describe_events(**request, Filters={"FailedEvents": True})
    events = [one for one in answer["OperationEvents"] if one["EventType"] == "VALIDATION_ERROR"]
    for event in events:
        for member in ("EventId", "OperationId", "Timestamp", "StackId", "EventType"):
            assert event.pop(member)
    return sorted(events, key=lambda event: (event["LogicalResourceId"], event["ValidationStatusReason"]))


def invalid(name: str, reason: str, path: str, operation: str = "CREATE_CHANGESET") -> dict[str, Any]:
    return {
        "OperationType": operation,
        "LogicalResourceId": name,
        "ResourceType": "Acme::Store::Thing",
        "ValidationFailureMode": "FAIL",
        "ValidationName": "PROPERTY_VALIDATION",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": reason,
        "ValidationPath": path,
    }


WRONG = template(
    A=thing(Name="a", Foo="x", Number="many"),
    B=thing(Name="b", Colour="green", Parts=[{}, "text"], depends_on="A"),
    C=thing(Name="c"),
)


def wrong(operation: str) -> list[dict[str, Any]]:
    return [
        invalid("A", "Unsupported property: Foo", "/Resources/A/Properties", operation),
        invalid("A", "expected type: Integer, found: String", "/Resources/A/Properties/Number", operation),
        invalid("B", "Unsupported property: Colour", "/Resources/B/Properties", operation),
        invalid("B", "expected type: JSONObject, found: String", "/Resources/B/Properties/Parts/1", operation),
    ]


def test_a_change_set_reports_all_validation_errors_together(user: User, control: Control) -> None:
    change_set = user.change_set("s", WRONG, ChangeSetType="CREATE")
    assert (change_set["Status"], change_set["ExecutionStatus"], change_set["StatusReason"]) == (
        "FAILED", "UNAVAILABLE", reason(PROPERTY))  # fmt: skip
    found = validation_events(user, ChangeSetName=change_set["ChangeSetId"])
    assert found == wrong("CREATE_CHANGESET")
    assert control.things.calls == []


def test_missing_required_properties_and_invalid_enum_values_are_reported(user: User, control: Control) -> None:
    resource = {"Type": "AWS::Store::Strict", "Properties": {"Mode": "DISABLED"}}
    change_set = user.change_set("s", template(S=resource), ChangeSetType="CREATE")
    found = validation_events(user, ChangeSetName=change_set["ChangeSetId"])
    assert [(one["ValidationStatusReason"], one["ValidationPath"]) for one in found] == [
        (
            "DISABLED is not a valid enum value. Supported values: [Active, PassThrough]",
            "/Resources/S/Properties/Mode",
        ),
        ("Required property [Name] not found", "/Resources/S/Properties"),
        ("Required property [Policy] not found", "/Resources/S/Properties"),
    ]


def test_values_known_only_during_the_operation_are_not_validated(user: User, control: Control) -> None:
    body = template(
        A=thing(Name="a"),
        B=thing(Name="b", Number={"Fn::GetAtt": ["A", "Echo"]}, Parts=[{"Fn::GetAtt": ["A", "Echo"]}]),
        C=thing(Name="c", Number="{{resolve:ssm:number}}"),
    )
    assert user.change_set("s", body, ChangeSetType="CREATE")["Status"] == "CREATE_COMPLETE"


def test_an_existing_resource_name_is_reported_as_a_name_conflict(user: User, control: Control) -> None:
    control.things.things["found"] = {"Name": "found"}
    body = template(N={**thing("Named", Name="found"), "DeletionPolicy": "Retain"})
    change_set = user.change_set("s", body, ChangeSetType="CREATE")
    assert (change_set["Status"], change_set["StatusReason"]) == ("FAILED", reason(EXISTS))
    assert validation_events(user, ChangeSetName=change_set["ChangeSetId"]) == [{
        "OperationType": "CREATE_CHANGESET",
        "LogicalResourceId": "N",
        "ResourceType": "Acme::Store::Named",
        "ValidationFailureMode": "FAIL",
        "ValidationName": "NAME_CONFLICT_VALIDATION",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": "Resource of type 'Acme::Store::Named' with identifier 'found' already exists.",
        "ValidationPath": "/Resources/N/Properties/Name",
    }]  # fmt: skip
    assert user.change_set("s", body, ChangeSetType="CREATE", DisableValidation=True)["Status"] == "CREATE_COMPLETE"
    imported = user.change_set("s", body, "import", ChangeSetType="CREATE", ImportExistingResources=True)
    assert imported["Status"] == "CREATE_COMPLETE"


def test_an_invalid_new_stack_rolls_back_before_any_resource_is_created(user: User, control: Control) -> None:
    stack = user.create("s", WRONG)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert control.things.calls == []
    events = {one["LogicalResourceId"]: one for one in user.history("s") if one["ResourceStatus"] == "CREATE_FAILED"}
    assert {name: (one["DetailedStatus"], one["ResourceStatusReason"]) for name, one in events.items()} == {
        "A": ("VALIDATION_FAILED",
              "Properties validation failed for resource A with message:\n"
              "#: extraneous key [Foo] is not permitted\n#/Number: expected type: Integer, found: String"),
        "B": ("VALIDATION_FAILED",
              "Properties validation failed for resource B with message:\n"
              "#: extraneous key [Colour] is not permitted\n#/Parts/1: expected type: JSONObject, found: String"),
    }  # fmt: skip
    reasons = [text for name, status, text in user.events("s") if status == "ROLLBACK_IN_PROGRESS"]
    assert reasons == [f"{reason(PROPERTY)} Rollback requested by user."]
    assert validation_events(user, StackName="s") == wrong("CREATE_STACK")


def test_an_invalid_update_rolls_back_before_any_resource_is_changed(user: User, control: Control) -> None:
    user.create("s", template(C=thing(Name="c", Value="1")))
    control.things.calls.clear()
    new = {"Resources": {**WRONG["Resources"], "C": thing(Name="c", Value="2")}}
    assert user.update("s", new)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.calls == []
    assert user.client.describe_stack_resources(StackName="s")["StackResources"][0]["ResourceStatus"] == (
        "CREATE_COMPLETE")  # fmt: skip
    operation = next(
        one["OperationId"]
        for one in user.client.describe_events(StackName="s")["OperationEvents"]
        if one["OperationType"] == "UPDATE_STACK"
    )
    assert validation_events(user, OperationId=operation) == wrong("UPDATE_STACK")


@pytest.mark.parametrize("operation", ["create_stack", "update_stack"])
def test_with_disabled_validation_each_resource_fails_by_itself(user: User, control: Control, operation: str) -> None:
    if operation == "update_stack":
        user.create("s", template(C=thing(Name="c")))
    getattr(user.client, operation)(StackName="s", TemplateBody=text(WRONG), DisableValidation=True)
    assert user.rest("s")["StackStatus"].endswith("ROLLBACK_COMPLETE")
    assert validation_events(user, StackName="s") == []
    # The resources that are valid were begun.
    assert any(name == "A" and status == "CREATE_FAILED" for name, status, _ in user.events("s"))


def test_validation_events_do_not_show_values_of_no_echo_parameters(user: User, control: Control) -> None:
    body = {"Parameters": {"P": {"Type": "String", "NoEcho": True}},
            **template(S={"Type": "AWS::Store::Strict",
                          "Properties": {"Name": "n", "Policy": "p", "Mode": {"Ref": "P"}}})}  # fmt: skip
    parameters = [{"ParameterKey": "P", "ParameterValue": "open-sesame"}]
    stack = user.create("s", body, Parameters=parameters)
    change_set = user.change_set("t", body, ChangeSetType="CREATE", Parameters=parameters)
    for request in ({"StackName": stack["StackId"]}, {"ChangeSetName": change_set["ChangeSetId"]}):
        answer = user.client.describe_events(**request)
        assert "is not a valid enum value" in str(answer)
        assert "open-sesame" not in str(answer)
