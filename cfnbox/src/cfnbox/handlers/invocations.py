"""What each invocation of a handler was given and answered: the last ones of a cloud, for whoever looks inside."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from cfnbox.template import secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from cfnbox.core.paths import Json
    from cfnbox.handlers.events import InvocationFailed
    from cfnbox.handlers.tracebacks import Raised

_MOST_RECORDS = 1000
# Of a longer log the end is kept.
_MOST_CHARACTERS = 64 * 1024
# Members of an invocation that hold property values.
PROPERTIES = ("properties", "previous", "model")


@dataclass(frozen=True)
class InvocationOutcome:
    """What came of an event: `answer`, or `failure` when there is none; `log` is what the handler wrote meanwhile."""

    began: datetime
    seconds: float
    log: str
    answer: Any = None
    failure: InvocationFailed | None = None
    raised: Raised | None = None


@dataclass(frozen=True)
class HandlerInvocation:
    """One invocation. `context` is the callback context that went in, `next_context` the one that came out.

    `status` is that of the progress event, "" when there was none; `message` says then what happened instead.
    """

    number: int
    began: datetime
    seconds: float
    action: str
    type_name: str
    version: str
    account: str
    region: str
    token: str
    stack_id: str
    logical_id: str
    context: Any
    status: str
    error_code: str
    message: str
    delay: float | None
    next_context: Any
    raised: str
    traceback: str
    log: str
    properties: Any
    previous: Any
    model: Any

    def told(self, *, with_properties: bool) -> Json:
        """The invocation as JSON, the time in ISO 8601; resource models are left out unless asked for."""
        members = asdict(self) | {"began": self.began.isoformat()}
        return {name: value for name, value in members.items() if with_properties or name not in PROPERTIES}


class InvocationLog:
    """The last invocations of a cloud, for any number of threads; `listener` hears of each as it ends."""

    def __init__(self, listener: Callable[[HandlerInvocation], None] | None = None) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._kept: deque[HandlerInvocation] = deque(maxlen=_MOST_RECORDS)
        self._count = 0
        self._hidden: frozenset[str] = frozenset()

    def hide(self, texts: Iterable[str]) -> None:
        """Replace these texts by asterisks in every record that is added from now on."""
        with self._lock:
            self._hidden |= frozenset(texts)

    def add(self, event: Any, outcome: InvocationOutcome) -> None:
        """Record an invocation that ended."""
        with self._lock:
            self._count += 1
            invocation = _made(self._count, event, outcome)
            if self._hidden:
                invocation = replace(invocation, **secrets.hidden(_texts(invocation), self._hidden))
            self._kept.append(invocation)
        if self._listener:
            self._listener(invocation)

    def all(self, stack_id: str | None = None) -> list[HandlerInvocation]:
        """The invocations that are still known, oldest first; of one stack where one is named."""
        with self._lock:
            return [one for one in self._kept if stack_id is None or one.stack_id == stack_id]

    def find(self, number: int) -> HandlerInvocation | None:
        """The invocation of that number, while it is known."""
        return next((one for one in self.all() if one.number == number), None)

    def raised(self, token: str) -> str:
        """What the last invocation for a request raised and where, "" when it did not."""
        return next((one.raised for one in reversed(self.all()) if one.token == token), "")


def _texts(invocation: HandlerInvocation) -> Json:
    """Return the members of a record that a handler or its log can have put a text into."""
    names = ("context", "next_context", "message", "raised", "traceback", "log", *PROPERTIES)
    return {name: getattr(invocation, name) for name in names}


def _made(number: int, event: Any, outcome: InvocationOutcome) -> HandlerInvocation:
    # `cfn test` and whoever else reaches the handlers' endpoint may send anything.
    asked = event if isinstance(event, dict) else {}
    sent = asked.get("requestData")
    data = sent if isinstance(sent, dict) else {}
    answer = outcome.answer if isinstance(outcome.answer, dict) else {}
    return HandlerInvocation(
        number=number,
        began=outcome.began,
        seconds=outcome.seconds,
        action=_text(asked, "action"),
        type_name=_text(asked, "resourceType"),
        version=_text(asked, "resourceTypeVersion"),
        account=_text(asked, "awsAccountId"),
        region=_text(asked, "region"),
        token=_text(asked, "bearerToken"),
        stack_id=_text(asked, "stackId"),
        logical_id=_text(data, "logicalResourceId"),
        context=asked.get("callbackContext"),
        status=_text(answer, "status"),
        error_code=_text(answer, "errorCode"),
        message=str(outcome.failure) if outcome.failure else _text(answer, "message"),
        delay=answer.get("callbackDelaySeconds") or None,
        next_context=answer.get("callbackContext"),
        raised=str(outcome.raised or ""),
        traceback=outcome.raised.traceback if outcome.raised else "",
        log=outcome.log[-_MOST_CHARACTERS:],
        properties=data.get("resourceProperties"),
        previous=data.get("previousResourceProperties"),
        model=answer.get("resourceModels") or answer.get("resourceModel"),
    )


def _text(members: Json, name: str) -> str:
    value = members.get(name)
    return "" if value is None else str(value)
