"""Lists in pages, and their NextToken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cfnbox.stack_client import StackOperation
from cloudformation.conftest import template, text, thing

if TYPE_CHECKING:
    from cloudformation.conftest import Control, User

NAMES = [f"R{number:03}" for number in range(150)]


@pytest.fixture
def many(user: User) -> User:
    """A stack of 150 resources and as many exports."""
    outputs = {name: {"Value": name, "Export": {"Name": name}} for name in NAMES}
    body = {**template(**{name: thing(Name=name) for name in NAMES}), "Outputs": outputs}
    stack = user.create("s", body)
    assert stack["StackStatus"] == "CREATE_COMPLETE", [one for one in user.events("s") if "FAILED" in one[1]]
    return user


def test_events_are_listed_newest_first(many: User) -> None:
    first = many.client.describe_stack_events(StackName="s")
    assert len(first["StackEvents"]) == 100
    assert first["StackEvents"][0]["ResourceStatus"] == "CREATE_COMPLETE"
    pages = many.client.get_paginator("describe_stack_events").paginate(StackName="s")
    events = [one["EventId"] for page in pages for one in page["StackEvents"]]
    assert len(events) == len(set(events)) == 3 * 150 + 2


def test_new_events_do_not_move_a_page_of_events(many: User) -> None:
    first = many.client.describe_stack_events(StackName="s")
    many.update("s", template(R000=thing(Name="R000")))
    second = many.client.describe_stack_events(StackName="s", NextToken=first["NextToken"])
    assert not {one["EventId"] for one in first["StackEvents"]} & {one["EventId"] for one in second["StackEvents"]}
    assert second["StackEvents"][0]["Timestamp"] <= first["StackEvents"][-1]["Timestamp"]


def test_an_operation_yields_each_of_its_events_once(many: User) -> None:
    """All pages are read, without events of earlier operations."""
    operation = StackOperation(many.client, "s")
    before = many.events("s")
    body = template(**{name: thing(Name=f"{name}x") for name in NAMES})
    many.client.update_stack(StackName="s", TemplateBody=text(body))
    followed = [(one["LogicalResourceId"], one["ResourceStatus"]) for one in operation.events()]
    assert followed == [one[:2] for one in many.events("s")[len(before) :]]
    assert len(followed) > 2 * 150


@pytest.mark.parametrize(("operation", "member", "request_"), [
    ("list_stack_resources", "StackResourceSummaries", {"StackName": "s"}),
    ("list_exports", "Exports", {}),
])  # fmt: skip
def test_lists_have_pages_of_one_hundred(many: User, operation: str, member: str, request_: dict[str, str]) -> None:
    first = getattr(many.client, operation)(**request_)
    assert (len(first[member]), "NextToken" in first) == (100, True)
    second = getattr(many.client, operation)(**request_, NextToken=first["NextToken"])
    assert (len(second[member]), "NextToken" in second) == (50, False)


def test_describe_stack_resources_returns_the_first_hundred_resources(many: User) -> None:
    """DescribeStackResources has no pages, as its documentation says."""
    assert len(many.client.describe_stack_resources(StackName="s")["StackResources"]) == 100


def test_stacks_are_listed_in_pages(user: User, control: Control) -> None:
    for number in range(105):
        user.client.create_stack(StackName=f"s{number}", TemplateBody=text(template(M=thing())))
    for operation, member in (("describe_stacks", "Stacks"), ("list_stacks", "StackSummaries")):
        pages = list(user.client.get_paginator(operation).paginate())
        assert [len(page[member]) for page in pages] == [100, 5]
    for number in range(105):
        user.rest(f"s{number}")
    chosen = user.client.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert chosen == []


@pytest.mark.parametrize("token", ["nonsense", "-1", "1000000", "٣"])
@pytest.mark.parametrize("operation", ["list_stacks", "list_exports", "describe_stacks"])
def test_an_invalid_next_token_is_refused(user: User, operation: str, token: str) -> None:
    code, sentence = user.refused(operation, NextToken=token)
    assert (code, sentence.startswith("Invalid NextToken")) == ("ValidationError", True)
