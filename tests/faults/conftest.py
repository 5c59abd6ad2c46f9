"""The entry point under faults: without the seconds that botocore waits, and with the table of what happened."""

import logging
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from aws_sagemaker_model import creation, handlers
from aws_sagemaker_model.handlers import resource
from cfnbox.handlers.events import follow
from cfnbox.sagemaker.server import LocalSageMaker
from tests.faults.scenarios import Deliver, Json, Service


@pytest.fixture(autouse=True)
def _no_seconds_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore try again at once and as often as in a fresh execution environment."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    monkeypatch.setattr(RetryQuota, "acquire", lambda *_: True)


@pytest.fixture(autouse=True)
def _fresh_environment(sagemaker: LocalSageMaker) -> None:
    """Forget what the execution environment remembers of earlier tests."""
    creation._ACCEPTED.clear()


@pytest.fixture
def service(sagemaker: LocalSageMaker) -> Service:
    """SageMaker itself, behind its door: no fault and no record of calls, for what others do and what there is."""
    return Service(sagemaker)


@pytest.fixture(scope="session")
def logs(_server: LocalSageMaker) -> Any:
    """A boto3 client of the provider's logs."""
    return _client("logs", _server)


@pytest.fixture(scope="session")
def cloudwatch(_server: LocalSageMaker) -> Any:
    """A boto3 client of the provider's metrics."""
    return _client("cloudwatch", _server)


def _client(service: str, server: LocalSageMaker) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    make: Any = boto3.client
    return make(service, endpoint_url=server.url, region_name="us-east-1", **keys)


@pytest.fixture
def deliver() -> Deliver:
    """Deliver an event to the Lambda entry point in this process, by default without a Lambda context."""

    def send(event: Json, context: Any = None) -> Json:
        answer: Json = resource(event, context)
        return answer

    return send


@pytest.fixture
def finish(deliver: Deliver) -> Callable[[Json], Json]:
    """Deliver an event and whatever CloudFormation sends after it; return the last answer."""

    def last(event: Json) -> Json:
        *_, answer = follow(deliver, event, sleep=lambda _: None)
        return answer

    return last


@pytest.fixture
def operations_of(sagemaker: LocalSageMaker) -> Callable[[], list[str]]:
    """The operations that the handlers asked for since the last time, tries included."""

    def taken() -> list[str]:
        made = [call.operation for call in sagemaker.calls if call.access_key == "local-caller"]
        sagemaker.calls.clear()
        return made

    return taken


class Clock:
    """The time that the handlers see; `pass_` lets it pass."""

    def __init__(self, real: Any) -> None:
        self._real, self._passed = real, 0.0

    def time(self) -> float:
        return float(self._real.time()) + self._passed

    def pass_(self, seconds: float) -> None:
        self._passed += seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock of the handlers that passes on demand."""
    made = Clock(time)
    for module in (handlers, creation):
        monkeypatch.setattr(module, "time", made)
    return made


class Context:
    """A Lambda context with so much time left, in seconds, from now on by a clock."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._ends = clock, clock() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return round((self._ends - self._clock()) * 1000)


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that any logger of this process wrote since the last time, the root at DEBUG, tracebacks included."""
    caplog.set_level(logging.DEBUG)
    form = logging.Formatter("%(name)s %(message)s")

    def text() -> str:
        made = "\n".join(map(form.format, caplog.records))
        caplog.clear()
        return made

    return text
