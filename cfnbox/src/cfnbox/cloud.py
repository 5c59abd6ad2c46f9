"""cfnbox in one process: CloudFormation, its types, SageMaker and the other services at one address."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cfnbox.aws.admission import Admission
from cfnbox.aws.http import Listener
from cfnbox.composition import CONCURRENCY, Composition, Settings
from cfnbox.console.inspection_api import PATH as INSPECTION_PATH
from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_REGION, Place
from cfnbox.handlers.invocations import Invocation, Invocations
from cfnbox.registry.projects import Layout, Project
from cfnbox.router import Router
from cfnbox.sagemaker.rules import service_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cfnbox.handlers.debugging import Debugger
    from cfnbox.handlers.runtime import LambdaRuntime
    from cfnbox.registry.functions import Source

ROOT = Path(__file__).resolve().parents[3]
DEFAULT_SCHEMA = ROOT / "aws-sagemaker-model.json"
DEFAULT_CODE = (ROOT / "src",)
DEFAULT_HANDLER = "aws_sagemaker_model.handlers.resource"


class PortTaken(LocalFailure):
    """The port cannot be used; the message says what to do."""


class Cloud:
    """Serves CloudFormation, its types and AWS's services on 127.0.0.1 until closed. Clouds share nothing.

    `port` 0 takes any free one. `sources` are the types that it starts with (cfnbox.registry.projects), at least
    one; without them the type of `schema` and `handler`, with `code` as PYTHONPATH, and with `type_names` under each
    of those names instead of the schema's. `strict` refuses types that can only be simulated. `on_invocation` is told
    each invocation of a handler as it ends, by any thread. With a `debugger` handlers wait for one to attach.
    With `console` there is a page for browsers at `console_url`, on a port of its own.

    Requests that a web page caused are refused, except those of pages of `allow_origins` (as http://localhost:3000),
    and requests that name another host than this machine, except `allow_hosts`. ValueError names a wrong one.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        sources: Sequence[Source] = (),
        schema: str | Path = DEFAULT_SCHEMA,
        type_names: Sequence[str] = (),
        code: Sequence[str | Path] = DEFAULT_CODE,
        handler: str = DEFAULT_HANDLER,
        env: Mapping[str, str] | None = None,
        timeout: int = 60,
        concurrency: int = CONCURRENCY,
        strict: bool = False,
        on_invocation: Callable[[Invocation], None] | None = None,
        debugger: Debugger | None = None,
        console: bool = False,
        allow_origins: Sequence[str] = (),
        allow_hosts: Sequence[str] = (),
    ) -> None:
        admission = Admission.of(tuple(allow_origins), tuple(allow_hosts))
        sources = sources or _sources(Path(schema).resolve(), handler, code, type_names)
        self.definition = sources[0].definition
        self.type_names = [source.definition.type_name for source in sources]
        self.invocations = Invocations(on_invocation)
        settings = Settings(
            sources, self.invocations, dict(env or {}), timeout, concurrency, strict, debugger, console
        )
        self._closing = contextlib.ExitStack()
        for source in sources:
            self._closing.callback(source.close)
        try:
            listener = _listener(port)
            self._closing.callback(listener.close)
            self.url, self.port = listener.url, listener.port
            inspection = Listener()
            self._closing.callback(inspection.close)
            self.console_url = f"{inspection.url}{INSPECTION_PATH}"
            self._composition = Composition(self.url, inspection.url, settings, self._closing)
            self.sagemaker = self._composition.sagemaker
            # Only now: a request that comes earlier waits for its answer.
            listener.serve(Router(self._composition.routes, admission))
            inspection.serve(self._composition.inspection)
            # Started at once: the first operation need not wait for it.
            self._composition.runtime()
        except BaseException:
            self.close()
            raise

    def load(self) -> None:
        """Load now what the first requests would otherwise wait for."""
        service_model()
        self._composition.ministack.add_bootstrap_parameter(Place(DEFAULT_REGION))

    @property
    def runtime(self) -> LambdaRuntime:
        """The handlers of the first type that the cloud was started with."""
        return cast("LambdaRuntime", self._composition.runtime())

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and every process that was started; safe to call twice."""
        self._closing.close()


def _sources(schema: Path, handler: str, code: Sequence[str | Path], type_names: Sequence[str]) -> list[Project]:
    layout = Layout(schema.parent, schema, handler, tuple(Path(folder).resolve() for folder in code))
    return [Project(lambda: layout, type_name=name) for name in type_names or (None,)]


def _listener(port: int) -> Listener:
    try:
        return Listener(port)
    except OSError as error:
        raise PortTaken(
            f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}): perhaps a cloud is already running there. "
            "Choose another with --port, or 0 for any free one."
        ) from None
