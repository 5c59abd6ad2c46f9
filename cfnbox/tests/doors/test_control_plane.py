"""The control plane: no request reaches the CloudFormation, Cloud Control or settings of another engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from doors.conftest import FORM, TEMPLATE, Door, create_stack, in_query, signed, stack_names, xml_error

if TYPE_CHECKING:
    from programs import RunningCloud

UNSIGNED = ("MissingAuthenticationToken", "Request is missing Authentication Token")
WRONG_SERVICE = ("SignatureDoesNotMatch", "Credential should be scoped to correct service: 'cloudformation'. ")
INCOMPLETE = ("IncompleteSignature", "The request signature does not conform to AWS standards.")
FORGED = create_stack("forged")


@pytest.mark.parametrize(
    ("path", "body", "headers", "error"),
    [
        pytest.param("/", FORGED, {}, UNSIGNED, id="unsigned"),
        pytest.param("/somewhere", FORGED, {}, UNSIGNED, id="unsigned, at another path"),
        pytest.param(f"/?{FORGED}", "", {}, UNSIGNED, id="unsigned, in the query"),
        pytest.param("/", "Action=CreateUser&UserName=x", {}, UNSIGNED, id="unsigned, to IAM"),
        pytest.param("/", FORGED, {"Host": "cloudformation.localhost"}, UNSIGNED, id="unsigned, by name of host"),
        pytest.param("/", FORGED, {"Authorization": signed("unheard-of")}, WRONG_SERVICE, id="for no service"),
        pytest.param("/", FORGED, {"Authorization": signed("sqs")}, WRONG_SERVICE, id="for another service"),
        pytest.param(f"/?{in_query('s3')}", FORGED, {}, WRONG_SERVICE, id="presigned for another service"),
        pytest.param(f"/?{in_query('sagemaker')}", FORGED, {}, WRONG_SERVICE, id="presigned for SageMaker"),
        pytest.param(
            "/", FORGED,
            {"Authorization": signed("cloudformation").replace("/aws4_request", "/")}, INCOMPLETE, id="cut off",
        ),
        pytest.param(
            "/", FORGED,
            {"Authorization": signed("cloudformation").partition(",")[0].replace("aws4_request", "") + signed("sqs")},
            INCOMPLETE, id="two scopes",
        ),
    ],
)  # fmt: skip
def test_a_form_without_a_signature_for_cloudformation_is_refused(
    cloud: RunningCloud, door: Door, path: str, body: str, headers: dict[str, str], error: tuple[str, str]
) -> None:
    reply = door.ask("POST", path, body, Content_Type=FORM, **headers)

    assert (reply.status, xml_error(reply.body)) == (403, error)
    assert "forged" not in stack_names(cloud)


@pytest.mark.parametrize("service", ["", "sqs", "cloudcontrol"])
def test_cloud_control_of_other_engines_cannot_be_reached(door: Door, service: str) -> None:
    headers = {"X_Amz_Target": "CloudApiService.CreateResource", "Content_Type": "application/x-amz-json-1.0"}
    if service:
        headers["Authorization"] = signed(service)
    body = json.dumps({"TypeName": "AWS::SQS::Queue", "DesiredState": "{}"})

    reply = door.ask("POST", "/", body, **headers)

    code = "SignatureDoesNotMatch" if service else "MissingAuthenticationToken"
    assert (reply.status, json.loads(reply.body)["__type"]) == (403, code)


def test_a_signed_form_creates_a_stack_of_the_control_plane(cloud: RunningCloud, door: Door) -> None:
    client = cloud.client("cloudformation")
    signature = f"/?{in_query('cloudformation')}"
    for name, path, headers in (
        ("by-header", "/", {"Authorization": signed("cloudformation")}),
        ("by-query", signature, {}),
    ):
        assert door.ask("POST", path, create_stack(name), Content_Type=FORM, **headers).status == 200
        client.get_waiter("stack_create_complete").wait(StackName=name)
        assert client.get_template(StackName=name)["TemplateBody"] == json.loads(TEMPLATE)
        client.delete_stack(StackName=name)


def test_operations_that_aws_accepts_unsigned_are_admitted(door: Door) -> None:
    role = "arn:aws:iam::123456789012:role/web"
    body = f"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}&RoleSessionName=x&WebIdentityToken=x"
    assert "AssumeRoleWithWebIdentityResult" in door.ask("POST", "/", body, Content_Type=FORM).body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/health"),
        ("GET", "/_ministack/ses/messages"),
        ("POST", "/_localstack/init"),
        ("POST", "//_ministack/reset"),
        ("POST", "/./_ministack/reset"),
        ("POST", "/bucket/../_ministack/reset"),
        ("POST", "/%5Fministack/reset"),
        ("POST", "/moto-api/reset"),
    ],
)
@pytest.mark.parametrize("service", ["", "s3", "sagemaker", "ssm"])
def test_administration_of_other_engines_cannot_be_reached(
    cloud: RunningCloud, door: Door, method: str, path: str, service: str
) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="kept")["QueueUrl"]
    headers = {"Authorization": signed(service)} if service else {}

    reply = door.ask(method, path, "{}", **headers)

    assert (reply.status, "AccessDenied" in reply.body) == (403, True)
    assert sqs.list_queues().get("QueueUrls") == [url]
