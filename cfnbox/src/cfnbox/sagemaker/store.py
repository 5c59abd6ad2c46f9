"""The store of named SageMaker resources, and the transitions of their statuses. State only, no rules."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json

# So long is a resource Creating, Updating or Deleting. Code that waits has something to wait for, and no more.
SETTLING_SECONDS = 0.2

_sequence = count()


def now() -> float:
    """Return the current time as in SageMaker's answers: seconds with milliseconds."""
    return round(time.time(), 3)


class Hold:
    """Delays the end of a transition until the event that it waits for. Thread-safe."""

    def __init__(self) -> None:
        self._released = threading.Event()
        self.failure: str | None = None

    def release(self, failure: str | None = None) -> None:
        """Let the transition end. With a FailureReason it fails."""
        self.failure = failure
        self._released.set()

    @property
    def is_released(self) -> bool:
        """Return whether the transition may end."""
        return self._released.is_set()


@dataclass
class Transition:
    """A running transition of a resource: its status meanwhile, and the action at its end.

    With a `failure`, its text is the FailureReason and `fail` is done instead of `finish`.
    """

    status: str
    finish: Callable[[], None]
    fail: Callable[[], None]
    failure: str | None = None
    hold: Hold | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Return whether its time is over and no hold delays it."""
        if self.hold is not None and not self.hold.is_released:
            return False
        return time.monotonic() - self.began >= SETTLING_SECONDS


@dataclass
class Stored:
    """One resource: `members` is what Describe answers beside identity, times and status; `tags` Key/Value pairs."""

    name: str
    arn: str
    members: Json
    tags: list[dict[str, str]]
    ready: str = ""
    change: Transition | None = None
    failure: str | None = None
    created: float = field(default_factory=now)
    modified: float = field(default_factory=now)
    sequence: int = field(default_factory=lambda: next(_sequence))

    @property
    def status(self) -> str:
        """Return the current status."""
        return self.change.status if self.change else self.ready

    def settle(self) -> None:
        """End the running transition if its time is over."""
        change = self.change
        if change is not None and change.over:
            failure = change.failure or (change.hold.failure if change.hold else None)
            self.change, self.failure = None, failure
            (change.finish if failure is None else change.fail)()

    def begin(self, change: Transition) -> None:
        """Start a transition after ending the running one. A transition without duration ends at once."""
        if self.change is not None:
            self.change.finish()
        self.change = change
        self.settle()


class Resources:
    """The resources of one account and region, by the path in their ARN ("endpoint-config") and by name."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Stored]] = {}
        self._counted: dict[str, int] = {}

    def find(self, path: str, name: str) -> Stored | None:
        """Return the current resource of this name, or None."""
        kept = self._kept.get(path, {})
        if name in kept:
            kept[name].settle()
        return kept.get(name)

    def fail_later(self, path: str, name: str, reason: str) -> None:
        """Let the running transition of a resource fail."""
        resource = self._kept.get(path, {}).get(name)
        if resource is not None and resource.change is not None:
            resource.change.failure = reason

    def all(self, path: str) -> list[Stored]:
        """Return the current resources of one kind, oldest first."""
        for one in list(self._kept.get(path, {}).values()):
            one.settle()
        return list(self._kept.get(path, {}).values())

    def add(self, path: str, resource: Stored) -> None:
        """Add a resource. Its name must be free."""
        self._kept.setdefault(path, {})[resource.name] = resource

    def remove(self, path: str, name: str) -> None:
        """Remove a resource."""
        self._kept[path].pop(name, None)

    def next_number(self, series: str) -> int:
        """Return 1, 2, 3, ... for each series. Numbers of deleted resources are not reused."""
        self._counted[series] = self._counted.get(series, 0) + 1
        return self._counted[series]

    def by_arn(self, arn: str) -> Stored | None:
        """Return the resource of this ARN, or None."""
        path, _, name = arn.split(":", 5)[5].partition("/")
        found = self.find(path, name)
        return found if found is not None and found.arn == arn else None


NEVER = math.inf
"""A value of SETTLING_SECONDS for which whatever has begun goes on for ever; 0 ends it at once."""
