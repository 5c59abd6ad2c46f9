"""The package against the one that the stock plugin makes: start and memory, in bare interpreters."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.measure import MODEL, ROOT, Row, in_turns, median, served
from bench.warm import DEFINITION
from cfnbox.handlers.events import production_event
from tools import package

_STARTS, _WARM_UP = 10, 1
_RUNS = 3
COLD_LIMIT, MEMORY_LIMIT, SIZE_LIMIT = 0.35, 0.7, 3e6


@contextmanager
def stock_folder() -> Iterator[Path]:
    """The function as the stock plugin packs it: all dependencies, whole, and no byte code."""
    with TemporaryDirectory(prefix="stock-", dir=ROOT / "build") as directory:
        folder = Path(directory) / "function"
        shutil.copytree(package.dependencies_folder(), folder, copy_function=os.link)
        source = ROOT / "src" / "aws_sagemaker_model"
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        yield folder


def rows(built: package.Package, function: Path, python: str) -> Iterator[Row]:
    """Measure size, cold start and memory of the package, run by an interpreter."""
    size = package.stock_size()
    yield Row("package", "as `cfn submit` makes it", size / 1e6, built.size / 1e6, "MB", SIZE_LIMIT / size)
    with served("sagemaker", "100") as url, stock_folder() as stock:
        folders = {"stock": stock, "ours": function}
        read = [production_event(DEFINITION, "READ", desired={"ModelName": "kept-1"})]

        def start(folder: Path, _: int) -> None:
            run(python, folder, url, read)

        cold = in_turns(
            {name: partial(start, folder) for name, folder in folders.items()},
            _STARTS, _WARM_UP,
        )  # fmt: skip
        yield Row("cold: process start to first READ", "the stock package", median(cold["stock"]) * 1e3,
                  median(cold["ours"]) * 1e3, "ms", COLD_LIMIT)  # fmt: skip
        peaks: dict[str, list[int]] = {name: [] for name in folders}
        for _ in range(_RUNS):
            for name, folder in folders.items():
                peaks[name].append(run(python, folder, url, list(_mixed())))
        yield Row("peak memory, 100 mixed invocations", "the stock package", median(peaks["stock"]) / 1e6,
                  median(peaks["ours"]) / 1e6, "MB", MEMORY_LIMIT)  # fmt: skip


def _mixed() -> Iterator[dict[str, Any]]:
    for number in range(20):
        model = {**MODEL, "ModelName": f"mixed-{number}"}
        tagged = {**model, "Tags": [{"Key": "team", "Value": "risk"}]}
        yield production_event(DEFINITION, "CREATE", desired=model)
        yield production_event(DEFINITION, "READ", desired=model)
        yield production_event(DEFINITION, "UPDATE", desired=tagged, previous=model)
        yield production_event(DEFINITION, "LIST")
        yield production_event(DEFINITION, "DELETE", desired=model)


def run(python: str, folder: Path, url: str, events: list[dict[str, Any]]) -> int:
    """Have a fresh process answer events; return the peak of its memory in bytes."""
    environ = {
        "PATH": os.defpath,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_ENDPOINT_URL": url,
    }
    ran = subprocess.run(
        [python, "-S", "-s", "-B", str(ROOT / "bench" / "child.py"), str(folder)],
        input="".join(json.dumps(event) + "\n" for event in events),
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    *answers, peak = ran.stdout.splitlines() or [""]
    failed = [answer for answer in answers if json.loads(answer)[0] != "SUCCESS"]
    if ran.returncode or failed or len(answers) != len(events):
        raise RuntimeError(f"{folder}: {(failed or [ran.stderr])[0]}")
    return int(peak)
