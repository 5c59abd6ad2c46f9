"""Requests that come again with the token of a former one: answered alike, and carried out once."""

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
class _Asked:
    """What was asked for with a token, and the answer once there is one."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    operation: str = ""
    request: Json = field(default_factory=dict)
    answer: Json | None = None


class Tokens:
    """The tokens that a control plane has seen, by place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[tuple[Place, str], _Asked] = {}

    def once(self, place: Place, operation: str, request: Json, carry_out: Callable[[], Json]) -> Json:
        """Carry a request out; with the token of a former one answer what that answered, and do nothing.

        Refused when the former one asked for something else. One that was refused may come again.
        """
        token = request.get("ClientRequestToken") or request.get("ClientToken")
        if token is None:
            return carry_out()
        with self._lock:
            asked = self._asked.setdefault((place, token), _Asked())
            drop_oldest(self._asked, _MOST_TOKENS, lambda other: other.answer is not None)
        with asked.lock:
            if asked.answer is None:
                asked.answer, asked.operation, asked.request = carry_out(), operation, request
            elif (asked.operation, asked.request) != (operation, request):
                raise Refused("TokenAlreadyExistsException", f"Token already exists: {token}")
            return asked.answer
