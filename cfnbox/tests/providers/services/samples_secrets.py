"""Samples of the types of Systems Manager, Secrets Manager and KMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from providers.services.harness import Direct, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

ACCOUNT = "123456789012"


def allow(action: str) -> Json:
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def parameter_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    found = connect("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=resource.physical_id)
    return {tag["Key"]: tag["Value"] for tag in found["TagList"]}


def secret_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("secretsmanager").describe_secret(SecretId=resource.physical_id)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def key_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("kms").list_resource_tags(KeyId=resource.physical_id)["Tags"]
    return {tag["TagKey"]: tag["TagValue"] for tag in tags}


def _described(resource: Resource) -> Json:
    filters = [{"Key": "Name", "Option": "Equals", "Values": [resource.physical_id]}]
    return {"ParameterFilters": filters}


PARAMETER = Sample(
    "AWS::SSM::Parameter",
    "ssm",
    first={
        "Name": "/whole/one",
        "Type": "String",
        "Value": "ami-1",
        "AllowedPattern": "^ami-.*$",
        "DataType": "text",
        "Description": "first",
        "Policies": '[{"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"20","Unit":"Days"}}]',
        "Tags": {"k": "1"},
        "Tier": "Advanced",
    },
    second={
        "Name": "/whole/one",
        "Type": "StringList",
        "Value": "b,c",
        "AllowedPattern": "^.*$",
        "DataType": "text",
        "Description": "second",
        "Tags": {"l": "2"},
        "Tier": "Advanced",
    },
    minimal={"Name": "/whole/one", "Type": "StringList", "Value": "b,c", "Tier": "Advanced"},
    # Text is what a parameter without the property has.
    stays=("DataType",),
    direct=(
        Direct("get_parameter", lambda one: {"Name": one.physical_id}, "Parameter.[Type, Value, DataType]",
               ["String", "ami-1", "text"], ["StringList", "b,c", "text"]),
        # The schema calls these write-only.
        Direct("describe_parameters", _described, "Parameters[0].[Description, AllowedPattern, Tier]",
               ["first", "^ami-.*$", "Advanced"], ["second", "^.*$", "Advanced"]),
    ),
    tags=parameter_tags,
)  # fmt: skip


def _secret(resource: Resource) -> Json:
    return {"SecretId": resource.physical_id}


SECRET = Sample(
    "AWS::SecretsManager::Secret",
    "secretsmanager",
    first={
        "Name": "whole",
        "Description": "first",
        "GenerateSecretString": {
            "SecretStringTemplate": '{"user": "me"}',
            "GenerateStringKey": "password",
            "PasswordLength": 40,
            "ExcludeCharacters": "abc",
            "ExcludeLowercase": False,
            "ExcludeNumbers": True,
            "ExcludePunctuation": True,
            "ExcludeUppercase": True,
            "IncludeSpace": False,
            "RequireEachIncludedType": True,
        },
        "KmsKeyId": "alias/one",
        "ReplicaRegions": [{"Region": "eu-west-1", "KmsKeyId": "alias/there"}],
        "Tags": [{"Key": "k", "Value": "1"}],
        "Type": "SalesforceClientSecret",
    },
    second={
        "Name": "whole",
        "Description": "second",
        "KmsKeyId": "alias/two",
        "ReplicaRegions": [{"Region": "eu-central-1"}],
        "SecretString": "said",
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={"Name": "whole", "SecretString": "said"},
    direct=(
        Direct("get_secret_value", _secret, "length(SecretString)", len('{"user": "me", "password": ""}') + 40, 4),
        Direct("describe_secret", _secret, "[Name, Description, KmsKeyId]", ["whole", "first", "alias/one"],
               ["whole", "second", "alias/two"]),
        Direct("describe_secret", _secret, "ReplicationStatus[].Region", ["eu-west-1"], ["eu-central-1"]),
    ),
    tags=secret_tags,
)  # fmt: skip


def a_secret(connect: Callable[..., Any]) -> Json:
    return {"secret": connect("secretsmanager").create_secret(Name="mine", SecretString="s")["ARN"]}


RESOURCE_POLICY = Sample(
    "AWS::SecretsManager::ResourcePolicy",
    "secretsmanager",
    prepare=a_secret,
    first=lambda ground: {
        "SecretId": ground["secret"],
        "ResourcePolicy": allow("secretsmanager:GetSecretValue"),
        "BlockPublicPolicy": True,
    },
    second=lambda ground: {
        "SecretId": ground["secret"],
        "ResourcePolicy": allow("secretsmanager:PutSecretValue"),
    },
    minimal=lambda ground: {
        "SecretId": ground["secret"],
        "ResourcePolicy": allow("secretsmanager:PutSecretValue"),
    },
    direct=(
        Direct("get_resource_policy", _secret, "contains(ResourcePolicy, 'GetSecretValue')", True, False),
    ),
)  # fmt: skip


ROTATION = Sample(
    "AWS::SecretsManager::RotationSchedule",
    "secretsmanager",
    prepare=a_secret,
    first=lambda ground: {
        "SecretId": ground["secret"],
        "ExternalSecretRotationMetadata": [{"Key": "k", "Value": "v"}],
        "ExternalSecretRotationRoleArn": "arn:aws:iam::123456789012:role/r",
        "HostedRotationLambda": {"RotationType": "MySQLSingleUser"},
        "RotateImmediatelyOnUpdate": True,
        "RotationLambdaARN": "arn:aws:lambda:us-east-1:123456789012:function:first",
        "RotationRules": {"AutomaticallyAfterDays": 30, "Duration": "3h", "ScheduleExpression": "rate(30 days)"},
    },
    second=lambda ground: {
        "SecretId": ground["secret"],
        "RotationLambdaARN": "arn:aws:lambda:us-east-1:123456789012:function:second",
        "RotationRules": {"AutomaticallyAfterDays": 7},
    },
    minimal=lambda ground: {"SecretId": ground["secret"], "RotationRules": {"AutomaticallyAfterDays": 7}},
    # The API has no way to take the function away.
    stays=("RotationLambdaARN",),
    direct=(
        Direct("describe_secret", _secret, "[RotationEnabled, RotationRules.AutomaticallyAfterDays]",
               [True, 30], [True, 7]),
    ),
)  # fmt: skip


def _key(resource: Resource) -> Json:
    return {"KeyId": resource.physical_id}


KEY = Sample(
    "AWS::KMS::Key",
    "kms",
    first={
        "BypassPolicyLockoutSafetyCheck": True,
        "Description": "first",
        "EnableKeyRotation": True,
        "Enabled": True,
        "KeyPolicy": allow("kms:*"),
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": True,
        "Origin": "AWS_KMS",
        "PendingWindowInDays": 7,
        "RotationPeriodInDays": 180,
        "Tags": [{"Key": "k", "Value": "1"}],
    },
    second={
        "BypassPolicyLockoutSafetyCheck": True,
        "Description": "second",
        "EnableKeyRotation": False,
        "Enabled": False,
        "KeyPolicy": {**allow("kms:*"), "Id": "other"},
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": True,
        "Origin": "AWS_KMS",
        "PendingWindowInDays": 8,
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={
        "KeyPolicy": {**allow("kms:*"), "Id": "other"},
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": True,
        "Origin": "AWS_KMS",
    },
    stays=("EnableKeyRotation",),
    direct=(
        Direct("describe_key", _key, "KeyMetadata.[Description, Enabled, MultiRegion]", ["first", True, True],
               ["second", False, True]),
        Direct("get_key_rotation_status", _key, "KeyRotationEnabled", True, False),
        Direct("get_key_policy", lambda one: {**_key(one), "PolicyName": "default"}, "contains(Policy, 'other')",
               False, True),
    ),
    tags=key_tags,
)  # fmt: skip


def two_keys(connect: Callable[..., Any]) -> Json:
    return {"keys": [connect("kms").create_key()["KeyMetadata"] for _ in range(2)]}


ALIAS = Sample(
    "AWS::KMS::Alias",
    "kms",
    prepare=two_keys,
    first=lambda ground: {"AliasName": "alias/whole", "TargetKeyId": ground["keys"][0]["KeyId"]},
    second=lambda ground: {"AliasName": "alias/whole", "TargetKeyId": ground["keys"][1]["KeyId"]},
    minimal=lambda ground: {"AliasName": "alias/whole", "TargetKeyId": ground["keys"][1]["KeyId"]},
    direct=(
        Direct("list_aliases", lambda _: {}, "length(Aliases[?AliasName=='alias/whole'])", 1, 1),
    ),
)  # fmt: skip

SAMPLES = [PARAMETER, SECRET, RESOURCE_POLICY, ROTATION, KEY, ALIAS]
