"""How commands end: each kind of ending, once. `make endings` has each of them fifty times, on a busy machine."""

import pytest

from tests.endings import KINDS, SIGNALS, ended

ONCE = (
    ("cfnbox up, idle", "SIGINT"),
    ("cfnbox up, idle", "SIGHUP"),
    ("cfnbox up, a function has run", "SIGTERM"),
    ("cfnbox up, a handler hangs", "SIGHUP"),
    ("cfnbox up, a handler hangs", "SIGINT and SIGTERM"),
    ("cfnbox up, a function has run", "SIGKILL"),
    ("cfnbox up, a handler hangs", "SIGKILL"),
    ("cfnbox sagemaker", "SIGTERM"),
    ("make demo", "SIGINT and SIGTERM"),
    ("make sam-local", "SIGHUP"),
)


def test_every_kind_and_every_signal_is_tried() -> None:
    assert {kind for kind, _ in ONCE} == KINDS.keys()
    assert {signals for _, signals in ONCE} == SIGNALS.keys()


@pytest.mark.parametrize(("kind", "signals"), ONCE, ids=[f"{kind} by {signals}" for kind, signals in ONCE])
def test_nothing_is_left(kind: str, signals: str) -> None:
    assert ended(kind, signals).left == ()
