"""Macros: a function transforms a whole template, or a part of it; its failures are those of the stack."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudformation.conftest import Control, User

EXPAND = {"Capabilities": ["CAPABILITY_AUTO_EXPAND"]}


def appending(word: str) -> Callable[[Any], Any]:
    """A macro that appends a word to each Value."""

    def append(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: f"{one} {word}" if key == "Value" else append(one) for key, one in value.items()}
        return value

    return lambda event: {
        "requestId": event["requestId"], "status": "success", "fragment": append(event["fragment"])}  # fmt: skip


def value_of(control: Control) -> Any:
    return next(iter(control.things.things.values()))["Value"]


def test_a_macro_of_a_template_receives_the_documented_event(user: User, control: Control) -> None:
    events = list[dict[str, Any]]()

    def macro(event: dict[str, Any]) -> dict[str, Any]:
        events.append(copy.deepcopy(event))
        return {"requestId": event["requestId"], "status": "SUCCESS", "fragment": event["fragment"]}

    control.macros["Look"] = macro
    body = {
        "Transform": [{"Name": "Look", "Parameters": {"Input": {"Ref": "P"}}}],
        "Parameters": {"P": {"Type": "String"}, "L": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        **template(M=thing(Name="m", Value={"Fn::Join": ["-", ["a", {"Ref": "P"}]]})),
    }
    stack = user.create("s", body, Parameters=[{"ParameterKey": "P", "ParameterValue": "p"}], **EXPAND)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert events[0].pop("requestId")
    assert events[0] == {
        "accountId": "123456789012",
        "fragment": {key: value for key, value in body.items() if key != "Transform"},
        "transformId": "123456789012::Look",
        "region": "us-east-1",
        "params": {"Input": "p"},
        "templateParameterValues": {"P": "p", "L": ["a", "b"]},
    }


def test_embedded_macros_run_first_and_in_order(user: User, control: Control) -> None:
    control.macros |= {word: appending(word) for word in ("first", "second", "third", "fourth")}
    resource = thing(Name="m", Value="x")
    resource["Properties"]["Fn::Transform"] = [{"Name": "first"}, "second"]
    body = {"Transform": ["third", {"Name": "fourth"}], **template(M=resource)}
    assert user.create("s", body, **EXPAND)["StackStatus"] == "CREATE_COMPLETE"
    assert value_of(control) == "x first second third fourth"
    processed = user.client.get_template(StackName="s", TemplateStage="Processed")["TemplateBody"]
    assert processed == template(M=thing(Name="m", Value="x first second third fourth"))


def test_a_macro_replaces_a_value(user: User, control: Control) -> None:
    control.macros["Text"] = lambda event: {
        "requestId": event["requestId"],
        "status": "success",
        "fragment": f"made of {event['params']['Of']}",
    }
    call = {"Fn::Transform": {"Name": "Text", "Parameters": {"Of": {"Ref": "AWS::Region"}}}}
    user.create("s", template(M=thing(Name="m", Value=call)), **EXPAND)
    assert value_of(control) == "made of us-east-1"


def answer(**members: Any) -> Callable[[Any], Any]:
    return lambda event: {"requestId": event["requestId"], **members}


FAILURES = {
    "with a message": (
        answer(status="failed", errorMessage="it is a test"),
        "Transform 123456789012::Bad failed with: it is a test"),
    "without a message": (
        answer(status="failed"), "Transform 123456789012::Bad failed without an error message."),
    "that raises": (lambda event: None, "Received malformed response from transform 123456789012::Bad"),
    "without a status": (answer(fragment={}), "Received malformed response from transform 123456789012::Bad"),
    "of another request": (
        lambda event: {"requestId": "other", "status": "success", "fragment": event["fragment"]},
        "Received malformed response from transform 123456789012::Bad"),
    "whose fragment is a text": (
        answer(status="success", fragment="invalid"), "Template format error: unsupported structure."),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_macro_fails_the_stack(user: User, control: Control, failure: str) -> None:
    macro, reason = FAILURES[failure]
    control.macros["Bad"] = macro
    body = {"Transform": "Bad", **template(M=thing(Name="m"))}
    assert user.create("s", body, **EXPAND)["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [text for _, status, text in user.events("s") if status == "ROLLBACK_IN_PROGRESS"]
    # Recorded, with two full stops after a sentence that has one.
    assert reasons == [f"{reason}. Rollback requested by user."]
    change_set = user.change_set("t", body, ChangeSetType="CREATE")
    assert (change_set["Status"], change_set["StatusReason"]) == ("FAILED", reason)
    assert control.things.calls == []


def test_invalid_macros_are_refused(user: User, control: Control) -> None:
    named = {"Parameters": {"Name": {"Type": "String", "Default": "x"}}, "Transform": [{"Name": {"Ref": "Name"}}],
             **template(M=thing(Name="m"))}  # fmt: skip
    request = {"StackName": "s", **EXPAND}
    assert user.refused("create_stack", **request, TemplateBody=text(named)) == (
        "ValidationError", "Key Name of transform definition must be a string.")  # fmt: skip
    control.macros["M"] = appending("x")
    without = text({"Transform": "M", **template(M=thing(Name="m"))})
    assert user.refused("create_stack", StackName="s", TemplateBody=without) == (
        "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")  # fmt: skip
    unknown = user.change_set("t", {"Transform": "Unknown", **template(M=thing(Name="m"))}, ChangeSetType="CREATE")
    assert unknown["StatusReason"] == "No transform named 123456789012::Unknown found."


def test_macros_run_after_language_extensions(user: User, control: Control) -> None:
    control.macros["Word"] = appending("word")
    body = {
        "Transform": ["AWS::LanguageExtensions", "Word"],
        "Resources": {"Fn::ForEach::Each": ["Name", ["One"], {"M${Name}": thing(Name="${Name}", Value="x")}]},
    }
    assert user.create("s", body, **EXPAND)["StackStatus"] == "CREATE_COMPLETE"
    assert value_of(control) == "x word"


def test_each_update_calls_the_macro_again(user: User, control: Control) -> None:
    control.macros["Word"] = appending("1")
    body = {"Transform": "Word", **template(M=thing(Name="m", Value="x"))}
    user.create("s", body, **EXPAND)
    control.macros["Word"] = appending("2")
    assert user.update("s", body, **EXPAND)["StackStatus"] == "UPDATE_COMPLETE"
    assert value_of(control) == "x 2"
    assert json.loads(json.dumps(user.outputs("s"))) == {}
