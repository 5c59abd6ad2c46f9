"""Lambda functions: invocations as boto3 sees them, by clients and by services."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import requests

from cfnbox.handlers import interpreters
from programs import running_cloud
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from programs import RunningCloud

ROLE = "arn:aws:iam::123456789012:role/function"
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "the user's key",
    "AWS_SESSION_TOKEN": "the user's token",
    "AWS_PROFILE": "production",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "GITHUB_TOKEN": "the user's token",
}
CODE = """
import json, logging, os, sys, time

logging.getLogger().setLevel(logging.INFO)

def handler(event, context):
    logging.info("an event")
    print("printed")
    match event.get("do"):
        case "raise":
            raise ValueError("no such colour")
        case "sleep":
            time.sleep(60)
        case "exit":
            os._exit(3)
        case "write":
            with open(event["file"], "a") as file:
                file.write(json.dumps(event) + "\\\\n")
        case "large":
            return "x" * 7_000_000
        case "import":
            return {name: _is_here(name) for name in event["names"]}
    return {
        "environment": dict(os.environ), "version": sys.version, "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(), "request": context.aws_request_id,
        "client": context.client_context and context.client_context.custom, "event": event,
    }

def _is_here(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True

def broken(event, context):
    return {1, 2}
""".replace("\\\\n", "\\n")


def archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        for name, content in files.items():
            written.writestr(name.replace("__", "/").replace("_py", ".py").replace("_js", ".js"), content)
    return packed.getvalue()


class Functions:
    """Functions of a cloud, and the results of their invocations."""

    def __init__(self, cloud: RunningCloud) -> None:
        self.cloud, self.client = cloud, cloud.client("lambda")

    def create(self, name: str, code: str | bytes = CODE, runtime: str = "python3.11", **more: Any) -> str:
        packed = archive(app_py=code) if isinstance(code, str) else code
        members = {"Handler": "app.handler", "Role": ROLE, "Runtime": runtime, "Timeout": 30, **more}
        return str(self.client.create_function(FunctionName=name, Code={"ZipFile": packed}, **members)["FunctionArn"])

    def invoke(self, name: str, event: Any = None, **more: Any) -> tuple[Any, Any]:
        """Return the payload and the whole answer."""
        payload = {} if event is None else {"Payload": json.dumps(event)}
        answer = self.client.invoke(FunctionName=name, **payload, **more)
        return json.loads(answer["Payload"].read()), answer

    def messages(self, group: str) -> list[str]:
        logs = self.cloud.client("logs")
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            return [event["message"] for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []


@pytest.fixture(scope="module")
def functions() -> Iterator[Functions]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        patch.syspath_prepend(".")
        with running_cloud() as started:
            for name in SECRETS:
                patch.delenv(name)
            yield Functions(started)


@pytest.fixture(scope="module")
def shared(functions: Functions) -> str:
    functions.create("shared")
    return "shared"


def test_a_function_sees_the_variables_of_its_cloud_only(functions: Functions) -> None:
    own = {"COLOUR": "blue", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    functions.create("variables", Environment={"Variables": own}, MemorySize=512)
    payload, answer = functions.invoke("variables", {"a": [1]})
    seen = payload["environment"]
    assert (answer["StatusCode"], answer["ExecutedVersion"], answer.get("FunctionError")) == (200, "$LATEST", None)
    assert payload["event"] == {"a": [1]}
    assert not [value for value in seen.values() if "the user's" in value or "production" in value]
    assert not SECRETS.keys() - {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} & seen.keys()
    assert seen["AWS_ENDPOINT_URL"] == functions.cloud.url
    assert seen["COLOUR"] == "blue"
    assert seen["_HANDLER"] == "app.handler"
    assert seen["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "variables"
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert seen["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/variables"
    assert seen["AWS_REGION"] == "us-east-1"
    assert payload["request"] == answer["ResponseMetadata"]["RequestId"]
    assert payload["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:variables"
    assert 20_000 < payload["remaining"] <= 30_000


def test_the_configuration_of_a_function_is_that_of_the_request(functions: Functions) -> None:
    """The cloud adds a variable of its own to the request to ministack."""
    functions.create("plain")
    functions.create("coloured", Environment={"Variables": {"COLOUR": "blue"}})
    client = functions.client
    assert "Environment" not in client.get_function_configuration(FunctionName="plain")
    assert client.get_function(FunctionName="coloured")["Configuration"]["Environment"] == {
        "Variables": {"COLOUR": "blue"}
    }
    changed = client.update_function_configuration(FunctionName="coloured", Timeout=5)
    assert changed["Environment"] == {"Variables": {"COLOUR": "blue"}}
    listed = {one["FunctionName"]: one for one in client.list_functions()["Functions"]}
    assert listed["coloured"]["Environment"] == {"Variables": {"COLOUR": "blue"}}
    assert "Environment" not in listed["plain"]


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ({"do": "raise"}, "ValueError", "no such colour"),
        ({"do": "exit"}, "Runtime.ExitError", "RequestId: ID Error: Runtime exited with error: exit status 3"),
        (
            {"do": "large"},
            "Function.ResponseSizeTooLarge",
            "RequestId: ID Error: Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        ),
    ],
)
def test_failures_are_reported_as_by_lambda(
    functions: Functions, shared: str, event: Any, kind: str, message: str
) -> None:
    assert_fails(functions, shared, event, kind, message)


def test_a_timeout_is_reported_as_by_lambda(functions: Functions) -> None:
    functions.create("sleeping", Timeout=1)
    message = "RequestId: ID Error: Task timed out after 1.00 seconds"
    assert_fails(functions, "sleeping", {"do": "sleep"}, "Sandbox.Timedout", message)


def assert_fails(functions: Functions, name: str, event: Any, kind: str, message: str) -> None:
    payload, answer = functions.invoke(name, event, LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert payload["errorType"] == kind
    assert payload["errorMessage"] == message.replace("ID", request_id)
    assert f"END RequestId: {request_id}" in base64.b64decode(answer["LogResult"]).decode()
    # The next invocation has a new process where the last one ended.
    assert functions.invoke(name, {})[1].get("FunctionError") is None


def test_the_stack_trace_of_a_failure_has_the_paths_of_lambda(functions: Functions, shared: str) -> None:
    payload, _ = functions.invoke(shared, {"do": "raise"})
    (frame,) = payload["stackTrace"]
    assert re.match(r'  File "/var/task/app\.py", line \d+, in handler\n    raise ValueError', frame)


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("app.missing", "Runtime.HandlerNotFound", "Handler 'missing' missing on module 'app'"),
        ("other.handler", "Runtime.ImportModuleError", "Unable to import module 'other': No module named 'other'"),
        ("app.broken", "Runtime.MarshalError", "Unable to marshal response: "),
    ],
)
def test_a_handler_that_cannot_run_fails_with_a_reason(
    functions: Functions, handler: str, kind: str, message: str
) -> None:
    name = handler.replace(".", "-")
    functions.create(name, Handler=handler)
    payload, answer = functions.invoke(name)
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == kind
    assert payload["errorMessage"].startswith(message)


def test_an_invocation_writes_its_log(functions: Functions) -> None:
    functions.create("logging", MemorySize=256)
    _, answer = functions.invoke("logging", {}, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    start, info, printed, end, report, *rest = base64.b64decode(answer["LogResult"]).decode().split("\n")
    assert rest == [""]
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert re.fullmatch(rf"\[INFO\]\t[\dT:.-]+Z\t{request_id}\tan event", info)
    assert printed == "printed"
    assert end == f"END RequestId: {request_id}"
    assert re.fullmatch(
        rf"REPORT RequestId: {request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t",
        report,
    )
    written = eventually(lambda: functions.messages("/aws/lambda/logging"))
    assert written == [start, info, printed, end, report]
    again, _ = functions.invoke("logging", {}, LogType="Tail")
    assert "LogResult" not in functions.invoke("logging")[1]
    assert again["environment"]["AWS_LAMBDA_LOG_STREAM_NAME"] in {
        stream["logStreamName"]
        for stream in functions.cloud.client("logs").describe_log_streams(logGroupName="/aws/lambda/logging")[
            "logStreams"
        ]
    }


def test_a_function_imports_its_own_packages_and_those_of_lambda(functions: Functions) -> None:
    functions.create("imports")
    names = ["boto3", "botocore", "yaml", "moto", "pytest", "cfnbox"]
    found = functions.invoke("imports", {"do": "import", "names": names})[0]
    assert found == {name: name.startswith("boto") for name in names}


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13"])
def test_a_function_runs_with_the_interpreter_of_its_runtime(functions: Functions, version: str) -> None:
    """If this machine does not have it, this Python runs the function, and a notice says so."""
    # The boto3 that is installed here needs Python 3.10.
    sdk = "" if version == "3.9" else ", boto3"
    code = f"import sys{sdk}\ndef handler(event, context): return sys.version\n"
    name = f"python-{version.replace('.', '-')}"
    functions.create(name, code, runtime=f"python{version}")
    own = ".".join(map(str, sys.version_info[:2]))
    notice = interpreters.notice(f"python{version}")
    expected = own if notice else version
    assert functions.invoke(name)[0].startswith(f"{expected}.")
    assert notice in (None, f"Runtime: python{version} is not on this machine, and python {own} runs the function")


NODE = """
exports.handler = async (event, context) => {
  console.log("an event", event);
  if (event.do === "raise") throw new RangeError("too far");
  return { version: process.version, arn: context.invokedFunctionArn, endpoint: process.env.AWS_ENDPOINT_URL };
};
exports.callback = (event, context, callback) => setTimeout(() => callback(null, { called: true }), 10);
exports.later = (event, context) => { setTimeout(() => context.succeed({ later: true }), 10); };
"""


def test_node_functions_are_invoked(functions: Functions) -> None:
    functions.create("node", archive(app_js=NODE), runtime="nodejs20.x")
    payload, answer = functions.invoke("node", {"a": 1}, LogType="Tail")
    version = subprocess.run(
        [shutil.which("node") or "node", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert payload == {
        "version": version,
        "arn": "arn:aws:lambda:us-east-1:123456789012:function:node",
        "endpoint": functions.cloud.url,
    }
    assert re.search(r"\tINFO\tan event \{ a: 1 \}\n", base64.b64decode(answer["LogResult"]).decode())
    failure, answer = functions.invoke("node", {"do": "raise"})
    assert answer["FunctionError"] == "Unhandled"
    assert (failure["errorType"], failure["errorMessage"]) == ("RangeError", "too far")
    assert failure["trace"][:2] == ["RangeError: too far", "    at exports.handler (/var/task/app.js:4:35)"]
    for export, expected in (("callback", {"called": True}), ("later", {"later": True})):
        functions.create(f"node-{export}", archive(app_js=NODE), runtime="nodejs20.x", Handler=f"app.{export}")
        assert functions.invoke(f"node-{export}")[0] == expected


def test_an_unsupported_runtime_fails_with_a_reason(functions: Functions) -> None:
    functions.create("java", runtime="java21")
    payload, answer = functions.invoke("java")
    assert answer["FunctionError"] == "Unhandled"
    assert "Nothing on this machine runs java21. cfnbox runs functions in Python" in payload["errorMessage"]


def test_the_next_invocation_uses_new_code_and_configuration(functions: Functions) -> None:
    functions.create("changing", "def handler(event, context): return 1\n")
    assert functions.invoke("changing")[0] == 1
    packed = archive(app_py="import os\ndef handler(event, context): return os.environ.get('COLOUR')\n")
    functions.client.update_function_code(FunctionName="changing", ZipFile=packed)
    assert functions.invoke("changing")[0] is None
    variables = {"Variables": {"COLOUR": "red"}}
    functions.client.update_function_configuration(FunctionName="changing", Environment=variables)
    assert functions.invoke("changing")[0] == "red"


def test_versions_aliases_and_layers_are_served(functions: Functions) -> None:
    client = functions.client
    content = {"ZipFile": archive(python__brought_py="COLOUR = 'green'\n")}
    layer = client.publish_layer_version(LayerName="colours", Content=content)["LayerVersionArn"]
    code = "import brought\ndef handler(event, context): return [brought.COLOUR, context.invoked_function_arn]\n"
    arn = functions.create("versioned", code, Layers=[layer])
    version = client.publish_version(FunctionName="versioned")["Version"]
    client.create_alias(FunctionName="versioned", Name="live", FunctionVersion=version)
    assert functions.invoke("versioned")[0] == ["green", arn]
    payload, answer = functions.invoke("versioned", Qualifier="live")
    assert (payload, answer["ExecutedVersion"]) == (["green", f"{arn}:live"], version)
    assert functions.invoke(f"{arn}:{version}")[0] == ["green", f"{arn}:{version}"]


def test_a_published_version_keeps_its_code(functions: Functions) -> None:
    """It is invoked for the first time after $LATEST has other code."""
    functions.create("published", "def handler(event, context): return 'old'\n")
    version = functions.client.publish_version(FunctionName="published")["Version"]
    packed = archive(app_py="def handler(event, context): return 'new'\n")
    functions.client.update_function_code(FunctionName="published", ZipFile=packed)
    assert functions.invoke("published", Qualifier=version)[0] == "old"
    assert functions.invoke("published")[0] == "new"


def test_the_client_context_reaches_the_function(functions: Functions, shared: str) -> None:
    context = base64.b64encode(json.dumps({"custom": {"colour": "blue"}}).encode()).decode()
    assert functions.invoke(shared, ClientContext=context)[0]["client"] == {"colour": "blue"}


def test_invalid_requests_are_refused(functions: Functions, shared: str) -> None:
    errors = functions.client.exceptions
    with pytest.raises(errors.ResourceNotFoundException):
        functions.client.invoke(FunctionName="nowhere")
    with pytest.raises(errors.InvalidRequestContentException):
        functions.client.invoke(FunctionName=shared, Payload=b"{")
    assert functions.client.invoke(FunctionName=shared, InvocationType="DryRun")["StatusCode"] == 204


def test_asynchronous_invocations_and_event_sources_reach_the_function(functions: Functions, tmp_path: Path) -> None:
    """ministack makes asynchronous invocations, and those of queues and topics."""
    functions.create("sources")
    client, cloud, file = functions.client, functions.cloud, tmp_path / "events"

    def has_arrived(mark: str) -> bool:
        return file.exists() and mark in file.read_text()

    event = json.dumps({"do": "write", "file": str(file), "by": "event"})
    answer = client.invoke(FunctionName="sources", InvocationType="Event", Payload=event)
    assert answer["StatusCode"] == 202
    eventually(lambda: has_arrived('"by": "event"'))
    code = "import json\ndef handler(event, context):\n    with open(FILE, 'a') as file: json.dump(event, file)\n"
    arn = functions.create("records", code.replace("FILE", repr(str(file))))
    sqs, sns = cloud.client("sqs"), cloud.client("sns")
    queue = sqs.create_queue(QueueName="records")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client.create_event_source_mapping(FunctionName="records", EventSourceArn=queue_arn)
    sqs.send_message(QueueUrl=queue, MessageBody="by a queue")
    eventually(lambda: has_arrived("by a queue"))
    topic = sns.create_topic(Name="records")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="by a topic")
    eventually(lambda: has_arrived("by a topic"))
    lines = eventually(lambda: [one for one in functions.messages("/aws/lambda/sources") if one == "printed"])
    assert lines == ["printed"]


def test_function_urls_invoke_the_function(functions: Functions) -> None:
    functions.create("web", "def handler(event, context): return {'statusCode': 201, 'body': event['rawPath']}\n")
    url = functions.client.create_function_url_config(FunctionName="web", AuthType="NONE")["FunctionUrl"]
    # Names below localhost are this machine, but not every resolver knows that.
    host = url.removeprefix("http://").removesuffix("/")
    port = functions.cloud.url.rpartition(":")[2]
    assert host.endswith(f".lambda-url.us-east-1.localhost:{port}")
    answer = requests.get(f"{functions.cloud.url}/some/path", headers={"Host": host}, timeout=60)
    assert (answer.status_code, answer.text) == (201, "/some/path")


TEMPLATE: dict[str, Any] = {
    "Resources": {
        "F": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": {"ZipFile": "import sys\ndef handler(event, context): return sys.version\n"},
                "Handler": "index.handler",
                "Role": ROLE,
                "Runtime": "python3.11",
                "Environment": {"Variables": {"COLOUR": "blue"}},
            },
        }
    }
}


def test_a_function_of_a_stack_has_no_drift(functions: Functions) -> None:
    cloudformation = functions.cloud.client("cloudformation")
    cloudformation.create_stack(StackName="with-function", TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="with-function")
    drift = cloudformation.detect_stack_resource_drift(StackName="with-function", LogicalResourceId="F")
    assert drift["StackResourceDrift"]["StackResourceDriftStatus"] == "IN_SYNC"
    arguments = {"StackName": "with-function", "LogicalResourceId": "F"}
    name = cloudformation.describe_stack_resource(**arguments)["StackResourceDetail"]["PhysicalResourceId"]
    assert functions.invoke(name)[0].startswith("3.11.")


def test_events_of_a_function_name_a_substituted_runtime(functions: Functions) -> None:
    properties = {**TEMPLATE["Resources"]["F"]["Properties"], "Runtime": "java21"}
    template = {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": properties}}}
    cloudformation = functions.cloud.client("cloudformation")
    cloudformation.create_stack(StackName="in-java", TemplateBody=json.dumps(template))
    events = eventually(lambda: [
        one["ResourceStatusReason"]
        for one in cloudformation.describe_stack_events(StackName="in-java")["StackEvents"]
        if one["LogicalResourceId"] == "F" and "ResourceStatusReason" in one
    ])  # fmt: skip
    assert "not applied here: Runtime: nothing on this machine runs java21, and invocations fail" in events
