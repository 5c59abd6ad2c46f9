"""The modules that answer custom resources, run by the interpreters that functions run in."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.providers.inline_code import package

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHON = """
import cfnresponse

def handler(event, context):
    cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Answer": 42}, noEcho=True)
"""
NODE = """
const response = require("cfn-response");
const found = { Answer: 42 };
exports.handler = (event, context) => response.send(event, context, response.SUCCESS, found, undefined, true);
"""
RUN_PYTHON = """
import json, sys, types
import index
index.handler(json.loads(sys.argv[1]), types.SimpleNamespace(log_stream_name="stream"))
"""
RUN_NODE = """
const ended = () => console.log("done");
require("./index.js").handler(JSON.parse(process.argv[1]), { logStreamName: "stream", done: ended });
"""
EVENT = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Thing"}
ANSWER = {
    **EVENT,
    "Status": "SUCCESS",
    "Reason": "See the details in CloudWatch Log Stream: stream",
    "PhysicalResourceId": "stream",
    "NoEcho": True,
    "Data": {"Answer": 42},
}


class Listener(HTTPServer):
    """Keeps what is sent to it, as the address of a custom resource's answer does."""

    def __init__(self) -> None:
        received: list[tuple[str, str | None, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.command, self.headers["Content-Type"], json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.received = received


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("runtime", "source", "command"),
    [
        ("python3.12", PYTHON, [sys.executable, "-c", RUN_PYTHON]),
        ("nodejs22.x", NODE, ["node", "-e", RUN_NODE]),
    ],
    ids=["python", "node"],
)
def test_the_cfnresponse_module_sends_the_response_to_cloudformation(
    runtime: str, source: str, command: list[str], listener: Listener, tmp_path: Path
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    packed = package({"Runtime": runtime, "Handler": "index.handler", "Code": {"ZipFile": source}})
    assert packed is not None
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path)
    event = {**EVENT, "ResponseURL": f"http://127.0.0.1:{listener.server_port}/answer"}

    subprocess.run([*command, json.dumps(event)], cwd=tmp_path, check=True, capture_output=True)

    assert listener.received == [("PUT", "", ANSWER)]


@pytest.mark.parametrize(
    "properties",
    [
        {"Runtime": "python3.12", "Code": {"S3Bucket": "bucket", "S3Key": "cfnresponse.zip"}},
        {"PackageType": "Image", "Code": {"ImageUri": "image"}},
    ],
    ids=["code in S3", "an image"],
)
def test_functions_without_inline_code_have_no_package(properties: dict[str, Any]) -> None:
    assert package(properties) is None


@pytest.mark.parametrize(
    ("runtime", "name", "source"),
    [
        ("python3.12", "index.py", "def handler(event, context): return event"),
        ("nodejs22.x", "index.js", "exports.handler = async (event) => event"),
    ],
)
def test_inline_code_is_a_file_named_index_with_one_digest(runtime: str, name: str, source: str) -> None:
    properties = {"Runtime": runtime, "Handler": "index.handler", "Code": {"ZipFile": source}}
    packed = package(properties)
    assert packed is not None
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert {member: archive.read(member).decode() for member in archive.namelist()} == {name: source}
    assert package(properties) == packed
