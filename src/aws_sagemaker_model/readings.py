"""The table of SageMaker's error messages: what each means for CloudFormation, and what the user can do about it.

SageMaker models almost none of its errors: most arrive as ValidationException, and only their text tells them apart.
The texts were recorded from the service, or users quoted them in public: the tests have them with their sources. The
advice is our own, and repeats no property value.
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
_SERVER_FAILED = "SageMaker failed to answer. Try again; if the failure persists, look at the AWS Health Dashboard."
NAME_EXISTS = (
    "A model of this name exists already. Leave ModelName out, and CloudFormation generates a free name; a change "
    "that replaces the model then works too."
)


@dataclass(frozen=True, kw_only=True)
class ErrorRule:
    """Map an error of some operations to a handler error code, a retry policy and advice.

    `codes` are AWS's error codes without the suffix "Exception". `message_pattern` is searched in the message. With
    `append_service_message` the message of the service follows the advice, without property values.
    """

    error_code: Code = Code.InvalidRequest
    advice: str
    operations: tuple[str, ...] = _CREATE
    codes: tuple[str, ...] = ("Validation",)
    message_pattern: str = ""
    retry: Retry = Retry.NEVER
    append_service_message: bool = False

    def matches(self, operation: str, code: str, text: str) -> bool:
        """Say whether this rule is for an error."""
        return (
            operation in self.operations
            and code.removesuffix("Exception") in self.codes
            and re.search(self.message_pattern, text, re.DOTALL) is not None
        )


# Exactly one rule matches a known message, so the order of the rules does not matter.
# fmt: off
ERROR_RULES: tuple[ErrorRule, ...] = (
    ErrorRule(message_pattern=r"^Could not find model data", advice=
        "The model artifacts do not exist. Check ModelDataUrl and ModelDataSource of each container, and that the "
        "bucket is in the region of the model."),
    ErrorRule(message_pattern=r"^Could not find model package", advice=
        "The model package does not exist. Check ModelPackageName of each container, and that the package is in the "
        "region of the model and shared with its account."),
    ErrorRule(message_pattern=r"already existing model", error_code=Code.AlreadyExists, advice=NAME_EXISTS),
    ErrorRule(message_pattern=r"execution role ARN .* is invalid|^Could not assume role",
        error_code=Code.NotStabilized, retry=Retry.IAM_RACE, advice=
        "SageMaker cannot assume the role of /properties/ExecutionRoleArn. Check that it exists and that its trust "
        "policy allows sts:AssumeRole to sagemaker.amazonaws.com."),
    ErrorRule(message_pattern=r"Cross-account pass role is not allowed", error_code=Code.AccessDenied, advice=
        "The role of /properties/ExecutionRoleArn belongs to another account. Give a role of the account in which "
        "the model is created."),
    ErrorRule(message_pattern=r"^Could not access model data",
        error_code=Code.NotStabilized, retry=Retry.IAM_RACE, advice=
        "SageMaker cannot read the model artifacts with the role of /properties/ExecutionRoleArn. Check that the "
        "role allows s3:GetObject on the artifacts, and s3:ListBucket on their bucket where they are uncompressed or "
        "Mode is MultiModel. Check that the artifacts exist, and that the bucket is in the region of the model."),
    ErrorRule(message_pattern=r"^The repository of your image .* does not grant",
        error_code=Code.NotStabilized, retry=Retry.IAM_RACE, advice=
        "The policy of the ECR repository does not let SageMaker pull the image. Allow the service principal "
        "sagemaker.amazonaws.com ecr:BatchGetImage, ecr:BatchCheckLayerAvailability and ecr:GetDownloadUrlForLayer "
        "in the policy of the repository, and check that the role of /properties/ExecutionRoleArn allows them, too. "
        "For an image of AWS, check that account, region and tag of the image are a published combination."),
    ErrorRule(message_pattern=r"^(?!The repository of your image).*BatchGetImage",
        error_code=Code.NotStabilized, retry=Retry.IAM_RACE, advice=
        "SageMaker cannot read the image with the role of /properties/ExecutionRoleArn. Check that the role allows "
        "ecr:BatchGetImage, ecr:BatchCheckLayerAvailability and ecr:GetDownloadUrlForLayer on the repository, and "
        "that the repository's policy allows the role."),
    ErrorRule(message_pattern=r"^Region of .* does not match expected region", advice=
        "The image is in a repository of another region, and SageMaker pulls images of Amazon ECR only in the region "
        "of the model. Push or replicate the image to this region, and use ${AWS::Region} in Image."),
    ErrorRule(message_pattern=r"^Requested image .* not found", advice=
        "The image does not exist. Check the repository, the tag and the region in Image of each container."),
    ErrorRule(message_pattern=r"^ECR image .* is invalid", advice=
        "Image is not a legal image reference: write REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST."),
    ErrorRule(message_pattern=r"^Using non-ECR image", advice=
        "The image is outside Amazon ECR. Copy it to ECR, or set ImageConfig.RepositoryAccessMode to Vpc and give "
        "the model a VpcConfig from which the registry can be reached."),
    ErrorRule(message_pattern=r"^Unsupported manifest media type", advice=
        "SageMaker cannot run images with an OCI manifest. Build the image with Docker manifests, for example "
        "`docker buildx build --output type=image,oci-mediatypes=false --provenance=false`."),
    ErrorRule(message_pattern=r"does not contain required com\.amazonaws\..*\.multi-models=true Docker label", advice=
        # AWS's support on images for GPUs: aws/amazon-sagemaker-examples#3925.
        "The image does not say that it can serve many models. Add `LABEL "
        "com.amazonaws.sagemaker.capabilities.multi-models=true` to its Dockerfile, or set Mode to SingleModel. Of "
        "the images of AWS many for GPUs lack the label: take the image for CPUs, or NVIDIA Triton."),
    ErrorRule(message_pattern=r"does not contain required com\.amazonaws\..*\.accept-bind-to-port=true Docker label",
        advice=
        "The image does not say that it listens on the port that SageMaker gives it, which every container of a "
        "pipeline must do. Add `LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true` to its "
        "Dockerfile, and let the server listen on SAGEMAKER_BIND_TO_PORT."),
    ErrorRule(message_pattern=r"^Specify one of either Image and Model Data URL or ModelPackageName", advice=
        "A container has both ModelPackageName and Image or ModelDataUrl. Give the package alone, or image and "
        "artifacts without it."),
    ErrorRule(message_pattern=r"^Environment variable map cannot be specified both", advice=
        "The model package defines Environment itself. Leave Environment out of the container, or make a package "
        "without it."),
    ErrorRule(message_pattern=r"^Environment variable map cannot be specified when using a ModelPackage subscribed",
        advice=
        "The model package is from AWS Marketplace, and its seller has not allowed environment variables. Leave "
        "Environment out of the container, or ask the seller."),
    ErrorRule(message_pattern=r"not subscribed to the marketplace", error_code=Code.AccessDenied, advice=
        "The account is not subscribed to the AWS Marketplace offering of the model package. Subscribe to it first."),
    ErrorRule(message_pattern=r"^The AcceptEula value must be", advice=
        "The model is gated. Read its end-user licence agreement, then set ModelAccessConfig.AcceptEula to true in "
        "its S3DataSource."),
    ErrorRule(message_pattern=r"^More than one container in MultiModel mode", advice=
        "Only one container of a model may have Mode MultiModel."),
    ErrorRule(operations=_ANY, codes=("ResourceLimitExceeded", "ServiceQuotaExceeded"),
        error_code=Code.ServiceLimitExceeded, advice=
        "The account has reached a limit of SageMaker in this region, such as the number of models. Delete models "
        "that are not used, or ask for a higher quota in Service Quotas."),
    ErrorRule(operations=_EXISTING, message_pattern='^Could not find model "',
        error_code=Code.NotFound, advice=_NO_MODEL),
    ErrorRule(operations=_EXISTING, codes=("ResourceNotFound",), error_code=Code.NotFound, advice=_NO_MODEL),
    ErrorRule(operations=_ANY, codes=("AccessDenied", "UnauthorizedOperation", "NotAuthorized"),
        error_code=Code.AccessDenied, advice=
        "The role that this type runs with, or an organisation's policy above it, does not allow the call."),
    ErrorRule(operations=_ANY, codes=("OptInRequired",), error_code=Code.AccessDenied, advice=
        "The account is not signed up for SageMaker in this region. Enable the region, and finish the sign-up of the "
        "account."),
    ErrorRule(operations=_ANY, codes=(
            "ExpiredToken", "UnrecognizedClient", "InvalidSignature", "InvalidClientTokenId", "SignatureDoesNotMatch",
            "MissingAuthenticationToken", "IncompleteSignature", "InvalidAccessKeyId", "RequestExpired"),
        error_code=Code.InvalidCredentials, advice=
        "The credentials that CloudFormation passed to this type are expired or not valid. Try the operation again."),
    ErrorRule(operations=_ANY, codes=("RequestTimeTooSkewed",), error_code=Code.InvalidCredentials, advice=
        "AWS refused the signature of the request, because the clock of this function and that of SageMaker differ "
        "too much. Try the operation again."),
    # The codes that botocore's standard retry mode takes for throttling, and the status of an answer without a code.
    ErrorRule(operations=_ANY, codes=(
            "Throttling", "Throttled", "RequestThrottled", "EC2Throttled", "TooManyRequests", "RequestLimitExceeded",
            "BandwidthLimitExceeded", "LimitExceeded", "ProvisionedThroughputExceeded", "TransactionInProgress",
            "SlowDown", "PriorRequestNotComplete", "429"),
        error_code=Code.Throttling, retry=Retry.LATER, advice=
        "SageMaker throttled the request: too many calls in this region and account. Try again later, or make fewer "
        "models at a time."),
    ErrorRule(operations=_ANY, codes=("RequestTimeout", "408"),
        error_code=Code.NetworkFailure, retry=Retry.LATER, advice=
        "SageMaker did not receive the whole request in time. Try again; if the failure persists, check the "
        "network."),
    ErrorRule(operations=_ANY, codes=("Conflict", "ResourceInUse"),
        error_code=Code.ResourceConflict, retry=Retry.LATER, advice=
        "Another caller is changing the model at the same time. Try again when that change is complete."),
    ErrorRule(operations=_ANY,
        codes=("InternalFailure", "InternalServer", "InternalServerError", "InternalError", "ServiceUnavailable"),
        error_code=Code.ServiceInternalError, retry=Retry.LATER, advice=_SERVER_FAILED),
)
# fmt: on


def rule_for(operation: str, code: str, text: str, status: int) -> ErrorRule:
    """Return the rule for an error with a code, a text and an HTTP status."""
    for rule in ERROR_RULES:
        if rule.matches(operation, code, text):
            return rule
    if status >= 500:
        return ErrorRule(error_code=Code.ServiceInternalError, advice=_SERVER_FAILED, retry=Retry.LATER)
    if code not in ("ValidationException", "ValidationError"):
        return ErrorRule(error_code=Code.GeneralServiceException, advice=_REFUSED, append_service_message=True)
    return ErrorRule(advice=_PROPERTY_REFUSED if operation in _CREATE else _REFUSED, append_service_message=True)
