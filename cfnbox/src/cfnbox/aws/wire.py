"""AWS's protocols, parsed and serialized by botocore's service models. An API is a table of operations on dicts."""

from __future__ import annotations

import json
import re
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import botocore.loaders
from moto.core.model import ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import SerializationContext, get_serializer_class
from werkzeug.datastructures import MultiDict

from cfnbox.aws import shapes
from cfnbox.aws.http import json_value
from cfnbox.aws.waiters import Waiters
from cfnbox.core.errors import Refused
from cfnbox.core.patterns import shared_time_limit
from cfnbox.core.place import Place
from cfnbox.core.unexpected import internal_failure

if TYPE_CHECKING:
    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json

_REQUEST_ID = "x-amzn-RequestId"
# Protocols whose requests are forms.
_FORM_PROTOCOLS = ("query", "ec2")
# Characters that XML 1.0 does not allow, escaped or not.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Operation = Callable[[Place, "Json"], "Json | None"]


@cache
def service_model(service: str) -> Any:
    """Return botocore's model of a service, in the form that moto's parsers and serializers read."""
    loader = botocore.loaders.Loader(include_default_search_paths=True)
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


class Api:
    """A service: its operations by botocore's names. An operation raises Refused to return an error.

    An operation of botocore's model that the table lacks is refused by name. `waiters` delays answers to waiters.
    """

    def __init__(self, service: str, operations: Mapping[str, Operation], waiters: Waiters | None = None) -> None:
        self.service, self._operations, self._waiters = service, operations, waiters or Waiters()

    def answer(self, request: HttpRequest) -> Answer:
        """Return the answer to one request."""
        model = service_model(self.service)
        protocol = model.resolved_protocol
        name = _operation_name(request, model.metadata.get("targetPrefix", ""))
        known = name in model.operation_names
        # An unknown operation still gets an answer in the protocol of the service.
        operation = model.operation_model(name if known else model.operation_names[0])
        context = SerializationContext(request_id=str(uuid.uuid4()))
        try:
            if not known:
                raise _no_operation(self.service, name, protocol, model.api_version)
            with shared_time_limit():
                result = self._waiters.answer(
                    request.headers.get("user-agent", ""), self.service, name,
                    lambda: self._carried_out(operation, protocol, request), lambda result: result,
                )  # fmt: skip
            response = get_serializer_class(self.service, protocol)(operation, context).serialize(result)
        except Refused as refused:
            return error_answer(refused, protocol, context.request_id)
        except Exception as problem:
            return error_answer(internal_failure(f"{name} of {self.service}", problem), protocol, context.request_id)
        content = response["body"]
        # Recorded from CloudFormation and other services: every answer has the header.
        headers = {**response["headers"], _REQUEST_ID: context.request_id}
        return response["status_code"], headers, content.encode() if isinstance(content, str) else content

    def _carried_out(self, operation: Any, protocol: str, request: HttpRequest) -> Json:
        if operation.name not in self._operations:
            raise Refused(
                "UnsupportedOperation",
                f"cfnbox does not have {operation.name} of {self.service}. It has: "
                f"{', '.join(sorted(self._operations))}.",
            )
        is_query = protocol in _FORM_PROTOCOLS
        members = _form_members(operation, request) if is_query else _json_members(request.body)
        code = "ValidationError" if is_query else "ValidationException"
        checked = shapes.checked(operation.input_shape, members, code) if operation.input_shape else {}
        return self._operations[operation.name](request.signature.place, checked) or {}


def _no_operation(service: str, name: str, protocol: str, version: str) -> Refused:
    if protocol == "query":
        return Refused("InvalidAction", f"Could not find operation {name} for version {version}")
    # AWS services of the JSON protocols send this code, without a message.
    return Refused("UnknownOperationException", f"{service} has no operation {name}.")


def _form_members(operation: Any, request: HttpRequest) -> object:
    fields = urllib.parse.parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    parser = PROTOCOL_PARSERS[operation.service_model.resolved_protocol](operation)
    try:
        return parser.parse({"body": request.body, "headers": request.headers, "method": "POST", "url_params": {},
                             "url_path": "/", "values": MultiDict(fields)})  # fmt: skip
    except (ValueError, OverflowError):
        # Services of the query protocol send this code, for example CloudWatch (jclouds/legacy-jclouds#274).
        text = f"A parameter of {operation.name} is not a valid number, time or base64 text."
        raise Refused("MalformedInput", text) from None


def _json_members(body: bytes) -> object:
    try:
        return json_value(body or b"{}")
    except ValueError:
        # The same answer as shapes.checked gives for a value of a wrong type.
        raise Refused("SerializationException", "") from None


def error_answer(refused: Refused, protocol: str, request_id: str) -> Answer:
    """Return an error answer in the format of the protocol: XML for `query`, `ec2` and `rest-xml`, else JSON."""
    if protocol not in (*_FORM_PROTOCOLS, "rest-xml"):
        content = json.dumps({"__type": refused.code, "message": refused.message}).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", _REQUEST_ID: request_id,
                   "x-amzn-ErrorType": refused.code}  # fmt: skip
        return refused.status, headers, content
    code, text = escape(refused.code), escape(_NO_XML.sub("\ufffd", refused.message))
    if protocol == "rest-xml":
        document = f"<Error><Code>{code}</Code><Message>{text}</Message><RequestId>{request_id}</RequestId></Error>"
        return refused.status, {"Content-Type": "application/xml", "x-amz-request-id": request_id}, document.encode()
    if protocol == "ec2":
        error = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
        document = f"<Response><Errors>{error}</Errors><RequestID>{request_id}</RequestID></Response>"
        return refused.status, {"Content-Type": "text/xml", _REQUEST_ID: request_id}, document.encode()
    document = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return refused.status, {"Content-Type": "text/xml", _REQUEST_ID: request_id}, document.encode()


def _operation_name(request: HttpRequest, target_prefix: str) -> str:
    """Return the name of the requested operation; "" for a target of another service."""
    if target := request.headers.get("x-amz-target", ""):
        prefix, _, name = target.rpartition(".")
        return name if prefix == target_prefix else ""
    return urllib.parse.parse_qs(request.body.decode("utf-8", "replace")).get("Action", [""])[0]
