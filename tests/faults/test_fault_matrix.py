"""Every request x every API call that it makes x every fault: the answer, what is left behind, and the way out.

What must happen stands in a table of kinds of faults; the calls are those of a run without faults.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from aws_sagemaker_model.session import CALLER
from cfnbox.handlers.events import reinvocation
from cfnbox.sagemaker.faults import FAULTS, READS_OF_A_MODEL, When
from silence import SILENCE, giving_up
from tests.faults.scenarios import ARN, BYSTANDER, CANARY, SITUATIONS, Service, Situation, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.conftest import Json
    from tests.faults.scenarios import Deliver

WHEN = {"once": 1, "for good": None}


@dataclass(frozen=True)
class Kind:
    """What a kind of fault comes to: `code` is what CloudFormation hears when neither trying nor waiting helps.

    `retried`: botocore tries again in the same call. `waits`: a mutation asks to be invoked again, those of
    `waiting` only. `acts`: the service acts although its answer is lost.
    """

    code: str
    retried: bool = False
    waits: bool = False
    acts: bool = False
    waiting: tuple[str, ...] = ("CREATE", "UPDATE", "DELETE")


RACE = Kind("NotStabilized", waits=True)
BROKEN = Kind("ServiceInternalError", retried=True, waits=True)
MISTAKE = Kind("InvalidRequest")
HARMLESS = Kind("SUCCESS")
EXPECTED = {
    "throttling": Kind("Throttling", retried=True, waits=True),
    "request-timeout": Kind("NetworkFailure", retried=True, waits=True),
    "too-many-requests": Kind("Throttling", waits=True),
    "internal-error": BROKEN,
    "unavailable": BROKEN,
    "reset-before": Kind("NetworkFailure", retried=True, waits=True),
    "reset-after": Kind("NetworkFailure", retried=True, waits=True, acts=True),
    "stall": Kind("NetworkFailure", retried=True, waits=True, acts=True),
    "truncated": Kind("NetworkFailure", retried=True, waits=True, acts=True),
    "garbled": Kind("ServiceInternalError", waits=True, acts=True),
    "expired-credentials": Kind("InvalidCredentials"),
    "access-denied": Kind("AccessDenied"),
    "limit-exceeded": Kind("ServiceLimitExceeded"),
    "iam-race-role": RACE,
    "iam-race-role-older": RACE,
    "iam-race-data": RACE,
    "iam-race-image": RACE,
    "iam-race-repository": RACE,
    "read-after-create-delay": Kind("NotFound", waits=True, waiting=("CREATE",)),
    "tags-after-create-delay": HARMLESS,
    "deployment-fails": HARMLESS,
    "empty-members": HARMLESS,
    "lower-case-arns": HARMLESS,
    "artifact-missing": MISTAKE,
    "package-missing": MISTAKE,
    "image-missing": MISTAKE,
    "oci-image": MISTAKE,
    "not-subscribed": Kind("AccessDenied"),
    "eula": MISTAKE,
}


ODD_ANSWERS_OF = {
    "tags-after-create-delay": "ListTags",
    "empty-members": "DescribeModel",
    "lower-case-arns": "ListModels",
}


def meets(call: Any, fault: str) -> Any:
    """Whether a call can meet a fault: what SageMaker refuses in a model, it refuses when that is created."""
    kind = FAULTS[fault]
    if kind.when is When.NOT_YET:
        return call in READS_OF_A_MODEL
    if fault in ODD_ANSWERS_OF:
        return call == ODD_ANSWERS_OF[fault]
    return kind.code != "ValidationException" or call == "CreateModel"


def expected(situation: Situation, call: Any, kind: Any, when: Any) -> Any:
    """The status or error code of the first answer."""
    if kind.retried and when == "once":
        return "SUCCESS"
    if not (kind.waits and situation.action in kind.waiting):
        return kind.code
    # A look at the chosen name tells at once that the model is there.
    found = kind.acts and call == "CreateModel" and situation.chosen_name
    return "SUCCESS" if found else "IN_PROGRESS"


@pytest.fixture(scope="module")
def calls() -> Any:
    """The operations of each situation, filled by a run without faults."""
    return {}


@pytest.fixture
def calls_of(calls: Any, service: Service, deliver: Deliver, operations_of: Callable[[], list[str]]) -> Any:
    def recorded(name: str) -> Any:
        if name not in calls:
            SITUATIONS[name].prepare(service)
            assert outcome(deliver(SITUATIONS[name].event())) == "SUCCESS"
            calls[name] = list(dict.fromkeys(operations_of()))
            assert calls[name]
        return calls[name]

    return recorded


def test_the_table_knows_every_fault() -> None:
    assert EXPECTED.keys() == FAULTS.keys()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SITUATIONS)
def test_cells(name: str, fault: str, calls_of: Any, cell: Any, record_property: Any) -> None:
    wrong = {}
    for call in filter(lambda call: meets(call, fault), calls_of(name)):
        for when in WHEN:
            try:
                came = cell(SITUATIONS[name], call, fault, when)
            except AssertionError as failure:
                wrong[call, when] = str(failure)
            else:
                record_property("cell", {"fault": fault, "request": name, "call": call, "outcome": came})
    assert wrong == {}


@pytest.fixture
def cell(
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    finish: Callable[[Json], Json],
    written: Any,
) -> Any:
    """One cell: deliver an event into a fault, look at what there is, follow to the end and deliver it again."""

    def run(situation: Situation, call: Any, fault: str, when: Any) -> Any:
        kind = EXPECTED[fault]
        sagemaker.reset()
        situation.prepare(service)
        before = service.models()
        event = situation.event()
        written()
        sagemaker.faults.inject(call, fault, times=WHEN[when], seconds=SILENCE if fault == "stall" else None)
        with giving_up(sagemaker, CALLER.client("sagemaker", region_name="us-east-1")):
            answer = deliver(event)
        sagemaker.faults.replace([])

        assert outcome(answer) == expected(situation, call, kind, when), answer
        present = service.models()
        assert present.keys() >= BYSTANDER.keys()
        if situation.action == "CREATE":
            made = present.keys() - before.keys()
            assert_identified(answer, made)
        assert_no_values(answer)

        if answer["status"] == "IN_PROGRESS":
            last = finish(reinvocation(event, answer))
            assert last["status"] == "SUCCESS", last
        else:
            last = answer
        again = finish(event)
        assert outcome(again) == (situation.repeated if last["status"] == "SUCCESS" else "SUCCESS"), again
        present = service.models()
        assert present == situation.expected(present)
        assert_log_lines_have_no_values(written(), event)
        return outcome(answer)

    return run


def assert_identified(answer: Any, made: Any) -> None:
    """What was made can be deleted by what the answer says; what was not made is not claimed."""
    model = answer.get("resourceModel")
    if made or answer["status"] != "FAILED":
        assert model is not None
        assert made <= {model["ModelArn"].removeprefix(ARN)}
    else:
        assert model is None


def assert_log_lines_have_no_values(text: str, event: Any) -> None:
    """Fail if a log line has a value of a property or tag, or the key of one; the model is identified by its name."""
    data = event["requestData"]
    states = [data.get(name) or {} for name in ("resourceProperties", "previousResourceProperties")]
    identifiers = {state.get(name) for state in states for name in ("ModelName", "ModelArn")}
    values = {value for state in states for value in strings(state)} - identifiers
    lines = [json.loads(line[line.index("{") :]) for line in text.splitlines() if '"milliseconds"' in line]
    assert lines
    assert CANARY not in text
    for line in lines:
        # A generated name ends in a hash, which may contain a short value.
        assert line.pop("model") not in values
        assert [member for member in strings(line) for value in values if value in member] == []


def strings(value: Any) -> Iterator[Any]:
    """Yield every string within JSON, and every name that a user may choose."""
    if isinstance(value, dict):
        value = [*value.values(), *(value if value.keys() & {"TOKEN", "GREETING"} else ())]
    if isinstance(value, list):
        for member in value:
            yield from strings(member)
    elif isinstance(value, str):
        yield value


def assert_no_values(answer: Any) -> None:
    assert CANARY not in answer.get("message", "")
    assert CANARY not in str(answer.get("callbackContext"))
