"""Drift: differences between the template and the actual resources."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, thing
from waiting import eventually

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User


def detected(user: User, name: str = "s", **options: Any) -> dict[str, Any]:
    """The status of a detection that has ended."""
    detection = user.client.detect_stack_drift(StackName=name, **options)["StackDriftDetectionId"]

    def ended() -> dict[str, Any] | None:
        status = user.client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        return None if status["DetectionStatus"] == "DETECTION_IN_PROGRESS" else status

    return eventually(ended)


def drifts(user: User, name: str = "s", **options: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = user.client.describe_stack_resource_drifts(StackName=name, **options)[
        "StackResourceDrifts"]  # fmt: skip
    return listed


IN_SYNC: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing changed": ({"Value": "1"}, {}),
    "a default of the service": ({}, {"Value": "set by the service"}),
    "another order of an unordered list": ({"Unordered": ["a", "b"]}, {"Unordered": ["b", "a"]}),
    "equal by its transform": ({"AnyCase": "ABC"}, {"AnyCase": "abc"}),
    "write-only": ({"Secret": "1"}, {"Secret": "2"}),
    "a tag of CloudFormation's own": ({}, {"Tags": [{"Key": "aws:cloudformation:stack-name", "Value": "s"}]}),
}
# Properties of the template, their changes outside of CloudFormation, and path and kind of each difference.
MODIFIED: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = {
    "a value": ({"Value": "1"}, {"Value": "2"}, [("/Value", "NOT_EQUAL")]),
    "a value that is gone": ({"Value": "1"}, {"Value": None}, [("/Value", "REMOVE")]),
    "the order of an ordered list": (
        {"Ordered": ["a", "b"]}, {"Ordered": ["b", "a"]}, [("/Ordered/0", "NOT_EQUAL"), ("/Ordered/1", "NOT_EQUAL")]),
    "a tag added outside of the stack": ({}, {"Tags": [{"Key": "a", "Value": "b"}]}, [("/Tags/0", "ADD")]),
}  # fmt: skip


def tamper(control: Control, identifier: str, values: dict[str, Any]) -> None:
    made = {**control.things.things[identifier], **values}
    control.things.things[identifier] = {key: value for key, value in made.items() if value is not None}


@pytest.mark.parametrize(("properties", "changed"), IN_SYNC.values(), ids=IN_SYNC)
def test_drift_detection_reports_in_sync(
    user: User, control: Control, properties: dict[str, Any], changed: dict[str, Any]
) -> None:
    user.create("s", template(M=thing(Name="m", **properties)))
    tamper(control, "thing-1", changed)
    status = detected(user)
    assert (status["DetectionStatus"], status["StackDriftStatus"], status["DriftedStackResourceCount"]) == (
        "DETECTION_COMPLETE", "IN_SYNC", 0)  # fmt: skip
    assert drifts(user)[0]["PropertyDifferences"] == []


@pytest.mark.parametrize(("properties", "changed", "expected"), MODIFIED.values(), ids=MODIFIED)
def test_drift_detection_reports_modified_properties(
    user: User, control: Control, properties: Any, changed: Any, expected: Any
) -> None:
    user.create("s", template(M=thing(Name="m", **properties)))
    tamper(control, "thing-1", changed)
    status = detected(user)
    assert (status["StackDriftStatus"], status["DriftedStackResourceCount"]) == ("DRIFTED", 1)
    drift = drifts(user)[0]
    assert drift["StackResourceDriftStatus"] == "MODIFIED"
    assert [(one["PropertyPath"], one["DifferenceType"]) for one in drift["PropertyDifferences"]] == expected
    assert drift["PhysicalResourceId"] == "thing-1"
    assert json.loads(drift["ExpectedProperties"]) == {"Name": "m", **properties}
    assert user.describe("s")["DriftInformation"]["StackDriftStatus"] == "DRIFTED"
    assert user.resources("s")["M"]["DriftInformation"]["StackResourceDriftStatus"] == "MODIFIED"


def test_stack_tags_are_part_of_the_expected_properties(user: User, control: Control) -> None:
    user.create("s", template(M=thing(Name="m")), Tags=[{"Key": "team", "Value": "a"}])
    assert detected(user)["StackDriftStatus"] == "IN_SYNC"
    tamper(control, "thing-1", {"Tags": []})
    assert detected(user)["StackDriftStatus"] == "DRIFTED"


def test_drift_detection_reports_deleted_resources_and_can_be_limited(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a"), B=thing(Name="b", depends_on="A")))
    del control.things.things["thing-1"]
    assert detected(user, LogicalResourceIds=["B"])["StackDriftStatus"] == "IN_SYNC"
    assert [one["LogicalResourceId"] for one in drifts(user)] == ["B"]
    assert detected(user)["StackDriftStatus"] == "DRIFTED"
    assert {one["LogicalResourceId"]: one["StackResourceDriftStatus"] for one in drifts(user)} == {
        "A": "DELETED", "B": "IN_SYNC"}  # fmt: skip
    only = drifts(user, StackResourceDriftStatusFilters=["DELETED"])
    assert [one["LogicalResourceId"] for one in only] == ["A"]
    assert user.refused("detect_stack_drift", StackName="s", LogicalResourceIds=["Z"])[0] == "ValidationError"


def test_detect_stack_resource_drift_checks_a_single_resource(user: User, control: Control) -> None:
    user.create("s", template(M=thing(Name="m", Value="1")))
    tamper(control, "thing-1", {"Value": "2"})
    answer = user.client.detect_stack_resource_drift(StackName="s", LogicalResourceId="M")["StackResourceDrift"]
    assert answer["PropertyDifferences"] == [
        {"PropertyPath": "/Value", "ExpectedValue": "1", "ActualValue": "2", "DifferenceType": "NOT_EQUAL"}
    ]
    refusal = user.refused("detect_stack_resource_drift", StackName="s", LogicalResourceId="Z")
    assert refusal == ("ValidationError", "Resource Z does not exist for stack s")


def test_drift_detection_fails_for_resources_that_cannot_be_read(user: User, control: Control) -> None:
    user.create("s", template(A=thing(Name="a"), B=thing(Name="b")))
    control.things.orders.astonish["read", "b"] = ValueError("a secret")
    status = detected(user)
    assert status["DetectionStatus"] == "DETECTION_FAILED"
    assert status["DetectionStatusReason"] == "Failed to detect drift on resources [B]"
    refusal = user.refused("detect_stack_resource_drift", StackName="s", LogicalResourceId="B")
    assert refusal[0] == "ValidationError"
    assert refusal[1].startswith(
        "Internal error in the provider of Acme::Store::Thing: ValueError. Details: log entry "
    )
    control.things.orders.astonish["read", "b"] = "nonsense"
    assert detected(user)["DetectionStatus"] == "DETECTION_FAILED"


def test_an_update_resets_the_drift_status_of_the_resources_it_changes(user: User, control: Control) -> None:
    user.create("s", template(M=thing(Name="m", Value="1")))
    tamper(control, "thing-1", {"Value": "other"})
    detected(user)
    user.update("s", template(M=thing(Name="m", Value="2")))
    assert user.resources("s")["M"]["DriftInformation"]["StackResourceDriftStatus"] == "NOT_CHECKED"


def test_an_update_can_run_during_drift_detection(user: User, control: Control) -> None:
    user.create("s", template(M=thing(Name="m")))
    released = control.things.orders.hang["read", "m"] = threading.Event()
    detection = user.client.detect_stack_drift(StackName="s")["StackDriftDetectionId"]
    status = user.client.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
    assert status["DetectionStatus"] == "DETECTION_IN_PROGRESS"
    assert user.update("s", template(M=thing(Name="m", Value="2")))["StackStatus"] == "UPDATE_COMPLETE"
    released.set()
    assert detected(user)["StackDriftStatus"] == "IN_SYNC"


def test_drift_detection_is_refused_in_states_that_do_not_allow_it(user: User, control: Control) -> None:
    control.things.orders.fail["create", "m"] = "before"
    user.create("s", template(M=thing(Name="m")))
    code, sentence = user.refused("detect_stack_drift", StackName="s")
    assert (code, "ROLLBACK_COMPLETE" in sentence) == ("ValidationError", True)
    refusal = user.refused("describe_stack_drift_detection_status", StackDriftDetectionId="0" * 36)
    assert refusal == ("ValidationError", "StackDriftDetectionId names no drift detection.")
