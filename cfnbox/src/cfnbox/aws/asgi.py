"""An ASGI application on an event loop of its own, so that nothing it does holds up anything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from cfnbox.aws.http import Answer

Application = Callable[[Any, Any, Any], Awaitable[None]]


class AsgiService:
    """Answers requests through the application, one task each, until closed."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="asgi", daemon=True)
        self._thread.start()

    def answer(self, environ: WSGIEnvironment, body: bytes) -> Answer:
        """The answer to a request as a WSGI server holds it."""
        return asyncio.run_coroutine_threadsafe(self._collected(_scope(environ), body), self._loop).result()

    async def _collected(self, scope: dict[str, Any], body: bytes) -> Answer:
        requests = [{"type": "http.request", "body": body, "more_body": False}]
        status, headers, content = 500, dict[str, str](), list[bytes]()

        async def receive() -> dict[str, Any]:
            return requests.pop() if requests else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {
                    key.decode("latin-1"): value.decode("latin-1") for key, value in message.get("headers", [])
                }
            elif message["type"] == "http.response.body":
                content.append(message.get("body", b""))

        await self._application(scope, receive, send)
        return (
            status,
            {key: value for key, value in headers.items() if key.lower() != "content-length"},
            b"".join(content),
        )

    def close(self) -> None:
        """End the loop and every task on it."""

        async def cancel_all() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(cancel_all(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def _scope(environ: WSGIEnvironment) -> dict[str, Any]:
    headers = [
        (key[5:].replace("_", "-").lower().encode("latin-1"), str(value).encode("latin-1"))
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    headers += [
        (name.encode(), str(environ[key]).encode("latin-1"))
        for key, name in (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length"))
        if environ.get(key)
    ]
    raw = str(environ.get("REQUEST_URI") or environ["PATH_INFO"]).partition("?")[0]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": "http",
        # WSGI hands on the bytes of a path as Latin-1.
        "path": environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
        "raw_path": raw.encode("latin-1"),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": headers,
        "client": (environ.get("REMOTE_ADDR", "127.0.0.1"), 0),
        "server": (environ.get("SERVER_NAME", "127.0.0.1"), int(environ.get("SERVER_PORT", 0))),
    }
