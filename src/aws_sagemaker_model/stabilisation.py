"""How long a mutation is retried, and what its callback context remembers. Pure."""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from .errors import Failure, NoAnswer, invalid_request
from .readings import Retry

# Seconds in which a mutation is retried. IAM propagates within seconds, seldom within a minute.
BOUNDS = {Retry.IAM_RACE: 120.0, Retry.LATER: 300.0, Retry.VISIBLE: 120.0}
_LONGEST_DELAY = 20.0


class State(Enum):
    """What is known about the effect of a mutation."""

    NOT_DONE = "not done"  # no attempt was made, or the service refused each
    PERHAPS_DONE = "perhaps done"  # the service did not answer an attempt
    DONE = "done"  # the service has confirmed it


@dataclass(frozen=True)
class Attempt:
    """One invocation of a mutation.

    `number` counts from 0. `since` is when the first invocation began, or when the service confirmed the mutation, in
    epoch seconds.
    """

    number: int
    since: float
    state: State = State.NOT_DONE

    @classmethod
    def from_context(cls, callback_context: Any, now: float) -> "Attempt":
        """Return the attempt that a callback context describes; an empty context is the first. Raise Failure."""
        with suppress(AttributeError, TypeError, ValueError, OverflowError):
            number, since = int(callback_context.get("attempt", 0)), float(callback_context.get("since", now))
            if number >= 0 and math.isfinite(since):
                return cls(number, since, State(callback_context.get("state", State.NOT_DONE)))
        raise invalid_request(
            "The callbackContext of the event is not a callback context of this type. Leave it out, and the "
            "operation begins again."
        )

    def accepted(self, now: float) -> "Attempt":
        """Return this attempt after the service has confirmed the mutation: the wait for its effect begins now."""
        return replace(self, since=now, state=State.DONE)

    def after_failure(self, failure: Failure) -> "Attempt":
        """Return this attempt with what a failed call tells about the mutation."""
        is_lost = isinstance(failure, NoAnswer) and self.state is State.NOT_DONE
        return replace(self, state=State.PERHAPS_DONE) if is_lost else self

    def delay(self, failure: Failure, now: float, jitter: float) -> int | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        The delay grows with every attempt. `jitter` in [0, 1) spreads it over its upper half, so that fifty models
        that failed together do not retry together.
        """
        left = BOUNDS.get(failure.retry, 0.0) - (now - self.since)
        if left <= 0:
            return None
        longest = min(2.0 ** min(self.number + 1, 10), _LONGEST_DELAY)
        return max(1, round(min(longest * (0.5 + jitter / 2), left)))

    def next_context(self) -> dict[str, Any]:
        """Return the callback context of the next attempt: small, JSON, and without property values."""
        return {"attempt": self.number + 1, "since": self.since, "state": self.state.value}
