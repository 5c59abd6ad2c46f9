"""ministack and the local SageMaker behind one address, as the cloud has them, and clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.aws import clients
from cfnbox.aws.http import HttpRequest, Listener, send
from cfnbox.core.processes import ChildProcesses
from cfnbox.providers.callbacks import Callbacks
from cfnbox.providers.clients import ServiceClients
from cfnbox.providers.log_group_protection import LogGroupProtection
from cfnbox.providers.ministack import Ministack
from cfnbox.providers.published import PublishedTypes
from cfnbox.providers.secret_operations import SecretOperations
from cfnbox.providers.services.provider import ServiceProvider
from cfnbox.providers.vpc_endpoints import VpcEndpoints
from cfnbox.sagemaker.server import SageMakerApp
from providers.service_samples import MODEL, Types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MOTO_SERVICES = ("/sagemaker/", "/application-autoscaling/")


class Services:
    """The WSGI application of the address."""

    def __init__(self, ministack: Ministack, callbacks: Callbacks) -> None:
        self.sagemaker, self._ministack, self.callbacks = SageMakerApp(), ministack, callbacks
        self._vpc_endpoints = VpcEndpoints(ministack)
        self._secret_operations = SecretOperations(ministack.answer)
        self._log_group_protection = LogGroupProtection(ministack.answer)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if any(one in environ.get("HTTP_AUTHORIZATION", "") for one in _MOTO_SERVICES):
            return self.sagemaker(environ, start_response)
        request = HttpRequest.of(environ)
        if request.path.startswith(Callbacks.PATH):
            kind = request.headers["content-type"]
            answer = self.callbacks.answer(request.method, request.path, kind, request.body)
        elif request.signature.service == "secretsmanager":
            answer = self._secret_operations.answer(request)
        elif request.signature.service == "logs":
            answer = self._log_group_protection.answer(request)
        elif request.signature.service == "ec2":
            answer = self._vpc_endpoints.answer(request) or self._ministack.answer(request)
        else:
            answer = self._ministack.answer(request)
        return send(start_response, answer)


@pytest.fixture(scope="session")
def published() -> PublishedTypes:
    return PublishedTypes()


@pytest.fixture(scope="module")
def _running() -> Iterator[tuple[Ministack, Services, str]]:
    listener, processes = Listener(), ChildProcesses()
    ministack = Ministack(listener.port, processes)
    services = Services(ministack, Callbacks(listener.url))
    listener.serve(services)
    yield ministack, services, listener.url
    listener.close()
    services.sagemaker.close()
    ministack.close()
    processes.close()


@pytest.fixture
def ministack(_running: tuple[Ministack, Services, str]) -> Ministack:
    """An empty ministack."""
    _running[0].clear()
    return _running[0]


@pytest.fixture
def services(_running: tuple[Ministack, Services, str]) -> Services:
    """What is behind the address."""
    return _running[1]


@pytest.fixture
def url(_running: tuple[Ministack, Services, str]) -> str:
    """The address; the local SageMaker behind it is empty."""
    _running[1].sagemaker.reset()
    return _running[2]


@pytest.fixture
def callbacks(_running: tuple[Ministack, Services, str]) -> Callbacks:
    """What is sent to addresses below the one address."""
    return _running[1].callbacks


@pytest.fixture(scope="module")
def service_clients(_running: tuple[Ministack, Services, str]) -> ServiceClients:
    """The clients that providers use."""
    return ServiceClients(_running[2])


@pytest.fixture
def connect(url: str) -> Callable[..., Any]:
    """Makes a boto3 client of the address."""

    def _connect(service: str, region: str = "us-east-1") -> Any:
        return clients.client(service, url, region)

    return _connect


@pytest.fixture
def tagged() -> list[tuple[str, dict[str, str]]]:
    """What the providers were told to tag: identifier and tags."""
    return []


@pytest.fixture
def types(service_clients: ServiceClients, published: PublishedTypes, tagged: Any, url: str) -> Types:
    """The types that are an API of SageMaker or Application Auto Scaling."""
    return Types(ServiceProvider(service_clients, published, lambda arn, tags: tagged.append((arn, dict(tags)))))


@pytest.fixture
def sagemaker(connect: Callable[..., Any], types: Types) -> Any:
    """A client of a SageMaker with the model `m`."""
    client = connect("sagemaker")
    client.create_model(ModelName="m", **MODEL)
    return client
