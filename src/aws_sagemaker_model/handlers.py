"""The handlers of AWS::SageMaker::Model: create, read, update, delete and list."""

import random
import time
from typing import Any

from cloudformation_cli_python_lib import Action, HandlerErrorCode, OperationStatus, ProgressEvent

from . import creation, errors, names, tags, translator, validation
from .entrypoint import ModelType, failed, succeeded
from .errors import Failure
from .models import ResourceModel
from .properties import IDENTIFIERS, TYPE_NAME
from .request import Request
from .sagemaker import SageMaker
from .schema import Violation, to_message
from .session import HandlerSession
from .stabilisation import Attempt, State

resource = ModelType(TYPE_NAME, ResourceModel)
test_entrypoint = resource.test_entrypoint
_IMMUTABLE = "cannot change after the model is created: only tags of a model can change. Replace the model."


@resource.handler(Action.CREATE)
def create(session: HandlerSession, request: Request, callback_context: Any) -> ProgressEvent:
    """Create the model. Wait between invocations for IAM, and for the service to show the model."""
    attempt = Attempt.from_context(callback_context, time.time())
    _refuse(
        validation.violations_on_create(
            request.properties,
            request.violations,
            request.stack_tags,
            request.region,
            is_first_attempt=attempt.number == 0,
        )
    )
    generated = names.generate(request.stack_id, request.logical_id, request.token)
    name = request.properties.get("ModelName", generated)
    is_generated = name == generated
    models = SageMaker(session, request.region, request.account)
    identifiers = _identifiers(request, name, models)
    try:
        if attempt.state is not State.DONE:
            desired = translator.to_create_request(request.properties, name, request.tags)
            identifiers |= creation.create_idempotently(
                models, desired, attempt, request.token, is_generated=is_generated
            )
            attempt = attempt.accepted(time.time())
        return succeeded(translator.to_model(models.describe_model(name), request.tags))
    except Exception as error:
        failure = errors.as_failure(error)
        attempt = attempt.after_failure(failure)
        is_done = attempt.state is State.DONE
        is_ours = is_done or (is_generated and attempt.state is State.PERHAPS_DONE)
        reason = errors.not_visible(failure) if is_done else failure
        return _unfinished(reason, attempt, {**request.properties, **identifiers}, identifiers if is_ours else None)


@resource.handler(Action.READ)
def read(session: HandlerSession, request: Request, _callback_context: Any) -> ProgressEvent:
    """Return the model as the service holds it."""
    models = SageMaker(session, request.region, request.account)
    description = models.describe_model(_existing_name(request, models))
    arn = translator.to_identifiers(description)["ModelArn"]
    return succeeded(translator.to_model(description, models.list_tags(arn)))


@resource.handler(Action.UPDATE)
def update(session: HandlerSession, request: Request, callback_context: Any) -> ProgressEvent:
    """Change the tags of the model. SageMaker cannot change anything else of a model."""
    attempt = Attempt.from_context(callback_context, time.time())
    models = SageMaker(session, request.region, request.account)
    name = _existing_name(request, models)
    try:
        description = models.describe_model(name)
        if changed := translator.create_only_changes(request.properties, request.previous_properties, description):
            pointers = ", ".join(f"/properties/{name}" for name in changed)
            raise Failure(HandlerErrorCode.NotUpdatable, f"{pointers} {_IMMUTABLE}")
        _refuse(validation.violations_on_update(request.properties, request.violations, request.stack_tags))
        arn = translator.to_identifiers(description)["ModelArn"]
        current = models.list_tags(arn)
        change = tags.changes(request.previous_tags, request.tags, current)
        models.change_tags(arn, change, current)
        return succeeded(translator.to_model(description, tags.applied(current, change)))
    except Failure as failure:
        model = {**request.properties, **_identifiers(request, name, models)}
        return _unfinished(failure, attempt.after_failure(failure), model, None)


@resource.handler(Action.DELETE)
def delete(session: HandlerSession, request: Request, callback_context: Any) -> ProgressEvent:
    """Delete the model."""
    attempt = Attempt.from_context(callback_context, time.time())
    models = SageMaker(session, request.region, request.account)
    name = _existing_name(request, models)
    try:
        models.delete_model(name)
    except Failure as failure:
        attempt = attempt.after_failure(failure)
        # There is no model, and the service did not answer an attempt: that attempt deleted the model.
        if failure.error_code is not HandlerErrorCode.NotFound or attempt.state is State.NOT_DONE:
            return _unfinished(failure, attempt, _identifiers(request, name, models), None)
    return succeeded()


@resource.handler(Action.LIST)
def list_page(session: HandlerSession, request: Request, _callback_context: Any) -> ProgressEvent:
    """Return the identifiers of one page of models."""
    summaries, next_token = SageMaker(session, request.region, request.account).list_models(request.next_token)
    return succeeded(
        resourceModels=[translator.to_identifiers(summary) for summary in summaries], nextToken=next_token
    )


def _existing_name(request: Request, models: SageMaker) -> str:
    """Return the name of the model that a request identifies. Raise Failure."""
    _refuse([violation for violation in request.violations if {*violation.path[:1]} & {*IDENTIFIERS}])
    arn, name = (request.properties.get(identifier) for identifier in IDENTIFIERS)
    model_name = names.identify(arn, name, models.place)
    if model_name is None:
        message = "No model of this region and account has the ModelArn or ModelName of the request."
        raise Failure(HandlerErrorCode.NotFound, message)
    return model_name


def _identifiers(request: Request, name: str, models: SageMaker) -> dict[str, Any]:
    """Return the identifiers of a model. Without an account in the request, its ARN is the one of the request."""
    arn = models.place.arn(name) or request.properties.get("ModelArn")
    return {**({"ModelArn": arn} if arn else {}), "ModelName": name}


def _refuse(violations: list[Violation]) -> None:
    if violations:
        raise errors.invalid_request(to_message(violations))


def _unfinished(
    failure: Failure, attempt: Attempt, model: dict[str, Any], leftover: dict[str, Any] | None
) -> ProgressEvent:
    """Ask CloudFormation to retry while that may help; else fail, and name the model that it must delete.

    `model` is the resource model of an answer that is in progress, `leftover` that of a failure.
    """
    delay = attempt.delay(failure, time.time(), random.random())  # noqa: S311 - spreads load, guards nothing
    if delay is None:
        progress = failed(failure)
        progress.resourceModel = leftover
        return progress
    return ProgressEvent(
        status=OperationStatus.IN_PROGRESS,
        message=f"Trying again in {delay} s: {failure}",
        resourceModel=model,
        callbackContext=attempt.next_context(),
        callbackDelaySeconds=delay,
    )
