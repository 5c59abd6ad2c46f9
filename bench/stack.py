"""Stacks of models on the local cloud: against a loop that makes the same models, and how soon they are checked."""

import json
import time
from collections.abc import Iterator
from functools import partial

from bench.measure import MODEL, Row, in_turns, median, served
from bench.warm import DEFINITION, client
from cfnbox.aws import clients

# How many models, and the most that a stack of them may take, as a multiple of the loop.
LIMITS = {50: 3.0, 200: 1.6}
CHECKED, CHECK_SECONDS = 50, 0.2
_ROUNDS, _WARM_UP = 5, 1
_POLL_SECONDS = 0.05


def rows() -> Iterator[Row]:
    """Measure the creation of stacks, and how soon CloudFormation answers that it has begun."""
    for models, limit in LIMITS.items():
        yield from _created(models, limit)


def _created(models: int, limit: float) -> Iterator[Row]:
    answers: list[float] = []

    def stack(url: str, number: int) -> None:
        answers.append(_stack(url, number, models))

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


def _stack(url: str, number: int, models: int) -> float:
    """Create a stack and wait for it; the seconds until CloudFormation had checked the template and answered."""
    cloudformation = clients.client("cloudformation", url)
    template, name = _template(models), f"stack-{number}"
    started = time.perf_counter()
    cloudformation.create_stack(StackName=name, TemplateBody=template)
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
