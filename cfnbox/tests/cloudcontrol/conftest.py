"""Cloud Control over HTTP, with a fake provider of books."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from cfnbox.aws.http import HttpRequest, HttpServer, send
from cfnbox.aws.wire import Api
from cfnbox.cloudcontrol.api import CloudControl
from cfnbox.providers.protocol import Providers
from cloud_clients import SESSION
from cloudcontrol.fake_provider import SCHEMA, FakeProvider
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.core.place import Place
    from cfnbox.providers.protocol import Served

BOOK = SCHEMA["typeName"]
_CONFIG = Config(retries={"total_max_attempts": 1})


class Front:
    """The API over HTTP, and clients of it: one server for the session, since starting one takes its time."""

    def __init__(self) -> None:
        self.api: Api | None = None
        self._clients: dict[tuple[str, str], Any] = {}
        self.server = HttpServer(self._answer)

    def _answer(self, environ: Any, start_response: Any) -> list[bytes]:
        assert self.api
        return send(start_response, self.api.answer(HttpRequest.of(environ)))

    def connect(self, region: str, account: str) -> Any:
        if (region, account) not in self._clients:
            keys = {"aws_access_key_id": account, "aws_secret_access_key": "test"}
            client = SESSION.client("cloudcontrol", region, endpoint_url=self.server.url, config=_CONFIG, **keys)
            self._clients[region, account] = client
        return self._clients[region, account]


class Library:
    """Books, the API in front of them, and a client of it."""

    def __init__(self, front: Front, provider: FakeProvider) -> None:
        self._front, self.provider = front, provider
        self.older: dict[str, FakeProvider] = {}
        self.api = CloudControl(Providers([provider]), self._version)
        front.api = Api("cloudcontrol", self.api.operations)
        self.client = self.connect()

    def _version(self, name: str, place: Place, version: str) -> Served | None:
        return Providers([self.older[version]]).find(name, place) if version in self.older else None

    def connect(self, region: str = "us-east-1", account: str = "123456789012") -> Any:
        return self._front.connect(region, account)

    def ended(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the ProgressEvent of a request that has ended."""

        def ended() -> dict[str, Any] | None:
            status = self.client.get_resource_request_status(RequestToken=event["RequestToken"])["ProgressEvent"]
            return None if status["OperationStatus"] in ("PENDING", "IN_PROGRESS", "CANCEL_IN_PROGRESS") else status

        return eventually(ended)

    def begin(self, title: str = "Emma", **asked: Any) -> dict[str, Any]:
        properties = {"Title": title, **asked.pop("properties", {})}
        event: dict[str, Any] = self.client.create_resource(
            TypeName=BOOK, DesiredState=json.dumps(properties), **asked
        )
        return event["ProgressEvent"]  # type: ignore[no-any-return]

    def create(self, title: str = "Emma", **properties: Any) -> str:
        """The identifier of a new book."""
        event = self.ended(self.begin(title, properties=properties))
        assert event["OperationStatus"] == "SUCCESS", event
        return str(event["Identifier"])

    def patch(self, identifier: str, *operations: Any, **asked: Any) -> dict[str, Any]:
        document = json.dumps(operations)
        answer = self.client.update_resource(TypeName=BOOK, Identifier=identifier, PatchDocument=document, **asked)
        return answer["ProgressEvent"]  # type: ignore[no-any-return]

    def get(self, identifier: str) -> dict[str, Any]:
        described = self.client.get_resource(TypeName=BOOK, Identifier=identifier)["ResourceDescription"]
        return json.loads(described["Properties"])  # type: ignore[no-any-return]

    def refused(self, code: str, call: Callable[..., Any], *arguments: Any, **asked: Any) -> str:
        """The message with which a call is refused, under exactly that code."""
        with pytest.raises(self.client.exceptions.ClientError) as caught:
            call(*arguments, **asked)
        assert caught.value.response["Error"]["Code"] == code
        return str(caught.value.response["Error"]["Message"])


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    made = Front()
    yield made
    made.server.close()


@pytest.fixture
def open_library(front: Front) -> Iterator[Callable[[FakeProvider], Library]]:
    """Return a function that opens a library over a provider. The library is closed after the test."""
    opened: list[Library] = []

    def make(provider: FakeProvider) -> Library:
        opened.append(Library(front, provider))
        return opened[-1]

    yield make
    for library in opened:
        library.api.close()


@pytest.fixture
def library(open_library: Callable[[FakeProvider], Library]) -> Library:
    return open_library(FakeProvider())
