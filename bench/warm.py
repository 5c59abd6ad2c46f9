"""Warm requests: a kept boto3 client, the handler in process, and the handler in the Lambda runtime."""

import json
import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.measure import MODEL, ROOT, Row, in_turns, median, served
from cfnbox.aws import clients
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import Action, production_event
from cfnbox.handlers.runtime import LambdaRuntime

DEFINITION = TypeDefinition.load(ROOT / "aws-sagemaker-model.json")
FLOOR, IN_PROCESS, RUNTIME = "kept boto3 client", "in process", "Lambda runtime"
# A delete is one call, beside which what the runtime itself takes weighs most: it is shown without a target.
LIMITS = {IN_PROCESS: 1.2, RUNTIME: 1.5}
_WITHOUT_TARGET = "delete"
_ROUNDS, _WARM_UP = 100, 20
_TAGS = [[{"Key": "team", "Value": "risk"}], [{"Key": "stage", "Value": "live"}]]
# Calls to the API that an action may make.
CALLS = {"create": 2, "read": 2, "update": 4, "list": 1, "delete": 1}

Contender = Callable[[int], object]
Invoke = Callable[[dict[str, Any]], Any]


def client(url: str) -> Any:
    """A boto3 client of SageMaker."""
    return clients.client("sagemaker", url)


def rows(function: Path) -> Iterator[Row]:
    """Compare each contender with the floor, and the numbers of calls with what they may be."""
    seconds, calls = _measure(function)
    yield from _latencies(seconds)
    for action, made in calls.items():
        yield Row(f"API calls, {action}", "what it may take", CALLS[action], made, "", 1.0)


def _measure(function: Path) -> tuple[dict[str, dict[str, list[float]]], dict[str, int]]:
    """Return the seconds of each contender by action, and how many calls each action makes."""
    with served("sagemaker", "100") as url:
        # Endpoint and region as Lambda's environment gives them; read when the handlers are imported.
        os.environ.update({"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"})
        from aws_sagemaker_model.handlers import resource

        with LambdaRuntime(code=[function], env={"AWS_ENDPOINT_URL": url}) as runtime:
            ours: dict[str, Invoke] = {IN_PROCESS: lambda event: resource(event, None), RUNTIME: runtime.invoke}
            contenders = {FLOOR: _floor(client(url)), **{name: _handler(ours[name], name) for name in ours}}
            # Before the rounds, because the server keeps its last calls only.
            calls = dict(_counted(url, contenders[IN_PROCESS]))
            seconds = {
                action: in_turns({name: of[action] for name, of in contenders.items()}, _ROUNDS, _WARM_UP)
                for action in CALLS
            }
            return seconds, calls


def _latencies(seconds: Mapping[str, Mapping[str, list[float]]]) -> Iterator[Row]:
    for name, limit in LIMITS.items():
        for action, taken in seconds.items():
            floor, ours = median(taken[FLOOR]) * 1e3, median(taken[name]) * 1e3
            target = None if action == _WITHOUT_TARGET else limit
            yield Row(f"warm {action}, {name}", "same calls, kept boto3 client", floor, ours, "ms", target)


def _floor(sagemaker: Any) -> dict[str, Contender]:
    def create(number: int) -> None:
        sagemaker.create_model(ModelName=f"floor-{number}", **MODEL)
        sagemaker.describe_model(ModelName=f"floor-{number}")

    def read(_: int) -> None:
        arn = sagemaker.describe_model(ModelName="floor-0")["ModelArn"]
        sagemaker.list_tags(ResourceArn=arn)

    def update(number: int) -> None:
        arn = sagemaker.describe_model(ModelName="floor-0")["ModelArn"]
        sagemaker.list_tags(ResourceArn=arn)
        sagemaker.add_tags(ResourceArn=arn, Tags=_TAGS[number % 2])
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=[_TAGS[1 - number % 2][0]["Key"]])

    return {
        "create": create,
        "read": read,
        "update": update,
        "list": lambda _: sagemaker.list_models(MaxResults=100),
        "delete": lambda number: sagemaker.delete_model(ModelName=f"floor-{number}"),
    }


def _handler(invoke: Invoke, prefix: str) -> dict[str, Contender]:
    prefix = prefix.replace(" ", "-")

    def send(action: Action, desired: Mapping[str, Any], **more: Any) -> None:
        answer = invoke(production_event(DEFINITION, action, desired=desired, **more))
        if answer["status"] != "SUCCESS":
            raise RuntimeError(f"{action} failed: {answer['message']}")

    def update(number: int) -> None:
        model = {**MODEL, "ModelName": f"{prefix}-0"}
        send(
            "UPDATE", {**model, "Tags": _TAGS[number % 2]}, previous={**model, "Tags": _TAGS[1 - number % 2]}
        )  # fmt: skip

    return {
        "create": lambda number: send("CREATE", {**MODEL, "ModelName": f"{prefix}-{number}"}),
        "read": lambda _: send("READ", {"ModelName": f"{prefix}-0"}),
        "update": update,
        "list": lambda _: send("LIST", {}),
        "delete": lambda number: send("DELETE", {"ModelName": f"{prefix}-{number}"}),
    }


def _counted(url: str, handler: Mapping[str, Contender]) -> Iterator[tuple[str, int]]:
    """Count the calls of each action; the second update both adds a tag and removes one."""
    handler["create"](0)
    handler["update"](0)
    handler["delete"](0)
    for action in CALLS:
        if action == "update":
            handler[action](0)
        before = _calls(url)
        handler[action](1 if action == "update" else 0)
        yield action, _calls(url) - before


def _calls(url: str) -> int:
    with urllib.request.urlopen(f"{url}/_local/calls") as answer:  # noqa: S310 - our own server
        return len(json.load(answer))
