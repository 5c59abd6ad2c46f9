"""The history that a cloud keeps is bounded. The bounds are lower here than in a cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.cloudformation import drift, stacks
from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    import pytest

    from cloudformation.conftest import User


def listed(user: User) -> list[str]:
    pages = user.client.get_paginator("list_stacks").paginate()
    return [stack["StackName"] for page in pages for stack in page["StackSummaries"]]


def test_only_the_last_deleted_stacks_are_kept(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_MOST_DELETED", 20)
    user.create("lives", template(A=thing(Name="lives")))
    first = user.create("first", template(A=thing(Name="first")))["StackId"]
    for name in [f"s{number}" for number in range(30)]:
        user.client.create_stack(StackName=name, TemplateBody=text(template(A=thing(Name=name))))
    deleted = [user.delete(f"s{number}")["StackStatus"] for number in range(30) if user.rest(f"s{number}")]
    assert set(deleted) == {"DELETE_COMPLETE"}
    user.delete("first")
    # The last one to be deleted is kept, although it is the oldest; so is every stack that is not deleted.
    names = listed(user)
    assert len(names) == 21
    assert {"lives", "first"} <= set(names)
    assert user.describe(first)["StackStatus"] == "DELETE_COMPLETE"
    assert len(user.events(first)) > 0


def test_events_of_a_stack_are_bounded(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_MOST_EVENTS", 500)
    names = {f"T{number}": thing(Name=f"t{number}") for number in range(50)}
    user.create("s", template(**names))
    for value in range(6):
        user.update("s", template(**{key: thing(Name=key.lower(), Value=str(value)) for key in names}))
    pages = user.client.get_paginator("describe_stack_events").paginate(StackName="s")
    events = [event for page in pages for event in page["StackEvents"]]
    assert len(events) == 500
    assert events[0]["ResourceStatus"] == "UPDATE_COMPLETE"
    assert events[0]["ResourceType"] == "AWS::CloudFormation::Stack"


def test_executed_change_sets_of_a_stack_are_bounded(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_MOST_EXECUTED", 10)
    user.create("s", template(A=thing(Name="a", Value="0")))
    made = []
    for number in range(1, 13):
        change_set = user.change_set("s", template(A=thing(Name="a", Value=str(number))), name=f"c{number}")
        user.execute(change_set)
        made.append(change_set["ChangeSetId"])
    assert user.client.describe_change_set(ChangeSetName=made[-10])["ChangeSetName"] == "c3"
    assert user.refused("describe_change_set", ChangeSetName=made[-11])[0] == "ChangeSetNotFound"


def test_drift_detections_are_bounded(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "_MOST_DETECTIONS", 20)
    user.create("s", template(A=thing(Name="a")))
    made = [user.client.detect_stack_drift(StackName="s")["StackDriftDetectionId"] for _ in range(60)]
    user.client.describe_stack_drift_detection_status(StackDriftDetectionId=made[-1])
    refusal = user.refused("describe_stack_drift_detection_status", StackDriftDetectionId=made[0])
    assert refusal == ("ValidationError", "StackDriftDetectionId names no drift detection.")
