"""A create that is repeatable: one model, however often it is asked for, and never somebody else's."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from cloudformation_cli_python_lib import HandlerErrorCode

from . import errors, translator
from .errors import Retry, ServiceFailure
from .sagemaker import SageMaker
from .stabilisation import Attempt

# Creates that this execution environment saw accepted, as request token and name: delivered again, they are ours.
_ACCEPTED: deque[tuple[str, str]] = deque(maxlen=256)


def create_once(models: SageMaker, wanted: Mapping[str, Any], token: str, attempt: Attempt, *, is_ours: bool) -> None:
    """Create a model, unless an earlier delivery or attempt of this very request has done so.

    `wanted` is the CreateModel request; `is_ours` says that its name was generated for this request, so that
    whatever has it is its model. Raises ServiceFailure.
    """
    created = token, wanted["ModelName"]
    try:
        models.create_model(wanted)
    except ServiceFailure as refusal:
        exists = refusal.error_code is HandlerErrorCode.AlreadyExists
        if not (exists if is_ours or created in _ACCEPTED else _was_accepted(models, wanted, attempt, refusal)):
            raise
    _ACCEPTED.append(created)


def _was_accepted(models: SageMaker, wanted: Mapping[str, Any], attempt: Attempt, refusal: ServiceFailure) -> bool:
    """Say whether a model with a name of the user's choice was made by a request that seems to have failed.

    Raises AlreadyExists when somebody else has the name: an answer that asks for another invocation carries the
    ARN, and CloudFormation deletes what that names when the create fails in the end.
    """
    exists = refusal.error_code is HandlerErrorCode.AlreadyExists
    lost = attempt.unanswered or refusal.unanswered
    if not lost and (refusal.retry is Retry.NEVER or not attempt.is_first):
        return False
    try:
        description = models.describe_model(wanted["ModelName"])
    except ServiceFailure as failure:
        if not exists:
            return False
        unseen = errors.not_visible(failure)
        unseen.unanswered = True
        raise unseen from None
    # The service tells milliseconds: a model of the very same one was there before.
    made_since = round(description["CreationTime"].timestamp() * 1000) > round(attempt.since * 1000)
    if lost and made_since and not translator.create_only_changes(wanted, None, description):
        return True
    raise errors.taken()
