"""Drift: what a template says of each resource against what its provider reads now."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cfnbox.aws.paging import page
from cfnbox.cloudformation.describe import resource_description
from cfnbox.core.errors import Invalid
from cfnbox.core.unexpected import internal_error
from cfnbox.providers import comparison
from cfnbox.providers.protocol import Request, ResourceFailed
from cfnbox.template import dynamic, secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.cloudformation.api import Handler
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.stacks import Stack, StackResource
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

# The states in which drift can be detected (user guide, "Detecting unmanaged changes").
_DETECTABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED",
               "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")  # fmt: skip


class Drift:
    """The operations on drift, and every detection that was begun."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments, self._stacks = deployments, deployments.stacks
        # Each by its id, as DescribeStackDriftDetectionStatus answers it.
        self._detections: dict[str, Json] = {}

    @property
    def operations(self) -> Mapping[str, Handler]:
        """The operations by name."""
        return {
            "DetectStackDrift": self._detect,
            "DescribeStackDriftDetectionStatus": self._status,
            "DetectStackResourceDrift": self._detect_resource,
            "DescribeStackResourceDrifts": self._resource_drifts,
        }

    def _stack(self, place: Place, request: Json) -> Stack:
        stack = self._stacks.require(place, request["StackName"])
        if stack.status not in _DETECTABLE:
            raise Invalid(
                f"Stack [{stack.name}] is in {stack.status} state; drift detection is possible in the states "
                f"{', '.join(_DETECTABLE)}."
            )
        return stack

    def _detect(self, place: Place, request: Json) -> Json:
        """Begin to detect drift of a stack, or of some of its resources, in a thread of its own."""
        stack = self._stack(place, request)
        there = stack.resources
        names = sorted(request.get("LogicalResourceIds", there.keys()))
        if unknown := [name for name in names if name not in there]:
            raise Invalid(f"Resource(s) [{', '.join(unknown)}] do not exist in stack [{stack.name}]")
        detection_id, asked = str(uuid.uuid4()), [there[name] for name in names]
        self._detections[detection_id] = {
            "StackId": stack.id,
            "StackDriftDetectionId": detection_id,
            "DetectionStatus": "DETECTION_IN_PROGRESS",
            "Timestamp": datetime.now(UTC),
        }
        threading.Thread(target=self._carry_out, args=(detection_id, stack, asked), name="drift", daemon=True).start()
        return {"StackDriftDetectionId": detection_id}

    def _carry_out(self, detection_id: str, stack: Stack, resources: list[StackResource]) -> None:
        failed = list[str]()
        for resource in resources:
            try:
                self._check(stack, resource)
            except ResourceFailed:
                failed.append(resource.logical_id)
            except Exception as problem:  # the detection ends in any case, and names what it could not read
                internal_error(f"the drift detection of {resource.type_name}", problem)
                failed.append(resource.logical_id)
        with self._stacks.changed:
            found = [one.drift["StackResourceDriftStatus"] for one in stack.resources.values()]
            unread = ", ".join(failed)
            drifted = sum(status in ("MODIFIED", "DELETED") for status in found)
            status = "DRIFTED" if drifted else "IN_SYNC" if "IN_SYNC" in found else "NOT_CHECKED"
            stack.drift = {"StackDriftStatus": status, "LastCheckTimestamp": datetime.now(UTC)}
            self._detections[detection_id] |= {
                "DetectionStatus": "DETECTION_FAILED" if failed else "DETECTION_COMPLETE",
                "DetectionStatusReason": f"Failed to detect drift on resources [{unread}]" if failed else None,
                "DriftedStackResourceCount": drifted,
                "StackDriftStatus": None if failed else status,
            }

    def _status(self, _place: Place, request: Json) -> Json:
        if request["StackDriftDetectionId"] not in self._detections:
            raise Invalid("StackDriftDetectionId names no drift detection.")
        return self._detections[request["StackDriftDetectionId"]]

    def _detect_resource(self, place: Place, request: Json) -> Json:
        stack = self._stack(place, request)
        resource = stack.resource(request["LogicalResourceId"])
        try:
            return {"StackResourceDrift": _described(stack, self._check(stack, resource))}
        except ResourceFailed as failure:
            raise Invalid(str(failure)) from None

    def _resource_drifts(self, place: Place, request: Json) -> Json:
        stack = self._stacks.require(place, request["StackName"])
        wanted = request.get("StackResourceDriftStatusFilters")
        found = [(one, one.drift["StackResourceDriftStatus"]) for one in stack.resources.values()]
        checked = [
            _described(stack, one)
            for one, status in found
            if status != "NOT_CHECKED" and (wanted is None or status in wanted)
        ]
        return page(checked, request, "StackResourceDrifts")

    def _check(self, stack: Stack, resource: StackResource) -> StackResource:
        """Detect drift of one resource now; raises ResourceFailed when it cannot be read."""
        checked = replace(resource, drift={**self._checked(stack, resource), "Timestamp": datetime.now(UTC)})
        with self._stacks.changed:
            now = stack.resources.get(resource.logical_id)
            if now is not None and now.physical_id == resource.physical_id:
                # Not told in an event, and no change of the resource.
                stack.resources = {**stack.resources, resource.logical_id: replace(now, drift=checked.drift)}
        return checked

    def _checked(self, stack: Stack, resource: StackResource) -> Json:
        served = self._deployments.find(resource.type_name, stack.place)
        definition = served.definition
        if resource.exists is None:
            return {"StackResourceDriftStatus": "NOT_CHECKED"}
        try:
            read = served.provider.read(definition, Request(stack.place), resource.exists.identifier)
        except ResourceFailed as failure:
            if failure.code == "NotFound":
                return {"StackResourceDriftStatus": "DELETED"}
            if failure.code == "UnsupportedAction":
                return {"StackResourceDriftStatus": "NOT_CHECKED", "DriftStatusReason": str(failure)}
            raise
        expected = comparison.expected(definition, resource.properties, resource.stack_tags)
        actual = dynamic.as_referred(expected, comparison.compared(definition, read.model, expected))
        differences = list(comparison.differences(definition, expected, actual))
        expected, actual, differences = secrets.hidden([expected, actual, differences], stack.secrets)
        return {
            "StackResourceDriftStatus": "MODIFIED" if differences else "IN_SYNC",
            "ExpectedProperties": json.dumps(expected),
            "ActualProperties": json.dumps(actual),
            "PropertyDifferences": differences,
        }


def _described(stack: Stack, resource: StackResource) -> Json:
    """A StackResourceDrift as DescribeStackResourceDrifts answers it."""
    return {**resource_description(stack, resource), **resource.drift}
