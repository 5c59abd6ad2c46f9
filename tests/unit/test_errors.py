"""Errors of SageMaker and the handler's answers to CloudFormation, with recorded answers of the service."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.awsrequest import AWSResponse
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from aws_sagemaker_model.readings import ERROR_RULES
from aws_sagemaker_model.session import CALLER
from tests.conftest import DATA, MODEL, ROLE, Invoke, model_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.sagemaker.server import LocalSageMaker

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/scorer"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/risk/7"
ASSUME = (
    'Please ensure that the role exists and that its trust relationship policy allows the action "sts:AssumeRole" '
    'for the service principal "sagemaker.amazonaws.com".'
)
ACCESS = (
    f'Could not access model data at s3://bucket/model.tar.gz. {ASSUME} Also ensure that the role has "s3:GetObject"'
)

# Code and message of the service; the handler error code, or IN_PROGRESS; words of the answer.
CREATE_SAYS = [
    (
        "ValidationException",
        "Could not find model data at s3://bucket/key/model.tar.gz.",
        "InvalidRequest",
        "artifacts",
    ),
    # aws/sagemaker-python-sdk, its tests of lineage queries.
    ("ValidationException", f"Could not find model package {PACKAGE}", "InvalidRequest", "ModelPackageName"),
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
]
EXISTING_SAYS = [
    ("ValidationException", f'Could not find model "{ARN}".', "NotFound", "does not exist"),
    ("ResourceNotFound", "gone", "NotFound", "does not exist"),
]
# Errors of any operation. Sources: "Common Errors" of the API reference, and botocore's standard retry mode.
ANY_SAYS = [
    ("ResourceLimitExceeded", "The account-level service limit is 10", "ServiceLimitExceeded", "quota"),
    (
        "AccessDeniedException",
        f"User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: sagemaker:AddTags on resource: {ARN}",
        "AccessDenied",
        "Allow sagemaker:AddTags",
    ),
    ("OptInRequired", "The AWS Access Key Id needs a subscription for the service", "AccessDenied", "signed up"),
    ("ExpiredTokenException", "The security token included in the request is expired", "InvalidCredentials", "Try"),
    ("RequestTimeTooSkewed", "The difference is too large.", "InvalidCredentials", "clock"),
    ("ThrottlingException", "Rate exceeded", "IN_PROGRESS", "throttled"),
    ("ThrottledException", "Rate exceeded", "IN_PROGRESS", "throttled"),
    ("PriorRequestNotComplete", "The request was rejected", "IN_PROGRESS", "throttled"),
    ("LimitExceededException", "Slower, please.", "IN_PROGRESS", "throttled"),
    ("RequestTimeoutException", "Your socket connection was not read from", "IN_PROGRESS", "in time"),
    ("ConflictException", "busy", "IN_PROGRESS", "at the same time"),
    ("InternalFailure", "oops", "IN_PROGRESS", "failed to answer"),
]
# Messages that users quoted in public, with their sources.
with (DATA / "create_model_messages.tsv").open(encoding="utf-8") as quoted:
    QUOTED = list(csv.reader(quoted, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
SAID = [
    *(("CreateModel", code, message, heard, words) for code, message, _, heard, words in QUOTED),
    *(("CreateModel", *said) for said in [*CREATE_SAYS, *ANY_SAYS]),
    *((name, *said) for name in ("DescribeModel", "DeleteModel", "AddTags") for said in [*EXISTING_SAYS, *ANY_SAYS]),
]
ACTIONS = {"CreateModel": "CREATE", "DescribeModel": "READ", "DeleteModel": "DELETE", "AddTags": "UPDATE"}
# Handler error codes of failures that may pass, for actions that cannot wait.
WAITS = ("Throttling", "NetworkFailure", "ResourceConflict", "ServiceInternalError")
NAMED = {**MODEL, "ModelName": "scorer"}


@pytest.fixture
def sagemaker_says(sagemaker: LocalSageMaker) -> Iterator[Any]:
    """Let SageMaker answer an operation with an error, without asking it."""
    client = CALLER.client("sagemaker", region_name="us-east-1")
    hooks = []

    def say(code: str, message: str, status: Any = 400, body: Any = None, operation: str = "CreateModel") -> None:
        body = json.dumps({"__type": code, "message": message}) if body is None else body

        def instead(request: Any, **_: Any) -> Any:
            raw = type("Raw", (io.BytesIO,), {"stream": lambda self: iter([self.read()])})(body.encode())
            return AWSResponse(request.url, status, cast("Any", {"x-amzn-requestid": "request-1"}), raw)

        client.meta.events.register(f"before-send.sagemaker.{operation}", instead)
        hooks.append((f"before-send.sagemaker.{operation}", instead))

    yield say
    for hook in hooks:
        client.meta.events.unregister(*hook)


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.mark.parametrize(
    ("operation", "code", "message", "heard", "advice"), SAID, ids=[f"{o}: {c}: {m[:30]}" for o, c, m, _, _ in SAID]
)
def test_an_error_of_sagemaker_has_a_handler_error_code_and_advice(
    invoke: Invoke, sagemaker_says: Any, operation: str, code: str, message: str, heard: Any, advice: Any
) -> None:
    if operation != "CreateModel":
        invoke("CREATE", NAMED)
    sagemaker_says(code, message, operation=operation)
    answer = invoke(ACTIONS[operation], {**NAMED, "Tags": [{"Key": "team", "Value": "risk"}]})
    assert advice in answer["message"]
    assert f"({operation}, {code}, request request-1)" in answer["message"]
    if heard == "IN_PROGRESS" and operation == "DescribeModel":
        assert answer["errorCode"] in WAITS
    else:
        assert answer.get("errorCode", answer["status"]) == heard
    for value in (ROLE, ARN, PACKAGE, "s3://", "scorer", "dkr.ecr", "111122223333"):
        assert value not in answer["message"]


@pytest.mark.parametrize("operation", ACTIONS)
@pytest.mark.parametrize(
    ("status", "advice"), [(429, "throttled"), (408, "in time"), (503, "failed to answer"), (500, "failed to answer")]
)
def test_a_transient_status_without_a_body_is_retried(
    invoke: Invoke, sagemaker_says: Any, operation: str, status: Any, advice: Any
) -> None:
    if operation != "CreateModel":
        invoke("CREATE", NAMED)
    sagemaker_says("", "", status, "", operation)
    answer = invoke(ACTIONS[operation], {**NAMED, "Tags": [{"Key": "team", "Value": "risk"}]})
    assert answer["status"] == "IN_PROGRESS" if operation != "DescribeModel" else answer["errorCode"] in WAITS
    assert advice in answer["message"]


def test_every_error_that_botocore_retries_is_retried(invoke: Invoke, sagemaker_says: Any) -> None:
    transient, throttled = cast("Any", TransientRetryableChecker), cast("Any", ThrottledRetryableChecker)
    codes = [*transient._TRANSIENT_ERROR_CODES, *throttled._THROTTLED_ERROR_CODES]
    for code in codes:
        sagemaker_says(code, "later")
        assert invoke("CREATE", NAMED)["status"] == "IN_PROGRESS", code


# Messages under another operation than the one that they are known from.
@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("CreateModel", f'Could not find model "{ARN}".'),
        ("CreateModel", "Could not find model group x"),
        ("DescribeModel", f'Cannot create already existing model "{ARN}".'),
        ("DeleteModel", f"Could not assume role {ROLE}. Please ensure"),
        ("AddTags", "Could not find model data at s3://bucket/key/model.tar.gz."),
        ("AddTags", "The requested tags are too many."),
        ("DeleteModel", "A message without a record."),
        ("CreateModel", "A message without a record."),
    ],
)
def test_an_error_rule_matches_only_messages_of_its_operation(
    invoke: Invoke, sagemaker_says: Any, operation: str, message: str
) -> None:
    if operation != "CreateModel":
        invoke("CREATE", NAMED)
    sagemaker_says("ValidationException", message, operation=operation)
    answer = invoke(ACTIONS[operation], {**NAMED, "Tags": [{"Key": "team", "Value": "risk"}]})
    assert answer["errorCode"] == "InvalidRequest"
    assert f"SageMaker said: {message.split()[0]}" in answer["message"]
    assert ("property of the model" in answer["message"]) == (operation == "CreateModel")


def test_a_refused_list_does_not_blame_a_property(invoke: Invoke) -> None:
    answer = invoke("LIST", next_token="not a token")
    assert answer["errorCode"] == "InvalidRequest"
    assert "property of the model" not in answer["message"]


def test_an_unknown_error_code_is_a_general_service_exception(invoke: Invoke, sagemaker_says: Any) -> None:
    sagemaker_says("SomethingNew", "a new message")
    answer = invoke("CREATE", MODEL)
    assert answer["errorCode"] == "GeneralServiceException"
    assert "a new message" in answer["message"]


@pytest.mark.parametrize(("operation", "code", "message", "heard", "advice"), SAID)
def test_exactly_one_rule_matches_each_message(
    operation: str, code: str, message: str, heard: Any, advice: Any
) -> None:
    """Otherwise the order of the rules would matter."""
    matching = [rule for rule in ERROR_RULES if rule.matches(operation, code, message)]
    assert len(matching) == (0 if "validation error" in message else 1)


def test_every_rule_matches_a_known_message() -> None:
    """A rule without a recorded or quoted message would be a guess."""
    said = [(operation, code, message) for operation, code, message, _, _ in SAID]
    assert [rule for rule in ERROR_RULES if not any(rule.matches(*error) for error in said)] == []


@pytest.mark.parametrize(
    ("status", "body"), [(503, "<html>no JSON</html>"), (500, "[]"), (200, '{"ModelA'), (200, "")]
)
def test_an_unreadable_answer_is_retried(invoke: Invoke, sagemaker_says: Any, status: Any, body: Any) -> None:
    sagemaker_says("", "", status, body)
    answer = invoke("CREATE", MODEL)
    assert answer["status"] == "IN_PROGRESS"
    assert answer["callbackContext"]["state"] == "perhaps done"


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
def test_messages_of_the_service_are_quoted_without_values(
    invoke: Invoke, sagemaker_says: Any, text: str, shown: Any
) -> None:
    sagemaker_says("ValidationException", text)
    answer = invoke("CREATE", {"PrimaryContainer": {"Image": "hidden"}})
    assert answer["errorCode"] == "InvalidRequest"
    assert shown in answer["message"]
    assert "hidden" not in answer["message"]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_the_arn_of_a_model_that_does_not_exist_yet_has_its_partition(
    invoke: Invoke, sagemaker: LocalSageMaker, region: str, partition: str
) -> None:
    sagemaker.faults.replace([{"operation": "CreateModel", "fault": "throttling", "times": None}])
    answer = invoke("CREATE", {**model_in(region), "ModelName": "scorer"}, region=region)
    expected = f"arn:{partition}:sagemaker:{region}:123456789012:model/scorer"
    assert answer["resourceModel"]["ModelArn"] == expected
    assert re.fullmatch(r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:model/.*", expected)
