"""Calls to the API behind a type: requests cut to the API's shapes, and its errors in CloudFormation's words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import ListShape, MapShape, StructureShape

from cfnbox.providers.failures import handler_failure, service_failure
from cfnbox.providers.protocol import ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Request

_MISSING = re.compile(
    r"(?:Could not|Cannot) find|does not exist|RecordNotFound|No scal\w+ \w+ found|cannot be found", re.IGNORECASE
)
_MISSING_CODE = re.compile(r"NoSuch|NotFound|NonExistent|DoesNotExist|InvalidGroup\.NotFound|^404$")
_TAKEN = re.compile(r"already exist|duplicate", re.IGNORECASE)
_TAKEN_CODE = re.compile(r"AlreadyExists|AlreadyOwned|ResourceExists|^ResourceConflictException$|\.Duplicate$")
# An API's error code, and the HandlerErrorCode that CloudFormation's own handlers make of it.
_CODES = {
    "AccessDenied": "AccessDenied",
    "AccessDeniedException": "AccessDenied",
    "BucketNotEmpty": "ResourceConflict",
    "ConflictException": "ResourceConflict",
    "DeleteConflict": "ResourceConflict",
    # Quoted by users of CloudFormation (aws/copilot-cli#5481).
    "DependencyViolation": "InvalidRequest",
    "LimitExceeded": "ServiceLimitExceeded",
    "LimitExceededException": "ServiceLimitExceeded",
    "ResourceInUse": "ResourceConflict",
    "ResourceInUseException": "ResourceConflict",
    "ResourceLimitExceeded": "ServiceLimitExceeded",
    "ThrottlingException": "Throttling",
    "ValidationException": "InvalidRequest",
}
_INVALID_CODE = re.compile(r"^Invalid|^Malformed|Validation|InvalidParameter")
_SERVER_ERROR = 500
# How AWS's SDK for Java, and so the reason of an event, calls services that botocore writes in capitals.
_SERVICE_NAMES = {
    "CloudWatch Logs": "CloudWatchLogs",
    "DynamoDB": "DynamoDb",
    "EC2": "Ec2",
    "ECR": "Ecr",
    "IAM": "Iam",
    "KMS": "Kms",
    "SFN": "Sfn",
    "SNS": "Sns",
    "SQS": "Sqs",
    "SSM": "Ssm",
    "Secrets Manager": "SecretsManager",
}


@dataclass(frozen=True)
class Calls:
    """Calls for one request. Every method raises ResourceFailed.

    `connect` makes a client of another service than that of the type, such as `resourcegroupstaggingapi`.
    """

    client: Any
    request: Request
    connect: Callable[[str], Any]

    def invoke(self, operation: str, members: Json, *, missing_is: str = "NotFound", service: str = "") -> Json:
        """Return the answer to an operation, called with those members that its request has.

        `missing_is` is the HandlerErrorCode of an answer that something is not there.
        """
        client = self.connect(service) if service else self.client
        shape: Any = client.meta.service_model.operation_model(operation).input_shape
        try:
            answer = getattr(client, xform_name(operation))(**_shaped(shape, members))
        except (ClientError, BotoCoreError) as error:
            raise self._failure(error, missing_is, client) from None
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def find(self, operation: str, members: Json) -> Json | None:
        """Return the answer to an operation, or None when it answers that something is not there."""
        try:
            return self.invoke(operation, members)
        except ResourceFailed as failure:
            if failure.code == "NotFound":
                return None
            raise

    def items(self, operation: str, members: Json, answer_member: str) -> list[Any]:
        """Return the items of all pages of a list; an empty list when what they belong to is not there."""
        return list(self._items(operation, members, answer_member))

    def _items(self, operation: str, members: Json, answer_member: str) -> Iterator[Any]:
        name = xform_name(operation)
        if not self.client.can_paginate(name):
            yield from (self.find(operation, members) or {}).get(answer_member, [])
            return
        shape: Any = self.client.meta.service_model.operation_model(operation).input_shape
        try:
            for page in self.client.get_paginator(name).paginate(**_shaped(shape, members)):
                yield from page.get(answer_member, [])
        except (ClientError, BotoCoreError) as error:
            failure = self._failure(error, "NotFound", self.client)
            if failure.code != "NotFound":
                raise failure from None

    def failed(self, message: str, code: str = "GeneralServiceException") -> ResourceFailed:
        """Return a failure of this request."""
        return handler_failure(self.request, message, code)

    def refused(self, message: str, status: int, code: str) -> ResourceFailed:
        """Return a failure in the words of the service, for what only the service in AWS refuses."""
        return service_failure(self.request, _service_name(self.client), status, message, code)

    def _failure(self, error: ClientError | BotoCoreError, missing_is: str, client: Any) -> ResourceFailed:
        if not isinstance(error, ClientError):
            return self.failed(f"The service gave no answer ({type(error).__name__}).", "NetworkFailure")
        answer, metadata = error.response["Error"], error.response["ResponseMetadata"]
        message, code, status = answer.get("Message", ""), answer.get("Code", ""), metadata.get("HTTPStatusCode", 400)
        handler_code = _handler_code(code, message, status, missing_is)
        request_id = metadata.get("RequestId", "")
        return service_failure(self.request, _service_name(client), status, message or code, handler_code, request_id)


def _handler_code(code: str, message: str, status: int, missing_is: str) -> str:
    if code in _CODES and not (_TAKEN.search(message) or _MISSING.search(message)):
        return _CODES[code]
    if _TAKEN_CODE.search(code) or _TAKEN.search(message):
        return "AlreadyExists"
    if _MISSING_CODE.search(code) or _MISSING.search(message):
        return missing_is
    if _INVALID_CODE.search(code):
        return "InvalidRequest"
    return "ServiceInternalError" if status >= _SERVER_ERROR else "GeneralServiceException"


def _service_name(client: Any) -> str:
    service = str(client.meta.service_model.metadata["serviceId"])
    return _SERVICE_NAMES.get(service, service)


def _shaped(shape: Any, value: Any) -> Any:
    """Return a value cut to the members that a shape has."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {name: _shaped(shape.members[name], part) for name, part in value.items() if name in shape.members}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_shaped(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: _shaped(shape.value, item) for name, item in value.items()}
    return value
