"""Types of Lambda: properties of some functions and mappings only, and refusals of Lambda."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.providers.protocol import ResourceFailed
from cfnbox.providers.services.provider import ServiceProvider
from providers.provider_requests import RecordingProgress, request
from providers.services.harness import Bench
from providers.services.samples_lambda import PYTHON, ROLE, archive, create_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

FUNCTION, VERSION, MAPPING = "AWS::Lambda::Function", "AWS::Lambda::Version", "AWS::Lambda::EventSourceMapping"
Connect = Any


@pytest.fixture
def bench(service_clients: ServiceClients, published: PublishedTypes, ministack: Any) -> Bench:
    return Bench(service_clients, published)


def test_a_mapping_of_a_queue_has_a_scaling_configuration(bench: Bench, connect: Callable[..., Any]) -> None:
    create_function(connect)
    queue = connect("sqs").create_queue(QueueName="q")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:q"
    assert queue
    first = {"FunctionName": "f", "EventSourceArn": arn, "ScalingConfig": {"MaximumConcurrency": 5}}
    second = {**first, "ScalingConfig": {"MaximumConcurrency": 9}}
    mapping = bench.create(MAPPING, first)

    def found() -> Json:
        return dict(connect("lambda").get_event_source_mapping(UUID=mapping.physical_id))

    assert found()["ScalingConfig"] == {"MaximumConcurrency": 5}
    bench.update(MAPPING, mapping, first, second)
    assert found()["ScalingConfig"] == {"MaximumConcurrency": 9}
    assert bench.read(MAPPING, mapping.identifier).model["ScalingConfig"] == {"MaximumConcurrency": 9}


def test_a_function_from_an_image_has_its_image_configuration(bench: Bench, connect: Callable[..., Any]) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/f:1"
    properties = {
        "FunctionName": "image",
        "Role": ROLE,
        "PackageType": "Image",
        "Code": {"ImageUri": image},
        "ImageConfig": {"Command": ["app.handler"], "WorkingDirectory": "/app"},
    }
    bench.create(FUNCTION, properties)
    found = connect("lambda").get_function(FunctionName="image")
    assert found["Code"]["ImageUri"] == image
    assert found["Configuration"]["ImageConfigResponse"]["ImageConfig"] == properties["ImageConfig"]
    assert bench.read(FUNCTION, "image").model["ImageConfig"] == properties["ImageConfig"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            {"S3Bucket": "nowhere", "S3Key": "f.zip"},
            "S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist",
        ),
        (
            {"S3Bucket": "code", "S3Key": "other.zip"},
            "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist",
        ),
    ],
    ids=["bucket", "key"],
)
def test_missing_code_in_s3_is_refused(code: Json, message: str, bench: Bench, connect: Connect) -> None:
    connect("s3").create_bucket(Bucket="code")
    connect("s3").put_object(Bucket="code", Key="f.zip", Body=archive())
    whole = {**PYTHON, "FunctionName": "whole", "Code": {"S3Bucket": "code", "S3Key": "f.zip"}}
    expected = re.escape(f"Error occurred while GetObject. {message}")
    with pytest.raises(ResourceFailed, match=expected) as failure:
        bench.create(FUNCTION, {**whole, "Code": code})
    assert failure.value.code == "InvalidRequest"
    assert connect("lambda").list_functions()["Functions"] == []
    created = bench.create(FUNCTION, whole)
    with pytest.raises(ResourceFailed, match=expected):
        bench.update(FUNCTION, created, whole, {**whole, "Code": code})


def test_a_version_of_an_unchanged_function_is_refused(bench: Bench, connect: Connect) -> None:
    create_function(connect)
    assert bench.create(VERSION, {"FunctionName": "f"}).attributes["Version"] == "1"
    with pytest.raises(ResourceFailed, match=r"A version for this Lambda function exists \( 1 \)") as failure:
        bench.create(VERSION, {"FunctionName": "f", "Description": "again"})
    assert failure.value.code == "AlreadyExists"
    connect("lambda").update_function_code(FunctionName="f", ZipFile=archive("changed = 1"))
    assert bench.create(VERSION, {"FunctionName": "f"}).attributes["Version"] == "2"


def test_a_version_with_another_code_digest_is_refused(bench: Bench, connect: Connect) -> None:
    create_function(connect)
    with pytest.raises(ResourceFailed, match=r"CodeSHA256 \(other\) is different from current CodeSHA256 in"):
        bench.create(VERSION, {"FunctionName": "f", "CodeSha256": "other"})
    assert len(connect("lambda").list_versions_by_function(FunctionName="f")["Versions"]) == 1


def test_strict_refuses_a_runtime_that_nothing_here_runs(
    bench: Bench, service_clients: ServiceClients, published: PublishedTypes
) -> None:
    properties = {
        "FunctionName": "java",
        "Role": ROLE,
        "Runtime": "java21",
        "Handler": "a.B",
        "Code": {"ZipFile": ""},
    }
    strict = ServiceProvider(service_clients, published, strict=True)
    sentence = r"cfnbox does not apply Runtime \(nothing on this machine runs java21, and invocations fail\) of AWS::"
    with pytest.raises(ResourceFailed, match=sentence):
        strict.create(bench.definition(FUNCTION), request(), properties, RecordingProgress())
