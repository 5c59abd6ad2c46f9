"""DescribeEvents: the events of operations, by operation, change set or stack.

Source: botocore's model of OperationEvent; the API reference of DescribeEvents for what is an operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.aws.paging import page
from cfnbox.cloudformation.answers import present
from cfnbox.cloudformation.status import ResourceStatus
from cfnbox.core.errors import Invalid

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import (
        DescribeEventsInputTypeDef,
    )

    from cfnbox.cloudformation.stacks import OperationRecord, Stacks, StackState
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

# The EventTypes that `Filters: {FailedEvents: true}` asks for.
_FAILURES = ("VALIDATION_ERROR", "PROVISIONING_ERROR", "HOOK_INVOCATION_ERROR")
# Members of a stack event that an operation event does not have.
_OTHER_MEMBERS = ("StackName",)


class OperationEvents:
    """The operation DescribeEvents."""

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks

    def describe(self, place: Place, request: DescribeEventsInputTypeDef) -> Json:
        """Return a page of events, newest first."""
        with self._stacks.changed:
            stack, operations = self._requested(place, request)
            events = [event for operation in operations for event in _events(stack, operation)]
        if request.get("Filters", {}).get("FailedEvents"):
            events = [event for event in events if event["EventType"] in _FAILURES]
        newest_first = sorted(events, key=lambda event: event["Timestamp"], reverse=True)
        return page(newest_first, request, "OperationEvents")

    def _requested(
        self, place: Place, request: DescribeEventsInputTypeDef
    ) -> tuple[StackState, list[OperationRecord]]:
        if "OperationId" in request:
            return self._by_operation(place, request["OperationId"])
        if "ChangeSetName" in request:
            stack, change_set = self._stacks.change_set(place, request["ChangeSetName"], request.get("StackName"))
            return stack, [change_set.operation]
        if "StackName" in request:
            stack = self._stacks.require(place, request["StackName"])
            return stack, stack.operations
        raise Invalid("DescribeEvents needs a StackName, a ChangeSetName or an OperationId.")

    def _by_operation(self, place: Place, operation_id: str) -> tuple[StackState, list[OperationRecord]]:
        for stack in self._stacks.in_place(place):
            if operations := [operation for operation in stack.operations if operation.id == operation_id]:
                return stack, operations
        raise Invalid(f"Operation [{operation_id}] does not exist")


def _events(stack: StackState, operation: OperationRecord) -> list[Json]:
    """Return the events of an operation: the one of the operation itself, and those of its progress."""
    of_operation = {"OperationId": operation.id, "OperationType": operation.kind}
    itself = present(
        EventId=operation.event_id,
        StackId=stack.id,
        **of_operation,
        OperationStatus=operation.status,
        EventType="STACK_EVENT",
        Timestamp=operation.ended or operation.started,
        StartTime=operation.started,
        EndTime=operation.ended,
    )
    progress = [
        {member: value for member, value in event.items() if member not in _OTHER_MEMBERS}
        | of_operation
        | {"EventType": "PROVISIONING_ERROR" if _is_provisioning_error(event) else "PROGRESS_EVENT"}
        for event in stack.events
        if event.get("OperationId") == operation.id
    ]
    validation = [
        {"EventId": f"{operation.event_id}-{number}", "StackId": stack.id, **of_operation} | problem.described()
        for number, problem in enumerate(operation.problems, 1)
    ]
    return [itself, *validation, *progress]


def _is_provisioning_error(event: Json) -> bool:
    status = ResourceStatus.of_event(event)
    is_invalid = event.get("DetailedStatus") == "VALIDATION_FAILED"
    return isinstance(status, ResourceStatus) and status.is_failed and not is_invalid
