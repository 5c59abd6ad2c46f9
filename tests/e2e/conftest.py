"""A cloud for the whole session, and stacks to try on it."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import programs
from cfnbox import stack_client
from cfnbox.aws import clients
from cfnbox.cloud import Cloud
from cfnbox.registry.projects import Project, layout
from cloud_clients import as_a_waiter
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
# The project of a type that keeps notes in a file.
NOTE = Path(__file__).parent / "note"


def local_command(*arguments: str) -> list[str]:
    return [programs.program("cfnbox"), *arguments]


def descendants(pid: int) -> set[int]:
    """Return every process below that one."""
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def is_running(pid: int) -> bool:
    """Return whether the process runs; one that has ended may wait for init to reap it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def started_cloud(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A cloud that is a process of its own: its URL, once it is ready, and the process."""
    command = local_command("up", "--port", "0", *arguments)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout)
            exports = dict(line.removeprefix("export ").strip().split("=") for line in said if "=" in line)
            yield exports["AWS_ENDPOINT_URL"], process
        finally:
            process.terminate()


class Stack:
    """A stack of the test's own, driven as a user does: through CloudFormation's API."""

    def __init__(self, url: str, name: str) -> None:
        self.cloudformation: Any = clients.client("cloudformation", url)
        self.name = name
        self._id = name

    def begin(self, template: Any, **arguments: Any) -> None:
        self.cloudformation.create_stack(**self._arguments(template, arguments))

    def create(self, template: Any, **arguments: Any) -> dict[str, Any]:
        self.begin(template, **arguments)
        return self.rest()

    def physical_id(self, logical_id: str) -> str:
        asked = {"StackName": self._id, "LogicalResourceId": logical_id}
        return str(self.cloudformation.describe_stack_resource(**asked)["StackResourceDetail"]["PhysicalResourceId"])

    def update(self, template: Any, **arguments: Any) -> dict[str, Any]:
        self.cloudformation.update_stack(**self._arguments(template, arguments))
        return self.rest()

    def delete(self) -> dict[str, Any]:
        # By its id a stack can still be described once it is gone.
        self._id = self.describe()["StackId"]
        self.cloudformation.delete_stack(StackName=self.name)
        return self.rest()

    def _arguments(self, template: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        tags = [{"Key": key, "Value": value} for key, value in arguments.pop("tags", {}).items()]
        body = template if isinstance(template, str) else json.dumps(template)
        given = {"Capabilities": ["CAPABILITY_IAM"], **arguments} | ({"Tags": tags} if tags else {})
        return {"StackName": self.name, "TemplateBody": body, **given}

    def describe(self) -> dict[str, Any]:
        stack: dict[str, Any] = self.cloudformation.describe_stacks(StackName=self._id)["Stacks"][0]
        return stack

    @as_a_waiter
    def rest(self) -> dict[str, Any]:
        """Return the stack when nothing is in progress any more."""

        def rested() -> dict[str, Any] | None:
            stack = self.describe()
            return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

        return eventually(rested)

    def events(self) -> list[tuple[str, str, str]]:
        """(logical id, status, reason), oldest first."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self._id)
        events = [event for page in pages for event in page["StackEvents"]][::-1]
        return [
            (one["LogicalResourceId"], one["ResourceStatus"], one.get("ResourceStatusReason", "")) for one in events
        ]

    def reasons(self, status: str) -> list[str]:
        return [reason for _, state, reason in self.events() if state == status]

    def outputs(self) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self.describe().get("Outputs", [])}

    def change_set(self, template: Any, **arguments: Any) -> Any:
        made = self.cloudformation.create_change_set(ChangeSetName="changes", **self._arguments(template, arguments))

        def ended() -> Any:
            described = self.cloudformation.describe_change_set(ChangeSetName=made["Id"])
            return None if described["Status"].endswith(("_PENDING", "_IN_PROGRESS")) else described

        return eventually(ended)

    def drift(self) -> dict[str, Any]:
        drifts = stack_client.detect_drift(self.cloudformation, self.name)
        return {one["LogicalResourceId"]: one for one in drifts}


@pytest.fixture(scope="module")
def cloud(pytestconfig: pytest.Config) -> Iterator[Cloud]:
    code = (pytestconfig.getoption("code").resolve(),)
    project = Project(lambda: replace(layout(ROOT), code=code, requirements=None))
    with Cloud(sources=[project]) as started:
        yield started


@pytest.fixture
def stack_name(request: pytest.FixtureRequest) -> str:
    name = request.node.name
    return re.sub("[^a-zA-Z0-9]+", "-", f"{name.removeprefix('test_')[:24]}-{zlib.crc32(name.encode()):x}")


@pytest.fixture
def stack(cloud: Cloud, stack_name: str) -> Iterator[Stack]:
    yield Stack(cloud.url, stack_name)
    cloud.sagemaker.faults.clear()


@pytest.fixture(scope="module")
def sagemaker(cloud: Cloud) -> Any:
    """A client of the same endpoint, as a user has it."""
    return clients.client("sagemaker", cloud.url)
