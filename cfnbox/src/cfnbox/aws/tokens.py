"""Idempotency tokens: a repeated request with the same token gets the first answer, and is carried out once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused
from cfnbox.core.history import drop_oldest

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

# CloudFormation does not say for how long a token is valid.
_MOST_TOKENS = 2_000


@dataclass
class _TokenUse:
    """The first request with a token, and its answer when it is known."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    operation: str = ""
    request: Json = field(default_factory=dict)
    answer: Json | None = None


class Tokens:
    """The idempotency tokens that a control plane has seen, by place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: dict[tuple[Place, str], _TokenUse] = {}

    def once(self, place: Place, operation: str, request: Json, carry_out: Callable[[], Json]) -> Json:
        """Carry out a request, or return the answer of the earlier request with the same token.

        Raise Refused when the earlier request was a different request. A refused request may be sent again.
        """
        token = request.get("ClientRequestToken") or request.get("ClientToken")
        if token is None:
            return carry_out()
        with self._lock:
            use = self._uses.setdefault((place, token), _TokenUse())
            drop_oldest(self._uses, _MOST_TOKENS, lambda other: other.answer is not None)
        with use.lock:
            if use.answer is None:
                use.answer, use.operation, use.request = carry_out(), operation, request
            elif (use.operation, use.request) != (operation, request):
                raise Refused("TokenAlreadyExistsException", f"Token already exists: {token}")
            return use.answer
