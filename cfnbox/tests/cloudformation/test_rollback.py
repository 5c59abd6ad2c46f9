"""Creates and updates that fail: what is rolled back, what is kept, and how a user continues."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User


def pair(a: str, b: str, **more: Any) -> dict[str, Any]:
    """B needs A."""
    return template(A=thing(Name="a", Value=a, **more), B=thing(Name="b", Value=b, depends_on="A", **more))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_failed_create_deletes_its_resources(user: User, control: Control, moment: str) -> None:
    control.things.orders.fail["create", "b"] = moment
    assert user.create("s", pair("1", "1"))["StackStatus"] == "ROLLBACK_COMPLETE"
    identified = moment == "after"
    assert user.story("s") == [
        "CREATE_IN_PROGRESS",
        "A CREATE_IN_PROGRESS",
        "A CREATE_IN_PROGRESS thing-1",
        "A CREATE_COMPLETE thing-1",
        "B CREATE_IN_PROGRESS",
        *(["B CREATE_IN_PROGRESS thing-2", "B CREATE_FAILED thing-2"] if identified else ["B CREATE_FAILED"]),
        "ROLLBACK_IN_PROGRESS",
        *(["B DELETE_IN_PROGRESS thing-2", "B DELETE_COMPLETE thing-2"] if identified else ["B DELETE_COMPLETE"]),
        "A DELETE_IN_PROGRESS thing-1",
        "A DELETE_COMPLETE thing-1",
        "ROLLBACK_COMPLETE",
    ]
    reasons = {one[1]: one[2] for one in user.events("s") if one[2]}
    assert reasons["ROLLBACK_IN_PROGRESS"] == (
        "The following resource(s) failed to create: [B]. Rollback requested by user."
    )
    assert reasons["CREATE_FAILED"].startswith("The create of a thing failed")
    assert control.things.things == {}


KEPT = {
    ("Retain", "a"): True,
    ("RetainExceptOnCreate", "a"): False,
    ("Delete", "a"): False,
    # What failed after it told its identifier is kept by Retain as well.
    ("Retain", "b"): True,
    ("RetainExceptOnCreate", "b"): False,
}


@pytest.mark.parametrize(("policy", "which"), KEPT)
def test_deletion_policies_apply_to_the_rollback_of_a_create(
    user: User, control: Control, policy: str, which: str
) -> None:
    body = pair("1", "1")
    body["Resources"][which.upper()]["DeletionPolicy"] = policy
    control.things.orders.fail["create", "b"] = "after"
    assert user.create("s", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    kept = [one["Name"] for one in control.things.things.values()]
    assert kept == ([which] if KEPT[policy, which] else [])
    skipped = [one for one in user.story("s") if "DELETE_SKIPPED" in one]
    assert len(skipped) == len(kept)


@pytest.mark.parametrize("how", ["create", "rollback", "change set"])
def test_retain_except_on_create_deletes_new_resources_in_a_rollback(user: User, control: Control, how: str) -> None:
    """The option turns Retain into RetainExceptOnCreate: a rollback deletes new resources."""
    body = pair("1", "1", policies={"DeletionPolicy": "Retain"})
    control.things.orders.fail["create", "b"] = "after"
    if how == "create":
        user.create("s", body, RetainExceptOnCreate=True)
    elif how == "rollback":
        user.create("s", body, DisableRollback=True)
        user.client.rollback_stack(StackName="s", RetainExceptOnCreate=True)
    else:
        user.execute(user.change_set("s", body, ChangeSetType="CREATE"), RetainExceptOnCreate=True)
    assert user.rest("s")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert control.things.things == {}


ENDS = {
    "ROLLBACK": ({"OnFailure": "ROLLBACK"}, "ROLLBACK_COMPLETE", 0),
    "DO_NOTHING": ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED", 2),
    "DELETE": ({"OnFailure": "DELETE"}, "DELETE_COMPLETE", 0),
    "DisableRollback": ({"DisableRollback": True}, "CREATE_FAILED", 2),
}


@pytest.mark.parametrize(("options", "status", "left"), ENDS.values(), ids=ENDS)
def test_on_failure_decides_the_status_and_the_remaining_resources(
    user: User, control: Control, options: dict[str, Any], status: str, left: int
) -> None:
    control.things.orders.fail["create", "b"] = "after"
    assert user.create("s", pair("1", "1"), **options)["StackStatus"] == status
    assert len(control.things.things) == left


def test_on_failure_together_with_disable_rollback_is_refused(user: User) -> None:
    refusal = user.refused("create_stack", StackName="s", TemplateBody=json.dumps(pair("1", "1")), OnFailure="DELETE",
                           DisableRollback=True)  # fmt: skip
    assert refusal == (
        "ValidationError", "You can specify either OnFailure or DisableRollback, but not both.")  # fmt: skip


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_failed_update_restores_the_previous_properties(user: User, control: Control, moment: str) -> None:
    user.create("s", pair("1", "1"))
    told = len(user.history("s"))
    control.things.orders.fail["update", "b"] = moment
    assert user.update("s", pair("2", "2"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [one["Value"] for one in control.things.things.values()] == ["1", "1"]
    assert user.story("s", told) == [
        "UPDATE_IN_PROGRESS",
        "A UPDATE_IN_PROGRESS thing-1",
        "A UPDATE_COMPLETE thing-1",
        "B UPDATE_IN_PROGRESS thing-2",
        "B UPDATE_FAILED thing-2",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "A UPDATE_IN_PROGRESS thing-1",
        "A UPDATE_COMPLETE thing-1",
        "B UPDATE_IN_PROGRESS thing-2",
        "B UPDATE_COMPLETE thing-2",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
    ]
    reasons = {one[1]: one[2] for one in user.events("s")[told:] if one[2]}
    assert reasons["UPDATE_ROLLBACK_IN_PROGRESS"] == "The following resource(s) failed to update: [B]. "
    assert control.things.calls.count(("update", "b")) == 2


def test_a_failed_update_deletes_new_resources_and_keeps_removed_resources(user: User, control: Control) -> None:
    before = template(A=thing(Name="a"), Old=thing(Name="old", depends_on="A"))
    user.create("s", {**before, "Outputs": {"O": {"Value": "before"}}})
    control.things.orders.fail["create", "bad"] = "before"
    after = template(A=thing(Name="a", Frozen="2"), New=thing(Name="new", depends_on="A"),
                     Bad=thing(Name="bad", depends_on="New"))  # fmt: skip
    told = len(user.history("s"))
    stack = user.update("s", {**after, "Outputs": {"O": {"Value": "after"}}})
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert sorted(one["Name"] for one in control.things.things.values()) == ["a", "old"]
    assert "thing-1" in control.things.things
    assert user.outputs("s") == {"O": "before"}
    assert user.resources("s").keys() == {"A", "Old"}
    assert user.client.get_template(StackName="s")["TemplateBody"]["Resources"].keys() == {"A", "Old"}
    story = user.story("s", told)
    cleaning = story.index("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
    assert story.index("A UPDATE_COMPLETE thing-1") < cleaning
    assert sorted(one for one in story[cleaning:] if "DELETE_COMPLETE" in one) == [
        "A DELETE_COMPLETE thing-3", "Bad DELETE_COMPLETE", "New DELETE_COMPLETE thing-4"]  # fmt: skip
    # The stack goes on from what it was.
    assert user.update("s", template(A=thing(Name="a", Value="3")))["StackStatus"] == "UPDATE_COMPLETE"


def test_a_rollback_recreates_a_resource_that_was_deleted_before_its_replacement(
    user: User, control: Control
) -> None:
    def written(value: str, b: str) -> dict[str, Any]:
        return template(A=thing("Lone", Name="a", Frozen=value), B=thing(Name="b", Value=b, Needs=[{"Ref": "A"}]))

    user.create("s", written("1", "1"))
    control.things.orders.fail["update", "b"] = "before"
    assert user.update("s", written("2", "2"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    remade = user.resources("s")["A"]["PhysicalResourceId"]
    assert remade not in ("thing-1", "thing-3")
    assert control.things.things[remade]["Frozen"] == "1"
    assert control.things.things["thing-2"]["Needs"] == [remade]
    assert len(control.things.things) == 2


def test_a_stack_in_rollback_complete_can_only_be_deleted(user: User, control: Control) -> None:
    control.things.orders.fail["create", "b"] = "before"
    stack = user.create("s", pair("1", "1"))
    body = json.dumps(pair("1", "2"))
    sentence = f"Stack:{stack['StackId']} is in ROLLBACK_COMPLETE state and can not be updated."
    expected = ("ValidationError", sentence)
    assert user.refused("update_stack", StackName="s", TemplateBody=body) == expected
    assert user.refused("create_change_set", StackName="s", ChangeSetName="c", TemplateBody=body) == expected
    for operation in ("rollback_stack", "cancel_update_stack", "continue_update_rollback"):
        code, sentence = user.refused(operation, StackName="s")
        assert (code, sentence.split()[1:]) == (
            "ValidationError", ["cannot", "be", "called", "from", "current", "stack", "status"])  # fmt: skip
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"


def test_an_update_continues_from_create_failed(user: User, control: Control) -> None:
    control.things.orders.fail["create", "b"] = "after"
    assert user.create("s", pair("1", "1"), OnFailure="DO_NOTHING")["StackStatus"] == "CREATE_FAILED"
    told = len(user.history("s"))
    assert user.update("s", pair("1", "1"))["StackStatus"] == "UPDATE_COMPLETE"
    assert user.story("s", told) == [
        "UPDATE_IN_PROGRESS",
        "B CREATE_IN_PROGRESS",
        "B CREATE_IN_PROGRESS thing-3",
        "B CREATE_COMPLETE thing-3",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "B DELETE_IN_PROGRESS thing-2",
        "B DELETE_COMPLETE thing-2",
        "UPDATE_COMPLETE",
    ]
    assert sorted(control.things.things) == ["thing-1", "thing-3"]


def test_an_update_continues_from_update_failed(user: User, control: Control) -> None:
    user.create("s", pair("1", "1"))
    control.things.orders.fail["update", "b"] = "after"
    stack = user.update("s", pair("2", "2"), DisableRollback=True)
    assert (stack["StackStatus"], stack["StackStatusReason"]) == (
        "UPDATE_FAILED", "The following resource(s) failed to update: [B]. ")  # fmt: skip
    told = len(user.history("s"))
    assert user.update("s", pair("2", "2"))["StackStatus"] == "UPDATE_COMPLETE"
    assert user.story("s", told)[1:3] == ["B UPDATE_IN_PROGRESS thing-2", "B UPDATE_COMPLETE thing-2"]
    assert [one["Value"] for one in control.things.things.values()] == ["2", "2"]


@pytest.mark.parametrize("state", ["CREATE_FAILED", "UPDATE_FAILED"])
def test_rollback_stack_rolls_back_a_failed_create_or_update(user: User, control: Control, state: str) -> None:
    if state == "CREATE_FAILED":
        control.things.orders.fail["create", "b"] = "after"
        user.create("s", pair("1", "1"), DisableRollback=True)
    else:
        user.create("s", pair("1", "1"))
        control.things.orders.fail["update", "b"] = "after"
        user.update("s", pair("2", "2"), DisableRollback=True)
    assert user.describe("s")["StackStatus"] == state
    answer = user.client.rollback_stack(StackName="s")
    assert answer["StackId"] == user.describe("s")["StackId"]
    created = state == "CREATE_FAILED"
    assert user.rest("s")["StackStatus"] == ("ROLLBACK_COMPLETE" if created else "UPDATE_ROLLBACK_COMPLETE")
    assert [one["Value"] for one in control.things.things.values()] == ([] if created else ["1", "1"])


def test_cancel_update_stack_rolls_the_update_back(user: User, control: Control) -> None:
    user.create("s", pair("1", "1"))
    control.things.orders.hang["update", "a"] = released = threading.Event()
    user.client.update_stack(StackName="s", TemplateBody=json.dumps(pair("2", "2")))
    user.reach("s", "A", "UPDATE_IN_PROGRESS")
    user.client.cancel_update_stack(StackName="s")
    released.set()
    assert user.rest("s")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert ("s", "UPDATE_ROLLBACK_IN_PROGRESS", "Update cancelled. Rollback requested by user.") in [
        (one[0], one[1], one[2]) for one in user.events("s")
    ]
    assert [one["Value"] for one in control.things.things.values()] == ["1", "1"]
    assert ("update", "b") not in control.things.calls


def test_cancel_update_stack_ends_a_waiting_handler(user: User, control: Control) -> None:
    user.create("s", pair("1", "1"))
    control.things.orders.wait["update", "a"] = 60
    user.client.update_stack(StackName="s", TemplateBody=json.dumps(pair("2", "2")))
    user.reach("s", "A", "UPDATE_IN_PROGRESS")
    user.client.cancel_update_stack(StackName="s")
    user.reach("s", "s", "UPDATE_ROLLBACK_IN_PROGRESS")
    assert ("A", "UPDATE_FAILED", "Resource update cancelled") in user.events("s")


def failed_rollback(user: User, control: Control) -> dict[str, Any]:
    user.create("s", pair("1", "1"))
    control.things.orders.fail["update", "b"] = "before"
    released = control.things.orders.hang["update", "b"] = threading.Event()
    user.client.update_stack(StackName="s", TemplateBody=json.dumps(pair("2", "2")))
    user.reach("s", "B", "UPDATE_IN_PROGRESS")
    control.things.orders.fail["update", "a"] = "before"
    released.set()
    return user.rest("s")


def test_continue_update_rollback_completes_a_failed_rollback(user: User, control: Control) -> None:
    stack = failed_rollback(user, control)
    assert (stack["StackStatus"], stack["StackStatusReason"]) == (
        "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update: [A]. ")  # fmt: skip
    body = json.dumps(pair("3", "3"))
    assert user.refused("update_stack", StackName="s", TemplateBody=body)[1].endswith(
        "is in UPDATE_ROLLBACK_FAILED state and can not be updated."
    )
    user.client.continue_update_rollback(StackName="s")
    assert user.rest("s")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [one["Value"] for one in control.things.things.values()] == ["1", "1"]


def test_continue_update_rollback_with_resources_to_skip(user: User, control: Control) -> None:
    failed_rollback(user, control)
    code, sentence = user.refused("continue_update_rollback", StackName="s", ResourcesToSkip=["Z"])
    assert (code, sentence.startswith("Resource(s) [Z] cannot be skipped")) == ("ValidationError", True)
    user.client.continue_update_rollback(StackName="s", ResourcesToSkip=["A"])
    assert user.rest("s")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    # Nobody touched A: it is as the failed update left it, and the stack takes it for what it was.
    assert control.things.things["thing-1"]["Value"] == "2"
    assert control.things.things["thing-2"]["Value"] == "1"
    assert user.resources("s")["A"]["ResourceStatus"] == "UPDATE_COMPLETE"


ASTONISHING: dict[str, Any] = {
    "nothing": None,
    "a text": "thing",
    "an exception of Python": ValueError("a secret that must stay hidden"),
    "the end of the process": SystemExit(3),
    "no memory": MemoryError(),
    "a stop of iteration": StopIteration(),
}


@pytest.mark.parametrize("answer", ASTONISHING.values(), ids=ASTONISHING)
@pytest.mark.parametrize("action", ["create", "update"])
def test_an_invalid_result_of_a_provider_fails_the_resource(
    user: User, control: Control, answer: Any, action: str
) -> None:
    """The operation ends without a traceback, and the stack can be deleted."""
    if action == "update":
        user.create("s", pair("1", "1"))
    control.things.orders.astonish[action, "b"] = answer
    if action == "create":
        stack = user.create("s", pair("1", "1"))
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    else:
        stack = user.update("s", pair("2", "2"))
        assert stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("B", f"{action.upper()}_FAILED"))
    assert "provider of Acme::Store::Thing" in reason
    assert "secret" not in str(user.events("s"))
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_an_error_of_a_provider_during_delete_fails_the_deletion(user: User, control: Control) -> None:
    user.create("s", pair("1", "1"))
    control.things.orders.astonish["delete", "b"] = SystemExit(3)
    assert user.delete("s")["StackStatus"] == "DELETE_FAILED"
    del control.things.orders.astonish["delete", "b"]
    assert user.delete(user.describe("s")["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}
