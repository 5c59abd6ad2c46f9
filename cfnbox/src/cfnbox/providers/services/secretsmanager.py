"""Types of Secrets Manager.

Sources: botocore's service model; the template reference for Ref (the secret's ARN, for both types) and for how
GenerateSecretString makes a value. The name of a secret is `LogicalId-RANDOM` (aws-cdk's and AWS's own examples).
A secret with a schedule is rotated by the service behind the cloud without its function: it gets a new version with
the same value.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, Setting, Update, document
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, listed_by, named_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.services.calls import Calls

# Secrets

_SECRET = ("Description", "KmsKeyId")


def _require_one_value(calls: Calls, _previous: Json, desired: Json) -> None:
    if "SecretString" in desired and "GenerateSecretString" in desired:
        # The rule is the template reference's; the sentence is not recorded, and is cfnbox's own.
        message = "Give either SecretString or GenerateSecretString a value, but not both."
        raise calls.refused(message, 400, "InvalidRequest")


def _apply_value(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Put the value that a template gives, or a generated one; a rule that changes makes a new value."""
    names = ("SecretString", "GenerateSecretString")
    if all(previous.get(name) == desired.get(name) for name in names):
        return
    if "GenerateSecretString" in desired:
        text = _generated(calls, desired["GenerateSecretString"])
    else:
        text = desired.get("SecretString", "")
    calls.invoke("PutSecretValue", {**key, "SecretString": text})


def _generated(calls: Calls, rule: Json) -> str:
    password = str(calls.invoke("GetRandomPassword", rule)["RandomPassword"])
    if "GenerateStringKey" not in rule:
        return password
    template = parsed(rule.get("SecretStringTemplate", "{}"))
    return json.dumps({**template, rule["GenerateStringKey"]: password})


def _apply_description(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    changed = {name: desired.get(name, "") for name in _SECRET if previous.get(name) != desired.get(name)}
    if changed:
        calls.invoke("UpdateSecret", {**key, **changed}, missing_is="InvalidRequest")


def _apply_replicas(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    before, after = (state.get("ReplicaRegions") or [] for state in (previous, desired))
    added = [replica for replica in after if replica not in before]
    removed = {replica["Region"] for replica in before} - {replica["Region"] for replica in after}
    if removed:
        calls.invoke("RemoveRegionsFromReplication", {**key, "RemoveReplicaRegions": sorted(removed)})
    if added:
        calls.invoke("ReplicateSecretToRegions", {**key, "AddReplicaRegions": added})


def _describe_secret(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("DescribeSecret", key)
    # A deleted secret can be described until its recovery window is over.
    if answer is None or "DeletedDate" in answer:
        return None
    replicas = [
        {name: item[name] for name in ("Region", "KmsKeyId") if item.get(name)}
        for item in answer.get("ReplicationStatus", ())
    ]
    return {**answer, "Id": answer["ARN"], "ReplicaRegions": replicas}


_SECRET_TYPE = ServiceType(
    "secretsmanager",
    key=named_by("SecretId"),
    name=GeneratedName("Name", 512, r"\w/+=.@-", stack_name=""),
    create="CreateSecret",
    create_request=lambda properties, _place: {
        **{name: properties[name] for name in ("Name", *_SECRET) if name in properties},
        **({"SecretString": properties["SecretString"]} if "SecretString" in properties else {}),
    },
    create_answer=lambda answer: {"Id": answer["ARN"]},
    check=_require_one_value,
    describe=_describe_secret,
    describe_after_create=False,
    parts=(
        Hook(_apply_description, in_create=True),
        Hook(_apply_value),
        Hook(_apply_replicas),
    ),
    tags=Tags("TagResource", "UntagResource", "DescribeSecret", read_as_map=True),
    delete="DeleteSecret",
    # CloudFormation leaves no recovery window, so that a stack can be made again with the same name.
    delete_request=lambda _previous: {"ForceDeleteWithoutRecovery": True},
    list=listed_by("ListSecrets", "SecretList", {"ARN": "Id"}),
    not_applied=("Type",),
)

# Policies of secrets


def _describe_policy(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetResourcePolicy", key)
    if not (answer and answer.get("ResourcePolicy")):
        return None
    return {"ResourcePolicy": parsed(answer["ResourcePolicy"]), "Id": answer["ARN"], "SecretId": answer["ARN"]}


_POLICY_TYPE = ServiceType(
    "secretsmanager",
    key=named_by("SecretId"),
    create="PutResourcePolicy",
    create_request=lambda properties, _place: {
        **properties,
        "ResourcePolicy": document(properties["ResourcePolicy"]),
    },
    create_answer=lambda answer: {"Id": answer["ARN"]},
    is_taken=lambda calls, desired: _describe_policy(calls, {"SecretId": desired["SecretId"]}, {}) is not None,
    describe=_describe_policy,
    describe_after_create=False,
    parts=(
        Setting(
            "ResourcePolicy",
            put="PutResourcePolicy",
            request=lambda value: {"ResourcePolicy": document(value)},
            in_create=True,
        ),
    ),
    delete="DeleteResourcePolicy",
)

# Rotation


def _is_name_of(arn: str, secret_id: str) -> bool:
    return f":secret:{secret_id}-" in arn


def _describe_rotation(calls: Calls, key: Json, known: Json) -> Json | None:
    answer = calls.find("DescribeSecret", key)
    if answer is None or not answer.get("RotationEnabled"):
        return None
    arn, written = answer["ARN"], str(known.get("SecretId", ""))
    rotation = {name: answer[name] for name in _ROTATION if name in answer}
    # A template may give the name of a secret.
    return {**rotation, "Id": arn, "SecretId": written if _is_name_of(arn, written) else arn}


_ROTATION = ("RotationLambdaARN", "RotationRules")
_ROTATION_TYPE = ServiceType(
    "secretsmanager",
    key=named_by("SecretId"),
    create="RotateSecret",
    create_request=lambda properties, _place: {
        name: properties[name] for name in ("SecretId", *_ROTATION) if name in properties
    },
    create_answer=lambda answer: {"Id": answer["ARN"]},
    describe=_describe_rotation,
    describe_after_create=False,
    parts=(Update("RotateSecret", _ROTATION, sends_all=True),),
    delete="CancelRotateSecret",
    remarks=lambda properties: (
        ("RotationLambdaARN (the function is not invoked)",) if "RotationLambdaARN" in properties else ()
    ),
    not_applied=(
        "ExternalSecretRotationMetadata",
        "ExternalSecretRotationRoleArn",
        "HostedRotationLambda",
        "RotateImmediatelyOnUpdate",
    ),
)

TYPES: dict[str, ServiceType] = {
    "AWS::SecretsManager::ResourcePolicy": _POLICY_TYPE,
    "AWS::SecretsManager::RotationSchedule": _ROTATION_TYPE,
    "AWS::SecretsManager::Secret": _SECRET_TYPE,
}
