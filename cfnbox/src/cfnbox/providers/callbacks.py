"""Callback URLs of the cloud for responses and signals that CloudFormation waits for. In AWS: presigned S3 URLs."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from cfnbox.aws.http import Answer

# Receives the content type and body of a request. Raises Refused for an invalid body.
Receive = Callable[[str, bytes], None]


class Callbacks:
    """The open callback URLs below `PATH`, with their receivers. Thread-safe."""

    PATH = "/_callbacks/"

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._receivers: dict[str, Receive] = {}
        self._lock = threading.Lock()

    def open(self, receive: Receive) -> str:
        """Return a new URL. Requests to it are passed to `receive`."""
        path = f"{self.PATH}{uuid.uuid4()}"
        with self._lock:
            self._receivers[path] = receive
        return f"{self._url}{path}"

    def close(self, url: str) -> None:
        """Close a URL. Further requests to it are refused."""
        with self._lock:
            self._receivers.pop(url.removeprefix(self._url), None)

    def answer(self, method: str, path: str, content_type: str, body: bytes) -> Answer:
        """Return the answer to a request below `PATH`."""
        with self._lock:
            receive = self._receivers.get(path)
        if method != "PUT" or receive is None:
            return _answer(403, "AccessDenied: nothing is waited for at this address. It may have been answered.")
        try:
            receive(content_type, body)
        except Refused as refused:
            return _answer(refused.status, f"{refused.code}: {refused.message}")
        return _answer(200, "")


def _answer(status: int, text: str) -> Answer:
    return status, {"Content-Type": "text/plain"}, text.encode()
