"""Control requests of the local SageMaker: recorded calls, faults, and reset."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions

from cfnbox.aws.http import HttpServer
from cfnbox.sagemaker.faults import BadRule
from cfnbox.sagemaker.server import SageMakerApp
from service.samples import IMAGE, ROLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker

MODEL = {"ModelName": "model", "PrimaryContainer": {"Image": IMAGE}}
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/model"


def test_calls_are_recorded_with_their_outcome(
    connect: Callable[..., Any], server: LocalSageMaker, control: Callable[..., Any]
) -> None:
    client = connect()
    server.faults.inject("DeleteModel", "reset-after", times=1)
    client.create_model(**MODEL)
    with pytest.raises(exceptions.ClientError):
        client.create_model(**MODEL)
    with pytest.raises(exceptions.ConnectionClosedError):
        client.delete_model(ModelName="model")

    recorded = [(c.operation, c.service, c.region, c.access_key, c.status, c.code, c.fault) for c in server.calls]
    assert recorded == [
        ("CreateModel", "sagemaker", "us-east-1", "testing", 200, None, None),
        ("CreateModel", "sagemaker", "us-east-1", "testing", 400, "ValidationException", None),
        ("DeleteModel", "sagemaker", "us-east-1", "testing", None, None, "reset-after"),
    ]
    status, answered = control("GET", "calls")
    assert (status, [tuple(call.values()) for call in answered]) == (200, recorded)


def test_faults_set_over_http_replace_the_previous_faults(
    connect: Callable[..., Any], control: Callable[..., Any]
) -> None:
    client = connect()
    assert control("POST", "faults", [{"operation": "ListModels", "fault": "internal-error"}])[0] == 200
    assert control("POST", "faults", [{"operation": "ListModels", "fault": "throttling", "times": 1}])[0] == 200

    with pytest.raises(exceptions.ClientError, match="ThrottlingException"):
        client.list_models()
    assert client.list_models()["Models"] == []


def test_a_reset_over_http_removes_models_calls_and_faults(
    connect: Callable[..., Any], server: LocalSageMaker, control: Callable[..., Any]
) -> None:
    client = connect()
    client.create_model(**MODEL, Tags=[{"Key": "a", "Value": "b"}])
    server.faults.inject(None, "unavailable")

    assert control("POST", "reset")[0] == 200

    assert server.calls == []
    assert client.list_models()["Models"] == []
    client.create_model(**MODEL)
    assert client.list_tags(ResourceArn=ARN)["Tags"] == []


BAD_RULES: dict[str, Any] = {
    "not a list": {"fault": "throttling"},
    "not an object": ["throttling"],
    "unknown fault": [{"fault": "fire"}],
    "no fault": [{"operation": "CreateModel"}],
    "unknown member": [{"fault": "throttling", "often": 1}],
    "times in words": [{"fault": "throttling", "times": "twice"}],
    "negative seconds": [{"fault": "iam-race-role", "seconds": -1}],
    "half a call": [{"fault": "throttling", "after": 0.5}],
    "a stall without end": [{"fault": "stall"}],
}


@pytest.mark.parametrize("rules", BAD_RULES.values(), ids=BAD_RULES)
def test_a_list_with_an_invalid_fault_rule_is_refused_completely(
    connect: Callable[..., Any], control: Callable[..., Any], rules: Any
) -> None:
    good = {"operation": "ListModels", "fault": "throttling"}
    status, answer = control("POST", "faults", [good, *rules] if isinstance(rules, list) else rules)

    assert status == 400
    assert answer["message"]
    assert connect().list_models()["Models"] == []


def test_unknown_control_requests_list_the_valid_requests(control: Callable[..., Any]) -> None:
    status, answer = control("POST", "fault", [])

    assert status == 404
    assert "POST /_local/faults" in answer["message"]


def test_an_invalid_fault_rule_raises_an_error(server: LocalSageMaker) -> None:
    with pytest.raises(BadRule, match="known are: throttling"):
        server.faults.inject("CreateModel", "fire")


def test_only_the_last_calls_are_recorded(
    connect: Callable[..., Any], control: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfnbox.sagemaker.server._MOST_CALLS", 20)
    client = connect()
    client.list_endpoints()
    for _ in range(20):
        client.list_models()
    _, calls = control("GET", "calls")
    assert [call["operation"] for call in calls] == ["ListModels"] * 20


def test_a_request_received_before_a_reset_has_no_effect_after_it(connect: Callable[..., Any]) -> None:
    arrived, was_reset = threading.Event(), threading.Event()

    def await_reset(_role: str) -> bool:
        arrived.set()
        return was_reset.wait(60)

    app = SageMakerApp(may_assume=await_reset)
    server = HttpServer(app)
    client = connect(endpoint_url=server.url)
    with ThreadPoolExecutor() as other:
        late = other.submit(client.create_model, **MODEL, ExecutionRoleArn=ROLE)
        assert arrived.wait(60)
        app.reset()
        was_reset.set()
        with pytest.raises(exceptions.ConnectionClosedError):
            late.result()
    assert client.list_models()["Models"] == []
    server.close()
    app.close()
