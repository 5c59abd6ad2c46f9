"""How commands end: each kind of ending, once. `make endings` has each of them fifty times, on a busy machine."""

import pytest

from tests.endings import KINDS, SIGNALS, ended

pytestmark = pytest.mark.slow(10)

ONCE = (
    ("laptop up, idle", "SIGINT"),
    ("laptop up, idle", "SIGHUP"),
    ("laptop up, a function has run", "SIGTERM"),
    ("laptop up, a handler hangs", "SIGHUP"),
    ("laptop up, a handler hangs", "SIGINT and SIGTERM"),
    ("laptop sagemaker", "SIGTERM"),
    ("make demo", "SIGINT and SIGTERM"),
    ("make sam-local", "SIGHUP"),
)


def test_every_kind_and_every_signal_is_tried() -> None:
    assert {kind for kind, _ in ONCE} == KINDS.keys()
    assert {signals for _, signals in ONCE} == SIGNALS.keys()


@pytest.mark.parametrize(("kind", "signals"), ONCE, ids=[f"{kind} by {signals}" for kind, signals in ONCE])
def test_nothing_is_left(kind: str, signals: str) -> None:
    assert ended(kind, signals).left == ()
