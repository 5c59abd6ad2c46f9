"""Clients that give up on a silent service, independent of the speed of the machine.

A client with a short timeout also gives up on an answer that is only late. So the clients here listen briefly only to
a request that a `stall` of the local SageMaker will meet, and go on when the service has acted on it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from cfnbox.sagemaker.faults import When
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.sagemaker.faults import Rule
    from cfnbox.sagemaker.server import LocalSageMaker

# Seconds of a silence: longer than any test, because it ends when the client closes its connection.
SILENCE = 3600
# The seconds to connect and to read: botocore passes such a pair itself.
_BRIEF = URLLib3Session(timeout=(60, 0.05))  # type: ignore[arg-type]


@contextmanager
def giving_up(server: LocalSageMaker, *clients: Any, then: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let clients of botocore give up on each stalled request, and call `then` each time."""

    def send(request: Any, event_name: str, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]
        if not any(_will_stall(rule, operation) for rule in server.faults.rules):
            return None
        call_count = len(server.calls)
        try:
            return _BRIEF.send(request)
        except ReadTimeoutError:
            # The service notices that the client is gone when it has acted.
            eventually(lambda: len(server.calls) > call_count)
            then()
            raise

    for client in clients:
        client.meta.events.register("before-send", send)
    try:
        yield
    finally:
        for client in clients:
            client.meta.events.unregister("before-send", send)


def _will_stall(rule: Rule, operation: str) -> bool:
    has_times_left = rule.times is None or rule.met < rule.times
    return rule.kind.when is When.STALL and rule.operation in (None, operation) and has_times_left
