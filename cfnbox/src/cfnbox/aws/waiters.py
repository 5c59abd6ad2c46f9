"""Long polling for waiters of clients: the answer to a waiter is delayed until the status is final.

The AWS CLI's `wait` and `deploy`, boto3's get_waiter and `cfn submit` poll for a status, and sleep for 5 to 60
seconds between two polls. That suits AWS; here most operations take less than one second. botocore marks a waiter's
request in the User-Agent (the feature WAITER of botocore.useragent), and describes where an answer has the status.
Every other client is answered at once.
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
# Clients time out after 60 s by default; a timeout that a user sets is seldom below 5 s.
_LONGEST_SECONDS = 4.0
_POLL_SECONDS = 0.02
_WAITER = re.compile(r"(?:^|\s)m/(?:[^\s,]+,)*B(?:[\s,]|$)")
# Statuses in progress as AWS's services name them. A stack in REVIEW_IN_PROGRESS waits for its user.
_IN_PROGRESS = re.compile(r"(?!REVIEW_)\w*(?:IN_PROGRESS|InProgress|PENDING|[a-z]ing|RollingBack)")


class Waiters:
    """Delays the answers to waiters until the status is final, or until `close`."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def close(self) -> None:
        """Answer all waiters now."""
        self._closed.set()

    def answer(
        self, user_agent: str, service: str, operation: str, ask: Callable[[], T], members: Callable[[T], Json]
    ) -> T:
        """Return the answer of `ask`. For a waiter, poll `ask` while the status is in progress.

        `members` gives the members of an answer, by their names in botocore's service model.
        """
        answer, deadline = ask(), time.monotonic() + _LONGEST_SECONDS
        if _WAITER.search(user_agent):
            paths = _statuses(service, operation)
            while _is_in_progress(members(answer), paths) and time.monotonic() < deadline:
                if self._closed.wait(_POLL_SECONDS):
                    break
                answer = ask()
        return answer


def _is_in_progress(members: Json, paths: frozenset[str]) -> bool:
    values = [jmespath.search(path, members) for path in paths]
    statuses = [status for value in values for status in (value if isinstance(value, list) else [value])]
    return any(isinstance(status, str) and _IN_PROGRESS.fullmatch(status) for status in statuses)


@cache
def _statuses(service: str, operation: str) -> frozenset[str]:
    """Return the paths of the statuses in an operation's answers that botocore's waiters check."""
    loader = botocore.loaders.Loader(include_default_search_paths=True)
    try:
        waiters: Any = loader.load_service_model(service, "waiters-2")["waiters"].values()
    except UnknownServiceError:
        return frozenset()
    acceptors = [entry for waiter in waiters if waiter["operation"] == operation for entry in waiter["acceptors"]]
    return frozenset(entry["argument"] for entry in acceptors if "argument" in entry)
