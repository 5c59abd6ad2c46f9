"""The record of the last handler invocations of a cloud: event, answer, log and exception of each."""

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
# Longer logs are cut at the beginning.
_MOST_CHARACTERS = 64 * 1024
# Members of an invocation that hold property values.
PROPERTIES = ("properties", "previous", "model")


@dataclass(frozen=True)
class InvocationOutcome:
    """The outcome of an event: `answer`, or `failure` if there is no answer. `log` is the handler's output."""

    began: datetime
    seconds: float
    log: str
    answer: Any = None
    failure: InvocationFailed | None = None
    raised: Raised | None = None


@dataclass(frozen=True)
class HandlerInvocation:
    """An invocation. `context` is the callback context of the event, `next_context` that of the progress event.

    `status` is the status of the progress event. It is "" if there was none; then `message` says what happened.
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

    def to_json(self, *, with_properties: bool) -> Json:
        """Return the invocation as JSON, the time in ISO 8601. It has resource models only `with_properties`."""
        members = asdict(self) | {"began": self.began.isoformat()}
        return {name: value for name, value in members.items() if with_properties or name not in PROPERTIES}


class InvocationLog:
    """The last invocations of a cloud. Thread-safe. Calls `listener` with each invocation after its end."""

    def __init__(self, listener: Callable[[HandlerInvocation], None] | None = None) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._records: deque[HandlerInvocation] = deque(maxlen=_MOST_RECORDS)
        self._count = 0
        self._hidden: frozenset[str] = frozenset()

    def hide(self, texts: Iterable[str]) -> None:
        """Replace these texts by asterisks in later records."""
        with self._lock:
            self._hidden |= frozenset(texts)

    def add(self, event: Any, outcome: InvocationOutcome) -> None:
        """Record an invocation."""
        with self._lock:
            self._count += 1
            invocation = _record(self._count, event, outcome)
            if self._hidden:
                invocation = replace(invocation, **secrets.hidden(_texts(invocation), self._hidden))
            self._records.append(invocation)
        if self._listener:
            self._listener(invocation)

    def all(self, stack_id: str | None = None) -> list[HandlerInvocation]:
        """Return the recorded invocations, oldest first. With `stack_id`, return only those of the stack."""
        with self._lock:
            return [record for record in self._records if stack_id is None or record.stack_id == stack_id]

    def find(self, number: int) -> HandlerInvocation | None:
        """Return the invocation with this number, or None if it is not recorded any more."""
        return next((record for record in self.all() if record.number == number), None)

    def raised(self, token: str) -> str:
        """Return the exception of the last invocation with this bearer token, and its place; "" if there was none."""
        return next((record.raised for record in reversed(self.all()) if record.token == token), "")


def _texts(invocation: HandlerInvocation) -> Json:
    """Return the members of a record whose texts come from the handler or its log."""
    names = ("context", "next_context", "message", "raised", "traceback", "log", *PROPERTIES)
    return {name: getattr(invocation, name) for name in names}


def _record(number: int, event: Any, outcome: InvocationOutcome) -> HandlerInvocation:
    # `cfn test` and other clients of the handlers' endpoint may send any JSON.
    members = event if isinstance(event, dict) else {}
    request_data = members.get("requestData")
    data = request_data if isinstance(request_data, dict) else {}
    answer = outcome.answer if isinstance(outcome.answer, dict) else {}
    return HandlerInvocation(
        number=number,
        began=outcome.began,
        seconds=outcome.seconds,
        action=_text(members, "action"),
        type_name=_text(members, "resourceType"),
        version=_text(members, "resourceTypeVersion"),
        account=_text(members, "awsAccountId"),
        region=_text(members, "region"),
        token=_text(members, "bearerToken"),
        stack_id=_text(members, "stackId"),
        logical_id=_text(data, "logicalResourceId"),
        context=members.get("callbackContext"),
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
