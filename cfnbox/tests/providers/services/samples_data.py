"""Samples of the types of DynamoDB, CloudWatch Logs, Step Functions and ECR."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from providers.services.harness import Direct, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

ACCOUNT = "123456789012"
ROLE, OTHER_ROLE = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("r", "other"))
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"


def allow(action: str) -> Json:
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _table(resource: Resource) -> Json:
    return {"TableName": resource.physical_id}


def table_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("dynamodb").list_tags_of_resource(ResourceArn=resource.attributes["Arn"])["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def _prepare_table(connect: Callable[..., Any]) -> Json:
    arns = {}
    for name in ("first", "second"):
        connect("kinesis").create_stream(StreamName=name, ShardCount=1)
        described = connect("kinesis").describe_stream_summary(StreamName=name)
        arns[name] = described["StreamDescriptionSummary"]["StreamARN"]
    return arns


def _attributes(*names: str) -> list[Json]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def _index(name: str, key: str, units: int) -> Json:
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]},
        "ProvisionedThroughput": {"ReadCapacityUnits": units, "WriteCapacityUnits": units},
        "ContributorInsightsSpecification": {"Enabled": True, "Mode": "THROTTLED_KEYS"},
        "OnDemandThroughput": {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 20},
        "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000},
    }


_KEYS = [{"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
_LOCAL = [
    {
        "IndexName": "local",
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "l", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]},
    }
]
_IMPORT = {
    "InputFormat": "CSV",
    "InputCompressionType": "NONE",
    "InputFormatOptions": {"Csv": {"Delimiter": ",", "HeaderList": ["k"]}},
    "S3BucketSource": {"S3Bucket": "b", "S3BucketOwner": ACCOUNT, "S3KeyPrefix": "p"},
}

TABLE = Sample(
    "AWS::DynamoDB::Table",
    "dynamodb",
    prepare=_prepare_table,
    first=lambda ground: {
        "TableName": "whole",
        "AttributeDefinitions": _attributes("k", "s", "l", "g"),
        "BillingMode": "PROVISIONED",
        "ContributorInsightsSpecification": {"Enabled": True, "Mode": "THROTTLED_KEYS"},
        "DeletionProtectionEnabled": False,
        "GlobalSecondaryIndexes": [_index("one", "g", 1)],
        "ImportSourceSpecification": _IMPORT,
        "KeySchema": _KEYS,
        "KinesisStreamSpecification": {
            "StreamArn": ground["first"],
            "ApproximateCreationDateTimePrecision": "MICROSECOND",
        },
        "LocalSecondaryIndexes": _LOCAL,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7},
        "ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 2},
        "ResourcePolicy": {"PolicyDocument": allow("dynamodb:GetItem")},
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY},
        "StreamSpecification": {
            "StreamViewType": "NEW_IMAGE",
            "ResourcePolicy": {"PolicyDocument": allow("dynamodb:GetRecords")},
            "Tags": [{"Key": "s", "Value": "1"}],
        },
        "VectorIndexes": [
            {
                "IndexName": "vectors",
                "VectorAttribute": {"AttributeName": "e"},
                "Dimensions": 3,
                "DistanceFunction": "COSINE",
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        "TableClass": "STANDARD_INFREQUENT_ACCESS",
        "Tags": [{"Key": "k", "Value": "1"}],
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000},
    },
    second=lambda ground: {
        "TableName": "whole",
        "AttributeDefinitions": _attributes("k", "s", "l"),
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": False,
        "ImportSourceSpecification": _IMPORT,
        "KeySchema": _KEYS,
        "KinesisStreamSpecification": {"StreamArn": ground["second"]},
        "LocalSecondaryIndexes": _LOCAL,
        "OnDemandThroughput": {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 20},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "ResourcePolicy": {"PolicyDocument": allow("dynamodb:PutItem")},
        "StreamSpecification": {"StreamViewType": "KEYS_ONLY"},
        "TableClass": "STANDARD",
        "Tags": [{"Key": "l", "Value": "2"}],
        "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": True},
    },
    minimal=lambda _ground: {
        "TableName": "whole",
        "AttributeDefinitions": _attributes("k", "s", "l"),
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _KEYS,
        "LocalSecondaryIndexes": _LOCAL,
    },
    stays=("DeletionProtectionEnabled", "TableClass", "ImportSourceSpecification"),
    direct=(
        Direct("describe_time_to_live", _table, "TimeToLiveDescription.AttributeName", "expires", "until"),
        Direct("describe_table", _table, "Table.[SSEDescription.Status, StreamSpecification.StreamViewType]",
               ["ENABLED", "NEW_IMAGE"], ["DISABLED", "KEYS_ONLY"]),
    ),
    tags=table_tags,
)  # fmt: skip


def group_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{resource.physical_id}"
    return dict(connect("logs").list_tags_for_resource(resourceArn=arn)["tags"])


def _groups(resource: Resource) -> Json:
    return {"logGroupNamePrefix": resource.physical_id}


_GROUP = {"LogGroupName": "/whole", "LogGroupClass": "INFREQUENT_ACCESS", "KmsKeyId": KEY}
GROUP = Sample(
    "AWS::Logs::LogGroup",
    "logs",
    first={
        **_GROUP,
        "BearerTokenAuthenticationEnabled": True,
        "DataProtectionPolicy": {"Name": "p"},
        "DeletionProtectionEnabled": False,
        "FieldIndexPolicies": [{"Fields": ["a"]}],
        "ResourcePolicyDocument": allow("logs:PutLogEvents"),
        "RetentionInDays": 7,
        "Tags": [{"Key": "k", "Value": "1"}],
    },
    second={
        **_GROUP,
        "DeletionProtectionEnabled": True,
        "RetentionInDays": 14,
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal=_GROUP,
    direct=(
        Direct("describe_log_groups", _groups, "logGroups[0].[retentionInDays, logGroupClass, kmsKeyId]",
               [7, "INFREQUENT_ACCESS", KEY], [14, "INFREQUENT_ACCESS", KEY]),
    ),
    tags=group_tags,
)  # fmt: skip


def state_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("stepfunctions").list_tags_for_resource(resourceArn=resource.physical_id)["tags"]
    return {tag["key"]: tag["value"] for tag in tags}


def definition(kind: str) -> str:
    return json.dumps({"StartAt": "A", "States": {"A": {"Type": kind, "End": True, "Comment": "${word}"}}})


def _logging(level: str, group: str) -> Json:
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}:*"
    return {
        "Level": level,
        "IncludeExecutionData": level == "ALL",
        "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": arn}}],
    }


MACHINE = Sample(
    "AWS::StepFunctions::StateMachine",
    "stepfunctions",
    first={
        "StateMachineName": "whole",
        "DefinitionString": definition("Pass"),
        "EncryptionConfiguration": {
            "KmsDataKeyReusePeriodSeconds": 60,
            "KmsKeyId": KEY,
            "Type": "CUSTOMER_MANAGED_KMS_KEY",
        },
        "LoggingConfiguration": _logging("ALL", "one"),
        "RoleArn": ROLE,
        "StateMachineType": "EXPRESS",
        "Tags": [{"Key": "k", "Value": "1"}],
        "TracingConfiguration": {"Enabled": True},
    },
    second={
        "StateMachineName": "whole",
        "DefinitionString": definition("Succeed").replace(', "End": true', ""),
        "EncryptionConfiguration": {"Type": "AWS_OWNED_KEY"},
        "LoggingConfiguration": _logging("ERROR", "two"),
        "RoleArn": OTHER_ROLE,
        "StateMachineType": "EXPRESS",
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={
        "StateMachineName": "whole",
        "DefinitionString": definition("Pass"),
        "RoleArn": ROLE,
        "StateMachineType": "EXPRESS",
    },
    # Other ways to give the definition.
    apart=("Definition", "DefinitionS3Location", "DefinitionSubstitutions"),
    stays=("EncryptionConfiguration",),
    direct=(
        Direct("describe_state_machine", lambda one: {"stateMachineArn": one.physical_id},
               "[roleArn, loggingConfiguration.level]", [ROLE, "ALL"], [OTHER_ROLE, "ERROR"]),
    ),
    tags=state_tags,
)  # fmt: skip

ACTIVITY = Sample(
    "AWS::StepFunctions::Activity",
    "stepfunctions",
    first={
        "Name": "whole",
        "EncryptionConfiguration": {"KmsKeyId": KEY, "Type": "CUSTOMER_MANAGED_KMS_KEY"},
        "Tags": [{"Key": "k", "Value": "1"}],
    },
    second={
        "Name": "whole",
        "EncryptionConfiguration": {"KmsKeyId": KEY, "Type": "CUSTOMER_MANAGED_KMS_KEY"},
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={"Name": "whole"},
    stays=("EncryptionConfiguration",),
    direct=(
        Direct("describe_activity", lambda one: {"activityArn": one.physical_id}, "[name, activityArn]",
               ["whole", f"arn:aws:states:us-east-1:{ACCOUNT}:activity:whole"],
               ["whole", f"arn:aws:states:us-east-1:{ACCOUNT}:activity:whole"]),
    ),
    tags=state_tags,
)  # fmt: skip


def repository_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("ecr").list_tags_for_resource(resourceArn=resource.attributes["Arn"])["tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def _lifecycle(days: int) -> Json:
    selection = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    return {"LifecyclePolicyText": json.dumps({"rules": [rule]}), "RegistryId": ACCOUNT}


_EXCLUSION = {
    "ImageTagMutabilityExclusionFilterType": "WILDCARD",
    "ImageTagMutabilityExclusionFilterValue": "dev*",
}
_ENCRYPTION = {"EncryptionConfiguration": {"EncryptionType": "KMS", "KmsKey": KEY}}
REPOSITORY = Sample(
    "AWS::ECR::Repository",
    "ecr",
    first={
        **_ENCRYPTION,
        "RepositoryName": "whole",
        "EmptyOnDelete": True,
        "ImageScanningConfiguration": {"ScanOnPush": True},
        "ImageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "ImageTagMutabilityExclusionFilters": [_EXCLUSION],
        "LifecyclePolicy": _lifecycle(7),
        "RepositoryPolicyText": allow("ecr:BatchGetImage"),
        "Tags": [{"Key": "k", "Value": "1"}],
    },
    second={
        **_ENCRYPTION,
        "RepositoryName": "whole",
        "ImageScanningConfiguration": {"ScanOnPush": False},
        "ImageTagMutability": "IMMUTABLE",
        "LifecyclePolicy": _lifecycle(14),
        "RepositoryPolicyText": allow("ecr:PutImage"),
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={**_ENCRYPTION, "RepositoryName": "whole"},
    stays=("ImageScanningConfiguration",),
    direct=(
        Direct("describe_repositories", lambda one: {"repositoryNames": [one.physical_id]},
               "repositories[0].[imageScanningConfiguration.scanOnPush, encryptionConfiguration.encryptionType]",
               [True, "KMS"], [False, "KMS"]),
    ),
    tags=repository_tags,
)  # fmt: skip

SAMPLES = [TABLE, GROUP, MACHINE, ACTIVITY, REPOSITORY]
