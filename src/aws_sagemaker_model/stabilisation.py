"""How long a mutation is tried again, and what the callback context remembers of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .errors import Retry, ServiceFailure

# Seconds in which attempts are made. IAM propagates within seconds, seldom a minute.
BOUNDS = {Retry.IAM_RACE: 120.0, Retry.LATER: 300.0, Retry.VISIBLE: 120.0}
_LONGEST_DELAY = 20.0


@dataclass(frozen=True)
class Attempt:
    """One invocation of a mutation: `number` counts from 0, `since` is when the first began, or when the service
    accepted the mutation, in epoch seconds.

    `done` says that the service has accepted the mutation; `unanswered` that it may have, because an earlier
    attempt went without an answer.
    """

    number: int
    since: float
    done: bool = False
    unanswered: bool = False

    @classmethod
    def of(cls, callback_context: Mapping[str, Any], now: float) -> "Attempt":
        """Return the attempt that a callback context describes; an empty one is the first."""
        return cls(
            int(callback_context.get("attempt", 0)),
            float(callback_context.get("since", now)),
            bool(callback_context.get("done")),
            bool(callback_context.get("unanswered")),
        )

    @property
    def is_first(self) -> bool:
        """Whether CloudFormation invokes the handler for the first time."""
        return self.number == 0

    def accepted(self, now: float) -> "Attempt":
        """Return this attempt once the service has accepted the mutation: the wait for its effect begins now."""
        return replace(self, since=now, done=True)

    def after(self, failure: ServiceFailure) -> "Attempt":
        """Return the attempt that follows a failure."""
        return replace(self, number=self.number + 1, unanswered=self.unanswered or failure.unanswered)

    def delay(self, failure: ServiceFailure, now: float, jitter: float) -> int | None:
        """Return the seconds to wait before the next attempt, or None when there shall be none.

        Grows with every attempt; `jitter` in [0, 1) spreads it over its upper half, so that fifty models that
        failed together do not come back together.
        """
        left = BOUNDS.get(failure.retry, 0.0) - (now - self.since)
        if left <= 0:
            return None
        longest = min(2.0 ** (self.number + 1), _LONGEST_DELAY)
        return max(1, round(min(longest * (0.5 + jitter / 2), left)))

    def to_context(self) -> dict[str, Any]:
        """Return the callback context: small, JSON, and without anything of the user's."""
        return {
            "attempt": self.number,
            "since": self.since,
            **({"done": True} if self.done else {}),
            **({"unanswered": True} if self.unanswered else {}),
        }
