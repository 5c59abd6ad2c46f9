"""An HTTP server for WSGI applications. It keeps connections alive, as AWS does, and can reset them on demand."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import re
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import Headers
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from cfnbox.aws.signature import Signature, signature_of
from cfnbox.core.unexpected import internal_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Answer = tuple[int, dict[str, str], bytes]


_LOG = logging.getLogger(__name__)
_LENGTH, _CHUNK_SIZE = re.compile("[0-9]{1,18}"), re.compile(b"[0-9a-fA-F]{1,15}")
_MOST_LINE_BYTES, _PIECE_BYTES = 1 << 16, 1 << 20
# S3 takes 5 GB in one request ("Uploading objects"). The largest request of another service is that of Lambda's
# CreateFunction: 70,167,211 bytes.
_MOST_BYTES, _MOST_OBJECT_BYTES = 100 << 20, 5 << 30


class BadRequest(Exception):
    """A request that is not valid HTTP. The message says what is wrong with it."""

    status = HTTPStatus.BAD_REQUEST


class BodyTooLarge(BadRequest):
    """A request with a larger body than any AWS service takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class ConnectionDropped(Exception):
    """Raised by an application to reset the connection without an answer."""


@dataclass(frozen=True)
class HttpRequest:
    """A request with its whole body; the names of `headers` are in lower case, `path` is decoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    environ: WSGIEnvironment = field(repr=False)

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> HttpRequest:
        """Return the request in a WSGI environment. The body can still be read from `environ` afterwards."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"
        }
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        return cls(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), headers, body,
                   environ)  # fmt: skip

    @cached_property
    def signature(self) -> Signature:
        """The signature in the header or in the query."""
        return signature_of(self.headers.get("authorization", ""), self.query)

    @property
    def is_form(self) -> bool:
        """Whether the body is a form, as in AWS's query protocol."""
        return self.headers["content-type"].startswith("application/x-www-form-urlencoded")


def json_value(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raise ValueError if the text is not JSON, or is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply.") from None


def send(start_response: StartResponse, answer: Answer) -> list[bytes]:
    """Pass an answer to a WSGI server."""
    status, headers, content = answer
    start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
    return [content]


def collected(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Return the status, headers and whole body of an application's answer."""
    content, status, headers = run_wsgi_app(app, environ, buffered=True)
    return int(status.split()[0]), dict(headers), b"".join(content)


def keep_silent(seconds: float, environ: WSGIEnvironment) -> None:
    """Wait for `seconds`. Raise ConnectionDropped if the client closes the connection meanwhile."""
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is None:
        time.sleep(seconds)
    elif select.select([connection], [], [], seconds)[0]:
        raise ConnectionDropped


class _KeepAliveConnection(WSGIRequestHandler):
    """A connection that stays open between requests; werkzeug's own handler closes it."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # Headers and body leave at once in one packet: no 40 ms of waiting for a delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def setup(self) -> None:
        """Register the connection, so that the server can close it when it stops."""
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        """End the connection."""
        self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def run_wsgi(self) -> None:
        """Answer one request. ConnectionDropped resets the connection (RST) instead of closing it normally."""
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        try:
            environ = self._environ_with_body()
        except BadRequest as problem:
            # Close the connection, because the start of the next request is unknown.
            self.close_connection = True
            self._send(problem.status, {"Content-Type": "text/plain", "Connection": "close"}, f"{problem}\n".encode())
            return
        try:
            status, headers, content = collected(self.server.app, environ)
        except ConnectionDropped:
            self._reset()
            return
        except Exception as problem:
            status, headers = 500, {"Content-Type": "text/plain"}
            content = internal_error("the HTTP server", problem).encode()
        self._send(status, headers, content)

    def _environ_with_body(self) -> WSGIEnvironment:
        try:
            environ = self.make_environ()
        except ValueError:
            raise BadRequest("The address of the request cannot be read.") from None
        body = self._body()
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return environ

    def _body(self) -> bytes:
        encodings, lengths = self.headers.get_all("Transfer-Encoding", []), self.headers.get_all("Content-Length", [])
        if encodings:
            # Both headers together allow request smuggling (RFC 9112, 6.3).
            if lengths or [encoding.strip().lower() for encoding in encodings] != ["chunked"]:
                raise BadRequest("Transfer-Encoding must be chunked, and must come without Content-Length.")
            return self._chunks()
        if not lengths:
            return b""
        if len(set(lengths)) != 1 or not _LENGTH.fullmatch(lengths[0]):
            raise BadRequest("Content-Length must be one decimal number.")
        self._require_size(int(lengths[0]))
        return self._read(int(lengths[0]))

    def _require_size(self, size: int) -> None:
        """Raise BodyTooLarge for a body that is larger than the service of the request takes."""
        authorization = str(self.headers.get("Authorization") or "")
        service = signature_of(authorization, self.path.partition("?")[2]).service
        most = _MOST_OBJECT_BYTES if service == "s3" else _MOST_BYTES
        if size > most:
            raise BodyTooLarge(f"The body of the request is larger than {most} bytes.")

    def _chunks(self) -> bytes:
        content = io.BytesIO()
        while size := self._chunk_size():
            self._require_size(content.tell() + size)
            content.write(self._read(size))
            if self.rfile.readline(_MOST_LINE_BYTES).rstrip(b"\r\n"):
                raise BadRequest("A chunk of the body is longer than its size.")
        # Trailers end with an empty line.
        while self.rfile.readline(_MOST_LINE_BYTES).strip():
            pass
        return content.getvalue()

    def _chunk_size(self) -> int:
        size = self.rfile.readline(_MOST_LINE_BYTES).partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(size):
            raise BadRequest("A chunk of the body has no hexadecimal size.")
        return int(size, 16)

    def _read(self, size: int) -> bytes:
        """Return `size` bytes. Allocate memory only for received bytes, not for the announced length."""
        content, left = io.BytesIO(), size
        while left:
            piece = self.rfile.read(min(left, _PIECE_BYTES))
            if not piece:
                raise BadRequest("The body ends before its announced length.")
            content.write(piece)
            left -= len(piece)
        return content.getvalue()

    def _send(self, status: int, own_headers: dict[str, str], content: bytes) -> None:
        headers = Headers(own_headers)
        headers.setdefault("Content-Length", str(len(content)))
        # Exactly one Date header: AWS's SDK for JavaScript corrects its clock by it, and cannot parse two.
        headers.setdefault("Date", self.date_time_string())
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content if self.command != "HEAD" else b"")
        self.wfile.flush()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log(self, _kind: str, message: str, *args: object) -> None:
        """Log messages about a connection, instead of writing them to the user's terminal."""
        _LOG.debug(message, *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Do nothing: requests are not logged."""


LOOPBACK, EVERY_ADDRESS = "127.0.0.1", "0.0.0.0"  # noqa: S104 - what a user asks for
# Poll interval for the server's shutdown; `close` waits for it.
_POLL_SECONDS = 0.1


class _Server(ThreadedWSGIServer):
    """Listens for connections, and serves each in its own thread.

    A maintained server with a thread pool does not fit. A waiting client occupies a thread for minutes. And injected
    faults reset connections, stall, and truncate answers, which needs access to the socket.
    """

    def __init__(self, listener: socket.socket, app: WSGIApplication) -> None:
        # Pass an open listener: werkzeug would exit the process when the port is in use.
        host, port = listener.getsockname()
        super().__init__(host, port, app, handler=_KeepAliveConnection, fd=listener.fileno())
        self.connections: set[socket.socket] = set()

    def handle_error(self, _request: object, _client_address: object) -> None:
        """Log a failed connection. The usual reason is that the client closed it."""
        _LOG.debug("A connection failed.", exc_info=True)


class Listener:
    """A port (0: any free port) of an address that accepts connections. Requests wait until `serve` is called.

    Raise OSError when the port cannot be used.
    """

    def __init__(self, port: int = 0, host: str = LOOPBACK) -> None:
        self._socket = socket.create_server((host, port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{LOOPBACK if host == EVERY_ADDRESS else host}:{self.port}"
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def serve(self, app: WSGIApplication) -> None:
        """Serve the application in threads of this process until `close`. Call it once."""
        with self._socket:
            # The server duplicates the descriptor.
            self._server = _Server(self._socket, app)
        serve = functools.partial(self._server.serve_forever, _POLL_SECONDS)
        self._thread = threading.Thread(target=serve, name=self.url, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and close every connection."""
        self._socket.close()
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()


class HttpServer(Listener):
    """A listener that serves an application at once."""

    def __init__(self, app: WSGIApplication, port: int = 0, host: str = LOOPBACK) -> None:
        super().__init__(port, host)
        self.serve(app)
