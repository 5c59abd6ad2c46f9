"""Signals that a resource waits for, and the time that a stack has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudformation.conftest import template, thing
from waiting import eventually

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User


def waiting(count: int = 1, timeout: str = "PT5M") -> dict[str, Any]:
    policy = {"CreationPolicy": {"ResourceSignal": {"Count": count, "Timeout": timeout}}}
    return template(M=thing(Name="m", policies=policy), After=thing(Name="after", depends_on="M"))


def begin(user: User, body: dict[str, Any], **options: Any) -> None:
    user.client.create_stack(StackName="s", TemplateBody=json.dumps(body), **options)


def identified(user: User) -> None:
    eventually(lambda: "M CREATE_IN_PROGRESS thing-1" in user.story("s"))


def signal(user: User, unique: str, status: str = "SUCCESS") -> None:
    user.client.signal_resource(StackName="s", LogicalResourceId="M", UniqueId=unique, Status=status)


def test_a_creation_policy_waits_for_its_count_of_signals(user: User) -> None:
    begin(user, waiting(2))
    identified(user)
    signal(user, "one")
    signal(user, "one")
    assert "M CREATE_COMPLETE thing-1" not in user.story("s")
    signal(user, "two")
    assert user.rest("s")["StackStatus"] == "CREATE_COMPLETE"
    reasons = [one[2] for one in user.events("s") if one[0] == "M"]
    assert "Received SUCCESS signal with UniqueId one" in reasons
    assert "Received SUCCESS signal with UniqueId two" in reasons


def test_a_failure_signal_fails_the_resource(user: User, control: Control) -> None:
    begin(user, waiting(2))
    identified(user)
    signal(user, "one", "FAILURE")
    assert user.rest("s")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("M", "CREATE_FAILED", "Received FAILURE signal with UniqueId one") in user.events("s")
    assert control.things.calls == [("create", "m"), ("delete", "m")]


def test_missing_signals_fail_the_resource_after_the_timeout(user: User) -> None:
    begin(user, waiting(3, "PT1S"))
    assert user.rest("s")["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = "Failed to receive 3 resource signal(s) within the specified duration"
    assert ("M", "CREATE_FAILED", reason) in user.events("s")


def test_a_deletion_does_not_wait_for_signals(user: User, control: Control) -> None:
    begin(user, waiting())
    identified(user)
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
    assert control.things.things == {}


def test_a_signal_that_is_not_expected_is_refused(user: User) -> None:
    stack_id = user.create("s", template(M=thing()))["StackId"]
    asked = {"StackName": "s", "UniqueId": "one", "Status": "SUCCESS"}
    assert user.refused("signal_resource", LogicalResourceId="Z", **asked) == (
        "ValidationError", "Resource Z does not exist for stack s")  # fmt: skip
    assert user.refused("signal_resource", LogicalResourceId="M", **asked) == (
        "ValidationError", f"Stack {stack_id} is in CREATE_COMPLETE state and cannot be signaled")  # fmt: skip


def test_timeout_in_minutes_rolls_back_the_create(user: User, control: Control) -> None:
    control.things.orders.wait["create", "m"] = 3600
    begin(user, template(A=thing(Name="a"), M=thing(Name="m", depends_on="A")), TimeoutInMinutes=5)
    user.reach("s", "M", "CREATE_IN_PROGRESS")
    control.clock.forward(299)
    assert user.describe("s")["StackStatus"] == "CREATE_IN_PROGRESS"
    assert user.describe("s")["TimeoutInMinutes"] == 5
    control.clock.forward(2)
    assert user.rest("s")["StackStatus"] == "ROLLBACK_COMPLETE"
    events = user.events("s")
    assert ("M", "CREATE_FAILED", "Resource creation cancelled") in events
    reason = "Stack creation time exceeded the specified timeout. Rollback requested by user."
    assert ("s", "ROLLBACK_IN_PROGRESS", reason) in events
    assert control.things.things == {}
