"""Fn::GetStackOutput: an output of another stack, of another region too, without an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudformation.conftest import User, template, text, thing

if TYPE_CHECKING:
    from cfnbox.aws.http import HttpServer
    from cloudformation.conftest import Control


def producer(value: str) -> dict[str, Any]:
    return {**template(P=thing(Name="p", Value=value)), "Outputs": {"O": {"Value": {"Fn::GetAtt": ["P", "Echo"]}}}}


def consumer(**argument: Any) -> dict[str, Any]:
    return template(C=thing(Name="c", Value={"Fn::GetStackOutput": {"OutputName": "O", **argument}}))


def value_of(control: Control, name: str) -> Any:
    return next(one["Value"] for one in control.things.things.values() if one["Name"] == name)


def test_an_output_of_a_stack_in_another_region_is_returned(user: User, server: HttpServer, control: Control) -> None:
    elsewhere = User(server.url, "eu-west-1")
    elsewhere.create("producer", producer("1"))
    body = consumer(StackName="producer", Region="eu-west-1")
    assert user.create("consumer", body)["StackStatus"] == "CREATE_COMPLETE"
    assert value_of(control, "c") == "1"
    # A weak reference: the producer changes, and the next update of the consumer follows.
    assert elsewhere.update("producer", producer("2"))["StackStatus"] == "UPDATE_COMPLETE"
    assert value_of(control, "c") == "1"
    assert user.changes(user.change_set("consumer", body)) == {"C": "Modify False"}
    assert user.update("consumer", body)["StackStatus"] == "UPDATE_COMPLETE"
    assert value_of(control, "c") == "2"
    assert elsewhere.delete("producer")["StackStatus"] == "DELETE_COMPLETE"


def test_get_stack_output_accepts_functions_and_works_in_outputs(user: User, control: Control) -> None:
    user.create("producer", producer("1"))
    body = {
        "Parameters": {"Stack": {"Type": "String", "Default": "producer"}},
        **consumer(StackName={"Ref": "Stack"}),
        "Outputs": {"Of": {"Value": {"Fn::GetStackOutput": {"StackName": {"Ref": "Stack"}, "OutputName": "O"}}}},
    }
    user.create("consumer", body)
    assert user.outputs("consumer") == {"Of": "1"}


def test_the_short_form_of_get_stack_output_works(user: User, control: Control) -> None:
    user.create("producer", producer("1"))
    body = """
Resources:
  C:
    Type: Acme::Store::Thing
    Properties: {Name: c, Value: !GetStackOutput {StackName: producer, OutputName: O}}
"""
    assert user.create("consumer", body)["StackStatus"] == "CREATE_COMPLETE"
    assert value_of(control, "c") == "1"


def test_an_output_that_does_not_exist_fails_the_change_set_and_the_stack(user: User, control: Control) -> None:
    body = consumer(StackName="producer", Region="eu-west-1")
    sentence = "Template error: Fn::GetStackOutput finds no output O of a stack producer in eu-west-1."
    request = {"StackName": "s", "TemplateBody": text(body)}
    refusal = user.refused("create_change_set", **request, ChangeSetName="c", ChangeSetType="CREATE")
    assert refusal == ("ValidationError", sentence)
    assert user.create("s", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("C", "CREATE_FAILED", sentence) in user.events("s")


@pytest.mark.parametrize(
    "argument", [{"StackName": "s"}, {"StackName": "s", "OutputName": "O", "More": "x"}, "s.O", ["s", "O"]]
)
def test_invalid_arguments_of_get_stack_output_are_refused(user: User, control: Control, argument: Any) -> None:
    body = template(C=thing(Name="c", Value={"Fn::GetStackOutput": argument}))
    assert user.refused("create_change_set", StackName="s", ChangeSetName="c", ChangeSetType="CREATE",
                        TemplateBody=text(body)) == (
        "ValidationError",
        "Template error: every Fn::GetStackOutput object requires StackName and OutputName, and takes Region and "
        "RoleArn, each a String.")  # fmt: skip
