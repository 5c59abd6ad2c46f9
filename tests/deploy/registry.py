"""A package, and AWS clients: the local cloud's registry, in front of moto's S3 and STS."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto import mock_aws

from cfnbox.aws.http import HttpRequest, HttpServer, send
from cfnbox.aws.wire import Api, error_answer
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cfnbox.providers.published import PublishedTypes
from cfnbox.registry.functions import Code, Runtime
from cfnbox.registry.operations import Registry
from cfnbox.registry.registrations import Registrations
from cfnbox.registry.types import TypeRegistry
from cloud_clients import SESSION
from registry.package_builders import members, zipped

ACCOUNT = "123456789012"
BUCKET = "acme-types"
TYPE_NAME = "Acme::SageMaker::Model"


class _Body(io.BytesIO):
    """The content of a response, as botocore reads it."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def mocked_aws() -> Any:
    """moto, for everything but what is served on this machine."""
    return mock_aws(config={"core": {"passthrough": {"urls": [r"^http://127\.0\.0\.1"]}}})


class Clients:
    """Makes the client of a service in a region. What it registers can be looked at, lost and refused."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Any] = {}
        self._server = HttpServer(lambda environ, start: send(start, self._api.answer(HttpRequest.of(environ))))
        # Whether the registry may read packages.
        self.readable = True
        # Buckets that belong to another account than the caller's, with its number.
        self.owners: dict[str, str] = {}
        # The account that each request of a client to S3 expects to own the bucket; "" where a request names none.
        self.expected_owners: list[str] = []
        self.types = TypeRegistry(self._no_handlers)
        self.forget()

    def forget(self) -> None:
        """Let the registry hold nothing, as in another account."""
        self.types.close()
        self.types = TypeRegistry(self._no_handlers)
        self._registrations = Registrations(self.types, self._read)
        registry = Registry(self.types, self._registrations, PublishedTypes())
        self._api = Api("cloudformation", registry.operations)

    def _no_handlers(self, _code: Code, _region: str) -> Runtime:
        raise NotImplementedError("Nothing invokes what is registered here.")

    def _read(self, url: str, place: Place) -> bytes:
        if not self.readable:
            raise Refused("AccessDenied", f"{url} cannot be read.")
        bucket, _, key = url.removeprefix("s3://").partition("/")
        s3 = SESSION.client("s3", region_name=place.region)
        content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def __call__(self, service: str, region: str) -> Any:
        if (service, region) not in self._made:
            at = {"endpoint_url": self._server.url} if service == "cloudformation" else {}
            self._made[service, region] = SESSION.client(service, region_name=region, **at)
            if service == "s3":
                self._made[service, region].meta.events.register_first("before-send.s3", self._refuse_other_owners)
        return self._made[service, region]

    def _refuse_other_owners(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        """Answer as S3 does, which moto does not: 403 when the bucket is not of the expected account.

        User guide of S3, "Verifying bucket ownership with bucket owner condition".
        """
        expected = cast("bytes", request.headers.get("x-amz-expected-bucket-owner") or b"").decode("ascii")
        self.expected_owners.append(expected)
        bucket = urlsplit(request.url).netloc.partition(".")[0]
        if not expected or expected == self.owners.get(bucket, ACCOUNT):
            return None
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        headers = {"Content-Type": "application/xml"}
        return AWSResponse(request.url, 403, cast("Any", headers), _Body(b"" if request.method == "HEAD" else body))

    def refuse_once(self, region: str, operation: str, code: str, message: str) -> None:
        """Let CloudFormation refuse the next request of that operation in a region."""
        self._interrupt(region, f"before-call.cloudformation.{operation}", code, message)

    def lose_answer_once(self, region: str, operation: str) -> None:
        """Let the next request of that operation arrive, and its answer not."""
        events = self("cloudformation", region).meta.events
        name = f"after-call.cloudformation.{operation}"

        def lose(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
            events.unregister(name, lose)
            http_response.status_code = 500
            parsed["Error"] = {"Code": "InternalFailure", "Message": "the answer was lost"}

        events.register(name, lose)

    def _interrupt(self, region: str, name: str, code: str, message: str) -> None:
        events = self("cloudformation", region).meta.events

        def refuse(**_: Any) -> tuple[AWSResponse, dict[str, Any]]:
            events.unregister(name, refuse)
            status, headers, _body = error_answer(Refused(code, message), "query", "request")
            return AWSResponse("", status, cast("Any", headers), None), {"Error": {"Code": code, "Message": message}}

        events.register(name, refuse)

    def versions(self, region: str) -> list[tuple[str, str]]:
        """Id and state (default, live or gone) of every version of the type."""
        with self.types.changing:
            registered = self.types.of(Place(region)).get(TYPE_NAME)
            if registered is None:
                return []
            default = registered.default if registered.is_live else ""
            states = {True: "live", False: "gone"}
            return [
                (one.version_id, "default" if one.version_id == default else states[one.is_live])
                for one in registered.versions.values()
            ]

    def close(self) -> None:
        """Remove what was unpacked, and serve no more."""
        self._registrations.close()
        self.types.close()
        self._server.close()


def write_package(path: Path, type_name: str, handlers: str = "") -> Path:
    """Write a package of the type with handlers that may differ."""
    path.write_bytes(zipped(members(handlers, {"typeName": type_name}, {"typeName": type_name})))
    return path


def write_unusable_package(path: Path, type_name: str) -> Path:
    """Write a package that the registry does not take: its schema is none."""
    path.write_bytes(zipped({**members(), "schema.json": json.dumps({"typeName": type_name})}))
    return path
