"""Requests: start, progress, repetition, cancellation and lists."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING

from cfnbox.cloudcontrol import requests
from cfnbox.providers.protocol import ResourceFailed
from cloudcontrol.conftest import BOOK, Library
from cloudcontrol.fake_provider import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import pytest


def statuses(library: Library, **asked: Any) -> list[str]:
    found = library.client.list_resource_requests(**asked)["ResourceRequestStatusSummaries"]
    return [one["OperationStatus"] for one in found]


def test_a_create_continues_in_the_background_and_ends_with_the_model(library: Library) -> None:
    library.provider.gate = threading.Event()
    event = library.begin(properties={"Pin": "1234"})
    assert (event["Operation"], event["OperationStatus"]) == ("CREATE", "IN_PROGRESS")
    library.provider.gate.set()
    ended = library.ended(event)
    assert ended["OperationStatus"] == "SUCCESS"
    assert json.loads(ended["ResourceModel"]) == {"Title": "Emma", "Isbn": ended["Identifier"]}
    assert library.get(ended["Identifier"]) == {"Title": "Emma", "Isbn": ended["Identifier"]}


def test_a_failure_of_the_handler_fails_the_request(library: Library) -> None:
    library.create("Emma")
    ended = library.ended(library.begin("Emma"))
    assert (ended["OperationStatus"], ended["ErrorCode"]) == ("FAILED", "AlreadyExists")
    assert ended["StatusMessage"] == "The book exists already."
    assert "ResourceModel" not in ended


def test_an_unknown_error_code_is_an_internal_failure(library: Library) -> None:
    library.provider.failure = ResourceFailed("No.", "InvalidTypeConfiguration")
    assert library.ended(library.begin())["ErrorCode"] == "InternalFailure"


def test_an_internal_error_of_a_provider_fails_the_request(library: Library) -> None:
    library.provider.failure = RuntimeError("Pin 1234")
    ended = library.ended(library.begin())
    assert (ended["OperationStatus"], ended["ErrorCode"]) == ("FAILED", "InternalFailure")
    assert "1234" not in ended["StatusMessage"]


def test_a_repeated_call_with_the_same_token_starts_a_single_request(library: Library) -> None:
    token = str(uuid.uuid4())
    first, again = library.begin(ClientToken=token), library.begin(ClientToken=token)
    assert first["RequestToken"] == again["RequestToken"]
    library.ended(first)
    assert library.begin(ClientToken=token)["OperationStatus"] == "SUCCESS"
    assert [action for action, _ in library.provider.calls].count("CREATE") == 1


def test_concurrent_calls_with_the_same_token_start_a_single_request(library: Library) -> None:
    token, made = str(uuid.uuid4()), []
    threads = [threading.Thread(target=lambda: made.append(library.begin(ClientToken=token))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one["RequestToken"] for one in made}) == 1
    library.ended(made[0])
    assert [action for action, _ in library.provider.calls].count("CREATE") == 1


def test_a_token_of_another_call_is_refused(library: Library) -> None:
    token = str(uuid.uuid4())
    request = library.ended(library.begin(ClientToken=token))
    text = library.refused("ClientTokenConflictException", library.begin, "Persuasion", ClientToken=token)
    assert (
        text
        == f"ClientToken {token} is already associated with an existing operation with RequestToken "
        + (request["RequestToken"])
    )
    isbn = request["Identifier"]
    library.refused(
        "ClientTokenConflictException",
        library.client.delete_resource,
        TypeName=BOOK,
        Identifier=isbn,
        ClientToken=token,
    )
    assert library.get(isbn)["Title"] == "Emma"


def test_a_token_belongs_to_an_account_and_region(library: Library) -> None:
    token = str(uuid.uuid4())
    here, there = library.client, library.connect("eu-west-1")
    asked = {"TypeName": BOOK, "DesiredState": '{"Title": "Emma"}', "ClientToken": token}
    tokens = {one.create_resource(**asked)["ProgressEvent"]["RequestToken"] for one in (here, there)}
    assert len(tokens) == 2


def test_concurrent_operations_on_a_resource_are_refused(library: Library) -> None:
    isbn, other = library.create("Emma", Note="old"), library.create("Persuasion")
    library.provider.gate = threading.Event()
    running = library.patch(isbn, {"op": "add", "path": "/Note", "value": "worn"})
    delete = {"TypeName": BOOK, "Identifier": isbn}
    library.refused("ConcurrentOperationException", library.client.delete_resource, **delete)
    library.refused(
        "ConcurrentOperationException", library.patch, isbn, {"op": "test", "path": "/Title", "value": "Emma"}
    )
    beside = library.client.delete_resource(TypeName=BOOK, Identifier=other)["ProgressEvent"]
    library.provider.gate.set()
    assert library.ended(running)["OperationStatus"] == library.ended(beside)["OperationStatus"] == "SUCCESS"
    assert library.ended(library.client.delete_resource(**delete)["ProgressEvent"])["OperationStatus"] == "SUCCESS"


def test_a_waiting_request_can_be_cancelled(library: Library) -> None:
    library.provider.gate = threading.Event()
    event = library.begin()
    cancelled = library.client.cancel_resource_request(RequestToken=event["RequestToken"])["ProgressEvent"]
    assert cancelled["OperationStatus"] in ("CANCEL_IN_PROGRESS", "CANCEL_COMPLETE")
    ended = library.ended(event)
    assert ended["OperationStatus"] == "CANCEL_COMPLETE"
    # The handler had begun: what it made is named, so that nothing is lost.
    assert library.get(ended["Identifier"])["Title"] == "Emma"


def test_a_completed_request_cannot_be_cancelled(library: Library) -> None:
    event = library.ended(library.begin())
    call = library.client.cancel_resource_request
    assert "SUCCESS" in library.refused("ConcurrentModificationException", call, RequestToken=event["RequestToken"])
    assert library.get(event["Identifier"])["Title"] == "Emma"


def test_a_time_limit_of_the_schema_ends_a_request(open_library: Callable[[FakeProvider], Library]) -> None:
    library = open_library(FakeProvider(handlers={"create": {"permissions": [], "timeoutInMinutes": 0}}))
    library.provider.gate = threading.Event()
    ended = library.ended(library.begin())
    assert (ended["OperationStatus"], ended["ErrorCode"]) == ("FAILED", "NotStabilized")


def test_unknown_request_tokens_are_not_found(library: Library) -> None:
    for call in (library.client.get_resource_request_status, library.client.cancel_resource_request):
        library.refused("RequestTokenNotFoundException", call, RequestToken=str(uuid.uuid4()))


def test_requests_are_listed_in_pages_and_by_filter(library: Library) -> None:
    for number in range(5):
        library.create(f"Volume {number}")
    library.ended(library.begin("Volume 1"))
    pages = library.client.get_paginator("list_resource_requests").paginate(PaginationConfig={"PageSize": 2})
    found = [[one["OperationStatus"] for one in page["ResourceRequestStatusSummaries"]] for page in pages]
    assert found == [["FAILED", "SUCCESS"], ["SUCCESS"] * 2, ["SUCCESS"] * 2]
    assert statuses(library, ResourceRequestStatusFilter={"OperationStatuses": ["FAILED"]}) == ["FAILED"]
    assert statuses(library, ResourceRequestStatusFilter={"Operations": ["DELETE"]}) == []
    assert statuses(library, ResourceRequestStatusFilter={"Operations": ["CREATE"]}, MaxResults=3) == [
        "FAILED", "SUCCESS", "SUCCESS"]  # fmt: skip


def test_close_ends_waiting_requests(library: Library) -> None:
    library.provider.gate = threading.Event()
    library.begin()
    assert library.api.is_busy
    library.api.close()
    assert not library.api.is_busy


def test_only_the_last_requests_are_kept(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_MOST_REQUESTS", 100)
    first = library.begin("First")
    library.ended(first)
    for number in range(105):
        library.ended(library.begin(f"Volume {number}"))
    pages = library.client.get_paginator("list_resource_requests").paginate(PaginationConfig={"PageSize": 10})
    assert sum(len(page["ResourceRequestStatusSummaries"]) for page in pages) <= 101
    call = library.client.get_resource_request_status
    library.refused("RequestTokenNotFoundException", call, RequestToken=first["RequestToken"])
