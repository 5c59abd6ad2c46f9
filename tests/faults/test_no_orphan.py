"""Whatever fails once the service has accepted a model, CloudFormation learns its identifier."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from aws_sagemaker_model import entrypoint, session, telemetry
from aws_sagemaker_model.session import HandlerSession
from cfnbox.handlers.events import follow
from silence import SILENCE, giving_up
from tests.faults.conftest import Clock, Context
from tests.faults.scenarios import ARN, BEFORE, BYSTANDER, SITUATIONS, Deliver, Service, Situation, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.conftest import Json

LOG_GROUP = "aws-sagemaker-model-logs"
# What makes a describe fail for good, and what CloudFormation hears then.
FAILURES = {
    "access-denied": "AccessDenied",
    "expired-credentials": "InvalidCredentials",
    "limit-exceeded": "ServiceLimitExceeded",
    "throttling": "Throttling",
    "internal-error": "ServiceInternalError",
    "reset-after": "NetworkFailure",
    "garbled": "ServiceInternalError",
    "read-after-create-delay": "NotStabilized",
}
SPOILT = ("access-denied", "throttling", "internal-error", "reset-before", "reset-after", "garbled", "stall")
TELEMETRY = ("PutLogEvents", "CreateLogStream", "CreateLogGroup", "PutMetricData", None)


@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize("name", ["create", "create named"])
def test_a_create_that_cannot_be_read_back(
    name: str,
    fault: str,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    finish: Callable[[Json], Json],
    clock: Clock,
) -> None:
    SITUATIONS[name].prepare(service)
    sagemaker.faults.inject("DescribeModel", fault)
    *waits, last = follow(deliver, SITUATIONS[name].event(), sleep=clock.pass_)
    made = service.models().keys() - BYSTANDER.keys()
    assert outcome(last) == FAILURES[fault]
    assert {answer["resourceModel"]["ModelArn"].removeprefix(ARN) for answer in [*waits, last]} == made
    # What CloudFormation does then.
    sagemaker.faults.replace([])
    undo = Situation("DELETE", last["resourceModel"], exists=True, tags=None)
    assert finish(undo.event())["status"] == "SUCCESS"
    assert service.models() == BYSTANDER


def test_what_was_never_made_is_not_named(sagemaker: LocalSageMaker, deliver: Deliver, clock: Clock) -> None:
    sagemaker.faults.inject("CreateModel", "throttling")
    *waits, last = follow(deliver, SITUATIONS["create"].event(), sleep=clock.pass_)
    assert waits
    assert outcome(last) == "Throttling"
    assert last.get("resourceModel") is None


@pytest.fixture(scope="module")
def provider() -> HandlerSession:
    """A provider's session that awaits the answers of a slow machine."""
    return HandlerSession(session._TELEMETRY.merge(Config(connect_timeout=60, read_timeout=60)))


@pytest.fixture
def patient(provider: HandlerSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let invocations last so long that there is time for the provider's logs and metrics."""
    monkeypatch.setattr(telemetry, "PROVIDER", provider)
    monkeypatch.setattr(entrypoint, "READ_TIME_LIMIT", 600.0)
    monkeypatch.setattr(entrypoint, "MUTATION_TIME_LIMIT", 600.0)


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.parametrize("operation", TELEMETRY)
def test_logs_and_metrics_that_fail_do_not_spoil_a_create(
    operation: str,
    fault: str,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    provider: HandlerSession,
    patient: None,
    written: Any,
) -> None:
    sagemaker.faults.replace(
        [
            {"operation": spoilt, "fault": fault, "seconds": SILENCE}
            for spoilt in ([operation] if operation else ["PutLogEvents", "PutMetricData"])
        ]
    )
    written()
    with giving_up(sagemaker, *(provider.client(service) for service in ("logs", "cloudwatch"))):
        answer = deliver(SITUATIONS["create"].event(log_group=LOG_GROUP))
    assert answer["status"] == "SUCCESS"
    assert list(service.models().values()) == [BEFORE]
    assert answer["resourceModel"]["ModelArn"] == ARN + next(iter(service.models()))
    assert any(rule.met for rule in sagemaker.faults.rules)
    # Where the provider's account does not take the line, the function's own log has it.
    assert '"outcome": "SUCCESS"' in written()


def provider_calls(sagemaker: LocalSageMaker) -> Any:
    return [call.operation for call in sagemaker.calls if call.access_key == "local-provider"]


@pytest.mark.usefixtures("patient")
def test_logs_and_metrics_arrive(sagemaker: LocalSageMaker, deliver: Deliver, logs: Any, cloudwatch: Any) -> None:
    deliver(SITUATIONS["create"].event(log_group=LOG_GROUP))
    (stream,) = logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]
    events = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"])["events"]
    (line,) = (json.loads(event["message"]) for event in events)
    assert (line["action"], line["outcome"]) == ("CREATE", "SUCCESS")
    metrics = cloudwatch.list_metrics()["Metrics"]
    assert {metric["MetricName"] for metric in metrics} == {"HandlerInvocationCount", "HandlerInvocationDuration"}


@pytest.mark.usefixtures("patient")
def test_one_stacks_lines_do_not_go_to_another(sagemaker: LocalSageMaker, deliver: Deliver, logs: Any) -> None:
    for number in range(2):
        deliver(SITUATIONS["list"].event(log_group=LOG_GROUP, logical_id=f"Model{number}"))
    streams = [one["logStreamName"] for one in logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]]
    assert [name.rpartition("/")[2] for name in streams] == ["Model0", "Model1"]


@pytest.mark.usefixtures("patient")
def test_without_a_log_group_nothing_is_sent(sagemaker: LocalSageMaker, deliver: Deliver) -> None:
    deliver(SITUATIONS["list"].event(log_group=LOG_GROUP))
    assert provider_calls(sagemaker)
    sagemaker.calls.clear()
    deliver(SITUATIONS["list"].event())
    assert provider_calls(sagemaker) == []
    assert not logging.getLogger("aws_sagemaker_model").handlers


def test_without_time_nothing_is_sent(sagemaker: LocalSageMaker, deliver: Deliver) -> None:
    """Logs and metrics get what is left: with too little for a call of theirs, there is none."""
    event = SITUATIONS["create"].event(log_group=LOG_GROUP)
    assert deliver(event, Context(session.MARGIN + 2))["status"] == "IN_PROGRESS"
    assert provider_calls(sagemaker) == []
