"""Nested stacks are created, updated, rolled back and deleted with their parent."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cloudformation.conftest import template, text, thing
from waiting import eventually

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

URL = "https://bucket.s3.amazonaws.com/child.yaml"


def child(control: Control, value: str = "1", url: str = URL, **more: Any) -> None:
    """The child's template: a thing, and what it echoes."""
    control.documents[url] = text({
        "Parameters": {"P": {"Type": "String", "Default": "d"}},
        **template(C=thing(Name="c", Value={"Fn::Sub": value + "-${P}"}, **more)),
        "Outputs": {"Echo": {"Value": {"Fn::GetAtt": ["C", "Echo"]}}},
    })  # fmt: skip


def parent(url: str = URL, p: Any = "p", **others: Any) -> dict[str, Any]:
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": {"P": p}}}
    outputs = {"Outputs": {"Of": {"Value": {"Fn::GetAtt": ["N", "Outputs.Echo"]}}}}
    return {**template(N=nested, **others), **outputs}


def child_of(user: User, name: str = "s") -> dict[str, Any]:
    return user.describe(user.resources(name)["N"]["PhysicalResourceId"])


def test_a_nested_stack_is_created_and_deleted_with_its_parent(user: User, control: Control) -> None:
    child(control)
    stack = user.create("s", parent(), Tags=[{"Key": "team", "Value": "a"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert user.outputs("s") == {"Of": "1-p"}
    nested = child_of(user)
    assert nested["StackName"].startswith("s-N-")
    assert (nested["ParentId"], nested["RootId"]) == (stack["StackId"], stack["StackId"])
    assert nested["Tags"] == [{"Key": "team", "Value": "a"}]
    assert control.things.things["thing-1"]["Tags"] == [{"Key": "team", "Value": "a"}]
    assert user.story("s") == [
        "CREATE_IN_PROGRESS",
        "N CREATE_IN_PROGRESS",
        f"N CREATE_IN_PROGRESS {nested['StackId']}",
        f"N CREATE_COMPLETE {nested['StackId']}",
        "CREATE_COMPLETE",
    ]
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert user.describe(nested["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_deletion_policies_of_nested_resources_apply(user: User, control: Control) -> None:
    child(control, policies={"DeletionPolicy": "Retain"})
    user.create("s", parent())
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert [one["Name"] for one in control.things.things.values()] == ["c"]


def test_an_update_of_the_parent_updates_the_child_and_its_outputs(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent())
    assert user.update("s", parent(p="q"))["StackStatus"] == "UPDATE_COMPLETE"
    assert user.outputs("s") == {"Of": "1-q"}
    # What stands at the same address changes, and nothing else.
    child(control, "2")
    assert user.update("s", parent(p="q"))["StackStatus"] == "UPDATE_COMPLETE"
    assert user.outputs("s") == {"Of": "2-q"}
    assert child_of(user)["StackStatus"] == "UPDATE_COMPLETE"
    assert list(control.things.things) == ["thing-1"]


def test_an_unchanged_child_is_not_updated(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent(A=thing(Name="a", Value="1")))
    assert user.update("s", parent(A=thing(Name="a", Value="2")))["StackStatus"] == "UPDATE_COMPLETE"
    assert child_of(user)["StackStatus"] == "CREATE_COMPLETE"
    assert control.things.calls.count(("update", "c")) == 0


def test_a_rollback_of_the_parent_rolls_the_child_back(user: User, control: Control) -> None:
    child(control)
    body: dict[str, Any] = {"A": {**thing(Name="a", Value="1"), "DependsOn": "N"}}
    user.create("s", parent(**body))
    child(control, "2", "https://other/child")
    control.things.orders.fail["update", "a"] = "before"
    new = parent("https://other/child", A={**thing(Name="a", Value="2"), "DependsOn": "N"})
    assert user.update("s", new)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "1-p"
    assert user.outputs("s") == {"Of": "1-p"}
    nested = child_of(user)
    assert nested["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert nested["Outputs"] == [{"OutputKey": "Echo", "OutputValue": "1-p"}]
    # Again, to see that what it goes back to is still known.
    control.things.orders.fail["update", "a"] = "before"
    assert user.update("s", new)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "1-p"


def test_a_failed_child_fails_its_parent(user: User, control: Control) -> None:
    child(control)
    control.things.orders.fail["create", "c"] = "after"
    stack = user.create("s", parent())
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "CREATE_FAILED"))
    nested = user.resources("s")["N"]["PhysicalResourceId"]
    assert reason == (
        f"Embedded stack {nested} was not successfully created: The following resource(s) failed to create: [C]. "
    )
    assert user.describe(nested)["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_a_failed_update_of_a_child_rolls_the_parent_back(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent())
    control.things.orders.fail["update", "c"] = "after"
    assert user.update("s", parent(p="q"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.things["thing-1"]["Value"] == "1-p"
    nested = child_of(user)
    assert nested["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "UPDATE_FAILED"))
    assert reason == (
        f"Embedded stack {nested['StackId']} was not successfully updated. Currently in UPDATE_ROLLBACK_IN_PROGRESS "
        "with reason: The following resource(s) failed to update: [C]. "
    )
    assert user.update("s", parent(p="q"))["StackStatus"] == "UPDATE_COMPLETE"


def test_a_missing_nested_template_fails_the_resource(user: User, control: Control) -> None:
    assert user.create("s", parent("https://nowhere/x"))["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "CREATE_FAILED"))
    assert reason == "S3 error: there is nothing at https://nowhere/x"
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"


def test_a_stack_that_nests_itself_fails_and_leaves_nothing(user: User, control: Control) -> None:
    """The names of the stacks grow until a name is too long. The rollback then deletes all of them."""
    control.documents[URL] = text(
        template(N={"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": URL}})
    )
    assert user.create("s", control.documents[URL])["StackStatus"] == "ROLLBACK_COMPLETE"
    live = [one for one in user.client.list_stacks()["StackSummaries"] if one["StackStatus"] != "DELETE_COMPLETE"]
    assert [one["StackName"] for one in live] == ["s"]


def test_a_child_that_cannot_be_deleted_fails_the_deletion_of_its_parent(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent())
    nested = child_of(user)["StackId"]
    control.things.orders.fail["delete", "c"] = "before"
    assert user.delete("s")["StackStatus"] == "DELETE_FAILED"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "DELETE_FAILED"))
    assert reason == (
        f"Embedded stack {nested} was not successfully deleted: The following resource(s) failed to delete: [C]. "
    )
    assert user.delete(user.describe("s")["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_a_rollback_does_not_touch_a_child_that_the_update_did_not_change(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent(A=thing(Name="a", Value="1"), p="p"))
    assert user.update("s", parent(A=thing(Name="a", Value="1"), p="q"))["StackStatus"] == "UPDATE_COMPLETE"
    child(control, url="https://other/child")
    control.things.orders.fail["update", "a"] = "before"
    failing = parent("https://other/child", A={**thing(Name="a", Value="2"), "DependsOn": "N"}, p="q")
    assert user.update("s", failing)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert child_of(user)["Outputs"] == [{"OutputKey": "Echo", "OutputValue": "1-q"}]


def test_a_child_with_a_changed_template_rolls_back_with_its_parent(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent(A=thing(Name="a", Value="1")))
    child(control, "2")
    control.things.orders.fail["update", "a"] = "before"
    failing = parent(A={**thing(Name="a", Value="2"), "DependsOn": "N"})
    assert user.update("s", failing)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert child_of(user)["Outputs"] == [{"OutputKey": "Echo", "OutputValue": "1-p"}]
    assert user.outputs("s") == {"Of": "1-p"}


def test_a_child_waits_for_the_end_of_the_root_update(user: User, control: Control) -> None:
    """An update or a deletion of the child alone is refused meanwhile."""
    child(control)
    user.create("s", parent(A=thing(Name="a", Value="1")))
    child(control, "2")
    event = control.things.orders.hang["update", "a"] = threading.Event()
    updated = parent(A={**thing(Name="a", Value="2"), "DependsOn": "N"})
    user.client.update_stack(StackName="s", TemplateBody=text(updated))
    user.reach("s", "A", "UPDATE_IN_PROGRESS")
    nested = child_of(user)
    assert nested["StackStatus"] == "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    state = f"Stack:{nested['StackId']} is in UPDATE_COMPLETE_CLEANUP_IN_PROGRESS state and can not be updated."
    request = {"StackName": nested["StackId"], "TemplateURL": URL}
    assert user.refused("update_stack", **request) == ("ValidationError", state)
    event.set()
    assert user.rest("s")["StackStatus"] == "UPDATE_COMPLETE"
    assert child_of(user)["StackStatus"] == "UPDATE_COMPLETE"


def frozen_child(control: Control, value: str, url: str = URL, removed: bool = False) -> None:
    """A child with a thing that another value replaces, and perhaps one that is removed."""
    resources = {"C": thing(Name="c", Frozen=value)}
    if not removed:
        resources["R"] = thing(Name="r")
    control.documents[url] = text({
        **template(**resources),
        "Outputs": {"Id": {"Value": {"Ref": "C"}}, "Echo": {"Value": "e"}},
    })  # fmt: skip


def frozen_parent(value: str, url: str = URL) -> dict[str, Any]:
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
    a = {**thing(Name="a", Value=value), "DependsOn": "N"}
    outputs = {"Outputs": {name: {"Value": {"Fn::GetAtt": ["N", f"Outputs.{name}"]}} for name in ("Id", "Echo")}}
    return {**template(N=nested, A=a), **outputs}


def test_a_rollback_of_the_parent_restores_replaced_and_removed_resources_of_the_child(
    user: User, control: Control
) -> None:
    frozen_child(control, "1")
    user.create("s", frozen_parent("1"))
    before, outputs = dict(control.things.things), user.outputs("s")
    frozen_child(control, "2", removed=True)
    control.things.orders.fail["update", "a"] = "before"
    assert user.update("s", frozen_parent("2"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.things == before
    assert user.outputs("s") == outputs
    assert {name: one["PhysicalResourceId"] for name, one in user.resources(child_of(user)["StackId"]).items()} == {
        "C": outputs["Id"], "R": next(key for key, one in before.items() if one["Name"] == "r")}  # fmt: skip
    assert child_of(user)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    # The same update succeeds afterwards.
    assert user.update("s", frozen_parent("2"))["StackStatus"] == "UPDATE_COMPLETE"
    assert sorted((one["Name"], one.get("Frozen")) for one in control.things.things.values()) == [
        ("a", None), ("c", "2")]  # fmt: skip
    assert user.outputs("s")["Id"] in control.things.things


def test_replaced_resources_of_a_child_are_deleted_in_the_clean_up_of_the_root(user: User, control: Control) -> None:
    """The clean-up of a grandchild also follows the end of the root's update."""
    inner = "https://bucket.s3.amazonaws.com/inner.yaml"
    frozen_child(control, "1", inner)
    control.documents[URL] = text(frozen_parent("1", inner))
    user.create("s", frozen_parent("1"))
    frozen_child(control, "2", inner, removed=True)
    before = control.things.things.keys() - set()
    event = control.things.orders.hang["update", "a"] = threading.Event()
    user.client.update_stack(StackName="s", TemplateBody=text(frozen_parent("2")))
    user.reach("s", "A", "UPDATE_IN_PROGRESS")
    assert before < control.things.things.keys()
    event.set()
    assert user.rest("s")["StackStatus"] == "UPDATE_COMPLETE"
    middle = child_of(user)
    grandchild = user.describe(user.resources(middle["StackId"])["N"]["PhysicalResourceId"])
    assert [middle["StackStatus"], grandchild["StackStatus"]] == ["UPDATE_COMPLETE"] * 2
    deletions = [one for one in user.history(grandchild["StackId"]) if one["ResourceStatus"].startswith("DELETE_")]
    assert [one["LogicalResourceId"] for one in deletions if one["ResourceStatus"] == "DELETE_COMPLETE"] != []
    assert sorted((one["Name"], one.get("Frozen")) for one in control.things.things.values()) == [
        ("a", None), ("a", None), ("c", "2")]  # fmt: skip


def test_a_failed_parent_keeps_replaced_resources_of_its_child_until_its_rollback(
    user: User, control: Control
) -> None:
    frozen_child(control, "1")
    user.create("s", frozen_parent("1"))
    before = dict(control.things.things)
    frozen_child(control, "2")
    control.things.orders.fail["update", "a"] = "before"
    assert user.update("s", frozen_parent("2"), DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    # Another update that fails goes on from there.
    frozen_child(control, "3")
    control.things.orders.fail["update", "a"] = "before"
    assert user.update("s", frozen_parent("3"), DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    user.client.rollback_stack(StackName="s")
    assert user.rest("s")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert control.things.things == before
    assert user.outputs("s")["Id"] in before


def test_deleting_a_failed_parent_deletes_all_resources(user: User, control: Control) -> None:
    frozen_child(control, "1")
    user.create("s", frozen_parent("1"))
    frozen_child(control, "2")
    control.things.orders.fail["update", "a"] = "before"
    assert user.update("s", frozen_parent("2"), DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_outputs_after_a_rollback_refer_to_recreated_resources(user: User, control: Control) -> None:
    """A resource that is deleted before its replacement is created has another identifier after the rollback."""

    def body(value: str) -> dict[str, Any]:
        resources = template(L=thing("Lone", Name="l", Frozen=value),
                             A={**thing(Name="a", Value=value), "DependsOn": "L"})  # fmt: skip
        return {**resources, "Outputs": {"Id": {"Value": {"Ref": "L"}}}}

    user.create("s", body("1"))
    control.things.orders.fail["update", "a"] = "before"
    assert user.update("s", body("2"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert user.outputs("s")["Id"] in control.things.things


def test_the_time_limit_of_a_parent_ends_the_wait_for_its_child(user: User, control: Control) -> None:
    child(control)
    control.things.orders.wait["create", "c"] = 3600
    user.client.create_stack(StackName="s", TemplateBody=text(parent()), TimeoutInMinutes=1)
    user.reach("s", "N", "CREATE_IN_PROGRESS")
    eventually(lambda: ("create", "c") in control.things.calls)
    control.clock.forward(61)
    assert user.rest("s")["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = {
        name: reason for name, status, reason in user.events("s") if status.endswith(("FAILED", "K_IN_PROGRESS"))
    }
    assert reasons["N"] == "Resource creation cancelled"
    assert reasons["s"] == "Stack creation time exceeded the specified timeout. Rollback requested by user."
    assert control.things.things == {}


def test_cancelling_the_update_of_a_parent_cancels_the_update_of_its_child(user: User, control: Control) -> None:
    child(control)
    user.create("s", parent())
    control.things.orders.wait["update", "c"] = 3600
    user.client.update_stack(StackName="s", TemplateBody=text(parent(p="q")))
    nested = child_of(user)["StackId"]
    user.reach(nested, "C", "UPDATE_IN_PROGRESS")
    user.client.cancel_update_stack(StackName="s")
    assert user.rest("s")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert user.rest(nested)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert user.outputs("s") == {"Of": "1-p"}
