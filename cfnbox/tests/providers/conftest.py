"""ministack and the local SageMaker behind one address, as the cloud has them, and clients of it."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.aws import clients
from cfnbox.aws.asgi import AsgiService
from cfnbox.aws.http import HttpServer
from cfnbox.handlers.debugging import free_port
from cfnbox.providers.callbacks import Callbacks
from cfnbox.providers.clients import ServiceClients
from cfnbox.providers.ministack import Ministack
from cfnbox.providers.published import PublishedTypes
from cfnbox.providers.services.provider import ServiceProvider
from cfnbox.sagemaker.server import SageMakerApp
from providers.service_samples import MODEL, Types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MOTO_SERVICES = ("/sagemaker/", "/application-autoscaling/")


class Services:
    """The WSGI application of the address."""

    def __init__(self, others: AsgiService, callbacks: Callbacks) -> None:
        self.sagemaker, self._others, self.callbacks = SageMakerApp(), others, callbacks

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if any(one in environ.get("HTTP_AUTHORIZATION", "") for one in _MOTO_SERVICES):
            return self.sagemaker(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        path = environ["PATH_INFO"]
        if path.startswith(Callbacks.PATH):
            kind = environ.get("CONTENT_TYPE", "")
            status, headers, content = self.callbacks.answer(environ["REQUEST_METHOD"], path, kind, body)
        else:
            status, headers, content = self._others.answer(environ, body)
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [content]


@pytest.fixture(scope="session")
def published() -> PublishedTypes:
    return PublishedTypes()


@pytest.fixture(scope="module")
def _running() -> Iterator[tuple[Ministack, Services, str]]:
    port = free_port()
    with Ministack(port) as ministack:
        others = AsgiService(ministack.app)
        services = Services(others, Callbacks(f"http://127.0.0.1:{port}"))
        server = HttpServer(services, port)
        yield ministack, services, server.url
        server.close()
        others.close()


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
