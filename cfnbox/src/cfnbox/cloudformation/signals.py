"""Signals that a resource waits for, by its CreationPolicy (user guide, "CreationPolicy attribute")."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from cfnbox.providers.protocol import ResourceFailed

if TYPE_CHECKING:
    from cfnbox.cloudformation.runs import Run
    from cfnbox.cloudformation.stacks import Stack, StackResource

_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
_LOOK_SECONDS = 0.05
_DEFAULT_SECONDS = 300


def seconds_of(duration: str) -> int:
    """The seconds of an ISO 8601 duration such as PT5M; the documented default of five minutes for anything else."""
    if (match := _DURATION.fullmatch(duration)) is None:
        return _DEFAULT_SECONDS
    hours, minutes, seconds = (int(one or 0) for one in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def await_signals(stack: Stack, resource: StackResource, run: Run) -> None:
    """Wait for as many success signals as the resource's CreationPolicy wants; raises ResourceFailed."""
    if not (wanted := resource.definition.get("CreationPolicy", {}).get("ResourceSignal")):
        return
    count, limit = int(wanted.get("Count", 1)), seconds_of(str(wanted.get("Timeout", "PT5M")))
    until = time.monotonic() + limit
    while True:
        sent = dict(stack.signals.get(resource.logical_id, {}))
        if failed := sorted(unique for unique, status in sent.items() if status == "FAILURE"):
            raise ResourceFailed(f"Received FAILURE signal with UniqueId {failed[0]}", "GeneralServiceException")
        if len(sent) >= count:
            return
        if time.monotonic() >= until:
            said = f"Failed to receive {count - len(sent)} resource signal(s) within the specified duration"
            raise ResourceFailed(said, "NotStabilized")
        run.wait(_LOOK_SECONDS)
