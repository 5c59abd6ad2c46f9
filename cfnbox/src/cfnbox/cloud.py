"""cfnbox in one process: CloudFormation, its types, SageMaker and the other services at one address."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from cfnbox.aws.admission import Admission
from cfnbox.aws.http import EVERY_ADDRESS, LOOPBACK, Listener
from cfnbox.cloudformation import state_file
from cfnbox.composition import CONCURRENCY, Composition, Settings
from cfnbox.console.inspection_api import PATH as INSPECTION_PATH
from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION, Place
from cfnbox.handlers.invocations import HandlerInvocation, InvocationLog
from cfnbox.registry.projects import projects
from cfnbox.sagemaker.hosting import ServedImage
from cfnbox.sagemaker.rules import service_model
from cfnbox.session import DeployFailed, Session

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.handlers.debugging import Debugger
    from cfnbox.registry.functions import Source


class PortTaken(LocalFailure):
    """The port cannot be used; the message says what to do."""


class Cloud(Session):
    """Serves CloudFormation, its types and AWS's services on 127.0.0.1 until closed. Clouds share nothing.

    A cloud is a `Session` in its `region` and `account`: `deploy(template)` returns a stack, `client(service)` a
    boto3 client. `types` are folders of registry types, as `cfn init` makes them; without any it serves AWS's types
    alone.
    `port` 0 takes any free one. `env` are variables for the handlers, `timeout` is the seconds of one invocation.
    `strict` refuses types that can only be simulated. With `console` there is a page for browsers at `console_url`,
    on a port of its own. `serve` has the servers behind endpoints, each IMAGE=URL or IMAGE=!COMMAND; ValueError for
    other text.

    Requests that a web page caused are refused, except those of pages of `allow_origins` (as http://localhost:3000),
    and requests that name another host than this machine, except `allow_hosts`. ValueError names a wrong one.

    `host` is an address of this machine at which it listens as well, for containers: every program that reaches the
    address can do all that the cloud can, code on this machine included. 0.0.0.0 is every address; then `allow_hosts`
    names those that requests may use.

    `sources` are types that are not in a folder (cfnbox.registry.functions.Source). `on_invocation` is told each
    invocation of a handler as it ends, by any thread. With a `debugger` handlers wait for one to attach.
    """

    def __init__(
        self,
        types: Sequence[str | os.PathLike[str]] = (),
        *,
        port: int = 0,
        host: str = LOOPBACK,
        region: str = DEFAULT_REGION,
        account: str = DEFAULT_ACCOUNT,
        env: Mapping[str, str] | None = None,
        timeout: int = 60,
        concurrency: int = CONCURRENCY,
        strict: bool = False,
        console: bool = False,
        serve: Sequence[str] = (),
        allow_origins: Sequence[str] = (),
        allow_hosts: Sequence[str] = (),
        sources: Sequence[Source] = (),
        on_invocation: Callable[[HandlerInvocation], None] | None = None,
        debugger: Debugger | None = None,
    ) -> None:
        own_hosts = () if host in (LOOPBACK, EVERY_ADDRESS) else (host,)
        admission = Admission.of(tuple(allow_origins), (*allow_hosts, *own_hosts))
        sources = (*sources, *projects(Path(folder) for folder in types))
        self.type_names = [source.definition.type_name for source in sources]
        self.invocations = InvocationLog(on_invocation)
        settings = Settings(
            sources, self.invocations, dict(env or {}), timeout, concurrency, strict, debugger, console,
            tuple(map(ServedImage.of, serve)), admission,
        )  # fmt: skip
        self._closing = contextlib.ExitStack()
        for source in sources:
            self._closing.callback(source.close)
        try:
            listener = _listener(port, EVERY_ADDRESS if host == EVERY_ADDRESS else LOOPBACK)
            self._closing.callback(listener.close)
            further = [_listener(listener.port, address) for address in own_hosts]
            for other in further:
                self._closing.callback(other.close)
            super().__init__(listener.url, region=region, account=account)
            self.port = listener.port
            inspection = Listener()
            self._closing.callback(inspection.close)
            self.console_url = f"{inspection.url}{INSPECTION_PATH}"
            self._composition = Composition(self.url, inspection.url, settings, self._closing)
            self.sagemaker = self._composition.sagemaker
            # Only now: a request that comes earlier waits for its answer.
            for served in (listener, *further):
                served.serve(self._composition.router)
            inspection.serve(self._composition.inspection)
            # Started at once: the first operation need not wait for it.
            self._composition.start_first_type()
        except BaseException:
            self.close()
            raise

    def load(self) -> None:
        """Load now what the first requests would otherwise wait for."""
        service_model()
        self._composition.ministack.add_bootstrap_parameter(Place(DEFAULT_REGION))

    def keep_state(self, path: str | os.PathLike[str]) -> list[str]:
        """Deploy the stacks that the file has, and keep in it what deploys those of this cloud from now on.

        The file has no values of NoEcho parameters. Return a sentence for each stack that the user has to deploy
        because of that, and for each stack that failed beside them; these stay in the file.
        Raise DeployFailed when a stack cannot be deployed again although every value is there, and UnusableState.
        """
        waiting: list[Json] = []
        sentences: list[str] = []
        for stack in state_file.read(Path(path)):
            sentence = state_file.how_to_deploy(stack)
            if not sentence:
                try:
                    self._deploy_again(stack)
                except DeployFailed as failure:
                    if not waiting:
                        raise
                    # It can import a value from a stack that waits.
                    sentence = str(failure)
            if sentence:
                waiting.append(stack)
                sentences.append(sentence)
        self._closing.callback(self._composition.keep_state(Path(path), waiting).close)
        return sentences

    def _deploy_again(self, stack: Json) -> None:
        place = Session(self.url, region=stack["region"], account=stack["account"])
        place.deploy(stack["template"], parameters=stack["parameters"], tags=stack["tags"], stack_name=stack["name"])

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and every process that was started; safe to call twice."""
        self._closing.close()


def _listener(port: int, host: str) -> Listener:
    try:
        return Listener(port, host)
    except OSError as error:
        raise PortTaken(
            f"Port {port} on {host} cannot be used ({error.strerror}): perhaps a cloud is already running there. "
            "Choose another with --port, or 0 for any free one."
        ) from None
