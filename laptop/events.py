"""What CloudFormation sends to a resource handler and how it follows the answers, for any registry schema."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Json = dict[str, Any]
Invoke = Callable[[Json], Any]
Action = Literal["CREATE", "READ", "UPDATE", "DELETE", "LIST"]

ACTIONS: tuple[Action, ...] = ("CREATE", "READ", "UPDATE", "DELETE", "LIST")
SYNCHRONOUS: tuple[Action, ...] = ("READ", "LIST")
DEFAULT_ACCOUNT = "123456789012"

# timeoutInMinutes of a handler that names none (CloudFormation CLI user guide, "handlers" of a schema).
_DEFAULT_TIMEOUT_MINUTES = 120
# Far more than any stabilisation needs; it only ends a handler that never asks for a delay.
_MOST_INVOCATIONS = 1000


class LocalFailure(Exception):
    """A failure whose message tells the user what is wrong and what to do."""


class InvocationFailed(LocalFailure):
    """The handler gave no progress event; the message says what happened instead, without property values."""


class NotAProgressEvent(InvocationFailed):
    """The handler answered with JSON that is not a progress event."""


@dataclass(frozen=True)
class TypeDefinition:
    """What the schema of a registry type says to CloudFormation.

    Names are property paths below /properties, joined by dots as Fn::GetAtt writes them.
    """

    type_name: str
    primary_identifier: tuple[str, ...]
    additional_identifiers: tuple[tuple[str, ...], ...]
    read_only: tuple[str, ...]
    create_only: tuple[str, ...]
    write_only: tuple[str, ...]
    tag_property: str | None
    tags_are_a_map: bool
    handlers: Mapping[str, Mapping[str, Any]]
    schema: Mapping[str, Any]

    @classmethod
    def load(cls, schema_path: str | Path, type_name: str | None = None) -> TypeDefinition:
        """The definition in a schema file, under a given name or its own; OSError and ValueError name the file."""
        try:
            schema = json.loads(Path(schema_path).read_text(encoding="utf-8"))
            return cls.from_schema({**schema, "typeName": type_name} if type_name else schema)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{schema_path} is not a registry schema: {error}") from None

    @classmethod
    def from_schema(cls, schema: Mapping[str, Any]) -> TypeDefinition:
        """The definition in a parsed schema; KeyError on a missing typeName or primaryIdentifier."""
        tagging = schema.get("tagging", {})
        tag_property = None
        if tagging.get("taggable", "Tags" in schema.get("properties", {})):
            tag_property = _name(tagging.get("tagProperty", "/properties/Tags"))
        tag_schema = schema.get("properties", {}).get(tag_property or "", {})
        return cls(
            type_name=schema["typeName"],
            primary_identifier=_names(schema["primaryIdentifier"]),
            additional_identifiers=tuple(_names(one) for one in schema.get("additionalIdentifiers", [])),
            read_only=_names(schema.get("readOnlyProperties", [])),
            create_only=_names(
                schema.get("createOnlyProperties", []) + schema.get("conditionalCreateOnlyProperties", [])
            ),
            write_only=_names(schema.get("writeOnlyProperties", [])),
            tag_property=tag_property,
            tags_are_a_map=tag_schema.get("type") == "object",
            handlers=schema.get("handlers", {}),
            schema=schema,
        )

    def identifier(self, model: Mapping[str, Any]) -> str:
        """The primary identifier as Ref returns it (several parts are joined by "|"); KeyError if absent."""
        return "|".join(str(value_at(model, name)) for name in self.primary_identifier)

    def identifier_model(self, identifier: str) -> Json:
        """The resource model that holds the primary identifier alone."""
        model: Json = {}
        for name, value in zip(self.primary_identifier, identifier.split("|"), strict=True):
            put_at(model, name, value)
        return model

    def read_only_part(self, model: Mapping[str, Any]) -> Json:
        """The model's read-only properties alone, as attributes by dotted name."""
        return {name: value_at(model, name) for name in self.read_only if has(model, name)}

    def explicitly_set(self, model: Mapping[str, Any], template: Mapping[str, Any]) -> Json:
        """The part of a read model that the template's properties set: what drift detection compares.

        Defaults of the service are left out at every depth; keys of free-form maps stay, since the whole map is set.
        """
        part: Json = self._set_part(self.schema, model, template)
        return part

    def _set_part(self, node: Mapping[str, Any], actual: Any, template: Any) -> Any:
        if "$ref" in node:
            node = self.schema["definitions"][node["$ref"].rpartition("/")[2]]
        if isinstance(actual, dict) and isinstance(template, dict):
            declared = node.get("properties", {})
            return {
                key: self._set_part(declared.get(key, {}), value, template.get(key))
                for key, value in actual.items()
                if key in template or key not in declared
            }
        if isinstance(actual, list) and isinstance(template, list) and len(actual) == len(template):
            items = node.get("items", {})
            return [self._set_part(items, one, wanted) for one, wanted in zip(actual, template, strict=True)]
        return actual

    def timeout_seconds(self, action: Action) -> int:
        """How long CloudFormation follows one operation, by the schema's timeoutInMinutes."""
        minutes = self.handlers.get(action.lower(), {}).get("timeoutInMinutes", _DEFAULT_TIMEOUT_MINUTES)
        return int(minutes) * 60


def _names(pointers: Sequence[str]) -> tuple[str, ...]:
    return tuple(_name(pointer) for pointer in pointers)


def _name(pointer: str) -> str:
    return pointer.removeprefix("/properties/").replace("/properties/", "/").replace("/", ".")


def value_at(model: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name; KeyError if absent."""
    value: Any = model
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise KeyError(name)
        value = value[part]
    return value


def has(model: Mapping[str, Any], name: str) -> bool:
    """Whether the model holds the dotted name."""
    try:
        value_at(model, name)
    except KeyError:
        return False
    return True


def put_at(model: Json, name: str, value: Any) -> None:
    """Set the value of a dotted name, making the objects on the way."""
    *path, last = name.split(".")
    for part in path:
        model = model.setdefault(part, {})
    model[last] = value


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
    region: str = "us-east-1",
    account: str = DEFAULT_ACCOUNT,
    log_group: str | None = None,
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
    }
    event = {
        "awsAccountId": account,
        "bearerToken": token or new_token(),
        "region": region,
        "action": action,
        "resourceType": definition.type_name,
        "resourceTypeVersion": "00000001",
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
    timeout: float = _DEFAULT_TIMEOUT_MINUTES * 60,
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
    return answer


def _failed(code: str, message: str) -> Json:
    return {"status": "FAILED", "errorCode": code, "message": message}
