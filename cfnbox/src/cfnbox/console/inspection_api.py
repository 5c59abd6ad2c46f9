"""The inspection API below /_cfnbox/: the record of invocations, and the pages of the console.

It has its own port, so that a page that is stored in S3 and opened at the cloud's port cannot read it.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cfnbox.aws.http import Answer, HttpRequest, send
from cfnbox.template import secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from cfnbox.aws.admission import Admission
    from cfnbox.console.concealment import Concealment
    from cfnbox.core.paths import Json
    from cfnbox.handlers.invocations import HandlerInvocation, InvocationLog

PATH = "/_cfnbox/"
INVOCATIONS_PATH = f"{PATH}invocations"
# Members that may contain secrets. They are emptied if the stack is not known any more.
_UNHIDDEN = ("context", "next_context", "message", "raised", "traceback", "log")
# Takes the path below PATH and the address of the server; returns None if the path does not exist.
Page = Callable[[str, str], Answer | None]


class InspectionApi:
    """The WSGI application that answers GET requests below PATH. `page` has what the console shows."""

    def __init__(
        self, invocations: InvocationLog, concealment: Concealment, admission: Admission, page: Page | None = None
    ) -> None:
        self._invocations, self._concealment = invocations, concealment
        self._admission, self._page = admission, page

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return send(start_response, self._answer(HttpRequest.of(environ)))

    def _answer(self, request: HttpRequest) -> Answer:
        if reason := self._admission.refusal(request.headers):
            return _text(403, reason)
        if request.method not in ("GET", "HEAD"):
            return _text(405, "These addresses only show: send GET.")
        if request.path == INVOCATIONS_PATH:
            return self._shown(dict(urllib.parse.parse_qsl(request.query)))
        if self._page is None:
            return _text(404, "The console is off: start the cloud with `cfnbox up --console`.")
        below = request.path.removeprefix(PATH) if request.path.startswith(PATH) else request.path
        return self._page(below, f"http://{request.headers.get('host', '')}") or _text(404, f"Nothing is at {below}.")

    def _shown(self, query: Mapping[str, str]) -> Answer:
        """Return the invocations as JSON, oldest first; `stack` is the id of a stack, `properties` adds models."""
        content = [self._invocation(one, query) for one in self._invocations.all(query.get("stack"))]
        return 200, {"Content-Type": "application/json"}, json.dumps(content, default=str).encode()

    def _invocation(self, invocation: HandlerInvocation, query: Mapping[str, str]) -> Json:
        if not self._concealment.knows(invocation.stack_id):
            return {**invocation.to_json(with_properties=False), **dict.fromkeys(_UNHIDDEN, "")}
        members: Any = invocation.to_json(with_properties="properties" in query)
        shown: Json = secrets.hidden(members, self._concealment.secrets(invocation.stack_id))
        return shown


def _text(status: int, text: str) -> Answer:
    return status, {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}, text.encode()
