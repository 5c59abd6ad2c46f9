"""Updates: changed and unchanged resources, parallel and ordered work, and the events."""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing
from waiting import eventually

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User


def test_a_create_appends_events_in_the_documented_order(user: User) -> None:
    user.create("s", template(M=thing(Name="m", Value="1")), ClientRequestToken="token-1")
    assert user.story("s") == [
        "CREATE_IN_PROGRESS",
        "M CREATE_IN_PROGRESS",
        "M CREATE_IN_PROGRESS thing-1",
        "M CREATE_COMPLETE thing-1",
        "CREATE_COMPLETE",
    ]
    events = user.history("s")
    assert [one.get("ResourceStatusReason") for one in events] == [
        "User Initiated", None, "Resource creation Initiated", None, None]  # fmt: skip
    assert [one.get("ResourceProperties") for one in events] == [
        None, *['{"Name": "m", "Value": "1"}'] * 3, None]  # fmt: skip
    assert {one["ClientRequestToken"] for one in events} == {"token-1"}
    assert len({one["EventId"] for one in events}) == len(events)
    assert [one["Timestamp"] for one in events] == sorted(one["Timestamp"] for one in events)
    assert {one["ResourceType"] for one in events} == {"AWS::CloudFormation::Stack", "Acme::Store::Thing"}


def test_an_update_appends_events_for_changed_resources_only(user: User, control: Control) -> None:
    """New resources have CREATE events, changed ones UPDATE, removed ones DELETE, and unchanged ones none."""
    before = template(Stays=thing(Name="stays"), Changes=thing(Name="changes", Value="1", depends_on="Stays"),
                      Goes=thing(Name="goes", depends_on="Changes"))  # fmt: skip
    user.create("s", before)
    after = template(Stays=thing(Name="stays"), Changes=thing(Name="changes", Value="2", depends_on="Stays"),
                     Comes=thing(Name="comes", depends_on="Changes"))  # fmt: skip
    told = len(user.history("s"))
    assert user.update("s", after)["StackStatus"] == "UPDATE_COMPLETE"
    assert user.story("s", told) == [
        "UPDATE_IN_PROGRESS",
        "Changes UPDATE_IN_PROGRESS thing-2",
        "Changes UPDATE_COMPLETE thing-2",
        "Comes CREATE_IN_PROGRESS",
        "Comes CREATE_IN_PROGRESS thing-4",
        "Comes CREATE_COMPLETE thing-4",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "Goes DELETE_IN_PROGRESS thing-3",
        "Goes DELETE_COMPLETE thing-3",
        "UPDATE_COMPLETE",
    ]
    changed = [one for one in user.history("s")[told:] if one["LogicalResourceId"] == "Changes"]
    assert [json.loads(one["ResourceProperties"]) for one in changed] == [{"Name": "changes", "Value": "2"}] * 2
    assert sorted(control.things.things) == ["thing-1", "thing-2", "thing-4"]
    assert user.resources("s").keys() == {"Stays", "Changes", "Comes"}


SAME = {
    "an unordered list in another order": ({"Unordered": ["a", "b"]}, {"Unordered": ["b", "a"]}),
    "a property that its transform makes equal": ({"AnyCase": "abc"}, {"AnyCase": "ABC"}),
    "nothing": ({"Value": "1"}, {"Value": "1"}),
    "the same by a function": ({"Value": "1-2"}, {"Value": {"Fn::Join": ["-", ["1", "2"]]}}),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME)
def test_an_update_without_changes_is_refused(
    user: User, control: Control, before: dict[str, Any], after: dict[str, Any]
) -> None:
    user.create("s", template(M=thing(Name="m", **before)))
    new = template(M=thing(Name="m", **after))
    told = user.story("s")
    refusal = user.refused("update_stack", StackName="s", TemplateBody=json.dumps(new))
    assert refusal == ("ValidationError", "No updates are to be performed.")
    change_set = user.change_set("s", new)
    assert (change_set["Status"], change_set["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert change_set["StatusReason"] == (
        "The submitted information didn't contain changes. Submit different information to create a change set."
    )
    assert user.story("s") == told
    assert control.things.calls == [("create", "m")]


def test_the_order_of_an_ordered_list_is_a_change(user: User, control: Control) -> None:
    user.create("s", template(M=thing(Name="m", Ordered=["a", "b"])))
    assert user.update("s", template(M=thing(Name="m", Ordered=["b", "a"])))["StackStatus"] == "UPDATE_COMPLETE"
    assert control.things.things["thing-1"]["Ordered"] == ["b", "a"]


def test_a_changed_output_is_an_update(user: User, control: Control) -> None:
    base = template(M=thing(Name="m", Value="1"))
    user.create("s", base)
    told = len(user.history("s"))
    user.update("s", {**base, "Outputs": {"O": {"Value": {"Fn::GetAtt": ["M", "Echo"]}, "Description": "it"}}})
    assert user.story("s", told) == [
        "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]  # fmt: skip
    assert user.describe("s")["Outputs"] == [{"OutputKey": "O", "OutputValue": "1", "Description": "it"}]
    assert control.things.calls == [("create", "m")]


def test_an_update_of_a_resource_updates_the_resources_that_refer_to_it(user: User, control: Control) -> None:
    def written(value: str) -> dict[str, Any]:
        return template(A=thing(Name="a", Value=value), B=thing(Name="b", Value={"Fn::GetAtt": ["A", "Echo"]}))

    user.create("s", written("1"))
    user.update("s", written("2"))
    assert control.things.things["thing-2"]["Value"] == "2"


def test_resources_have_the_tags_of_the_stack(user: User, control: Control) -> None:
    body = template(M=thing(Name="m", Tags=[{"Key": "own", "Value": "1"}, {"Key": "both", "Value": "own"}]))
    user.create("s", body, Tags=[{"Key": "both", "Value": "stack"}, {"Key": "team", "Value": "a"}])
    assert _tags(control, "thing-1") == {"own": "1", "both": "own", "team": "a"}
    stack = user.update("s", body, Tags=[{"Key": "team", "Value": "b"}])
    assert stack["Tags"] == [{"Key": "team", "Value": "b"}]
    assert _tags(control, "thing-1") == {"own": "1", "both": "own", "team": "b"}
    assert control.things.calls == [("create", "m"), ("update", "m")]
    # Tags that a request does not name stay as they are.
    stack = user.update("s", template(M=thing(Name="m", Value="2")))
    assert stack["Tags"] == [{"Key": "team", "Value": "b"}]
    assert _tags(control, "thing-1") == {"team": "b"}


def _tags(control: Control, identifier: str) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in control.things.things[identifier]["Tags"]}


def test_an_update_can_use_the_previous_template_and_previous_values(user: User, control: Control) -> None:
    body = {"Parameters": {name: {"Type": "String"} for name in "PQ"},
            **template(M=thing(Name={"Ref": "P"}, Value={"Ref": "Q"}))}  # fmt: skip
    given = [{"ParameterKey": "P", "ParameterValue": "m"}, {"ParameterKey": "Q", "ParameterValue": "1"}]
    user.create("s", body, Parameters=given)
    user.client.update_stack(
        StackName="s", UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "P", "UsePreviousValue": True}, {"ParameterKey": "Q", "ParameterValue": "2"}],
    )  # fmt: skip
    assert user.rest("s")["StackStatus"] == "UPDATE_COMPLETE"
    assert control.things.things["thing-1"] == {"Name": "m", "Value": "2", "Tags": []}


def test_a_changed_condition_creates_or_deletes_its_resource(user: User, control: Control) -> None:
    body = {"Parameters": {"P": {"Type": "String"}}, "Conditions": {"Both": {"Fn::Equals": [{"Ref": "P"}, "both"]}},
            **template(A=thing(Name="a"), B={**thing(Name="b"), "Condition": "Both"})}  # fmt: skip
    user.create("s", body, Parameters=[{"ParameterKey": "P", "ParameterValue": "one"}])
    assert user.resources("s").keys() == {"A"}
    user.update("s", body, Parameters=[{"ParameterKey": "P", "ParameterValue": "both"}])
    assert user.resources("s").keys() == {"A", "B"}
    user.update("s", body, Parameters=[{"ParameterKey": "P", "ParameterValue": "one"}])
    assert (set(user.resources("s")), list(control.things.things)) == ({"A"}, ["thing-1"])


def test_an_attribute_without_a_value_fails_the_resource(user: User) -> None:
    """The message differs from that for an attribute that the type does not have."""
    user.create("s", template(A=thing(Name="a"), B=thing(Value={"Fn::GetAtt": ["A", "Silent"]})))
    failed = next(one for one in user.events("s") if one[:2] == ("B", "CREATE_FAILED"))
    assert failed[2] == "Resource A has no value for its attribute Silent now."
    assert user.describe("s")["StackStatus"] == "ROLLBACK_COMPLETE"


def test_independent_resources_are_created_in_parallel(user: User, control: Control) -> None:
    """Each of four creates has begun before any of them ends."""
    released = threading.Event()
    for name in "abcd":
        control.things.orders.hang["create", name] = released
    user.client.create_stack(
        StackName="s", TemplateBody=text(template(**{name.upper(): thing(Name=name) for name in "abcd"}))
    )
    eventually(lambda: sorted(control.things.calls) == [("create", name) for name in "abcd"])
    assert user.describe("s")["StackStatus"] == "CREATE_IN_PROGRESS"
    released.set()
    assert user.rest("s")["StackStatus"] == "CREATE_COMPLETE"


def test_many_resources_are_created_in_parallel(user: User) -> None:
    """Threads switch as often as possible, so that unsynchronised reads become visible."""
    body = template(**{f"R{number}": thing(Name=f"r{number}") for number in range(150)})
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        ends = {user.create(f"s{number}", body)["StackStatus"] for number in range(5)}
    finally:
        sys.setswitchinterval(usual)
    assert ends == {"CREATE_COMPLETE"}


def test_a_dependent_resource_waits_for_all_its_dependencies(user: User, control: Control) -> None:
    control.things.orders.hang["create", "b"] = released = threading.Event()
    body = template(A=thing(Name="a"), B=thing(Name="b"), C=thing(Name="c", Value={"Ref": "A"}),
                    D=thing(Name="d", Needs=[{"Ref": "A"}, {"Ref": "B"}]))  # fmt: skip
    user.client.create_stack(StackName="s", TemplateBody=json.dumps(body))
    user.reach("s", "C", "CREATE_COMPLETE")
    assert "D" not in user.resources("s")
    released.set()
    assert user.rest("s")["StackStatus"] == "CREATE_COMPLETE"
    story = user.story("s")
    begun = next(at for at, one in enumerate(story) if one.startswith("D CREATE_IN_PROGRESS"))
    assert next(at for at, one in enumerate(story) if one.startswith("B CREATE_COMPLETE")) < begun


def test_resources_are_deleted_in_reverse_order(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a"), B=thing(Name="b", Value={"Ref": "A"}),
                              C=thing(Name="c", depends_on="B")))  # fmt: skip
    user.delete("s")
    assert [name for action, name in control.things.calls if action == "delete"] == ["c", "b", "a"]


@pytest.mark.parametrize("action", ["create", "update", "delete", "read"])
def test_other_stacks_do_not_wait_for_a_hanging_handler(user: User, control: Control, action: str) -> None:
    body = template(M=thing(Name="m", Value="1"))
    if action != "create":
        user.create("s", body)
    control.things.orders.hang[action, "m"] = threading.Event()
    if action == "create":
        user.client.create_stack(StackName="s", TemplateBody=json.dumps(body))
    elif action == "update":
        user.client.update_stack(StackName="s", TemplateBody=json.dumps(template(M=thing(Name="m", Value="2"))))
    elif action == "delete":
        user.client.delete_stack(StackName="s")
    else:
        user.client.detect_stack_drift(StackName="s")
    assert user.create("t", template(M=thing(Name="t")))["StackStatus"] == "CREATE_COMPLETE"
    assert user.describe("s")["StackName"] == "s"
    assert user.client.list_stacks()["StackSummaries"]
    assert user.client.describe_stack_resources(StackName="s")["StackResources"]
    assert user.client.get_template(StackName="s")["TemplateBody"]
    assert user.change_set("t", template(M=thing(Name="t", Value="2")))["Status"] == "CREATE_COMPLETE"
    assert user.delete("t")["StackStatus"] == "DELETE_COMPLETE"
