"""Drift-aware change sets: three states of a resource, and a deployment that reverts the drift."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

REVERT = {"DeploymentMode": "REVERT_DRIFT"}
STORED = "thing-1"


def described(user: User, change_set: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = user.client.describe_change_set(
        ChangeSetName=change_set["ChangeSetId"], IncludePropertyValues=True
    )
    return answer


def test_drift_is_shown_and_reverted(user: User, control: Control) -> None:
    body = template(M=thing(Name="m", Value="a", Secret="s"))
    user.create("s", body)
    control.things.things[STORED]["Value"] = "drifted"
    change_set = user.change_set("s", body, **REVERT)
    assert (change_set["Status"], change_set["DeploymentMode"], change_set["StackDriftStatus"]) == (
        "CREATE_COMPLETE", "REVERT_DRIFT", "DRIFTED")  # fmt: skip
    change = described(user, change_set)["Changes"][0]["ResourceChange"]
    detected = change["Details"][0]["Target"]["Drift"].pop("DriftDetectionTimestamp")
    assert detected <= change_set["CreationTime"]
    properties = {"Name": "m", "Value": "a", "Secret": "s"}
    assert change == {
        "Action": "Modify",
        "LogicalResourceId": "M",
        "PhysicalResourceId": STORED,
        "ResourceType": "Acme::Store::Thing",
        "Replacement": "False",
        "Scope": ["Properties"],
        "ResourceDriftStatus": "MODIFIED",
        "ResourceDriftIgnoredAttributes": [{"Path": "/Properties/Secret", "Reason": "WRITE_ONLY_PROPERTY"}],
        "BeforeContext": json.dumps({"Properties": properties | {"Value": "drifted"}}),
        "AfterContext": json.dumps({"Properties": properties}),
        "PreviousDeploymentContext": json.dumps({"Properties": properties}),
        "Details": [
            {
                "Target": {
                    "Attribute": "Properties",
                    "Name": "Value",
                    "RequiresRecreation": "Never",
                    "Path": "/Properties/Value",
                    "AttributeChangeType": "Modify",
                    "BeforeValue": "drifted",
                    "AfterValue": "a",
                    "BeforeValueFrom": "ACTUAL_STATE",
                    "AfterValueFrom": "TEMPLATE",
                    "Drift": {"PreviousValue": "a", "ActualValue": "drifted"},
                },
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }
        ],
    }
    assert user.execute(change_set)["StackStatus"] == "UPDATE_COMPLETE"
    assert control.things.things[STORED]["Value"] == "a"
    again = user.change_set("s", body, "again", **REVERT)
    assert (again["Status"], again["StackDriftStatus"]) == ("FAILED", "IN_SYNC")


def test_drift_is_ignored_without_revert_drift_mode(user: User, control: Control) -> None:
    body = template(M=thing(Name="m", Value="a"))
    user.create("s", body)
    control.things.things[STORED]["Value"] = "drifted"
    change_set = user.change_set("s", body)
    assert change_set["Status"] == "FAILED"
    assert change_set.keys().isdisjoint({"DeploymentMode", "StackDriftStatus"})


def test_a_deleted_resource_is_created_again(user: User, control: Control) -> None:
    body = template(M=thing(Name="m", Value="a"), B=thing(Name="b", Value={"Ref": "M"}))
    user.create("s", body)
    del control.things.things[user.resources("s")["M"]["PhysicalResourceId"]]
    change_set = user.change_set("s", body, **REVERT)
    changes = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in change_set["Changes"]}
    assert {name: (one["Action"], one["ResourceDriftStatus"]) for name, one in changes.items()} == {
        "M": ("Add", "DELETED"), "B": ("Modify", "IN_SYNC")}  # fmt: skip
    assert user.execute(change_set)["StackStatus"] == "UPDATE_COMPLETE"
    created = user.resources("s")["M"]["PhysicalResourceId"]
    assert {one["Name"]: one["Value"] for one in control.things.things.values()} == {"m": "a", "b": created}


def test_a_template_equal_to_the_actual_state_resets_the_drift_without_an_update(
    user: User, control: Control
) -> None:
    user.create("s", template(M=thing(Name="m", Value="a")))
    control.things.things[STORED]["Value"] = "b"
    change_set = user.change_set("s", template(M=thing(Name="m", Value="b")), **REVERT)
    change = described(user, change_set)["Changes"][0]["ResourceChange"]
    assert change["Action"] == "SyncWithActual"
    assert "Replacement" not in change
    assert [(one["ChangeSource"], one["Target"]["AttributeChangeType"]) for one in change["Details"]] == [
        ("NoModification", "SyncWithActual")]  # fmt: skip
    control.things.calls.clear()
    assert user.execute(change_set)["StackStatus"] == "UPDATE_COMPLETE"
    assert control.things.calls == []
    drift = user.client.detect_stack_resource_drift(StackName="s", LogicalResourceId="M")["StackResourceDrift"]
    assert drift["StackResourceDriftStatus"] == "IN_SYNC"


def test_a_rollback_goes_back_to_the_actual_state(user: User, control: Control) -> None:
    body = template(M=thing(Name="m", Value="a"), Z=thing(Name="z", Value="1", depends_on="M"))
    body["Resources"]["Z"]["DependsOn"] = "M"
    user.create("s", body)
    stored = user.resources("s")["M"]["PhysicalResourceId"]
    control.things.things[stored]["Value"] = "drifted"
    control.things.orders.fail["update", "z"] = "before"
    new = json.loads(text(body))
    new["Resources"]["Z"]["Properties"]["Value"] = "2"
    change_set = user.change_set("s", new, **REVERT)
    assert user.execute(change_set)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert ("update", "m") in control.things.calls
    assert control.things.things[stored]["Value"] == "drifted"
    drift = user.client.detect_stack_resource_drift(StackName="s", LogicalResourceId="M")["StackResourceDrift"]
    assert drift["StackResourceDriftStatus"] == "MODIFIED"


def test_removed_stack_tags_are_restored(user: User, control: Control) -> None:
    body, tags = template(M=thing(Name="m", Tags=[{"Key": "own", "Value": "1"}])), [{"Key": "team", "Value": "a"}]
    user.create("s", body, Tags=tags)
    control.things.things[STORED]["Tags"] = [{"Key": "own", "Value": "1"}]
    change_set = user.change_set("s", body, Tags=tags, **REVERT)
    assert user.execute(change_set)["StackStatus"] == "UPDATE_COMPLETE"
    stored = {one["Key"]: one["Value"] for one in control.things.things[STORED]["Tags"]}
    assert stored == {"own": "1", "team": "a"}


def test_drift_in_a_nested_stack_is_reverted(user: User, control: Control) -> None:
    url = "https://bucket.s3.amazonaws.com/child.yaml"
    control.documents[url] = text(template(C=thing(Name="c", Value="a")))
    body = template(N={"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}})
    user.create("s", body)
    control.things.things[STORED]["Value"] = "drifted"
    change_set = user.change_set("s", body, **REVERT, IncludeNestedStacks=True)
    assert user.changes(change_set) == {"N": "Modify False"}
    assert user.execute(change_set)["StackStatus"] == "UPDATE_COMPLETE"
    assert control.things.things[STORED]["Value"] == "a"
