"""The door that CloudFormation knocks at: the library's `Resource`, with what it lacks.

The library loses `nextToken`, makes new clients for every request, puts property values into logs and messages,
and turns a finished create into a failure when a metric cannot be published. Here a request is coerced and checked
against the schema, the handler runs with kept clients and a deadline, and whatever happens is answered and told in
one log line without any property value.
"""

import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudformation_cli_python_lib import Action, OperationStatus, ProgressEvent, Resource, exceptions
from cloudformation_cli_python_lib.interface import BaseResourceHandlerRequest
from cloudformation_cli_python_lib.log_delivery import ProviderLogHandler
from cloudformation_cli_python_lib.metrics import MetricsPublisher
from cloudformation_cli_python_lib.utils import HandlerRequest

from . import errors, names, schema, translator
from .models import ResourceModel
from .schema import Violation
from .session import CALLER, MARGIN, PROVIDER, Lease

LOG = logging.getLogger(__package__)

# Seconds that CloudFormation gives an invocation ("handler timeouts", CloudFormation CLI user guide).
TIME_LIMITS = {Action.READ: 30.0, Action.LIST: 30.0}
_MUTATION_TIME_LIMIT = 60.0
_STATES_ITS_PROPERTIES = (Action.CREATE, Action.UPDATE)
_NOT_A_REQUEST = (KeyError, TypeError, AttributeError, ValueError, RecursionError)
_IDENTIFIERS = ("ModelArn", "ModelName")

# At DEBUG these write whole requests with their property values and credentials.
_TALKATIVE = ("botocore", "boto3", "urllib3", "s3transfer", "cloudformation_cli_python_lib")


@dataclass
class Request(BaseResourceHandlerRequest):  # type: ignore[misc]
    """A handler request; `properties` are those desired, as stated, and `violations` how they break the schema.

    `desiredResourceState` has only the properties that do not.
    """

    desiredResourceState: ResourceModel | None
    previousResourceState: ResourceModel | None
    properties: Mapping[str, Any] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)


class ModelType(Resource):  # type: ignore[misc]
    """The resource type, called with an event and a Lambda context."""

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer an event of CloudFormation with the JSON of a progress event. Raises nothing."""
        started = time.monotonic()
        journal: dict[str, Any] = {"type": self.type_name}
        silence_libraries()
        try:
            request = _parse(event)
        except _NOT_A_REQUEST:
            progress = exceptions.InvalidRequest(
                "The event is not a request of CloudFormation to a resource type: action, region, bearerToken "
                "and requestData must be there."
            ).to_progress_event()
            _log(journal, progress, started)
            return progress._serialize()  # type: ignore[no-any-return]
        action = Action[request.action]
        lease = Lease(started + _seconds(action, context))
        progress = self._progress(request, action, lease)
        journal |= {"action": action.name, "model": _model_name(request, progress), "calls": lease.calls}
        with PROVIDER.lent(request.requestData.providerCredentials, Lease(lease.deadline)):
            _deliver(request, action, progress, journal, started, lease)
        return progress._serialize()  # type: ignore[no-any-return]

    def test_entrypoint(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer an event of the form that SAM's TestEntrypoint takes."""
        return self(_to_production(event), context)

    def _progress(self, request: HandlerRequest, action: Action, lease: Lease) -> ProgressEvent:
        credentials = request.requestData.callerCredentials
        if not (credentials and credentials.accessKeyId and credentials.secretAccessKey):
            return exceptions.InvalidCredentials(
                "The request carries no credentials. Give the type an execution role when registering it."
            ).to_progress_event()
        try:
            with CALLER.lent(credentials, lease) as session:
                return self._invoke_handler(session, _typed(request, action), action, request.callbackContext or {})
        except exceptions._HandlerError as error:
            return error.to_progress_event()
        except Exception as error:
            failure = errors.unexpected(error)
            return ProgressEvent.failed(failure.error_code, str(failure))


def silence_libraries() -> None:
    """Keep other libraries' loggers from writing requests, whatever the level of the root logger."""
    for name in _TALKATIVE:
        _set_level(logging.getLogger(name), logging.CRITICAL + 1)


def _set_level(logger: logging.Logger, level: int) -> None:
    """Set a level where it is another: setting one makes every logger forget what is enabled."""
    if logger.level != level:
        logger.setLevel(level)


def _parse(event: Any) -> HandlerRequest:
    """Return the request that an event is. Raises _NOT_A_REQUEST where a part lacks or is of another type."""
    event = {"awsAccountId": None, **json.loads(json.dumps(event))}
    event["requestData"] = {"resourceProperties": None, **event["requestData"]}
    request = HandlerRequest.deserialize(event)
    data = request.requestData
    credentials = [vars(given) for given in (data.callerCredentials, data.providerCredentials) if given]
    tags = [data.stackTags, data.previousStackTags, data.systemTags, data.previousSystemTags]
    members = [text for mapping in (*credentials, *tags) for pair in (mapping or {}).items() for text in pair]
    required = [Action[request.action], request.region, request.bearerToken, *members]
    optional = [request.awsAccountId, request.stackId, request.nextToken, data.logicalResourceId]
    for text in [*required, *filter(None, optional)]:
        text.encode()
    if not (request.region and request.bearerToken and isinstance(request.callbackContext or {}, dict)):
        raise ValueError
    return request


def _seconds(action: Action, context: Any) -> float:
    """The time that an invocation has: CloudFormation's limit, or less where the Lambda ends before it."""
    limit = TIME_LIMITS.get(action, _MUTATION_TIME_LIMIT)
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return min(limit, remaining() / 1000) if remaining else limit


def _typed(request: HandlerRequest, action: Action) -> Request:
    data = request.requestData
    properties = data.resourceProperties or {}
    if action not in _STATES_ITS_PROPERTIES:
        properties = _identifiers(properties)
    properties, violations = schema.coerce(properties)
    previous = schema.coerce(data.previousResourceProperties or {})
    return Request(
        clientRequestToken=request.bearerToken,
        desiredResourceState=_sound(properties, violations),
        previousResourceState=_sound(*previous),
        desiredResourceTags=data.stackTags,
        previousResourceTags=data.previousStackTags,
        systemTags=data.systemTags,
        previousSystemTags=data.previousSystemTags,
        awsAccountId=request.awsAccountId,
        logicalResourceIdentifier=data.logicalResourceId,
        typeConfiguration=None,
        nextToken=request.nextToken,
        region=request.region,
        # The library's partition is wrong for GovCloud; botocore knows it.
        awsPartition=None,
        stackId=request.stackId,
        properties=properties,
        violations=violations,
    )


def _identifiers(properties: Any) -> Any:
    """Reads, deletes and lists need no more: what else is there must not keep a model from being deleted."""
    if not isinstance(properties, Mapping):
        return properties
    return {name: properties[name] for name in _IDENTIFIERS if properties.get(name) is not None}


def _sound(properties: dict[str, Any], violations: list[Violation]) -> ResourceModel | None:
    """Return the resource model of the properties that do not break the schema."""
    broken = {violation.path[0] for violation in violations if violation.path}
    sound = schema.known({name: value for name, value in properties.items() if name not in broken})
    return translator.from_json(sound) if sound else None


def _to_production(event: Any) -> Any:
    request = event.get("request") if isinstance(event, Mapping) else None
    if not isinstance(request, Mapping):
        return None
    return {
        "action": event.get("action"),
        "awsAccountId": request.get("awsAccountId"),
        "bearerToken": request.get("clientRequestToken"),
        "region": event.get("region") or request.get("region"),
        "stackId": request.get("stackId"),
        "nextToken": request.get("nextToken"),
        "callbackContext": event.get("callbackContext"),
        "requestData": {
            "callerCredentials": event.get("credentials"),
            "resourceProperties": request.get("desiredResourceState"),
            "previousResourceProperties": request.get("previousResourceState"),
            "logicalResourceId": request.get("logicalResourceIdentifier"),
            "stackTags": request.get("desiredResourceTags"),
            "previousStackTags": request.get("previousResourceTags"),
            "systemTags": request.get("systemTags"),
            "previousSystemTags": request.get("previousSystemTags"),
        },
    }


def _deliver(
    request: HandlerRequest,
    action: Action,
    progress: ProgressEvent,
    journal: dict[str, Any],
    started: float,
    lease: Lease,
) -> None:
    """Write the log line and publish the metrics of an invocation. Raises nothing.

    With a log group, both go to the account of the type's provider, over the network: without them an answer is
    still an answer, so they get what time is left and their failures stay here.
    """
    data = request.requestData
    in_time = lease.deadline - time.monotonic() > MARGIN
    if not (data.providerLogGroupName and data.providerCredentials and in_time):
        _log(journal, progress, started)
        return
    # Made for one invocation: the next may have another group, another stack or none.
    delivery: logging.Handler = logging.NullHandler()
    with suppress(Exception):
        delivery = _LogDelivery(data.providerLogGroupName, _log_stream(request), PROVIDER)
    LOG.addHandler(delivery)
    try:
        _log(journal, progress, started)
    finally:
        LOG.removeHandler(delivery)
    with suppress(Exception):
        _publish(MetricsPublisher(PROVIDER, request.resourceType), action, progress, started)


def _log_stream(request: HandlerRequest) -> str:
    """Name the log stream of a request, as the library does."""
    logical_id = request.requestData.logicalResourceId
    if request.stackId and logical_id:
        return f"{request.stackId}/{logical_id}"
    return f"{request.awsAccountId}-{request.region}"


def _publish(metrics: MetricsPublisher, action: Action, progress: ProgressEvent, started: float) -> None:
    now = datetime.now(UTC)
    metrics.publish_invocation_metric(now, action)
    metrics.publish_duration_metric(now, action, (time.monotonic() - started) * 1000)
    if progress.status is OperationStatus.FAILED:
        kind = getattr(exceptions, progress.errorCode.name)
        metrics.publish_exception_metric(now, action, kind.__new__(kind))


class _LogDelivery(ProviderLogHandler):  # type: ignore[misc]
    """The library's delivery of logs to the provider, which must not fail what it tells of."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):
            super().emit(record)


def _log(journal: dict[str, Any], progress: ProgressEvent, started: float) -> None:
    _set_level(LOG, logging.INFO)
    outcome = {
        "outcome": progress.status.name,
        "error_code": progress.errorCode.name if progress.errorCode else None,
        "milliseconds": round((time.monotonic() - started) * 1000, 1),
    }
    LOG.info(json.dumps(journal | outcome))


def _model_name(request: HandlerRequest, progress: ProgressEvent) -> str | None:
    if progress.resourceModel and progress.resourceModel.ModelArn:
        return str(progress.resourceModel.ModelArn).rpartition("/")[2]
    properties = request.requestData.resourceProperties
    stated = _identifiers(properties) if isinstance(properties, Mapping) else {}
    name = str(stated.get("ModelName") or stated.get("ModelArn")).rpartition("/")[2]
    return name if stated and names.is_legal(name) else None
