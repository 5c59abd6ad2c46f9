"""Addresses of the cloud for what CloudFormation waits for; at AWS these are presigned URLs of S3."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from cfnbox.aws.http import Answer

# Takes content type and body of what was sent; raises Refused when it is not what is waited for.
Receive = Callable[[str, bytes], None]


class Callbacks:
    """Hands out addresses below `PATH`, and takes what is sent to them. For any number of threads."""

    PATH = "/_callbacks/"

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._receivers: dict[str, Receive] = {}
        self._lock = threading.Lock()

    def open(self, receive: Receive) -> str:
        """A new address; what is sent there goes to `receive`."""
        path = f"{self.PATH}{uuid.uuid4()}"
        with self._lock:
            self._receivers[path] = receive
        return f"{self._url}{path}"

    def close(self, url: str) -> None:
        """Nothing is taken at that address any more."""
        with self._lock:
            self._receivers.pop(url.removeprefix(self._url), None)

    def answer(self, method: str, path: str, content_type: str, body: bytes) -> Answer:
        """The answer to a request below `PATH`."""
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
