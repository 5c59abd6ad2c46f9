"""What a child process serves: the application of another package, for requests that bring the child's key alone.

Its port is open to every web page and program of this machine, and the application lets all of them in.
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

# Variables of the process: the application as MODULE:NAME, and the key. The application does not see them.
APPLICATION_VARIABLE, KEY_VARIABLE = "CFNBOX_CHILD_APPLICATION", "CFNBOX_CHILD_KEY"
KEY_HEADER = "x-cfnbox-key"
_REFUSAL = b"This port is for the local cloud alone."


def guard_asgi(application: Any, key: str) -> Any:
    """Return the ASGI application with the guard in front of it."""
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
    """Return the WSGI application with the guard in front of it."""
    variable = f"HTTP_{KEY_HEADER.upper().replace('-', '_')}"

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if hmac.compare_digest(environ.pop(variable, "").encode(), key.encode()):
            answer: Iterable[bytes] = application(environ, start_response)
            return answer
        start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", str(len(_REFUSAL)))])
        return [_REFUSAL]

    return guarded


def _guarded() -> Callable[..., Any] | None:
    named = os.environ.pop(APPLICATION_VARIABLE, None)
    if named is None:
        return None
    module, _, name = named.partition(":")
    application, key = getattr(importlib.import_module(module), name), os.environ.pop(KEY_VARIABLE)
    is_asgi = inspect.iscoroutinefunction(application)
    guarded: Callable[..., Any] = guard_asgi(application, key) if is_asgi else guard_wsgi(application, key)
    return guarded


# What the server of a child process imports; None everywhere else.
application = _guarded()
