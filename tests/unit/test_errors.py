"""What SageMaker says, and what CloudFormation hears: through the entry point, with answers as they were recorded."""

import io
import json
import re

import pytest
from botocore.awsrequest import AWSResponse

from aws_sagemaker_model import errors
from aws_sagemaker_model.session import CALLER
from tests.conftest import MODEL, ROLE

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/scorer"
ASSUME = (
    'Please ensure that the role exists and that its trust relationship policy allows the action "sts:AssumeRole" '
    'for the service principal "sagemaker.amazonaws.com".'
)
ACCESS = (
    f'Could not access model data at s3://bucket/model.tar.gz. {ASSUME} Also ensure that the role has "s3:GetObject"'
)

# Code and message of the service; the handler error code, or IN_PROGRESS; words of the advice.
SAID = [
    (
        "ValidationException",
        "Could not find model data at s3://bucket/key/model.tar.gz.",
        "InvalidRequest",
        "artifacts",
    ),
    ("ValidationException", f'Could not find model "{ARN}".', "NotFound", "does not exist"),
    ("ValidationException", f'Cannot create already existing model "{ARN}".', "AlreadyExists", "Leave ModelName out"),
    (
        "ValidationException",
        f'The execution role ARN "{ROLE}" is invalid. {ASSUME}',
        "IN_PROGRESS",
        "ExecutionRoleArn",
    ),
    ("ValidationException", f"Could not assume role {ROLE}. Please ensure", "IN_PROGRESS", "ExecutionRoleArn"),
    ("ValidationException", ACCESS, "IN_PROGRESS", "s3:GetObject"),
    (
        "ValidationException",
        f'role "{ROLE}" lacks "ecr:BatchGetImage" permission',
        "IN_PROGRESS",
        "ecr:BatchGetImage",
    ),
    ("ValidationException", "Requested image 1.dkr.ecr/x:1 not found.", "InvalidRequest", "image does not exist"),
    ("ValidationException", 'ECR image "x" is invalid.', "InvalidRequest", "REGISTRY/REPOSITORY:TAG"),
    (
        "ValidationException",
        'Using non-ECR image "x" without Vpc repository access mode is not supported.',
        "InvalidRequest",
        "RepositoryAccessMode",
    ),
    (
        "ValidationException",
        "Unsupported manifest media type application/vnd.oci.image.manifest.v1+json for image x.",
        "InvalidRequest",
        "OCI",
    ),
    (
        "ValidationException",
        "Specify one of either Image and Model Data URL or ModelPackageName in container definition.",
        "InvalidRequest",
        "ModelPackageName",
    ),
    (
        "ValidationException",
        "Environment variable map cannot be specified both at Model Package x and Model y",
        "InvalidRequest",
        "Environment",
    ),
    ("ValidationException", "Caller is not subscribed to the marketplace offering.", "AccessDenied", "Marketplace"),
    (
        "ValidationException",
        "The AcceptEula value must be explicitly defined as True in order to accept the EULA",
        "InvalidRequest",
        "AcceptEula",
    ),
    (
        "ValidationException",
        "More than one container in MultiModel mode is not supported with inference pipeline.",
        "InvalidRequest",
        "MultiModel",
    ),
    ("ValidationException", "Something nobody has recorded.", "InvalidRequest", "Something nobody has recorded."),
    (
        "AccessDeniedException",
        f"User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: sagemaker:AddTags on resource: {ARN}",
        "AccessDenied",
        "Allow sagemaker:AddTags",
    ),
    ("ExpiredTokenException", "The security token included in the request is expired", "InvalidCredentials", "Try"),
    ("ThrottlingException", "Rate exceeded", "IN_PROGRESS", "throttled"),
    ("ResourceLimitExceeded", "The account-level service limit is 10", "ServiceLimitExceeded", "quota"),
    ("ResourceNotFound", "gone", "NotFound", "does not exist"),
    ("ConflictException", "busy", "IN_PROGRESS", "at the same time"),
    ("InternalFailure", "oops", "IN_PROGRESS", "failed to answer"),
    ("SomethingNew", "said nobody before", "GeneralServiceException", "said nobody before"),
]


@pytest.fixture
def sagemaker_says(sagemaker):
    """Let SageMaker answer CreateModel with an error, without asking it."""
    client = CALLER.client("sagemaker", region_name="us-east-1")
    hooks = []

    def say(code, message, status=400, body=None):
        body = json.dumps({"__type": code, "message": message}) if body is None else body

        def instead(request, **_):
            raw = type("Raw", (io.BytesIO,), {"stream": lambda self: iter([self.read()])})(body.encode())
            return AWSResponse(request.url, status, {"x-amzn-requestid": "request-1"}, raw)

        client.meta.events.register("before-send.sagemaker.CreateModel", instead)
        hooks.append(instead)

    yield say
    for hook in hooks:
        client.meta.events.unregister("before-send.sagemaker.CreateModel", hook)


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.mark.parametrize(("code", "message", "heard", "advice"), SAID, ids=[f"{c}: {m[:40]}" for c, m, _, _ in SAID])
def test_is_heard_as(invoke, sagemaker_says, code, message, heard, advice):
    sagemaker_says(code, message)
    answer = invoke("CREATE", {**MODEL, "ModelName": "scorer"})
    assert answer.get("errorCode", answer["status"]) == heard
    assert advice in answer["message"]
    assert "(CreateModel, " in answer["message"]
    assert "request request-1)" in answer["message"]
    for value in (ROLE, ARN, "s3://", "scorer"):
        assert value not in answer["message"]


def test_every_reading_has_been_heard():
    """An entry of the table without a message of the service that needs it is a guess."""
    heard = {errors.read(code, message, 400).advice for code, message, _, _ in SAID}
    assert heard == {reading.advice for reading in errors.READINGS} | {errors.read("New", "", 400).advice}


@pytest.mark.parametrize(
    ("status", "body"), [(503, "<html>no JSON</html>"), (500, "[]"), (200, '{"ModelA'), (200, "")]
)
def test_an_answer_that_cannot_be_read_is_tried_again(invoke, sagemaker_says, status, body):
    sagemaker_says("", "", status, body)
    answer = invoke("CREATE", MODEL)
    assert answer["status"] == "IN_PROGRESS"
    assert answer["callbackContext"]["unanswered"] is True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Value 'hidden' at 'primaryContainer.image' failed to satisfy constraint", "at 'primaryContainer.image'"),
        ("Value 'hidden.part' at 'modelName' failed to satisfy", "Value [...] at 'modelName' failed"),
        ("1 validation error detected: Value 'hidden' at 'tags.1.member.key'", "at 'tags.1.member.key'"),
        ("role arn:aws:iam::123456789012:role/hidden is bad", "role [...] is bad"),
        ("at s3://hidden/key is missing", "at [...] is missing"),
        ('the image "hidden" is too large', "the image [...] is too large"),
        ("the word hidden stands alone", "the word [...] stands alone"),
    ],
)
def test_the_service_is_quoted_without_values(invoke, sagemaker_says, text, shown):
    sagemaker_says("ValidationException", text)
    answer = invoke("CREATE", {"PrimaryContainer": {"Image": "hidden"}})
    assert answer["errorCode"] == "InvalidRequest"
    assert shown in answer["message"]
    assert "hidden" not in answer["message"]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_an_arn_that_is_still_to_be_has_its_partition(invoke, sagemaker, region, partition):
    sagemaker.faults.replace([{"operation": "CreateModel", "fault": "throttling", "times": None}])
    answer = invoke("CREATE", {**MODEL, "ModelName": "scorer"}, region=region)
    wanted = f"arn:{partition}:sagemaker:{region}:123456789012:model/scorer"
    assert answer["resourceModel"]["ModelArn"] == wanted
    assert re.fullmatch(r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:model/.*", wanted)
