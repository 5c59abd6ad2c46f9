"""Policies of roles, users, groups and managed policies that IAM refuses and accepts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.providers.iam_documents import require_valid
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.providers.simulated import SimulatedProvider
from providers.provider_requests import PLACE, RecordingProgress, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.providers.published import PublishedTypes

Json = dict[str, Any]
ROLE = "AWS::IAM::Role"
MANAGED = "arn:aws:iam::aws:policy"
SYNTAX = "Syntax errors in policy."
NO_STS = "AssumeRole policy may only specify STS AssumeRole actions."
NO_PRINCIPALS = (
    "com.amazon.balsa.error.InvalidPolicyException: The passed in policy has a statement with no principals!"
)


def trust(**members: Any) -> Json:
    """A role with a statement of who may assume it; a member that is None is left out."""
    given = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {"AssumeRolePolicyDocument": document(**given | members)}


def inline(**members: Any) -> Json:
    """A role with a policy in it."""
    return {**trust(), "Policies": [{"PolicyName": "reading", "PolicyDocument": reading(**members)}]}


def reading(**members: Any) -> Json:
    given = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}
    return document(**given | members)


def document(**members: Any) -> Json:
    statement = {name: value for name, value in members.items() if value is not None}
    return {"Version": "2012-10-17", "Statement": [statement]}


def principal(**values: Any) -> Json:
    return trust(Principal=values)


def refused(type_name: str, properties: Json) -> str:
    with pytest.raises(ResourceFailed) as failure:
        require_valid(type_name, request(), properties)
    return str(failure.value)


REFUSED = {
    "effect": (trust(Effect="Allowed"), "Invalid effect: Allowed"),
    "no effect": (trust(Effect=None), "Missing required field Effect"),
    "version": ({"AssumeRolePolicyDocument": {**document(), "Version": "2020-01-01"}},
                "The policy must contain a valid version string"),
    "no statement": ({"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
                     "Could not parse the policy: Statement is empty!"),
    "no JSON": ({"AssumeRolePolicyDocument": "{"}, "This policy contains invalid Json"),
    "member": (trust(Principals={"Service": "sagemaker.amazonaws.com"}), SYNTAX),
    "no principal": (trust(Principal=None), "Missing required field Principal"),
    "text for a principal": (trust(Principal="sagemaker"), "Principal must be a JSON object."),
    "kind of principal": (principal(service="sagemaker.amazonaws.com"), 'Invalid principal in policy: "service"'),
    "everybody": (trust(Principal="*"), 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'),
    "empty principal": (principal(), "Missing required field Principal cannot be empty!"),
    "nobody": (principal(AWS=[]), f"Invalid principal in policy: {NO_PRINCIPALS}"),
    "service": (principal(Service=["sagemaker"]), 'Invalid principal in policy: "SERVICE":"sagemaker"'),
    "domain": (principal(Service="amazonaws.com"), 'Invalid principal in policy: "SERVICE":"amazonaws.com"'),
    "account": (principal(AWS="12345"), 'Invalid principal in policy: "AWS":"12345"'),
    "ARN": (principal(AWS="arn:aws::iam::123456789012:root"),
            'Invalid principal in policy: "AWS":"arn:aws::iam::123456789012:root"'),
    "some roles": (principal(AWS="arn:aws:iam::123456789012:role/*"),
                   'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/*"'),
    "action of another service": (trust(Action=["sts:AssumeRole", "s3:GetObject"]), NO_STS),
    "misspelt action": (trust(Action="sts:AssumeRoles"), NO_STS),
    "no action in a trust": (trust(Action=None), "Missing required field Action"),
    "resource in a trust": (trust(Resource="*"), "Has prohibited field Resource"),
    "resources left out of a trust": (trust(NotResource="*"), "AssumeRole policy must not contain resources."),
    "operator in a trust": (trust(Condition={"StringEqual": {"aws:username": "a"}}), SYNTAX),
    "no resource": (inline(Resource=None), "Policy statement must contain resources."),
    "no action": (inline(Action=None), "Policy statement must contain actions."),
    "action without a service": (inline(Action="GetObject"),
                                 "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    "resource without an ARN": (inline(Resource="bucket"), 'Resource bucket must be in ARN format or "*".'),
    "principal in a policy": (inline(Principal={"AWS": "*"}), "Policy document should not specify a principal."),
    "operator": (inline(Condition={"StringEqual": {"aws:username": "a"}}), SYNTAX),
}  # fmt: skip
TAKEN = {
    "role": trust(),
    "old version": {"AssumeRolePolicyDocument": {**document(**reading()["Statement"][0]), "Version": "2008-10-17"}}
    | trust(),
    "no version": {"AssumeRolePolicyDocument": {"Statement": trust()["AssumeRolePolicyDocument"]["Statement"]}},
    "one statement": {"AssumeRolePolicyDocument": {"Statement": trust()["AssumeRolePolicyDocument"]["Statement"][0]}},
    "JSON": {"AssumeRolePolicyDocument": json.dumps(trust()["AssumeRolePolicyDocument"])},
    "services": principal(Service=["ecs.application-autoscaling.amazonaws.com", "ec2.amazonaws.com.cn"]),
    "principals": principal(AWS=["*", "123456789012", "arn:aws:iam::123456789012:root", "AROA1234567890EXAMPLE",
                                 "arn:aws-cn:sts::123456789012:assumed-role/a/b"]),
    "federated": principal(Federated="token.actions.githubusercontent.com"),
    "actions": trust(Action=["sts:assumerole", "sts:TagSession", "sts:SetContext", "sts:*"]),
    "policy": inline(),
    "policy without version": {**trust(), "Policies": [{"PolicyName": "a", "PolicyDocument": {
        "Statement": reading()["Statement"]}}]},
    "numbers and booleans": inline(Condition={"NumericLessThan": {"s3:max-keys": 10}, "Bool": {"aws:x": True}}),
    "all of IAM": inline(Action="iam:*", Resource=["arn:aws:iam::123456789012:*", "*"]),
    "variables": inline(Resource="arn:aws:s3:::bucket/${aws:PrincipalTag/team}/*"),
    "managed policies": {**trust(), "ManagedPolicyArns": [f"{MANAGED}/AmazonSageMakerFullAccess",
                         f"{MANAGED}/service-role/AWSLambdaBasicExecutionRole",
                         "arn:aws:iam::123456789012:policy/own"]},
}  # fmt: skip


@pytest.mark.parametrize(("properties", "said"), REFUSED.values(), ids=REFUSED)
def test_iam_refuses_an_invalid_document(properties: Json, said: str) -> None:
    whole = refused(ROLE, properties)
    assert whole.startswith(
        f'Resource handler returned message: "{said} (Service: Iam, Status Code: 400, Request ID: '
    )
    assert whole.endswith("HandlerErrorCode: InvalidRequest)")


@pytest.mark.parametrize("properties", TAKEN.values(), ids=TAKEN)
def test_iam_accepts_a_valid_document(properties: Json) -> None:
    require_valid(ROLE, request(), properties)


@pytest.mark.parametrize("name", ["AmazonSagemakerFullAccess", "AWSLambdaBasicExecutionRole"])
def test_an_unknown_managed_policy_of_aws_is_refused(name: str) -> None:
    reason = refused(ROLE, {**trust(), "ManagedPolicyArns": [f"{MANAGED}/ReadOnlyAccess", f"{MANAGED}/{name}"]})
    assert f'"Policy {MANAGED}/{name} does not exist or is not attachable. (Service: Iam, Status Code: 404' in reason
    assert reason.endswith("HandlerErrorCode: NotFound)")
    boundary = refused(ROLE, {**trust(), "PermissionsBoundary": f"{MANAGED}/{name}"})
    assert f'"Scope ARN: {MANAGED}/{name} does not exist or is not attachable. (' in boundary


@pytest.mark.parametrize(
    ("type_name", "properties"),
    [
        (ROLE, inline),
        ("AWS::IAM::ManagedPolicy", lambda **members: {"PolicyDocument": reading(**members)}),
        ("AWS::IAM::GroupPolicy",
         lambda **members: {"GroupName": "a", "PolicyName": "b", "PolicyDocument": reading(**members)}),
    ],
)  # fmt: skip
def test_a_refused_document_has_no_effect(
    published: PublishedTypes, type_name: str, properties: Callable[..., Json]
) -> None:
    used = SimulatedProvider(published)
    definition = used.definition(type_name, PLACE)
    assert definition
    wrong, right = properties(Resource=None), properties()
    with pytest.raises(ResourceFailed, match="Policy statement must contain resources"):
        used.create(definition, request(), wrong, RecordingProgress())
    assert used.list(definition, request(), {}, None)[0] == []
    made = used.create(definition, request(), right, RecordingProgress())
    with pytest.raises(ResourceFailed, match="Policy statement must contain resources"):
        used.update(definition, request(), made, right, wrong, RecordingProgress())
    (left,) = used.list(definition, request(), {}, None)[0]
    assert left == made.model
