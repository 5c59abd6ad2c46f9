"""Calls of SageMaker for each request of CloudFormation: they are few, because they are throttled and take time."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import MODEL, Invoke, Json

Operations = Callable[[], list[str]]


@pytest.fixture
def made(invoke: Invoke, operations: Operations) -> Json:
    """A model with two tags, one of them the stack's."""
    tags = [{"Key": "stage", "Value": "test"}]
    model: Json = invoke("CREATE", {**MODEL, "Tags": tags}, stack_tags={"team": "risk"})["resourceModel"]
    assert operations() == ["CreateModel", "DescribeModel"]
    return model


def _tagged(model: Json, **tags: str) -> Json:
    return {**model, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def test_a_read_needs_two_calls(invoke: Invoke, operations: Operations, made: Json) -> None:
    assert invoke("READ", made)["status"] == "SUCCESS"
    assert operations() == ["DescribeModel", "ListTags"]


@pytest.mark.parametrize(
    ("tags", "changes"),
    [
        ({"stage": "test", "team": "risk"}, []),
        ({"stage": "live", "team": "risk"}, ["AddTags"]),
        ({"team": "risk"}, ["DeleteTags"]),
        ({"stage": "live", "owner": "me"}, ["AddTags", "DeleteTags"]),
    ],
    ids=["nothing", "value", "removal", "both"],
)
def test_an_update_needs_calls_for_changed_tags_only(
    invoke: Invoke, operations: Operations, made: Json, tags: Any, changes: list[str]
) -> None:
    assert invoke("UPDATE", _tagged(made, **tags), previous=made)["status"] == "SUCCESS"
    assert operations() == ["DescribeModel", "ListTags", *changes]


def test_a_delete_needs_a_single_call(invoke: Invoke, operations: Operations, made: Json) -> None:
    assert invoke("DELETE", made)["status"] == "SUCCESS"
    assert operations() == ["DeleteModel"]


def test_a_list_needs_a_call_for_each_page(invoke: Invoke, operations: Operations, client: Any) -> None:
    for number in range(205):
        client.create_model(ModelName=f"model-{number}", **MODEL)
    operations()
    sizes: list[int] = []
    token = None
    while not sizes or token:
        page = invoke("LIST", next_token=token)
        sizes.append(len(page["resourceModels"]))
        token = page.get("nextToken")
    assert sizes == [100, 100, 5]
    assert operations() == ["ListModels"] * 3


@pytest.mark.parametrize(
    ("action", "model"),
    [("CREATE", {**MODEL, "ModelName": "-"}), ("READ", {"ModelName": "-"}), ("DELETE", {"ModelArn": "x"})],
)
def test_a_refused_request_makes_no_call(invoke: Invoke, operations: Operations, action: Any, model: Json) -> None:
    assert invoke(action, model)["status"] == "FAILED"
    assert operations() == []
