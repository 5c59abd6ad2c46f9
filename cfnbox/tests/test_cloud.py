"""Several clouds in one process: each starts empty, and none changes the state of another."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import urllib.parse
import zipfile
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests
from botocore.exceptions import ClientError

from cfnbox.aws import clients
from cfnbox.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"


def make_model(url: str, name: str) -> None:
    sagemaker = clients.client("sagemaker", url)
    sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": IMAGE})


def models(url: str) -> Sequence[str]:
    listed: list[dict[str, Any]] = clients.client("sagemaker", url).list_models()["Models"]
    return [one["ModelName"] for one in listed]


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """The process is afterwards as it was: its environment, its loggers, and its garbage collector."""
    before = _process_state()
    yield
    assert _process_state() == before


def _process_state() -> dict[str, Any]:
    loggers = [logging.getLogger(name) for name in ("", *list(logging.root.manager.loggerDict))]
    return {
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "levels": {
            logger.name: (logger.level, logger.disabled, len(logger.filters)) for logger in loggers if logger.level
        },
        "handlers": list(logging.getLogger().handlers),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "working directory": os.getcwd(),
    }


def make_queue(url: str, name: str) -> None:
    clients.client("sqs", url).create_queue(QueueName=name)


def queues(url: str) -> Sequence[str]:
    listed: list[str] = clients.client("sqs", url).list_queues().get("QueueUrls", [])
    return listed


def deploy(url: str, resources: dict[str, Any], **outputs: Any) -> dict[str, str]:
    """Create a stack; return the values of its outputs."""
    cloudformation = clients.client("cloudformation", url)
    template = {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in outputs.items()}}
    cloudformation.create_stack(
        StackName="stack", TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="stack")
    (stack,) = cloudformation.describe_stacks(StackName="stack")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def namespace(name: str) -> dict[str, Any]:
    """Return resources that ministack's CloudFormation makes."""
    return {"Space": {"Type": "AWS::ServiceDiscovery::HttpNamespace", "Properties": {"Name": name}}}


def zipped(name: str, content: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(name, content)
    return archive.getvalue()


def test_a_cloud_starts_empty(as_it_was: None) -> None:
    with Cloud() as first:
        make_model(first.url, "left-behind")
        make_queue(first.url, "left-behind")

    with Cloud() as cloud:
        cloud.load()
        assert (models(cloud.url), queues(cloud.url)) == ([], [])


def test_concurrent_clouds_are_isolated(as_it_was: None) -> None:
    with Cloud() as first, Cloud() as second:
        for cloud, name in ((first, "of-first"), (second, "of-second")):
            make_model(cloud.url, name)
            make_queue(cloud.url, name)
            deploy(cloud.url, namespace(name))
        second.close()

        assert models(first.url) == ["of-first"]
        assert queues(first.url) == [f"http://127.0.0.1:{first.port}/123456789012/of-first"]
        (listed,) = clients.client("servicediscovery", first.url).list_namespaces()["Namespaces"]
        assert listed["Name"] == "of-first"


def test_functions_see_their_cloud_and_not_the_environment_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-of-the-user")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with Cloud() as cloud:
        functions = clients.client("lambda", cloud.url)
        code = "import os\ndef handler(event, context):\n    return dict(os.environ)\n"
        functions.create_function(
            FunctionName="echo", Runtime="python3.12", Handler="index.handler",
            Role="arn:aws:iam::123456789012:role/r", Code={"ZipFile": zipped("index.py", code)},
        )  # fmt: skip
        environment = json.load(functions.invoke(FunctionName="echo")["Payload"])

    assert urllib.parse.urlsplit(environment["AWS_ENDPOINT_URL"]).port == cloud.port
    assert "the-secret-of-the-user" not in environment.values()


@pytest.mark.parametrize(
    "request_",
    [
        {"data": {"Action": "DescribeStacks", "Version": "2010-05-15"}},
        {"data": {"Action": "ListStacks"}},
        {"params": {"Action": "ListStacks", "Version": "2010-05-15"}},
        {"data": "{}", "headers": {"X-Amz-Target": "CloudApiService.ListResources"}},
        {"data": {"Action": "ListStacks"}, "headers": {"Host": "cloudformation.us-east-1.amazonaws.com"}},
    ],
)
def test_the_cloudformation_behind_the_services_cannot_be_reached(request_: dict[str, Any]) -> None:
    with Cloud() as cloud:
        deploy(cloud.url, namespace("own"))
        answer = requests.post(cloud.url, timeout=30, **request_)

    assert (answer.status_code, "Namespace" in answer.text) == (403, False)


def test_answers_of_services_have_no_cors_headers() -> None:
    with Cloud() as cloud:
        answered = clients.client("sqs", cloud.url).list_queues()["ResponseMetadata"]["HTTPHeaders"]

    assert [name for name in answered if name.startswith("access-control-")] == []


def test_a_terminated_child_process_is_named_and_not_restarted() -> None:
    with Cloud() as cloud:
        queues(cloud.url)
        (ministack,) = (
            child
            for child in psutil.Process().children(recursive=True)
            if child.environ().get("GATEWAY_PORT") == str(cloud.port) and "hypercorn" in child.cmdline()
        )
        ministack.kill()
        for _ in range(2):
            with pytest.raises(ClientError, match=r"process of ministack .* Start the cloud again"):
                queues(cloud.url)


def test_addresses_in_answers_lead_to_the_cloud() -> None:
    allowed = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {"Version": "2012-10-17", "Statement": [allowed]}
    code = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'hello'}\n"
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": role}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Runtime": "python3.12", "Handler": "index.handler", "Timeout": 60,
                           "Code": {"ZipFile": code}, "Role": {"Fn::GetAtt": ["Role", "Arn"]}},
        },
        "Url": {
            "Type": "AWS::Lambda::Url",
            "Properties": {"AuthType": "NONE", "TargetFunctionArn": {"Fn::GetAtt": ["Function", "Arn"]}},
        },
        "Queue": {"Type": "AWS::SQS::Queue"},
    }  # fmt: skip
    with Cloud() as cloud:
        outputs = deploy(cloud.url, resources, Url={"Fn::GetAtt": ["Url", "FunctionUrl"]}, Queue={"Ref": "Queue"})
        # Names below localhost are this machine, but not every resolver knows that.
        host = urllib.parse.urlsplit(outputs["Url"]).netloc
        answer = requests.get(cloud.url, headers={"Host": host}, timeout=90)
        clients.client("sqs", cloud.url).send_message(QueueUrl=outputs["Queue"], MessageBody="hello")
        url = clients.client("lambda", cloud.url).get_function_url_config(
            FunctionName=clients.client("lambda", cloud.url).list_functions()["Functions"][0]["FunctionName"]
        )["FunctionUrl"]

    assert (answer.status_code, answer.text) == (200, "hello")
    assert host.endswith(f".localhost:{cloud.port}")
    assert url == outputs["Url"]
    assert urllib.parse.urlsplit(outputs["Queue"]).port == cloud.port
