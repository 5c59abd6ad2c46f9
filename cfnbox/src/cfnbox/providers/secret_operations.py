"""Operations of Secrets Manager that ministack lacks: CancelRotateSecret and RemoveRegionsFromReplication.

They are kept here, and show in the answers to all other operations. Messages: those of ministack and of botocore's
documentation for ResourceNotFoundException.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cfnbox.aws.http import json_value
from cfnbox.aws.wire import error_answer
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.aws.http import Answer, Request
    from cfnbox.core.paths import Json

_TARGET = "secretsmanager"
# The random end of an ARN after the name of its secret.
_ARN_END = len("-a1b2c3")


class SecretOperations:
    """Answers requests to Secrets Manager. `forward` has ministack answer. For any number of threads."""

    def __init__(self, forward: Callable[[Request], Answer]) -> None:
        self._forward, self._lock = forward, threading.Lock()
        # ARNs of secrets whose rotation was cancelled.
        self._cancelled: set[str] = set()
        # Regions from which a replica was removed, with the name of the secret.
        self._removed: set[tuple[Place, str]] = set()

    def answer(self, request: Request) -> Answer:
        """Return the answer to one request."""
        prefix, _, operation = request.headers.get("x-amz-target", "").rpartition(".")
        try:
            members = json_value(request.body or b"{}")
        except ValueError:
            members = None
        if prefix != _TARGET or not isinstance(members, dict):
            return self._forward(request)
        if self._is_removed(request.signature.place, str(members.get("SecretId", ""))):
            return _missing()
        if operation == "CancelRotateSecret":
            return self._cancel(request, members)
        if operation == "RemoveRegionsFromReplication":
            return self._remove_regions(request, members)
        answer = self._forward(request)
        return self._noted(request, operation, members, answer) if answer[0] == HTTPStatus.OK else answer

    def _cancel(self, request: Request, members: Json) -> Answer:
        secret, answer = self._secret(request, members)
        if secret is None:
            return answer
        with self._lock:
            self._cancelled.add(secret["ARN"])
        versions: Json = secret.get("VersionIdsToStages", {})
        current = next((version for version, stages in versions.items() if "AWSCURRENT" in stages), "")
        return _json({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": current})

    def _remove_regions(self, request: Request, members: Json) -> Answer:
        secret, answer = self._secret(request, members)
        if secret is None:
            return answer
        place = request.signature.place
        with self._lock:
            for region in members.get("RemoveReplicaRegions", ()):
                self._removed.add((Place(region, place.account), secret["Name"]))
        return _json({"ARN": secret["ARN"], "ReplicationStatus": self._shown(place, secret)["ReplicationStatus"]})

    def _secret(self, request: Request, members: Json) -> tuple[Json | None, Answer]:
        """Return the description of the secret of a request, or the service's refusal."""
        headers = {**request.headers, "x-amz-target": f"{_TARGET}.DescribeSecret"}
        body = json.dumps({"SecretId": members.get("SecretId", "")}).encode()
        answer = self._forward(replace(request, headers=headers, body=body))
        return (json.loads(answer[2]) if answer[0] == HTTPStatus.OK else None), answer

    def _noted(self, request: Request, operation: str, members: Json, answer: Answer) -> Answer:
        """Return an answer of ministack as it is with what was done here."""
        place, answered = request.signature.place, json.loads(answer[2])
        match operation:
            case "RotateSecret":
                with self._lock:
                    self._cancelled.discard(answered["ARN"])
            case "ReplicateSecretToRegions":
                name = _name(answered["ARN"])
                with self._lock:
                    for replica in members.get("AddReplicaRegions", ()):
                        self._removed.discard((Place(replica["Region"], place.account), name))
                return _json(self._shown(place, {**answered, "Name": name}, "ARN", "ReplicationStatus"))
            case "DescribeSecret":
                return _json(self._shown(place, answered))
            case "ListSecrets":
                listed = [
                    self._shown(place, secret)
                    for secret in answered.get("SecretList", ())
                    if not self._is_removed(place, secret["Name"])
                ]
                return _json({**answered, "SecretList": listed})
        return answer

    def _shown(self, place: Place, secret: Json, *names: str) -> Json:
        """Return a description, or these members of it, with what was done here."""
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


def _json(members: Json) -> Answer:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    return HTTPStatus.OK, headers, json.dumps(members).encode()


def _missing() -> Answer:
    refused = Refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    return error_answer(refused, "json", str(uuid.uuid4()))
