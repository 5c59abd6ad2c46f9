"""Requests for an operation on one resource: each goes on in a thread of its own and is remembered.

Sources: botocore's model of `cloudcontrol`, and "Managing resource operation requests" in its user guide.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused
from cfnbox.core.history import drop_oldest
from cfnbox.core.paths import without
from cfnbox.core.unexpected import internal_error
from cfnbox.providers.protocol import Cancelled, Request, Resource, ResourceFailed, Served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.protocol import Progress

# botocore: StatusMessage; and HandlerErrorCode, beside which every code of a handler is shown as InternalFailure.
_LONGEST_MESSAGE = 2048
_CODES = (
    "NotUpdatable", "InvalidRequest", "AccessDenied", "UnauthorizedTaggingOperation", "InvalidCredentials",
    "AlreadyExists", "NotFound", "ResourceConflict", "Throttling", "ServiceLimitExceeded", "NotStabilized",
    "GeneralServiceException", "ServiceInternalError", "ServiceTimeout", "NetworkFailure", "InternalFailure",
)  # fmt: skip
# "Ensuring resource operation requests are unique" in the user guide.
# Cloud Control keeps requests for seven days.
_MOST_REQUESTS = 1_000
_TOKEN_SECONDS = 36 * 3600.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Work:
    """What a request is for: the resource as far as it is known, and the provider call that carries it out."""

    served: Served
    operation: str
    identifier: str | None
    carry_out: Callable[[Request, Progress], Resource | None]


class ResourceRequest:
    """One request, which is also the Progress of its provider."""

    def __init__(self, place: Place, work: Work) -> None:
        self.place, self.work = place, work
        self.token = str(uuid.uuid4())
        self.identifier = work.identifier
        self._status, self._changed = "PENDING", time.time()
        self._model: Json | None = None
        self._failure: ResourceFailed | None = None
        self._limit = work.served.definition.timeout_seconds(work.operation)
        self._ends = time.monotonic() + self._limit
        self._cancelling, self._changing = threading.Event(), threading.Lock()
        self._wakers = list[Callable[[], None]]()
        self._thread = threading.Thread(target=self._run, name=f"request-{self.token}", daemon=True)

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self._status in ("SUCCESS", "FAILED", "CANCEL_COMPLETE")

    def start(self) -> None:
        """Carry it out in the background."""
        self._become("IN_PROGRESS")
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop where it next waits. Raises Refused when it has ended."""
        with self._changing:
            if self._status not in ("PENDING", "IN_PROGRESS"):
                raise Refused(
                    "ConcurrentModificationException",
                    f"The request {self.token} is {self._status}: only one that is PENDING or IN_PROGRESS can be "
                    "cancelled.",
                )
            self._status, self._changed = "CANCEL_IN_PROGRESS", time.time()
        self._cancel_waiting()

    def rest(self, seconds: float) -> None:
        """Wait for the end, so long at most."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def stop(self) -> None:
        """Let it end where it next waits, and wait for that for a while."""
        self._cancel_waiting()
        self.rest(_STOP_SECONDS)

    def event(self) -> Json:
        """The ProgressEvent."""
        with self._changing:
            definition = self.work.served.definition
            event: Json = {
                "TypeName": definition.type_name,
                "RequestToken": self.token,
                "Operation": self.work.operation,
                "OperationStatus": self._status,
                "EventTime": self._changed,
            }
            if self.identifier is not None:
                event["Identifier"] = self.identifier
            if self._model is not None:
                event["ResourceModel"] = json.dumps(without(self._model, definition.write_only))
            if self._failure is not None:
                event["StatusMessage"] = str(self._failure)[:_LONGEST_MESSAGE]
                event["ErrorCode"] = self._failure.code if self._failure.code in _CODES else "InternalFailure"
            return event

    def identified(self, resource: Resource) -> None:
        """Show the identifier from now on."""
        self.identifier = resource.identifier

    def wait(self, seconds: float) -> None:
        """Sleep; raises Cancelled."""
        left = self._ends - time.monotonic()
        if self._cancelling.wait(max(min(seconds, left), 0)):
            raise Cancelled("The request was cancelled.")
        if seconds > left:
            raise Cancelled(
                f"The {self.work.operation} handler is still IN_PROGRESS after {self._limit // 60} minutes."
            )

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """See cfnbox.providers.protocol.Progress."""
        timer = threading.Timer(max(self._ends - time.monotonic(), 0), wake)
        timer.daemon = True
        with self._changing:
            self._wakers.append(wake)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._changing:
                self._wakers.remove(wake)

    def _cancel_waiting(self) -> None:
        self._cancelling.set()
        with self._changing:
            wakers = list(self._wakers)
        for wake in wakers:
            wake()

    def _run(self) -> None:
        try:
            resource = self.work.carry_out(Request(self.place, self.token), self)
        except ResourceFailed as failure:
            if isinstance(failure, Cancelled) and self._cancelling.is_set():
                self._become("CANCEL_COMPLETE")
            else:
                self._become("FAILED", failure=failure)
        except Exception as problem:
            # A request never stays IN_PROGRESS for ever, whatever goes wrong in a provider.
            text = internal_error(f"the provider of {self.work.served.definition.type_name}", problem)
            self._become("FAILED", failure=ResourceFailed(text, "InternalFailure"))
        else:
            # One that was done before it could be cancelled is done: the resource is there.
            self._become("SUCCESS", resource)

    def _become(self, status: str, resource: Resource | None = None, failure: ResourceFailed | None = None) -> None:
        with self._changing:
            self._status, self._changed, self._failure = status, time.time(), failure
            if resource is not None:
                self.identifier, self._model = resource.identifier, resource.model


class Requests:
    """Every request of every place, and the client tokens they came with."""

    def __init__(self) -> None:
        self._requests: dict[Place, dict[str, ResourceRequest]] = {}
        self._tokens: dict[tuple[Place, str], tuple[float, Json, ResourceRequest]] = {}
        self._changing = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._running())

    def close(self) -> None:
        """Stop what is under way."""
        for one in self._running():
            one.stop()

    def _running(self) -> list[ResourceRequest]:
        with self._changing:
            return [one for requests in self._requests.values() for one in requests.values() if not one.ended]

    def made(self, place: Place, operation: str, asked: Json) -> ResourceRequest | None:
        """The request that was made by that very call before. Raises Refused when its token was for another one."""
        with self._changing:
            return self._made(place, operation, asked)

    def _made(self, place: Place, operation: str, asked: Json) -> ResourceRequest | None:
        token = asked.get("ClientToken", "")
        since, call, found = self._tokens.get((place, token), (0.0, {}, None))
        if found is None or time.monotonic() - since > _TOKEN_SECONDS:
            return None
        if call != {**asked, "": operation}:
            raise Refused(
                "ClientTokenConflictException",
                f"ClientToken {token} is already associated with an existing operation "
                f"with RequestToken {found.token}",
            )
        return found

    def start(self, place: Place, asked: Json, work: Work) -> ResourceRequest:
        """Start a request, or return the one of the same call. Raises Refused while another is on that resource."""
        with self._changing:
            if found := self._made(place, work.operation, asked):
                return found
            earlier = self._requests.setdefault(place, {})
            if any(_on_the_same_resource(one, work) for one in earlier.values() if not one.ended):
                raise Refused(
                    "ConcurrentOperationException",
                    f"Another operation on {work.served.definition.type_name} {work.identifier} is under way: wait "
                    "until it has ended.",
                )
            request = ResourceRequest(place, work)
            earlier[request.token] = request
            drop_oldest(earlier, _MOST_REQUESTS, lambda other: other.ended)
            if "ClientToken" in asked:
                call = {**asked, "": work.operation}
                self._tokens[place, asked["ClientToken"]] = (time.monotonic(), call, request)
                drop_oldest(self._tokens, _MOST_REQUESTS, lambda kept: kept[2].ended)
        request.start()
        return request

    def find(self, place: Place, token: str) -> ResourceRequest:
        """The request of a token. Raises Refused."""
        with self._changing:
            if (found := self._requests.get(place, {}).get(token)) is not None:
                return found
        raise Refused("RequestTokenNotFoundException", f"There is no request with the token {token}.")

    def latest_first(self, place: Place) -> list[ResourceRequest]:
        """Every request of a place."""
        with self._changing:
            return list(self._requests.get(place, {}).values())[::-1]


def _on_the_same_resource(request: ResourceRequest, work: Work) -> bool:
    return (
        work.identifier is not None
        and request.identifier == work.identifier
        and request.work.served.definition.type_name == work.served.definition.type_name
    )
