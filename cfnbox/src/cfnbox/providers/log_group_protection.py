"""Deletion protection of log groups, which ministack's CloudWatch Logs does not have.

The code of the refusal is that of botocore's service model. Its sentence is not recorded, and is cfnbox's own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cfnbox.aws.json_requests import (
    answered_members,
    json_answer,
    json_refusal,
    members_of,
    operation_of,
    request_of,
)
from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

_TARGET = "Logs_20140328"
_PROTECTED = "deletionProtectionEnabled"


class LogGroupProtection:
    """The answers to CloudWatch Logs requests. `forward` sends a request to ministack. Thread-safe."""

    def __init__(self, forward: Callable[[HttpRequest], Answer]) -> None:
        self._forward, self._lock = forward, threading.Lock()
        self._protected: set[tuple[Place, str]] = set()

    def answer(self, request: HttpRequest) -> Answer:
        """Return the answer to a request."""
        place = request.signature.place
        match operation_of(request, _TARGET):
            case "CreateLogGroup":
                return self._create(request, members_of(request))
            case "PutLogGroupDeletionProtection":
                return self._put(request, members_of(request))
            case "DeleteLogGroup":
                return self._delete(request, (place, str(members_of(request).get("logGroupName"))))
            case "DescribeLogGroups" if self._protected:
                return self._described(place, self._forward(request))
        return self._forward(request)

    def _create(self, request: HttpRequest, members: Json) -> Answer:
        answer = self._forward(request)
        if answered_members(answer) is not None:
            self._note(request.signature.place, str(members.get("logGroupName")), members.get(_PROTECTED) is True)
        return answer

    def _put(self, request: HttpRequest, members: Json) -> Answer:
        name = _name(str(members.get("logGroupIdentifier")))
        sought = request_of(request, _TARGET, "DescribeLogGroups", {"logGroupNamePrefix": name})
        found = answered_members(self._forward(sought)) or {}
        if name not in [group["logGroupName"] for group in found.get("logGroups", ())]:
            return json_refusal(Refused("ResourceNotFoundException", "The specified log group does not exist."))
        self._note(request.signature.place, name, members.get(_PROTECTED) is True)
        return json_answer({})

    def _delete(self, request: HttpRequest, key: tuple[Place, str]) -> Answer:
        if key in self._protected:
            return json_refusal(
                Refused("ValidationException", f"Log group {key[1]} has deletion protection enabled.")
            )
        return self._forward(request)

    def _described(self, place: Place, answer: Answer) -> Answer:
        members = answered_members(answer)
        if members is None:
            return answer
        groups = [
            {**group, _PROTECTED: (place, group["logGroupName"]) in self._protected}
            for group in members.get("logGroups", ())
        ]
        return json_answer({**members, "logGroups": groups})

    def _note(self, place: Place, name: str, is_protected: bool) -> None:
        with self._lock:
            kept = self._protected - {(place, name)}
            self._protected = kept | {(place, name)} if is_protected else kept


def _name(identifier: str) -> str:
    """Return the name of a log group from its name or ARN."""
    return identifier.partition(":log-group:")[2].removesuffix(":*") or identifier
