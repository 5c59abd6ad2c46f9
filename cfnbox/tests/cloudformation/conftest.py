"""A control plane over a store of things, and boto3 clients of it: what a user sees, without any real service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from cfnbox.aws.http import HttpRequest, HttpServer, send
from cfnbox.aws.wire import Api
from cfnbox.cloudformation.api import CloudFormation
from cfnbox.cloudformation.deployments import Deployments
from cfnbox.cloudformation.stacks import Stacks
from cfnbox.core.errors import Refused
from cfnbox.providers.nested import NestedStacks
from cfnbox.providers.protocol import Providers
from cloud_clients import SESSION, as_a_waiter
from cloudformation.store import StoreProvider
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.cloudformation.template_sources import TemplateSources
    from cfnbox.core.place import Place

REGION = "us-east-1"


class References:
    """SSM parameters that a test gives; no secrets."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def parameter(self, name: str) -> str | None:
        return self._values.get(name)

    def secret(self, secret_id: str, stage: str | None, version_id: str | None) -> str | None:
        return None


class Clock:
    """The timers of operations, whose time only the test puts forward."""

    def __init__(self) -> None:
        self._now, self._timers = 0.0, list[Timer]()

    def timer(self, seconds: float, call: Callable[[], None]) -> Timer:
        self._timers.append(Timer(self._now + seconds, call))
        return self._timers[-1]

    def forward(self, seconds: float) -> None:
        self._now += seconds
        for timer in self._timers:
            if timer.is_started and timer.due <= self._now:
                timer.cancel()
                timer.call()


@dataclass
class Timer:
    """A timer of the test's clock."""

    due: float
    call: Callable[[], None]
    is_started: bool = False

    def start(self) -> None:
        self.is_started = True

    def cancel(self) -> None:
        self.is_started = False


class Control:
    """The control plane of one test: `things` is the provider, `documents` what template URLs hold.

    With `sources` templates and snippets are read by the product instead.
    """

    def __init__(self) -> None:
        self.things = StoreProvider()
        self.clock = Clock()
        self.documents: dict[str, str] = {}
        self.parameters: dict[str, str] = {}
        self.macros: dict[str, Callable[[Any], Any]] = {}
        self.sources: TemplateSources | None = None
        nested = NestedStacks(lambda: self.cloudformation.nesting)
        deployments = Deployments(
            Stacks(),
            Providers([nested, self.things]),
            self._document,
            lambda bucket, key, place: self.sources.included(bucket, key, place) if self.sources else None,
            lambda _place: References(self.parameters),
            find_macro=lambda name, _place: self.macros.get(name),
        )
        self.cloudformation = CloudFormation(deployments, self.clock.timer)
        self._api = Api("cloudformation", self.cloudformation.operations)

    def _document(self, url: str, place: Place) -> str:
        if self.sources:
            return self.sources.template(url, place)
        if url not in self.documents:
            raise Refused("ValidationError", f"S3 error: there is nothing at {url}")
        return self.documents[url]

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return send(start_response, self._api.answer(HttpRequest.of(environ)))


class User:
    """boto3 as a user has it, and how a user waits."""

    def __init__(self, url: str, region: str = REGION) -> None:
        self.client: Any = SESSION.client(
            "cloudformation", endpoint_url=url, region_name=region, aws_access_key_id="test",
            aws_secret_access_key="test", config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def create(self, name: str, template: Any, **options: Any) -> dict[str, Any]:
        stack_id = self.client.create_stack(StackName=name, TemplateBody=text(template), **options)["StackId"]
        return self.rest(stack_id)

    def update(self, name: str, template: Any, **options: Any) -> dict[str, Any]:
        self.client.update_stack(StackName=name, TemplateBody=text(template), **options)
        return self.rest(name)

    def delete(self, name: str, **options: Any) -> dict[str, Any]:
        stack_id = self.describe(name)["StackId"]
        self.client.delete_stack(StackName=name, **options)
        return self.rest(stack_id)

    def describe(self, name: str) -> dict[str, Any]:
        stack: dict[str, Any] = self.client.describe_stacks(StackName=name)["Stacks"][0]
        return stack

    @as_a_waiter
    def rest(self, name: str) -> dict[str, Any]:
        """Return the stack when nothing is in progress any more."""

        def rested() -> dict[str, Any] | None:
            stack = self.describe(name)
            is_in_progress = stack["StackStatus"].endswith("_IN_PROGRESS")
            return None if is_in_progress and stack["StackStatus"] != "REVIEW_IN_PROGRESS" else stack

        return eventually(rested)

    def reach(self, name: str, logical_id: str, status: str) -> None:
        """Wait until a resource has a status."""
        eventually(lambda: (logical_id, status) in [event[:2] for event in self.events(name)])

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """(logical id, status, reason), oldest first."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=name)
        events = [event for page in pages for event in page["StackEvents"]][::-1]
        return [
            (one["LogicalResourceId"], one["ResourceStatus"], one.get("ResourceStatusReason", "")) for one in events
        ]

    def history(self, name: str) -> list[dict[str, Any]]:
        """Every event as boto3 answers it, oldest first."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=name)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def story(self, name: str, after: int = 0) -> list[str]:
        """The events after the first so many, each as logical id, status and physical id."""
        return [
            f"{one['LogicalResourceId']} {one['ResourceStatus']} {one['PhysicalResourceId']}".strip()
            if one["PhysicalResourceId"] != one["StackId"]
            else one["ResourceStatus"]
            for one in self.history(name)[after:]
        ]

    def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        """Code and sentence with which an operation is refused."""
        with pytest.raises(self.client.exceptions.ClientError) as refusal:
            getattr(self.client, operation)(**request)
        error = refusal.value.response["Error"]
        return error["Code"], error["Message"]

    def change_set(self, stack: str, template: Any, name: str = "change", **options: Any) -> dict[str, Any]:
        """A new change set as DescribeChangeSet tells it."""
        made = self.client.create_change_set(
            StackName=stack, ChangeSetName=name, TemplateBody=text(template), **options
        )
        described: dict[str, Any] = self.client.describe_change_set(ChangeSetName=made["Id"])
        return described

    def execute(self, change_set: dict[str, Any], **options: Any) -> dict[str, Any]:
        self.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"], **options)
        return self.rest(change_set["StackId"])

    def changes(self, change_set: dict[str, Any]) -> dict[str, str]:
        """Action by logical id, with the replacement of what is modified."""
        told = [one["ResourceChange"] for one in change_set["Changes"]]
        return {
            one["LogicalResourceId"]: " ".join(filter(None, [one["Action"], one.get("Replacement")])) for one in told
        }

    def resources(self, name: str) -> dict[str, dict[str, Any]]:
        listed = self.client.describe_stack_resources(StackName=name)["StackResources"]
        return {one["LogicalResourceId"]: one for one in listed}

    def outputs(self, name: str) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self.describe(name).get("Outputs", [])}


def text(template: Any) -> str:
    return template if isinstance(template, str) else json.dumps(template)


def thing(kind: str = "Thing", *, depends_on: Any = None, policies: Any = (), **properties: Any) -> dict[str, Any]:
    """A resource of the store in a template."""
    definition: dict[str, Any] = {"Type": f"Acme::Store::{kind}", "Properties": properties}
    return definition | ({"DependsOn": depends_on} if depends_on else {}) | dict(policies)


def template(**resources: Any) -> dict[str, Any]:
    return {"Resources": resources}


class Door:
    """Leads requests to the control plane of the test that runs: one server and one client serve all tests."""

    control: Control

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return self.control(environ, start_response)


@pytest.fixture(scope="session")
def door() -> Door:
    return Door()


@pytest.fixture(scope="session")
def server(door: Door) -> Iterator[HttpServer]:
    started = HttpServer(door)
    yield started
    started.close()


@pytest.fixture(scope="session")
def anybody(server: HttpServer) -> User:
    return User(server.url)


@pytest.fixture
def control(door: Door) -> Iterator[Control]:
    door.control = Control()
    yield door.control
    for event in door.control.things.orders.hang.values():
        event.set()
    door.control.cloudformation.runs.close()


@pytest.fixture
def user(control: Control, anybody: User) -> User:
    return anybody
