"""Drift: the differences between the properties of a resource in its template and those that its provider reads."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cfnbox.aws.paging import page
from cfnbox.cloudformation.actual_state import compare
from cfnbox.cloudformation.answers import present
from cfnbox.cloudformation.status import DRIFT_DETECTABLE, DetectionStatus, DriftStatus
from cfnbox.core.errors import Invalid
from cfnbox.core.history import drop_oldest
from cfnbox.core.unexpected import internal_error
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_boto3_cloudformation.type_defs import (
        DescribeStackDriftDetectionStatusInputTypeDef,
        DescribeStackResourceDriftsInputTypeDef,
        DetectStackDriftInputTypeDef,
        DetectStackResourceDriftInputTypeDef,
    )

    from cfnbox.cloudformation.deployment import ResourceState
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.requests import Handler
    from cfnbox.cloudformation.stacks import StackState
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

_MOST_DETECTIONS = 500


class DriftOperations:
    """The operations on drift, and every detection."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments, self._stacks = deployments, deployments.stacks
        # By id, as DescribeStackDriftDetectionStatus answers them.
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

    def _stack(self, place: Place, name: str) -> StackState:
        stack = self._stacks.require(place, name)
        if stack.status not in DRIFT_DETECTABLE:
            raise Invalid(
                f"Stack [{stack.name}] is in {stack.status} state; drift detection is possible in the states "
                f"{', '.join(DRIFT_DETECTABLE)}."
            )
        return stack

    def _detect(self, place: Place, request: DetectStackDriftInputTypeDef) -> Json:
        """Begin to detect drift of a stack, or of some of its resources, in a thread of its own."""
        stack = self._stack(place, request["StackName"])
        resources = stack.resources
        names = sorted(request.get("LogicalResourceIds", resources.keys()))
        if unknown := [name for name in names if name not in resources]:
            raise Invalid(f"Resource(s) [{', '.join(unknown)}] do not exist in stack [{stack.name}]")
        detection_id, compared = str(uuid.uuid4()), [resources[name] for name in names]
        detection: Json = {
            "StackId": stack.id,
            "StackDriftDetectionId": detection_id,
            "DetectionStatus": DetectionStatus.DETECTION_IN_PROGRESS,
            "Timestamp": datetime.now(UTC),
        }
        with self._stacks.changed:
            self._detections[detection_id] = detection
            drop_oldest(self._detections, _MOST_DETECTIONS, _has_ended)
        threading.Thread(
            target=self._carry_out, args=(detection_id, stack, compared), name="drift", daemon=True
        ).start()
        return {"StackDriftDetectionId": detection_id}

    def _carry_out(self, detection_id: str, stack: StackState, resources: list[ResourceState]) -> None:
        failed = list[str]()
        for resource in resources:
            try:
                self._check(stack, resource)
            except ResourceFailed:
                failed.append(resource.logical_id)
            except Exception as problem:  # the detection always ends, and names the resources that it could not read
                internal_error(f"the drift detection of {resource.type_name}", problem)
                failed.append(resource.logical_id)
        with self._stacks.changed:
            statuses = [resource.drift["StackResourceDriftStatus"] for resource in stack.resources.values()]
            unread = ", ".join(failed)
            drifted = sum(status in (DriftStatus.MODIFIED, DriftStatus.DELETED) for status in statuses)
            in_sync = DriftStatus.IN_SYNC if DriftStatus.IN_SYNC in statuses else DriftStatus.NOT_CHECKED
            status = DriftStatus.DRIFTED if drifted else in_sync
            stack.drift = {"StackDriftStatus": status, "LastCheckTimestamp": datetime.now(UTC)}
            ended = DetectionStatus.DETECTION_FAILED if failed else DetectionStatus.DETECTION_COMPLETE
            self._detections[detection_id] |= present(
                DetectionStatus=ended,
                DetectionStatusReason=f"Failed to detect drift on resources [{unread}]" if failed else None,
                DriftedStackResourceCount=drifted,
                StackDriftStatus=None if failed else status,
            )

    def _status(self, _place: Place, request: DescribeStackDriftDetectionStatusInputTypeDef) -> Json:
        if request["StackDriftDetectionId"] not in self._detections:
            raise Invalid("StackDriftDetectionId names no drift detection.")
        return self._detections[request["StackDriftDetectionId"]]

    def _detect_resource(self, place: Place, request: DetectStackResourceDriftInputTypeDef) -> Json:
        stack = self._stack(place, request["StackName"])
        resource = stack.require_resource(request["LogicalResourceId"])
        try:
            return {"StackResourceDrift": _described(stack, self._check(stack, resource))}
        except ResourceFailed as failure:
            raise Invalid(str(failure)) from None

    def _resource_drifts(self, place: Place, request: DescribeStackResourceDriftsInputTypeDef) -> Json:
        stack = self._stacks.require(place, request["StackName"])
        statuses = request.get("StackResourceDriftStatusFilters")
        pairs = [(one, one.drift["StackResourceDriftStatus"]) for one in stack.resources.values()]
        checked = [
            _described(stack, resource)
            for resource, status in pairs
            if status != DriftStatus.NOT_CHECKED and (statuses is None or status in statuses)
        ]
        return page(checked, request, "StackResourceDrifts")

    def _check(self, stack: StackState, resource: ResourceState) -> ResourceState:
        """Detect drift of one resource now. Raise ResourceFailed if it cannot be read."""
        checked = replace(resource, drift={**self._checked(stack, resource), "Timestamp": datetime.now(UTC)})
        with self._stacks.changed:
            current = stack.resources.get(resource.logical_id)
            if current is not None and current.physical_id == resource.physical_id:
                # Without an event, because the resource does not change.
                stack.resources = {**stack.resources, resource.logical_id: replace(current, drift=checked.drift)}
        return checked

    def _checked(self, stack: StackState, resource: ResourceState) -> Json:
        if resource.live is None:
            return {"StackResourceDriftStatus": DriftStatus.NOT_CHECKED}
        try:
            compared = compare(self._deployments, stack, resource)
        except ResourceFailed as failure:
            if failure.code == "NotFound":
                return {"StackResourceDriftStatus": DriftStatus.DELETED}
            if failure.code == "UnsupportedAction":
                return {"StackResourceDriftStatus": DriftStatus.NOT_CHECKED, "DriftStatusReason": str(failure)}
            raise
        shown = [compared.expected, compared.actual, compared.differences]
        expected, actual, differences = secrets.hidden(shown, stack.secrets)
        return {
            "StackResourceDriftStatus": DriftStatus.MODIFIED if differences else DriftStatus.IN_SYNC,
            "ExpectedProperties": json.dumps(expected),
            "ActualProperties": json.dumps(actual),
            "PropertyDifferences": differences,
        }


def _has_ended(detection: Json) -> bool:
    return bool(detection["DetectionStatus"] != DetectionStatus.DETECTION_IN_PROGRESS)


def _described(stack: StackState, resource: ResourceState) -> Json:
    """Return a StackResourceDrift as DescribeStackResourceDrifts answers it."""
    return present(
        StackId=stack.id,
        LogicalResourceId=resource.logical_id,
        PhysicalResourceId=resource.physical_id or None,
        ResourceType=resource.type_name,
        **resource.drift,
    )
