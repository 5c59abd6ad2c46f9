"""Change sets: descriptions, execution, and the deletion of the other change sets of a stack."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

BASE = template(M=thing(Name="m", Value="1"))
CHANGED = template(M=thing(Name="m", Value="2"))
OTHER = template(M=thing(Name="m", Value="3"))


def test_a_change_set_creates_a_stack(user: User, control: Control) -> None:
    change_set = user.change_set("s", BASE, ChangeSetType="CREATE", Description="first",
                                 Tags=[{"Key": "team", "Value": "a"}], ClientToken="t")  # fmt: skip
    assert user.describe("s")["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert user.client.get_template(StackName="s")["TemplateBody"] == ""
    assert user.client.get_template(StackName="s", ChangeSetName="change")["TemplateBody"] == BASE
    assert control.things.calls == []
    assert (change_set["Status"], change_set["ExecutionStatus"], change_set["Description"]) == (
        "CREATE_COMPLETE", "AVAILABLE", "first")  # fmt: skip
    assert change_set["Tags"] == [{"Key": "team", "Value": "a"}]
    assert change_set["Changes"] == [
        {
            "Type": "Resource",
            "ResourceChange": {
                "Action": "Add",
                "LogicalResourceId": "M",
                "ResourceType": "Acme::Store::Thing",
                "Scope": [],
                "Details": [],
            },
        }
    ]
    stack = user.execute(change_set)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["ChangeSetId"] == change_set["ChangeSetId"]
    assert user.story("s")[0] == "REVIEW_IN_PROGRESS"
    assert control.things.things["thing-1"]["Tags"] == [{"Key": "team", "Value": "a"}]
    assert user.client.list_change_sets(StackName="s")["Summaries"] == []


def test_a_change_set_lists_modified_added_and_removed_resources(user: User, control: Control) -> None:
    policies = {"DeletionPolicy": "Retain"}
    m, stays = thing(Name="m", Value="1"), thing(Name="stays", depends_on="M")
    kept = thing(Name="kept", policies=policies, depends_on="M")
    user.create("s", template(M=m, Gone=thing(Name="gone", depends_on="M"), Stays=stays, Kept=kept))
    new = template(M=thing(Name="m", Value="2"), New=thing(Name="new"), Stays=stays)
    change_set = user.change_set("s", new)
    assert user.changes(change_set) == {"M": "Modify False", "New": "Add", "Gone": "Remove", "Kept": "Remove"}
    told = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in change_set["Changes"]}
    assert told["M"] == {
        "Action": "Modify",
        "LogicalResourceId": "M",
        "PhysicalResourceId": "thing-1",
        "ResourceType": "Acme::Store::Thing",
        "Replacement": "False",
        "Scope": ["Properties"],
        "Details": [
            {
                "Target": {"Attribute": "Properties", "Name": "Value", "RequiresRecreation": "Never"},
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }
        ],
    }
    assert (told["Gone"]["PolicyAction"], told["Kept"]["PolicyAction"]) == ("Delete", "Retain")
    assert all(one["PhysicalResourceId"].startswith("thing-") for name, one in told.items() if name != "New")
    assert control.things.calls.count(("update", "m")) == 0
    user.execute(change_set)
    assert sorted(one["Name"] for one in control.things.things.values()) == ["kept", "m", "new", "stays"]


def test_include_property_values_shows_properties_before_and_after(user: User) -> None:
    user.create("s", BASE)
    made = user.client.create_change_set(StackName="s", ChangeSetName="c", TemplateBody=text(CHANGED))
    change_set = user.client.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True)
    change = change_set["Changes"][0]["ResourceChange"]
    assert json.loads(change["BeforeContext"]) == {"Properties": {"Name": "m", "Value": "1"}}
    assert json.loads(change["AfterContext"]) == {"Properties": {"Name": "m", "Value": "2"}}
    assert change["Details"][0]["Target"] == {
        "Attribute": "Properties",
        "Name": "Value",
        "RequiresRecreation": "Never",
        "Path": "/Properties/Value",
        "BeforeValue": "1",
        "AfterValue": "2",
        "AttributeChangeType": "Modify",
    }


def test_changes_of_tags_and_of_metadata_are_shown(user: User) -> None:
    user.create("s", BASE)
    change_set = user.change_set("s", BASE, Tags=[{"Key": "team", "Value": "a"}])
    assert change_set["Changes"][0]["ResourceChange"]["Scope"] == ["Tags"]
    user.execute(change_set)
    described = template(M=thing(Name="m", Value="1", policies={"Metadata": {"a": "b"}}))
    change_set = user.change_set("s", described, Tags=[{"Key": "team", "Value": "a"}])
    assert change_set["Changes"][0]["ResourceChange"]["Scope"] == ["Metadata"]
    assert user.execute(change_set)["StackStatus"] == "UPDATE_COMPLETE"
    detail = user.client.describe_stack_resource(StackName="s", LogicalResourceId="M")["StackResourceDetail"]
    assert json.loads(detail["Metadata"]) == {"a": "b"}


def test_executing_a_change_set_deletes_the_other_change_sets_of_the_stack(user: User) -> None:
    user.create("s", BASE)
    first, second = user.change_set("s", CHANGED, "first"), user.change_set("s", OTHER, "second")
    listed = user.client.list_change_sets(StackName="s")["Summaries"]
    assert {one["ChangeSetName"] for one in listed} == {"first", "second"}
    user.execute(first)
    assert user.client.list_change_sets(StackName="s")["Summaries"] == []
    refusal = user.refused("execute_change_set", ChangeSetName=second["ChangeSetId"])
    assert refusal == ("ChangeSetNotFound", f"ChangeSet [{second['ChangeSetId']}] does not exist")
    # Recorded on AWS: an executed change set stays.
    assert user.refused("execute_change_set", ChangeSetName=first["ChangeSetId"]) == (
        "InvalidChangeSetStatus",
        f"ChangeSet [{first['ChangeSetId']}] cannot be executed in its current execution status of "
        "[EXECUTE_COMPLETE]",
    )


def test_change_sets_and_updates_are_refused_during_an_operation(user: User, control: Control) -> None:
    user.create("s", BASE)
    change_set = user.change_set("s", OTHER)
    released = control.things.orders.hang["update", "m"] = threading.Event()
    user.client.update_stack(StackName="s", TemplateBody=text(CHANGED))
    user.reach("s", "M", "UPDATE_IN_PROGRESS")
    stack_id = user.describe("s")["StackId"]
    expected = ("ValidationError", f"Stack:{stack_id} is in UPDATE_IN_PROGRESS state and can not be updated.")
    assert user.refused("execute_change_set", ChangeSetName=change_set["ChangeSetId"]) == expected
    assert user.refused("update_stack", StackName="s", TemplateBody=text(OTHER)) == expected
    assert user.refused("create_change_set", StackName="s", ChangeSetName="z", TemplateBody=text(OTHER)) == expected
    released.set()
    assert user.rest("s")["StackStatus"] == "UPDATE_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "2"


def test_a_failed_or_executed_change_set_frees_its_name(user: User) -> None:
    user.create("s", BASE)
    user.change_set("s", CHANGED, "c")
    refusal = user.refused("create_change_set", StackName="s", ChangeSetName="c", TemplateBody=text(OTHER))
    assert refusal == ("AlreadyExistsException", "ChangeSet [c] already exists")
    assert user.change_set("s", BASE, "f")["Status"] == "FAILED"
    again = user.change_set("s", CHANGED, "f")
    assert again["Status"] == "CREATE_COMPLETE"
    user.execute(again)
    assert user.change_set("s", OTHER, "f")["Status"] == "CREATE_COMPLETE"


def test_a_failed_change_set_cannot_be_executed(user: User) -> None:
    user.create("s", BASE)
    change_set = user.change_set("s", BASE)
    code, sentence = user.refused("execute_change_set", ChangeSetName=change_set["ChangeSetId"])
    assert (code, sentence) == (
        "InvalidChangeSetStatus",
        f"ChangeSet [{change_set['ChangeSetId']}] cannot be executed in its current status of [FAILED]",
    )


def test_a_deleted_change_set_does_not_exist(user: User, control: Control) -> None:
    user.create("s", BASE)
    change_set = user.change_set("s", CHANGED)
    user.client.delete_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert user.refused("describe_change_set", ChangeSetName=change_set["ChangeSetId"])[0] == "ChangeSetNotFound"
    assert user.client.list_change_sets(StackName="s")["Summaries"] == []
    # A second time is nothing new, as at AWS.
    user.client.delete_change_set(ChangeSetName=change_set["ChangeSetId"])


def test_an_executed_change_set_can_be_deleted(user: User, control: Control) -> None:
    """The CDK deletes the change set of its last deployment, and waits until its name is free."""
    change_set = user.change_set("s", BASE, ChangeSetType="CREATE")
    event = control.things.orders.hang["create", "m"] = threading.Event()
    user.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    refusal = user.refused("delete_change_set", ChangeSetName=change_set["ChangeSetId"])
    assert refusal[0] == "InvalidChangeSetStatus"
    event.set()
    user.rest("s")
    user.client.delete_change_set(StackName="s", ChangeSetName="change")
    refusal = user.refused("describe_change_set", StackName="s", ChangeSetName="change")
    assert refusal == ("ChangeSetNotFound", "ChangeSet [change] does not exist")
    assert user.change_set("s", CHANGED)["Status"] == "CREATE_COMPLETE"


def test_a_change_set_type_that_does_not_fit_the_stack_is_refused(user: User) -> None:
    asked = {"StackName": "s", "ChangeSetName": "c", "TemplateBody": text(BASE)}
    assert user.refused("create_change_set", **asked) == ("ValidationError", "Stack [s] does not exist")
    user.create("s", BASE)
    code, sentence = user.refused("create_change_set", **asked, ChangeSetType="CREATE")
    assert code == "ValidationError"
    assert sentence == "Stack [s] already exists and cannot be created again with the changeSet [c]."
    # The sentences repeat the name or the id of the request (recorded).
    stack_id = user.describe("s")["StackId"]
    refusal = user.refused("create_change_set", **asked | {"StackName": stack_id}, ChangeSetType="CREATE")
    assert refusal[1] == f"Stack [{stack_id}] already exists and cannot be created again with the changeSet [c]."
    refusal = user.refused("describe_stack_resource", StackName=stack_id, LogicalResourceId="Z")
    assert refusal == ("ValidationError", f"Resource Z does not exist for stack {stack_id}")
    user.client.create_change_set(**asked | {"StackName": "new"}, ChangeSetType="CREATE")
    asked |= {"StackName": "new", "ChangeSetName": "d"}
    code, sentence = user.refused("create_change_set", **asked)
    assert (code, sentence.partition(" is ")[2]) == (
        "ValidationError", "in REVIEW_IN_PROGRESS state and can not be updated.")  # fmt: skip
    assert user.delete("new")["StackStatus"] == "DELETE_COMPLETE"


ENDS = {"DO_NOTHING": "CREATE_FAILED", "DELETE": "DELETE_COMPLETE", "ROLLBACK": "ROLLBACK_COMPLETE"}


@pytest.mark.parametrize(("failure", "status"), ENDS.items())
def test_on_stack_failure_decides_the_status_after_a_failed_execution(
    user: User, control: Control, failure: str, status: str
) -> None:
    control.things.orders.fail["create", "m"] = "before"
    change_set = user.change_set("s", BASE, ChangeSetType="CREATE", OnStackFailure=failure)
    assert user.execute(change_set)["StackStatus"] == status


def test_disable_rollback_on_execution(user: User, control: Control) -> None:
    user.create("s", BASE)
    control.things.orders.fail["update", "m"] = "before"
    assert user.execute(user.change_set("s", CHANGED), DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"


def test_get_template_returns_the_template_of_a_change_set(user: User) -> None:
    user.create("s", BASE)
    made = user.change_set("s", CHANGED)
    assert user.client.get_template(ChangeSetName=made["ChangeSetId"])["TemplateBody"] == CHANGED
    assert user.client.get_template(StackName="s", ChangeSetName="change")["TemplateBody"] == CHANGED
    assert user.client.get_template(StackName="s")["TemplateBody"] == BASE


def test_a_change_set_for_a_changed_output_has_no_resource_changes(user: User) -> None:
    user.create("s", BASE)
    new = {**BASE, "Outputs": {"O": {"Value": "1"}}}
    change_set = user.change_set("s", new)
    assert (change_set["Status"], change_set["Changes"]) == ("CREATE_COMPLETE", [])
    assert user.execute(change_set)["StackStatus"] == "UPDATE_COMPLETE"
    assert user.outputs("s") == {"O": "1"}
