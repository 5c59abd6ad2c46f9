"""Stacks from Python: deploy a template, read its resources and outputs, update it, delete it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cfnbox import stack_client
from cfnbox.aws import clients
from cfnbox.cloudformation.status import StackStatus
from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.core.paths import Json

    Template = str | Path | Json


class DeployFailed(LocalFailure):
    """A stack was not deployed, or not deleted. The text has the reason of each failed resource.

    `events` are the operation's events as DescribeStackEvents returns them, oldest first; empty when CloudFormation
    refused the request.
    """

    def __init__(self, message: str, events: list[Json] | None = None) -> None:
        super().__init__(message)
        self.events = events or []


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack."""

    logical_id: str
    physical_id: str
    type: str
    status: str


class Session:
    """A session for a region and an account of a cloud: clients of its services, and its stacks.

    `url` is the address of a running cloud. `account` has twelve digits.
    """

    def __init__(self, url: str, *, region: str = DEFAULT_REGION, account: str = DEFAULT_ACCOUNT) -> None:
        self.url, self.region, self.account = clients.require_loopback(url), region, account

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service."""
        return clients.client(service, self.url, self.region, self.account)

    def deploy(
        self,
        template: Template,
        *,
        parameters: Mapping[str, object] | None = None,
        stack_name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Stack:
        """Create or update the stack, and wait until the operation ends.

        `template` is a path, the text of a template, or a dict. Raise DeployFailed when CloudFormation refuses it or
        a resource fails.
        """
        name = stack_name or _stack_name(template)
        stack = Stack(self, name)
        stack.update(template, parameters=parameters, tags=tags)
        return stack

    def stack(self, name: str) -> Stack:
        """Return an existing stack. Raise LookupError when no stack has that name or id."""
        stack = Stack(self, name)
        if stack_client.find_stack(stack.cloudformation, name) is None:
            raise LookupError(f"There is no stack {name} in account {self.account} and region {self.region}.")
        return stack


class Stack:
    """A stack of a session. Every property sends a request to the cloud; only the stack's id is cached."""

    def __init__(self, session: Session, name: str) -> None:
        self.name, self.cloudformation = name, session.client("cloudformation")
        self._id: str | None = None

    def _describe(self) -> Json:
        description: Json = self.cloudformation.describe_stacks(StackName=self._id or self.name)["Stacks"][0]
        # A deleted stack can be described only by its id.
        self._id = description["StackId"]
        return description

    @property
    def id(self) -> str:
        """The ARN of the stack."""
        return self._id or str(self._describe()["StackId"])

    @property
    def status(self) -> str:
        """The status, for example CREATE_COMPLETE."""
        return str(self._describe()["StackStatus"])

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs: key to value."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._describe().get("Outputs", [])}

    @property
    def resources(self) -> dict[str, StackResource]:
        """The resources by logical id."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.id)
        summaries = [summary for page in pages for summary in page["StackResourceSummaries"]]
        return {
            summary["LogicalResourceId"]: StackResource(
                summary["LogicalResourceId"],
                summary.get("PhysicalResourceId", ""),
                summary["ResourceType"],
                summary["ResourceStatus"],
            )
            for summary in summaries
        }

    @property
    def events(self) -> list[Json]:
        """The events of the stack as DescribeStackEvents returns them, oldest first."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.id)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def update(
        self,
        template: Template,
        *,
        parameters: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Deploy a template to this stack, and wait until the operation ends. Do nothing if there is no change.

        Omitted parameters and omitted tags keep their values. Raise DeployFailed as Session.deploy does.
        """
        values = {key: _parameter_value(value) for key, value in (parameters or {}).items()}
        try:
            change_set = stack_client.make_change_set(
                self.cloudformation, self.name, _template_body(template), parameters=values, tags=tags
            )
            if change_set is None:
                return
            operation = stack_client.execute(self.cloudformation, self.name, change_set)
        except (ClientError, LocalFailure) as refused:
            raise DeployFailed(f"{self.name} is not deployed. {_message(refused)}") from None
        self._id = change_set["StackId"]
        self._wait(operation, "is not deployed")

    def drift(self) -> dict[str, Json]:
        """Detect drift and return the resources that have drifted: logical id to StackResourceDrift."""
        drifts = stack_client.detect_drift(self.cloudformation, self.name)
        return {
            drift["LogicalResourceId"]: drift
            for drift in drifts
            if drift["StackResourceDriftStatus"] in ("MODIFIED", "DELETED")
        }

    def delete(self) -> None:
        """Delete the stack, and wait until the operation ends. Raise DeployFailed when a deletion fails."""
        operation = stack_client.StackOperation(self.cloudformation, self.id)
        try:
            self.cloudformation.delete_stack(StackName=self.id)
        except ClientError as refused:
            raise DeployFailed(f"{self.name} is not deleted. {_message(refused)}") from None
        self._wait(operation, "is not deleted")

    def _wait(self, operation: stack_client.StackOperation, failure: str) -> None:
        events = list(operation.events())
        if not operation.succeeded:
            reasons = "".join(f"\n  {reason}" for reason in _failure_reasons(events))
            raise DeployFailed(f"{self.name} {failure}: {operation.status}{reasons}", events)


_ROLLBACKS = (StackStatus.ROLLBACK_IN_PROGRESS, StackStatus.UPDATE_ROLLBACK_IN_PROGRESS)


def _failure_reasons(events: list[Json]) -> list[str]:
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    # The import of an export that does not exist fails the stack and no resource of it.
    failed = failed or [event for event in events if event["ResourceStatus"] in _ROLLBACKS]
    return [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): "
        + " ".join(event.get("ResourceStatusReason", "no reason").split())
        for event in failed
    ]


def _message(refused: ClientError | LocalFailure) -> str:
    return str(refused.response["Error"]["Message"]) if isinstance(refused, ClientError) else str(refused)


def _template_body(template: Template) -> str:
    if isinstance(template, dict):
        return json.dumps(template)
    if isinstance(template, str) and _is_text(template):
        return template
    path = Path(template)
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise DeployFailed(f"The template {path} cannot be read: {problem.strerror}.") from None


def _is_text(template: str) -> bool:
    """Return whether it is a template's text and not a path. JSON can be a single line."""
    return "\n" in template or template.lstrip().startswith("{")


def _parameter_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _stack_name(template: Template) -> str:
    """Return a unique stack name that begins with the name of the template's file."""
    is_path = isinstance(template, Path) or (isinstance(template, str) and not _is_text(template))
    prefix = stack_client.stack_name_of(str(template)) if is_path else "stack"
    return f"{prefix[:100]}-{uuid.uuid4().hex[:8]}"
