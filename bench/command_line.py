"""The command line, process start included: `cfnbox up` until it is ready, and 50 models beside Terraform's."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import MODEL, ROOT, Row, finished, median, served
from bench.terraform import Terraform
from bench.warm import DEFINITION, client

MODELS = 50
READY_SECONDS, TERRAFORM_LIMIT = 1.0, 0.1
_STARTS, _WARM_UP = 5, 1
_ROUNDS = 3
_CFNBOX = (sys.executable, "-m", "cfnbox")


@dataclass(frozen=True)
class _Step:
    """What both do; afterwards SageMaker has so many models, with this value of the tag `stage`."""

    what: str
    ours: str
    theirs: str
    models: int
    stage: str


_STEPS = (
    _Step("create", "cfnbox deploy", "terraform apply", MODELS, "one"),
    _Step("change a tag of", "cfnbox deploy", "terraform apply", MODELS, "two"),
    _Step("delete", "cfnbox delete", "terraform destroy", 0, ""),
)


def ready_rows() -> Iterator[Row]:
    """Measure from the start of the process to the line that it prints when its address answers."""
    taken = [_start() for _ in range(_WARM_UP + _STARTS)][_WARM_UP:]
    yield Row("`cfnbox up`: process start to ready", "what it may take", READY_SECONDS, median(taken), "s", 1.0)


def _start() -> float:
    started = time.perf_counter()
    with subprocess.Popen(
        [*_CFNBOX, "up", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        line = process.stdout.readline()
        taken = time.perf_counter() - started
        process.terminate()
    if "ready" not in line:
        raise RuntimeError("cfnbox up did not start")
    return taken


def terraform_rows() -> Iterator[Row]:
    """Measure 50 models by our commands against Terraform's, on the same SageMaker.

    Terraform takes each step once: its three take more than a minute. Ours are the medians of several.
    """
    with TemporaryDirectory(prefix="bench-") as folder, served("cloud") as url:
        terraform = Terraform(Path(folder), url, MODELS)
        # Unmeasured, so that Terraform too finds the cloud warm.
        _timed(url, lambda step: _cfnbox(Path(folder), url, step))
        theirs = _timed(url, lambda step: terraform.apply(step.stage) if step.models else terraform.destroy())
        ours = [_timed(url, lambda step: _cfnbox(Path(folder), url, step)) for _ in range(_ROUNDS)]
        versions = terraform.versions()
    for number, step in enumerate(_STEPS):
        yield Row(f"{step.what} {MODELS} models, `{step.ours}`", f"`{step.theirs}`, {versions}", theirs[number],
                  median([taken[number] for taken in ours]), "s", TERRAFORM_LIMIT)  # fmt: skip


def _timed(url: str, take: Callable[[_Step], object]) -> list[float]:
    """The seconds of each step, one after the other."""
    seconds = []
    for step in _STEPS:
        started = time.perf_counter()
        take(step)
        seconds.append(time.perf_counter() - started)
        _expect(url, step)
    return seconds


def _cfnbox(folder: Path, url: str, step: _Step) -> None:
    properties = {**MODEL, "Tags": [{"Key": "stage", "Value": {"Ref": "Stage"}}]}
    resource = {"Type": DEFINITION.type_name, "Properties": properties}
    resources = {f"Model{index}": resource for index in range(MODELS)}
    template = folder / "models.json"
    template.write_text(json.dumps({"Parameters": {"Stage": {"Type": "String"}}, "Resources": resources}))
    words = ["deploy", str(template), "--parameter", f"Stage={step.stage}"] if step.models else ["delete"]
    finished([*_CFNBOX, *words, "--stack-name", "models", "--endpoint", url], ROOT, os.environ)


def _expect(url: str, step: _Step) -> None:
    """Raises RuntimeError unless SageMaker has what the step leaves behind."""
    sagemaker = client(url)
    models = sagemaker.list_models(MaxResults=100)["Models"]
    tags = [sagemaker.list_tags(ResourceArn=model["ModelArn"])["Tags"] for model in models]
    if len(models) != step.models or not all({"Key": "stage", "Value": step.stage} in one for one in tags):
        raise RuntimeError(f"after `{step.what}` SageMaker does not have {step.models} models with that tag")
