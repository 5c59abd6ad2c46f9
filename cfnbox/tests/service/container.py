"""A server that follows SageMaker's container contract and returns the request that it received."""

from __future__ import annotations

import json
import select
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Container(BaseHTTPRequestHandler):
    """Answers /invocations according to the body: {"status": 500}, {"size": 7}, {"sleep": 1}; otherwise with an echo.

    A sleep ends when the client closes the connection.
    """

    def do_GET(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        told = told if isinstance(told, dict) else {}
        select.select([self.connection], [], [], told.get("sleep", 0))
        if "size" in told:
            self._answer(200, b"x" * told["size"])
        elif "status" in told:
            self._answer(told["status"], b'{"error": "no such column"}')
        else:
            sent = {name.lower(): value for name, value in self.headers.items()}
            echo = {
                "server": self.connection.getsockname()[1],
                "path": self.path,
                "body": body.decode(),
                "headers": sent,
            }
            self._answer(200, json.dumps(echo).encode())

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "trace=1")
        with suppress(BrokenPipeError, ConnectionResetError):
            # The client of a slow answer may have gone.
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Do nothing."""


@contextmanager
def container() -> Iterator[str]:
    """Serve on a free port in a thread; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Container) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Container).serve_forever()
