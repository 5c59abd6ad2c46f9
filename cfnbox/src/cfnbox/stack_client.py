"""Stack operations by a boto3 client, as `aws cloudformation deploy` performs them."""

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
# Answers what the cloud serves; tells a local cloud from anything else on the port.
ABOUT_PATH = "/_local/cloud"
_POLL_SECONDS = 0.1
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class ParametersMissing(LocalFailure):
    """The template has parameters that need a value; the message names them."""


class OperationRefused(LocalFailure):
    """CloudFormation refused the operation before it began; the message is its own."""


class Operation:
    """One operation on a stack, from before it starts: knows which events are its own."""

    def __init__(self, cloudformation: Any, stack_name: str, resources: int | None = None) -> None:
        self._cloudformation, self.stack_name, self.resources = cloudformation, stack_name, resources
        self._stack = stack_name
        self._seen: set[str] = set()
        self._seen.update(event["EventId"] for event in self._new_events(pages=1))
        self.own: list[Json] = []
        self.status = ""

    def _new_events(self, pages: int | None = None) -> list[Json]:
        """The events after those that were seen, oldest first: pages begin with the newest."""
        described = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self._stack)
        new: list[Json] = []
        with suppress(ClientError):
            for page in islice(described, pages):
                unseen = [event for event in page["StackEvents"] if event["EventId"] not in self._seen]
                new += unseen
                if len(unseen) < len(page["StackEvents"]):
                    break
        return new[::-1]

    def events(self, on_silence: Callable[[str, float], None] | None = None) -> Iterator[Json]:
        """Yield the operation's events as they happen, until the stack rests; `status` and `own` are complete then.

        While nothing happens, `on_silence` is given the id of the stack and the seconds of silence, again and again.
        """
        last = time.monotonic()
        while True:
            stack = self.describe()
            # By its id a stack can still be described after its deletion.
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
        """The stack as DescribeStacks returns it."""
        stack: Json = self._cloudformation.describe_stacks(StackName=self._stack)["Stacks"][0]
        return stack

    @property
    def succeeded(self) -> bool:
        """Whether the stack rests where the operation was to lead."""
        return bool(self.status) and StackStatus(self.status).is_success


def stack_name_of(path: str) -> str:
    """Return a stack name made of the name of a template's file; it begins with a letter, as stack names do."""
    stem = re.sub(r"[^a-zA-Z0-9]+", "-", Path(path).stem).strip("-")
    return stem if stem[:1].isalpha() else f"stack-{stem}".rstrip("-")


def find_stack(cloudformation: Any, name: str) -> Json | None:
    """The stack as DescribeStacks returns it, or None when there is none of that name."""
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
    """A finished change set as DescribeChangeSet returns it, or None when it would change nothing.

    A parameter that is not given keeps its value. Raises ParametersMissing when one has none, and OperationRefused
    when CloudFormation cannot make it.
    """
    stack = find_stack(cloudformation, stack_name)
    exists = stack is not None and stack["StackStatus"] != StackStatus.REVIEW_IN_PROGRESS
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    declared = cloudformation.get_template_summary(TemplateBody=template).get("Parameters", [])
    had = {one["ParameterKey"] for one in (stack or {}).get("Parameters", [])} if exists else set()
    open_ = [one for one in declared if one["ParameterKey"] not in parameters]
    kept = [
        {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True} for one in open_ if one["ParameterKey"] in had
    ]
    missing = [one["ParameterKey"] for one in open_ if one["ParameterKey"] not in had and "DefaultValue" not in one]
    if missing:
        options = " ".join(f"--parameter {name}=..." for name in missing)
        raise ParametersMissing(f"The template needs a value for {' and '.join(missing)}: add {options}")
    extra: Json = {} if tags is None else {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    if resources_to_import:
        extra |= {"ResourcesToImport": list(resources_to_import)}
    made = cloudformation.create_change_set(
        StackName=stack_name,
        ChangeSetName=f"local-{uuid.uuid4().hex[:12]}",
        ChangeSetType="IMPORT" if resources_to_import else "UPDATE" if exists else "CREATE",
        TemplateBody=template,
        Parameters=given + kept,
        Capabilities=_CAPABILITIES,
        **extra,
    )
    return _finished_change_set(cloudformation, made["Id"])


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
    """Return what the validation of a change set found, a line for each finding."""
    events = cloudformation.describe_events(ChangeSetName=change_set["ChangeSetId"])["OperationEvents"]
    return "".join(
        f"\n  {event['LogicalResourceId']} ({event['ResourceType']}): {event['ValidationStatusReason']} "
        f"{event['ValidationPath']}"
        for event in events
        if event.get("ValidationStatus") == "FAILED"
    )


def execute(cloudformation: Any, stack_name: str, change_set: Json) -> Operation:
    """Start what the change set describes."""
    operation = Operation(cloudformation, stack_name, len(change_set["Changes"]))
    cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    return operation


def detect_drift(cloudformation: Any, stack_name: str) -> list[Json]:
    """Detect drift now: one StackResourceDrift for each resource that can be checked."""
    detection = cloudformation.detect_stack_drift(StackName=stack_name)["StackDriftDetectionId"]
    while True:
        state = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if state["DetectionStatus"] != DetectionStatus.DETECTION_IN_PROGRESS:
            break
        time.sleep(_POLL_SECONDS)
    drifts: list[Json] = cloudformation.describe_stack_resource_drifts(StackName=stack_name)["StackResourceDrifts"]
    return drifts


def unchecked_drifts(cloudformation: Any, stack_name: str, drifts: Iterable[Json]) -> list[Json]:
    """Return a StackResourceDrift, NOT_CHECKED, for each other resource whose drift cannot be told for a reason."""
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
