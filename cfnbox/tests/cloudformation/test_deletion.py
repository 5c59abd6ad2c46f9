"""DeleteStack: of complete, running and protected stacks, and with resources that cannot be deleted."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from cloudformation.conftest import template, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

CHAIN = template(A=thing(Name="a"), B=thing(Name="b", depends_on="A"))


def test_the_events_of_a_deletion(user: User, control: Control) -> None:
    user.create("s", CHAIN)
    told = len(user.history("s"))
    stack = user.delete("s")
    assert stack["StackStatus"] == "DELETE_COMPLETE"
    assert stack["DeletionTime"] >= stack["CreationTime"]
    assert user.story(stack["StackId"], told) == [
        "DELETE_IN_PROGRESS",
        "B DELETE_IN_PROGRESS thing-2",
        "B DELETE_COMPLETE thing-2",
        "A DELETE_IN_PROGRESS thing-1",
        "A DELETE_COMPLETE thing-1",
        "DELETE_COMPLETE",
    ]
    assert control.things.things == {}
    # Its id still leads to its history, its name to nothing.
    assert user.refused("describe_stacks", StackName="s") == ("ValidationError", "Stack with id s does not exist")
    assert user.client.describe_stacks()["Stacks"] == []
    assert [one["StackStatus"] for one in user.client.list_stacks()["StackSummaries"]] == ["DELETE_COMPLETE"]
    user.client.delete_stack(StackName=stack["StackId"])
    assert user.describe(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_deleting_a_stack_that_does_not_exist_succeeds(user: User) -> None:
    user.client.delete_stack(StackName="missing")


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
def test_a_resource_with_a_retaining_deletion_policy_is_kept(user: User, control: Control, policy: str) -> None:
    body = template(A=thing(Name="a", policies={"DeletionPolicy": policy}), B=thing(Name="b", depends_on="A"))
    user.create("s", body)
    told = len(user.history("s"))
    stack = user.delete("s")
    assert stack["StackStatus"] == "DELETE_COMPLETE"
    assert [one["Name"] for one in control.things.things.values()] == ["a"]
    assert "A DELETE_SKIPPED thing-1" in user.story(stack["StackId"], told)


@pytest.mark.parametrize("moment", ["create", "rollback"])
def test_deletion_during_a_create_or_its_rollback_deletes_everything(
    user: User, control: Control, moment: str
) -> None:
    """Running work is stopped, running handlers are awaited, everything is deleted, and no resource reappears."""
    orders = control.things.orders
    if moment == "create":
        released = orders.hang["create", "a"] = threading.Event()
    else:
        orders.fail["create", "b"] = "after"
        released = orders.hang["delete", "b"] = threading.Event()
    user.client.create_stack(StackName="s", TemplateBody=json.dumps(CHAIN))
    user.reach("s", "A" if moment == "create" else "B", f"{'CREATE' if moment == 'create' else 'DELETE'}_IN_PROGRESS")
    stack_id = user.describe("s")["StackId"]
    user.client.delete_stack(StackName="s")
    assert user.describe("s")["StackStatus"] == "DELETE_IN_PROGRESS"
    released.set()
    assert user.rest(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}
    own = [one for one in user.story(stack_id) if " " not in one]
    assert own[-2:] == ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
    assert ("create", "b") not in control.things.calls or moment == "rollback"
    assert len(own) == (3 if moment == "create" else 4)


def test_deletion_during_an_update_is_refused(user: User, control: Control) -> None:
    user.create("s", CHAIN)
    released = control.things.orders.hang["update", "a"] = threading.Event()
    user.client.update_stack(StackName="s", TemplateBody=json.dumps(template(A=thing(Name="a", Value="2"))))
    user.reach("s", "A", "UPDATE_IN_PROGRESS")
    stack_id = user.describe("s")["StackId"]
    assert user.refused("delete_stack", StackName="s") == (
        "ValidationError", f"Stack [{stack_id}] cannot be deleted while in status UPDATE_IN_PROGRESS")  # fmt: skip
    released.set()
    assert user.rest("s")["StackStatus"] == "UPDATE_COMPLETE"
    assert list(control.things.things) == ["thing-1"]


def test_concurrent_deletions_of_a_stack_are_one_deletion(user: User, control: Control) -> None:
    user.create("s", CHAIN)
    stack_id = user.describe("s")["StackId"]
    released = control.things.orders.hang["delete", "b"] = threading.Event()
    for _ in range(3):
        user.client.delete_stack(StackName="s")
    released.set()
    user.rest(stack_id)
    assert user.story(stack_id).count("DELETE_IN_PROGRESS") == 1
    assert control.things.calls.count(("delete", "b")) == 1


def test_termination_protection_prevents_deletion(user: User, control: Control) -> None:
    stack = user.create("s", CHAIN, EnableTerminationProtection=True)
    assert stack["EnableTerminationProtection"] is True
    assert user.refused("delete_stack", StackName="s") == (
        "ValidationError", "Stack [s] cannot be deleted while TerminationProtection is enabled")  # fmt: skip
    assert len(control.things.things) == 2
    answer = user.client.update_termination_protection(StackName="s", EnableTerminationProtection=False)
    assert answer["StackId"] == stack["StackId"]
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"


def test_a_resource_that_cannot_be_deleted_can_be_retained(user: User, control: Control) -> None:
    user.create("s", CHAIN)
    stack_id = user.describe("s")["StackId"]
    assert user.refused("delete_stack", StackName="s", RetainResources=["A"])[0] == "ValidationError"
    control.things.orders.fail["delete", "b"] = "before"
    stack = user.delete("s")
    assert (stack["StackStatus"], stack["StackStatusReason"]) == (
        "DELETE_FAILED", "The following resource(s) failed to delete: [B]. ")  # fmt: skip
    assert user.resources("s")["B"]["ResourceStatus"] == "DELETE_FAILED"
    # What B needs stays while B does.
    assert sorted(control.things.things) == ["thing-1", "thing-2"]
    assert user.refused("delete_stack", StackName="s", RetainResources=["Z"])[0] == "ValidationError"
    user.client.delete_stack(StackName="s", RetainResources=["B"])
    assert user.rest(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert [one["Name"] for one in control.things.things.values()] == ["b"]


def test_force_delete_stack_keeps_resources_that_cannot_be_deleted(user: User, control: Control) -> None:
    user.create("s", CHAIN)
    stack_id = user.describe("s")["StackId"]
    control.things.orders.fail["delete", "b"] = "before"
    user.delete("s")
    control.things.orders.fail["delete", "b"] = "before"
    user.client.delete_stack(StackName="s", DeletionMode="FORCE_DELETE_STACK")
    assert user.rest(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert "thing-2" in control.things.things


def test_resources_deleted_outside_of_cloudformation_do_not_fail_a_deletion(user: User, control: Control) -> None:
    user.create("s", CHAIN)
    control.things.things.clear()
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"


def test_the_name_of_a_deleted_stack_can_be_used_again(user: User) -> None:
    first = user.create("s", CHAIN)["StackId"]
    user.delete("s")
    second = user.create("s", CHAIN)["StackId"]
    assert first != second
    assert [user.describe(one)["StackStatus"] for one in (first, second)] == ["DELETE_COMPLETE", "CREATE_COMPLETE"]
