"""Whole answers as recorded on AWS: the members that are present and absent, by the history of the stack."""

from __future__ import annotations

import itertools
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

BASE = template(A=thing(Name="a", Value="1"))
CHANGED = template(A=thing(Name="a", Value="2"))
FULL = {
    **BASE,
    "Description": "d",
    "Parameters": {"P": {"Type": "String", "Default": "p"}},
    "Outputs": {"O": {"Value": {"Ref": "P"}}},
}
# What DescribeStacks answers of every stack that is not deleted.
ALWAYS = {
    "StackId", "StackName", "CreationTime", "StackStatus", "DisableRollback", "RollbackConfiguration", "Tags",
    "NotificationARNs", "DriftInformation", "EnableTerminationProtection", "LastOperations",
}  # fmt: skip


def members(user: User, name: str) -> set[str]:
    """The members of DescribeStacks, except for the reason of the status."""
    return set(user.describe(name)) - {"StackStatusReason"}


def test_a_created_stack_has_no_empty_members(user: User) -> None:
    stack = user.create("s", BASE)
    assert set(stack) == ALWAYS
    assert stack["Tags"] == stack["NotificationARNs"] == []
    assert stack["RollbackConfiguration"] == {}


def test_a_created_stack_has_the_members_that_its_template_declares(user: User) -> None:
    stack = user.create("s", FULL, Capabilities=["CAPABILITY_IAM"], TimeoutInMinutes=5)
    assert set(stack) == ALWAYS | {"Description", "Parameters", "Outputs", "Capabilities", "TimeoutInMinutes"}
    assert stack["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "p"}]
    assert stack["Outputs"] == [{"OutputKey": "O", "OutputValue": "p"}]


def test_an_executed_create_change_set_sets_the_updated_time(user: User) -> None:
    user.execute(user.change_set("s", BASE, ChangeSetType="CREATE"))
    assert members(user, "s") == ALWAYS | {"ChangeSetId", "LastUpdatedTime"}


def test_an_update_drops_the_change_set(user: User) -> None:
    user.execute(user.change_set("s", BASE, ChangeSetType="CREATE"))
    user.update("s", CHANGED)
    assert members(user, "s") == ALWAYS | {"LastUpdatedTime"}


def test_a_deleted_stack_keeps_its_outputs_and_parameters(user: User) -> None:
    user.execute(user.change_set("s", FULL, ChangeSetType="CREATE"))
    stack = user.delete("s")
    assert set(stack) - {"StackStatusReason"} == (ALWAYS - {"EnableTerminationProtection"}) | {
        "DeletionTime", "LastUpdatedTime", "Outputs", "Parameters", "Description"}  # fmt: skip


def test_a_rolled_back_create_has_a_deletion_time(user: User, control: Control) -> None:
    control.things.orders.fail["create", "a"] = "before"
    user.execute(user.change_set("s", BASE, ChangeSetType="CREATE"))
    assert members(user, "s") == ALWAYS | {"DeletionTime", "LastUpdatedTime"}


def test_answers_do_not_contain_retain_except_on_create(user: User) -> None:
    user.create("s", BASE, RetainExceptOnCreate=True)
    user.update("s", CHANGED, RetainExceptOnCreate=True)
    assert members(user, "s") == ALWAYS | {"LastUpdatedTime"}


def test_a_change_set_has_capabilities_but_no_empty_parameters_and_tags(user: User) -> None:
    answer = user.change_set("s", BASE, ChangeSetType="CREATE")
    assert set(answer) - {"ResponseMetadata"} == {
        "ChangeSetName", "ChangeSetId", "StackId", "StackName", "CreationTime", "ExecutionStatus", "Status",
        "NotificationARNs", "RollbackConfiguration", "Capabilities", "Changes", "IncludeNestedStacks"}  # fmt: skip
    assert (answer["Capabilities"], answer["RollbackConfiguration"]) == ([], {})


def test_an_executed_change_set_stays_after_the_stack(user: User) -> None:
    change_set = user.change_set("s", BASE, ChangeSetType="CREATE")
    user.execute(change_set)
    answer = user.client.describe_change_set(StackName="s", ChangeSetName="change")
    assert (answer["Status"], answer["ExecutionStatus"]) == ("CREATE_COMPLETE", "EXECUTE_COMPLETE")
    assert answer["Changes"] == change_set["Changes"]
    user.delete("s")
    answer = user.client.describe_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert (answer["Status"], answer["ExecutionStatus"]) == ("CREATE_COMPLETE", "EXECUTE_COMPLETE")


def test_a_change_set_whose_execution_failed_has_status_execute_failed(user: User, control: Control) -> None:
    control.things.orders.fail["create", "a"] = "before"
    change_set = user.change_set("s", BASE, ChangeSetType="CREATE")
    user.execute(change_set)
    answer = user.client.describe_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert answer["ExecutionStatus"] == "EXECUTE_FAILED"


def test_create_stack_creates_the_stack_in_review(user: User) -> None:
    change_set = user.change_set("s", BASE, ChangeSetType="CREATE")
    assert user.create("s", CHANGED)["StackId"] == change_set["StackId"]
    answer = user.client.describe_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert answer["ExecutionStatus"] == "OBSOLETE"
    assert user.refused("execute_change_set", ChangeSetName=change_set["ChangeSetId"])[0] == "InvalidChangeSetStatus"


def test_a_change_set_that_does_not_exist_is_not_found(user: User) -> None:
    user.create("s", BASE)
    with pytest.raises(user.client.exceptions.ChangeSetNotFoundException) as refusal:
        user.client.describe_change_set(StackName="s", ChangeSetName="none")
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_every_answer_has_a_request_id_header(user: User) -> None:
    answered = user.client.list_stacks()["ResponseMetadata"]
    with pytest.raises(user.client.exceptions.ClientError) as refusal:
        user.client.describe_stacks(StackName="none")
    for metadata in (answered, refusal.value.response["ResponseMetadata"]):
        assert metadata["HTTPHeaders"]["x-amzn-requestid"] == metadata["RequestId"]


def test_events_have_ids_and_times_that_clients_can_sort(user: User) -> None:
    resources = {f"A{number}": thing(Name=f"a{number}") for number in range(20)}
    user.create("s", template(**resources))
    history = user.history("s")
    milliseconds = [int(event["Timestamp"].timestamp() * 1000) for event in history]
    assert all(after > before for before, after in itertools.pairwise(milliseconds))
    for event in history[1:-1]:
        status, at = event["ResourceStatus"], event["Timestamp"]
        written = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
        assert event["EventId"] == f"{event['LogicalResourceId']}-{status}-{written}"
    assert timedelta(0) < history[-1]["Timestamp"] - history[0]["Timestamp"]


def test_events_of_a_deletion_have_properties(user: User) -> None:
    user.create("s", BASE)
    stack_id = user.delete("s")["StackId"]
    deletion = [one for one in user.history(stack_id) if one["ResourceStatus"].startswith("DELETE")][1:-1]
    assert [json.loads(one["ResourceProperties"]) for one in deletion] == [{"Name": "a", "Value": "1"}] * 2


def test_stacks_and_events_name_the_operation_that_caused_them(user: User) -> None:
    created = user.client.create_stack(StackName="s", TemplateBody=text(BASE))
    stack = user.rest("s")
    assert stack["LastOperations"] == [{"OperationType": "CREATE_STACK", "OperationId": created["OperationId"]}]
    assert {event["OperationId"] for event in user.history("s")} == {created["OperationId"]}
    updated = user.client.update_stack(StackName="s", TemplateBody=text(CHANGED))
    assert updated["OperationId"] != created["OperationId"]
    stack = user.rest("s")
    assert stack["LastOperations"] == [{"OperationType": "UPDATE_STACK", "OperationId": updated["OperationId"]}]
    summary = user.client.list_stacks()["StackSummaries"][0]
    assert summary["LastOperations"] == stack["LastOperations"]


def test_describe_events_filters_by_operation_and_by_stack(user: User) -> None:
    created = user.client.create_stack(StackName="s", TemplateBody=text(BASE))
    user.rest("s")
    user.update("s", CHANGED)
    events = operation_events(user, OperationId=created["OperationId"])
    assert {one["OperationType"] for one in events} == {"CREATE_STACK"}
    assert [(one["EventType"], one.get("ResourceStatus")) for one in events if "LogicalResourceId" in one] == [
        ("PROGRESS_EVENT", "CREATE_COMPLETE"), ("PROGRESS_EVENT", "CREATE_COMPLETE"),
        ("PROGRESS_EVENT", "CREATE_IN_PROGRESS"), ("PROGRESS_EVENT", "CREATE_IN_PROGRESS"),
        ("PROGRESS_EVENT", "CREATE_IN_PROGRESS")]  # fmt: skip
    (itself,) = [one for one in events if one["EventType"] == "STACK_EVENT"]
    assert itself["OperationStatus"] == "SUCCEEDED"
    assert itself["StartTime"] < itself["EndTime"]
    of_stack = operation_events(user, StackName="s")
    assert {one["OperationType"] for one in of_stack} == {"CREATE_STACK", "UPDATE_STACK"}
    assert [one["Timestamp"] for one in of_stack] == sorted((one["Timestamp"] for one in of_stack), reverse=True)


def test_failed_events_of_an_operation_have_the_reason(user: User, control: Control) -> None:
    control.things.orders.fail["create", "a"] = "before"
    created = user.client.create_stack(StackName="s", TemplateBody=text(BASE))
    stack = user.rest("s")
    assert [one["OperationType"] for one in stack["LastOperations"]] == ["ROLLBACK", "CREATE_STACK"]
    (failed,) = operation_events(user, OperationId=created["OperationId"], Filters={"FailedEvents": True})
    assert (failed["EventType"], failed["ResourceStatus"]) == ("PROVISIONING_ERROR", "CREATE_FAILED")
    assert failed["ResourceStatusReason"] == "The create of a thing failed before it was done."
    rollback = operation_events(user, OperationId=stack["LastOperations"][0]["OperationId"])
    assert {one["ResourceStatus"] for one in rollback if "ResourceStatus" in one} == {
        "ROLLBACK_IN_PROGRESS", "DELETE_COMPLETE", "ROLLBACK_COMPLETE"}  # fmt: skip


def test_describe_events_filters_by_change_set(user: User) -> None:
    user.create("s", BASE)
    made = user.client.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=text(BASE))
    (event,) = operation_events(user, ChangeSetName=made["Id"])
    assert (event["OperationType"], event["OperationStatus"]) == ("CREATE_CHANGESET", "FAILED")
    assert (event["EventType"], event["StackId"]) == ("STACK_EVENT", made["StackId"])


def test_review_event_of_a_new_stack_belongs_to_its_change_set(user: User) -> None:
    made = user.client.create_change_set(
        StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=text(BASE)
    )
    events = operation_events(user, ChangeSetName=made["Id"])
    assert {one["OperationType"] for one in events} == {"CREATE_CHANGESET"}
    assert [one["ResourceStatus"] for one in events if "ResourceStatus" in one] == ["REVIEW_IN_PROGRESS"]
    (stack_event,) = user.history("s")
    assert stack_event["OperationId"] == events[0]["OperationId"]


def operation_events(user: User, **request: Any) -> list[dict[str, Any]]:
    pages = user.client.get_paginator("describe_events").paginate(**request)
    return [event for page in pages for event in page["OperationEvents"]]


def test_a_summary_has_a_version_and_warns_of_unknown_types(user: User) -> None:
    answer = user.client.get_template_summary(TemplateBody=text(BASE))
    assert answer["Version"] == "2010-09-09"
    assert "Warnings" not in answer
    unknown = text(template(A={"Type": "AWS::No::Type"}))
    answer = user.client.get_template_summary(
        TemplateBody=unknown, TemplateSummaryConfig={"TreatUnrecognizedResourceTypesAsWarnings": True}
    )
    assert answer["Warnings"] == {"UnrecognizedResourceTypes": ["AWS::No::Type"]}
    assert user.refused("get_template_summary", TemplateBody=unknown) == (
        "ValidationError", "Template format error: Unrecognized resource types: [AWS::No::Type]")  # fmt: skip


def test_a_stack_in_review_has_no_summary(user: User) -> None:
    user.change_set("s", BASE, ChangeSetType="CREATE")
    assert user.refused("get_template_summary", StackName="s") == (
        "ValidationError", "GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")  # fmt: skip


def test_describe_stack_resource_returns_metadata_with_resolved_functions(user: User) -> None:
    definition = {**thing(Name="b"), "Metadata": {"Of": {"Ref": "A"}, "In": {"Ref": "AWS::StackName"}}}
    user.create("s", template(A=thing(Name="a"), B=definition))
    detail = user.client.describe_stack_resource(StackName="s", LogicalResourceId="B")["StackResourceDetail"]
    assert json.loads(detail["Metadata"]) == {"Of": "thing-1", "In": "s"}
    assert set(detail) == {
        "StackId", "StackName", "LogicalResourceId", "PhysicalResourceId", "ResourceType", "LastUpdatedTimestamp",
        "ResourceStatus", "DriftInformation", "Metadata"}  # fmt: skip


def test_each_operation_has_its_own_message_for_a_missing_stack(user: User) -> None:
    with_id = ("ValidationError", "Stack with id none does not exist")
    for operation in ("describe_stacks", "get_template", "list_stack_resources", "describe_stack_resources"):
        assert user.refused(operation, StackName="none") == with_id
    assert user.refused("describe_stack_resource", StackName="none", LogicalResourceId="A") == (
        "ValidationError", "Stack 'none' does not exist")  # fmt: skip
    assert user.refused("describe_stack_events", StackName="none") == (
        "ValidationError", "Stack [none] does not exist")  # fmt: skip


def test_a_change_set_name_without_a_stack_name_is_refused(user: User) -> None:
    assert user.refused("get_template") == (
        "ValidationError", "StackName is required if ChangeSetName is not specified.")  # fmt: skip
    assert user.refused("get_template", ChangeSetName="c") == (
        "ValidationError", "StackName is a required parameter.")  # fmt: skip
    assert user.refused("describe_change_set", ChangeSetName="c") == (
        "ValidationError", "StackName must be specified if ChangeSetName is not specified as an ARN.")  # fmt: skip


def test_request_ids_are_uuids(user: User) -> None:
    assert re.fullmatch(r"[0-9a-f-]{36}", user.client.list_stacks()["ResponseMetadata"]["RequestId"])
