"""Repeating a request with the same token returns the same answer and has no second effect."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

BODY = text(template(M=thing(Name="m", Value="1")))
NEW = text(template(M=thing(Name="m", Value="2")))


def test_a_repeated_create_with_the_same_token_has_no_second_effect(user: User, control: Control) -> None:
    asked = {"StackName": "s", "TemplateBody": BODY, "ClientRequestToken": "t"}
    first = user.client.create_stack(**asked)["StackId"]
    user.rest("s")
    assert user.client.create_stack(**asked)["StackId"] == first
    assert control.things.calls == [("create", "m")]
    code, _ = user.refused("create_stack", **asked | {"StackName": "other"})
    assert code == "TokenAlreadyExistsException"


def test_tokens_make_updates_deletions_and_change_sets_repeatable(user: User, control: Control) -> None:
    user.create("s", template(M=thing(Name="m", Value="1")))
    stack_id = user.describe("s")["StackId"]
    update = {"StackName": "s", "TemplateBody": NEW, "ClientRequestToken": "u"}
    for _ in range(2):
        assert user.client.update_stack(**update)["StackId"] == stack_id
        user.rest("s")
    asked = {"StackName": "s", "ChangeSetName": "c", "TemplateBody": BODY, "ClientToken": "c"}
    assert len({user.client.create_change_set(**asked)["Id"] for _ in range(2)}) == 1
    for _ in range(2):
        user.client.execute_change_set(StackName="s", ChangeSetName="c", ClientRequestToken="e")
        user.rest("s")
    for _ in range(2):
        user.client.delete_stack(StackName="s", ClientRequestToken="d")
        user.rest(stack_id)
    assert control.things.calls == [("create", "m"), ("update", "m"), ("update", "m"), ("delete", "m")]
    assert {one.get("ClientRequestToken") for one in user.history(stack_id)} == {None, "u", "e", "d"}


def test_the_token_of_a_refused_request_can_be_used_again(user: User) -> None:
    asked: dict[str, Any] = {"StackName": "s", "TemplateBody": NEW, "ClientRequestToken": "t"}
    assert user.refused("update_stack", **asked)[0] == "ValidationError"
    user.create("s", template(M=thing(Name="m", Value="1")))
    user.client.update_stack(**asked)
    assert user.rest("s")["StackStatus"] == "UPDATE_COMPLETE"


def test_concurrent_requests_with_the_same_token_create_a_single_stack(user: User, control: Control) -> None:
    answers: list[str] = []

    def create() -> None:
        asked = {"StackName": "s", "TemplateBody": BODY, "ClientRequestToken": "t"}
        answers.append(user.client.create_stack(**asked)["StackId"])

    threads = [threading.Thread(target=create) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    user.rest("s")
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert control.things.calls == [("create", "m")]
