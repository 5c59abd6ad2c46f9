"""The laptop cloud in one process: engine, local SageMaker and Lambda runtime behind one loopback endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypercorn.asyncio
import hypercorn.config
from hypercorn.middleware import AsyncioWSGIMiddleware

from laptop.clients import ABOUT_PATH
from laptop.definition import TypeDefinition
from laptop.engine import DEFAULT_REGION, Engine
from laptop.events import LocalFailure
from laptop.runtime import TYPE_FUNCTION_PATH, LambdaRuntime
from laptop.sagemaker.server import LocalSageMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_SCHEMA = ROOT / "aws-sagemaker-model.json"
DEFAULT_CODE = (ROOT / "src",)
DEFAULT_HANDLER = "aws_sagemaker_model.handlers.resource"

# A template's worth of tags and environment is far smaller.
_MOST_BODY_BYTES = 1 << 24
_START_SECONDS = 10
_REST_SECONDS, _REST_POLL_SECONDS = 3.0, 0.02


class PortTaken(LocalFailure):
    """Something else listens on the port; the message says what to do."""


class Cloud:
    """Serves CloudFormation with the type, SageMaker and ministack's services on 127.0.0.1 until closed.

    `port` 0 takes any free one. `schema` and `code` (PYTHONPATH of the handlers) may be any Python registry type's.
    With `type_names` the type is registered under each of them, beside one another, and not under the schema's.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        schema: str | Path = DEFAULT_SCHEMA,
        type_names: Sequence[str] = (),
        code: Sequence[str | Path] = DEFAULT_CODE,
        handler: str = DEFAULT_HANDLER,
        env: Mapping[str, str] | None = None,
        timeout: int = 60,
        concurrency: int = 2,
    ) -> None:
        definitions = [TypeDefinition.load(schema, name) for name in type_names or (None,)]
        self.definition = definitions[0]
        self.type_names = [one.type_name for one in definitions]
        self._closing = contextlib.ExitStack()
        listener = self._closing.enter_context(_listener(port))
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            self.sagemaker = self._closing.enter_context(LocalSageMaker())
            self.runtime = self._closing.enter_context(
                LambdaRuntime(
                    handler,
                    code,
                    # Straight to the service: a handler that waited for the engine's own loop could block it.
                    env={"AWS_ENDPOINT_URL": self.sagemaker.url, **(env or {})},
                    timeout=timeout,
                    concurrency=concurrency,
                )
            )
            engines = [Engine(one, self.runtime.invoke, self.port, self._write_system_tags) for one in definitions]
            self._serve(_Gateway(engines[0], self.sagemaker.app, self.runtime.serve_lambda, self._about()), listener)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and every process that was started; safe to call twice."""
        self._closing.close()

    def _about(self) -> bytes:
        return json.dumps({"typeName": self.definition.type_name, "region": DEFAULT_REGION}).encode()

    def _write_system_tags(self, identifier: str, tags: Mapping[str, str]) -> None:
        if identifier.partition(":model/")[1] and ":sagemaker:" in identifier:
            self.sagemaker.write_system_tags(identifier, dict(tags))

    def _serve(self, gateway: _Gateway, listener: socket.socket) -> None:
        config = hypercorn.config.Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.errorlog = None
        # Without this an idle connection of a client would hold up the end.
        config.graceful_timeout = 0.2
        loop = asyncio.new_event_loop()
        stop, ready = asyncio.Event(), threading.Event()
        gateway.on_startup = ready.set

        def run() -> None:
            asyncio.set_event_loop(loop)
            served = hypercorn.asyncio.serve(gateway, config, shutdown_trigger=stop.wait)
            with contextlib.closing(loop):
                loop.run_until_complete(served)

        thread = threading.Thread(target=run, name="gateway", daemon=True)
        thread.start()
        self._closing.callback(thread.join, 5)
        self._closing.callback(loop.call_soon_threadsafe, stop.set)
        if not ready.wait(_START_SECONDS):
            raise PortTaken(f"The cloud did not start on port {self.port}.")


class _Gateway:
    """SageMaker's requests to the local SageMaker, everything else to ministack, on one address."""

    def __init__(self, engine: Engine, sagemaker: Any, type_function: Any, about: bytes) -> None:
        self._engine, self._about = engine, about
        middleware: Any = AsyncioWSGIMiddleware
        self._sagemaker = middleware(sagemaker, _MOST_BODY_BYTES)
        self._type_function = middleware(type_function, _MOST_BODY_BYTES)
        self.on_startup: Callable[[], object] = lambda: None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            # ministack's own start would look for Docker containers to remove and start schedulers: left out.
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["path"] == ABOUT_PATH:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": self._about})
        elif scope["type"] == "http" and scope["path"] == TYPE_FUNCTION_PATH:
            await self._type_function(scope, receive, send)
        elif scope["type"] == "http" and _is_for_sagemaker(scope):
            await self._sagemaker(scope, receive, send)
        else:
            if _header(scope, "user-agent").startswith("aws-cli/"):
                await self._rest()
            await self._engine.app(scope, receive, send)

    async def _rest(self) -> None:
        """Let stack operations end first, for a while: the AWS CLI asks once and then sleeps for 30 seconds."""
        for _ in range(round(_REST_SECONDS / _REST_POLL_SECONDS)):
            if not self._engine.busy:
                return
            await asyncio.sleep(_REST_POLL_SECONDS)

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
            self.on_startup()


def _header(scope: Any, name: str) -> str:
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted), "")


def _is_for_sagemaker(scope: Any) -> bool:
    query = urllib.parse.parse_qs(scope["query_string"].decode("latin-1"))
    signed = _header(scope, "authorization") or query.get("X-Amz-Credential", [""])[0]
    return (
        scope["path"].startswith("/_local/")
        or _header(scope, "x-amz-target").startswith("SageMaker.")
        or re.search(r"/sagemaker/aws4_request", signed) is not None
    )


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}): perhaps a cloud is already running there. "
            "Choose another with --port, or 0 for any free one."
        ) from None
    return listener
