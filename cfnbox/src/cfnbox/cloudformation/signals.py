"""Signals that a resource waits for, by its CreationPolicy (user guide, "CreationPolicy attribute")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cfnbox.providers.protocol import ResourceFailed

if TYPE_CHECKING:
    from cfnbox.cloudformation.deployment import ResourceState
    from cfnbox.cloudformation.runs import Run
    from cfnbox.cloudformation.stacks import StackState

_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
_DEFAULT_SECONDS = 300


def seconds_of(duration: str) -> int:
    """Return the seconds of an ISO 8601 duration such as PT5M, and the documented five minutes for anything else."""
    if (match := _DURATION.fullmatch(duration)) is None:
        return _DEFAULT_SECONDS
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def wait_for_signals(stack: StackState, resource: ResourceState, run: Run) -> None:
    """Wait for the success signals of the resource's CreationPolicy.

    Raise ResourceFailed after a failure signal and when the time is over.
    """
    if not (policy := resource.definition.get("CreationPolicy", {}).get("ResourceSignal")):
        return
    count, limit = int(policy.get("Count", 1)), seconds_of(str(policy.get("Timeout", "PT5M")))
    signals: dict[str, str] = {}

    def is_decided() -> bool:
        nonlocal signals
        signals = dict(stack.signals.get(resource.logical_id, {}))
        return len(signals) >= count or "FAILURE" in signals.values()

    is_in_time = run.wait_for(is_decided, limit)
    if failed := sorted(unique for unique, status in signals.items() if status == "FAILURE"):
        raise ResourceFailed(f"Received FAILURE signal with UniqueId {failed[0]}", "GeneralServiceException")
    if not is_in_time:
        reason = f"Failed to receive {count - len(signals)} resource signal(s) within the specified duration"
        raise ResourceFailed(reason, "NotStabilized")
