"""What keeps a request from succeeding, as CloudFormation must hear it, and the outcome of a call that failed."""

import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten

from botocore import exceptions, parsers
from cloudformation_cli_python_lib import HandlerErrorCode as Code

from . import readings
from .readings import Retry


class Failure(Exception):
    """Why a request of CloudFormation cannot be answered with success, now or at all."""

    def __init__(self, error_code: Code, message: str, retry: Retry = Retry.NEVER) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.retry = retry


class Refusal(Failure):
    """A call that had no effect: the service refused every attempt, or no attempt reached it."""


class NoAnswer(Failure):
    """A call that may have had its effect: an attempt of it went without an answer."""


class OutOfTime(exceptions.BotoCoreError):
    """The invocation has no time left for another attempt at a call."""

    fmt = "no time left for another attempt"


class Unreadable(exceptions.BotoCoreError):
    """The service's answer is not the JSON object that the operation returns."""

    fmt = "the answer is not a JSON object"


CALL_ERRORS = (exceptions.ClientError, exceptions.BotoCoreError, parsers.ResponseParserError)
# Characters of the service's own text that a message repeats.
_LONGEST_QUOTE = 500
# What CloudFormation must hear when a call raised something else than an error that the service answered.
# fmt: off
_FAULTS: tuple[tuple[tuple[type[Exception], ...], Code, Retry, str], ...] = (
    ((exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.CredentialRetrievalError),
     Code.InvalidCredentials, Retry.NEVER, "The request carries no credentials for SageMaker. Try it again."),
    ((exceptions.ParamValidationError,),
     Code.InvalidRequest, Retry.NEVER, "A property of the model is not of the form that SageMaker takes."),
    ((exceptions.HTTPClientError, exceptions.ConnectionError, OutOfTime), Code.NetworkFailure, Retry.LATER,
     "SageMaker could not be reached, or did not answer in time. Try again; if it goes on, check the network and the "
     "endpoint of the region."),
    ((parsers.ResponseParserError, exceptions.ResponseStreamingError, Unreadable),
     Code.ServiceInternalError, Retry.LATER,
     "SageMaker's answer could not be read. Try again; if it goes on, look at the AWS Health Dashboard."),
    ((Exception,), Code.GeneralServiceException, Retry.NEVER, "The call to SageMaker could not be made."),
)
# fmt: on


def invalid_request(message: str) -> Failure:
    """Return the failure of a request that can never be carried out."""
    return Failure(Code.InvalidRequest, message)


def not_visible(failure: Failure) -> Failure:
    """Return what a failure to describe a model means once the service has accepted the model."""
    if failure.error_code is not Code.NotFound:
        return failure
    message = "SageMaker accepted the model, but does not show it yet. Try again; nothing is lost."
    return Failure(Code.NotStabilized, message, Retry.VISIBLE)


def as_failure(error: Exception) -> Failure:
    """Return a failure as it is, and a fault in this type's own code as one that tells where it happened."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, RecursionError):
        return invalid_request("The properties are nested too deeply.")
    # What the error says may repeat a property value.
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    message = f"The resource type failed where it should not. Please report it: {type(error).__name__}{where}."
    return Failure(Code.InternalFailure, message)


def outcome(error: Exception, operation: str, values: Iterable[str], *, lost: bool) -> Refusal | NoAnswer:
    """Return what a call came to that raised one of CALL_ERRORS.

    `values` are the property values of the request: none of them is repeated. `lost` says that an attempt of the
    call went without an answer.
    """
    kind = NoAnswer if lost else Refusal
    if not isinstance(error, exceptions.ClientError):
        _, error_code, retry, advice = next(fault for fault in _FAULTS if isinstance(error, fault[0]))
        return kind(error_code, f"{advice} ({operation}, {type(error).__name__})", retry)
    code, text = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    metadata = error.response.get("ResponseMetadata", {})
    reading = readings.read(operation, code, text, metadata.get("HTTPStatusCode", 0))
    parts = [reading.advice]
    if denied := re.search(r"not authorized to perform: ([a-zA-Z0-9-]+:[a-zA-Z]+)", text):
        parts.append(f"Allow {denied[1]} to it.")
    # For an answer without a readable code botocore makes the status the code, and the whole page the text.
    elif reading.quotes and text and not code.isdigit():
        parts.append(f"SageMaker said: {shorten(redacted(text, values), _LONGEST_QUOTE, placeholder=' …')}")
    reference = [operation, code, *([f"request {metadata['RequestId']}"] if metadata.get("RequestId") else [])]
    return kind(reading.error_code, f"{' '.join(parts)} ({', '.join(reference)})", reading.retry)


def redacted(text: str, values: Iterable[str]) -> str:
    """Return a service's text without property values, ARNs, addresses and anything it quotes."""
    for value in sorted(filter(None, values), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "[...]", text)
    return re.sub(r"""(?:arn:aws|s3://|https?://)[^\s'"]+|"[^"]*"|'[^']*[^\s']'""", _hidden, text)


def _hidden(found: re.Match[str]) -> str:
    # A member's path, as in «at 'primaryContainer.image' failed to satisfy constraint», is no value.
    names_a_member = re.fullmatch(r"'[a-z]\w*(\.\w+)*'", found[0]) and found.string.endswith(" at ", 0, found.start())
    return found[0] if names_a_member else "[...]"
