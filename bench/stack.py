"""A stack of 50 models on the laptop cloud against a loop that makes the same models."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import MODEL, Row, in_turns, median, served
from bench.warm import DEFINITION, client
from laptop import clients

MODELS = 50
LIMIT = 3.0
_ROUNDS, _WARM_UP = 3, 1
_POLL_SECONDS = 0.02


def rows(function: Path) -> Iterator[Row]:
    """Measure creation, and of it what the handlers take; the rest is the cloud's."""
    with served("cloud", str(function)) as (url, said):
        taken = in_turns(
            {"loop": lambda number: _loop(url, number), "stack": lambda number: _stack(url, number)},
            _ROUNDS,
            _WARM_UP,
        )
    floor, ours = median(taken["loop"]), median(taken["stack"])
    yield Row(f"stack of {MODELS} models", "the same models, boto3 loop", floor, ours, "s", LIMIT)
    # Every stack makes the same invocations.
    handlers = sum(json.loads(said[0])) / 1e3 / (_ROUNDS + _WARM_UP)
    yield Row(
        f"stack of {MODELS} models: in our handlers",
        "the same models, boto3 loop",
        floor,
        handlers,
        "s",
        None,
    )


def _loop(url: str, number: int) -> None:
    sagemaker = client(url)
    for index in range(MODELS):
        name = f"loop-{number}-{index}"
        sagemaker.create_model(ModelName=name, **MODEL)
        sagemaker.describe_model(ModelName=name)


def _stack(url: str, number: int) -> None:
    cloudformation = clients.client("cloudformation", url)
    resource = {"Type": DEFINITION.type_name, "Properties": MODEL}
    template = {"Resources": {f"Model{index}": resource for index in range(MODELS)}}
    name = f"stack-{number}"
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    while (
        status := cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    ) == "CREATE_IN_PROGRESS":
        time.sleep(_POLL_SECONDS)
    if status != "CREATE_COMPLETE":
        raise RuntimeError(f"the stack ended in {status}")
