"""Wait conditions, signalled by a PUT to their handles."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests

from cfnbox.providers.protocol import Cancelled, Owner, Resource, ResourceFailed
from cfnbox.providers.wait_conditions import WaitConditions
from providers.provider_requests import PLACE, RecordingProgress, request

if TYPE_CHECKING:
    from cfnbox.providers.callbacks import Callbacks
    from cfnbox.providers.published import PublishedTypes

CONDITION, HANDLE = "AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle"


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def provider(callbacks: Callbacks, published: PublishedTypes, told: Any, url: str) -> WaitConditions:
    def tell(owner: Owner, text: str) -> None:
        told.append((owner.logical_id, text))

    return WaitConditions(callbacks, published, tell)


@pytest.fixture
def handle(provider: WaitConditions) -> str:
    definition = provider.definition(HANDLE, PLACE)
    assert definition
    return provider.create(definition, request("Handle"), {}, RecordingProgress()).physical_id


def wait(provider: WaitConditions, progress: RecordingProgress | None = None, **properties: Any) -> Resource:
    definition = provider.definition(CONDITION, PLACE)
    assert definition
    return provider.create(definition, request("Wait"), properties, progress or RecordingProgress())


def signal(url: str, unique_id: str, status: str = "SUCCESS", **members: Any) -> int:
    body = json.dumps({"Status": status, "UniqueId": unique_id, **members})
    return requests.put(url, body, timeout=60).status_code


def test_enough_signals_end_the_wait(provider: WaitConditions, handle: str, told: Any) -> None:
    assert [signal(handle, "1", Data="one"), signal(handle, "1"), signal(handle, "2")] == [200, 200, 200]
    made = wait(provider, Handle=handle, Timeout="10", Count=2)
    assert json.loads(made.attributes["Data"]) == {"1": "one", "2": ""}
    assert made.physical_id.startswith("shop-Wait-")
    assert told == [("Wait", f"Received SUCCESS signal with UniqueId {one}") for one in ("1", "2")]


def test_signals_are_received_during_the_wait(provider: WaitConditions, handle: str) -> None:
    sender = threading.Timer(0.05, signal, (handle, "late"))
    sender.start()
    assert json.loads(wait(provider, Handle=handle, Timeout=10).attributes["Data"]) == {"late": ""}
    sender.join()


def test_a_failure_signal_fails_the_stack(provider: WaitConditions, handle: str) -> None:
    signal(handle, "7", "FAILURE", Reason="no disk")
    with pytest.raises(ResourceFailed, match="received failed message: 'no disk' for uniqueId: 7"):
        wait(provider, Handle=handle, Timeout=10)


def test_too_few_signals_are_a_failure(provider: WaitConditions, handle: str) -> None:
    signal(handle, "1")
    with pytest.raises(ResourceFailed, match=r"timed out. Received 1 conditions when expecting 2"):
        wait(provider, Handle=handle, Timeout=1, Count=2)


def test_the_wait_can_be_cancelled(provider: WaitConditions, handle: str) -> None:
    with pytest.raises(Cancelled):
        wait(provider, RecordingProgress(patience=-1), Handle=handle, Timeout=10)


@pytest.mark.parametrize(
    "properties", [{"Timeout": 0}, {"Timeout": "soon"}, {"Timeout": 50000}, {}, {"Timeout": 5, "Count": 0}]
)
def test_invalid_counts_and_timeouts_are_refused(
    provider: WaitConditions, handle: str, properties: dict[str, Any]
) -> None:
    with pytest.raises(ResourceFailed, match="must be a whole number"):
        wait(provider, Handle=handle, **properties)


def test_a_handle_belongs_to_its_stack(provider: WaitConditions) -> None:
    with pytest.raises(ResourceFailed, match="must be the Ref of a wait condition handle"):
        wait(provider, Handle="https://example.com/", Timeout=5)


def test_an_invalid_signal_is_refused(handle: str) -> None:
    assert requests.put(handle, "{}", timeout=60).status_code == 400
    assert requests.put(handle, "hello", timeout=60).status_code == 400
    assert requests.put(handle, json={"Status": "SUCCESS", "UniqueId": "1"}, timeout=60).status_code == 403
    assert signal(f"{handle}x", "1") == 403


def test_an_update_is_refused_with_the_message_of_cloudformation(provider: WaitConditions) -> None:
    definition = provider.definition(CONDITION, PLACE)
    assert definition
    with pytest.raises(ResourceFailed, match="AWS::CloudFormation::WaitCondition is not supported"):
        provider.update(definition, request(), Resource("x", "x", {}, {}), {}, {}, RecordingProgress())


def test_a_deleted_handle_refuses_signals(provider: WaitConditions, handle: str) -> None:
    definition = provider.definition(HANDLE, PLACE)
    assert definition
    provider.delete(definition, request(), Resource(handle, handle, {}, {}), {}, RecordingProgress())
    assert signal(handle, "1") == 403
