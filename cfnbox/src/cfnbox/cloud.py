"""cfnbox in one process: CloudFormation, its types, SageMaker and the other services at one address."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import re
import urllib.parse
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cfnbox.aws.asgi import AsgiService
from cfnbox.aws.http import HttpServer
from cfnbox.aws.waiters import Waiters
from cfnbox.aws.wire import Api, error_answer, place_of
from cfnbox.cloudcontrol.api import CloudControl
from cfnbox.cloudformation.api import CloudFormation
from cfnbox.cloudformation.deployments import Deployments
from cfnbox.cloudformation.stacks import Stacks
from cfnbox.cloudformation.template_sources import Outside
from cfnbox.console.inspection_api import PATH as INSIDE_PATH
from cfnbox.console.inspection_api import Inside
from cfnbox.core.errors import LocalFailure, Refused
from cfnbox.core.place import DEFAULT_REGION, Place
from cfnbox.core.regions import require_region
from cfnbox.handlers.invocations import Invocation, Invocations
from cfnbox.handlers.runtime import TYPE_FUNCTION_PATH, LambdaRuntime, serve_lambda
from cfnbox.providers import ministack
from cfnbox.providers.callbacks import Callbacks
from cfnbox.providers.clients import ServiceClients
from cfnbox.providers.custom_resources import CustomResources
from cfnbox.providers.emulated import MinistackProvider
from cfnbox.providers.iam_documents import lets_assume
from cfnbox.providers.nested import NestedStacks
from cfnbox.providers.protocol import Providers
from cfnbox.providers.published import PublishedTypes
from cfnbox.providers.registry_handlers import HandlersProvider
from cfnbox.providers.services.provider import ServiceProvider
from cfnbox.providers.simulated import SimulatedProvider
from cfnbox.providers.wait_conditions import WaitConditions
from cfnbox.registry.operations import Registry
from cfnbox.registry.projects import Layout, Project
from cfnbox.registry.registrations import Registrations
from cfnbox.registry.resources import RegistryProvider
from cfnbox.registry.types import Pinned, Types
from cfnbox.sagemaker.rules import service_model
from cfnbox.sagemaker.server import SageMakerApp
from cfnbox.sagemaker.service import models_and_endpoints, write_system_tags
from cfnbox.stack_client import ABOUT_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from cfnbox.aws.http import Answer
    from cfnbox.console.page import ConsolePage
    from cfnbox.handlers.debugging import Debugger
    from cfnbox.providers.protocol import Served
    from cfnbox.providers.registry_handlers import OnTagged
    from cfnbox.providers.registry_handlers import Types as HandlerTypes
    from cfnbox.registry.functions import Code, Source
    from cfnbox.template.dynamic import DynamicReferences

ROOT = Path(__file__).resolve().parents[3]
DEFAULT_SCHEMA = ROOT / "aws-sagemaker-model.json"
DEFAULT_CODE = (ROOT / "src",)
DEFAULT_HANDLER = "aws_sagemaker_model.handlers.resource"
# As many handlers at once as a stack makes resources at once; each environment is started when it is needed.
_CONCURRENCY = 8
_SIGNED = re.compile(r"/(?P<region>[^/\s]+)/(?P<service>[a-z0-9-]+)/aws4_request")
# Services that the local SageMaker's moto answers; everything else is ministack's.
_MOTO_SERVICES = ("sagemaker", "application-autoscaling")
# botocore's signing names of protocol rest-xml.
_REST_XML_SERVICES = ("s3", "s3express", "route53", "cloudfront")


class PortTaken(LocalFailure):
    """Something else listens on the port; the message says what to do."""


class Cloud:
    """Serves CloudFormation, its types and AWS's services on 127.0.0.1 until closed. One at a time in a process.

    `port` 0 takes any free one. `sources` are the types that it starts with (cfnbox.registry.projects), at least
    one; without them the type of `schema` and `handler`, with `code` as PYTHONPATH, and with `type_names` under each
    of those names instead of the schema's. `strict` refuses types that can only be simulated. `on_invocation` is told
    each invocation of a handler as it ends, by any thread. With a `debugger` handlers wait for one to attach.
    With `console` a page for browsers stands below cfnbox.console.inspection_api.PATH.
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
        concurrency: int = _CONCURRENCY,
        strict: bool = False,
        on_invocation: Callable[[Invocation], None] | None = None,
        debugger: Debugger | None = None,
        console: bool = False,
    ) -> None:
        schema = Path(schema).resolve()
        named = Layout(schema.parent, schema, handler, tuple(Path(one).resolve() for one in code))
        sources = sources or [Project(lambda: named, type_name=name) for name in type_names or (None,)]
        self.definition = sources[0].definition
        self.type_names = [one.definition.type_name for one in sources]
        self._env, self._timeout, self._concurrency = dict(env or {}), timeout, concurrency
        self._debugger = debugger
        self.invocations = Invocations(on_invocation)
        self._inside = Inside(self.invocations)
        self._console = console
        self._closing = contextlib.ExitStack()
        for source in sources:
            self._closing.callback(source.close)
        self._apis: dict[str, Api] = {}
        try:
            self._server = _server(port, self)
            self._closing.callback(self._server.close)
            self.url = self._server.url
            self.port = int(self.url.rpartition(":")[2])
            self._ministack = self._closing.enter_context(ministack.Ministack(self.port))
            # Only now: a cloud that another one refuses must not empty the other's SageMaker.
            self._waiters = Waiters()
            self.sagemaker = SageMakerApp(self._waiters, self._sagemaker_may_assume)
            self.sagemaker.reset()
            self._closing.callback(self.sagemaker.reset)
            self._others = AsgiService(self._ministack.app)
            self._closing.callback(self._others.close)
            self._types = Types(self._start, sources)
            self._closing.callback(self._types.close)
            self._callbacks = Callbacks(self.url)
            self._make_apis(strict=strict)
            # Closed before what waits for them: an operation ends when its handler does.
            self._closing.callback(self._types.close)
            self._closing.callback(self._waiters.close)
            # Started at once: the first operation need not wait for it.
            self._types.functions_of(self.type_names[0]).runtime(DEFAULT_REGION)
        except BaseException:
            self.close()
            raise

    def load(self) -> None:
        """Load now what the first requests would otherwise wait for, and what stays until the process ends."""
        service_model()
        self._ministack.bootstrap(Place(DEFAULT_REGION))
        # Looking through all of it for garbage takes a tenth of the time of a stack.
        gc.freeze()

    def _make_apis(self, *, strict: bool) -> None:
        published, outside, types = PublishedTypes(), Outside(self.url), self._types
        registry = Registry(types, Registrations(types, outside.content), published)
        stacks, clients = Stacks(), ServiceClients(self.url)
        providers = Providers(
            [
                self._handlers(types, self._write_system_tags),
                NestedStacks(lambda name, place, asked: self.cloudformation.operations[name](place, asked)),
                RegistryProvider(registry, published),
                ServiceProvider(clients, published, self._write_system_tags),
                CustomResources(clients, self._callbacks),
                WaitConditions(self._callbacks, published, stacks.note),
                MinistackProvider(self._ministack, published, clients),
                *([] if strict else [SimulatedProvider(published)]),
            ]
        )

        def references(place: Place) -> DynamicReferences:
            self._ministack.bootstrap(place)
            return outside.references(place)

        self.cloudformation = CloudFormation(
            Deployments(stacks, providers, outside.template, outside.included, references)
        )
        self._closing.callback(self.cloudformation.runs.close)
        if self._console:
            self._inside = Inside(self.invocations, _console_page(stacks, self.invocations, providers))
        control = CloudControl(providers, self._version)
        self._closing.callback(control.close)
        self._apis = {
            "cloudformation": Api(
                "cloudformation", {**self.cloudformation.operations, **registry.operations}, self._waiters
            ),
            "cloudcontrolapi": Api("cloudcontrol", control.operations, self._waiters),
        }

    def _start(self, code: Code, region: str) -> LambdaRuntime:
        env = {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **self._env}
        runtime = LambdaRuntime(code.handler, code.paths, env=env, timeout=self._timeout,
                                concurrency=self._concurrency, alone=code.alone,
                                record=self.invocations.add, debugger=self._debugger)  # fmt: skip
        return runtime.__enter__()

    def _version(self, name: str, place: Place, version: str) -> Served | None:
        return Providers([self._handlers(Pinned(self._types, version))]).find(name, place)

    def _handlers(self, types: HandlerTypes, on_tagged: OnTagged = lambda _id, _tags: None) -> HandlersProvider:
        return HandlersProvider(types, on_tagged, self.invocations.raised, patient=self._debugger is not None)

    @property
    def runtime(self) -> LambdaRuntime:
        """The handlers of the first type that the cloud was started with."""
        return cast("LambdaRuntime", self._types.functions_of(self.type_names[0]).runtime(DEFAULT_REGION))

    def _invoke(self, event: Any) -> Any:
        """What the handlers of an event's type answer in its region; those of the first type when it names none."""
        asked = event if isinstance(event, dict) else {}
        found = self._types.find(str(asked.get("resourceType")), Place(str(asked.get("region", DEFAULT_REGION))))
        return found.invoke(event) if found else self.runtime.invoke(event)

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and every process that was started; safe to call twice."""
        self._closing.close()

    def _sagemaker_may_assume(self, role_arn: str) -> bool:
        trust = self._ministack.trust_policy(role_arn)
        return trust is None or lets_assume(trust, "sagemaker.amazonaws.com")

    def _write_system_tags(self, identifier: str, tags: Mapping[str, str]) -> None:
        # Other services than SageMaker keep the tags that their providers bring.
        if ":sagemaker:" in identifier:
            with contextlib.suppress(Refused):
                write_system_tags(identifier, dict(tags))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application behind the one address: each request to the service that it is for."""
        (service, region), path = _service_of(environ), environ["PATH_INFO"]
        try:
            require_region(region, json=not _speaks_xml(service, environ))
        except Refused as refused:
            protocol = "query" if _speaks_xml(service, environ) else "json"
            return _sent(start_response, error_answer(refused, protocol, str(uuid.uuid4())))
        if path == TYPE_FUNCTION_PATH:
            return serve_lambda(self._invoke, environ, start_response)
        if service in _MOTO_SERVICES or (path.startswith("/_local/") and path != ABOUT_PATH):
            return self.sagemaker(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        return _sent(start_response, self._answer(service, environ, body))

    def _answer(self, service: str, environ: WSGIEnvironment, body: bytes) -> Answer:
        if environ["PATH_INFO"].startswith(Callbacks.PATH):
            kind = environ.get("CONTENT_TYPE", "")
            return self._callbacks.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], kind, body)
        if environ["PATH_INFO"].startswith(INSIDE_PATH):
            query, host = environ.get("QUERY_STRING", ""), environ.get("HTTP_HOST", "")
            return self._inside.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], query, host)
        if environ["PATH_INFO"] == ABOUT_PATH:
            about = {"typeName": self.definition.type_name, "region": DEFAULT_REGION}
            return 200, {"Content-Type": "application/json"}, json.dumps(about).encode()
        headers = {"authorization": environ.get("HTTP_AUTHORIZATION", ""),
                   "user-agent": environ.get("HTTP_USER_AGENT", ""),
                   "x-amz-target": environ.get("HTTP_X_AMZ_TARGET", "")}  # fmt: skip
        if service == "ssm":
            self._ministack.bootstrap(place_of(headers))
        if service in self._apis:
            return self._apis[service].answer(headers, body)
        return self._others.answer(environ, body)


def _console_page(stacks: Stacks, invocations: Invocations, providers: Providers) -> ConsolePage:
    # Imported when it is asked for, and Jinja with it.
    from cfnbox.console.page import ConsolePage

    def write_only(type_name: str, place: Place) -> Iterable[str]:
        served = providers.find(type_name, place)
        return served.definition.write_only if served else ()

    return ConsolePage(stacks, invocations, models_and_endpoints, write_only)


def _sent(start_response: StartResponse, answer: Answer) -> list[bytes]:
    status, headers, content = answer
    start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
    return [content]


def _speaks_xml(service: str, environ: WSGIEnvironment) -> bool:
    """Whether the protocol of a request's service is one of XML: a form, or REST of the services that are so."""
    return "form-urlencoded" in environ.get("CONTENT_TYPE", "") or service in _REST_XML_SERVICES


def _service_of(environ: WSGIEnvironment) -> tuple[str, str]:
    """Signing name of the service, and region, that a request is for; of one that nobody signed no service."""
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
    credential = query.get("X-Amz-Credential", [""])[0]
    signed = _SIGNED.search(f"{environ.get('HTTP_AUTHORIZATION', '')} {credential}")
    if signed:
        return signed["service"], signed["region"]
    return "sagemaker" if environ.get("HTTP_X_AMZ_TARGET", "").startswith("SageMaker.") else "", DEFAULT_REGION


def _server(port: int, application: Any) -> HttpServer:
    try:
        return HttpServer(application, port)
    except OSError as error:
        raise PortTaken(
            f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}): perhaps a cloud is already running there. "
            "Choose another with --port, or 0 for any free one."
        ) from None
