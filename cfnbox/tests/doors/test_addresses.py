"""Addresses that clients of S3 use: presigned URLs with both signatures, and buckets as host names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import urllib3
from botocore.config import Config

from cfnbox.aws import clients
from doors.conftest import Door, signed
from programs import running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from programs import RunningCloud


def _s3(url: str, **options: Any) -> Any:
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local",
        config=Config(**options),
    )  # fmt: skip


@pytest.fixture
def bucket(cloud: RunningCloud) -> Iterator[str]:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="addressed")
    s3.put_object(Bucket="addressed", Key="key", Body=b"content")
    yield "addressed"
    s3.delete_object(Bucket="addressed", Key="key")
    s3.delete_bucket(Bucket="addressed")


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_a_presigned_url_is_served(cloud: RunningCloud, bucket: str, signature: str) -> None:
    s3 = _s3(cloud.url, signature_version=signature)
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "key"})
    assert urllib3.request("GET", url).data == b"content"


# The address that a client asks for is resolved by the system, and not by every system in the same way.
@pytest.mark.parametrize("host", ["addressed.localhost", "addressed.s3.localhost"])
def test_a_bucket_as_host_name_is_served(door: Door, bucket: str, host: str) -> None:
    reply = door.ask("GET", "/key", Host=f"{host}:{door.port}", Authorization=signed("s3"))
    assert (reply.status, reply.body) == (200, "content")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has 127.0.0.2 by itself")
def test_an_additional_address_is_served_with_a_warning(tmp_path: Path) -> None:
    """127.0.0.2 stands for the address of Docker's bridge."""
    with (tmp_path / "errors").open("w") as errors, running_cloud("--host", "127.0.0.2", errors=errors) as cloud:
        port = cloud.url.rpartition(":")[2]
        for address in ("127.0.0.1", "127.0.0.2"):
            assert clients.client("sqs", f"http://{address}:{port}").list_queues()["ResponseMetadata"]
    assert "Every program that reaches 127.0.0.2 can do all that this cloud can" in (tmp_path / "errors").read_text()
