"""Stack operations through a boto3 client, in the way of `aws cloudformation deploy`."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cfnbox.cloudformation.status import ChangeSetStatus, DetectionStatus, DriftStatus, StackStatus
from cfnbox.core.errors import LocalFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cfnbox.core.paths import Json

DEFAULT_PORT = 4566
# Returns the types of a cloud. Clients also use it to check that a local cloud listens on the port.
ABOUT_PATH = "/_local/cloud"
_POLL_SECONDS = 0.1
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class ParametersMissing(LocalFailure):
    """The template has parameters that need a value. The message names them."""


class OperationRefused(LocalFailure):
    """CloudFormation refused the operation before it began. The message is CloudFormation's."""


class StackOperation:
    """An operation on a stack. Create it before the operation starts, so that it can tell the operation's events."""

    def __init__(self, cloudformation: Any, stack_name: str, resources: int | None = None) -> None:
        self._cloudformation, self.stack_name, self.resources = cloudformation, stack_name, resources
        self._stack = stack_name
        self._seen: set[str] = set()
        self._seen.update(event["EventId"] for event in self._new_events(pages=1))
        self.own: list[Json] = []
        self.status = ""

    def _new_events(self, pages: int | None = None) -> list[Json]:
        """Return the events that were not seen yet, oldest first. Pages begin with the newest event."""
        all_pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self._stack)
        new: list[Json] = []
        with suppress(ClientError):
            for page in islice(all_pages, pages):
                unseen = [event for event in page["StackEvents"] if event["EventId"] not in self._seen]
                new += unseen
                if len(unseen) < len(page["StackEvents"]):
                    break
        return new[::-1]

    def events(self, on_silence: Callable[[str, float], None] | None = None) -> Iterator[Json]:
        """Yield the operation's events as they happen, until it ends. `status` and `own` are then complete.

        While there are no events, call `on_silence` repeatedly with the stack's id and the seconds of silence.
        """
        last = time.monotonic()
        while True:
            stack = self.describe()
            # A deleted stack can be described only by its id.
            self._stack, self.status = stack["StackId"], stack["StackStatus"]
            for event in self._new_events():
                if event["EventId"] not in self._seen:
                    last = time.monotonic()
                    self._seen.add(event["EventId"])
                    self.own.append(event)
                    yield event
            if not StackStatus(self.status).is_in_progress:
                return
            if on_silence:
                on_silence(self._stack, time.monotonic() - last)
            time.sleep(_POLL_SECONDS)

    @property
    def url(self) -> str:
        """The address of the cloud."""
        return str(self._cloudformation.meta.endpoint_url)

    def describe(self) -> Json:
        """Return the stack as DescribeStacks returns it."""
        stack: Json = self._cloudformation.describe_stacks(StackName=self._stack)["Stacks"][0]
        return stack

    @property
    def succeeded(self) -> bool:
        """Whether the operation ended with a status of success."""
        return bool(self.status) and StackStatus(self.status).is_success


def stack_name_of(path: str) -> str:
    """Return a stack name made of the name of a template's file; it begins with a letter, as stack names do."""
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", Path(path).stem).strip("-")
    return stem if stem[:1].isalpha() else f"stack-{stem}".rstrip("-")


def find_stack(cloudformation: Any, name: str) -> Json | None:
    """Return the stack as DescribeStacks returns it, or None when no stack has that name."""
    try:
        stack: Json = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    return stack


def make_change_set(
    cloudformation: Any,
    stack_name: str,
    template: str,
    *,
    parameters: Mapping[str, str],
    tags: Mapping[str, str] | None = None,
    resources_to_import: Sequence[Json] = (),
) -> Json | None:
    """Create a change set and wait for it. Return it as DescribeChangeSet does, or None when it has no changes.

    Omitted parameters keep their values. Raise ParametersMissing when a parameter has no value, and OperationRefused
    when CloudFormation cannot create the change set.
    """
    stack = find_stack(cloudformation, stack_name)
    exists = stack is not None and stack["StackStatus"] != StackStatus.REVIEW_IN_PROGRESS
    values = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    declared = cloudformation.get_template_summary(TemplateBody=template).get("Parameters", [])
    previous = {entry["ParameterKey"] for entry in (stack or {}).get("Parameters", [])} if exists else set()
    omitted = {entry["ParameterKey"]: entry for entry in declared if entry["ParameterKey"] not in parameters}
    kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in omitted if key in previous]
    missing = [key for key, entry in omitted.items() if key not in previous and "DefaultValue" not in entry]
    if missing:
        options = " ".join(f"--parameter {name}=..." for name in missing)
        raise ParametersMissing(f"The template needs a value for {' and '.join(missing)}: add {options}")
    extra: Json = {} if tags is None else {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    if resources_to_import:
        extra |= {"ResourcesToImport": list(resources_to_import)}
    answer = cloudformation.create_change_set(
        StackName=stack_name,
        ChangeSetName=f"local-{uuid.uuid4().hex[:12]}",
        ChangeSetType="IMPORT" if resources_to_import else "UPDATE" if exists else "CREATE",
        TemplateBody=template,
        Parameters=values + kept,
        Capabilities=_CAPABILITIES,
        **extra,
    )
    return _finished_change_set(cloudformation, answer["Id"])


def _finished_change_set(cloudformation: Any, identifier: str) -> Json | None:
    while True:
        change_set: Json = cloudformation.describe_change_set(ChangeSetName=identifier, IncludePropertyValues=True)
        if change_set["Status"] == ChangeSetStatus.CREATE_COMPLETE:
            return change_set
        if change_set["Status"] == ChangeSetStatus.FAILED:
            reason = change_set.get("StatusReason", "") + _validation_failures(cloudformation, change_set)
            cloudformation.delete_change_set(ChangeSetName=identifier)
            if any(text in reason for text in _NO_CHANGES):
                return None
            raise OperationRefused(reason)
        time.sleep(_POLL_SECONDS)


def _validation_failures(cloudformation: Any, change_set: Json) -> str:
    """Return the validation errors of a change set, a line for each error."""
    events = cloudformation.describe_events(ChangeSetName=change_set["ChangeSetId"])["OperationEvents"]
    return "".join(
        f"\n  {event['LogicalResourceId']} ({event['ResourceType']}): {event['ValidationStatusReason']} "
        f"{event['ValidationPath']}"
        for event in events
        if event.get("ValidationStatus") == "FAILED"
    )


def execute(cloudformation: Any, stack_name: str, change_set: Json) -> StackOperation:
    """Execute the change set, and return the operation that it started."""
    operation = StackOperation(cloudformation, stack_name, len(change_set["Changes"]))
    cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    return operation


def detect_drift(cloudformation: Any, stack_name: str) -> list[Json]:
    """Detect drift now. Return a StackResourceDrift for each resource that can be checked."""
    detection = cloudformation.detect_stack_drift(StackName=stack_name)["StackDriftDetectionId"]
    while True:
        state = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if state["DetectionStatus"] != DetectionStatus.DETECTION_IN_PROGRESS:
            break
        time.sleep(_POLL_SECONDS)
    drifts: list[Json] = cloudformation.describe_stack_resource_drifts(StackName=stack_name)["StackResourceDrifts"]
    return drifts


def unchecked_drifts(cloudformation: Any, stack_name: str, drifts: Iterable[Json]) -> list[Json]:
    """Return a StackResourceDrift with NOT_CHECKED for each other resource whose drift cannot be detected."""
    checked = {drift["LogicalResourceId"] for drift in drifts}
    resources = cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]
    others = [resource for resource in resources if resource["LogicalResourceId"] not in checked]
    found = [_unchecked(cloudformation, stack_name, resource) for resource in others]
    return [drift for drift in found if drift.get("DriftStatusReason")]


def _unchecked(cloudformation: Any, stack_name: str, resource: Json) -> Json:
    logical_id = resource["LogicalResourceId"]
    request = {"StackName": stack_name, "LogicalResourceId": logical_id}
    try:
        drift: Json = cloudformation.detect_stack_resource_drift(**request)["StackResourceDrift"]
        return drift
    except ClientError as error:
        return {
            "LogicalResourceId": logical_id,
            "ResourceType": resource["ResourceType"],
            "StackResourceDriftStatus": DriftStatus.NOT_CHECKED.value,
            "DriftStatusReason": error.response["Error"]["Message"],
        }
