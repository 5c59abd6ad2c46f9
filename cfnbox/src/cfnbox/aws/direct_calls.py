"""Calls of a boto3 client that a function of this process answers, without a connection.

botocore sends a request unless a handler of its event `before-send` returns the response.
"""

from __future__ import annotations

import io
import urllib.parse
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from cfnbox.aws.http import Answer, ConnectionDropped, HttpRequest
from cfnbox.core.unexpected import internal_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIECE_BYTES = 1 << 16


class _Content(io.BytesIO):
    """The body of a response, as botocore reads that of urllib3."""

    def stream(self, amt: int = _PIECE_BYTES, **_: Any) -> Iterator[bytes]:
        """Yield the body in pieces."""
        while piece := self.read(amt):
            yield piece


def answer_calls(client: Any, serve: Callable[[HttpRequest], Answer]) -> None:
    """Let `serve` answer every request of a boto3 client; a dropped connection is a ConnectionClosedError there."""

    def send(request: Any, **_: Any) -> AWSResponse:
        try:
            status, headers, content = serve(_received(request))
        except ConnectionDropped:
            raise ConnectionClosedError(endpoint_url=request.url) from None
        except Exception as problem:
            status, headers = 500, {"Content-Type": "text/plain"}
            content = internal_error("a service of the cloud", problem).encode()
        response_headers: Any = headers
        return AWSResponse(request.url, status, response_headers, _Content(content))

    client.meta.events.register("before-send", send)


def _received(request: Any) -> HttpRequest:
    """Return a prepared request of botocore as the HTTP server would receive it."""
    parts = urllib.parse.urlsplit(request.url)
    body = request.body or b""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    headers = {
        name.lower(): value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    headers |= {"host": parts.netloc, "content-length": str(len(body))}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        # WSGI has the bytes of a path as Latin-1 (PEP 3333).
        "PATH_INFO": urllib.parse.unquote(parts.path, "latin-1"),
        "QUERY_STRING": parts.query,
        "REQUEST_URI": target,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or ""),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": headers.pop("content-type", ""),
        "CONTENT_LENGTH": headers.pop("content-length"),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    return HttpRequest.of(environ)
