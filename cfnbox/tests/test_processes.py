"""Children and temporary files of a killed process: its watcher or the next start removes them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from programs import running_cloud
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = {
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/inference",
    "PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"},
}
PROJECT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 300.0
# A child that hears no signal and starts a process in another session, as a user's handler may.
CHILD = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
time.sleep(600)
"""
OWNER = """
import json, sys, threading
from cfnbox.core.processes import ChildProcesses
children = ChildProcesses()
(children.folder / "left").write_text("left")
process = children.start([sys.executable, "-c", sys.argv[1]])
print(json.dumps({"folder": str(children.folder), "child": process.pid}), flush=True)
"""


@contextlib.contextmanager
def owner(folder: Path, end: str = "threading.Event().wait()") -> Iterator[tuple[psutil.Process, dict[str, Any]]]:
    """A process with a child, and its output about the child."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER + end, CHILD], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    try:
        yield psutil.Process(process.pid), json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def below(folder: Path) -> list[psutil.Process]:
    """The running processes that have their temporary files in the folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            inside = process.environ().get("TMPDIR", "").startswith(str(folder))
            if inside and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_children_and_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    with owner(tmp_path) as (process, _):
        eventually(lambda: len(below(tmp_path)) == 4)
        process.kill()
        eventually(lambda: not below(tmp_path) and not list(tmp_path.iterdir()))


@pytest.mark.parametrize("end", ["children.close()", "children.exit(0)"])
def test_a_process_that_ends_by_itself_leaves_nothing(tmp_path: Path, end: str) -> None:
    with owner(tmp_path, f"sys.stdin.read(); {end}") as (process, _):
        process.wait(LIMIT_SECONDS)
        assert below(tmp_path) == []
        assert list(tmp_path.iterdir()) == []


def test_the_next_start_removes_remains_of_a_process_killed_with_its_watcher(tmp_path: Path) -> None:
    with owner(tmp_path) as (process, run), owner(tmp_path) as (_, living):
        eventually(lambda: len(below(tmp_path)) == 8)
        for killed in [*(child for child in process.children() if child.pid != run["child"]), process]:
            killed.kill()
        assert psutil.pid_exists(run["child"])
        with owner(tmp_path) as (_, _next):
            eventually(lambda: not Path(run["folder"]).exists() and not psutil.pid_exists(run["child"]))
            # A run whose owner lives is left alone.
            assert (Path(living["folder"]) / "left").exists()
            assert psutil.pid_exists(living["child"])


def test_killed_handlers_are_reaped(tmp_path: Path) -> None:
    with running_cloud(str(PROJECT), folder=tmp_path) as cloud:
        clouds = (child for child in psutil.Process().children() if "up" in child.cmdline())
        # Another test of this process may have a cloud of its own.
        up = max(clouds, key=psutil.Process.create_time)
        control = cloud.client("cloudcontrol")
        for round_ in range(10):
            request = {"TypeName": "AWS::SageMaker::Model", "DesiredState": json.dumps(MODEL)}
            token = control.create_resource(**request)["ProgressEvent"]["RequestToken"]
            control.get_waiter("resource_request_success").wait(RequestToken=token)
            killed = [child for child in up.children() if "awslambdaric" in child.cmdline()]
            assert killed, f"no handler in round {round_}"
            for child in killed:
                child.kill()
        below_up = up.children(recursive=True)
        # Those of the last round are reaped by the invocation after it.
        assert sum(child.status() == psutil.STATUS_ZOMBIE for child in below_up) <= len(killed)


LIBRARY = """
import json, sys, threading
from pathlib import Path
from cfnbox import Cloud
from cfnbox.registry.projects import Layout, Project
layout = Layout(Path(sys.argv[1]), Path(sys.argv[2]), "hanging.resource", (Path(sys.argv[1]),))
cloud = Cloud(sources=[Project(lambda: layout)])
event = json.dumps({"resourceType": "AWS::SageMaker::Model", "action": "LIST", "region": "us-east-1"})
invoke = cloud.client("lambda").invoke
threading.Thread(target=invoke, kwargs={"FunctionName": "TypeFunction", "Payload": event}, daemon=True).start()
print(json.dumps({}), flush=True)
threading.Event().wait()
"""
HANGING = """
import signal, time

def resource(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"""


def test_a_hanging_handler_ends_with_the_process_that_uses_the_library(tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-c", LIBRARY, str(tmp_path), str(PROJECT / "aws-sagemaker-model.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(temporary)}) as process:
        assert process.stdout
        process.stdout.readline()
        # The process itself, its watcher, ministack and the handler.
        eventually(lambda: len(below(temporary)) >= 4)
        process.kill()
        eventually(lambda: not below(temporary))
        assert [path.name for path in temporary.iterdir() if not path.name.startswith("project-")] == []
