"""The request and the progress that the control plane passes to a provider."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cfnbox.core.place import Place
from cfnbox.providers.protocol import Cancelled, Owner, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.providers.protocol import Resource

REGION, ACCOUNT = "us-east-1", "123456789012"
PLACE = Place(REGION, ACCOUNT)
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop/6c4fe1b0-0000-11ee-9cbf-0e5f6e7a8b9c"
SYSTEM_TAGS = {
    "aws:cloudformation:stack-name": "shop",
    "aws:cloudformation:stack-id": STACK_ID,
    "aws:cloudformation:logical-id": "Thing",
}


def request(logical_id: str = "Thing", place: Place = PLACE, **members: Any) -> Request:
    """Return a request of the stack `shop`; `members` can be its stack tags and system tags."""
    return Request(place, f"token-of-{logical_id}", Owner(STACK_ID, "shop", logical_id), **members)


@dataclass
class RecordingProgress:
    """Record the calls of a provider without sleeping; cancel after waits of more than `patience` seconds."""

    patience: float = 1e9
    identities: list[Resource] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def identified(self, resource: Resource) -> None:
        """Record the identity."""
        self.identities.append(resource)

    def wait(self, seconds: float) -> None:
        """Record the wait; raise Cancelled after `patience` seconds."""
        self.waits.append(seconds)
        if sum(self.waits) > self.patience:
            raise Cancelled("Resource creation cancelled")

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Never wake: nothing cancels the operation."""
        yield
