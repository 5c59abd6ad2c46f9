"""Operations of Secrets Manager that ministack lacks: CancelRotateSecret and RemoveRegionsFromReplication.

Their effects are stored here, and appear in the answers to all other operations. Messages: those of ministack and of
botocore's documentation for ResourceNotFoundException.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cfnbox.aws.json_requests import (
    answered_members,
    json_answer,
    json_refusal,
    members_of,
    operation_of,
    request_of,
)
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json

_TARGET = "secretsmanager"
# Operations whose answers show or change the state in this module.
_NOTED = ("DescribeSecret", "ListSecrets", "ReplicateSecretToRegions", "RotateSecret")
# The random end of an ARN after the name of its secret.
_ARN_END = len("-a1b2c3")


class SecretOperations:
    """The answers to Secrets Manager requests. `forward` sends a request to ministack. Thread-safe."""

    def __init__(self, forward: Callable[[HttpRequest], Answer]) -> None:
        self._forward, self._lock = forward, threading.Lock()
        # ARNs of secrets whose rotation was cancelled.
        self._cancelled: set[str] = set()
        # Regions from which a replica was removed, with the name of the secret.
        self._removed: set[tuple[Place, str]] = set()

    def answer(self, request: HttpRequest) -> Answer:
        """Return the answer to a request."""
        operation, members = operation_of(request, _TARGET), members_of(request)
        if self._is_removed(request.signature.place, str(members.get("SecretId", ""))):
            missing = "Secrets Manager can't find the specified secret."
            return json_refusal(Refused("ResourceNotFoundException", missing))
        if operation == "CancelRotateSecret":
            return self._cancel(request, members)
        if operation == "RemoveRegionsFromReplication":
            return self._remove_regions(request, members)
        return self._noted(request, operation, members, self._forward(request))

    def _cancel(self, request: HttpRequest, members: Json) -> Answer:
        secret, answer = self._secret(request, members)
        if secret is None:
            return answer
        with self._lock:
            self._cancelled.add(secret["ARN"])
        versions: Json = secret.get("VersionIdsToStages", {})
        current = next((version for version, stages in versions.items() if "AWSCURRENT" in stages), "")
        return json_answer({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": current})

    def _remove_regions(self, request: HttpRequest, members: Json) -> Answer:
        secret, answer = self._secret(request, members)
        if secret is None:
            return answer
        place = request.signature.place
        with self._lock:
            for region in members.get("RemoveReplicaRegions", ()):
                self._removed.add((Place(region, place.account), secret["Name"]))
        return json_answer(
            {"ARN": secret["ARN"], "ReplicationStatus": self._shown(place, secret)["ReplicationStatus"]}
        )

    def _secret(self, request: HttpRequest, members: Json) -> tuple[Json | None, Answer]:
        """Return the description of the secret of a request, or the service's refusal."""
        described = request_of(request, _TARGET, "DescribeSecret", {"SecretId": members.get("SecretId", "")})
        answer = self._forward(described)
        return answered_members(answer), answer

    def _noted(self, request: HttpRequest, operation: str, members: Json, answer: Answer) -> Answer:
        """Return an answer of ministack, changed by the state in this module."""
        place, answered = request.signature.place, answered_members(answer) if operation in _NOTED else None
        if answered is None:
            return answer
        match operation:
            case "RotateSecret":
                with self._lock:
                    self._cancelled.discard(answered["ARN"])
            case "ReplicateSecretToRegions":
                name = _name(answered["ARN"])
                with self._lock:
                    for replica in members.get("AddReplicaRegions", ()):
                        self._removed.discard((Place(replica["Region"], place.account), name))
                return json_answer(self._shown(place, {**answered, "Name": name}, "ARN", "ReplicationStatus"))
            case "DescribeSecret":
                return json_answer(self._shown(place, answered))
            case "ListSecrets":
                listed = [
                    self._shown(place, secret)
                    for secret in answered.get("SecretList", ())
                    if not self._is_removed(place, secret["Name"])
                ]
                return json_answer({**answered, "SecretList": listed})
        return answer

    def _shown(self, place: Place, secret: Json, *names: str) -> Json:
        """Return a description, or some of its members, changed by the state in this module."""
        with self._lock:
            if secret["ARN"] in self._cancelled:
                secret = {**secret, "RotationEnabled": False}
            replicas: list[Any] = [
                replica
                for replica in secret.get("ReplicationStatus", ())
                if (Place(replica["Region"], place.account), secret["Name"]) not in self._removed
            ]
        shown = {**secret, "ReplicationStatus": replicas}
        return {name: value for name, value in shown.items() if not names or name in names}

    def _is_removed(self, place: Place, secret_id: str) -> bool:
        name = _name(secret_id) if secret_id.startswith("arn:") else secret_id
        with self._lock:
            return (place, name) in self._removed


def _name(arn: str) -> str:
    return arn.rpartition(":")[2][:-_ARN_END]
