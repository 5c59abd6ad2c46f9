"""The application that a child process serves: another package's application, behind a check of the child's key.

Every web page and program on this machine can reach the port, and the application itself checks nothing.
"""

from __future__ import annotations

import hmac
import importlib
import inspect
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Environment variables: the application as MODULE:NAME, and the key. They are removed before the application runs.
APPLICATION_VARIABLE, KEY_VARIABLE = "CFNBOX_CHILD_APPLICATION", "CFNBOX_CHILD_KEY"
KEY_HEADER = "x-cfnbox-key"
_REFUSAL = b"Only the local cloud may use this port."


def guard_asgi(application: Any, key: str) -> Any:
    """Return an ASGI application that checks the key of each request before `application` gets it."""
    name, expected = KEY_HEADER.encode(), key.encode()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
            return
        keys = [value for header, value in scope["headers"] if header.lower() == name]
        if len(keys) == 1 and hmac.compare_digest(keys[0], expected):
            headers = [pair for pair in scope["headers"] if pair[0].lower() != name]
            await application({**scope, "headers": headers}, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": _REFUSAL})
        else:
            await send({"type": "websocket.close", "code": 1008})

    return guarded


def guard_wsgi(application: Any, key: str) -> Any:
    """Return a WSGI application that checks the key of each request before `application` gets it."""
    variable = f"HTTP_{KEY_HEADER.upper().replace('-', '_')}"

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if hmac.compare_digest(environ.pop(variable, "").encode(), key.encode()):
            answer: Iterable[bytes] = application(environ, start_response)
            return answer
        start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", str(len(_REFUSAL)))])
        return [_REFUSAL]

    return guarded


def _guarded() -> Callable[..., Any] | None:
    import_path = os.environ.pop(APPLICATION_VARIABLE, None)
    if import_path is None:
        return None
    module, _, name = import_path.partition(":")
    application, key = getattr(importlib.import_module(module), name), os.environ.pop(KEY_VARIABLE)
    is_asgi = inspect.iscoroutinefunction(application)
    guarded: Callable[..., Any] = guard_asgi(application, key) if is_asgi else guard_wsgi(application, key)
    return guarded


# The server of a child process imports this; None in every other process.
application = _guarded()
