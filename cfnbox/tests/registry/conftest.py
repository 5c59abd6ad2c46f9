"""The registry over HTTP, with packages from a bucket that is a dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from cfnbox.aws.http import HttpRequest, HttpServer, send
from cfnbox.aws.wire import Api
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cfnbox.handlers.events import new_token, production_event
from cfnbox.handlers.runtime import LambdaRuntime
from cfnbox.providers.published import PublishedTypes
from cfnbox.registry.operations import Registry
from cfnbox.registry.registrations import Registrations
from cfnbox.registry.types import TypeRegistry
from cloud_clients import SESSION, as_a_waiter
from registry.package_builders import NAME, package
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cfnbox.registry.functions import Code, Source

EAST = Place("us-east-1")
PUBLISHED = PublishedTypes()
_CONFIG = Config(retries={"total_max_attempts": 1})
Json = dict[str, Any]


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
            client = SESSION.client("cloudformation", region, endpoint_url=self.server.url, config=_CONFIG, **keys)
            self._clients[region, account] = client
        return self._clients[region, account]


class Cloud:
    """A registry, a client of it, and the runtimes that it started."""

    def __init__(self, front: Front, sources: Iterable[Source] = ()) -> None:
        self._front = front
        self.objects: dict[str, bytes] = {}
        self.runtimes: list[LambdaRuntime] = []
        self.types = TypeRegistry(self._start, sources)
        self.registrations = Registrations(self.types, self._read)
        self.registry = Registry(self.types, self.registrations, PUBLISHED)
        front.api = Api("cloudformation", self.registry.operations)
        self.client = self.connect()

    def _start(self, code: Code, region: str) -> LambdaRuntime:
        made = LambdaRuntime(code.handler, code.paths, env={"AWS_REGION": region}, isolated=code.isolated)
        self.runtimes.append(made)
        return self.runtimes[-1]

    def _read(self, url: str, _place: Place) -> bytes:
        if url not in self.objects:
            raise Refused("ValidationError", f"There is no object {url}.")
        return self.objects[url]

    def connect(self, region: str = "us-east-1", account: str = "123456789012") -> Any:
        return self._front.connect(region, account)

    def begin(self, content: bytes, name: str = NAME, client: Any = None, **request: Any) -> str:
        """The token of a registration that has begun."""
        url = f"s3://types/{len(self.objects)}.zip"
        self.objects[url] = content
        client = client or self.client
        return client.register_type(TypeName=name, SchemaHandlerPackage=url, **request)["RegistrationToken"]  # type: ignore[no-any-return]

    def registration(self, content: bytes, name: str = NAME, **request: Any) -> Json:
        """How a registration ended."""
        return self.ended(self.begin(content, name, **request))

    @as_a_waiter
    def ended(self, token: str, client: Any = None) -> Json:
        """How the registration of a token ended."""

        def ended() -> Json | None:
            answer: Json = (client or self.client).describe_type_registration(RegistrationToken=token)
            return None if answer["ProgressStatus"] == "IN_PROGRESS" else answer

        return eventually(ended)

    def register(self, content: bytes = b"", **request: Any) -> str:
        """The ARN of the new version."""
        answer = self.registration(content or package(), **request)
        assert answer["ProgressStatus"] == "COMPLETE", answer
        return str(answer["TypeVersionArn"])

    def failure(self, content: bytes, name: str = NAME) -> str:
        """Why a registration failed; nothing may be left of it."""
        answer = self.registration(content, name)
        assert answer["ProgressStatus"] == "FAILED", answer
        assert "TypeVersionArn" not in answer
        assert self.client.list_types()["TypeSummaries"] == []
        stage, said = answer["Description"].split("\nDeployment failed with error. Error message: ")
        assert stage == "Deployment is currently in VALIDATION_STAGE of status FAILED; Next is DEPLOY_STAGE with " + (
            "status CANCELLED"
        )
        return str(said.partition("] ")[2])

    def created_by(self, place: Place = EAST) -> str:
        """Which handlers serve a CREATE now."""
        found = self.types.find(NAME, place)
        assert found
        event = production_event(
            found.definition,
            "CREATE",
            desired={"Text": "x"},
            token=new_token(),
            type_configuration=found.configuration,
        )
        return str(found.invoke(event)["resourceModel"]["By"])

    def refused(self, code: str, call: Callable[..., Any], **request: Any) -> str:
        """The message with which a call is refused, under exactly that code."""
        with pytest.raises(self.client.exceptions.ClientError) as caught:
            call(**request)
        assert caught.value.response["Error"]["Code"] == code
        return str(caught.value.response["Error"]["Message"])


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    made = Front()
    yield made
    made.server.close()


@pytest.fixture
def open_cloud(front: Front) -> Iterator[Callable[..., Cloud]]:
    """Makes a registry that is started with sources; it is closed with the test."""
    opened: list[Cloud] = []

    def make(*sources: Source) -> Cloud:
        opened.append(Cloud(front, sources))
        return opened[-1]

    yield make
    for cloud in opened:
        cloud.registrations.close()
        cloud.types.close()


@pytest.fixture
def cloud(open_cloud: Callable[..., Cloud]) -> Cloud:
    return open_cloud()
