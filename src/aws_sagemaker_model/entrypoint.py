"""The Lambda entry point: it parses an event, calls the handler, and returns the JSON of a progress event.

The library's own entry point loses `nextToken`, makes new clients for every request, writes property values into
logs and messages, and lets a complete create fail when it cannot publish a metric.
"""

import time
from collections.abc import Callable
from typing import Any

from cloudformation_cli_python_lib import Action, HandlerErrorCode, OperationStatus, ProgressEvent, Resource

from . import names, sam, telemetry
from .errors import Failure, as_failure
from .request import Request, parse
from .session import CALLER, Lease

# Seconds that CloudFormation gives an invocation ("handler timeouts", CloudFormation CLI user guide).
READ_TIME_LIMIT = 30.0
MUTATION_TIME_LIMIT = 60.0


class ModelType(Resource):  # type: ignore[misc]
    """The resource type as a callable with an event and a Lambda context.

    A handler takes a session, a Request and the callback context. It returns a ProgressEvent whose resource models
    are dicts, or raises Failure.
    """

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Return the JSON of a progress event for an event of CloudFormation. Raise nothing."""
        return self._answer(event, context, parse)

    def test_entrypoint(self, event: Any, context: Any) -> dict[str, Any]:
        """Return the same for an event in the form of SAM's TestEntrypoint."""
        return self._answer(event, context, lambda event: parse(sam.to_production(event)))

    def _answer(self, event: Any, context: Any, read: Callable[[Any], Request]) -> dict[str, Any]:
        started = time.monotonic()
        line: dict[str, Any] = {"type": self.type_name}
        telemetry.silence_libraries()
        try:
            request = read(event)
        except Exception as error:
            progress = failed(as_failure(error))
            telemetry.write(line, progress, started)
            return _to_json(progress)
        lease = Lease(started + _seconds(request.action, context))
        progress = self._progress(request, lease)
        line |= {"action": request.action.name, "model": _model_name(request, progress), "calls": lease.calls}
        telemetry.deliver(line, progress, started, request, self.type_name, lease.deadline)
        return _to_json(progress)

    def _progress(self, request: Request, lease: Lease) -> ProgressEvent:
        if request.credentials is None:
            advice = "The request carries no credentials. Give the type an execution role when registering it."
            return ProgressEvent.failed(HandlerErrorCode.InvalidCredentials, advice)
        try:
            with CALLER.lent(request.credentials, lease) as session:
                return self._invoke_handler(session, request, request.action, request.callback_context)
        except Exception as error:
            return failed(as_failure(error))


def succeeded(model: dict[str, Any] | None = None, **members: Any) -> ProgressEvent:
    """Return the progress event of a success, with a resource model or with other members."""
    return ProgressEvent(status=OperationStatus.SUCCESS, resourceModel=model, **members)


def failed(failure: Failure) -> ProgressEvent:
    """Return the progress event of a failure."""
    return ProgressEvent.failed(failure.error_code, str(failure))


def _seconds(action: Action, context: Any) -> float:
    """Return the seconds of an invocation: the limit of CloudFormation or of the function, whichever is less."""
    limit = READ_TIME_LIMIT if action in (Action.READ, Action.LIST) else MUTATION_TIME_LIMIT
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return min(limit, remaining() / 1000) if remaining else limit


def _to_json(progress: ProgressEvent) -> dict[str, Any]:
    """Return the JSON of a progress event. Our resource models are JSON, which the library does not expect."""
    event = {
        "status": progress.status.name,
        "errorCode": progress.errorCode.name if progress.errorCode else None,
        "message": progress.message,
        "callbackContext": progress.callbackContext,
        "callbackDelaySeconds": progress.callbackDelaySeconds,
        "resourceModel": progress.resourceModel,
        "resourceModels": progress.resourceModels,
        "nextToken": progress.nextToken,
    }
    return {name: value for name, value in event.items() if value is not None}


def _model_name(request: Request, progress: ProgressEvent) -> str | None:
    """Return the name of the model for the log line: that of the answer, else that of the request."""
    stated = {**request.properties, **(progress.resourceModel or {})}
    name = str(stated.get("ModelName") or stated.get("ModelArn")).rpartition("/")[2]
    return name if stated.keys() & {"ModelName", "ModelArn"} and names.is_legal(name) else None
