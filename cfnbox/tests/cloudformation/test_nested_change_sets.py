"""Change sets of nested stacks are created, shown, executed and deleted with the change set of the root stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cloudformation.conftest import template, text, thing
from cloudformation.test_nested import URL, child, child_of, parent

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

GRANDCHILD = "https://bucket.s3.amazonaws.com/grandchild.yaml"
WITH_NESTED: dict[str, Any] = {"IncludeNestedStacks": True}


def nested_id(user: User, change_set: dict[str, Any], logical_id: str = "N") -> str:
    described = user.client.describe_change_set(ChangeSetName=change_set["ChangeSetId"])
    changes = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in described["Changes"]}
    identifier: str = changes[logical_id]["ChangeSetId"]
    return identifier


def shown(user: User, identifier: str) -> dict[str, Any]:
    answer: dict[str, Any] = user.client.describe_change_set(ChangeSetName=identifier)
    del answer["ResponseMetadata"], answer["CreationTime"]
    return answer


def test_a_change_set_shows_and_creates_a_new_nested_stack(user: User, control: Control) -> None:
    child(control)
    root = user.change_set("s", parent(), ChangeSetType="CREATE", **WITH_NESTED)
    assert root["IncludeNestedStacks"] is True
    assert root.keys().isdisjoint({"ParentChangeSetId", "RootChangeSetId"})
    nested = shown(user, nested_id(user, root))
    stack_id = nested["StackId"]
    assert re.fullmatch(r"change-N-[0-9A-F]{12}", nested["ChangeSetName"])
    assert nested == {
        "ChangeSetName": nested["ChangeSetName"],
        "ChangeSetId": nested_id(user, root),
        "StackId": stack_id,
        "StackName": stack_id.split("/")[1],
        "Parameters": [{"ParameterKey": "P", "ParameterValue": "p"}],
        "ExecutionStatus": "AVAILABLE",
        "Status": "CREATE_COMPLETE",
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "Capabilities": [],
        "IncludeNestedStacks": True,
        "ParentChangeSetId": root["ChangeSetId"],
        "RootChangeSetId": root["ChangeSetId"],
        "Changes": [
            {
                "Type": "Resource",
                "ResourceChange": {
                    "Action": "Add",
                    "LogicalResourceId": "C",
                    "ResourceType": "Acme::Store::Thing",
                    "Scope": [],
                    "Details": [],
                },
            }
        ],
    }
    review = user.describe(stack_id)
    assert (review["StackStatus"], review["ParentId"]) == ("REVIEW_IN_PROGRESS", root["StackId"])
    # The execution uses the template that was shown, even if the address has another template now.
    child(control, "2")
    assert user.execute(root)["StackStatus"] == "CREATE_COMPLETE"
    assert user.outputs("s") == {"Of": "1-p"}
    created = child_of(user)
    assert (created["StackId"], created["StackStatus"], created["ChangeSetId"]) == (
        stack_id, "CREATE_COMPLETE", nested["ChangeSetId"])  # fmt: skip
    assert shown(user, nested["ChangeSetId"])["ExecutionStatus"] == "EXECUTE_COMPLETE"


def test_an_update_shows_only_nested_stacks_with_changes(user: User, control: Control) -> None:
    child(control)
    a = thing(Name="a", Value="1")
    user.create("s", parent(A=a))
    child(control, "2")
    root = user.change_set("s", parent(A=a), **WITH_NESTED)
    assert user.changes(root) == {"N": "Modify False"}
    nested = shown(user, nested_id(user, root))
    assert user.changes(nested) == {"C": "Modify False"}
    assert nested["StackId"] == child_of(user)["StackId"]
    assert user.execute(root)["StackStatus"] == "UPDATE_COMPLETE"
    assert user.outputs("s") == {"Of": "2-p"}
    assert child_of(user)["ChangeSetId"] == nested["ChangeSetId"]
    # A nested stack without changes is not shown; with nothing else there are no changes.
    assert user.changes(user.change_set("s", parent(A=thing(Name="a", Value="2")), "b", **WITH_NESTED)) == {
        "A": "Modify False"}  # fmt: skip
    unchanged = user.change_set("s", parent(A=a), "c", **WITH_NESTED)
    assert (unchanged["Status"], unchanged["StatusReason"]) == (
        "FAILED",
        "The submitted information didn't contain changes. Submit different information to create a change set.",
    )
    assert user.client.list_change_sets(StackName=nested["StackId"])["Summaries"] == []


def test_change_sets_include_nested_stacks_of_nested_stacks(user: User, control: Control) -> None:
    child(control, url=GRANDCHILD)
    control.documents[URL] = text({**parent(GRANDCHILD, {"Ref": "P"}), "Parameters": {"P": {"Type": "String"}}})
    outer = parent(A=thing(Name="a"), p={"Ref": "A"})
    del outer["Outputs"]
    root = user.change_set("s", outer, ChangeSetType="CREATE", **WITH_NESTED)
    middle = shown(user, nested_id(user, root))
    assert middle["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "{{changeSet:KNOWN_AFTER_APPLY}}"}]
    innermost = shown(user, nested_id(user, middle))
    assert (innermost["ParentChangeSetId"], innermost["RootChangeSetId"]) == (
        middle["ChangeSetId"], root["ChangeSetId"])  # fmt: skip
    assert user.changes(innermost) == {"C": "Add"}
    assert user.execute(root)["StackStatus"] == "CREATE_COMPLETE"
    assert sorted(one.get("Value", "") for one in control.things.things.values()) == ["", "1-thing-1"]
    live = user.client.list_stacks(StackStatusFilter=["REVIEW_IN_PROGRESS"])["StackSummaries"]
    assert live == []


def test_a_nested_template_that_cannot_be_read_fails_the_change_set(user: User, control: Control) -> None:
    root = user.change_set("s", parent("https://nowhere/x"), ChangeSetType="CREATE", **WITH_NESTED)
    assert (root["Status"], root["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    match = re.fullmatch(
        r"Nested change set (\S+) was not successfully created: Currently in FAILED\.", root["StatusReason"]
    )
    assert match is not None
    nested = shown(user, match[1])
    assert (nested["Status"], nested["StatusReason"]) == ("FAILED", "S3 error: there is nothing at https://nowhere/x")


def test_a_nested_change_set_is_deleted_and_executed_only_with_its_root(user: User, control: Control) -> None:
    child(control)
    root = user.change_set("s", parent(), ChangeSetType="CREATE", **WITH_NESTED)
    nested = shown(user, nested_id(user, root))
    for operation, done in (("execute_change_set", "executed"), ("delete_change_set", "deleted")):
        assert user.refused(operation, ChangeSetName=nested["ChangeSetId"]) == (
            "InvalidChangeSetStatus",
            f"ChangeSet [{nested['ChangeSetId']}] is part of the change set [{root['ChangeSetId']}] of the root "
            f"stack, and is {done} with it.",
        )
    user.client.delete_change_set(ChangeSetName=root["ChangeSetId"])
    assert user.refused("describe_change_set", ChangeSetName=nested["ChangeSetId"])[0] == "ChangeSetNotFound"
    assert user.describe(nested["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert user.describe("s")["StackStatus"] == "REVIEW_IN_PROGRESS"


def test_a_failed_create_leaves_no_nested_stack_in_review(user: User, control: Control) -> None:
    child(control)
    control.things.orders.fail["create", "a"] = "before"
    body = parent()
    body["Resources"]["N"]["DependsOn"] = "A"
    body["Resources"]["A"] = thing(Name="a")
    root = user.change_set("s", body, ChangeSetType="CREATE", **WITH_NESTED)
    nested = shown(user, nested_id(user, root))
    assert user.execute(root)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert user.describe(nested["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_executing_a_change_set_deletes_other_change_sets_with_their_nested_change_sets(
    user: User, control: Control
) -> None:
    child(control)
    user.create("s", parent())
    first = user.change_set("s", parent(p="q"), "first", **WITH_NESTED)
    second = user.change_set("s", parent(p="r"), "second", **WITH_NESTED)
    other = nested_id(user, second)
    assert user.execute(first)["StackStatus"] == "UPDATE_COMPLETE"
    assert user.refused("describe_change_set", ChangeSetName=other)[0] == "ChangeSetNotFound"
    assert user.outputs("s") == {"Of": "1-q"}


def test_include_nested_stacks_has_no_effect_without_nested_stacks(user: User, control: Control) -> None:
    root = user.change_set("s", template(A=thing(Name="a")), ChangeSetType="CREATE", **WITH_NESTED)
    assert user.changes(root) == {"A": "Add"}
    assert root["IncludeNestedStacks"] is True
