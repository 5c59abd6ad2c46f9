"""Statuses of stacks, resources and change sets, and which stack status may follow which.

The values are those of botocore's service model. The transitions are those of "Stack status codes" in the user guide,
with the operations that its texts describe.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Status(StrEnum):
    """What stacks and resources have in common."""

    @property
    def is_complete(self) -> bool:
        """Whether the operation ended as it should; a rollback that restored everything has ended so too."""
        return self.endswith("_COMPLETE")

    @property
    def is_failed(self) -> bool:
        """Whether the operation ended with a failure."""
        return self.endswith("_FAILED")

    @property
    def is_rollback(self) -> bool:
        """Whether the status belongs to a rollback."""
        return "ROLLBACK" in self


class StackStatus(_Status):
    """The status of a stack."""

    REVIEW_IN_PROGRESS = "REVIEW_IN_PROGRESS"
    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    CREATE_FAILED = "CREATE_FAILED"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    ROLLBACK_COMPLETE = "ROLLBACK_COMPLETE"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    UPDATE_ROLLBACK_IN_PROGRESS = "UPDATE_ROLLBACK_IN_PROGRESS"
    UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    UPDATE_ROLLBACK_COMPLETE = "UPDATE_ROLLBACK_COMPLETE"
    UPDATE_ROLLBACK_FAILED = "UPDATE_ROLLBACK_FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"
    DELETE_COMPLETE = "DELETE_COMPLETE"
    DELETE_FAILED = "DELETE_FAILED"
    IMPORT_IN_PROGRESS = "IMPORT_IN_PROGRESS"
    IMPORT_COMPLETE = "IMPORT_COMPLETE"
    IMPORT_ROLLBACK_IN_PROGRESS = "IMPORT_ROLLBACK_IN_PROGRESS"
    IMPORT_ROLLBACK_COMPLETE = "IMPORT_ROLLBACK_COMPLETE"
    IMPORT_ROLLBACK_FAILED = "IMPORT_ROLLBACK_FAILED"

    @property
    def is_in_progress(self) -> bool:
        """Whether an operation is under way. A stack in REVIEW_IN_PROGRESS waits for its user."""
        return self in FAILURE_OF

    @property
    def is_success(self) -> bool:
        """Whether the operation ended with what the user asked for."""
        return self.is_complete and not self.is_rollback

    @property
    def is_updatable(self) -> bool:
        """Whether CloudFormation updates a stack in this status."""
        return self.UPDATE_IN_PROGRESS in FOLLOWING[self]

    @property
    def can_only_be_deleted(self) -> bool:
        """Whether the stack rests in a status in which it cannot be updated."""
        is_at_rest = not self.is_in_progress and self is not StackStatus.REVIEW_IN_PROGRESS
        return is_at_rest and self.is_deletable and not self.is_updatable

    @property
    def is_deletable(self) -> bool:
        """Whether CloudFormation begins to delete a stack in this status."""
        return self.DELETE_IN_PROGRESS in FOLLOWING[self]

    @property
    def sets_updated_time(self) -> bool:
        """Whether a stack has a new LastUpdatedTime since it has this status."""
        return self in _SETTING_UPDATED_TIME

    @property
    def sets_deletion_time(self) -> bool:
        """Whether a stack has a DeletionTime since it has this status; a rollback of a create deletes everything."""
        return self in (self.DELETE_IN_PROGRESS, self.DELETE_COMPLETE, self.ROLLBACK_IN_PROGRESS)

    def may_become(self, status: StackStatus) -> bool:
        """Return whether the status may follow this one, after an internal error too."""
        return status in FOLLOWING[self] or FAILURE_OF.get(self) == status


_S = StackStatus
_UPDATING = frozenset({_S.UPDATE_IN_PROGRESS, _S.DELETE_IN_PROGRESS, _S.IMPORT_IN_PROGRESS})
_ROLLING_BACK = frozenset({_S.ROLLBACK_IN_PROGRESS, _S.UPDATE_ROLLBACK_IN_PROGRESS})
# The operation that may be begun, or the end that an operation may have, in each status.
FOLLOWING: dict[StackStatus, frozenset[StackStatus]] = {
    _S.REVIEW_IN_PROGRESS: frozenset({_S.CREATE_IN_PROGRESS, _S.IMPORT_IN_PROGRESS, _S.DELETE_IN_PROGRESS}),
    _S.CREATE_IN_PROGRESS: frozenset(
        {_S.CREATE_COMPLETE, _S.CREATE_FAILED, _S.ROLLBACK_IN_PROGRESS, _S.DELETE_IN_PROGRESS}
    ),
    _S.CREATE_COMPLETE: _UPDATING,
    _S.CREATE_FAILED: _UPDATING | {_S.ROLLBACK_IN_PROGRESS},
    _S.ROLLBACK_IN_PROGRESS: frozenset({_S.ROLLBACK_COMPLETE, _S.ROLLBACK_FAILED, _S.DELETE_IN_PROGRESS}),
    _S.ROLLBACK_COMPLETE: frozenset({_S.DELETE_IN_PROGRESS}),
    _S.ROLLBACK_FAILED: frozenset({_S.DELETE_IN_PROGRESS}),
    _S.UPDATE_IN_PROGRESS: _ROLLING_BACK | {_S.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, _S.UPDATE_FAILED},
    # A nested stack stays in it until the clean-up of the root stack, or is rolled back with its parent.
    _S.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: frozenset({_S.UPDATE_COMPLETE, _S.UPDATE_ROLLBACK_IN_PROGRESS}),
    _S.UPDATE_COMPLETE: _UPDATING,
    _S.UPDATE_FAILED: _UPDATING | _ROLLING_BACK,
    _S.UPDATE_ROLLBACK_IN_PROGRESS: frozenset(
        {_S.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS, _S.UPDATE_ROLLBACK_FAILED}
    ),
    _S.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: frozenset({_S.UPDATE_ROLLBACK_COMPLETE}),
    _S.UPDATE_ROLLBACK_COMPLETE: _UPDATING,
    _S.UPDATE_ROLLBACK_FAILED: frozenset({_S.UPDATE_ROLLBACK_IN_PROGRESS, _S.DELETE_IN_PROGRESS}),
    _S.DELETE_IN_PROGRESS: frozenset({_S.DELETE_COMPLETE, _S.DELETE_FAILED}),
    _S.DELETE_COMPLETE: frozenset(),
    _S.DELETE_FAILED: frozenset({_S.DELETE_IN_PROGRESS}),
    _S.IMPORT_IN_PROGRESS: frozenset({_S.IMPORT_COMPLETE, _S.IMPORT_ROLLBACK_IN_PROGRESS}),
    _S.IMPORT_COMPLETE: _UPDATING,
    _S.IMPORT_ROLLBACK_IN_PROGRESS: frozenset({_S.IMPORT_ROLLBACK_COMPLETE, _S.IMPORT_ROLLBACK_FAILED}),
    _S.IMPORT_ROLLBACK_COMPLETE: _UPDATING,
    _S.IMPORT_ROLLBACK_FAILED: frozenset({_S.DELETE_IN_PROGRESS}),
}
# The end of an operation that an internal error of cfnbox ended: a stack without an operation is not in progress.
FAILURE_OF: dict[StackStatus, StackStatus] = {
    _S.CREATE_IN_PROGRESS: _S.CREATE_FAILED,
    _S.ROLLBACK_IN_PROGRESS: _S.ROLLBACK_FAILED,
    _S.UPDATE_IN_PROGRESS: _S.UPDATE_FAILED,
    _S.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: _S.UPDATE_FAILED,
    _S.UPDATE_ROLLBACK_IN_PROGRESS: _S.UPDATE_ROLLBACK_FAILED,
    _S.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: _S.UPDATE_ROLLBACK_FAILED,
    _S.DELETE_IN_PROGRESS: _S.DELETE_FAILED,
    _S.IMPORT_IN_PROGRESS: _S.IMPORT_ROLLBACK_FAILED,
    _S.IMPORT_ROLLBACK_IN_PROGRESS: _S.IMPORT_ROLLBACK_FAILED,
}
_SETTING_UPDATED_TIME = {_S.UPDATE_IN_PROGRESS, _S.UPDATE_ROLLBACK_IN_PROGRESS, _S.IMPORT_IN_PROGRESS}
# The statuses in which a stack of which a user asks for drift can be compared ("Detecting unmanaged changes").
DRIFT_DETECTABLE = (_S.CREATE_COMPLETE, _S.UPDATE_COMPLETE, _S.UPDATE_ROLLBACK_COMPLETE, _S.UPDATE_ROLLBACK_FAILED,
                    _S.IMPORT_COMPLETE, _S.IMPORT_ROLLBACK_COMPLETE)  # fmt: skip


class InvalidTransition(RuntimeError):
    """An internal error: a stack status that cannot follow the one before."""

    def __init__(self, previous: StackStatus, status: StackStatus) -> None:
        super().__init__(f"{status} cannot follow {previous}.")


class ResourceStatus(_Status):
    """The status of a resource of a stack."""

    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    CREATE_FAILED = "CREATE_FAILED"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"
    DELETE_COMPLETE = "DELETE_COMPLETE"
    DELETE_SKIPPED = "DELETE_SKIPPED"
    DELETE_FAILED = "DELETE_FAILED"
    IMPORT_IN_PROGRESS = "IMPORT_IN_PROGRESS"
    IMPORT_COMPLETE = "IMPORT_COMPLETE"
    IMPORT_FAILED = "IMPORT_FAILED"

    @classmethod
    def of_event(cls, event: Mapping[str, Any]) -> ResourceStatus | StackStatus:
        """Return the status in a StackEvent, which is a resource's or the stack's."""
        is_stack = event["PhysicalResourceId"] == event["StackId"]
        return StackStatus(event["ResourceStatus"]) if is_stack else cls(event["ResourceStatus"])

    @property
    def is_in_progress(self) -> bool:
        """Whether a provider works on the resource."""
        return self.endswith("_IN_PROGRESS")

    @property
    def ends_life(self) -> bool:
        """Whether the stack has the resource no longer: it is deleted or was left alone."""
        return self in (self.DELETE_COMPLETE, self.DELETE_SKIPPED)


class Action(StrEnum):
    """What a resource operation does."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    IMPORT = "IMPORT"

    @property
    def in_progress(self) -> ResourceStatus:
        """The status while it is done."""
        return ResourceStatus(f"{self}_IN_PROGRESS")

    @property
    def complete(self) -> ResourceStatus:
        """The status afterwards."""
        return ResourceStatus(f"{self}_COMPLETE")

    @property
    def failed(self) -> ResourceStatus:
        """The status after a failure."""
        return ResourceStatus(f"{self}_FAILED")


class RollbackPrefix(StrEnum):
    """A rollback of a stack that was never complete, or of one that goes back to its last complete deployment."""

    ROLLBACK = "ROLLBACK"
    UPDATE_ROLLBACK = "UPDATE_ROLLBACK"

    @property
    def in_progress(self) -> StackStatus:
        """The status during the rollback."""
        return StackStatus(f"{self}_IN_PROGRESS")

    @property
    def complete(self) -> StackStatus:
        """The status after the rollback."""
        return StackStatus(f"{self}_COMPLETE")

    @property
    def failed(self) -> StackStatus:
        """The status after a rollback that failed."""
        return StackStatus(f"{self}_FAILED")


class ChangeSetStatus(StrEnum):
    """How the making of a change set ended."""

    CREATE_COMPLETE = "CREATE_COMPLETE"
    FAILED = "FAILED"


class ExecutionStatus(StrEnum):
    """Whether a change set can be executed, or was."""

    AVAILABLE = "AVAILABLE"
    UNAVAILABLE = "UNAVAILABLE"
    OBSOLETE = "OBSOLETE"
    EXECUTE_IN_PROGRESS = "EXECUTE_IN_PROGRESS"
    EXECUTE_COMPLETE = "EXECUTE_COMPLETE"
    EXECUTE_FAILED = "EXECUTE_FAILED"


class OperationStatus(StrEnum):
    """How far an operation is; botocore's BeaconStackOperationStatus."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class ChangeSetType(StrEnum):
    """What a change set does with its stack."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    IMPORT = "IMPORT"


class OnFailure(StrEnum):
    """What happens with a new stack that failed."""

    ROLLBACK = "ROLLBACK"
    DELETE = "DELETE"
    DO_NOTHING = "DO_NOTHING"


class DriftStatus(StrEnum):
    """Whether a resource is as its template says, and whether a stack is."""

    NOT_CHECKED = "NOT_CHECKED"
    IN_SYNC = "IN_SYNC"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    DRIFTED = "DRIFTED"


class DetectionStatus(StrEnum):
    """How far the drift detection of a stack is."""

    DETECTION_IN_PROGRESS = "DETECTION_IN_PROGRESS"
    DETECTION_COMPLETE = "DETECTION_COMPLETE"
    DETECTION_FAILED = "DETECTION_FAILED"
