"""Endings: each command that starts something is ended by each signal, many times, and must leave nothing behind.

`python -m tests.endings` (or `make endings`) runs several at once, beside processes that keep every core busy. Each
has a folder of its own for temporary files, which is named in the environment of all that it starts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from rich.table import Table

from cfnbox.aws import clients
from cfnbox.cli.output import out
from cfnbox.cli.shutdown import Ending, run
from tests.conftest import MODEL, ROOT
from tests.docker_engine import docker_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS = {
    "SIGINT": (signal.SIGINT,),
    "SIGTERM": (signal.SIGTERM,),
    "SIGHUP": (signal.SIGHUP,),
    "SIGINT and SIGTERM": (signal.SIGINT, signal.SIGTERM),
    # To the command alone, as `kill -9` and the kernel do when memory runs out.
    "SIGKILL": (signal.SIGKILL,),
}
SECONDS = 2.0
# Long after the end that is promised: what is still there then hangs.
PATIENCE = 30.0
# A handler that no signal ends, and that started something itself.
HANGING = """
import signal, subprocess, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)

def resource(event, context):
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    time.sleep(600)
"""


@dataclass(frozen=True)
class Ended:
    """How one ending went: `left` names what was left behind, and is empty when all is well."""

    seconds: float
    status: int
    left: tuple[str, ...]


class _Started:
    """A command in a session of its own, as one of a terminal is, with a folder of its own for temporary files."""

    def __init__(self, command: list[str], folder: Path, **environment: str) -> None:
        self.folder = folder / "temporary"
        self.folder.mkdir()
        # Whoever runs this may ignore the end of a terminal, under nohup, and what is started would as well.
        heard = [shutil.which("env") or "env", "--default-signal=SIGHUP", *command]
        self.process = subprocess.Popen(
            heard, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
            env={**os.environ, **environment, "TMPDIR": str(self.folder)},
        )  # fmt: skip

    def line(self, part: str) -> str:
        """The next line of its output with that part."""
        assert self.process.stdout
        return next(line for line in self.process.stdout if part in line)

    def end(self, numbers: tuple[signal.Signals, ...], *, url: str = "") -> Ended:
        """Send the signals as a terminal does, to all in the foreground, and look at what is left."""
        started = time.monotonic()
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                (os.kill if number == signal.SIGKILL else os.killpg)(self.process.pid, number)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = -1
        seconds = time.monotonic() - started
        left = tuple(self._left(url))
        # After a SIGKILL another process cleans up, which takes a moment.
        while left and signal.SIGKILL in numbers and time.monotonic() - started < PATIENCE:
            time.sleep(0.05)
            left = tuple(self._left(url))
        self.process.kill()
        self.process.communicate()
        return Ended(seconds, status, left)

    def _left(self, url: str) -> Iterator[str]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if str(self.folder) in process.environ().get("TMPDIR", "") and process.status() != "zombie":
                    yield f"process {' '.join(process.cmdline())[:60]}"
        yield from (f"file {path.name}" for path in self.folder.iterdir())
        if url:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", urllib.parse.urlsplit(url).port or 0)) == 0:
                    yield f"port of {url}"


def idle_cloud(folder: Path, numbers: tuple[signal.Signals, ...]) -> Ended:
    """`cfnbox up` that has nothing to do."""
    started, url = _cloud(folder)
    return started.end(numbers, url=url)


def used_cloud(folder: Path, numbers: tuple[signal.Signals, ...]) -> Ended:
    """`cfnbox up` after a Lambda function of a user's has run: its code is unpacked, and its process stays."""
    started, url = _cloud(folder)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return event\n")
    functions = clients.client("lambda", url)
    functions.create_function(
        FunctionName="echo", Runtime=f"python3.{sys.version_info.minor}", Handler="index.handler",
        Role="arn:aws:iam::123456789012:role/r", Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    answered = functions.invoke(FunctionName="echo", Payload=b"{}")
    assert (answered["StatusCode"], answered["Payload"].read()) == (200, b"{}")
    return started.end(numbers, url=url)


def hanging_cloud(folder: Path, numbers: tuple[signal.Signals, ...]) -> Ended:
    """`cfnbox up` amid a stack operation whose handler hangs."""
    (folder / "hanging.py").write_text(HANGING)
    started, url = _cloud(
        folder,
        "--schema",
        str(ROOT / "aws-sagemaker-model.json"),
        "--code",
        str(folder),
        "--handler",
        "hanging.resource",
    )
    template = {"Resources": {"Model": {"Type": "AWS::SageMaker::Model", "Properties": MODEL}}}
    clients.client("cloudformation", url).create_stack(StackName="hangs", TemplateBody=json.dumps(template))
    deadline = time.monotonic() + PATIENCE
    while not _sleeps(started.process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return started.end(numbers, url=url)


def sagemaker(folder: Path, numbers: tuple[signal.Signals, ...]) -> Ended:
    """`cfnbox sagemaker`."""
    started = _Started(_cfnbox("sagemaker"), folder)
    return started.end(numbers, url=_url(started.line("http://").rpartition("(")[2]))


def demo(folder: Path, numbers: tuple[signal.Signals, ...]) -> Ended:
    """`make demo`, in the midst of its story."""
    started = _Started(_make("demo"), folder)
    started.line("is served at")
    time.sleep(random.uniform(0, 1.5))
    return started.end(numbers)


def sam_local(folder: Path, numbers: tuple[signal.Signals, ...]) -> Ended:
    """`make sam-local` while it builds; the engine is one that only says that it is there."""
    with docker_engine() as address:
        started = _Started(_make("sam-local"), folder, DOCKER_HOST=address)
        started.line("sam build")
        time.sleep(random.uniform(0, 1.5))
        return started.end(numbers)


@dataclass(frozen=True)
class Kind:
    """One kind of ending: the statuses with which it may end."""

    end: Callable[[Path, tuple[signal.Signals, ...]], Ended]
    statuses: frozenset[int]


_SERVED = frozenset({0})
# What was broken off has not succeeded: make ends by the signal, or with 2 when its recipe did.
_BROKEN_OFF = frozenset({2, 129, 130, 143, *(-number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))})
KINDS = {
    "cfnbox up, idle": Kind(idle_cloud, _SERVED),
    "cfnbox up, a function has run": Kind(used_cloud, _SERVED),
    "cfnbox up, a handler hangs": Kind(hanging_cloud, _SERVED),
    "cfnbox sagemaker": Kind(sagemaker, _SERVED),
    "make demo": Kind(demo, _BROKEN_OFF),
    "make sam-local": Kind(sam_local, _BROKEN_OFF),
}


def ended(kind: str, signals: str) -> Ended:
    """One ending of a kind; anything but a status that it may have is something left behind."""
    with tempfile.TemporaryDirectory() as folder:
        one = KINDS[kind].end(Path(folder), SIGNALS[signals])
    statuses = {-signal.SIGKILL} if signals == "SIGKILL" else KINDS[kind].statuses
    wrong = () if one.status in statuses else (f"status {one.status}",)
    return Ended(one.seconds, one.status, (*wrong, *one.left))


def _cloud(folder: Path, *arguments: str) -> tuple[_Started, str]:
    """A cloud that is ready, and its URL."""
    started = _Started(_cfnbox("up", "--port", "0", *arguments), folder)
    url = _url(started.line("AWS_ENDPOINT_URL"))
    started.line("Ctrl-C")
    return started, url


def _cfnbox(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cfnbox", *arguments]


def _make(target: str) -> list[str]:
    return [shutil.which("make") or "make", target, f"VENV={Path(sys.executable).parent.parent}"]


def _url(line: str) -> str:
    return line.strip().rstrip(")").rpartition("=")[2]


def _sleeps(process_id: int) -> bool:
    below = psutil.Process(process_id).children(recursive=True)
    with contextlib.suppress(psutil.Error):
        return any(process.name() == "sleep" for process in below)
    return False


@contextlib.contextmanager
def _busy(cores: int) -> Iterator[None]:
    """Keep cores busy meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main(_ending: Ending) -> int:
    """End every kind as often as asked for, and print a table: 0 when nothing was left and none took too long."""
    parser = argparse.ArgumentParser(prog="python -m tests.endings", description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=50, help="endings of each kind (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=3, help="that run at the same time (default: %(default)s)")
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="cores kept busy (default: all)")
    arguments = parser.parse_args()
    table = Table("what", "ended by", "times", "slowest", f"over {SECONDS:.0f} s", "left something", box=None)
    well = True
    with _busy(arguments.busy), ThreadPoolExecutor(arguments.at_once) as pool:
        for kind in KINDS:
            for signals in SIGNALS:
                all_ = list(pool.map(ended, [kind] * arguments.times, [signals] * arguments.times))
                late, left = [one for one in all_ if one.seconds > SECONDS], [one for one in all_ if one.left]
                slowest = max(one.seconds for one in all_)
                row = (kind, signals, str(len(all_)), f"{slowest:.2f} s", str(len(late)), str(len(left)))
                table.add_row(*row)
                out.print(*row, *sorted({what for one in left for what in one.left}), sep="  ")
                well = well and not late and not left
    out.print(table)
    return 0 if well else 1


if __name__ == "__main__":
    run(main)
