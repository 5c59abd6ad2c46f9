"""A web application of another package, which runs in its own child process and is reached only by HTTP."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import urllib3

from cfnbox.aws.guarded_application import APPLICATION_VARIABLE, KEY_HEADER, KEY_VARIABLE
from cfnbox.core.errors import LocalFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.processes import ChildProcesses

_GUARDED = "cfnbox.aws.guarded_application:application"
# Size of the connection pool. Requests beyond it use extra connections, which are closed afterwards.
_CONNECTIONS = 64
# The child keeps idle connections open: a request on a connection that it is closing would fail.
_KEEP_ALIVE_SECONDS = 24 * 60 * 60
# Longer than a Lambda function may run.
_TIMEOUT = urllib3.Timeout(connect=30, read=15 * 60 + 30)
_BACKLOG = 512
# Hop-by-hop headers (RFC 9110, "Connection"), and Content-Length, because the body is already read.
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade", "expect", "content-length")
)  # fmt: skip
# The child allows every origin. These headers are dropped: the router of the cloud decides which origins may read.
_CORS_PREFIX = "access-control-"


class ChildEnded(LocalFailure):
    """The child process has ended. The message names the process and its log."""


class ChildApplication:
    """Serves `application` (MODULE:NAME, ASGI or WSGI) in a process with only this environment.

    The socket accepts connections before the application is imported, so an early request waits for the import. A
    process that ends is not restarted, because its state is lost.
    """

    def __init__(
        self, title: str, application: str, processes: ChildProcesses, environment: Mapping[str, str]
    ) -> None:
        self._title, self._processes, self._key = title, processes, secrets.token_urlsafe()
        self.folder: Path = processes.folder / title
        self.folder.mkdir()
        self.log = self.folder / "log.txt"
        with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener, self.log.open("wb") as log:
            self.port: int = listener.getsockname()[1]
            descriptor = listener.fileno()
            # The child has the only other descriptor: once it ends, connections are refused.
            self._process = processes.start(
                [sys.executable, "-P", "-m", "hypercorn", _GUARDED, "--bind", f"fd://{descriptor}",
                 "--workers", "0", "--keep-alive", str(_KEEP_ALIVE_SECONDS),
                 "--backlog", str(_BACKLOG), "--log-level", "CRITICAL"],
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "PYTHONUTF8": "1",
                     APPLICATION_VARIABLE: application, KEY_VARIABLE: self._key, **environment},
                cwd=self.folder, pass_fds=(descriptor,), stdout=log, stderr=log,
            )  # fmt: skip
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", self.port, maxsize=_CONNECTIONS, timeout=_TIMEOUT)

    def answer(self, request: HttpRequest) -> Answer:
        """Forward a request unchanged. Return the answer without its CORS headers."""
        uri = str(request.environ.get("REQUEST_URI") or quote(request.path.encode("latin-1")))
        # Remove the scheme and host of an absolute URI, as a client of a proxy sends it.
        path = uri if uri.startswith("/") else f"/{uri.partition('://')[2].partition('/')[2]}"
        target = path.partition("?")[0] + (f"?{request.query}" if request.query else "")
        status, headers, content = self.send(request.method, target, request.headers, request.body)
        return status, {name: value for name, value in headers.items()
                        if not name.lower().startswith(_CORS_PREFIX)}, content  # fmt: skip

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request. Raise ChildEnded when the process no longer runs."""
        sent = {name: value for name, value in headers.items() if value and name.lower() not in _HOP_BY_HOP}
        for name in ("accept-encoding", "user-agent"):
            sent.setdefault(name, urllib3.util.SKIP_HEADER)
        sent[KEY_HEADER] = self._key
        try:
            response = self._pool.urlopen(method, target, body=body, headers=sent, redirect=False, retries=False,
                                          decode_content=False)  # fmt: skip
        except urllib3.exceptions.HTTPError as problem:
            raise self._failure(problem) from None
        kept = {name: value for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP}
        return response.status, kept, response.data

    def _failure(self, problem: Exception) -> ChildEnded:
        status = self._process.poll()
        what = f"ended with status {status}" if status is not None else f"does not answer ({type(problem).__name__})"
        return ChildEnded(
            f"The process of {self._title} {what}, and its resources are lost. Start the cloud again. "
            f"The log of the process: {self.log}"
        )

    def close(self) -> None:
        """End the process."""
        self._processes.stop(self._process)
        self._pool.close()
