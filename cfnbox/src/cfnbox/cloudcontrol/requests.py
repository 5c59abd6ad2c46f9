"""Resource operation requests: each runs in its own thread, and its status stays available.

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

# botocore: StatusMessage and HandlerErrorCode. Other error codes of handlers are shown as InternalFailure.
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
    """The work of a request: the operation, the identifier if it is known, and the provider call."""

    served: Served
    operation: str
    identifier: str | None
    carry_out: Callable[[Request, Progress], Resource | None]


class ResourceRequest:
    """A request. It is also the Progress that its provider reports to."""

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
    def has_ended(self) -> bool:
        """Return whether the status is final."""
        return self._status in ("SUCCESS", "FAILED", "CANCEL_COMPLETE")

    def start(self) -> None:
        """Run the request in the background."""
        self._set_status("IN_PROGRESS")
        self._thread.start()

    def cancel(self) -> None:
        """Ask the provider to stop at its next wait. Raise Refused when the request has ended."""
        with self._changing:
            if self._status not in ("PENDING", "IN_PROGRESS"):
                raise Refused(
                    "ConcurrentModificationException",
                    f"The request {self.token} has the status {self._status}. Only a request with the status PENDING "
                    "or IN_PROGRESS can be cancelled.",
                )
            self._status, self._changed = "CANCEL_IN_PROGRESS", time.time()
        self._cancel_waiting()

    def wait_until_ended(self, timeout: float) -> None:
        """Wait for the end of the request, for `timeout` seconds at most."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def stop(self) -> None:
        """Ask the provider to stop at its next wait, and wait for _STOP_SECONDS at most."""
        self._cancel_waiting()
        self.wait_until_ended(_STOP_SECONDS)

    def event(self) -> Json:
        """Return the ProgressEvent."""
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
        """Show the identifier in the ProgressEvent from now on."""
        self.identifier = resource.identifier

    def wait(self, seconds: float) -> None:
        """Sleep. Raise Cancelled when the request is cancelled, or when its time limit is over."""
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
                self._set_status("CANCEL_COMPLETE")
            else:
                self._set_status("FAILED", failure=failure)
        except Exception as problem:
            # An unexpected error of a provider must not leave the request IN_PROGRESS for ever.
            text = internal_error(f"the provider of {self.work.served.definition.type_name}", problem)
            self._set_status("FAILED", failure=ResourceFailed(text, "InternalFailure"))
        else:
            # A request that succeeded before the cancellation took effect is a SUCCESS: the resource exists.
            self._set_status("SUCCESS", resource)

    def _set_status(
        self, status: str, resource: Resource | None = None, failure: ResourceFailed | None = None
    ) -> None:
        with self._changing:
            self._status, self._changed, self._failure = status, time.time(), failure
            if resource is not None:
                self.identifier, self._model = resource.identifier, resource.model


class Requests:
    """The requests of every place, and their client tokens."""

    def __init__(self) -> None:
        self._requests: dict[Place, dict[str, ResourceRequest]] = {}
        self._tokens: dict[tuple[Place, str], tuple[float, Json, ResourceRequest]] = {}
        self._changing = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Return whether a request is in progress."""
        return bool(self._running())

    def close(self) -> None:
        """Stop the requests in progress."""
        for request in self._running():
            request.stop()

    def _running(self) -> list[ResourceRequest]:
        with self._changing:
            return [
                request
                for requests in self._requests.values()
                for request in requests.values()
                if not request.has_ended
            ]

    def find_started(self, place: Place, operation: str, members: Json) -> ResourceRequest | None:
        """Return the request that the same call with the same client token started, or None.

        Raise Refused when the client token belongs to another call.
        """
        with self._changing:
            return self._find_started(place, operation, members)

    def _find_started(self, place: Place, operation: str, members: Json) -> ResourceRequest | None:
        token = members.get("ClientToken", "")
        started_at, call, request = self._tokens.get((place, token), (0.0, {}, None))
        if request is None or time.monotonic() - started_at > _TOKEN_SECONDS:
            return None
        if call != {**members, "": operation}:
            raise Refused(
                "ClientTokenConflictException",
                f"ClientToken {token} is already associated with an existing operation "
                f"with RequestToken {request.token}",
            )
        return request

    def start(self, place: Place, members: Json, work: Work) -> ResourceRequest:
        """Start a request, or return the one that the same call started.

        Raise Refused while another request for the same resource is in progress.
        """
        with self._changing:
            if started := self._find_started(place, work.operation, members):
                return started
            requests = self._requests.setdefault(place, {})
            if any(_is_for_same_resource(other, work) for other in requests.values() if not other.has_ended):
                raise Refused(
                    "ConcurrentOperationException",
                    f"Another operation on {work.served.definition.type_name} {work.identifier} is in progress. Wait "
                    "until it has ended.",
                )
            request = ResourceRequest(place, work)
            requests[request.token] = request
            drop_oldest(requests, _MOST_REQUESTS, lambda other: other.has_ended)
            if "ClientToken" in members:
                call = {**members, "": work.operation}
                self._tokens[place, members["ClientToken"]] = (time.monotonic(), call, request)
                drop_oldest(self._tokens, _MOST_REQUESTS, lambda entry: entry[2].has_ended)
        request.start()
        return request

    def find(self, place: Place, token: str) -> ResourceRequest:
        """Return the request of a token. Raise Refused when it does not exist."""
        with self._changing:
            if (request := self._requests.get(place, {}).get(token)) is not None:
                return request
        raise Refused("RequestTokenNotFoundException", f"No request has the token {token}.")

    def latest_first(self, place: Place) -> list[ResourceRequest]:
        """Return the requests of a place, latest first."""
        with self._changing:
            return list(self._requests.get(place, {}).values())[::-1]


def _is_for_same_resource(request: ResourceRequest, work: Work) -> bool:
    return (
        work.identifier is not None
        and request.identifier == work.identifier
        and request.work.served.definition.type_name == work.served.definition.type_name
    )
