"""What SageMaker says -> what CloudFormation must hear, and whether to try again.

SageMaker models almost none of its errors: most arrive as ValidationException, to be told apart by their text.
The texts below were recorded from the service. Advice is ours, and repeats no property value.
"""

import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError
from cloudformation_cli_python_lib import HandlerErrorCode as Code
from cloudformation_cli_python_lib import exceptions


class Retry(Enum):
    """Whether the same request may succeed later."""

    NEVER = "never"
    IAM_RACE = "until IAM has propagated"
    LATER = "when the service or the network has recovered"
    VISIBLE = "when the service shows what it has accepted"


@dataclass(frozen=True)
class Reading:
    """How an error is understood: `code` and `message` are patterns over what the service sent."""

    error_code: Code
    advice: str
    message: str = ""
    code: str = "ValidationException"
    retry: Retry = Retry.NEVER
    quotes: bool = field(default=False)
    """Whether the service's own text, without property values, follows the advice."""


ROLE_ADVICE = (
    "SageMaker cannot assume the role of /properties/ExecutionRoleArn. Check that it exists and that its trust "
    "policy allows sts:AssumeRole to sagemaker.amazonaws.com."
)

_TAKEN = Reading(
    Code.AlreadyExists,
    "A model of this name exists already. Leave ModelName out, and CloudFormation generates a name that is "
    "free; a change that replaces the model then works too.",
    r"already existing model",
)

# The first that matches counts.
READINGS: tuple[Reading, ...] = (
    Reading(
        Code.InvalidRequest,
        "The model artifacts do not exist. Check ModelDataUrl and ModelDataSource of each container, and that "
        "the bucket is in the region of the model.",
        r"^Could not find model data",
    ),
    Reading(
        Code.NotFound,
        "The model does not exist in this region and account.",
        r"^Could not find model ",
    ),
    _TAKEN,
    Reading(
        Code.NotStabilized,
        ROLE_ADVICE,
        r"execution role ARN .* is invalid|Could not assume role",
        retry=Retry.IAM_RACE,
    ),
    Reading(
        Code.NotStabilized,
        "SageMaker cannot read the model artifacts with the role of /properties/ExecutionRoleArn. Check that the "
        "role allows s3:GetObject on them, that the artifacts exist, and that the bucket is in the region of the "
        "model.",
        r"^Could not access model data",
        retry=Retry.IAM_RACE,
    ),
    Reading(
        Code.NotStabilized,
        "SageMaker cannot read the image with the role of /properties/ExecutionRoleArn. Check that the role "
        "allows ecr:BatchGetImage, ecr:BatchCheckLayerAvailability and ecr:GetDownloadUrlForLayer on the "
        "repository, and that the repository's policy allows the role.",
        r"BatchGetImage",
        retry=Retry.IAM_RACE,
    ),
    Reading(
        Code.InvalidRequest,
        "The image does not exist. Check the repository, the tag and the region in Image of each container.",
        r"^Requested image .* not found",
    ),
    Reading(
        Code.InvalidRequest,
        "Image is not a legal image reference: write REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST.",
        r"^ECR image .* is invalid",
    ),
    Reading(
        Code.InvalidRequest,
        "The image is outside Amazon ECR. Copy it to ECR, or set ImageConfig.RepositoryAccessMode to Vpc and "
        "give the model a VpcConfig from which the registry can be reached.",
        r"non-ECR image",
    ),
    Reading(
        Code.InvalidRequest,
        "SageMaker cannot run images with an OCI manifest. Build the image with Docker manifests, for example "
        "`docker buildx build --output type=image,oci-mediatypes=false --provenance=false`.",
        r"^Unsupported manifest media type",
    ),
    Reading(
        Code.InvalidRequest,
        "A container has both ModelPackageName and Image or ModelDataUrl. Give the package alone, or image and "
        "artifacts without it.",
        r"^Specify one of either Image and Model Data URL or ModelPackageName",
    ),
    Reading(
        Code.InvalidRequest,
        "The model package defines Environment itself. Leave Environment out of the container, or make a package "
        "without it.",
        r"^Environment variable map cannot be specified both",
    ),
    Reading(
        Code.AccessDenied,
        "The account is not subscribed to the AWS Marketplace offering of the model package. Subscribe to it first.",
        r"not subscribed to the marketplace",
    ),
    Reading(
        Code.InvalidRequest,
        "The model is gated. Read its end-user licence agreement, then set ModelAccessConfig.AcceptEula to true "
        "in its S3DataSource.",
        r"^The AcceptEula value must be",
    ),
    Reading(
        Code.InvalidRequest,
        "Only one container of a model may have Mode MultiModel.",
        r"^More than one container in MultiModel mode",
    ),
    Reading(
        Code.InvalidRequest,
        "SageMaker refused a property of the model. Correct it and try again.",
        quotes=True,
    ),
    Reading(
        Code.AccessDenied,
        "The role that this type runs with, or an organisation's policy above it, does not allow the call.",
        code=r"AccessDenied|UnauthorizedOperation|NotAuthorized",
    ),
    Reading(
        Code.InvalidCredentials,
        "The credentials that CloudFormation passed to this type are expired or not valid. Try the operation again.",
        code=r"ExpiredToken|UnrecognizedClient|InvalidSignature|InvalidClientTokenId|SignatureDoesNotMatch"
        r"|MissingAuthenticationToken|IncompleteSignature|InvalidAccessKeyId|RequestExpired",
    ),
    Reading(
        Code.Throttling,
        "SageMaker throttled the request: too many calls in this region and account. Try again later, or make "
        "fewer models at a time.",
        code=r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|BandwidthLimitExceeded",
        retry=Retry.LATER,
    ),
    Reading(
        Code.ServiceLimitExceeded,
        "The account has as many models as it may have in this region. Delete models that are not used, or ask "
        "for a higher quota in Service Quotas.",
        code=r"ResourceLimitExceeded|LimitExceeded|ServiceQuotaExceeded",
    ),
    Reading(Code.NotFound, "The model does not exist in this region and account.", code=r"ResourceNotFound"),
    Reading(
        Code.ResourceConflict,
        "Something else is changing the model at the same time. Try again when it is over.",
        code=r"Conflict|ResourceInUse",
        retry=Retry.LATER,
    ),
    Reading(
        Code.ServiceInternalError,
        "SageMaker failed to answer. Try again; if it goes on, look at the AWS Health Dashboard.",
        code=r"InternalFailure|InternalServerError|InternalError|ServiceUnavailable|Unavailable|^5\d\d$",
        retry=Retry.LATER,
    ),
)
_OTHER = Reading(Code.GeneralServiceException, "SageMaker refused the request.", quotes=True)

_NOT_VISIBLE = Reading(
    Code.NotStabilized,
    "SageMaker accepted the model, but does not show it yet. Try again; nothing is lost.",
    retry=Retry.VISIBLE,
)


class OutOfTime(BotoCoreError):
    """The invocation has no time left for another attempt at a call."""

    fmt = "no time left for another attempt"


class Unreadable(BotoCoreError):
    """The service's answer is not the JSON object that the operation returns."""

    fmt = "the answer is not a JSON object"


# What goes wrong before there is an answer: kinds of exceptions, and how they are understood.
_FAULTS: tuple[tuple[tuple[type[Exception], ...], Reading], ...] = (
    (
        (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError),
        Reading(Code.InvalidCredentials, "The request carries no credentials for SageMaker. Try it again."),
    ),
    (
        (ParamValidationError,),
        Reading(Code.InvalidRequest, "A property of the model is not of the form that SageMaker takes."),
    ),
    (
        (HTTPClientError, ConnectionError, OutOfTime),
        Reading(
            Code.NetworkFailure,
            "SageMaker could not be reached, or did not answer in time. Try again; if it goes on, check the "
            "network and the endpoint of the region.",
            retry=Retry.LATER,
        ),
    ),
    (
        (ResponseParserError, ResponseStreamingError, Unreadable),
        Reading(
            Code.ServiceInternalError,
            "SageMaker's answer could not be read. Try again; if it goes on, look at the AWS Health Dashboard.",
            retry=Retry.LATER,
        ),
    ),
    ((Exception,), Reading(Code.GeneralServiceException, "The call to SageMaker could not be made.")),
)
CALL_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
# The request never left: the service cannot have acted.
UNSENT = (OutOfTime, EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


class ServiceFailure(Exception):
    """A call that failed: what CloudFormation must hear, and what is known of its effect.

    `retry` says whether the same request may succeed later; `unanswered` that the service may have acted on an
    attempt of the call, the last or one before, although no answer said so.
    """

    def __init__(self, reading: Reading, message: str, *, unanswered: bool = False) -> None:
        super().__init__(message)
        self.error_code = reading.error_code
        self.retry = reading.retry
        self.unanswered = unanswered


class NoSuchModel(exceptions.NotFound):  # type: ignore[misc]
    """A request that identifies no model of this region and account."""

    def __init__(self) -> None:
        Exception.__init__(self, "No model of this region and account has the ModelArn or ModelName of the request.")
        self._error_code = Code.NotFound


def not_visible(failure: ServiceFailure) -> ServiceFailure:
    """Return what a failure to describe means once the service has accepted the model."""
    return ServiceFailure(_NOT_VISIBLE, _NOT_VISIBLE.advice) if failure.error_code is Code.NotFound else failure


def taken() -> ServiceFailure:
    """Return what it means that somebody else's model has the name of this one."""
    return ServiceFailure(_TAKEN, _TAKEN.advice)


def unexpected(error: BaseException) -> ServiceFailure:
    """Return what a fault of this type's own code means: where it happened, without what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    reading = Reading(Code.InternalFailure, "The resource type failed where it should not. Please report it")
    return ServiceFailure(reading, f"{reading.advice}: {type(error).__name__}{where}.")


def translate(error: Exception, operation: str, values: Iterable[str]) -> ServiceFailure:
    """Return what an error of boto3 means.

    `values` are the property values of the request: none of them is repeated.
    """
    if not isinstance(error, ClientError):
        reading = next(reading for kinds, reading in _FAULTS if isinstance(error, kinds))
        message = f"{reading.advice} ({operation}, {type(error).__name__})"
        unanswered: bool = getattr(error, "unanswered", reading.retry is Retry.LATER)
        return ServiceFailure(reading, message, unanswered=unanswered)
    answer = error.response
    code, text = answer["Error"].get("Code", ""), answer["Error"].get("Message", "")
    metadata = answer.get("ResponseMetadata", {})
    reading = read(code, text, metadata.get("HTTPStatusCode", 0))
    parts = [reading.advice]
    if denied := re.search(r"not authorized to perform: ([a-zA-Z0-9-]+:[a-zA-Z]+)", text):
        parts.append(f"Allow {denied[1]} to it.")
    # A code in digits is botocore's own, for an error that it could not read: its text is a torn answer.
    elif reading.quotes and text and not code.isdigit():
        parts.append(f"SageMaker said: {redacted(text, values)}")
    reference = [
        operation,
        code,
        *([f"request {metadata['RequestId']}"] if metadata.get("RequestId") else []),
    ]
    return ServiceFailure(
        reading,
        f"{' '.join(parts)} ({', '.join(reference)})",
        unanswered=bool(metadata.get("Unanswered")),
    )


def read(code: str, message: str, status: int) -> Reading:
    """Return how an error code, a message and an HTTP status are understood."""
    for reading in READINGS:
        if re.search(reading.code, code) and re.search(reading.message, message, re.DOTALL):
            return reading
    return next(r for r in READINGS if r.error_code is Code.ServiceInternalError) if status >= 500 else _OTHER


def redacted(text: str, values: Iterable[str]) -> str:
    """Return a service's text without property values, ARNs, addresses and anything it quotes."""
    for value in sorted(filter(None, values), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "[...]", text)
    return re.sub(r"""(?:arn:aws|s3://|https?://)[^\s'"]+|"[^"]*"|'[^']*[^\s']'""", _hidden, text)


def _hidden(found: re.Match[str]) -> str:
    # A member's path, as in «at 'primaryContainer.image' failed to satisfy constraint», is no value.
    names_a_member = re.fullmatch(r"'[a-z]\w*(\.\w+)*'", found[0]) and found.string.endswith(" at ", 0, found.start())
    return found[0] if names_a_member else "[...]"
