"""How long a mutation is tried again, and what the callback context remembers of it. Pure."""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from .errors import Failure, NoAnswer, invalid_request
from .readings import Retry

# Seconds in which attempts are made. IAM propagates within seconds, seldom a minute.
BOUNDS = {Retry.IAM_RACE: 120.0, Retry.LATER: 300.0, Retry.VISIBLE: 120.0}
_LONGEST_DELAY = 20.0


class State(Enum):
    """What is known of a mutation."""

    NOT_DONE = "not done"  # no attempt was made, or each was refused
    PERHAPS_DONE = "perhaps done"  # an attempt went without an answer
    DONE = "done"  # the service has said so


@dataclass(frozen=True)
class Attempt:
    """One invocation of a mutation.

    `number` counts from 0; `since` is when the first one began or when the mutation was done, in epoch seconds.
    """

    number: int
    since: float
    state: State = State.NOT_DONE

    @classmethod
    def of(cls, callback_context: Any, now: float) -> "Attempt":
        """Return the attempt that a callback context describes; an empty one is the first. Raises Failure."""
        with suppress(AttributeError, TypeError, ValueError, OverflowError):
            number, since = int(callback_context.get("attempt", 0)), float(callback_context.get("since", now))
            if number >= 0 and math.isfinite(since):
                return cls(number, since, State(callback_context.get("state", State.NOT_DONE)))
        raise invalid_request(
            "The callbackContext of the event is not one that this type has answered. Leave it out, and the "
            "operation begins anew."
        )

    def done(self, now: float) -> "Attempt":
        """Return this attempt once the service has done what was asked: the wait for the effect begins now."""
        return replace(self, since=now, state=State.DONE)

    def noting(self, failure: Failure) -> "Attempt":
        """Return this attempt with what a failed call says about the mutation."""
        lost = isinstance(failure, NoAnswer) and self.state is State.NOT_DONE
        return replace(self, state=State.PERHAPS_DONE) if lost else self

    def delay(self, failure: Failure, now: float, jitter: float) -> int | None:
        """Return the seconds to wait before the next attempt, or None when there shall be none.

        Grows with every attempt; `jitter` in [0, 1) spreads it over its upper half, so that fifty models that
        failed together do not come back together.
        """
        left = BOUNDS.get(failure.retry, 0.0) - (now - self.since)
        if left <= 0:
            return None
        longest = min(2.0 ** min(self.number + 1, 10), _LONGEST_DELAY)
        return max(1, round(min(longest * (0.5 + jitter / 2), left)))

    def next_context(self) -> dict[str, Any]:
        """Return the callback context of the next attempt: small, JSON, and without anything of the user's."""
        return {"attempt": self.number + 1, "since": self.since, "state": self.state.value}
