"""Endpoints of stacks return the predictions of servers on this machine, which the cloud starts by a command."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import programs
from cfnbox.aws import clients
from tests.e2e.conftest import ROOT, Stack, started_cloud
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

PREDICTIONS = ROOT / "examples" / "predictions"
TEMPLATE = (PREDICTIONS / "template.yaml").read_text()
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
# A container of its own: it answers with what is in the folder of its model, and with the models that were loaded.
SERVER = """
import http.server, json, os, pathlib

class Handler(http.server.BaseHTTPRequestHandler):
    models = {}

    def do_GET(self, body=b""):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/models":
            model = json.loads(sent)
            self.models[model["model_name"]] = model["url"]
            self.do_GET()
            return
        name = self.path.split("/")[2] if self.path.startswith("/models/") else ""
        folder = pathlib.Path(self.models[name] if name else os.environ["SM_MODEL_DIR"])
        self.do_GET((folder / "weights.txt").read_bytes())

print("ready for", os.environ.get("SM_MODEL_DIR", "")[-5:], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    script = tmp_path_factory.mktemp("server") / "server.py"
    script.write_text(SERVER)
    commands = {
        "team/scorer": [sys.executable, str(PREDICTIONS / "serve.py")],
        "team/artifacts": [sys.executable, str(script)],
        "team/broken": ["false"],
    }
    served = [f"--serve={image}=!{shlex.join(command)}" for image, command in commands.items()]
    with started_cloud(*served) as (url, _):
        yield url


def test_readme_starts_the_cloud_with_the_server_of_the_example() -> None:
    (arguments,) = re.findall(r"cfnbox up (--serve .+)", (PREDICTIONS.parent / "README.md").read_text())
    option, served = shlex.split(arguments)
    image, _, command = served.partition("=!")
    assert (option, shlex.split(command)[1]) == ("--serve", str((PREDICTIONS / "serve.py").relative_to(ROOT)))
    assert f"/{image}:" in TEMPLATE


def test_the_example_returns_predictions(url: str) -> None:
    stack = Stack(url, "predictions")
    assert stack.create(TEMPLATE)["StackStatus"] == "CREATE_COMPLETE"
    runtime: Any = clients.client("sagemaker-runtime", url)
    name = stack.outputs()["EndpointName"]

    answered = runtime.invoke_endpoint(EndpointName=name, Body=b"1,2\n3,4", ContentType="text/csv")
    assert json.loads(answered["Body"].read()) == {"predictions": [3.0, 7.0]}

    updated = stack.update(TEMPLATE, Parameters=[{"ParameterKey": "Scale", "ParameterValue": "10"}])
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    name = stack.outputs()["EndpointName"]
    answered = runtime.invoke_endpoint(EndpointName=name, Body=b"1,2\n3,4", ContentType="text/csv")
    assert json.loads(answered["Body"].read()) == {"predictions": [30.0, 70.0]}

    assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(runtime.exceptions.ClientError, match=f"Endpoint {name} of account 123456789012 not found"):
        runtime.invoke_endpoint(EndpointName=name, Body=b"1,2")


def test_the_aws_cli_invokes_an_endpoint(url: str, tmp_path: Path) -> None:
    stack = Stack(url, "by-cli")
    stack.create(TEMPLATE)
    readme = (PREDICTIONS.parent / "README.md").read_text()
    (commands,) = re.findall(r"^printf .*\naws .*$", readme, re.MULTILINE)
    path = f"{Path(programs.program('aws')).parent}{os.pathsep}{os.defpath}"
    environment = {**clients.CREDENTIALS, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": url, "PATH": path}
    script = commands.replace("ENDPOINT", stack.outputs()["EndpointName"])
    subprocess.run(["/bin/sh", "-ec", script], check=True, capture_output=True, env=environment, cwd=tmp_path)

    assert json.loads((tmp_path / "answer.json").read_text()) == {"predictions": [3.0]}
    stack.delete()


def test_an_endpoint_whose_server_ends_fails_the_stack(url: str) -> None:
    stack = Stack(url, "broken")
    parameters = [{"ParameterKey": "Image", "ParameterValue": f"{ECR}/team/broken:1"}]

    assert stack.create(TEMPLATE, Parameters=parameters)["StackStatus"] == "ROLLBACK_COMPLETE"

    assert any(
        "The primary container for production variant main did not pass the ping health check." in reason
        for reason in stack.reasons("CREATE_FAILED")
    )


def test_a_command_finds_the_artifacts_of_its_model(url: str) -> None:
    s3: Any = clients.client("s3", url)
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="model.tar.gz", Body=_archive("first"))
    container = {"Image": f"{ECR}/team/artifacts:1", "ModelDataUrl": "s3://artifacts/model.tar.gz"}
    _endpoint(url, "one-model", container)

    assert _invoked(url, "one-model") == b"first"
    logs: Any = clients.client("logs", url)
    group = {"logGroupName": "/aws/sagemaker/Endpoints/one-model"}

    def printed() -> list[Any]:
        try:
            return list(logs.filter_log_events(**group)["events"])
        except logs.exceptions.ResourceNotFoundException:
            return []

    first = eventually(printed)[0]
    assert first["message"] == "ready for model"
    assert re.fullmatch(r"[\w-]+/i-[0-9a-f]{17}", first["logStreamName"])


def test_a_multi_model_container_loads_its_target_models(url: str) -> None:
    s3: Any = clients.client("s3", url)
    s3.create_bucket(Bucket="many")
    for name in ("a", "b"):
        s3.put_object(Bucket="many", Key=f"models/{name}.tar.gz", Body=_archive(name))
    container = {"Image": f"{ECR}/team/artifacts:1", "Mode": "MultiModel", "ModelDataUrl": "s3://many/models/"}
    _endpoint(url, "many-models", container)
    runtime: Any = clients.client("sagemaker-runtime", url)

    for name in ("a", "b", "a"):
        assert _invoked(url, "many-models", TargetModel=f"{name}.tar.gz") == name.encode()
    with pytest.raises(runtime.exceptions.ClientError, match="Could not find model data at s3://many/models/c"):
        _invoked(url, "many-models", TargetModel="c.tar.gz")


def test_an_asynchronous_endpoint_answers_in_s3_and_by_sns(url: str) -> None:
    s3: Any = clients.client("s3", url)
    sqs: Any = clients.client("sqs", url)
    sns: Any = clients.client("sns", url)
    s3.create_bucket(Bucket="async")
    s3.put_object(Bucket="async", Key="in.csv", Body=b"1,2")
    queue = sqs.create_queue(QueueName="notices")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="notices")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    output = {
        "S3OutputPath": "s3://async/out/",
        "S3FailurePath": "s3://async/failed/",
        "NotificationConfig": {"SuccessTopic": topic, "ErrorTopic": topic},
    }
    _endpoint(url, "async", {"Image": f"{ECR}/team/scorer:1"}, AsyncInferenceConfig={"OutputConfig": output})
    runtime: Any = clients.client("sagemaker-runtime", url)

    accepted = runtime.invoke_endpoint_async(
        EndpointName="async", InputLocation="s3://async/in.csv", ContentType="text/csv", InferenceId="id-1"
    )
    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert accepted["InferenceId"] == "id-1"
    notice = _notice(sqs, queue)
    assert notice["invocationStatus"] == "Completed"
    assert notice["requestParameters"] == {
        "contentType": "text/csv",
        "endpointName": "async",
        "inputLocation": "s3://async/in.csv",
    }
    assert notice["responseParameters"] == {
        "contentType": "application/json",
        "outputLocation": accepted["OutputLocation"],
    }
    assert json.loads(_content(s3, accepted["OutputLocation"])) == {"predictions": [3.0]}

    failed = runtime.invoke_endpoint_async(EndpointName="async", InputLocation="s3://async/missing.csv")
    notice = _notice(sqs, queue)
    assert (notice["invocationStatus"], notice["inferenceId"]) == ("Failed", failed["InferenceId"])
    assert "NoSuchKey" in notice["failureReason"]
    assert "NoSuchKey" in _content(s3, failed["FailureLocation"])


def _archive(text: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("weights.txt")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def _endpoint(url: str, name: str, container: dict[str, str], **config: Any) -> None:
    sagemaker: Any = clients.client("sagemaker", url)
    sagemaker.create_model(ModelName=name, PrimaryContainer=container)
    variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **config)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    eventually(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating")
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"


def _invoked(url: str, name: str, **members: Any) -> bytes:
    runtime: Any = clients.client("sagemaker-runtime", url)
    content: bytes = runtime.invoke_endpoint(EndpointName=name, Body=b"x", **members)["Body"].read()
    return content


def _notice(sqs: Any, queue: str) -> Any:
    [message] = eventually(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"))
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return json.loads(json.loads(message["Body"])["Message"])


def _content(s3: Any, location: str) -> str:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    text: str = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return text
