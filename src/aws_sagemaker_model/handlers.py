"""AWS::SageMaker::Model: what CloudFormation asks for, in the order in which it happens."""

import random
import time
from collections.abc import Mapping
from typing import Any

from cloudformation_cli_python_lib import Action, HandlerErrorCode, OperationStatus, ProgressEvent, exceptions

from . import creation, errors, names, tags, translator, validation
from .entrypoint import ModelType, Request
from .errors import ServiceFailure
from .models import ResourceModel
from .sagemaker import SageMaker, Session
from .schema import TYPE_NAME, Violation
from .stabilisation import Attempt

resource = ModelType(TYPE_NAME, ResourceModel)
test_entrypoint = resource.test_entrypoint


@resource.handler(Action.CREATE)
def create(session: Session, request: Request, callback_context: Mapping[str, Any]) -> ProgressEvent:
    """Create the model; wait, between invocations, for IAM and for the service to show what it accepted."""
    attempt = Attempt.of(callback_context, time.time())
    desired = translator.to_json(request.desiredResourceState)
    # A later invocation gets the model of an answer, with its read-only properties.
    _refuse([*(validation.read_only(request.properties) if attempt.is_first else []), *_violations(request)])
    generated = names.generate(request.stackId, request.logicalResourceIdentifier, request.clientRequestToken)
    name = desired.get("ModelName") or generated
    desired_tags = _desired_tags(request)
    models = SageMaker(session, request.region)
    arn = models.arn(request.awsAccountId, name)
    try:
        if not attempt.done:
            wanted = translator.to_create_request(desired, name, desired_tags)
            creation.create_once(models, wanted, request.clientRequestToken, attempt, is_ours=name == generated)
            attempt = attempt.accepted(time.time())
        return _success(translator.to_model(models.describe_model(name), desired_tags))
    except ServiceFailure as failure:
        seen = errors.not_visible(failure) if attempt.done else failure
        made = attempt.done or (name == generated and attempt.after(failure).unanswered)
        return _unfinished(seen, attempt, translator.with_arn(desired, arn), arn if made else None)
    except Exception as error:
        return _unfinished(errors.unexpected(error), attempt, None, arn if attempt.done else None)


@resource.handler(Action.READ)
def read(session: Session, request: Request, _callback_context: Mapping[str, Any]) -> ProgressEvent:
    """Return the model as the service holds it."""
    name = _existing_name(request)
    models = SageMaker(session, request.region)
    try:
        description = models.describe_model(name)
        return _success(translator.to_model(description, models.list_tags(description["ModelArn"])))
    except ServiceFailure as failure:
        return _failed(failure)


@resource.handler(Action.UPDATE)
def update(session: Session, request: Request, callback_context: Mapping[str, Any]) -> ProgressEvent:
    """Change the tags of the model; everything else of a model is immutable."""
    attempt = Attempt.of(callback_context, time.time())
    name = _existing_name(request)
    models = SageMaker(session, request.region)
    desired = translator.to_json(request.desiredResourceState)
    previous = translator.to_json(request.previousResourceState)
    try:
        description = models.describe_model(name)
        _refuse_create_only_changes(translator.create_only_changes(desired, previous or None, description))
        if attempt.is_first:
            _refuse(_violations(request))
        current = models.list_tags(description["ModelArn"])
        change = tags.changes(
            tags.merged(request.previousResourceTags, previous.get("Tags")), _desired_tags(request), current
        )
        _change_tags(models, description["ModelArn"], change, current)
        return _success(translator.to_model(description, tags.applied(current, change)))
    except ServiceFailure as failure:
        arn = models.arn(request.awsAccountId, name)
        return _unfinished(failure, attempt, translator.with_arn(desired, arn), None)


@resource.handler(Action.DELETE)
def delete(session: Session, request: Request, callback_context: Mapping[str, Any]) -> ProgressEvent:
    """Delete the model."""
    attempt = Attempt.of(callback_context, time.time())
    name = _existing_name(request)
    models = SageMaker(session, request.region)
    try:
        models.delete_model(name)
    except ServiceFailure as failure:
        missing = failure.error_code is HandlerErrorCode.NotFound
        if not (missing and (attempt.unanswered or failure.unanswered)):
            arn = models.arn(request.awsAccountId, name)
            return _unfinished(failure, attempt, translator.to_identifiers(arn, name), None)
    return ProgressEvent(status=OperationStatus.SUCCESS)


@resource.handler(Action.LIST)
def list_page(session: Session, request: Request, _callback_context: Mapping[str, Any]) -> ProgressEvent:
    """Return the identifiers of one page of models."""
    try:
        summaries, next_token = SageMaker(session, request.region).list_models(request.nextToken)
    except ServiceFailure as failure:
        return _failed(failure)
    models = [translator.to_identifiers(summary["ModelArn"], summary["ModelName"]) for summary in summaries]
    return ProgressEvent(status=OperationStatus.SUCCESS, resourceModels=models, nextToken=next_token)


def _change_tags(models: SageMaker, model_arn: str, change: tags.Changes, current: tags.Tags) -> None:
    # Set first: a tag whose key only changes its case, or that policies look for, is never missing. But where
    # there is no room for the new beside the old, the old must go first.
    crowded = len(current.keys() | change.set.keys()) > validation.MAX_TAGS
    if change.remove and crowded:
        models.delete_tags(model_arn, change.remove)
    if change.set:
        models.add_tags(model_arn, change.set)
    if change.remove and not crowded:
        models.delete_tags(model_arn, change.remove)


def _existing_name(request: Request) -> str:
    """Return the name of the model that a request identifies. Raises InvalidRequest and NotFound."""
    identifiers = translator.to_json(request.desiredResourceState)
    _refuse([violation for violation in request.violations if violation.path[:1] in (("ModelArn",), ("ModelName",))])
    place = names.Place(request.region, request.awsAccountId)
    name = names.identify(identifiers.get("ModelArn"), identifiers.get("ModelName"), place)
    if name is None:
        raise errors.NoSuchModel
    return name


def _desired_tags(request: Request) -> dict[str, str]:
    return tags.merged(request.desiredResourceTags, translator.to_json(request.desiredResourceState).get("Tags"))


def _violations(request: Request) -> list[Violation]:
    return [
        *request.violations,
        *validation.violations(request.properties),
        *validation.stack_tags(request.desiredResourceTags, request.properties),
    ]


def _refuse(violations: list[Violation]) -> None:
    if violations:
        raise exceptions.InvalidRequest("; ".join(map(str, violations)))


def _refuse_create_only_changes(changed: list[str]) -> None:
    if changed:
        raise exceptions.NotUpdatable(
            f"{', '.join(f'/properties/{name}' for name in changed)} cannot change once the model is made: "
            "a model is immutable but for its tags. Replace the model."
        )


def _success(model: ResourceModel) -> ProgressEvent:
    return ProgressEvent(status=OperationStatus.SUCCESS, resourceModel=model)


def _failed(failure: ServiceFailure) -> ProgressEvent:
    return ProgressEvent.failed(failure.error_code, str(failure))


def _unfinished(
    failure: ServiceFailure, attempt: Attempt, model: ResourceModel | None, made: str | None
) -> ProgressEvent:
    """Ask to be invoked again while there is hope; else fail, with the ARN of what was made to be deleted."""
    delay = attempt.delay(failure, time.time(), random.random())  # noqa: S311 - spreads load, guards nothing
    if delay is None:
        progress = _failed(failure)
        progress.resourceModel = translator.to_identifiers(made, made.rpartition("/")[2]) if made else None
        return progress
    return ProgressEvent(
        status=OperationStatus.IN_PROGRESS,
        message=f"Trying again in {delay} s: {failure}",
        resourceModel=model,
        callbackContext=attempt.after(failure).to_context(),
        callbackDelaySeconds=delay,
    )
