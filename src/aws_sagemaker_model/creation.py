"""A create that is repeatable: it makes one model, however often CloudFormation delivers the request.

A generated name comes from the token of the request, so a model of that name is the model of this request. A name
that the user chose may belong to any model. What happens depends on the answer to CreateModel:

    answer to CreateModel     generated name, or a create    name chosen by the user
                              that was accepted before
    ------------------------  -----------------------------  ----------------------------------------------------
    created                   accepted                       accepted
    it exists already         accepted                       adopt, if an attempt was lost; else AlreadyExists
    refused for now           retry                          adopt, in the first invocation; then retry
      (IAM, throttling)
    refused for good          fail                           adopt, if an attempt was lost; then fail
    no answer                 retry                          adopt; then retry

An attempt is lost when the service did not answer it.

Adopt: call DescribeModel. If it shows a model that is as requested and not older than the request, and an attempt was
lost, the create is accepted. If it shows another model, fail with AlreadyExists. If it shows none, continue; but if
CreateModel said that the model exists, wait until DescribeModel shows it.

Accepted: call DescribeModel until it shows the model. A failure names the model, so that CloudFormation deletes it,
when the create is accepted, or when the name is generated and an attempt was lost.
"""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from cloudformation_cli_python_lib import HandlerErrorCode

from .errors import Failure, not_visible
from .names import respelled
from .readings import NAME_EXISTS, Retry
from .sagemaker import SageMaker, answered_at
from .stabilisation import Attempt, State
from .translator import is_as_requested

# Request token and model name of the creates that SageMaker accepted in this execution environment. CloudFormation
# may deliver such a request again: the model that exists then is the model of that request.
_ACCEPTED: deque[tuple[str, str]] = deque(maxlen=256)


def create_idempotently(
    models: SageMaker, request: Mapping[str, Any], attempt: Attempt, token: str, *, is_generated: bool
) -> dict[str, str]:
    """Create a model, unless an earlier delivery or attempt of this request has created it.

    `request` is the CreateModel request. Return the identifiers in the answer of CreateModel. Raise Failure.
    """
    create = token, request["ModelName"]
    identifiers = {}
    try:
        identifiers["ModelArn"] = respelled(models.create_model(request), request["ModelName"])
    except Failure as failure:
        is_known = is_generated or create in _ACCEPTED
        is_ours = _exists(failure) if is_known else _adopt_if_ours(models, request, attempt, failure)
        if not is_ours:
            raise
    _ACCEPTED.append(create)
    return identifiers


def _exists(failure: Failure) -> bool:
    """Say whether CreateModel failed because a model of this name exists."""
    return failure.error_code is HandlerErrorCode.AlreadyExists


def _adopt_if_ours(models: SageMaker, request: Mapping[str, Any], attempt: Attempt, failure: Failure) -> bool:
    """Say whether the model that has the user's name is the model of this request. Raise Failure.

    `failure` is that of CreateModel.
    """
    is_perhaps_ours = attempt.after_failure(failure).state is State.PERHAPS_DONE
    if not is_perhaps_ours and (failure.retry is Retry.NEVER or attempt.number > 0):
        return False
    sent = time.time()
    try:
        description = models.describe_model(request["ModelName"])
    except Failure as unseen:
        if not _exists(failure):
            return False
        shown = not_visible(unseen)
        # Refusal or NoAnswer, as CreateModel failed: the next invocation must know about a lost attempt.
        raise type(failure)(shown.error_code, str(shown), shown.retry) from None
    is_new = _was_created_since(attempt.since, description, sent, time.time())
    if is_perhaps_ours and is_new and is_as_requested(request, description):
        return True
    raise Failure(HandlerErrorCode.AlreadyExists, NAME_EXISTS) from None


def _was_created_since(since: float, description: Mapping[str, Any], sent: float, received: float) -> bool:
    """Say whether a model was created since a time of our clock, by the clock of the service.

    `sent` and `received` are the times of our clock around DescribeModel, whose answer has a date in whole seconds.
    A date outside of them proves that the clocks differ. Then the earliest time that the date allows is used, so that
    a model of this request is never mistaken for another one.
    """
    date = answered_at(description)
    difference = date - received if date is not None and not sent - 1 <= date <= received else 0.0
    # CreationTime has milliseconds.
    return bool(round(description["CreationTime"].timestamp() * 1000) >= int((since + difference) * 1000))
