"""Measuring contenders side by side: warmed up, in turns, in alternating order."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODEL: dict[str, Any] = {
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/inference",
    "PrimaryContainer": {
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1",
        "ModelDataUrl": "s3://artifacts/model.tar.gz",
        "Environment": {"WORKERS": "2"},
    },
}


@dataclass(frozen=True)
class Row:
    """What was measured against a floor; `unit` is of both, `limit` the most that the ratio may be, if any."""

    what: str
    floor_is: str
    floor: float
    ours: float
    unit: str
    limit: float | None

    @property
    def ratio(self) -> float:
        """Ours as a multiple of the floor."""
        return self.ours / self.floor

    @property
    def outcome(self) -> str:
        """Whether the target is met: "met", "missed", or "" where there is none."""
        if self.limit is None:
            return ""
        return "met" if self.ratio <= self.limit else "missed"


def in_turns(contenders: Mapping[str, Callable[[int], object]], rounds: int, warm_up: int) -> dict[str, list[float]]:
    """Return the seconds that each contender took in each round, each round begun by another of them.

    A contender is called with the number of the round, warm-up included, so that it can name things apart.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(warm_up + rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            contenders[name](number)
            taken = time.perf_counter() - started
            if number >= warm_up:
                seconds[name].append(taken)
    return seconds


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """Give the URL of a bench.server, which ends with the context."""
    command = [sys.executable, "-m", "bench.server", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            url = server.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"bench.server {' '.join(arguments)} did not start")
            yield url
            server.communicate()
        finally:
            server.kill()


def finished(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """What a command prints once it has succeeded. Raises RuntimeError with its words when it has not."""
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
