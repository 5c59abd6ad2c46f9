"""Exports of stacks, and the imports of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User


def exporting(value: str = "1", name: str | None = "shared", resource: str = "1") -> dict[str, Any]:
    output: dict[str, Any] = {"Value": value} | ({"Export": {"Name": name}} if name else {})
    return {**template(M=thing(Name="m", Value=resource)), "Outputs": {"O": output}}


IMPORTING = template(M=thing(Name="i", Value={"Fn::ImportValue": "shared"}))


def test_an_export_can_be_imported_and_is_listed(user: User, control: Control) -> None:
    stack = user.create("out", exporting())
    assert stack["Outputs"] == [{"OutputKey": "O", "OutputValue": "1", "ExportName": "shared"}]
    assert user.refused("list_imports", ExportName="shared") == (
        "ValidationError", "Export 'shared' is not imported by any stack.")  # fmt: skip
    user.create("in", IMPORTING)
    assert control.things.things["thing-2"]["Value"] == "1"
    exported = [{"ExportingStackId": stack["StackId"], "Name": "shared", "Value": "1"}]
    assert user.client.list_exports()["Exports"] == exported
    assert user.client.list_imports(ExportName="shared")["Imports"] == ["in"]


def of_two(name: Any, condition: str = "Yes") -> dict[str, Any]:
    """A template with two exports, the second under a condition."""
    outputs = {
        "A": {"Value": "1", "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-a"}}},
        "B": {"Value": "2", "Export": {"Name": name}, "Condition": condition},
    }
    conditions = {"Yes": {"Fn::Equals": ["a", "a"]}, "No": {"Fn::Equals": ["a", "b"]}}
    return {**template(M=thing(Name="m")), "Conditions": conditions, "Outputs": outputs}


TWICE = "The Outputs section contains duplicate Export names: [s-a]. Specify a unique name for each export."
NO_NAME = (
    "Output B is malformed. The Name field of every Export member must be specified and consist only of alphanumeric "
    "characters, colons, or hyphens."
)


@pytest.mark.parametrize(
    ("name", "message"),
    [("s-a", TWICE), ("", NO_NAME), ("a b", NO_NAME), ({"Fn::Sub": "${AWS::StackName}_b"}, NO_NAME)],
)
def test_an_invalid_export_name_is_refused(user: User, name: Any, message: str) -> None:
    code, said = user.refused("create_stack", StackName="s", TemplateBody=json.dumps(of_two(name)))
    assert (code, said) == ("ValidationError", f"Template format error: {message}")
    assert user.create("s", of_two(name, "No"))["StackStatus"] == "CREATE_COMPLETE"


def test_an_export_name_that_another_stack_uses_is_refused(user: User, control: Control) -> None:
    user.create("one", exporting())
    assert user.create("two", exporting())["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = "Export with name shared is already exported by stack one. Rollback requested by user."
    assert ("two", "ROLLBACK_IN_PROGRESS", reason) in user.events("two")
    assert list(control.things.things) == ["thing-1"]
    user.create("three", exporting(name="other"))
    assert user.update("three", exporting())["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [one["Name"] for one in user.client.list_exports()["Exports"]] == ["other", "shared"]


def test_an_import_of_a_missing_export_fails(user: User, control: Control) -> None:
    assert user.create("in", IMPORTING)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert user.events("in") == [
        ("in", "CREATE_IN_PROGRESS", "User Initiated"),
        ("in", "ROLLBACK_IN_PROGRESS", "No export named shared found. Rollback requested by user."),
        ("in", "ROLLBACK_COMPLETE", ""),
    ]
    assert control.things.calls == []


def test_an_import_in_an_inactive_branch_is_ignored(user: User) -> None:
    value = {"Fn::If": ["No", {"Fn::ImportValue": "shared"}, "1"]}
    body = {"Conditions": {"No": {"Fn::Equals": ["1", "2"]}}, **template(M=thing(Value=value))}
    assert user.create("s", body)["StackStatus"] == "CREATE_COMPLETE"


def test_an_imported_export_cannot_be_changed_or_removed(user: User) -> None:
    user.create("out", exporting())
    user.create("in", IMPORTING)
    for new, sentence in (
        (exporting("2", resource="2"), "Export shared cannot be updated as it is in use by in"),
        (exporting(name=None, resource="2"), "Export shared cannot be deleted as it is in use by in"),
        (exporting(name="other", resource="2"), "Export shared cannot be deleted as it is in use by in"),
    ):
        assert user.update("out", new)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert sentence in user.describe("out").get("StackStatusReason", "") + str(user.events("out"))
    assert user.client.list_exports()["Exports"][0]["Value"] == "1"
    # What is exported elsewhere may change beside it.
    assert user.update("out", exporting(resource="3"))["StackStatus"] == "UPDATE_COMPLETE"


def test_a_stack_with_an_imported_export_cannot_be_deleted(user: User, control: Control) -> None:
    user.create("out", exporting())
    user.create("in", IMPORTING)
    stack = user.delete("out")
    reason = "Export shared cannot be deleted as it is in use by in"
    assert (stack["StackStatus"], stack["StackStatusReason"]) == ("CREATE_COMPLETE", reason)
    assert user.events("out")[-1] == ("out", "CREATE_COMPLETE", reason)
    assert "thing-1" in control.things.things
    user.delete("in")
    assert user.delete("out")["StackStatus"] == "DELETE_COMPLETE"
    assert user.client.list_exports()["Exports"] == []


def test_an_export_that_is_no_longer_imported_can_change(user: User) -> None:
    user.create("out", exporting())
    user.create("in", IMPORTING)
    user.update("in", template(M=thing(Name="i", Value="2")))
    assert user.update("out", exporting("2"))["StackStatus"] == "UPDATE_COMPLETE"


def test_a_stack_that_imports_its_own_export_can_be_deleted(user: User) -> None:
    outputs = {"Outputs": {"O": {"Value": "1", "Export": {"Name": "x"}}}}
    user.create("s", {**template(A=thing(Name="a")), **outputs})
    importing = template(A=thing(Name="a", Value={"Fn::ImportValue": "x"}))
    # Not without the export, which it would import.
    assert user.update("s", importing)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert user.update("s", {**importing, **outputs})["StackStatus"] == "UPDATE_COMPLETE"
    assert user.delete("s")["StackStatus"] == "DELETE_COMPLETE"
