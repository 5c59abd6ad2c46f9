"""Waiters of clients: who waits for a status is answered when it has come, and need not sleep before asking again.

The AWS CLI's `wait` and `deploy`, boto3's get_waiter and `cfn submit` ask for a status, and sleep for 5 to 60 seconds
while it is under way. That suits AWS; here most things take less than one second. botocore says in the User-Agent
that a waiter asks (the feature WAITER of botocore.useragent), and in its descriptions of waiters where an answer has
the status. Everybody else who asks for the same is answered at once.
"""

from __future__ import annotations

import re
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.loaders
import jmespath
from botocore.exceptions import UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json

T = TypeVar("T")
# Clients give up on an answer after 60 s, or after a time that people set for them, which is seldom below 5 s.
_LONGEST_SECONDS = 4.0
_POLL_SECONDS = 0.02
_WAITER = re.compile(r"(?:^|\s)m/(?:[^\s,]+,)*B(?:[\s,]|$)")
# As AWS's services name what is not at its end; a stack in REVIEW_IN_PROGRESS waits for its user.
_UNDER_WAY = re.compile(r"(?!REVIEW_)\w*(?:IN_PROGRESS|InProgress|PENDING|[a-z]ing|RollingBack)")


class Waiters:
    """Holds the answers to waiters back until they say that something has ended, or until it is closed."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def close(self) -> None:
        """Answer everybody who waits."""
        self._closed.set()

    def answer(
        self, user_agent: str, service: str, operation: str, ask: Callable[[], T], members: Callable[[T], Json]
    ) -> T:
        """The answer of `ask`, asked again for a waiter while its status is under way. Raises what `ask` raises.

        `members` gives the members of an answer, by their names in botocore's service model.
        """
        answer, deadline = ask(), time.monotonic() + _LONGEST_SECONDS
        if _WAITER.search(user_agent):
            paths = _statuses(service, operation)
            while _is_under_way(members(answer), paths) and time.monotonic() < deadline:
                if self._closed.wait(_POLL_SECONDS):
                    break
                answer = ask()
        return answer


def _is_under_way(members: Json, paths: frozenset[str]) -> bool:
    found = [jmespath.search(path, members) for path in paths]
    statuses = [one for value in found for one in (value if isinstance(value, list) else [value])]
    return any(isinstance(one, str) and _UNDER_WAY.fullmatch(one) for one in statuses)


@cache
def _statuses(service: str, operation: str) -> frozenset[str]:
    """Where the answers of an operation have the statuses that botocore's waiters look at."""
    loader = botocore.loaders.Loader(include_default_search_paths=True)
    try:
        waiters: Any = loader.load_service_model(service, "waiters-2")["waiters"].values()
    except UnknownServiceError:
        return frozenset()
    acceptors = [one for waiter in waiters if waiter["operation"] == operation for one in waiter["acceptors"]]
    return frozenset(one["argument"] for one in acceptors if "argument" in one)
