"""What early validation finds wrong, and how events and reasons say it.

Sources: "Validate stack deployments" in the user guide; botocore's OperationEvent for the members; the sentences as
users of change sets quote them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cfnbox.cloudformation.changes import Change
    from cfnbox.core.paths import Json

ValidationName = Literal["PROPERTY_VALIDATION", "NAME_CONFLICT_VALIDATION", "BUCKET_EMPTINESS_VALIDATION"]
_HOOKS: dict[ValidationName, str] = {
    "PROPERTY_VALIDATION": "AWS::EarlyValidation::PropertyValidation",
    "NAME_CONFLICT_VALIDATION": "AWS::EarlyValidation::ResourceExistenceCheck",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. FAIL refuses the deployment, WARN does not; `line` is in the words of provisioning."""

    name: ValidationName
    mode: Literal["FAIL", "WARN"]
    change: Change
    path: str
    reason: str
    line: str = ""
    found: datetime = field(default_factory=lambda: datetime.now(UTC))

    def described(self) -> Json:
        """Return the members of its OperationEvent."""
        physical = {"PhysicalResourceId": self.change.physical_id} if self.change.physical_id else {}
        return {
            "EventType": "VALIDATION_ERROR",
            "LogicalResourceId": self.change.logical_id,
            **physical,
            "ResourceType": self.change.type_name,
            "Timestamp": self.found,
            "ValidationFailureMode": self.mode,
            "ValidationName": self.name,
            "ValidationStatus": "FAILED",
            "ValidationStatusReason": self.reason,
            "ValidationPath": self.path,
        }


def failure(problems: Iterable[Problem]) -> str:
    """Return the reason of a change set or stack with these problems; nothing if none of them is a failure."""
    failed = dict.fromkeys(_HOOKS[problem.name] for problem in problems if problem.mode == "FAIL")
    if not failed:
        return ""
    return (
        f"The following hook(s)/validation failed: [{', '.join(failed)}]. To troubleshoot Early Validation errors, "
        "use the DescribeEvents API for detailed failure information."
    )


def failed_resources(problems: Iterable[Problem]) -> dict[str, tuple[Change, str]]:
    """Return each resource with a failure by its logical id: its change, and the reason in its event."""
    grouped = dict[str, list[Problem]]()
    for problem in problems:
        if problem.mode == "FAIL":
            grouped.setdefault(problem.change.logical_id, []).append(problem)
    return {name: (found[0].change, _reason(name, found)) for name, found in grouped.items()}


def _reason(logical_id: str, found: list[Problem]) -> str:
    conflicts = [problem.line for problem in found if problem.name != "PROPERTY_VALIDATION"]
    lines = [problem.line for problem in found if problem.name == "PROPERTY_VALIDATION"]
    # The sentence of CloudFormation's own check of properties against the type's schema.
    start = [f"Properties validation failed for resource {logical_id} with message:"] if lines else []
    return "\n".join([*conflicts, *start, *lines])
