"""Faults on demand: what botocore's client sees of each, and the effect on the service."""

from __future__ import annotations

import http.client
import itertools
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions
from botocore.config import Config

from cfnbox.sagemaker.faults import FAULTS, When
from service.samples import ARN, IMAGE, MODEL, ROLE, outcomes_until_success
from silence import SILENCE, giving_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.sagemaker.server import LocalSageMaker

TRUST = (
    'exists and that its trust relationship policy allows the action "sts:AssumeRole" for the service '
    'principal "sagemaker.amazonaws.com".'
)

# Fault, HTTP status, code, message.
ERRORS = [
    ("throttling", 400, "ThrottlingException", "Rate exceeded"),
    ("internal-error", 500, "InternalFailure", FAULTS["internal-error"].message),
    ("request-timeout", 400, "RequestTimeoutException", FAULTS["request-timeout"].message),
    ("too-many-requests", 429, "429", ""),
    ("unavailable", 503, "ServiceUnavailable", FAULTS["unavailable"].message),
    (
        "expired-credentials",
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    (
        "access-denied",
        400,
        "AccessDeniedException",
        "User: arn:aws:sts::123456789012:assumed-role/execution/session is not authorized to perform: "
        f"sagemaker:CreateModel on resource: {ARN}",
    ),
    ("limit-exceeded", 400, "ResourceLimitExceeded", FAULTS["limit-exceeded"].message),
    (
        "iam-race-role",
        400,
        "ValidationException",
        f'The execution role ARN "{ROLE}" is invalid. Please ensure that the role {TRUST}',
    ),
    (
        "iam-race-data",
        400,
        "ValidationException",
        f'Could not access model data at s3://b/model.tar.gz. Please ensure that the role "{ROLE}" {TRUST} '
        'Also ensure that the role has "s3:GetObject" permissions and that the object is located in '
        "us-east-1.",
    ),
    (
        "iam-race-image",
        400,
        "ValidationException",
        f"The role '{ROLE}' does not have BatchGetImage permission for the image: '{IMAGE}'.",
    ),
    (
        "iam-race-repository",
        400,
        "ValidationException",
        f"The repository of your image {IMAGE} does not grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, "
        "ecr:BatchCheckLayerAvailability permission to sagemaker.amazonaws.com service principal.",
    ),
    (
        "iam-race-role-older",
        400,
        "ValidationException",
        f"Could not assume role {ROLE}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role.",
    ),
    ("artifact-missing", 400, "ValidationException", "Could not find model data at s3://b/model.tar.gz."),
    (
        "package-missing",
        400,
        "ValidationException",
        "Could not find model package arn:aws:sagemaker:us-east-1:123456789012:model-package/p/1",
    ),
    ("image-missing", 400, "ValidationException", f"Requested image {IMAGE} not found."),
    (
        "oci-image",
        400,
        "ValidationException",
        f"Unsupported manifest media type application/vnd.oci.image.manifest.v1+json for image {IMAGE}",
    ),
    (
        "not-subscribed",
        400,
        "ValidationException",
        "Caller is not subscribed to the marketplace offering.",
    ),
    (
        "eula",
        400,
        "ValidationException",
        "The AcceptEula value must be explicitly defined as True in order to accept the end-user license "
        'agreement (EULA) that this "s3://b/model.tar.gz" model requires.',
    ),
]

# Fault, what botocore raises, whether the service acted.
BROKEN_ANSWERS = [
    ("reset-before", exceptions.ConnectionClosedError, False),
    ("reset-after", exceptions.ConnectionClosedError, True),
    ("truncated", (exceptions.ResponseStreamingError, exceptions.ConnectionClosedError), True),
    ("stall", exceptions.ReadTimeoutError, True),
]


def test_every_fault_is_tested_by_a_table() -> None:
    shown = {name for name, *_ in ERRORS} | {name for name, *_ in BROKEN_ANSWERS}

    others = {"garbled", "empty-members", "lower-case-arns", "read-after-create-delay", "tags-after-create-delay"}
    assert shown | others | {"deployment-fails"} == set(FAULTS)


@pytest.mark.parametrize(("fault", "status", "code", "message"), ERRORS)
def test_an_error_fault_occurs_once_before_success(
    connect: Callable[..., Any], server: LocalSageMaker, fault: str, status: int, code: str, message: str
) -> None:
    client = connect()
    server.faults.inject("CreateModel", fault, times=1)

    with pytest.raises(exceptions.ClientError) as refused:
        client.create_model(**MODEL)

    assert refused.value.response["Error"] == {"Code": code, "Message": message}
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert client.list_models()["Models"] == []
    assert client.create_model(**MODEL)["ModelArn"] == ARN


@pytest.mark.parametrize(("fault", "raised", "acted"), BROKEN_ANSWERS)
def test_a_broken_answer_occurs_once_before_complete_answers(
    connect: Callable[..., Any],
    server: LocalSageMaker,
    fault: str,
    raised: type[Exception] | tuple[type[Exception], ...],
    acted: bool,
) -> None:
    client = connect()
    server.faults.inject("CreateModel", fault, times=1, seconds=SILENCE if fault == "stall" else None)

    with pytest.raises(raised), giving_up(server, client):
        client.create_model(**MODEL)

    assert len(connect().list_models()["Models"]) == acted


def test_a_garbled_answer_has_no_members(connect: Callable[..., Any], server: LocalSageMaker) -> None:
    client = connect()
    server.faults.inject("CreateModel", "garbled", times=1)

    # botocore takes JSON that it cannot read for an answer without members.
    assert client.create_model(**MODEL).keys() == {"ResponseMetadata"}
    assert client.describe_model(ModelName="model")["ModelArn"] == ARN


@pytest.mark.parametrize("fault", ["throttling", "internal-error", "unavailable", "reset-before"])
def test_botocore_retries_the_faults_that_it_retries_on_aws(
    connect: Callable[..., Any], server: LocalSageMaker, fault: str
) -> None:
    client = connect(config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
    server.faults.inject("CreateModel", fault, times=2)

    assert client.create_model(**MODEL)["ResponseMetadata"]["RetryAttempts"] == 2
    assert [call.fault for call in server.calls] == [fault, fault, None]


def test_a_retried_create_after_a_lost_answer_finds_its_own_model(
    connect: Callable[..., Any], server: LocalSageMaker
) -> None:
    client = connect(config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
    server.faults.inject("CreateModel", "reset-after", times=1)

    with pytest.raises(exceptions.ClientError, match="Cannot create already existing model"):
        client.create_model(**MODEL)
    assert client.describe_model(ModelName="model")["ModelArn"] == ARN


def test_the_reset_fault_resets_the_tcp_connection(server: LocalSageMaker) -> None:
    server.faults.inject(None, "reset-before")
    port = int(server.url.rpartition(":")[2])

    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_truncated_answer_is_shorter_than_its_content_length(
    connect: Callable[..., Any], server: LocalSageMaker
) -> None:
    connect().create_model(**MODEL)
    server.faults.inject("DescribeModel", "truncated", times=1)
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    connection.request("POST", "/", b'{"ModelName": "model"}', {"X-Amz-Target": "SageMaker.DescribeModel"})
    answer = connection.getresponse()

    with pytest.raises(http.client.IncompleteRead) as short:
        answer.read()
    assert 0 < len(short.value.partial) < int(answer.headers["Content-Length"])


def test_a_stall_ends_after_its_seconds(connect: Callable[..., Any], server: LocalSageMaker) -> None:
    server.faults.inject("CreateModel", "stall", seconds=0.2)
    began = time.monotonic()

    connect().create_model(**MODEL)

    assert time.monotonic() - began >= 0.2


def test_an_iam_race_lasts_for_its_seconds(
    connect: Callable[..., Any], server: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect()
    times = itertools.chain([100, 100.2, 100.4], itertools.repeat(100.5))
    monkeypatch.setattr(server.faults, "clock", lambda: next(times))
    server.faults.inject("CreateModel", "iam-race-role", seconds=0.5)

    refusals = outcomes_until_success(lambda: client.create_model(**MODEL))

    assert len(refusals) == 3
    assert len(set(refusals)) == 1


def test_after_lets_the_first_calls_pass(connect: Callable[..., Any], server: LocalSageMaker) -> None:
    client = connect()
    server.faults.inject("ListModels", "throttling", after=2, times=1)
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(client.list_models()["Models"])
        except exceptions.ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    assert outcomes == [[], [], "ThrottlingException", []]


@pytest.mark.parametrize("body", [{"ModelName": ["a"]}, {"ModelName": {}, "Containers": 1, "Tags": "x"}])
def test_faults_apply_to_requests_of_any_form(
    post_to_server: Callable[..., Any], server: LocalSageMaker, body: object
) -> None:
    server.faults.inject(None, "read-after-create-delay")
    server.faults.inject("CreateModel", "iam-race-data", times=1)

    assert post_to_server("CreateModel", body)[1]["message"].startswith("Could not access model data at s3://")
    assert post_to_server("CreateModel", body)[1]["__type"] == "SerializationException"


def test_fault_rules_of_other_operations_are_ignored(connect: Callable[..., Any], server: LocalSageMaker) -> None:
    client = connect()
    server.faults.inject("DeleteModel", "access-denied")
    server.faults.inject(None, "throttling", after=1, times=1)

    client.list_models()
    with pytest.raises(exceptions.ClientError, match="ThrottlingException"):
        client.list_models()
    with pytest.raises(exceptions.ClientError, match="AccessDenied"):
        client.delete_model(ModelName="model")


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("logs", "CreateLogGroup", {"logGroupName": "g"}, "ThrottlingException"),
        ("cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": []}, "ThrottlingException"),
        ("sts", "GetCallerIdentity", {}, "Throttling"),
        ("iam", "ListRoles", {}, "Throttling"),
    ],
)
def test_other_services_fail_in_their_own_protocol(
    connect: Callable[..., Any],
    server: LocalSageMaker,
    service: str,
    operation: str,
    arguments: dict[str, Any],
    code: str,
) -> None:
    client = connect(service)
    server.faults.inject(operation, "throttling", times=1)
    call = getattr(client, snake(operation))

    with pytest.raises(exceptions.ClientError) as throttled:
        call(**arguments)
    assert throttled.value.response["Error"] == {"Code": code, "Message": "Rate exceeded"}
    assert call(**arguments)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert [(c.operation, c.code) for c in server.calls] == [
        (operation, code),
        (operation, None),
    ]


def snake(operation: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")


def test_every_moment_of_failure_has_a_fault() -> None:
    assert {fault.when for fault in FAULTS.values()} == set(When)
