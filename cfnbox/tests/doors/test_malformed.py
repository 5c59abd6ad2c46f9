"""Malformed HTTP and JSON: a 4xx answer of the protocol, and no output in the user's terminal."""

from __future__ import annotations

import json
import socket
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from doors.conftest import FORM, Door, signed, xml_error

if TYPE_CHECKING:
    from pathlib import Path

JSON = "application/x-amz-json-1.0"
DEEP = "[" * 200_000
# Bodies of the JSON protocols that are no request.
NO_OBJECTS = ["null", "[]", "1e9999", '"text"', "{", "\ufffe", DEEP, '{"a":' * 100_000]


def _status(door: Door, request: bytes) -> int:
    """Return the status of the answer to bytes; 0 for an answer before HTTP/1.0, which has none."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    version, _, rest = answer.partition(b" ")
    return int(rest[:3]) if version == b"HTTP/1.1" else 0


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("Content-Length: abc", id="a length that is no number"),
        pytest.param("Content-Length: -5", id="a negative length"),
        pytest.param("Content-Length: 1_0", id="a length of Python's spelling"),
        pytest.param("Content-Length: 2\r\nContent-Length: 3", id="two lengths"),
        pytest.param("Content-Length: 99999999", id="a length that never comes"),
        pytest.param("Transfer-Encoding: chunked\r\nContent-Length: 2", id="chunks and a length"),
        pytest.param("Transfer-Encoding: gzip", id="an unknown encoding"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\nzz", id="a chunk without a size"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\n-1", id="a chunk of a negative size"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\n2\r\n{}too long", id="a chunk that is longer than its size"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\nff\r\n{}", id="a chunk that never ends"),
    ],
)
def test_a_broken_body_is_a_bad_request(door: Door, written: Path, head: str) -> None:
    before = written.read_text()
    assert _status(door, f"POST / HTTP/1.1\r\nHost: {door.host}\r\n{head}\r\n\r\n{{}}".encode()) == 400
    assert written.read_text() == before


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("Content-Length: 104857601", id="one byte more than 100 MiB"),
        pytest.param("Content-Length: 99999999999999", id="a length that never comes"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\n6400001", id="a chunk"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n6400000", id="two chunks together"),
        pytest.param(f"Authorization: {signed('s3')}\r\nContent-Length: 5368709121", id="an object of S3"),
    ],
)
def test_a_body_above_the_limit_is_refused_before_it_is_read(door: Door, written: Path, head: str) -> None:
    before = written.read_text()
    assert _status(door, f"POST / HTTP/1.1\r\nHost: {door.host}\r\n{head}\r\n\r\n{{}}".encode()) == 413
    assert written.read_text() == before


def test_an_object_of_s3_can_be_larger_than_other_requests(door: Door) -> None:
    head = f"Authorization: {signed('s3')}\r\nContent-Length: 104857601"
    # The refusal is for the end of the body, not for its length.
    assert _status(door, f"PUT /b/k HTTP/1.1\r\nHost: {door.host}\r\n{head}\r\n\r\n{{}}".encode()) == 400


@pytest.mark.parametrize(
    "line",
    [
        b"GET /\xff\xfe HTTP/1.1",
        b"GET /%ff%fe/%00 HTTP/1.1",
        b"PUT /b\xc3\xa9/\xe9 HTTP/1.1",
        b"GET //[ HTTP/1.1",
        b"GET http://[/ HTTP/1.1",
        b"GARBAGE",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"UNKNOWN / HTTP/1.1",
    ],
)
@pytest.mark.parametrize("service", ["", "s3", "sagemaker", "cloudformation", "cloudcontrolapi"])
def test_a_malformed_address_is_refused_without_output(door: Door, written: Path, line: bytes, service: str) -> None:
    before = written.read_text()
    signature = f"Authorization: {signed(service)}\r\n" if service else ""
    status = _status(door, line + f"\r\nHost: {door.host}\r\n{signature}Content-Length: 0\r\n\r\n".encode())
    assert 400 <= status < 500 or status == 0
    assert written.read_text() == before


@pytest.mark.parametrize("body", NO_OBJECTS, ids=lambda body: body[:12])
@pytest.mark.parametrize(
    ("service", "operation"),
    [("cloudcontrolapi", "CloudApiService.ListResources"), ("sagemaker", "SageMaker.ListModels")],
)
def test_a_body_that_is_not_an_object_is_a_serialization_error(
    door: Door, service: str, operation: str, body: str
) -> None:
    reply = door.ask("POST", "/", body, Authorization=signed(service), X_Amz_Target=operation, Content_Type=JSON)
    assert (reply.status, json.loads(reply.body)) == (400, {"__type": "SerializationException", "message": ""})


@pytest.mark.parametrize("body", ["{", DEEP, "\ufffe"], ids=lambda body: body[:12])
@pytest.mark.parametrize("path", ["/_local/faults", "/2015-03-31/functions/TypeFunction/invocations"])
def test_a_body_that_is_not_json_is_refused(door: Door, path: str, body: str) -> None:
    assert door.ask("POST", path, body).status == 400


@pytest.mark.parametrize(
    ("service", "target", "request_"),
    [
        ("cloudcontrolapi", "CloudApiService.CreateResource", {"TypeName": "AWS::SQS::Queue", "DesiredState": DEEP}),
        (
            "sagemaker",
            "SageMaker.CreatePipeline",
            {"PipelineName": "p", "ClientRequestToken": "t" * 32, "RoleArn": f"arn:aws:iam::{'1' * 12}:role/pipeline",
             "PipelineDefinition": DEEP},
        ),
    ],
)  # fmt: skip
def test_a_member_with_deeply_nested_json_is_refused(
    door: Door, service: str, target: str, request_: dict[str, str]
) -> None:
    headers = {"Authorization": signed(service), "X_Amz_Target": target}
    assert door.ask("POST", "/", json.dumps(request_), Content_Type=JSON, **headers).status == 400


def test_a_deeply_nested_stack_policy_is_refused(door: Door) -> None:
    members = {"Action": "SetStackPolicy", "StackName": "s", "StackPolicyBody": DEEP[:16_000]}
    body = urllib.parse.urlencode(members)
    assert door.ask("POST", "/", body, Content_Type=FORM, Authorization=signed("cloudformation")).status == 400


@pytest.mark.parametrize("value", ["x", [1], {"a": 1}, True, 1.5])
@pytest.mark.parametrize("operation", ["ListResources", "ListResourceRequests"])
def test_a_number_of_another_type_is_a_serialization_error(door: Door, operation: str, value: object) -> None:
    body = json.dumps({"TypeName": "AWS::SQS::Queue", "MaxResults": value})
    headers = {"Authorization": signed("cloudcontrolapi"), "X_Amz_Target": f"CloudApiService.{operation}"}
    reply = door.ask("POST", "/", body, Content_Type=JSON, **headers)
    assert (reply.status, json.loads(reply.body)["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize(
    "form",
    [
        "Action=ListTypes&MaxResults=x",
        "Action=ListTypes&MaxResults=1e3",
        "Action=CreateStack&StackName=x&TimeoutInMinutes=ten",
        f"Action=ListTypes&MaxResults={'9' * 5000}",
    ],
)
def test_a_form_value_that_is_not_a_number_is_malformed_input(door: Door, form: str) -> None:
    reply = door.ask("POST", "/", form, Authorization=signed("cloudformation"), Content_Type=FORM)
    action = form.partition("&")[0].partition("=")[2]
    text = f"A parameter of {action} is not a valid number, time or base64 text."
    assert (reply.status, xml_error(reply.body)) == (400, ("MalformedInput", text))


@pytest.mark.parametrize(("service", "prefix"), [("cloudcontrolapi", "CloudApiService"), ("sagemaker", "SageMaker")])
@pytest.mark.parametrize("name", [".", "{}", "{}.", "{}.Nope", "x.y.ListModels", "ListModels"])
def test_a_target_without_an_operation_is_unknown(door: Door, service: str, prefix: str, name: str) -> None:
    headers = {"Authorization": signed(service), "X_Amz_Target": name.format(prefix)}
    reply = door.ask("POST", "/", "{}", Content_Type=JSON, **headers)
    assert (reply.status, json.loads(reply.body)["__type"]) == (400, "UnknownOperationException")


def test_a_pattern_with_surrogate_pairs_matches_characters(door: Door) -> None:
    catalog = {"TableName": "\U0001f600", "Catalog": "\ue000", "Database": "\x01"}
    body = json.dumps({"FeatureGroupName": "x", "OfflineStoreConfig": {"DataCatalogConfig": catalog}})
    headers = {"Authorization": signed("sagemaker"), "X_Amz_Target": "SageMaker.CreateFeatureGroup"}
    reply = door.ask("POST", "/", body, Content_Type=JSON, **headers)
    message = json.loads(reply.body)["message"]
    assert reply.status == 400
    assert [name for name in ("tableName", "catalog'", "database'") if name in message] == ["database'"]


def test_an_error_with_a_control_character_is_valid_xml(door: Door) -> None:
    form = "Action=DescribeStacks&StackName=%00%01a"
    reply = door.ask("POST", "/", form, Authorization=signed("cloudformation"), Content_Type=FORM)
    assert reply.status == 400
    assert not set(reply.body) & {"\x00", "\x01"}
