"""The composition of a cloud: the only module that imports every provider, API and service."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cfnbox.aws.admission import Admission
from cfnbox.aws.clients import CREDENTIALS
from cfnbox.aws.http import Answer, HttpRequest, collected
from cfnbox.aws.waiters import Waiters
from cfnbox.aws.wire import Api
from cfnbox.cloudcontrol.api import CloudControl
from cfnbox.cloudformation.api import CloudFormation
from cfnbox.cloudformation.deployments import Deployments
from cfnbox.cloudformation.stacks import Stacks
from cfnbox.cloudformation.state_file import StateFile
from cfnbox.cloudformation.template_sources import TemplateSources
from cfnbox.console.concealment import Concealment
from cfnbox.console.inspection_api import PATH as INSPECTION_PATH
from cfnbox.console.inspection_api import InspectionApi
from cfnbox.core.errors import LocalFailure, Refused
from cfnbox.core.place import DEFAULT_REGION, Place
from cfnbox.core.processes import ChildProcesses
from cfnbox.functions.logs import FunctionLogs
from cfnbox.functions.running import Functions
from cfnbox.functions.service import CODE_PATHS, PROXY_PATH, LambdaService
from cfnbox.functions.tasks import TASK_FUNCTION, FunctionTasks, without_own
from cfnbox.handlers.runtime import TYPE_FUNCTION_PATH, LambdaRuntime, serve_lambda
from cfnbox.providers.aws_managed_policies import AwsManagedPolicies
from cfnbox.providers.callbacks import Callbacks
from cfnbox.providers.clients import ServiceClients
from cfnbox.providers.custom_resources import CustomResources
from cfnbox.providers.emulated import MinistackProvider
from cfnbox.providers.iam_documents import lets_assume
from cfnbox.providers.log_group_protection import LogGroupProtection
from cfnbox.providers.macros import Macros
from cfnbox.providers.ministack import BOOTSTRAP_PARAMETER, Ministack
from cfnbox.providers.nested import NestedStacks
from cfnbox.providers.protocol import Providers
from cfnbox.providers.published import PublishedTypes
from cfnbox.providers.registry_handlers import HandlersProvider
from cfnbox.providers.secret_operations import SecretOperations
from cfnbox.providers.services.provider import ServiceProvider
from cfnbox.providers.simulated import SimulatedProvider
from cfnbox.providers.vpc_endpoints import VpcEndpoints
from cfnbox.providers.wait_conditions import WaitConditions
from cfnbox.registry.operations import Registry
from cfnbox.registry.registrations import Registrations
from cfnbox.registry.resources import RegistryProvider
from cfnbox.registry.types import Pinned, TypeRegistry
from cfnbox.router import Router, Routes
from cfnbox.sagemaker.hosting import Hosting, ServedImage
from cfnbox.sagemaker.server import CONTROL_PATH, SageMakerApp
from cfnbox.stack_client import ABOUT_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cfnbox.console.page import ConsolePage
    from cfnbox.core.paths import Json
    from cfnbox.handlers.debugging import Debugger
    from cfnbox.handlers.invocations import InvocationLog
    from cfnbox.providers.protocol import Served
    from cfnbox.providers.registry_handlers import OnTagged, RegisteredTypes
    from cfnbox.registry.functions import Code, Runtime, Source
    from cfnbox.sagemaker.service import SageMakerService
    from cfnbox.template.dynamic import DynamicReferences

# The number of resources that a stack creates at once. Execution environments are started when they are needed.
CONCURRENCY = 8
# Services that the local SageMaker and its moto answer; ministack answers all others.
_MOTO_SERVICES = ("sagemaker", "application-autoscaling")


@dataclass(frozen=True)
class Settings:
    """The settings of a cloud; cfnbox.cloud.Cloud documents each of them."""

    sources: Sequence[Source]
    invocations: InvocationLog
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: int = 60
    concurrency: int = CONCURRENCY
    strict: bool = False
    debugger: Debugger | None = None
    console: bool = False
    serve: Sequence[ServedImage] = ()
    admission: Admission = field(default_factory=Admission)


class Composition:
    """All parts of a cloud. `url` is its address, `inspection_url` the address of its inspection API.

    `router` and `inspection` answer requests at the two addresses. `closing` gets the parts that must be closed, in
    the order of their creation.
    """

    def __init__(self, url: str, inspection_url: str, settings: Settings, closing: contextlib.ExitStack) -> None:
        self._url, self._inspection_url, self._settings = url, inspection_url, settings
        self._type_names = [source.definition.type_name for source in settings.sources]
        processes = self._processes = ChildProcesses()
        closing.callback(processes.close)
        self.ministack = Ministack(int(url.rpartition(":")[2]), processes)
        self._aws_managed_policies = AwsManagedPolicies(self.ministack)
        self._vpc_endpoints = VpcEndpoints(self.ministack)
        self._secret_operations = SecretOperations(self.ministack.answer)
        self._log_group_protection = LogGroupProtection(self.ministack.answer)
        closing.callback(self.ministack.close)
        self._clients = ServiceClients(url, lambda request: self.router.answer(request))
        self._function_tasks = FunctionTasks(self.ministack.answer, self._clients)
        self._functions = self._make_functions(processes, closing)
        waiters = Waiters()
        environment = {"AWS_ENDPOINT_URL": url, **CREDENTIALS}
        hosting = Hosting(settings.serve, processes, self._clients.of, environment)
        self.sagemaker = SageMakerApp(waiters, self._sagemaker_may_assume, processes, hosting)
        closing.callback(self.sagemaker.close)
        self._types = TypeRegistry(self._start, settings.sources)
        closing.callback(self._types.close)
        self._callbacks = Callbacks(url)
        self._outside, self._published = TemplateSources(url), PublishedTypes()
        registry = Registry(self._types, Registrations(self._types, self._outside.content), self._published)
        self._stacks = Stacks()
        self._macros = Macros(self._clients, self._published)
        providers = self._providers(registry)
        self.cloudformation = CloudFormation(
            Deployments(
                self._stacks,
                providers,
                self._outside.template,
                self._outside.included,
                self._references,
                self._has_objects,
                [("AWS::SSM::Parameter", BOOTSTRAP_PARAMETER)],
                self._macros.find,
            )
        )
        closing.callback(self.cloudformation.runs.close)
        control = CloudControl(providers, self._version)
        closing.callback(control.close)
        # Close the handlers before the operations that wait for them: an operation ends when its handler ends.
        closing.callback(self._types.close)
        closing.callback(waiters.close)
        self.router = Router(self._routes(registry, control, waiters), settings.admission)
        self.inspection = self._inspection(providers)

    def keep_state(self, path: Path, waiting: Sequence[Json]) -> StateFile:
        """Keep in a file what deploys the stacks, beside the entries that wait for the user."""
        return StateFile(path, self._stacks, waiting)

    def start_first_type(self) -> None:
        """Start the handlers of the first type in the cloud's settings, if there is a type."""
        if self._type_names:
            self._first_runtime()

    def _first_runtime(self) -> Runtime:
        if not self._type_names:
            raise LocalFailure(
                "The event names no type that this cloud serves, and the cloud has no type of its own: cfnbox up DIR"
            )
        return self._types.functions_of(self._type_names[0]).runtime(DEFAULT_REGION)

    def _providers(self, registry: Registry) -> Providers:
        clients = self._clients
        return Providers(
            [
                self._handlers(self._types, self._write_system_tags),
                NestedStacks(lambda: self.cloudformation.nesting),
                self._macros,
                RegistryProvider(registry, self._published),
                ServiceProvider(
                    clients,
                    self._published,
                    self._write_system_tags,
                    before_create=self._make_way_for_bootstrap,
                    strict=self._settings.strict,
                ),
                CustomResources(clients, self._callbacks),
                WaitConditions(self._callbacks, self._published, self._stacks.append_signal_event),
                MinistackProvider(self.ministack, self._published, clients, strict=self._settings.strict),
                *([] if self._settings.strict else [SimulatedProvider(self._published)]),
            ]
        )

    def _routes(self, registry: Registry, control: CloudControl, waiters: Waiters) -> Routes:
        operations = {**self.cloudformation.operations, **registry.operations}
        return Routes(
            paths={
                TYPE_FUNCTION_PATH: self._type_function,
                ABOUT_PATH: self._about,
                CONTROL_PATH: self.sagemaker.answer,
                PROXY_PATH: self._functions.proxied,
                # The code of functions and layers: GetFunction and GetLayerVersion return these URLs.
                **dict.fromkeys(CODE_PATHS, self._functions.code),
                Callbacks.PATH: lambda request: self._callbacks.answer(
                    request.method, request.path, request.headers["content-type"], request.body
                ),
                INSPECTION_PATH: self._elsewhere,
            },
            own={
                "cloudformation": Api("cloudformation", operations, waiters).answer,
                "cloudcontrolapi": Api("cloudcontrol", control.operations, waiters).answer,
            },
            engines={
                **dict.fromkeys(_MOTO_SERVICES, self.sagemaker.answer),
                "ec2": self._ec2,
                "iam": self._iam,
                "lambda": self._functions.answer,
                "logs": self._logs,
                "secretsmanager": self._secret_operations.answer,
                "ssm": self._bootstrapped,
                "states": self._function_tasks.answer,
            },
            others=self.ministack.answer,
        )

    def _make_functions(self, processes: ChildProcesses, closing: contextlib.ExitStack) -> LambdaService:
        logs = FunctionLogs(self._clients)
        closing.callback(logs.close)
        functions = Functions(self._url, self._clients, logs, processes)
        closing.callback(functions.close)
        return LambdaService(self._url, self.ministack.answer, self._clients, functions, self._function_tasks)

    def _logs(self, request: HttpRequest) -> Answer:
        answer = self._log_group_protection.answer(request)
        return without_own(answer, "logGroups", "logGroupName", f"/aws/lambda/{TASK_FUNCTION}")

    def _ec2(self, request: HttpRequest) -> Answer:
        return self._vpc_endpoints.answer(request) or self.ministack.answer(request)

    def _iam(self, request: HttpRequest) -> Answer:
        return self._aws_managed_policies.answer(request) or self.ministack.answer(request)

    def _bootstrapped(self, request: HttpRequest) -> Answer:
        self.ministack.add_bootstrap_parameter(request.signature.place)
        return self.ministack.answer(request)

    def _make_way_for_bootstrap(self, type_name: str, place: Place, properties: Json) -> None:
        if type_name == "AWS::SSM::Parameter" and properties.get("Name") == BOOTSTRAP_PARAMETER:
            self.ministack.remove_bootstrap_parameter(place)

    def _has_objects(self, bucket: str, place: Place) -> bool:
        """Return whether a bucket has an object version or a delete marker: S3 then refuses to delete the bucket."""
        try:
            listed = self._clients.of("s3", place).list_object_versions(Bucket=bucket, MaxKeys=1)
        except (BotoCoreError, ClientError):
            return False
        return bool(listed.get("Versions") or listed.get("DeleteMarkers"))

    def _references(self, place: Place) -> DynamicReferences:
        self.ministack.add_bootstrap_parameter(place)
        return self._outside.references(place)

    def _inspection(self, providers: Providers) -> InspectionApi:
        settings, concealment = self._settings, Concealment(self._stacks, self._settings.invocations)
        page = None
        if settings.console:
            sagemaker = self.sagemaker.service
            page = _console_page(self._stacks, settings.invocations, concealment, sagemaker, providers)
        return InspectionApi(settings.invocations, concealment, settings.admission, page)

    def _about(self, _request: HttpRequest) -> Answer:
        about = {
            "types": self._type_names,
            "region": DEFAULT_REGION,
            "inspection": self._inspection_url,
            "console": f"{self._inspection_url}{INSPECTION_PATH}" if self._settings.console else None,
            "process": os.getpid(),
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(about).encode()

    def _elsewhere(self, request: HttpRequest) -> Answer:
        text = f"The inspection API has its own address: {self._inspection_url}{request.path}"
        return 404, {"Content-Type": "text/plain"}, text.encode()

    def _type_function(self, request: HttpRequest) -> Answer:
        return collected(functools.partial(serve_lambda, self._invoke), request.environ)

    def _invoke(self, event: Any) -> Any:
        """Invoke the handlers of the event's type in its region; those of the first type if the event has no type."""
        members = event if isinstance(event, dict) else {}
        served = self._types.find(str(members.get("resourceType")), Place(str(members.get("region", DEFAULT_REGION))))
        return served.invoke(event) if served else self._first_runtime().invoke(event)

    def _start(self, code: Code, region: str) -> LambdaRuntime:
        settings = self._settings
        env = {"AWS_ENDPOINT_URL": self._url, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **settings.env}
        runtime = LambdaRuntime(code.handler, code.paths, env=env, timeout=settings.timeout,
                                concurrency=settings.concurrency, isolated=code.isolated,
                                record=settings.invocations.add, debugger=settings.debugger,
                                temporary=self._processes.environment["TMPDIR"])  # fmt: skip
        return runtime.__enter__()

    def _version(self, name: str, place: Place, version: str) -> Served | None:
        return Providers([self._handlers(Pinned(self._types, version))]).find(name, place)

    def _handlers(self, types: RegisteredTypes, on_tagged: OnTagged = lambda _id, _tags: None) -> HandlersProvider:
        invocations = self._settings.invocations
        return HandlersProvider(
            types,
            on_tagged,
            invocations.raised,
            references=self._references,
            hide=invocations.hide,
            patient=self._settings.debugger is not None,
        )

    def _sagemaker_may_assume(self, role_arn: str) -> bool:
        trust = self.ministack.trust_policy(role_arn)
        return trust is None or lets_assume(trust, "sagemaker.amazonaws.com")

    def _write_system_tags(self, identifier: str, tags: Mapping[str, str]) -> None:
        # Only SageMaker needs this: providers write the system tags of other services themselves.
        if ":sagemaker:" in identifier:
            with contextlib.suppress(Refused):
                self.sagemaker.service.write_system_tags(identifier, tags)


def _console_page(
    stacks: Stacks,
    invocations: InvocationLog,
    concealment: Concealment,
    sagemaker: SageMakerService,
    providers: Providers,
) -> ConsolePage:
    # Imported only for the console, because it imports Jinja.
    from cfnbox.console.page import ConsolePage

    def write_only(type_name: str, place: Place) -> Iterable[str]:
        served = providers.find(type_name, place)
        return served.definition.write_only if served else ()

    return ConsolePage(stacks, invocations, concealment, sagemaker.models_and_endpoints, write_only)
