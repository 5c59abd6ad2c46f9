"""Clients whose requests a function of this process answers: its input, and the answers to the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from cfnbox.aws import clients
from cfnbox.aws.direct_calls import answer_calls
from cfnbox.aws.http import ConnectionDropped

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.aws.http import Answer, HttpRequest

URL = "http://127.0.0.1:9"


def client(service: str, serve: Callable[[HttpRequest], Answer]) -> Any:
    made = clients.client(service, URL)
    answer_calls(made, serve)
    return made


def test_the_function_receives_the_request_as_the_server_would() -> None:
    received: list[HttpRequest] = []

    def serve(request: HttpRequest) -> Answer:
        received.append(request)
        return 200, {"ETag": '"1"'}, b""

    client("s3", serve).put_object(Bucket="models", Key="größe/a b.txt", Body=b"x" * 3, ContentType="text/plain")
    (request,) = received
    assert (request.method, request.query, request.headers["host"]) == ("PUT", "", "127.0.0.1:9")
    assert request.path.encode("latin-1").decode() == "/models/größe/a b.txt"
    assert request.environ["REQUEST_URI"] == "/models/gr%C3%B6%C3%9Fe/a%20b.txt"
    assert (request.body, request.headers["content-type"]) == (b"xxx", "text/plain")
    assert (request.signature.service, request.signature.region) == ("s3", "us-east-1")


def test_a_streamed_body_is_read_in_pieces() -> None:
    body = client("s3", lambda _: (200, {"Content-Length": "200000"}, b"x" * 200_000)).get_object(Bucket="b", Key="k")
    assert b"".join(body["Body"].iter_chunks(1024)) == b"x" * 200_000


def test_a_dropped_connection_is_a_connection_error() -> None:
    def serve(_: HttpRequest) -> Answer:
        raise ConnectionDropped

    with pytest.raises(ConnectionClosedError):
        client("sqs", serve).list_queues()


def test_an_unexpected_error_is_an_internal_error_without_a_value(caplog: pytest.LogCaptureFixture) -> None:
    value = "secret-value"

    def serve(_: HttpRequest) -> Answer:
        raise ValueError(value)

    with pytest.raises(ClientError) as caught:
        client("sqs", serve).list_queues()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert value not in f"{caught.value} {caplog.text}"
