"""The handler protocol of CloudFormation: events, progress events, re-invocations and retries. For any type."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
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

# The types of the members of a progress event. `status` is checked separately; `message` may be any JSON.
# Source: cloudformation_cli_python_lib.interface.ProgressEvent.
_MEMBERS: dict[str, Any] = {
    "errorCode": str,
    "callbackContext": dict,
    "callbackDelaySeconds": int | float,
    "resourceModel": dict,
    "resourceModels": list,
    "nextToken": str,
}
# The default timeoutInMinutes of a handler (CloudFormation CLI user guide, "handlers" of a schema).
_DEFAULT_TIMEOUT_SECONDS = 120 * 60
# Re-invoke a handler without a callback delay at once for this many times, then after the shortest delay.
_PROMPT_INVOCATIONS = 100
_SHORTEST_DELAY_SECONDS = 0.05
# "Resource type handler error codes" of the CloudFormation CLI user guide, the codes of the type "Retriable".
RETRIABLE = frozenset({"NetworkFailure", "ResourceConflict", "ServiceInternalError", "Throttling"})
# Chosen here: the guide documents neither the number nor the delays of the retries.
RETRY_DELAYS = (1.0, 2.0, 4.0)
# Longer messages are cut at the end.
_LONGEST_MESSAGE = 4096


class InvocationFailed(LocalFailure):
    """The handler did not return a progress event. The message says what happened, without property values."""


class NotAProgressEvent(InvocationFailed):
    """The handler returned JSON that is not a progress event."""


def new_token() -> str:
    """Return a new bearer token. Each operation on a resource has its own."""
    return str(uuid.uuid4())


def _credentials(owner: str, account: str) -> dict[str, str]:
    return {
        # An access key of twelve digits names an account to the services.
        "accessKeyId": f"local-{owner}" if account == DEFAULT_ACCOUNT else account,
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
    """Return the event that CloudFormation sends to the Lambda entry point `resource`.

    Shape: cloudformation_cli_python_lib.utils.HandlerRequest. It has provider credentials only with a log group.
    """
    data = {
        "callerCredentials": _credentials("caller", account),
        "providerCredentials": _credentials("provider", account) if log_group else None,
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
    retry_delays: Sequence[float] = (),
) -> Iterator[Json]:
    """Invoke the handler until the operation ends, and yield each progress event. The last is SUCCESS or FAILED.

    Re-invoke as CloudFormation does: after callbackDelaySeconds, with the returned model and callback context and
    the same bearer token. After a failure with a retriable code, retry with the same event, once for each of
    `retry_delays`; READ and LIST are not retried. `timeout` limits the operation in seconds, delays included.
    Raise the exceptions of `invoke`.
    """
    started, slept, invocations = time.monotonic(), 0.0, 0
    retries = iter(() if event["action"] in SYNCHRONOUS else retry_delays)
    while True:
        progress = _progress(invoke(event))
        invocations += 1
        if progress["status"] != "IN_PROGRESS":
            yield progress
            if (delay := _retry_delay(progress, retries)) is None:
                return
        elif event["action"] in SYNCHRONOUS:
            yield _failed("InternalFailure", f"A {event['action']} handler must not return IN_PROGRESS.")
            return
        else:
            yield progress
            delay, event = _callback_delay(progress, invocations), reinvocation(event, progress)
        if max(time.monotonic() - started, slept) + delay > timeout:
            break
        sleep(delay)
        slept += delay
    if progress["status"] == "IN_PROGRESS":
        yield _failed("NotStabilized", f"The {event['action']} handler is still IN_PROGRESS after its time limit.")


def _retry_delay(progress: Json, retries: Iterator[float]) -> float | None:
    """Return the delay before the next retry; None when the operation has ended."""
    is_retriable = progress["status"] == "FAILED" and progress.get("errorCode") in RETRIABLE
    return next(retries, None) if is_retriable else None


def _callback_delay(progress: Json, invocations: int) -> float:
    """Return the seconds until the next invocation, at least the shortest delay."""
    shortest = _SHORTEST_DELAY_SECONDS if invocations > _PROMPT_INVOCATIONS else 0.0
    return max(shortest, float(progress.get("callbackDelaySeconds") or 0))


def reinvocation(event: Json, progress: Json) -> Json:
    """Return the event of the re-invocation after an IN_PROGRESS progress event."""
    data = dict(event["requestData"])
    if progress.get("resourceModel") is not None:
        data["resourceProperties"] = progress["resourceModel"]
    return {**event, "requestData": data, "callbackContext": progress.get("callbackContext")}


def _progress(answer: Any) -> Json:
    if not isinstance(answer, dict) or answer.get("status") not in ("IN_PROGRESS", "SUCCESS", "FAILED"):
        raise NotAProgressEvent("The handler's answer is not a progress event: it has no status.")
    wrong = [name for name, kind in _MEMBERS.items() if not isinstance(answer.get(name), kind | None)]
    if not wrong and not math.isfinite(answer.get("callbackDelaySeconds") or 0):
        wrong = ["callbackDelaySeconds"]
    if wrong:
        raise NotAProgressEvent(
            f"The handler's answer is not a progress event: the value of {' and '.join(wrong)} is not valid."
        )
    return {**answer, "message": _text(answer["message"])} if "message" in answer else answer


def _text(message: Any) -> str | None:
    """Return a handler's message as text. Convert other values to JSON, and cut long messages."""
    if message is None:
        return None
    text = message if isinstance(message, str) else json.dumps(message)
    if len(text) <= _LONGEST_MESSAGE:
        return text
    return f"{text[:_LONGEST_MESSAGE]}... (the message has {len(text)} characters)"


def _failed(code: str, message: str) -> Json:
    return {"status": "FAILED", "errorCode": code, "message": message}
