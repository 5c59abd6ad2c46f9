"""Replacement: the changes that cause it, the order of its steps, and the deletion of the previous resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

# Type, properties before and after, and what a change set says of it: whether it replaces.
REPLACED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "create-only": ("Thing", {"Frozen": "1"}, {"Frozen": "2"}),
    "create-only, added": ("Thing", {}, {"Frozen": "2"}),
    "create-only in every item of a list": (
        "Thing", {"Parts": [{"Key": "1"}, {"Key": "2"}]}, {"Parts": [{"Key": "1"}, {"Key": "3"}]}),
    "no update handler": ("Fixed", {"Value": "1"}, {"Value": "2"}),
    "delete then create": ("Lone", {"Frozen": "1"}, {"Frozen": "2"}),
}  # fmt: skip
KEPT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "not create-only": ({"Value": "1"}, {"Value": "2"}),
    "beside what is create-only": ({"Parts": [{"Key": "1"}]}, {"Parts": [{"Key": "1", "More": "1"}]}),
}


@pytest.mark.parametrize(("kind", "before", "after"), REPLACED.values(), ids=REPLACED)
def test_a_changed_create_only_property_replaces_the_resource(
    user: User, control: Control, kind: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    user.create("s", template(M=thing(kind, Name="m", **before)))
    new = template(M=thing(kind, Name="m", **after))
    change_set = user.change_set("s", new)
    assert user.changes(change_set) == {"M": "Modify True"}
    assert change_set["Changes"][0]["ResourceChange"]["PolicyAction"] == "ReplaceAndDelete"
    user.execute(change_set)
    assert user.resources("s")["M"]["PhysicalResourceId"] == "thing-2"
    assert list(control.things.things) == ["thing-2"]


@pytest.mark.parametrize(("before", "after"), KEPT.values(), ids=KEPT)
def test_a_changed_updatable_property_updates_the_resource_in_place(
    user: User, control: Control, before: dict[str, Any], after: dict[str, Any]
) -> None:
    user.create("s", template(M=thing(Name="m", **before)))
    change_set = user.change_set("s", template(M=thing(Name="m", **after)))
    assert user.changes(change_set) == {"M": "Modify False"}
    assert "PolicyAction" not in change_set["Changes"][0]["ResourceChange"]
    user.execute(change_set)
    assert list(control.things.things) == ["thing-1"]


def test_a_replacement_is_created_first_and_the_previous_resource_deleted_last(user: User, control: Control) -> None:
    def written(value: str) -> dict[str, Any]:
        return template(A=thing(Name="a", Frozen=value), B=thing(Name="b", Needs=[{"Ref": "A"}]))

    user.create("s", written("1"))
    told = len(user.history("s"))
    user.update("s", written("2"))
    assert user.story("s", told) == [
        "UPDATE_IN_PROGRESS",
        "A UPDATE_IN_PROGRESS thing-1",
        "A UPDATE_IN_PROGRESS thing-3",
        "A UPDATE_COMPLETE thing-3",
        "B UPDATE_IN_PROGRESS thing-2",
        "B UPDATE_COMPLETE thing-2",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "A DELETE_IN_PROGRESS thing-1",
        "A DELETE_COMPLETE thing-1",
        "UPDATE_COMPLETE",
    ]
    reasons = [one[2] for one in user.events("s")[told:]]
    assert reasons[1:3] == [
        "Requested update requires the creation of a new physical resource; hence creating one.",
        "Resource creation Initiated",
    ]
    assert control.things.things["thing-2"]["Needs"] == ["thing-3"]


def test_delete_then_create_deletes_the_previous_resource_first(user: User, control: Control) -> None:
    user.create("s", template(M=thing("Lone", Name="m", Frozen="1")))
    told = len(user.history("s"))
    user.update("s", template(M=thing("Lone", Name="m", Frozen="2")))
    assert control.things.calls == [("create", "m"), ("delete", "m"), ("create", "m")]
    assert user.story("s", told) == [
        "UPDATE_IN_PROGRESS",
        "M UPDATE_IN_PROGRESS thing-1",
        "M DELETE_IN_PROGRESS thing-1",
        "M DELETE_COMPLETE thing-1",
        "M UPDATE_IN_PROGRESS thing-2",
        "M UPDATE_COMPLETE thing-2",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_COMPLETE",
    ]


def test_a_conditional_create_only_property_is_updated_or_replaced(user: User, control: Control) -> None:
    """conditionalCreateOnlyProperties: the update is tried, and NotUpdatable causes a replacement."""
    user.create("s", template(M=thing(Name="m", Perhaps="1")))
    change_set = user.change_set("s", template(M=thing(Name="m", Perhaps="2")))
    assert user.changes(change_set) == {"M": "Modify Conditional"}
    user.execute(change_set)
    assert list(control.things.things) == ["thing-1"]
    control.things.orders.fail["update", "m"] = "before"
    control.things.orders.codes["update", "m"] = "NotUpdatable"
    assert user.update("s", template(M=thing(Name="m", Perhaps="3")))["StackStatus"] == "UPDATE_COMPLETE"
    assert list(control.things.things) == ["thing-2"]


def test_not_updatable_fails_the_update_of_an_unconditional_property(user: User, control: Control) -> None:
    user.create("s", template(M=thing(Name="m", Value="1")))
    control.things.orders.fail["update", "m"] = "before"
    control.things.orders.codes["update", "m"] = "NotUpdatable"
    assert user.update("s", template(M=thing(Name="m", Value="2")))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


@pytest.mark.parametrize("kind", ["Thing", "Lone"])
def test_update_replace_policy_retain_keeps_the_previous_resource(user: User, control: Control, kind: str) -> None:
    policies = {"UpdateReplacePolicy": "Retain"}
    user.create("s", template(M=thing(kind, Name="m", Frozen="1", policies=policies)))
    new = template(M=thing(kind, Name="m", Frozen="2", policies=policies))
    change_set = user.change_set("s", new)
    assert change_set["Changes"][0]["ResourceChange"]["PolicyAction"] == "ReplaceAndRetain"
    told = len(user.history("s"))
    user.execute(change_set)
    assert sorted(control.things.things) == ["thing-1", "thing-2"]
    assert "M DELETE_SKIPPED thing-1" in user.story("s", told)
    user.delete("s")
    assert list(control.things.things) == ["thing-1"]


def test_a_replacement_with_a_fixed_name_fails_with_advice(user: User) -> None:
    user.create("s", template(M=thing("Named", Name="m", Frozen="1")))
    stack = user.update("s", template(M=thing("Named", Name="m", Frozen="2")))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = next(one[2] for one in user.events("s") if one[1] == "UPDATE_FAILED")
    assert reason.startswith("A thing of the name m exists already. This update replaces the resource")


def test_a_failed_clean_up_keeps_the_previous_resource_and_appends_events(user: User, control: Control) -> None:
    user.create("s", template(M=thing(Name="m", Frozen="1")))
    control.things.orders.astonish["delete", "m"] = ValueError("a value that must stay hidden")
    stack = user.update("s", template(M=thing(Name="m", Frozen="2")))
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert sorted(control.things.things) == ["thing-1", "thing-2"]
    failed = [one for one in user.events("s") if one[1] == "DELETE_FAILED"]
    assert len(failed) == 3
    assert "must stay hidden" not in str(user.events("s"))
    assert user.resources("s")["M"]["PhysicalResourceId"] == "thing-2"


def test_a_replacement_of_a_custom_named_aws_resource_is_refused(user: User, control: Control) -> None:
    def written(**properties: Any) -> dict[str, Any]:
        return template(N={"Type": "AWS::Store::Named", "Properties": properties})

    user.create("s", written(Name="n", Frozen="1"))
    assert user.update("s", written(Name="n", Frozen="2"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    sentence = (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename n and update "
        "the stack again."
    )
    assert ("N", "UPDATE_FAILED", sentence) in user.events("s")
    assert control.things.calls == [("create", "n")]
    assert user.update("s", written(Name="other", Frozen="2"))["StackStatus"] == "UPDATE_COMPLETE"
    assert list(control.things.things) == ["other"]


def test_a_replacement_of_a_custom_named_third_party_resource_calls_its_handler(user: User, control: Control) -> None:
    user.create("s", template(N=thing("Named", Name="n", Frozen="1")))
    stack = user.update("s", template(N=thing("Named", Name="n", Frozen="2")))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = next(one[2] for one in user.events("s") if one[:2] == ("N", "UPDATE_FAILED"))
    assert reason == (
        "A thing of the name n exists already. This update replaces the resource, and the new one cannot take the "
        "name of the old one, n, while that exists: give it another name, or none, so that one is generated."
    )
    assert list(control.things.things) == ["n"]
