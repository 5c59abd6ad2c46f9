"""Answers that never came and events that come twice: one model, the right one, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.retries.quota import RetryQuota

from aws_sagemaker_model import creation
from cfnbox.handlers.events import follow, reinvocation
from tests.conftest import IMAGE, Json
from tests.faults.scenarios import (
    AFTER,
    ARN,
    BEFORE,
    BYSTANDER,
    CANARY,
    MODEL,
    NAMED,
    PLACE,
    SITUATIONS,
    THEIRS,
    Service,
    Situation,
    outcome,
    tag_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.faults.conftest import Clock
    from tests.faults.scenarios import Deliver

# The service acts, and its answer is lost: in one call that is sent again, or in all that an invocation sends.
LOST = {"once": 1, "in every try": 3}
# Something else in each model than in the one asked for, however small.
CONTAINER: Json = MODEL["PrimaryContainer"]
OTHERS: dict[str, Json] = {
    "other role": {"ExecutionRoleArn": "arn:aws:iam::123456789012:role/other"},
    "other image": {"PrimaryContainer": {**CONTAINER, "Image": f"{IMAGE}-other"}},
    "isolated": {"EnableNetworkIsolation": True},
    "one variable more": {
        "PrimaryContainer": {
            **CONTAINER,
            "Environment": {**CONTAINER["Environment"], "MORE": "1"},
        }
    },
}

create, named, update, delete = (SITUATIONS[name] for name in ("create", "create named", "update", "delete"))


@pytest.fixture
def new_environment() -> Any:
    """Another execution environment: it remembers nothing."""
    return creation._ACCEPTED.clear


@pytest.mark.parametrize("times", LOST.values(), ids=LOST)
@pytest.mark.parametrize("situation", [create, named], ids=["name generated", "name chosen"])
def test_a_create_without_an_answer_is_one_model(
    situation: Situation,
    times: Any,
    sagemaker: LocalSageMaker,
    service: Service,
    finish: Callable[[Json], Json],
    new_environment: Callable[[], None],
) -> None:
    sagemaker.faults.inject("CreateModel", "reset-after", times=times)
    event = situation.event()
    answer = finish(event)
    assert answer["status"] == "SUCCESS"
    assert list(service.models().values()) == [BEFORE]
    # Delivered again, to where the first delivery is remembered.
    assert finish(event)["resourceModel"] == answer["resourceModel"]
    assert list(service.models().values()) == [BEFORE]


# Seconds by which the clock of the Lambda function is ahead of the service's.
@pytest.mark.parametrize("ahead", [2, 3600, -2, -3600])
@pytest.mark.parametrize("times", LOST.values(), ids=LOST)
def test_a_chosen_name_is_ours_by_the_clock_of_the_service(
    times: Any,
    ahead: float,
    sagemaker: LocalSageMaker,
    service: Service,
    finish: Callable[[Json], Json],
    clock: Clock,
) -> None:
    clock.pass_(ahead)
    sagemaker.faults.inject("CreateModel", "reset-after", times=times)
    answer = finish(named.event())
    assert answer["status"] == "SUCCESS", answer
    assert answer["resourceModel"]["ModelArn"] == ARN + "scorer"
    assert service.models() == {"scorer": BEFORE}


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_somebody_elses_name_is_theirs_by_the_clock_of_the_service(
    ahead: float, sagemaker: LocalSageMaker, service: Service, finish: Callable[[Json], Json], clock: Clock
) -> None:
    service.create("scorer", THEIRS)
    stored = sagemaker.service.store(PLACE).models["scorer"]
    stored.description["CreationTime"] = stored.creation_time - 30
    clock.pass_(ahead)
    sagemaker.faults.inject("CreateModel", "reset-before", times=1)
    answer = finish(named.event())
    assert outcome(answer) == "AlreadyExists"
    assert answer.get("resourceModel") is None
    assert service.models() == {"scorer": THEIRS}


def test_a_create_delivered_again_elsewhere(
    service: Service, finish: Callable[[Json], Json], new_environment: Callable[[], None]
) -> None:
    event = create.event()
    answer = finish(event)
    new_environment()
    assert finish(event)["resourceModel"] == answer["resourceModel"]
    assert list(service.models().values()) == [BEFORE]


def test_a_chosen_name_delivered_again_elsewhere_claims_nothing(
    service: Service, finish: Callable[[Json], Json], new_environment: Callable[[], None]
) -> None:
    """Without a memory, the model could be anybody's: better an error than somebody else's model."""
    event = named.event()
    finish(event)
    new_environment()
    again = finish(event)
    assert outcome(again) == "AlreadyExists"
    assert again.get("resourceModel") is None
    assert service.models() == {"scorer": BEFORE}


def test_another_request_for_the_same_name_is_refused(service: Service, finish: Callable[[Json], Json]) -> None:
    finish(named.event())
    again = finish(named.event())
    assert outcome(again) == "AlreadyExists"
    assert again.get("resourceModel") is None


def test_two_requests_without_a_name_make_two_models(service: Service, finish: Callable[[Json], Json]) -> None:
    for _ in range(2):
        assert finish(create.event())["status"] == "SUCCESS"
    assert list(service.models().values()) == [BEFORE] * 2


# Faults of a create of a name that somebody else has: with each, the service may or may not have acted.
@pytest.mark.parametrize("times", [0, *LOST.values()], ids=["answered", *LOST])
@pytest.mark.parametrize("fault", ["reset-before", "reset-after", "internal-error", "throttling", "garbled"])
def test_somebody_elses_equal_model_stays_theirs(
    fault: str,
    times: Any,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    finish: Callable[[Json], Json],
) -> None:
    service.create("scorer", THEIRS)
    sagemaker.faults.inject("CreateModel", fault, times=times)
    event = named.event()
    answers = list(follow(deliver, event, sleep=lambda _: None))
    assert outcome(answers[-1]) == "AlreadyExists"
    # Not even named, or CloudFormation would delete it when the create has failed.
    assert [answer.get("resourceModel") for answer in answers] == [None]
    assert outcome(finish(event)) == "AlreadyExists"
    assert service.models() == {"scorer": THEIRS}


@pytest.mark.parametrize("differs", OTHERS.values(), ids=OTHERS)
def test_a_model_made_meanwhile_that_differs_is_not_taken_over(
    differs: Any, sagemaker: LocalSageMaker, service: Service, deliver: Deliver, finish: Callable[[Json], Json]
) -> None:
    """Our request was lost before it arrived; then somebody else made a model of that name."""
    sagemaker.faults.inject("CreateModel", "reset-before", times=3)
    event = named.event()
    answer = deliver(event)
    assert answer["status"] == "IN_PROGRESS"
    other = Situation("CREATE", {**NAMED, **differs, "Tags": tag_list(THEIRS)}, exists=False, tags=THEIRS)
    assert finish(other.event())["status"] == "SUCCESS"
    assert outcome(finish(reinvocation(event, answer))) == "AlreadyExists"
    assert service.models() == {"scorer": THEIRS}


@pytest.mark.parametrize("fault", ["throttling", "iam-race-role"])
def test_an_equal_model_made_meanwhile_is_not_taken_over_by_a_request_that_was_refused(
    fault: str, sagemaker: LocalSageMaker, service: Service, deliver: Deliver, finish: Callable[[Json], Json]
) -> None:
    """Every try was answered, so what stands there now cannot be ours."""
    sagemaker.faults.inject("CreateModel", fault, times=3)
    event = named.event()
    answer = deliver(event)
    assert answer["status"] == "IN_PROGRESS"
    sagemaker.faults.replace([])
    service.create("scorer", THEIRS)
    assert outcome(finish(reinvocation(event, answer))) == "AlreadyExists"
    assert service.models() == {"scorer": THEIRS}


@pytest.mark.parametrize("then", ["throttling", "access-denied", "limit-exceeded", "iam-race-role"])
@pytest.mark.parametrize("situation", [create, named], ids=["name generated", "name chosen"])
def test_no_orphan_when_a_lost_create_is_then_refused(
    situation: Situation, then: Any, sagemaker: LocalSageMaker, service: Service, finish: Callable[[Json], Json]
) -> None:
    """The first try made the model; its repetition meets something else, and that must not hide the model."""
    sagemaker.faults.inject("CreateModel", "reset-after", times=1)
    sagemaker.faults.inject("CreateModel", then, times=2)
    answer = finish(situation.event())
    (name,) = service.models()
    assert answer["resourceModel"]["ModelArn"] == ARN + name
    assert answer["status"] == "SUCCESS" or situation is create


def test_a_lost_create_that_is_slow_to_show(
    sagemaker: LocalSageMaker, service: Service, finish: Callable[[Json], Json]
) -> None:
    """CreateModel says that the model exists, DescribeModel that it does not."""
    sagemaker.faults.inject("CreateModel", "reset-after", times=1)
    sagemaker.faults.inject("DescribeModel", "read-after-create-delay", times=2)
    assert finish(named.event())["status"] == "SUCCESS"
    assert service.models() == {"scorer": BEFORE}


def test_a_delete_repeated(service: Service, finish: Callable[[Json], Json]) -> None:
    delete.prepare(service)
    event = delete.event()
    assert [outcome(finish(event)) for _ in range(3)] == ["SUCCESS", "NotFound", "NotFound"]
    assert service.models() == BYSTANDER


@pytest.mark.parametrize("times", LOST.values(), ids=LOST)
@pytest.mark.parametrize("fault", ["reset-after", "truncated"])
def test_a_delete_without_an_answer_is_a_success(
    fault: str, times: Any, sagemaker: LocalSageMaker, service: Service, finish: Callable[[Json], Json]
) -> None:
    delete.prepare(service)
    sagemaker.faults.inject("DeleteModel", fault, times=times)
    assert finish(delete.event())["status"] == "SUCCESS"
    assert service.models() == BYSTANDER


@pytest.mark.parametrize("times", [1, 3], ids=["once", "in every try"])
def test_a_delete_of_nothing_is_not_found_however_often_it_was_refused(
    times: Any, sagemaker: LocalSageMaker, finish: Callable[[Json], Json]
) -> None:
    sagemaker.faults.inject("DeleteModel", "throttling", times=times)
    assert outcome(finish(delete.event())) == "NotFound"


@pytest.mark.parametrize("fault", ["reset-before", "reset-after", "access-denied"])
@pytest.mark.parametrize("call", ["AddTags", "DeleteTags"])
def test_an_update_interrupted_is_completed_by_its_repetition(
    call: Any,
    fault: str,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    finish: Callable[[Json], Json],
) -> None:
    update.prepare(service)
    sagemaker.faults.inject(call, fault)
    event = update.event()
    deliver(event)
    halfway = service.models()["scorer"]
    # Set before removed: a key of both sets is never missing.
    assert halfway.keys() >= BEFORE.keys() & AFTER.keys()
    sagemaker.faults.replace([])
    assert finish(event)["status"] == "SUCCESS"
    assert service.models() == {**BYSTANDER, "scorer": AFTER}


@pytest.mark.parametrize("call", ["AddTags", "DeleteTags"])
def test_an_update_interrupted_where_there_is_no_room_for_more_tags(
    call: Any, sagemaker: LocalSageMaker, service: Service, deliver: Deliver, finish: Callable[[Json], Json]
) -> None:
    """A model has at most 50 tags, so that the old go before the new."""
    before, after = ({f"{age}{number}": CANARY for number in range(50)} for age in ("old", "new"))
    service.create("scorer", before)
    there = {**NAMED, "ModelArn": f"{ARN}scorer"}
    full = Situation(
        "UPDATE",
        {**there, "Tags": tag_list(after)},
        exists=True,
        tags=after,
        previous={**there, "Tags": tag_list(before)},
    )
    sagemaker.faults.inject(call, "access-denied")
    event = full.event()
    assert outcome(deliver(event)) == "AccessDenied"
    sagemaker.faults.replace([])
    assert finish(event)["status"] == "SUCCESS"
    assert service.models() == {"scorer": after}


def test_an_update_interrupted_is_undone_by_the_rollback(
    sagemaker: LocalSageMaker, service: Service, deliver: Deliver, finish: Callable[[Json], Json]
) -> None:
    update.prepare(service)
    sagemaker.faults.inject("DeleteTags", "access-denied")
    assert outcome(deliver(update.event())) == "AccessDenied"
    sagemaker.faults.replace([])
    back = Situation("UPDATE", update.previous or {}, exists=True, tags=BEFORE, previous=update.desired)
    assert finish(back.event())["status"] == "SUCCESS"
    assert service.models() == {**BYSTANDER, "scorer": BEFORE}


def test_no_answer_on_the_way_repeats_a_value(sagemaker: LocalSageMaker, service: Service, deliver: Deliver) -> None:
    update.prepare(service)
    for situation in SITUATIONS.values():
        sagemaker.faults.replace([{"fault": "reset-after", "times": 3}])
        answer = deliver(situation.event())
        assert CANARY not in answer.get("message", "") + str(answer.get("callbackContext"))


@pytest.mark.parametrize("name", [name for name, situation in SITUATIONS.items() if situation.mutates])
@pytest.mark.parametrize("fault", ["reset-after", "reset-before", "internal-error"])
def test_an_outage_used_up_botocores_retries(
    name: str,
    fault: str,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    finish: Callable[[Json], Json],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After too many failures in an execution environment, botocore tries nothing again; CloudFormation does."""
    monkeypatch.setattr(RetryQuota, "acquire", lambda *_: False)
    situation = SITUATIONS[name]
    situation.prepare(service)
    sagemaker.faults.inject(None, fault, times=1)
    event = situation.event()
    answer = deliver(event)
    if answer["status"] == "IN_PROGRESS":
        answer = finish(reinvocation(event, answer))
    assert answer["status"] == "SUCCESS"
    assert service.models() == situation.expected(service.models())
