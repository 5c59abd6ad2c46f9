"""A role that becomes usable some seconds after the model was first tried, and one that never does."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.handlers.events import follow, reinvocation
from tests.faults.scenarios import ARN, BEFORE, CANARY, SITUATIONS, THEIRS, Service, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.faults.conftest import Clock
    from tests.faults.scenarios import Deliver

RACES = ("iam-race-role", "iam-race-role-older", "iam-race-data", "iam-race-image", "iam-race-repository")
# Refused for good, some in words that begin or end as the race's do.
MISTAKES = ("artifact-missing", "image-missing", "oci-image", "not-subscribed", "eula", "access-denied")
# Seconds. Terraform gives up after two minutes as well.
BOUND = 120

create = SITUATIONS["create"]


def deliver_through(deliver: Deliver, clock: Clock, event: Any) -> Any:
    """Every answer to an event and to what CloudFormation sends after it, in the handlers' time."""
    return list(follow(deliver, event, sleep=clock.pass_))


@pytest.mark.parametrize("name", ["create", "create named"])
@pytest.mark.parametrize("fault", RACES)
def test_succeeds_when_iam_does(
    name: str,
    fault: str,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    clock: Clock,
    operations_of: Callable[[], list[str]],
) -> None:
    sagemaker.faults.inject("CreateModel", fault, times=5)
    *waits, last = deliver_through(deliver, clock, SITUATIONS[name].event())
    assert [answer["status"] for answer in waits] == ["IN_PROGRESS"] * 5
    assert last["status"] == "SUCCESS"
    assert list(service.models().values()) == [BEFORE]
    # Once for each invocation: the wait is CloudFormation's, not botocore's.
    assert operations_of().count("CreateModel") == 6
    assert {answer["resourceModel"]["ModelArn"] for answer in [*waits, last]} == {ARN + next(iter(service.models()))}


def test_waits_longer_and_longer_and_not_in_step(sagemaker: LocalSageMaker, deliver: Deliver, clock: Clock) -> None:
    sagemaker.faults.inject("CreateModel", "iam-race-role")
    waits = [
        [answer["callbackDelaySeconds"] for answer in deliver_through(deliver, clock, create.event())[:-1]]
        for _ in range(8)
    ]
    for delays in waits:
        assert all(1 <= delay <= 20 for delay in delays)
        assert sum(delays[:3]) < sum(delays[3:6])
        assert len(delays) < 20
    assert len({tuple(delays) for delays in waits}) > 1


def test_remembers_little_and_nothing_of_the_user(sagemaker: LocalSageMaker, deliver: Deliver) -> None:
    sagemaker.faults.inject("CreateModel", "iam-race-data")
    context = json.dumps(deliver(create.event())["callbackContext"])
    assert len(context) < 200
    assert CANARY not in context
    assert "scor" not in context.lower()


@pytest.mark.parametrize("fault", RACES)
def test_gives_up_with_advice(
    fault: str, sagemaker: LocalSageMaker, service: Service, deliver: Deliver, clock: Clock
) -> None:
    sagemaker.faults.inject("CreateModel", fault)
    started = clock.time()
    *waits, last = deliver_through(deliver, clock, create.event())
    assert len(waits) > 5
    assert BOUND <= clock.time() - started <= BOUND + 5
    assert outcome(last) == "NotStabilized"
    assert "role" in last["message"]
    assert ("s3:ListBucket" in last["message"]) == (fault == "iam-race-data")
    assert "Check" in last["message"]
    assert CANARY not in last["message"]
    # Nothing was made, so nothing is there for CloudFormation to delete.
    assert last.get("resourceModel") is None
    assert service.models() == {}


@pytest.mark.parametrize("fault", MISTAKES)
def test_a_real_mistake_fails_at_once(
    fault: str, sagemaker: LocalSageMaker, deliver: Deliver, operations_of: Callable[[], list[str]]
) -> None:
    sagemaker.faults.inject("CreateModel", fault)
    answer = deliver(create.event())
    assert answer["status"] == "FAILED"
    assert operations_of() == ["CreateModel"]


def test_a_mistake_that_shows_after_the_race_fails_at_once(
    sagemaker: LocalSageMaker, deliver: Deliver, clock: Clock, operations_of: Callable[[], list[str]]
) -> None:
    sagemaker.faults.inject("CreateModel", "iam-race-role", times=2)
    sagemaker.faults.inject("CreateModel", "artifact-missing")
    *waits, last = deliver_through(deliver, clock, create.event())
    assert len(waits) == 2
    assert outcome(last) == "InvalidRequest"
    assert operations_of() == ["CreateModel"] * 3


def test_a_model_that_is_slow_to_show_has_its_own_time(
    sagemaker: LocalSageMaker, service: Service, deliver: Deliver, clock: Clock
) -> None:
    """IAM took almost all of its time: the wait for the model to be seen begins anew."""
    event = create.event()
    sagemaker.faults.inject("CreateModel", "iam-race-role", times=1)
    answer = deliver(event)
    clock.pass_(BOUND - 1)
    sagemaker.faults.inject("DescribeModel", "read-after-create-delay", times=3)
    *waits, last = deliver_through(deliver, clock, reinvocation(event, answer))
    assert len(waits) == 3
    assert last["status"] == "SUCCESS"
    assert list(service.models().values()) == [BEFORE]


def test_a_model_never_shown_is_told_to_be_deleted(
    sagemaker: LocalSageMaker, service: Service, deliver: Deliver, clock: Clock
) -> None:
    sagemaker.faults.inject(None, "read-after-create-delay")
    last = deliver_through(deliver, clock, create.event())[-1]
    assert outcome(last) == "NotStabilized"
    assert last["resourceModel"]["ModelArn"] == ARN + next(iter(service.models()))


def test_somebody_elses_model_is_found_before_the_wait(
    sagemaker: LocalSageMaker, service: Service, deliver: Deliver, operations_of: Callable[[], list[str]]
) -> None:
    """An answer that waits names the model, and CloudFormation deletes what it names if the create fails."""
    service.create("scorer", THEIRS)
    sagemaker.faults.inject("CreateModel", "iam-race-role")
    answer = deliver(SITUATIONS["create named"].event())
    assert outcome(answer) == "AlreadyExists"
    assert answer.get("resourceModel") is None
    assert service.models() == {"scorer": THEIRS}
    assert operations_of() == ["CreateModel", "DescribeModel"]


def test_time_moves_for_the_handlers_only(clock: Clock) -> None:
    before = time.time()
    clock.pass_(1000)
    assert clock.time() - before >= 1000
    assert time.time() - before < 1000
