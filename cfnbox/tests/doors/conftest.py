"""A running cloud with a console, and requests to it that no SDK would send."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from console.conftest import PAINT
from programs import RunningCloud, running_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

EVIL = "http://evil.example"
FORM = "application/x-www-form-urlencoded"
TEMPLATE = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its headers by names in lower case, its body."""

    status: int
    headers: Mapping[str, str]
    body: str


class Door:
    """A port of this machine, and plain requests to it."""

    def __init__(self, url: str) -> None:
        self.port = urllib.parse.urlsplit(url).port
        self.host = f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: str | bytes = b"", *, seconds: Any = 60, **headers: str) -> Reply:
        """Send a request; a header of Python's spelling `Sec_Fetch_Site` is sent as `Sec-Fetch-Site`."""
        content = body.encode() if isinstance(body, str) else body
        named = {"Host": self.host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {**named, "Content-Length": str(len(content))}.items():
                connection.putheader(name, value)
            connection.endheaders(content)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())


def xml_error(body: str) -> tuple[str, str]:
    """Return code and message of an error in XML."""
    found = re.search("<Code>(?P<code>.*)</Code><Message>(?P<message>.*)</Message>", body)
    assert found, body
    return found["code"], found["message"]


def signed(service: str) -> str:
    """Return a header `Authorization` of a request to a service."""
    scope = f"local/20260101/us-east-1/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


def in_query(service: str) -> str:
    """Return the same as the query of a presigned URL."""
    return urllib.parse.urlencode({"X-Amz-Credential": f"local/20260101/us-east-1/{service}/aws4_request"})


def create_stack(name: str) -> str:
    """Return the form that creates a stack."""
    fields = {"Action": "CreateStack", "StackName": name, "TemplateBody": TEMPLATE, "Version": "2010-05-15"}
    return urllib.parse.urlencode(fields)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that takes what the cloud writes beside its output."""
    return tmp_path_factory.mktemp("doors") / "errors"


@pytest.fixture(scope="session")
def cloud(written: Path) -> Iterator[RunningCloud]:
    with written.open("w") as errors, running_cloud("--console", *PAINT, errors=errors) as running:
        yield running


@pytest.fixture
def door(cloud: RunningCloud) -> Door:
    return Door(cloud.url)


@pytest.fixture
def console(cloud: RunningCloud) -> Door:
    return Door(cloud.console_url)


def stack_names(cloud: RunningCloud) -> list[str]:
    """Return the names of the stacks that CloudFormation lists."""
    listed: Any = cloud.client("cloudformation").list_stacks()
    return [stack["StackName"] for stack in listed["StackSummaries"]]
