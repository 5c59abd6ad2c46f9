"""Soak: many lifecycles through one handler process, whose memory and descriptors must stay what they were.

`python -m tests.soak` (or `make soak`) starts the local SageMaker and the handler in AWS's Lambda runtime, both on
loopback, and ends with 0 when the process has kept its size, with 1 when it has grown or an answer was wrong.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.progress import Progress
from rich.table import Table

from cfnbox.cli.output import out
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import Action, production_event
from cfnbox.handlers.runtime import LambdaRuntime
from cfnbox.sagemaker.server import LocalSageMaker
from tests.conftest import IMAGE, MODEL, ROOT, SCHEMA, Json

# A leak of one object for each lifecycle would show as far more than this, noise of the allocator as less.
MOST_GROWTH = 1.05
SAMPLES = 20
MODELS: tuple[Json, ...] = (
    MODEL,
    {"Containers": [{"Image": IMAGE, "Environment": {"A": "1"}}, {"Image": IMAGE}], "EnableNetworkIsolation": "true"},
    {**MODEL, "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}},
)


class Size(NamedTuple):
    """What a process holds: resident bytes and open descriptors."""

    memory: int
    descriptors: int

    @classmethod
    def of(cls, process_id: int) -> "Size":
        """The size of a process now. Raises OSError when it has ended."""
        pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{process_id}/fd")))


class WrongAnswer(Exception):
    """The handler answered something else than a lifecycle wants; the message says what."""


class Lifecycles:
    """Create, read, update, list and delete against one runtime, one after the other, and no two alike."""

    def __init__(self, runtime: LambdaRuntime, sagemaker: LocalSageMaker) -> None:
        self._runtime, self._sagemaker = runtime, sagemaker
        self._definition = TypeDefinition.load(SCHEMA)
        self.done = 0

    def run(self) -> None:
        """One more lifecycle. Raises WrongAnswer."""
        model = {**MODELS[self.done % len(MODELS)], "Tags": [{"Key": "number", "Value": str(self.done)}]}
        tagged = {**model, "Tags": [{"Key": "other", "Value": str(self.done)}]}
        # Some deliver logs and metrics, whose clients and log handlers could pile up.
        event = {"logical_id": f"Model{self.done}", "log_group": "soak" if self.done % 10 == 0 else None}
        arn = self._send("CREATE", model, stack_tags={"stack": "soak"}, **event)["resourceModel"]["ModelArn"]
        self._send("READ", {"ModelArn": arn}, **event)
        self._send("UPDATE", {**tagged, "ModelArn": arn}, previous=model, **event)
        listed = self._send("LIST", None, **event)["resourceModels"]
        if [one["ModelArn"] for one in listed] != [arn]:
            raise WrongAnswer(f"LIST gives {len(listed)} models, not the one that is there.")
        self._send("DELETE", {"ModelArn": arn}, **event)
        self._send("READ", {"ModelArn": arn}, fails="NotFound", **event)
        self._send("CREATE", {**model, "Containers": "none"}, fails="InvalidRequest", **event)
        self._sagemaker.calls.clear()
        self.done += 1

    def _send(self, action: Action, desired: Json | None, fails: str | None = None, **event: Any) -> Json:
        answer: Json = self._runtime.invoke(production_event(self._definition, action, desired=desired, **event))
        if answer.get("errorCode") != fails or answer["status"] != ("FAILED" if fails else "SUCCESS"):
            raise WrongAnswer(
                f"{action} answers {answer['status']} {answer.get('errorCode')}: {answer.get('message')}"
            )
        return answer


def soak(
    lifecycles: int, warm_up: int, handler: str = "aws_sagemaker_model.handlers.resource", code: Sequence[Path] = ()
) -> list[Size]:
    """The sizes of the handler process, in order, over lifecycles that follow a warm-up.

    `code` is where the handler is imported from, beside the type's own.

    Raises WrongAnswer, also when the process did not live through it.
    """
    with LocalSageMaker(port=0) as sagemaker:
        # Models belong to the process: another server's may be there.
        sagemaker.reset()
        environment = {"AWS_ENDPOINT_URL": sagemaker.url}
        with (
            LambdaRuntime(handler, code=[ROOT / "src", *code], env=environment) as runtime,
            Progress(console=out, transient=True) as bar,
        ):
            task = bar.add_task("lifecycles", total=lifecycles, completed=-warm_up)
            runs = Lifecycles(runtime, sagemaker)
            for _ in range(warm_up):
                runs.run()
                bar.advance(task)
            (process_id,) = runtime.process_ids
            sizes = [Size.of(process_id)]
            for number in range(1, lifecycles + 1):
                runs.run()
                bar.advance(task)
                if number % max(1, lifecycles // SAMPLES) == 0:
                    sizes.append(Size.of(process_id))
            if runtime.process_ids != [process_id]:
                raise WrongAnswer("The handler process ended on the way and was started again.")
            return sizes


def growth(sizes: list[Size]) -> tuple[float, float]:
    """How many times as large memory and descriptors are in the last quarter as in the first."""
    quarter = max(1, len(sizes) // 4)
    first, last = sizes[:quarter], sizes[-quarter:]
    memory = median(size.memory for size in last) / median(size.memory for size in first)
    return memory, median(size.descriptors for size in last) / median(size.descriptors for size in first)


def is_flat(sizes: list[Size]) -> bool:
    """Whether a process stayed what it was."""
    memory, descriptors = growth(sizes)
    return memory <= MOST_GROWTH and descriptors <= 1


def main() -> int:
    """Run the soak that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--lifecycles", type=int, default=2000)
    parser.add_argument("--warm-up", type=int, default=200)
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        sizes = soak(arguments.lifecycles, arguments.warm_up)
    except WrongAnswer as wrong:
        out.print(f"The soak failed. {wrong}")
        return 1
    memory, descriptors = growth(sizes)
    ends = (sizes[0], sizes[-1])
    table = Table("", "after the warm-up", "at the end", "ratio of quarters", "at most")
    table.add_row("memory", *(f"{size.memory / 2**20:.1f} MiB" for size in ends), f"{memory:.3f}", f"{MOST_GROWTH}")
    table.add_row("descriptors", *(str(size.descriptors) for size in ends), f"{descriptors:.3f}", "1")
    out.print(table)
    flat = is_flat(sizes)
    out.print(
        f"{arguments.lifecycles} lifecycles in {time.monotonic() - started:.0f} s: "
        + ("the handler process stayed what it was." if flat else "the handler process grew.")
    )
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
