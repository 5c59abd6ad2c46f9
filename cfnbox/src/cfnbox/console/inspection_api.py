"""The addresses below /_cfnbox/, where a running cloud shows what happens in it; no request of AWS is for them."""

from __future__ import annotations

import ipaddress
import json
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cfnbox.aws.http import Answer
    from cfnbox.handlers.invocations import Invocations

PATH = "/_cfnbox/"
INVOCATIONS_PATH = f"{PATH}invocations"


class Inside:
    """Answers GET requests below `PATH`. `page` has what the console shows at a path, None where there is nothing."""

    def __init__(self, invocations: Invocations, page: Callable[[str], Answer | None] | None = None) -> None:
        self._invocations, self._page = invocations, page

    def answer(self, method: str, path: str, query: str, host: str) -> Answer:
        """The answer to a request; `host` is its Host header, which must be an address of this machine.

        A page of somebody else's, whose name was made to lead here, thus reads nothing (DNS rebinding).
        """
        if not _is_loopback(host):
            return _text(
                403, f"Ask for this under an address of this machine, not {host or 'without a Host header'}."
            )
        if method not in ("GET", "HEAD"):
            return _text(405, "This only shows: send GET.")
        if path == INVOCATIONS_PATH:
            return self._told(dict(urllib.parse.parse_qsl(query)))
        if self._page is None:
            return _text(404, "The console is off: start the cloud with `cfnbox up --console`.")
        return self._page(path.removeprefix(PATH)) or _text(404, "There is nothing here any more.")

    def _told(self, asked: Mapping[str, str]) -> Answer:
        """JSON: the invocations, oldest first; `stack` is the id of the one to tell of, `properties` adds models."""
        told = [one.told(with_properties="properties" in asked) for one in self._invocations.all(asked.get("stack"))]
        return 200, {"Content-Type": "application/json"}, json.dumps(told, default=str).encode()


def _is_loopback(host: str) -> bool:
    name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _text(status: int, text: str) -> Answer:
    return status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode()
