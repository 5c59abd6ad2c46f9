"""Lambda's Runtime API for one process of a runtime (Lambda guide, "Using the Lambda runtime API").

The thread that invokes the function serves the API while it waits, without another thread in between.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11

from cfnbox.aws.admission import Admission

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATH = "/2018-06-01/runtime"
_NEXT, _INIT_ERROR = f"{_PATH}/invocation/next", f"{_PATH}/init/error"
_BYTES = 1 << 18
# The timeout for sending an answer. The runtime reads a short answer at once. A timeout of 0 would not wait at all.
_SECONDS, _LEAST_SECONDS = 10.0, 0.001
_JSON = "application/json"
# Refuse requests of web pages, because a page could take or answer an event.
_ADMISSION = Admission()
_ACCEPTED = b'{"status":"OK"}'
# Lambda's limit of an answer, and its error for a larger one (aws/aws-lambda-runtime-interface-emulator:
# MaxPayloadSize of interop, and the test of /response).
MOST_ANSWER_BYTES = 6_291_556
_TOO_LARGE = {
    "errorMessage": f"Exceeded maximum allowed payload size ({MOST_ANSWER_BYTES} bytes).",
    "errorType": "RequestEntityTooLarge",
}


class RuntimeEnded(Exception):
    """The runtime process ended without an answer."""


class DeadlinePassed(Exception):
    """The runtime did not answer before the deadline."""


class InitFailed(Exception):
    """The runtime could not load the function; `error` is the JSON that it sent to init/error."""

    def __init__(self, error: bytes) -> None:
        super().__init__("The runtime could not load the function.")
        self.error = error


@dataclass(frozen=True)
class Event:
    """An event for a runtime. `headers` are additional headers of invocation/next."""

    payload: bytes
    function_arn: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Reply:
    """The request body of a runtime to invocation/ID/response, invocation/ID/error or init/error.

    `body` is empty if the answer is too large.
    """

    body: bytes
    is_error: bool
    # The duration of the invocation, without the init duration.
    seconds: float = 0.0
    is_too_large: bool = False


class RuntimeApi:
    """The API on its own loopback port. Only `notify_ended` is thread-safe."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended, self._notifier = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._ended, selectors.EVENT_READ)
        self._connections: dict[socket.socket, _RuntimeConnection] = {}
        self._polling: _RuntimeConnection | None = None
        # AWS_LAMBDA_RUNTIME_API of the process.
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def notify_ended(self) -> None:
        """Wake the thread that waits for the runtime, because the process has ended."""
        with suppress(OSError):
            self._notifier.send(b"x")

    def close(self) -> None:
        """Close the port and every connection."""
        self._selector.close()
        for opened in (self._listener, self._ended, self._notifier, *self._connections):
            opened.close()

    def is_connected(self) -> bool:
        """Return False if the runtime has closed the connection of its poll."""
        return self._polling is None or self._polling.is_open()

    def wait_until_polled(self, deadline: float) -> None:
        """Wait until the runtime polls for an event. Raise InitFailed, RuntimeEnded, DeadlinePassed."""
        while self._polling is None:
            request = self._next_request(deadline)
            if request.target == _NEXT:
                self._polling = request.connection
            elif request.target == _INIT_ERROR:
                request.accept()
                raise InitFailed(request.body)
            else:
                request.refuse()

    def invoke(self, event: Event, deadline: float) -> Reply:
        """Send an event, and wait for the reply. Raise RuntimeEnded, DeadlinePassed.

        Call `wait_until_polled` before. `deadline` is a value of time.monotonic().
        """
        connection, self._polling = self._polling, None
        if connection is None:
            raise RuntimeEnded
        seconds = deadline - time.monotonic()
        headers = (
            ("Content-Type", _JSON),
            ("Lambda-Runtime-Aws-Request-Id", event.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(int((time.time() + seconds) * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", event.function_arn),
            *event.headers,
        )
        started = time.monotonic()
        connection.answer(200, event.payload, headers, seconds)
        target = f"{_PATH}/invocation/{event.request_id}"
        while True:
            request = self._next_request(deadline)
            if request.target in (f"{target}/response", f"{target}/error"):
                request.accept()
                is_error, seconds = request.target.endswith("/error"), time.monotonic() - started
                return Reply(request.body, is_error, seconds, request.is_too_large)
            if request.target == _INIT_ERROR:
                # A runtime may load the function only after its first poll.
                request.accept()
                return Reply(request.body, is_error=True)
            request.refuse()

    def _next_request(self, deadline: float) -> _RuntimeRequest:
        while True:
            for connection in list(self._connections.values()):
                if request := connection.request():
                    return request
            ready = [key.fileobj for key, _ in self._selector.select(max(0.0, deadline - time.monotonic()))]
            if not ready:
                raise DeadlinePassed
            if ready == [self._ended]:
                # All requests that the process sent before its end have been read.
                raise RuntimeEnded
            for source in ready:
                if source is self._listener:
                    self._accept()
                elif isinstance(source, socket.socket) and source in self._connections:
                    self._receive(source)

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[accepted] = _RuntimeConnection(accepted)
        self._selector.register(accepted, selectors.EVENT_READ)

    def _receive(self, connection: socket.socket) -> None:
        if not self._connections[connection].receive():
            del self._connections[connection]
            self._selector.unregister(connection)
            connection.close()


class _RuntimeConnection:
    """A connection of a runtime, with one request after another."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._http = h11.Connection(h11.SERVER)
        self._target, self._body, self._is_of_page = "", bytearray(), False
        self._is_too_large = False

    def receive(self) -> bool:
        """Read available data. Return False at the end of the connection."""
        with suppress(OSError):
            if data := self._socket.recv(_BYTES):
                self._http.receive_data(data)
                return True
        return False

    def is_open(self) -> bool:
        """Return whether the runtime has not closed the connection."""
        self._socket.setblocking(False)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self._socket.setblocking(True)

    def request(self) -> _RuntimeRequest | None:
        """Return the next request, or None until it is complete."""
        with suppress(h11.RemoteProtocolError, OSError):
            for event in self._events():
                if isinstance(event, h11.Request):
                    self._target, self._body = event.target.decode(), bytearray()
                    self._is_too_large = False
                    headers = {
                        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers
                    }
                    self._is_of_page = _ADMISSION.refusal(headers) is not None
                elif isinstance(event, h11.Data):
                    self._append(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    request = _RuntimeRequest(self, self._target, bytes(self._body), self._is_too_large)
                    if not self._is_of_page:
                        return request
                    request.refuse()
        return None

    def _append(self, data: bytes) -> None:
        """Append a part of the body. Drop the whole body if it is too large."""
        self._is_too_large = self._is_too_large or len(self._body) + len(data) > MOST_ANSWER_BYTES
        if self._is_too_large:
            self._body.clear()
        else:
            self._body += data

    def _events(self) -> Iterator[h11.Event]:
        while isinstance(event := self._http.next_event(), h11.Request | h11.Data | h11.EndOfMessage):
            yield event
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def answer(
        self, status: int, body: bytes, headers: tuple[tuple[str, str], ...], seconds: float = _SECONDS
    ) -> None:
        """Answer the last request in one packet. Ignore errors, because a stopped process does not read it."""
        self._socket.settimeout(max(seconds, _LEAST_SECONDS))
        response = h11.Response(status_code=status, headers=[*headers, ("Content-Length", str(len(body)))])
        with suppress(OSError, h11.LocalProtocolError):
            self._send(response, h11.Data(body), h11.EndOfMessage())
            if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                self._http.start_next_cycle()
        self._socket.settimeout(None)

    def _send(self, *events: h11.Event) -> None:
        self._socket.sendall(b"".join(self._http.send(event) or b"" for event in events))


@dataclass(frozen=True)
class _RuntimeRequest:
    connection: _RuntimeConnection
    target: str
    body: bytes
    is_too_large: bool

    def accept(self) -> None:
        status, content = (413, json.dumps(_TOO_LARGE).encode()) if self.is_too_large else (202, _ACCEPTED)
        self.connection.answer(status, content, (("Content-Type", _JSON),))

    def refuse(self) -> None:
        body = {"errorMessage": f"{self.target} is not expected now", "errorType": "InvalidStateTransition"}
        self.connection.answer(403, json.dumps(body).encode(), (("Content-Type", _JSON),))
