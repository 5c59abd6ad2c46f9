"""Validation of the policies of roles, users and groups, with IAM's messages.

moto's validator checks identity policies; its authors took the messages from IAM. Sources of the messages for trust
policies: versity/versitygw (iamapi), which has IAM's, and users: aws-cdk#5732 (STAR), aws-cdk-examples#801 (SERVICE),
cfn-lint#4287 (AWS), terraform-aws-iam#47 (no principals), terraform#13449 (a principal in other policies),
aws-cdk#19830 (managed policies). The existence of the roles, users, policies and services in a policy is not checked.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.loaders
from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.policy_validation import BaseIAMPolicyValidator, IAMPolicyDocumentValidator

from cfnbox.providers.aws_managed_policies import aws_policies
from cfnbox.providers.failures import service_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Request

# IAM user guide, "Version": the default of a document without a version is the older one. moto's validator accepts
# only the newer version, but IAM does not require it in the policies of a role.
_OLD, _NEW = "2008-10-17", "2012-10-17"
_PRINCIPALS = {"AWS", "Service", "Federated", "CanonicalUser"}
# Source: "Principal" in the IAM user guide. Unique ids identify deleted principals.
_AWS_PRINCIPAL = re.compile(
    r"\*|\d{12}|[A-Z0-9]{16,}|arn:[\w-]+:(?:iam|sts)::(?:\d{12}:(?:root|[\w-]+/[^*?]+)|(?:aws|cloudfront):[^*?]+)"
)
_AWS_MANAGED = re.compile(r"arn:[\w-]+:iam::aws:policy/(.+)")
# Permissions of STS without an operation (Service Authorization Reference, "AWS Security Token Service").
_STS_PERMISSIONS = ("GetServiceBearerToken", "SetContext", "SetSourceIdentity", "TagGetFederationToken", "TagSession")
# DNS suffixes of service principals: those of botocore's partitions, and two that are not of endpoints.
_SERVICE_SUFFIXES = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".c2s.ic.gov", ".sc2s.sgov.gov",
                     ".csp.hci.ic.gov", ".cloud.adc-e.uk", ".amazon.com", ".aws.internal")  # fmt: skip
_ALL_OF_IAM = re.compile(r"arn:[^:]*:iam:[^:]*:[^:]*:\*")


class _Refusal(NamedTuple):
    """IAM's message, its HTTP status and the HandlerErrorCode."""

    message: str
    status: int = 400
    code: str = "InvalidRequest"


def require_valid(type_name: str, request: Request, properties: Json) -> None:
    """Raise ResourceFailed if IAM refuses the properties of an IAM resource."""
    refused = next(_refusals(properties), None) if type_name.startswith("AWS::IAM::") else None
    if refused:
        raise service_failure(request, "Iam", refused.status, refused.message, refused.code)


def lets_assume(document: Json | str, service: str) -> bool:
    """Return whether a trust policy lets a service assume the role. Conditions and Deny statements are ignored."""
    return any(
        statement.get("Effect") == "Allow"
        and isinstance(statement.get("Principal"), dict)
        and service in _listed(statement["Principal"].get("Service"))
        and any(fnmatch("sts:assumerole", str(one).lower()) for one in _listed(statement.get("Action")))
        for statement in _statements(_read(document))
    )


def _refusals(properties: Json) -> Iterator[_Refusal]:
    if "AssumeRolePolicyDocument" in properties:
        yield from map(_Refusal, _trust(properties["AssumeRolePolicyDocument"]))
    yield from _managed(properties)
    for policy in (properties, *properties.get("Policies", [])):
        if "PolicyDocument" in policy:
            yield from map(_Refusal, _identity(policy["PolicyDocument"]))


def _managed(properties: Json) -> Iterator[_Refusal]:
    attached = [(one, "Policy") for one in properties.get("ManagedPolicyArns", [])]
    if "PermissionsBoundary" in properties:
        attached.append((properties["PermissionsBoundary"], "Scope ARN:"))
    for arn, called in attached:
        named = _AWS_MANAGED.fullmatch(arn)
        if named and named[1] not in aws_policies():
            yield _Refusal(f"{called} {arn} does not exist or is not attachable.", 404, "NotFound")


def _identity(document: Json | str) -> Iterator[str]:
    """Yield the errors of an identity policy."""
    read = _read(document)
    if any(one.keys() & {"Principal", "NotPrincipal"} for one in _statements(read)):
        yield "Policy document should not specify a principal."
    yield from _malformed(IAMPolicyDocumentValidator, read)


def _trust(document: Json | str) -> Iterator[str]:
    """Yield the errors of a trust policy."""
    read = _read(document)
    if read is None:
        yield "This policy contains invalid Json"
    elif read.get("Version") != _NEW:
        yield "The policy must contain a valid version string"
    elif not read["Statement"]:
        yield "Could not parse the policy: Statement is empty!"
    for statement in _statements(read):
        yield from _wrong_trust(statement)
    yield from _malformed(BaseIAMPolicyValidator, read)


def _wrong_trust(statement: Json) -> Iterator[str]:
    if "Effect" not in statement:
        yield "Missing required field Effect"
    elif statement["Effect"] not in ("Allow", "Deny"):
        yield f"Invalid effect: {statement['Effect']}"
    if "Principal" in statement:
        yield from _wrong_principals(statement["Principal"])
    # ministack refuses NotPrincipal.
    elif "NotPrincipal" not in statement:
        yield "Missing required field Principal"
    if not statement.keys() & {"Action", "NotAction"}:
        yield "Missing required field Action"
    if not all(map(_is_of_sts, _listed(statement.get("Action", [])))):
        yield "AssumeRole policy may only specify STS AssumeRole actions."
    if "Resource" in statement:
        yield "Has prohibited field Resource"
    if "NotResource" in statement:
        yield "AssumeRole policy must not contain resources."


def _wrong_principals(principal: Any) -> Iterator[str]:
    if principal == "*":
        yield 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'
    elif not isinstance(principal, dict):
        yield "Principal must be a JSON object."
    elif not principal:
        yield "Missing required field Principal cannot be empty!"
    elif not any(map(_listed, principal.values())):
        no_principals = "com.amazon.balsa.error.InvalidPolicyException: The passed in policy has a statement with no"
        yield f"Invalid principal in policy: {no_principals} principals!"
    else:
        yield from (f'Invalid principal in policy: "{key}"' for key in principal if key not in _PRINCIPALS)
        for one in _listed(principal.get("AWS", [])):
            if not _AWS_PRINCIPAL.fullmatch(str(one)):
                yield f'Invalid principal in policy: "AWS":"{one}"'
        for one in _listed(principal.get("Service", [])):
            if not str(one).endswith(_SERVICE_SUFFIXES):
                yield f'Invalid principal in policy: "SERVICE":"{one}"'


def _malformed(validator: type[BaseIAMPolicyValidator], document: Any) -> Iterator[str]:
    try:
        validator(json.dumps(document)).validate()
    except MalformedPolicyDocument as problem:
        yield str(problem.message)


def _read(document: Json | str) -> Any:
    """Return a document for moto's validator: of the newer version, numbers as text, `*` for all of IAM."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return None
    if not isinstance(document, dict):
        return None
    read = {**document, "Version": document.get("Version", _OLD)}
    if read["Version"] == _OLD:
        read["Version"] = _NEW
    read["Statement"] = [_of_moto(one) for one in _listed(document.get("Statement", []))]
    return read


def _of_moto(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    read = {**statement}
    for name in ("Resource", "NotResource"):
        if name in read:
            read[name] = ["*" if _ALL_OF_IAM.fullmatch(str(one)) else one for one in _listed(read[name])]
    if isinstance(read.get("Condition"), dict):
        read["Condition"] = json.loads(json.dumps(read["Condition"]), parse_int=str, parse_float=str)
    return read


def _statements(document: Any) -> Sequence[Json]:
    statements = document.get("Statement", []) if isinstance(document, dict) else []
    return [one for one in statements if isinstance(one, dict)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_of_sts(action: Any) -> bool:
    return "*" in str(action) or str(action).lower() in _sts_actions()


@cache
def _sts_actions() -> frozenset[str]:
    operations = botocore.loaders.Loader().load_service_model("sts", "service-2")["operations"]
    return frozenset(f"sts:{one}".lower() for one in (*operations, *_STS_PERMISSIONS))
