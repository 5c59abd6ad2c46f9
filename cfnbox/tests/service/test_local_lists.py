"""ListModels: pages, filters and order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def names(create: Callable[..., str]) -> list[str]:
    """Create 23 models, and return their names, oldest first, in an order that is not alphabetical."""
    made = [f"{'xyz'[i % 3]}-{i:02}" for i in range(23)]
    for name in made:
        create(name)
    return made


def listed(client: Any, **arguments: Any) -> list[str]:
    """Return the names on all pages."""
    pages = client.get_paginator("list_models").paginate(**arguments)
    return [model["ModelName"] for page in pages for model in page["Models"]]


def test_models_are_listed_newest_first_by_default(client: Any, names: list[str]) -> None:
    assert listed(client) == names[::-1]


ORDERS: dict[str, tuple[dict[str, str], Callable[[list[str]], list[str]]]] = {
    "newest first": ({"SortBy": "CreationTime", "SortOrder": "Descending"}, lambda names: names[::-1]),
    "oldest first": ({"SortBy": "CreationTime", "SortOrder": "Ascending"}, lambda names: names),
    "only the order given": ({"SortOrder": "Ascending"}, lambda names: names),
    "by name": ({"SortBy": "Name", "SortOrder": "Ascending"}, sorted),
    "by name, descending when not said": ({"SortBy": "Name"}, lambda names: sorted(names, reverse=True)),
}


@pytest.mark.parametrize(("arguments", "expected"), ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("size", [1, 7, 23, 100])
def test_models_are_sorted_across_pages_of_any_size(
    client: Any, names: list[str], arguments: dict[str, str], expected: Callable[..., list[str]], size: int
) -> None:
    assert listed(client, MaxResults=size, **arguments) == expected(names)


@pytest.mark.usefixtures("names")
def test_pages_have_max_results_entries_and_only_the_last_has_no_token(client: Any) -> None:
    sizes: list[int] = []
    token: dict[str, Any] = {}
    while True:
        page = client.list_models(MaxResults=10, **token)
        sizes.append(len(page["Models"]))
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert sizes == [10, 10, 3]
    assert len(client.list_models(MaxResults=23)["Models"]) == 23
    assert "NextToken" not in client.list_models(MaxResults=23)
    assert len(client.list_models()["Models"]) == 10


def test_models_are_filtered_by_name_and_time(client: Any, names: list[str]) -> None:
    times = {n: client.describe_model(ModelName=n)["CreationTime"] for n in names}
    middle = times[names[11]]

    assert listed(client, NameContains="y-", MaxResults=2) == [n for n in names[::-1] if "y-" in n]
    assert listed(client, NameContains="none") == []
    assert listed(client, CreationTimeAfter=middle) == [n for n in names[::-1] if times[n] >= middle]
    assert listed(client, CreationTimeBefore=middle) == [n for n in names[::-1] if times[n] < middle]
    window = {"CreationTimeAfter": times[names[3]], "CreationTimeBefore": middle, "NameContains": "z"}
    in_window = [n for n in names if times[names[3]] <= times[n] < middle and "z" in n]
    assert listed(client, SortBy="Name", SortOrder="Ascending", **window) == sorted(in_window)


def test_a_list_entry_has_name_arn_and_creation_time_only(client: Any, create: Callable[..., str]) -> None:
    arn = create("model")
    created = client.describe_model(ModelName="model")["CreationTime"]

    assert client.list_models()["Models"] == [{"ModelName": "model", "ModelArn": arn, "CreationTime": created}]


@pytest.mark.parametrize("by", ["CreationTime", "Name"])
def test_models_created_or_deleted_between_pages_do_not_affect_others(
    client: Any, names: list[str], create: Callable[..., str], by: str
) -> None:
    order = {"SortBy": by, "SortOrder": "Descending", "MaxResults": 5}
    expected = listed(client, **order)
    first = client.list_models(**order)
    seen = [model["ModelName"] for model in first["Models"]]
    for name in (seen[-1], expected[-1]):
        client.delete_model(ModelName=name)
    # Newest and last in the alphabet: it belongs to the first page in either order.
    create("zz-newcomer")

    rest = listed(client, **order, PaginationConfig={"StartingToken": first["NextToken"]})

    assert len(expected) == len(names)
    assert seen + rest == expected[:-1]


@pytest.mark.parametrize("token", ["no-token", "WzEsMl0=", "e30=", "MQ=="])
def test_an_invalid_next_token_is_refused(client: Any, token: str) -> None:
    with pytest.raises(client.exceptions.ClientError, match="ValidationException"):
        client.list_models(NextToken=token)


@pytest.mark.usefixtures("names")
def test_a_next_token_of_another_sort_order_is_refused(client: Any) -> None:
    token = client.list_models(MaxResults=1, SortBy="Name")["NextToken"]

    with pytest.raises(client.exceptions.ClientError, match="ValidationException"):
        client.list_models(NextToken=token)


def test_times_are_accepted_as_numbers_and_as_text(names: list[str], post: Callable[..., Any]) -> None:
    numbers = post("ListModels", {"CreationTimeAfter": 0, "MaxResults": 1})
    words = post("ListModels", {"CreationTimeAfter": "1970-01-01T00:00:00Z", "MaxResults": 1})

    assert numbers == words
    newest = numbers[1]["Models"][0]
    assert newest["ModelName"] == names[-1]
    assert isinstance(newest["CreationTime"], float)
