"""Calls to the API behind one type: requests cut to its shapes, and its errors in CloudFormation's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ListShape, MapShape, StructureShape

from cfnbox.providers.failures import handler_failure, not_found, service_failure
from cfnbox.providers.protocol import ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.providers.services.tables import ServiceType

_FIRST_POLL_SECONDS, _MOST_POLL_SECONDS, _LONGER = 0.05, 1.0, 1.5
_MISSING = re.compile(r"Could not find|does not exist|RecordNotFound|No scal\w+ \w+ found", re.IGNORECASE)
_MISSING_CODES = ("ResourceNotFound", "ObjectNotFoundException")
_TAKEN = re.compile(r"already exist|duplicate", re.IGNORECASE)
# An API's error code, and the HandlerErrorCode that CloudFormation's own handlers make of it.
_CODES = {
    "AccessDeniedException": "AccessDenied",
    "ConflictException": "ResourceConflict",
    "ResourceInUse": "ResourceConflict",
    "ResourceLimitExceeded": "ServiceLimitExceeded",
    "ThrottlingException": "Throttling",
    "ValidationException": "InvalidRequest",
}
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Calls:
    """The operations that one row of the table names, for one request. Every method raises ResourceFailed."""

    type: ServiceType
    client: Any
    request: Request

    def call(self, kind: str, members: Json) -> Json:
        """The answer to a Create, Describe, Update, Delete or List."""
        # What a create does not find is not the resource itself.
        return self.invoke(self.type.operation(kind), members, "InvalidRequest" if kind == "Create" else "NotFound")

    def invoke(self, operation: str, members: Json, missing_is: str = "NotFound") -> Json:
        """The answer to an operation, asked with those members that it has."""
        shape: Any = self.client.meta.service_model.operation_model(operation).input_shape
        try:
            answer = getattr(self.client, xform_name(operation))(**_shaped(shape, members))
        except (ClientError, BotoCoreError) as error:
            raise self._failure(error, missing_is) from None
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def description(self, key: Json) -> Json | None:
        """What is said of the resource that these members name; None when there is none."""
        try:
            answer = self.call("Describe", self.type.asked(key))
        except ResourceFailed as failure:
            if failure.code == "NotFound":
                return None
            raise
        if not self.type.answer_member:
            return answer
        listed = answer[self.type.answer_member]
        found = [one for one in listed if all(one[name] == value for name, value in key.items() if name in one)]
        return found[0] if found else None

    def described_members(self) -> Sequence[str]:
        """The names of all that a description can hold."""
        shape: Any = self.client.meta.service_model.operation_model(self.type.operation("Describe")).output_shape
        if self.type.answer_member:
            shape = shape.members[self.type.answer_member].member
        return list(shape.members)

    def settled(self, key: Json, progress: Progress) -> Json | None:
        """The description once nothing is under way; None when there is no resource, from the start or then."""
        pause = _FIRST_POLL_SECONDS
        while True:
            description = self.description(key)
            if description is None or self.type.is_settled(description):
                return description
            progress.wait(pause)
            pause = min(pause * _LONGER, _MOST_POLL_SECONDS)

    def succeeded(self, key: Json, progress: Progress) -> Json:
        """The description once what was begun has ended well."""
        description = self.settled(key, progress)
        if description is None:
            raise not_found(self.request, self.type.title, "|".join(str(one) for one in key.values()))
        failure = self.type.failure(description)
        if failure:
            raise self.failed(failure, "NotStabilized")
        return description

    def tags(self, arn: str) -> list[Json]:
        """All tags of a resource."""
        try:
            pages = self.client.get_paginator("list_tags").paginate(ResourceArn=arn)
            return [tag for page in pages for tag in page["Tags"]]
        except (ClientError, BotoCoreError) as error:
            raise self._failure(error, "NotFound") from None

    def failed(self, message: str, code: str = "GeneralServiceException") -> ResourceFailed:
        """A failure of this request."""
        return handler_failure(self.request, message, code)

    def _failure(self, error: ClientError | BotoCoreError, missing_is: str) -> ResourceFailed:
        if not isinstance(error, ClientError):
            return self.failed(f"The service gave no answer ({type(error).__name__}).", "NetworkFailure")
        said, metadata = error.response["Error"], error.response["ResponseMetadata"]
        message, code, status = said.get("Message", ""), said.get("Code", ""), metadata.get("HTTPStatusCode", 400)
        handler_code = _CODES.get(
            code, "ServiceInternalError" if status >= _SERVER_ERROR else "GeneralServiceException"
        )
        if _TAKEN.search(message):
            handler_code = "AlreadyExists"
        elif code in _MISSING_CODES or _MISSING.search(message):
            handler_code = missing_is
        service = self.client.meta.service_model.metadata["serviceId"]
        request_id = metadata.get("RequestId", "")
        return service_failure(self.request, service, status, message or code, handler_code, request_id)


def _shaped(shape: Any, value: Any) -> Any:
    """A value with the members that a shape has."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {name: _shaped(shape.members[name], one) for name, one in value.items() if name in shape.members}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_shaped(shape.member, one) for one in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: _shaped(shape.value, one) for name, one in value.items()}
    return value
