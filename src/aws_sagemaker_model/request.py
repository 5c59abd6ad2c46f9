"""Parse the event of the Lambda function into a request of CloudFormation."""

import re
from dataclasses import dataclass
from typing import Any, NoReturn

from cloudformation_cli_python_lib import Action

from . import schema, tags
from .errors import invalid_request
from .properties import IDENTIFIERS
from .schema import Violation
from .session import Credentials

_NO_REQUEST = (
    "The event is not a request of CloudFormation to a resource type: it must have action, region, bearerToken and "
    "requestData, and awsAccountId must have 12 digits."
)
_NO_REGION = "The region of the event is not the name of an AWS region, such as us-east-1."


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request of CloudFormation.

    `properties` are the desired ones, with the types of the schema where possible; `violations` are those of the
    schema. Reads, deletes and lists have only the identifiers, so that no other property can prevent a delete.
    `tags` are the desired ones: those of the stack, overridden by those of the model.
    """

    action: Action
    region: str
    account: str | None
    token: str
    stack_id: str | None
    logical_id: str | None
    next_token: str | None
    callback_context: Any
    properties: dict[str, Any]
    violations: list[Violation]
    previous_properties: dict[str, Any]
    stack_tags: dict[str, str]
    tags: dict[str, str]
    previous_tags: dict[str, str]
    credentials: Credentials | None
    provider_credentials: Credentials | None
    log_group: str | None


def parse(event: Any) -> Request:
    """Return the request in an event, and ignore unknown members. Raise Failure."""
    data = _object(_object(event).get("requestData"))
    action = Action.__members__.get(_text(event.get("action"), r".+"))
    desired, previous = (data.get(name) or {} for name in ("resourceProperties", "previousResourceProperties"))
    if action not in (Action.CREATE, Action.UPDATE) and isinstance(desired, dict):
        desired = {name: desired[name] for name in IDENTIFIERS if desired.get(name) is not None}
    properties, violations = schema.coerce(desired)
    previous, _ = schema.coerce(previous)
    stack_tags = _stack_tags(data.get("stackTags"))
    return Request(
        action=action or _refuse(),
        region=_text(event.get("region"), r"[a-z]{2,}(-[a-z0-9]{1,30}){2,5}", _NO_REGION),
        account=_optional_text(event.get("awsAccountId"), r"[0-9]{12}"),
        token=_text(event.get("bearerToken"), r".+"),
        stack_id=_optional_text(event.get("stackId")),
        logical_id=_optional_text(data.get("logicalResourceId")),
        next_token=_optional_text(event.get("nextToken")),
        callback_context=event.get("callbackContext") or {},
        properties=properties,
        violations=violations,
        previous_properties=previous,
        stack_tags=stack_tags,
        tags=stack_tags | tags.from_list(properties.get("Tags")),
        previous_tags=_stack_tags(data.get("previousStackTags")) | tags.from_list(previous.get("Tags")),
        credentials=_credentials(data.get("callerCredentials")),
        provider_credentials=_credentials(data.get("providerCredentials")),
        log_group=_optional_text(data.get("providerLogGroupName")),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else _refuse()


def _stack_tags(stated: Any) -> dict[str, str]:
    # The type must not write tags that AWS reserves, such as those that Service Catalog adds.
    return tags.without_reserved({_text(key): _text(value) for key, value in _object(stated or {}).items()})


def _credentials(stated: Any) -> Credentials | None:
    names = ("accessKeyId", "secretAccessKey", "sessionToken")
    key, secret, token = (stated.get(name) if isinstance(stated, dict) else None for name in names)
    return (_text(key), _text(secret), _optional_text(token)) if key and secret else None


def _optional_text(value: Any, pattern: str = r".*") -> str | None:
    return _text(value, pattern) if value else None


def _text(value: Any, pattern: str = r".*", otherwise: str = _NO_REQUEST) -> str:
    """Return a string if it matches a pattern and UTF-8 can encode it. Raise Failure."""
    if isinstance(value, str) and schema.is_text(value) and re.fullmatch(pattern, value, re.DOTALL):
        return value
    return _refuse(otherwise)


def _refuse(message: str = _NO_REQUEST) -> NoReturn:
    raise invalid_request(message)
