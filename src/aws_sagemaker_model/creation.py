"""A create that is repeatable: one model, however often it is asked for, and never somebody else's.

A name is generated from the token of this very request, so that whatever has it is its model, or it is chosen by the
user, so that a model of that name may be anybody's. By what CreateModel says:

    CreateModel says          generated name, or a create    chosen name
                              seen accepted before
    ------------------------  -----------------------------  ----------------------------------------------------
    created                   done                           done
    it exists already         done                           look, if an attempt had no answer; else AlreadyExists
    no, for now (IAM, load)   wait                           look, in the first invocation; then wait
    no, for good              fail                           look, if an attempt had no answer; then fail
    nothing (no answer)       wait                           look; then wait

Look: DescribeModel shows a model that is as requested and not older than the request, and an attempt had no answer:
done. It shows another: AlreadyExists. It shows none: go on; but where it was said to exist, wait until it is shown.

Done: DescribeModel is asked until it shows the model. An answer that fails names the model, so that CloudFormation
deletes it, when it is done, or when the name is generated and an attempt had no answer.
"""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from cloudformation_cli_python_lib import HandlerErrorCode

from .errors import Failure, NoAnswer, not_visible
from .names import respelled
from .readings import NAME_EXISTS, Retry
from .sagemaker import SageMaker, answered_at
from .stabilisation import Attempt, State
from .translator import is_as_requested

# Request token and name of creates that SageMaker accepted in this execution environment. CloudFormation may deliver
# such a request again: the model that exists then is the one that it created.
_ACCEPTED: deque[tuple[str, str]] = deque(maxlen=256)


def create_once(
    models: SageMaker, wanted: Mapping[str, Any], attempt: Attempt, token: str, *, is_generated: bool
) -> dict[str, str]:
    """Create a model, unless an earlier delivery or attempt of this very request has done so.

    `wanted` is the CreateModel request. Returns the identifiers that CreateModel tells. Raises Failure.
    """
    create = token, wanted["ModelName"]
    identifiers = {}
    try:
        identifiers["ModelArn"] = respelled(models.create_model(wanted), wanted["ModelName"])
    except Failure as failure:
        exists = failure.error_code is HandlerErrorCode.AlreadyExists
        is_known = is_generated or create in _ACCEPTED
        if not (exists if is_known else _look(models, wanted, attempt.noting(failure), failure, exists=exists)):
            raise
    _ACCEPTED.append(create)
    return identifiers


def _look(models: SageMaker, wanted: Mapping[str, Any], attempt: Attempt, failure: Failure, *, exists: bool) -> bool:
    """Say whether a model with a name of the user's choice is the one of this request. Raises Failure."""
    is_perhaps_ours = attempt.state is State.PERHAPS_DONE
    if not is_perhaps_ours and (failure.retry is Retry.NEVER or attempt.number > 0):
        return False
    sent = time.time()
    try:
        description = models.describe_model(wanted["ModelName"])
    except Failure as unseen:
        if not exists:
            return False
        shown = not_visible(unseen)
        # NoAnswer makes the next invocation look again.
        raise NoAnswer(shown.error_code, str(shown), shown.retry) from None
    is_new = _was_created_since(attempt.since, description, sent, time.time())
    if is_perhaps_ours and is_new and is_as_requested(wanted, description):
        return True
    raise Failure(HandlerErrorCode.AlreadyExists, NAME_EXISTS) from None


def _was_created_since(since: float, description: Mapping[str, Any], sent: float, received: float) -> bool:
    """Say whether a model was created since a time of our clock, by the clock of the service.

    `sent` and `received` are the times of our clock around DescribeModel, whose answer has a date in whole seconds.
    A date that is too early or too late for them proves that the clocks differ. Then the earliest time that the
    date allows counts, so that a model of ours is never taken for somebody else's.
    """
    date = answered_at(description)
    difference = date - received if date is not None and not sent - 1 <= date <= received else 0.0
    # CreationTime has milliseconds.
    return bool(round(description["CreationTime"].timestamp() * 1000) >= int((since + difference) * 1000))
