"""The time an invocation has: control goes back before it runs out, whatever the service does."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from aws_sagemaker_model import entrypoint, session
from aws_sagemaker_model.session import CONNECT_TIMEOUT, MARGIN, READ_TIMEOUT, HandlerSession
from cfnbox.handlers.events import reinvocation
from tests.faults.conftest import Context
from tests.faults.scenarios import ARN, SITUATIONS, Deliver, Service, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker
    from tests.conftest import Json

# Seconds that one try may take; with less than that and a margin to answer in, there is no try.
LONGEST_TRY = CONNECT_TIMEOUT + READ_TIMEOUT
LISTENS = 0.2
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


@pytest.fixture
def impatient(sagemaker: LocalSageMaker) -> Any:
    """A caller's session that does not listen long, and tries often."""
    quick = Config(
        connect_timeout=LISTENS, read_timeout=LISTENS, retries={"mode": "standard", "total_max_attempts": 50}
    )
    made = HandlerSession(session._MUTATIONS.merge(quick))
    # Made as Lambda's initialisation makes it: that takes time which is no invocation's.
    made.client("sagemaker", region_name="us-east-1")
    return made


@pytest.mark.parametrize("name", SITUATIONS)
def test_no_try_outlasts_the_invocation(
    name: str,
    impatient: Any,
    sagemaker: LocalSageMaker,
    service: Service,
    deliver: Deliver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A service that keeps silent is tried again only while there is time for one more try."""
    SITUATIONS[name].prepare(service)
    monkeypatch.setattr(entrypoint, "CALLER", impatient)
    sagemaker.faults.inject(None, "stall", seconds=10)
    context = Context(MARGIN + 10 * LISTENS)
    answer = deliver(SITUATIONS[name].event(), context)
    assert context.get_remaining_time_in_millis() > 0.5 * MARGIN * 1000
    assert outcome(answer) == ("IN_PROGRESS" if SITUATIONS[name].mutates else "NetworkFailure")
    assert 1 <= sum(rule.met for rule in sagemaker.faults.rules) <= 10


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
    monkeypatch: pytest.MonkeyPatch,
    operations_of: Callable[[], list[str]],
) -> None:
    """30 s for a read or a list and 60 s for the others, of which a try and the margin take 15."""
    SITUATIONS[name].prepare(service)
    late = SimpleNamespace(monotonic=lambda: time.monotonic() + passed)
    monkeypatch.setattr(session, "time", late)
    deliver(SITUATIONS[name].event(), Context(900))
    assert bool(operations_of()) == in_time


def test_every_try_fits_into_every_handler() -> None:
    assert entrypoint.MUTATION_TIME_LIMIT >= session.ATTEMPTS * LONGEST_TRY + MARGIN
    assert entrypoint.READ_TIME_LIMIT >= 2 * LONGEST_TRY + MARGIN
