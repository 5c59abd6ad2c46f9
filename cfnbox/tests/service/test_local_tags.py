"""Tags of models: AddTags, ListTags, DeleteTags, and system tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from service.samples import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = "arn:aws:sagemaker:us-east-1:123456789012:model/"
MISSING = f"{MODELS}none"


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(client: Any, arn: str) -> dict[str, str]:
    pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
    listed = [tag for page in pages for tag in page["Tags"]]
    assert len({tag["Key"] for tag in listed}) == len(listed)
    return {tag["Key"]: tag["Value"] for tag in listed}


def test_tags_are_added_and_overwritten_by_key(client: Any, create: Callable[..., str]) -> None:
    arn = create("model", Tags=pairs({"a": "1", "b": "2"}))

    answered = client.add_tags(ResourceArn=arn, Tags=pairs({"b": "3", "c": ""}))["Tags"]

    assert tags_of(client, arn) == {"a": "1", "b": "3", "c": ""}
    assert {tag["Key"]: tag["Value"] for tag in answered} == {"a": "1", "b": "3", "c": ""}


def test_tag_keys_are_case_sensitive(client: Any, create: Callable[..., str]) -> None:
    arn = create("model", Tags=pairs({"a": "1", "A": "2"}))

    assert tags_of(client, arn) == {"a": "1", "A": "2"}


def test_delete_tags_ignores_missing_keys(client: Any, create: Callable[..., str]) -> None:
    arn = create("model", Tags=pairs({"a": "1", "b": "2"}))

    client.delete_tags(ResourceArn=arn, TagKeys=["a", "never"])

    assert tags_of(client, arn) == {"b": "2"}


ELSEWHERE = {
    "no model of this name": MISSING,
    "another region": "arn:aws:sagemaker:eu-west-1:123456789012:model/model",
    "another account": "arn:aws:sagemaker:us-east-1:222222222222:model/model",
}


@pytest.mark.parametrize("arn", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("add_tags", {"Tags": pairs({"a": "1"})}), ("list_tags", {}), ("delete_tags", {"TagKeys": ["a"]})],
)
def test_tag_operations_on_a_missing_model_are_refused(
    client: Any, create: Callable[..., str], operation: str, arguments: dict[str, Any], arn: str
) -> None:
    create("model")

    with pytest.raises(client.exceptions.ClientError) as refused:
        getattr(client, operation)(ResourceArn=arn, **arguments)

    assert refused.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": f'Could not find model "{arn}".',
    }


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("add_tags", {"Tags": pairs({"b": "2", "aws:cloudformation:stack-name": "mine"})}),
        ("add_tags", {"Tags": pairs({"b": "2", "AWS:x": "mine"})}),
        ("delete_tags", {"TagKeys": ["a", "aws:cloudformation:stack-name"]}),
        ("add_tags", {"Tags": pairs({f"k{i}": "" for i in range(50)})}),
    ],
    ids=["add aws:", "add AWS:", "delete aws:", "a fifty-first"],
)
def test_refused_tag_operations_have_no_effect(
    client: Any, create: Callable[..., str], operation: str, arguments: dict[str, Any]
) -> None:
    arn = create("model", Tags=pairs({"a": "1"}))

    with pytest.raises(client.exceptions.ClientError, match="ValidationException"):
        getattr(client, operation)(ResourceArn=arn, **arguments)

    assert tags_of(client, arn) == {"a": "1"}


def test_a_tag_of_a_model_with_fifty_tags_can_be_overwritten(client: Any, create: Callable[..., str]) -> None:
    full = {f"k{i}": "1" for i in range(50)}
    arn = create("model", Tags=pairs(full))

    client.add_tags(ResourceArn=arn, Tags=pairs({"k7": "2"}))

    assert tags_of(client, arn) == full | {"k7": "2"}


def test_list_tags_returns_system_tags_in_pages_of_fifty(
    connect: Callable[..., Any], control: Callable[..., Any]
) -> None:
    client, own = connect(), {f"k{i}": "" for i in range(50)}
    system = {f"aws:cloudformation:{key}": "x" for key in ("stack-id", "stack-name", "logical-id")}
    arn = client.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE}, Tags=pairs(own))["ModelArn"]

    assert control("POST", "system-tags", {"arn": arn, "tags": system})[0] == 200

    first = client.list_tags(ResourceArn=arn, MaxResults=100)
    second = client.list_tags(ResourceArn=arn, NextToken=first["NextToken"])
    assert (len(first["Tags"]), len(second["Tags"]), "NextToken" in second) == (50, 3, False)
    assert tags_of(client, arn) == own | system
    with pytest.raises(client.exceptions.ClientError, match="NextToken"):
        client.list_tags(ResourceArn=arn, NextToken="no token of ours")


NO_SYSTEM_TAGS: dict[str, tuple[object, str]] = {
    "a missing model": ({"arn": MISSING, "tags": {"aws:a": "1"}}, f'Could not find model "{MISSING}".'),
    "no ARN of a model": ({"arn": "model", "tags": {"aws:a": "1"}}, 'Could not find model "model".'),
    "a key of the user's own": ({"arn": f"{MODELS}model", "tags": {"b": "2"}}, "not system tags: b"),
    "no ARN": ({"tags": {}}, "not understood"),
    "nothing": (None, "not understood"),
}


@pytest.mark.parametrize(("sent", "message"), NO_SYSTEM_TAGS.values(), ids=NO_SYSTEM_TAGS)
def test_invalid_system_tags_are_refused(
    connect: Callable[..., Any], control: Callable[..., Any], sent: object, message: str
) -> None:
    client = connect()
    arn = client.create_model(ModelName="model", PrimaryContainer={"Image": IMAGE}, Tags=pairs({"a": "1"}))[
        "ModelArn"
    ]

    status, answer = control("POST", "system-tags", sent)

    assert status == 400
    assert message in answer["message"]
    assert tags_of(client, arn) == {"a": "1"}
