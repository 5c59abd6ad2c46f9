"""The time an invocation has: control goes back before it runs out, whatever the service does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aws_sagemaker_model import entrypoint, session, telemetry
from aws_sagemaker_model.session import CALLER, CONNECT_TIMEOUT, MARGIN, READ_TIMEOUT
from cfnbox.handlers.events import reinvocation
from silence import SILENCE, giving_up
from tests.faults.conftest import Context
from tests.faults.scenarios import ARN, SITUATIONS, Deliver, Service, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.conftest import Json

# Seconds that one try may take; with less than that and a margin to answer in, there is no try.
LONGEST_TRY = CONNECT_TIMEOUT + READ_TIMEOUT
MUTATIONS = [name for name, situation in SITUATIONS.items() if situation.mutates]
READS = [name for name, situation in SITUATIONS.items() if not situation.mutates]


@pytest.mark.parametrize("left", [-1, 0, MARGIN, LONGEST_TRY, LONGEST_TRY + MARGIN - 0.1])
class TestTooLittleTime:
    @pytest.mark.parametrize("name", MUTATIONS)
    def test_a_mutation_asks_to_be_invoked_again(
        self,
        name: str,
        left: Any,
        service: Service,
        deliver: Deliver,
        finish: Callable[[Json], Json],
        operations_of: Callable[[], list[str]],
    ) -> None:
        SITUATIONS[name].prepare(service)
        before = service.models()
        event = SITUATIONS[name].event()
        answer = deliver(event, Context(left))
        assert answer["status"] == "IN_PROGRESS"
        assert answer["resourceModel"]["ModelArn"].startswith(ARN)
        assert operations_of() == []
        assert service.models() == before
        assert finish(reinvocation(event, answer))["status"] == "SUCCESS"
        assert service.models() == SITUATIONS[name].expected(service.models())

    @pytest.mark.parametrize("name", READS)
    def test_a_read_says_so(
        self, name: str, left: Any, service: Service, deliver: Deliver, operations_of: Callable[[], list[str]]
    ) -> None:
        SITUATIONS[name].prepare(service)
        answer = deliver(SITUATIONS[name].event(), Context(left))
        assert outcome(answer) == "NetworkFailure"
        assert operations_of() == []


@pytest.mark.parametrize("name", SITUATIONS)
def test_enough_time_is_enough(name: str, service: Service, deliver: Deliver) -> None:
    SITUATIONS[name].prepare(service)
    answer = deliver(SITUATIONS[name].event(), Context(LONGEST_TRY + MARGIN + 10))
    assert answer["status"] == "SUCCESS"


class Watch:
    """The clock of an invocation: it stands still, and goes on by `pass_` alone."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The clock that the handlers see."""
    stopped = Watch()
    for module in (entrypoint, session, telemetry):
        monkeypatch.setattr(module, "time", stopped)
    return stopped


@pytest.mark.parametrize(("left", "tries"), [(LONGEST_TRY + MARGIN, 1), (2 * LONGEST_TRY + MARGIN - 1, 1), (29, 2)])
@pytest.mark.parametrize("name", SITUATIONS)
def test_no_try_outlasts_the_invocation(
    name: str,
    left: float,
    tries: int,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    watch: Watch,
) -> None:
    """A service that keeps silent is tried again only while there is time for one more try."""
    SITUATIONS[name].prepare(service)
    sagemaker.faults.inject(None, "stall", seconds=SILENCE)
    client = CALLER.client("sagemaker", region_name="us-east-1")
    with giving_up(sagemaker, client, then=lambda: watch.pass_(LONGEST_TRY)):
        answer = deliver(SITUATIONS[name].event(), Context(left, watch.monotonic))
    assert outcome(answer) == ("IN_PROGRESS" if SITUATIONS[name].mutates else "NetworkFailure")
    assert sum(rule.met for rule in sagemaker.faults.rules) == tries
    assert watch.seconds <= left - MARGIN


@pytest.mark.parametrize(
    ("name", "passed", "in_time"),
    [
        ("read", 10, True),
        ("read", 20, False),
        ("list", 10, True),
        ("list", 20, False),
        ("update", 40, True),
        ("update", 50, False),
        ("create", 40, True),
        ("create", 50, False),
        ("delete", 40, True),
        ("delete", 50, False),
    ],
)
def test_cloudformation_ends_before_a_lambda_that_may_run_for_long(
    name: str,
    passed: Any,
    in_time: Any,
    service: Service,
    deliver: Deliver,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
    operations_of: Callable[[], list[str]],
) -> None:
    """30 s for a read or a list and 60 s for the others, of which a try and the margin take 15."""
    SITUATIONS[name].prepare(service)
    late = Watch()
    late.pass_(passed)
    monkeypatch.setattr(session, "time", late)
    deliver(SITUATIONS[name].event(), Context(900, watch.monotonic))
    assert bool(operations_of()) == in_time


def test_every_try_fits_into_every_handler() -> None:
    assert entrypoint.MUTATION_TIME_LIMIT >= session.ATTEMPTS * LONGEST_TRY + MARGIN
    assert entrypoint.READ_TIME_LIMIT >= 2 * LONGEST_TRY + MARGIN
