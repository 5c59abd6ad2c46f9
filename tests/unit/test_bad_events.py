"""Invalid events: an answer with a reason, without a call of SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import Action, production_event
from tests.conftest import MODEL, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker

DEFINITION = TypeDefinition.load(SCHEMA)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "CREATE",
        {},
        {"action": "CREATE"},
        {"action": "DANCE", "region": "us-east-1", "bearerToken": "t", "requestData": {}},
        {"action": "CREATE", "region": None, "bearerToken": "t", "requestData": {}},
        {"action": "READ", "region": "us-east-1", "bearerToken": "t", "requestData": []},
        {"action": "READ", "region": "us-east-1", "bearerToken": "t", "requestData": {"callerCredentials": {"a": 1}}},
        {"action": "CREATE", "region": "us-east-1", "bearerToken": "t", "requestData": {"resourceProperties": {}}},
    ],
    ids=str,
)
def test_an_invalid_event_is_answered(sagemaker: LocalSageMaker, event: Any) -> None:
    from aws_sagemaker_model.handlers import resource, test_entrypoint

    for entry_point in (resource, test_entrypoint):
        answer = entry_point(event, None)
        assert answer["status"] == "FAILED"
        assert answer["errorCode"] in ("InvalidRequest", "InvalidCredentials")
        assert answer["message"]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"action": "READ", "region": "us-east-1", "request": {}},
        {"action": "DANCE", "region": "us-east-1", "request": {"clientRequestToken": "t"}},
    ],
    ids=["nothing", "no token", "another action"],
)
def test_an_invalid_sam_event_is_answered_with_the_members_of_its_format(
    sagemaker: LocalSageMaker, event: Any
) -> None:
    from aws_sagemaker_model.handlers import test_entrypoint

    answer = test_entrypoint(event, None)
    assert answer["errorCode"] == "InvalidRequest"
    assert "clientRequestToken and desiredResourceState" in answer["message"]
    assert "sam-tests/" in answer["message"]
    assert "requestData" not in answer["message"]


def request_of(invoke_event: Any, **changes: Any) -> Any:
    event = production_event(DEFINITION, "CREATE", desired=MODEL, logical_id="Scorer")
    return invoke_event({**event, **changes})


@pytest.fixture
def invoke_event(sagemaker: LocalSageMaker) -> Any:
    from aws_sagemaker_model.handlers import resource

    return lambda event: resource(event, None)


@pytest.mark.parametrize(
    "context",
    [
        {"attempt": "often"},
        {"attempt": -1},
        {"attempt": [1]},
        {"attempt": None},
        {"attempt": 1e400},
        {"since": "yesterday"},
        {"since": {}},
        {"since": float("nan")},
        {"attempt": 1, "state": "somewhere"},
        {"attempt": 1, "state": 5},
        "text",
        [1],
        5,
    ],
    ids=str,
)
@pytest.mark.parametrize("action", ["CREATE", "UPDATE", "DELETE"])
def test_a_garbled_callback_context_is_an_invalid_request(
    invoke_event: Any, operations: Callable[[], list[str]], action: Action, context: Any
) -> None:
    answer = request_of(invoke_event, action=action, callbackContext=context)
    assert answer["errorCode"] == "InvalidRequest"
    assert "callbackContext" in answer["message"]
    assert operations() == []


@pytest.mark.parametrize(
    "region",
    ["", "us east 1", "us_east_1", "US-EAST-1", "-", "us-east-1.evil.example/", "a" * 300, None, 5, ["us-east-1"]],
)
@pytest.mark.parametrize("action", ["CREATE", "READ", "LIST"])
def test_a_garbled_region_is_an_invalid_request(
    invoke_event: Any, operations: Callable[[], list[str]], action: Action, region: str
) -> None:
    answer = request_of(invoke_event, action=action, region=region)
    assert answer["errorCode"] == "InvalidRequest"
    assert "region" in answer["message"]
    assert operations() == []


@pytest.mark.parametrize(
    "changes",
    [{"awsAccountId": "12"}, {"awsAccountId": 5}, {"bearerToken": ""}, {"stackId": ["s"]}, {"action": "DANCE"}],
    ids=str,
)
def test_an_event_with_a_garbled_member_is_an_invalid_request(
    invoke_event: Any, operations: Callable[[], list[str]], changes: Any
) -> None:
    answer = request_of(invoke_event, **changes)
    assert answer["errorCode"] == "InvalidRequest"
    assert next(iter(changes)) in answer["message"] or changes.keys() == {"stackId"}
    assert operations() == []


def test_unknown_members_of_an_event_are_ignored(invoke_event: Any) -> None:
    event = production_event(DEFINITION, "CREATE", desired=MODEL, log_group="logs")
    for member in ("callerCredentials", "providerCredentials"):
        event["requestData"][member] |= {"expiration": "2030-01-01T00:00:00Z", "accountId": 5}
    event["requestData"]["new"] = event["new"] = {"of": "AWS"}
    assert invoke_event(event)["status"] == "SUCCESS"


def test_credentials_without_a_session_token_are_accepted(invoke_event: Any, sagemaker: LocalSageMaker) -> None:
    event = production_event(DEFINITION, "CREATE", desired=MODEL)
    del event["requestData"]["callerCredentials"]["sessionToken"]
    assert invoke_event(event)["status"] == "SUCCESS"
    assert {call.access_key for call in sagemaker.calls} == {"local-caller"}
