"""Drift: what a template says of each resource against what its provider reads now."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from laptop.paging import page
from laptop.providers import comparison
from laptop.providers.protocol import Request, ResourceFailed
from laptop.refusal import Invalid
from laptop.template import dynamic, secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from laptop.cloudformation.api import Handler
    from laptop.cloudformation.deployments import Deployments
    from laptop.cloudformation.stacks import Stack, StackResource
    from laptop.paths import Json
    from laptop.providers.protocol import Place

# The states in which drift can be detected (user guide, "Detecting unmanaged changes").
_DETECTABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED",
               "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")  # fmt: skip


@dataclass
class _Detection:
    """One drift detection of a stack."""

    stack: Stack
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "DETECTION_IN_PROGRESS"
    reason: str = ""
    drifted: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Drift:
    """The operations on drift, and every detection that was begun."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments, self._stacks = deployments, deployments.stacks
        self._detections: dict[str, _Detection] = {}

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
        detection, asked = _Detection(stack), [there[name] for name in names]
        self._detections[detection.id] = detection
        threading.Thread(target=self._carry_out, args=(detection, asked), name="drift", daemon=True).start()
        return {"StackDriftDetectionId": detection.id}

    def _carry_out(self, detection: _Detection, resources: list[StackResource]) -> None:
        stack, failed = detection.stack, list[str]()
        for resource in resources:
            try:
                self._check(stack, resource)
            except Exception:  # whatever it is, the detection ends, and names what it could not read
                failed.append(resource.logical_id)
        with self._stacks.changed:
            found = [one.drift["StackResourceDriftStatus"] for one in stack.resources.values()]
            detection.drifted = sum(status in ("MODIFIED", "DELETED") for status in found)
            known = "IN_SYNC" if "IN_SYNC" in found else "NOT_CHECKED"
            stack.drift = {
                "StackDriftStatus": "DRIFTED" if detection.drifted else known,
                "LastCheckTimestamp": datetime.now(UTC),
            }
            if failed:
                detection.reason = f"Failed to detect drift on resources [{', '.join(failed)}]"
            detection.status = "DETECTION_FAILED" if failed else "DETECTION_COMPLETE"

    def _status(self, _place: Place, request: Json) -> Json:
        detection = self._detections.get(request["StackDriftDetectionId"])
        if detection is None:
            raise Invalid("StackDriftDetectionId names no drift detection.")
        complete = detection.status == "DETECTION_COMPLETE"
        return {
            "StackId": detection.stack.id,
            "StackDriftDetectionId": detection.id,
            "DetectionStatus": detection.status,
            "DetectionStatusReason": detection.reason or None,
            "DriftedStackResourceCount": detection.drifted,
            "Timestamp": detection.at,
            "StackDriftStatus": detection.stack.drift["StackDriftStatus"] if complete else None,
        }

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
        request = Request(stack.place, str(uuid.uuid4()))
        try:
            read = served.provider.read(definition, request, resource.exists.identifier)
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
    return {
        "StackId": stack.id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type_name,
        **resource.drift,
    }
