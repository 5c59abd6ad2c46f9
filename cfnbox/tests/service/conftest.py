"""The local SageMaker to test."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import requests

from cfnbox.sagemaker import store
from cfnbox.sagemaker.server import LocalSageMaker
from cloud_clients import SESSION
from service.endpoint_samples import VARIANT
from service.samples import AS_WRITTEN, IMAGE, KEYS, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def client_of(service: str, **options: Any) -> Any:
    """The client with these options: one for all tests, because making one costs more than most of them."""
    return SESSION.client(service, **options)


@pytest.fixture(scope="session")
def _running_server() -> Iterator[LocalSageMaker]:
    with LocalSageMaker() as local_sagemaker:
        yield local_sagemaker


@pytest.fixture
def server(_running_server: LocalSageMaker) -> LocalSageMaker:
    """A server without models, calls or faults."""
    _running_server.reset()
    return _running_server


@pytest.fixture
def connect(server: LocalSageMaker) -> Callable[..., Any]:
    """Makes boto3 clients of the server: connect("logs")."""

    def _connect(service: str = "sagemaker", **options: Any) -> Any:
        options = {"endpoint_url": server.url, "region_name": REGION, "config": AS_WRITTEN, **KEYS} | options
        return client_of(service, **options)

    return _connect


@pytest.fixture
def client(connect: Callable[..., Any]) -> Any:
    """A SageMaker client of the server."""
    return connect()


@pytest.fixture
def create(client: Any) -> Callable[..., str]:
    """Creates a model, of one plain container unless others are given. Returns its ARN."""

    def _create(name: str, **members: Any) -> str:
        if not members.keys() & {"PrimaryContainer", "Containers"}:
            members["PrimaryContainer"] = {"Image": IMAGE}
        arn: str = client.create_model(ModelName=name, **members)["ModelArn"]
        return arn

    return _create


Post = Callable[..., tuple[int, dict[str, Any]]]


@cache
def http() -> requests.Session:
    """Connections that are kept: hundreds of posts need not open one each."""
    session = requests.Session()
    session.trust_env = False
    return session


def _post_to(url: str) -> Post:
    def _post(operation: str, body: object) -> tuple[int, dict[str, Any]]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {
            "X-Amz-Target": f"SageMaker.{operation}",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/sagemaker/aws4_request",
            "Content-Type": "application/x-amz-json-1.1",
        }
        answer = http().post(url, content, headers=headers, timeout=60)
        return answer.status_code, json.loads(answer.content or b"{}")

    return _post


@pytest.fixture
def post(client: Any) -> Post:
    """Sends a body as it is to where `client` sends. Returns the status and the JSON of the answer."""
    return _post_to(client.meta.endpoint_url)


@pytest.fixture
def post_to_server(server: LocalSageMaker) -> Post:
    """Sends a body as it is to the server. Returns the status and the JSON of the answer."""
    return _post_to(server.url)


@pytest.fixture
def control(server: LocalSageMaker) -> Callable[..., tuple[int, Any]]:
    """Sends a request that steers the server: control("POST", "reset"). Returns the status and the JSON."""

    def _control(method: str, what: str, body: object = None) -> tuple[int, Any]:
        answer = requests.request(method, f"{server.url}/_local/{what}", json=body, timeout=60)
        return answer.status_code, answer.json()

    return _control


class Settling:
    """Says whether what is under way goes on or ends: no test waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.ends()

    def goes_on(self) -> None:
        """From now on nothing comes to its end."""
        self._monkeypatch.setattr(store, "SETTLING_SECONDS", store.NEVER)

    def ends(self) -> None:
        """Everything under way ends, and what begins ends at once."""
        self._monkeypatch.setattr(store, "SETTLING_SECONDS", 0)


@pytest.fixture
def settling(monkeypatch: pytest.MonkeyPatch) -> Settling:
    """The control over how long statuses stay."""
    return Settling(monkeypatch)


@pytest.fixture
def config(client: Any, create: Callable[..., str]) -> Callable[..., str]:
    """Creates a configuration of one variant of the model `model`, unless members say otherwise. Returns its name."""
    create("model")

    def _config(name: str = "config", **members: Any) -> str:
        client.create_endpoint_config(EndpointConfigName=name, **{"ProductionVariants": [VARIANT]} | members)
        return name

    return _config


@pytest.fixture
def endpoint(client: Any, config: Callable[..., str], settling: Settling) -> Callable[..., None]:
    """Creates the endpoint `endpoint`, in service, on a configuration of its own."""

    def _endpoint(**members: Any) -> None:
        settling.ends()
        client.create_endpoint(EndpointName="endpoint", EndpointConfigName=config(**members))

    return _endpoint
