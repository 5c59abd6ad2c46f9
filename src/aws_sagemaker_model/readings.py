"""How SageMaker's answers are understood: one table of what it says, what that means, and what to do about it.

SageMaker models almost none of its errors: most arrive as ValidationException, to be told apart by their text.
The texts were recorded from the service. Advice is ours, and repeats no property value.
"""

import re
from dataclasses import dataclass
from enum import Enum

from cloudformation_cli_python_lib import HandlerErrorCode as Code


class Retry(Enum):
    """Whether the same request may succeed later."""

    NEVER = "never"
    IAM_RACE = "until IAM has propagated"
    LATER = "when the service or the network has recovered"
    VISIBLE = "when the service shows what it has accepted"


_CREATE = ("CreateModel",)
_EXISTING = ("DescribeModel", "DeleteModel", "ListTags", "AddTags", "DeleteTags")
_ANY = (*_CREATE, *_EXISTING, "ListModels")
_REFUSED = "SageMaker refused the request."
_PROPERTY_REFUSED = "SageMaker refused a property of the model. Correct it and try again."
_NO_MODEL = "The model does not exist in this region and account."
_SERVER_FAILED = "SageMaker failed to answer. Try again; if it goes on, look at the AWS Health Dashboard."
NAME_EXISTS = (
    "A model of this name exists already. Leave ModelName out, and CloudFormation generates a name that is "
    "free; a change that replaces the model then works too."
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How an answer of some operations is understood.

    `codes` are AWS's error codes without the ending "Exception"; `said` is a pattern that is found in the text;
    `quotes` says that the text itself, without property values, follows the advice.
    """

    error_code: Code = Code.InvalidRequest
    advice: str
    operations: tuple[str, ...] = _CREATE
    codes: tuple[str, ...] = ("Validation",)
    said: str = ""
    retry: Retry = Retry.NEVER
    quotes: bool = False

    def fits(self, operation: str, code: str, text: str) -> bool:
        """Say whether this is the reading of an answer."""
        return (
            operation in self.operations
            and code.removesuffix("Exception") in self.codes
            and re.search(self.said, text, re.DOTALL) is not None
        )


# Exactly one fits a message that is known, so their order does not matter.
# fmt: off
READINGS: tuple[Reading, ...] = (
    Reading(said=r"^Could not find model data", advice=
        "The model artifacts do not exist. Check ModelDataUrl and ModelDataSource of each container, and that the "
        "bucket is in the region of the model."),
    Reading(said=r"^Could not find model package", advice=
        "The model package does not exist. Check ModelPackageName of each container, and that the package is in the "
        "region of the model and shared with its account."),
    Reading(said=r"already existing model", error_code=Code.AlreadyExists, advice=NAME_EXISTS),
    Reading(said=r"execution role ARN .* is invalid|^Could not assume role",
        error_code=Code.NotStabilized, retry=Retry.IAM_RACE, advice=
        "SageMaker cannot assume the role of /properties/ExecutionRoleArn. Check that it exists and that its trust "
        "policy allows sts:AssumeRole to sagemaker.amazonaws.com."),
    Reading(said=r"^Could not access model data", error_code=Code.NotStabilized, retry=Retry.IAM_RACE, advice=
        "SageMaker cannot read the model artifacts with the role of /properties/ExecutionRoleArn. Check that the "
        "role allows s3:GetObject on them, that the artifacts exist, and that the bucket is in the model's region."),
    Reading(said=r"BatchGetImage", error_code=Code.NotStabilized, retry=Retry.IAM_RACE, advice=
        "SageMaker cannot read the image with the role of /properties/ExecutionRoleArn. Check that the role allows "
        "ecr:BatchGetImage, ecr:BatchCheckLayerAvailability and ecr:GetDownloadUrlForLayer on the repository, and "
        "that the repository's policy allows the role."),
    Reading(said=r"^Requested image .* not found", advice=
        "The image does not exist. Check the repository, the tag and the region in Image of each container."),
    Reading(said=r"^ECR image .* is invalid", advice=
        "Image is not a legal image reference: write REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST."),
    Reading(said=r"^Using non-ECR image", advice=
        "The image is outside Amazon ECR. Copy it to ECR, or set ImageConfig.RepositoryAccessMode to Vpc and give "
        "the model a VpcConfig from which the registry can be reached."),
    Reading(said=r"^Unsupported manifest media type", advice=
        "SageMaker cannot run images with an OCI manifest. Build the image with Docker manifests, for example "
        "`docker buildx build --output type=image,oci-mediatypes=false --provenance=false`."),
    Reading(said=r"^Specify one of either Image and Model Data URL or ModelPackageName", advice=
        "A container has both ModelPackageName and Image or ModelDataUrl. Give the package alone, or image and "
        "artifacts without it."),
    Reading(said=r"^Environment variable map cannot be specified both", advice=
        "The model package defines Environment itself. Leave Environment out of the container, or make a package "
        "without it."),
    Reading(said=r"not subscribed to the marketplace", error_code=Code.AccessDenied, advice=
        "The account is not subscribed to the AWS Marketplace offering of the model package. Subscribe to it first."),
    Reading(said=r"^The AcceptEula value must be", advice=
        "The model is gated. Read its end-user licence agreement, then set ModelAccessConfig.AcceptEula to true in "
        "its S3DataSource."),
    Reading(said=r"^More than one container in MultiModel mode", advice=
        "Only one container of a model may have Mode MultiModel."),
    Reading(operations=_ANY, codes=("ResourceLimitExceeded", "ServiceQuotaExceeded"),
        error_code=Code.ServiceLimitExceeded, advice=
        "The account has reached a limit of SageMaker in this region, such as the number of models. Delete models "
        "that are not used, or ask for a higher quota in Service Quotas."),
    Reading(operations=_EXISTING, said='^Could not find model "', error_code=Code.NotFound, advice=_NO_MODEL),
    Reading(operations=_EXISTING, codes=("ResourceNotFound",), error_code=Code.NotFound, advice=_NO_MODEL),
    Reading(operations=_ANY, codes=("AccessDenied", "UnauthorizedOperation", "NotAuthorized"),
        error_code=Code.AccessDenied, advice=
        "The role that this type runs with, or an organisation's policy above it, does not allow the call."),
    Reading(operations=_ANY, codes=("OptInRequired",), error_code=Code.AccessDenied, advice=
        "The account is not signed up for SageMaker in this region. Enable the region, and finish the sign-up of the "
        "account."),
    Reading(operations=_ANY, codes=(
            "ExpiredToken", "UnrecognizedClient", "InvalidSignature", "InvalidClientTokenId", "SignatureDoesNotMatch",
            "MissingAuthenticationToken", "IncompleteSignature", "InvalidAccessKeyId", "RequestExpired"),
        error_code=Code.InvalidCredentials, advice=
        "The credentials that CloudFormation passed to this type are expired or not valid. Try the operation again."),
    Reading(operations=_ANY, codes=("RequestTimeTooSkewed",), error_code=Code.InvalidCredentials, advice=
        "AWS refused the signature of the request, because the clock of this function and that of SageMaker differ "
        "too much. Try the operation again."),
    # What botocore's standard retry mode takes for throttling, and the status of an answer that has no code.
    Reading(operations=_ANY, codes=(
            "Throttling", "Throttled", "RequestThrottled", "EC2Throttled", "TooManyRequests", "RequestLimitExceeded",
            "BandwidthLimitExceeded", "LimitExceeded", "ProvisionedThroughputExceeded", "TransactionInProgress",
            "SlowDown", "PriorRequestNotComplete", "429"),
        error_code=Code.Throttling, retry=Retry.LATER, advice=
        "SageMaker throttled the request: too many calls in this region and account. Try again later, or make fewer "
        "models at a time."),
    Reading(operations=_ANY, codes=("RequestTimeout", "408"),
        error_code=Code.NetworkFailure, retry=Retry.LATER, advice=
        "SageMaker did not receive the whole request in time. Try again; if it goes on, check the network."),
    Reading(operations=_ANY, codes=("Conflict", "ResourceInUse"),
        error_code=Code.ResourceConflict, retry=Retry.LATER, advice=
        "Something else is changing the model at the same time. Try again when it is over."),
    Reading(operations=_ANY,
        codes=("InternalFailure", "InternalServer", "InternalServerError", "InternalError", "ServiceUnavailable"),
        error_code=Code.ServiceInternalError, retry=Retry.LATER, advice=_SERVER_FAILED),
)
# fmt: on


def read(operation: str, code: str, text: str, status: int) -> Reading:
    """Return how an answer with an error code, a text and an HTTP status is understood."""
    for reading in READINGS:
        if reading.fits(operation, code, text):
            return reading
    if status >= 500:
        return Reading(error_code=Code.ServiceInternalError, advice=_SERVER_FAILED, retry=Retry.LATER)
    if code not in ("ValidationException", "ValidationError"):
        return Reading(error_code=Code.GeneralServiceException, advice=_REFUSED, quotes=True)
    return Reading(advice=_PROPERTY_REFUSED if operation in _CREATE else _REFUSED, quotes=True)
