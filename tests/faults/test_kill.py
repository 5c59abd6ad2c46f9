"""SIGKILL before and after every API call of a mutation; the event delivered again must put everything right."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, cast

import pytest

from cfnbox.aws.http import ConnectionDropped, HttpServer
from cfnbox.handlers.events import InvocationFailed
from cfnbox.handlers.runtime import LambdaRuntime
from tests.conftest import ROOT
from tests.faults.scenarios import BYSTANDER, SITUATIONS, Service, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# The calls of a mutation that nothing disturbs, and what repeating it answers: (name of situation, its calls).
MUTATIONS = {
    "create": ("CreateModel", "DescribeModel"),
    "create named": ("CreateModel", "DescribeModel"),
    "update": ("DescribeModel", "ListTags", "AddTags", "DeleteTags"),
    "delete": ("DeleteModel",),
}
MOMENTS = [(name, call, when) for name, calls in MUTATIONS.items() for call in calls for when in ("before", "after")]
# Made under a name of the user's choice by a handler that died: nothing tells such a model from somebody else's.
# CloudFormation hears that it exists, and not that it is ours.
UNKNOWABLE = [moment for moment in MOMENTS if moment[0] == "create named" and moment[1:] != ("CreateModel", "before")]


class Gate:
    """A WSGI application before another; kills a process at a call, before or after the service acts."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.pid: Callable[[], int] | None = None
        self.fatal: tuple[str, str] | None = None
        self.calls: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        call = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if self.fatal == (call, "before"):
            self._kill()
        answer = self._app(environ, start_response)
        self.calls.append(call)
        if self.fatal == (call, "after"):
            self._kill()
        return answer

    def _kill(self) -> None:
        if self.pid:
            os.kill(self.pid(), signal.SIGKILL)
        raise ConnectionDropped


class Handlers:
    """Handlers of events, each in a process of its own."""

    def __init__(self, url: str, gate: Any) -> None:
        self._gate = gate
        environ = {
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.handler_process"],
            env={**environ, "PATH": os.environ["PATH"]}, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._requests, self._answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)

    def deliver(self, event: Any) -> Any:
        """The answer to an event, or None when the handler was killed."""
        self._requests.write(json.dumps(event) + "\n")
        self._requests.flush()
        known: queue.Queue[Any] = queue.Queue()
        self._gate.pid = lambda: known.get(timeout=60)
        known.put(json.loads(self._answers.readline()))
        return json.loads(self._answers.readline())

    def close(self) -> None:
        self._requests.close()
        self._answers.close()
        self._process.wait(timeout=60)


@pytest.fixture(scope="module")
def gate(_server: Any) -> Any:
    return Gate(_server.app)


@pytest.fixture(scope="module")
def url(gate: Any) -> Iterator[Any]:
    server = HttpServer(gate)
    yield server.url
    server.close()


@pytest.fixture(scope="module")
def handlers(url: str, gate: Any) -> Iterator[Any]:
    processes = Handlers(url, gate)
    yield processes
    processes.close()


@pytest.fixture(autouse=True)
def _open(gate: Any) -> None:
    gate.fatal = None
    gate.calls.clear()


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_moments_are_all_there_are(name: str, gate: Any, service: Service, handlers: Any) -> None:
    SITUATIONS[name].prepare(service)
    assert outcome(handlers.deliver(SITUATIONS[name].event())) == "SUCCESS"
    assert tuple(gate.calls) == MUTATIONS[name]


@pytest.mark.parametrize(("name", "call", "when"), MOMENTS, ids=[" ".join(moment) for moment in MOMENTS])
def test_killed_and_delivered_again(
    name: str, call: Any, when: Any, gate: Any, service: Service, handlers: Any
) -> None:
    situation = SITUATIONS[name]
    situation.prepare(service)
    event = situation.event()

    gate.fatal = call, when
    assert handlers.deliver(event) is None
    if situation.action == "CREATE":
        made = (call, when) != ("CreateModel", "before")
        assert len(service.models().keys() - BYSTANDER.keys()) == made

    gate.fatal = None
    again = handlers.deliver(event)
    if (name, call, when) in UNKNOWABLE:
        assert outcome(again) == "AlreadyExists"
        assert again.get("resourceModel") is None
    else:
        done = (call, when) == ("DeleteModel", "after")
        assert outcome(again) == (situation.repeated if done else "SUCCESS")
    # And once more, as CloudFormation may.
    assert outcome(handlers.deliver(event)) in ("SUCCESS", "NotFound", "AlreadyExists")
    assert service.models() == situation.expected(service.models())


@pytest.mark.parametrize("name", ["create", "update"])
def test_killed_again_and_again(name: str, gate: Any, service: Service, handlers: Any) -> None:
    """One event, a handler killed at every moment in turn, until at last one lives."""
    situation = SITUATIONS[name]
    situation.prepare(service)
    event = situation.event()
    for call in MUTATIONS[name]:
        for when in ("before", "after"):
            gate.fatal = call, when
            assert handlers.deliver(event) is None
    gate.fatal = None
    assert outcome(handlers.deliver(event)) == "SUCCESS"
    assert service.models() == situation.expected(service.models())


TELLS_ITS_PROCESS = """
import os, pathlib
from aws_sagemaker_model.handlers import resource

pathlib.Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_lambda_runtime_killed(when: Any, gate: Any, url: str, service: Service, tmp_path: Path) -> None:
    """The same in AWS's own runtime, which starts a new execution environment for the second delivery."""
    (tmp_path / "telling.py").write_text(TELLS_ITS_PROCESS)
    gate.pid = lambda: int((tmp_path / "telling.pid").read_text())
    event = SITUATIONS["create"].event()
    with LambdaRuntime("telling.resource", [tmp_path, ROOT / "src"], {"AWS_ENDPOINT_URL": url}) as runtime:
        gate.fatal = "CreateModel", when
        with pytest.raises(InvocationFailed):
            runtime.invoke(event)
        gate.fatal = None
        assert runtime.invoke(event)["status"] == "SUCCESS"
    assert list(service.models().values()) == [SITUATIONS["create"].tags]
