"""Requests and answers of AWS's JSON protocols, for what answers some operations in front of another engine."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from cfnbox.aws.http import json_value
from cfnbox.aws.wire import error_answer

if TYPE_CHECKING:
    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.errors import Refused
    from cfnbox.core.paths import Json

_TARGET = "x-amz-target"


def operation_of(request: HttpRequest, target_prefix: str) -> str:
    """Return the operation of a request; "" for a request to another service."""
    prefix, _, name = request.headers.get(_TARGET, "").rpartition(".")
    return name if prefix == target_prefix else ""


def members_of(request: HttpRequest) -> Json:
    """Return the members of a request; none where its body is not an object of JSON."""
    try:
        members = json_value(request.body or b"{}")
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}


def request_of(request: HttpRequest, target_prefix: str, operation: str, members: Json) -> HttpRequest:
    """Return a request for another operation, from the same caller."""
    headers = {**request.headers, _TARGET: f"{target_prefix}.{operation}"}
    return replace(request, headers=headers, body=json.dumps(members).encode())


def answered_members(answer: Answer) -> Json | None:
    """Return the members of an answer; None for an error."""
    if answer[0] != HTTPStatus.OK:
        return None
    members: Json = json.loads(answer[2] or b"{}")
    return members


def json_answer(members: Json) -> Answer:
    """Return the answer with these members."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    return HTTPStatus.OK, headers, json.dumps(members).encode()


def json_refusal(refused: Refused) -> Answer:
    """Return the answer to a request that is refused."""
    return error_answer(refused, "json", str(uuid.uuid4()))
