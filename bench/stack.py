"""Stacks on the local cloud: against a loop that makes the same resources, and how soon a template is checked."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.measure import MODEL, Row, in_turns, median, served
from bench.warm import DEFINITION, client
from cfnbox.aws import clients

# How many models, and the most that a stack of them may take, as a multiple of the loop.
LIMITS = {50: 3.0, 200: 1.6}
CHECKED, CHECK_SECONDS = 50, 0.2
MIXED = 500
_ROUNDS, _WARM_UP = 5, 1
_MIXED_ROUNDS = 3
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class _Kind:
    """A resource of a mixed stack, and the call of boto3 that makes the same; `name` is the call's name member."""

    type_name: str
    properties: Mapping[str, Any]
    service: str
    operation: str
    name: str
    members: Mapping[str, Any]


_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
_PARAMETER = {"Type": "String", "Value": "1"}
_KINDS = (
    _Kind("AWS::S3::Bucket", {}, "s3", "create_bucket", "Bucket", {}),
    _Kind("AWS::SQS::Queue", {}, "sqs", "create_queue", "QueueName", {}),
    _Kind("AWS::SNS::Topic", {}, "sns", "create_topic", "Name", {}),
    _Kind("AWS::SSM::Parameter", _PARAMETER, "ssm", "put_parameter", "Name", _PARAMETER),
    _Kind("AWS::IAM::Role", {"AssumeRolePolicyDocument": _TRUST}, "iam", "create_role", "RoleName",
          {"AssumeRolePolicyDocument": json.dumps(_TRUST)}),
)  # fmt: skip


def rows() -> Iterator[Row]:
    """Measure the creation of stacks, and how soon CloudFormation answers that it has begun."""
    for models, limit in LIMITS.items():
        yield from _created(models, limit)
    yield _mixed()


def _mixed() -> Row:
    """Measure a stack of resources of several services. It has no target: a stack reads back what it made."""

    def loop(url: str, number: int) -> None:
        calls = [(getattr(clients.client(kind.service, url), kind.operation), kind) for kind in _KINDS]
        for index in range(MIXED // len(_KINDS)):
            for call, kind in calls:
                call(**{kind.name: f"loop-{number}-{index}"}, **kind.members)

    def stack(url: str, number: int) -> None:
        resources = {
            f"Resource{index}": {"Type": kind.type_name, "Properties": kind.properties}
            for index, kind in enumerate(_KINDS * (MIXED // len(_KINDS)))
        }
        _deploy(url, f"mixed-{number}", json.dumps({"Resources": resources}, separators=(",", ":")))

    with served("cloud") as url:
        taken = in_turns({"loop": partial(loop, url), "stack": partial(stack, url)}, _MIXED_ROUNDS, _WARM_UP)
    floor, ours = median(taken["loop"]), median(taken["stack"])
    return Row(f"stack of {MIXED} mixed resources", "the same resources, boto3 loop", floor, ours, "s", None)


def _created(models: int, limit: float) -> Iterator[Row]:
    answers: list[float] = []

    def stack(url: str, number: int) -> None:
        answers.append(_deploy(url, f"stack-{number}", _template(models)))

    with served("cloud") as url:
        taken = in_turns({"loop": partial(_loop, url, models), "stack": partial(stack, url)}, _ROUNDS, _WARM_UP)
    floor, ours = median(taken["loop"]), median(taken["stack"])
    yield Row(f"stack of {models} models", "the same models, boto3 loop", floor, ours, "s", limit)
    if models == CHECKED:
        checked = f"CreateStack: request to answer, {models} models checked"
        yield Row(checked, "what it may take", CHECK_SECONDS, median(answers[_WARM_UP:]), "s", 1.0)


def _loop(url: str, models: int, number: int) -> None:
    sagemaker = client(url)
    for index in range(models):
        name = f"loop-{number}-{index}"
        sagemaker.create_model(ModelName=name, **MODEL)
        sagemaker.describe_model(ModelName=name)


def _deploy(url: str, name: str, template: str) -> float:
    """Create a stack and wait for it; return the seconds until CloudFormation had checked the template."""
    cloudformation = clients.client("cloudformation", url)
    started = time.perf_counter()
    cloudformation.create_stack(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
    answered = time.perf_counter() - started
    while (
        status := cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    ) == "CREATE_IN_PROGRESS":
        time.sleep(_POLL_SECONDS)
    if status != "CREATE_COMPLETE":
        raise RuntimeError(f"the stack ended in {status}")
    return answered


def _template(models: int) -> str:
    """A template of so many equal models: what they share stands once, so that it is below 51,200 bytes."""
    container = {**MODEL["PrimaryContainer"], "Image": {"Ref": "Image"}}
    properties = {"ExecutionRoleArn": {"Ref": "Role"}, "PrimaryContainer": container}
    shared = {"Image": MODEL["PrimaryContainer"]["Image"], "Role": MODEL["ExecutionRoleArn"]}
    resource = {"Type": DEFINITION.type_name, "Properties": properties}
    return json.dumps(
        {
            "Parameters": {name: {"Type": "String", "Default": value} for name, value in shared.items()},
            "Resources": {f"Model{index}": resource for index in range(models)},
        },
        separators=(",", ":"),
    )
