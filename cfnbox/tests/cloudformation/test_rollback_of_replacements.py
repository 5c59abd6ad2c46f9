"""Rollbacks after failed replacements and deletions: the resources of the stack, and events for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User


@pytest.mark.parametrize("then", ["update", "rollback", "delete"])
def test_a_resource_deleted_before_a_failed_replacement_is_created_again(
    user: User, control: Control, then: str
) -> None:
    """The stack does not list the deleted resource. An update or a rollback creates the missing resource."""
    user.create("s", template(M=thing("Lone", Name="m", Frozen="1")))
    control.things.orders.fail["create", "m"] = "before"
    new = template(M=thing("Lone", Name="m", Frozen="2"))
    assert user.update("s", new, DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    assert control.things.things == {}
    if then == "update":
        assert user.update("s", new)["StackStatus"] == "UPDATE_COMPLETE"
    elif then == "rollback":
        user.client.rollback_stack(StackName="s")
        assert user.rest("s")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    else:
        assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
        assert control.things.calls.count(("delete", "m")) == 1
        return
    made = user.resources("s")["M"]["PhysicalResourceId"]
    assert list(control.things.things) == [made]
    assert control.things.things[made]["Frozen"] == ("2" if then == "update" else "1")


def test_two_failed_replacements_keep_the_previous_resource_in_the_stack(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a", Frozen="1")))
    control.things.orders.fail["create", "a"] = "after"
    assert user.update("s", template(A=thing(Name="a", Frozen="2")), DisableRollback=True)["StackStatus"] == (
        "UPDATE_FAILED")  # fmt: skip
    control.things.orders.fail["create", "a"] = "before"
    assert user.update("s", template(A=thing(Name="a", Frozen="3")))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert user.resources("s")["A"]["PhysicalResourceId"] == "thing-1"
    assert list(control.things.things) == ["thing-1"]


def test_a_rollback_restores_properties_updated_before_the_replacement(user: User, control: Control) -> None:
    def written(value: str, frozen: str, other: str) -> dict[str, Any]:
        return template(A=thing(Name="a", Value=value, Frozen=frozen), B=thing(Name="b", Value=other, depends_on="A"))

    user.create("s", written("1", "1", "1"))
    control.things.orders.fail["update", "b"] = "before"
    assert user.update("s", written("2", "1", "2"), DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    control.things.orders.fail["update", "b"] = "before"
    assert user.update("s", written("2", "2", "2"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert {key: one["Value"] for key, one in control.things.things.items()} == {"thing-1": "1", "thing-2": "1"}


ADDING = template(A=thing(Name="a", Value="2", depends_on="D"), B=thing(Name="b"), D=thing(Name="d", depends_on="B"))


def test_a_resource_that_a_rollback_cannot_delete_has_a_delete_failed_event(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a")))
    control.things.orders.fail["update", "a"] = "before"
    control.things.orders.astonish["delete", "d"] = ValueError("a secret")
    assert user.update("s", ADDING)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert sorted(one["Name"] for one in control.things.things.values()) == ["a", "d"]
    last = {one[0]: one[1] for one in user.events("s")}
    assert (last["B"], last["D"]) == ("DELETE_COMPLETE", "DELETE_FAILED")
    assert user.resources("s").keys() == {"A"}


def test_a_rollback_tries_again_to_delete_resources_of_the_update(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a")))
    control.things.orders.fail.update({("update", "a"): "before", ("delete", "d"): "before"})
    assert user.update("s", ADDING)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [one["Name"] for one in control.things.things.values()] == ["a"]
