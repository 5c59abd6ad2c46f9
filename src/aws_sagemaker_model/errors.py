"""The reasons why a request fails, as CloudFormation must hear them: of this type's own, and of failed calls."""

import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten

from botocore import exceptions, parsers
from cloudformation_cli_python_lib import HandlerErrorCode as Code

from .readings import Retry, rule_for


class Failure(Exception):
    """The reason why a request of CloudFormation does not succeed, and whether to try it again."""

    def __init__(self, error_code: Code, message: str, retry: Retry = Retry.NEVER) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.retry = retry


class Refusal(Failure):
    """A call without an effect: the service refused every attempt, or no attempt reached it."""


class NoAnswer(Failure):
    """A call that may have had its effect: the service did not answer an attempt."""


class OutOfTime(exceptions.BotoCoreError):
    """The invocation has no time left for another attempt at a call."""

    fmt = "no time left for another attempt"


class Unreadable(exceptions.BotoCoreError):
    """The service's answer is not a JSON object."""

    fmt = "the answer is not a JSON object"


CALL_ERRORS = (exceptions.ClientError, exceptions.BotoCoreError, parsers.ResponseParserError)
# The most characters of the service's own text that a message repeats.
_LONGEST_QUOTE = 500
# "Troubleshoot access denied error messages" of the IAM user guide lists these kinds of policies.
_POLICY = r"(?:identity-based|resource-based|session|service control|resource control|VPC endpoint) policy"
_DENIED = re.compile(
    r"not authorized to perform: (?P<action>[a-zA-Z0-9-]+:[a-zA-Z]+)"
    rf"(?:.* because no (?P<lacking>{_POLICY}|permissions boundary) allows)?"
    rf"(?:.* with an explicit deny in an? (?P<denying>{_POLICY}|permissions boundary))?",
    re.DOTALL,
)
# What CloudFormation must hear of an exception that is not an error answered by the service.
# fmt: off
_FAULTS: tuple[tuple[tuple[type[Exception], ...], Code, Retry, str], ...] = (
    ((exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.CredentialRetrievalError),
     Code.InvalidCredentials, Retry.NEVER, "The request carries no credentials for SageMaker. Try it again."),
    ((exceptions.ParamValidationError,),
     Code.InvalidRequest, Retry.NEVER, "A property of the model does not have the form that SageMaker accepts."),
    ((exceptions.HTTPClientError, exceptions.ConnectionError, OutOfTime), Code.NetworkFailure, Retry.LATER,
     "SageMaker could not be reached, or did not answer in time. Try again; if the failure persists, check the "
     "network and the endpoint of the region."),
    ((parsers.ResponseParserError, exceptions.ResponseStreamingError, Unreadable),
     Code.ServiceInternalError, Retry.LATER,
     "SageMaker's answer could not be read. Try again; if the failure persists, look at the AWS Health "
     "Dashboard."),
    ((Exception,), Code.GeneralServiceException, Retry.NEVER, "The call to SageMaker could not be made."),
)
# fmt: on


def invalid_request(message: str) -> Failure:
    """Return the failure of a request that can never succeed."""
    return Failure(Code.InvalidRequest, message)


def not_visible(failure: Failure) -> Failure:
    """Return what a failed DescribeModel means after the service has accepted the model."""
    if failure.error_code is not Code.NotFound:
        return failure
    message = "SageMaker accepted the model, but does not show it yet. Try again; nothing is lost."
    return Failure(Code.NotStabilized, message, Retry.VISIBLE)


def as_failure(error: Exception) -> Failure:
    """Return a Failure as it is. For any other exception, return one that names the line that raised it."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, RecursionError):
        return invalid_request("The properties are nested too deeply.")
    # The text of the exception may repeat a property value.
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    message = f"Internal error of the resource type: {type(error).__name__}{where}. Please report it."
    return Failure(Code.InternalFailure, message)


def failure_of_call(error: Exception, operation: str, values: Iterable[str], *, is_lost: bool) -> Refusal | NoAnswer:
    """Convert a botocore exception, one of CALL_ERRORS, to Refusal or NoAnswer.

    `values` are the property values of the request, which the message does not repeat. `is_lost` says that the
    service did not answer an attempt.
    """
    kind = NoAnswer if is_lost else Refusal
    if not isinstance(error, exceptions.ClientError):
        _, error_code, retry, advice = next(fault for fault in _FAULTS if isinstance(error, fault[0]))
        return kind(error_code, f"{advice} ({operation}, {type(error).__name__})", retry)
    code, text = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    metadata = error.response.get("ResponseMetadata", {})
    rule = rule_for(operation, code, text, metadata.get("HTTPStatusCode", 0))
    parts = [rule.advice]
    if denied := _DENIED.search(text):
        parts.append(_advice_on_denial(**denied.groupdict()))
    # For an answer without a readable code, botocore uses the status as the code and the whole page as the text.
    elif rule.append_service_message and text and not code.isdigit():
        parts.append(f"SageMaker said: {shorten(redacted(text, values), _LONGEST_QUOTE, placeholder=' …')}")
    reference = [operation, code, *([f"request {metadata['RequestId']}"] if metadata.get("RequestId") else [])]
    return kind(rule.error_code, f"{' '.join(parts)} ({', '.join(reference)})", rule.retry)


def _advice_on_denial(action: str, lacking: str | None, denying: str | None) -> str:
    """Return what to change for a denied action: the kind of policy that lacks it, or that denies it explicitly."""
    if denying:
        return f"A {denying} denies {action} explicitly: change it."
    article = "an" if (lacking or "")[:1] in "aeiou" else "a"
    return f"Allow {action} in {article} {lacking}." if lacking else f"Allow {action} to it."


def redacted(text: str, values: Iterable[str]) -> str:
    """Return a text of the service without property values, ARNs, URLs and everything in quotation marks."""
    for value in sorted(filter(None, values), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "[...]", text)
    return re.sub(r"""(?:arn:aws|s3://|https?://)[^\s'"]+|"[^"]*"|'[^']*[^\s']'""", _hidden, text)


def _hidden(found: re.Match[str]) -> str:
    # The path of a member, as in "at 'primaryContainer.image' failed to satisfy constraint", is not a value.
    names_a_member = re.fullmatch(r"'[a-z]\w*(\.\w+)*'", found[0]) and found.string.endswith(" at ", 0, found.start())
    return found[0] if names_a_member else "[...]"
