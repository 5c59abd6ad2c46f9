"""What CloudFormation sends to a resource handler and how it follows the answers, for any registry schema."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from cfnbox.core.errors import LocalFailure
from cfnbox.core.paths import Json
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION

if TYPE_CHECKING:
    from cfnbox.core.type_definition import TypeDefinition

Invoke = Callable[[Json], Any]
Action = Literal["CREATE", "READ", "UPDATE", "DELETE", "LIST"]

ACTIONS: tuple[Action, ...] = ("CREATE", "READ", "UPDATE", "DELETE", "LIST")
SYNCHRONOUS: tuple[Action, ...] = ("READ", "LIST")

# Every member of a progress event beside its status (cloudformation_cli_python_lib.interface.ProgressEvent).
_MEMBERS: dict[str, Any] = {
    "message": str,
    "errorCode": str,
    "callbackContext": dict,
    "callbackDelaySeconds": int | float,
    "resourceModel": dict,
    "resourceModels": list,
    "nextToken": str,
}
# timeoutInMinutes of a handler that names none (CloudFormation CLI user guide, "handlers" of a schema).
_DEFAULT_TIMEOUT_SECONDS = 120 * 60
# Far more than any stabilisation needs; it only ends a handler that never asks for a delay.
_MOST_INVOCATIONS = 1000


class InvocationFailed(LocalFailure):
    """The handler gave no progress event; the message says what happened instead, without property values."""


class NotAProgressEvent(InvocationFailed):
    """The handler answered with JSON that is not a progress event."""


def new_token() -> str:
    """A bearer token, one for each operation on a resource."""
    return str(uuid.uuid4())


def _credentials(owner: str) -> dict[str, str]:
    return {
        "accessKeyId": f"local-{owner}",
        "secretAccessKey": f"local-{owner}-secret",
        "sessionToken": f"local-{owner}-session",
    }


def production_event(
    definition: TypeDefinition,
    action: Action,
    *,
    desired: Mapping[str, Any] | None = None,
    previous: Mapping[str, Any] | None = None,
    stack_tags: Mapping[str, str] | None = None,
    previous_stack_tags: Mapping[str, str] | None = None,
    system_tags: Mapping[str, str] | None = None,
    previous_system_tags: Mapping[str, str] | None = None,
    logical_id: str | None = None,
    stack_id: str | None = None,
    token: str | None = None,
    context: Mapping[str, Any] | None = None,
    next_token: str | None = None,
    region: str = DEFAULT_REGION,
    account: str = DEFAULT_ACCOUNT,
    log_group: str | None = None,
    type_configuration: Mapping[str, Any] | None = None,
    type_version: str = "00000001",
) -> Json:
    """The whole event that CloudFormation sends to the Lambda entry point `resource`.

    Shape: cloudformation_cli_python_lib.utils.HandlerRequest. Provider credentials go with a log group only.
    """
    data = {
        "callerCredentials": _credentials("caller"),
        "providerCredentials": _credentials("provider") if log_group else None,
        "providerLogGroupName": log_group,
        "logicalResourceId": logical_id,
        "resourceProperties": dict(desired or {}),
        "previousResourceProperties": previous,
        "stackTags": stack_tags,
        "previousStackTags": previous_stack_tags,
        "systemTags": system_tags,
        "previousSystemTags": previous_system_tags,
        "typeConfiguration": type_configuration,
    }
    event = {
        "awsAccountId": account,
        "bearerToken": token or new_token(),
        "region": region,
        "action": action,
        "resourceType": definition.type_name,
        "resourceTypeVersion": type_version,
        "callbackContext": context,
        "nextToken": next_token,
        "stackId": stack_id,
        "requestData": {key: value for key, value in data.items() if value is not None},
    }
    return json.loads(json.dumps({key: value for key, value in event.items() if value is not None}))  # type: ignore[no-any-return]


def follow(
    invoke: Invoke,
    event: Json,
    *,
    sleep: Callable[[float], None] = time.sleep,
    timeout: float = _DEFAULT_TIMEOUT_SECONDS,
) -> Iterator[Json]:
    """Invoke the handler until it ends, yielding each progress event; the last is SUCCESS or FAILED.

    Re-invokes as CloudFormation does: after callbackDelaySeconds, with the answered model and context and the same
    bearer token. `timeout` bounds the operation in seconds, delays included. Raises what `invoke` raises.
    """
    started, slept = time.monotonic(), 0.0
    for _ in range(_MOST_INVOCATIONS):
        progress = _progress(invoke(event))
        if progress["status"] != "IN_PROGRESS":
            yield progress
            return
        if event["action"] in SYNCHRONOUS:
            yield _failed("InternalFailure", f"A {event['action']} handler must answer at once, not IN_PROGRESS.")
            return
        yield progress
        delay = float(progress.get("callbackDelaySeconds") or 0)
        if max(time.monotonic() - started, slept) + delay > timeout:
            break
        sleep(delay)
        slept += delay
        event = reinvocation(event, progress)
    yield _failed("NotStabilized", f"The {event['action']} handler is still IN_PROGRESS past its time limit.")


def reinvocation(event: Json, progress: Json) -> Json:
    """The event that follows an IN_PROGRESS answer."""
    data = dict(event["requestData"])
    if progress.get("resourceModel") is not None:
        data["resourceProperties"] = progress["resourceModel"]
    return {**event, "requestData": data, "callbackContext": progress.get("callbackContext")}


def _progress(answer: Any) -> Json:
    if not isinstance(answer, dict) or answer.get("status") not in ("IN_PROGRESS", "SUCCESS", "FAILED"):
        raise NotAProgressEvent("The handler's answer is not a progress event: it has no status.")
    wrong = [name for name, kind in _MEMBERS.items() if not isinstance(answer.get(name), kind | None)]
    delay = answer.get("callbackDelaySeconds") or 0
    if not wrong and not 0 <= delay < math.inf:
        wrong = ["callbackDelaySeconds"]
    if wrong:
        raise NotAProgressEvent(
            f"The handler's answer is not a progress event: {' and '.join(wrong)} cannot be what it has there."
        )
    return answer


def _failed(code: str, message: str) -> Json:
    return {"status": "FAILED", "errorCode": code, "message": message}
