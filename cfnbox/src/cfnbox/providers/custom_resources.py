"""Custom resources: a Lambda function or an SNS topic provides them, and responds to a callback URL.

Source: CloudFormation user guide, "Custom resources", its request and response objects and messages.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cfnbox.core.errors import Refused
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.providers.names import generated_name
from cfnbox.providers.protocol import Resource, ResourceFailed, no_notice

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.callbacks import Callbacks
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.protocol import Progress, Request

_TYPE = "AWS::CloudFormation::CustomResource"
_MOST_BYTES = 4096
_MOST_SECONDS = 3600
# Lambda retries a failed asynchronous invocation twice.
_INVOCATIONS = 3
_SCHEMA: Json = {
    "properties": {
        "ServiceToken": {"type": "string", "minLength": 1},
        "ServiceTimeout": {"type": "integer", "minimum": 1, "maximum": _MOST_SECONDS},
        "Id": {"type": "string"},
    },
    "required": ["ServiceToken"],
    "readOnlyProperties": [],
    "primaryIdentifier": ["/properties/Id"],
}


@dataclass
class _Exchange:
    """A request to a custom resource provider, with its response or the reason why there is none."""

    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    done: threading.Event = field(default_factory=threading.Event)
    response: Json | None = None
    trouble: str = ""
    delivered: bool = True

    def receive(self, _content_type: str, body: bytes) -> None:
        """Store a response sent to the callback URL. Only the first response counts."""
        try:
            sent = json.loads(body)
        except ValueError:
            raise Refused("InvalidResponse", "The response is not JSON.") from None
        if not isinstance(sent, dict) or sent.get("Status") not in ("SUCCESS", "FAILED"):
            raise Refused("InvalidResponse", "The response needs a Status, SUCCESS or FAILED.")
        if self.done.is_set():
            return
        if len(body) > _MOST_BYTES:
            self.trouble = "Response object is too long."
        self.response = sent
        self.done.set()

    def fail(self, trouble: str) -> None:
        """End the wait without a response, with the reason."""
        self.trouble = trouble
        self.done.set()


class CustomResources:
    """The provider of AWS::CloudFormation::CustomResource and of every Custom:: type.

    An update may return a new physical ID. The old resource then exists until the clean-up.
    """

    notice = staticmethod(no_notice)

    def __init__(self, clients: ServiceClients, callbacks: Callbacks) -> None:
        self._clients, self._callbacks = clients, callbacks
        self._definitions: dict[str, TypeDefinition] = {}

    def definition(self, type_name: str, _place: Place) -> TypeDefinition | None:
        """Return a type with ServiceToken, any other properties, and any attributes. Return None for other types."""
        if type_name != _TYPE and not type_name.startswith("Custom::"):
            return None
        if type_name not in self._definitions:
            self._definitions[type_name] = TypeDefinition.from_schema({**_SCHEMA, "typeName": type_name}, ["*"])
        return self._definitions[type_name]

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Create a resource. A failed request leaves an identity to delete, because it may have created something."""
        exchange = _Exchange()
        try:
            return self._answered(definition, request, "Create", desired, progress, exchange)
        except ResourceFailed:
            if not exchange.delivered:
                raise
            told = (exchange.response or {}).get("PhysicalResourceId")
            physical_id = told if isinstance(told, str) and told else generated_name(request, 255)
            progress.identified(Resource(physical_id, physical_id, {**desired, "Id": physical_id}, {}))
            raise

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Update a resource. Another physical ID in the response replaces it."""
        if previous.get("ServiceToken") != desired.get("ServiceToken"):
            raise ResourceFailed("Modifying service token is not allowed.", "NotUpdatable")
        more = {"PhysicalResourceId": resource.physical_id, "OldResourceProperties": _as_text(previous)}
        return self._answered(definition, request, "Update", desired, progress, _Exchange(), more)

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Delete a resource."""
        more = {"PhysicalResourceId": resource.physical_id}
        self._answered(definition, request, "Delete", previous, progress, _Exchange(), more)

    def read(self, definition: TypeDefinition, _request: Request, _identifier: str) -> Resource:
        """Raise ResourceFailed: custom resources cannot be read."""
        raise ResourceFailed(f"Resources of type {definition.type_name} cannot be read.", "UnsupportedAction")

    def list(
        self, definition: TypeDefinition, _request: Request, _filters: Json, _next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Raise ResourceFailed: custom resources cannot be listed."""
        raise ResourceFailed(f"Resources of type {definition.type_name} cannot be listed.", "UnsupportedAction")

    def _answered(
        self,
        definition: TypeDefinition,
        request: Request,
        kind: str,
        properties: Json,
        progress: Progress,
        exchange: _Exchange,
        more: Mapping[str, Any] | None = None,
    ) -> Resource:
        """Send the request, wait for the response, and return its resource."""
        url = self._callbacks.open(exchange.receive)
        event = {
            "RequestType": kind,
            "ServiceToken": properties["ServiceToken"],
            "ResponseURL": url,
            "StackId": request.owner.stack_id if request.owner else "",
            "RequestId": exchange.request_id,
            "LogicalResourceId": request.owner.logical_id if request.owner else "",
            "ResourceType": definition.type_name,
            "ResourceProperties": _as_text(properties),
            **(more or {}),
        }
        send = threading.Thread(target=self._send, args=(request.place, event, exchange), daemon=True)
        send.start()
        try:
            _wait(exchange, int(properties.get("ServiceTimeout", _MOST_SECONDS)), progress)
        finally:
            self._callbacks.close(url)
        return _resource(properties, exchange)

    def _send(self, place: Place, event: Json, exchange: _Exchange) -> None:
        """Deliver the event to the service token. Runs in a thread while the caller waits for the response."""
        token = str(event["ServiceToken"])
        try:
            if ":sns:" in token:
                subject = "AWS CloudFormation custom resource request"
                self._clients.of("sns", place).publish(TopicArn=token, Subject=subject, Message=json.dumps(event))
                return
            function = self._clients.of("lambda", place)
            for _ in range(_INVOCATIONS):
                answer = function.invoke(FunctionName=token, Payload=json.dumps(event).encode())
                if "FunctionError" not in answer or exchange.done.is_set():
                    return
                kind = _error_type(answer["Payload"].read())
            exchange.fail(
                f"The function of the custom resource ended with {kind}, {_INVOCATIONS} times, and sent no response. "
                "Its log group in CloudWatch Logs tells more."
            )
        except ClientError as refused:
            exchange.delivered = False
            exchange.fail(refused.response["Error"].get("Message") or str(refused))
        except BotoCoreError as broken:
            exchange.fail(f"The service token of the custom resource cannot be reached ({type(broken).__name__}).")


def _wait(exchange: _Exchange, seconds: int, progress: Progress) -> None:
    with progress.waking(exchange.done.set):
        is_in_time = exchange.done.wait(seconds)
    if exchange.response is None and not exchange.trouble:
        progress.wait(0)
    if not is_in_time:
        raise ResourceFailed(
            "CloudFormation did not receive a response from your Custom Resource. Please check your logs for "
            f"requestId [{exchange.request_id}]. If you are using the Python cfn-response module, you may need "
            "to update your Lambda function code so that CloudFormation can attach the updated version.",
            "NotStabilized",
        )


def _resource(properties: Json, exchange: _Exchange) -> Resource:
    response = exchange.response or {}
    if exchange.trouble:
        raise ResourceFailed(exchange.trouble)
    if response["Status"] == "FAILED":
        raise ResourceFailed(
            "Received response status [FAILED] from custom resource. Message returned: "
            f"{response.get('Reason') or 'See the details in CloudWatch Logs.'} (RequestId: {exchange.request_id})"
        )
    physical_id, data = response.get("PhysicalResourceId"), response.get("Data") or {}
    if not isinstance(physical_id, str) or not physical_id:
        raise ResourceFailed("Invalid PhysicalResourceId", "InvalidRequest")
    if not isinstance(data, dict):
        raise ResourceFailed("The Data of the response must be an object.", "InvalidRequest")
    return Resource(physical_id, physical_id, {**properties, "Id": physical_id}, data)


def _as_text(value: Any) -> Any:
    """Return properties as CloudFormation sends them to custom resources: every scalar is text."""
    if isinstance(value, Mapping):
        return {key: _as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_text(inner) for inner in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _error_type(payload: bytes) -> str:
    try:
        kind = json.loads(payload).get("errorType")
    except (ValueError, AttributeError):
        kind = None
    return str(kind or "an error")
