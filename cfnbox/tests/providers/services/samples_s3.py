"""Samples of the types of S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from providers.services.harness import Direct, Sample, create_bucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

ROLE = "arn:aws:iam::123456789012:role/replication"
FILTER = {"S3Key": {"Rules": [{"Name": "prefix", "Value": "n/"}]}}
OFF = {
    "BlockPublicAcls": False,
    "BlockPublicPolicy": False,
    "IgnorePublicAcls": False,
    "RestrictPublicBuckets": False,
}


def neighbours(connect: Callable[..., Any]) -> Json:
    """Two buckets for logs and copies, and a topic and a queue for notifications."""
    s3 = connect("s3")
    for name in ("logs", "copies"):
        create_bucket(s3, name)
    s3.put_bucket_versioning(Bucket="copies", VersioningConfiguration={"Status": "Enabled"})
    sqs = connect("sqs")
    url = sqs.create_queue(QueueName="news")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    topic = connect("sns").create_topic(Name="news")["TopicArn"]
    connect("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    zone = connect("iam").create_role(RoleName="f", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = {"ZipFile": b"PK\x05\x06" + bytes(18)}
    function = connect("lambda").create_function(
        FunctionName="news", Runtime="python3.12", Role=zone, Handler="a.b", Code=code
    )["FunctionArn"]
    connect("lambda").add_permission(
        FunctionName="news", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    return {"queue": arn, "topic": topic, "function": function}


def bucket_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("s3").get_bucket_tagging(Bucket=resource.physical_id)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def first(ground: Json) -> Json:
    return {
        "BucketName": "whole",
        "AbacStatus": "Enabled",
        "AccelerateConfiguration": {"AccelerationStatus": "Enabled"},
        "AccessControl": "LogDeliveryWrite",
        "AnalyticsConfigurations": [{"Id": "a", "StorageClassAnalysis": {}}],
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {
                    "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
                    "BucketKeyEnabled": True,
                    "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/k"},
                }
            ]
        },
        "BucketNamePrefix": "whole",
        "BucketNamespace": "global",
        "CorsConfiguration": {
            "CorsRules": [
                {
                    "Id": "c",
                    "AllowedHeaders": ["*"],
                    "AllowedMethods": ["GET", "PUT"],
                    "AllowedOrigins": ["https://example.com"],
                    "ExposedHeaders": ["etag"],
                    "MaxAge": 60,
                }
            ]
        },
        "IntelligentTieringConfigurations": [
            {"Id": "t", "Status": "Enabled", "Tierings": [{"AccessTier": "ARCHIVE_ACCESS", "Days": 90}]}
        ],
        "InventoryConfigurations": [
            {
                "Id": "i",
                "Enabled": True,
                "IncludedObjectVersions": "All",
                "ScheduleFrequency": "Daily",
                "Destination": {"BucketArn": "arn:aws:s3:::logs", "Format": "CSV"},
            }
        ],
        "LifecycleConfiguration": {
            "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K",
            "Rules": [
                {
                    "Id": "all",
                    "Status": "Enabled",
                    "Prefix": "p/",
                    "TagFilters": [{"Key": "a", "Value": "b"}],
                    "ObjectSizeGreaterThan": "100",
                    "ObjectSizeLessThan": "10000",
                    "ExpirationInDays": 365,
                    "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 30}],
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 10, "NewerNoncurrentVersions": 2},
                    "NoncurrentVersionTransitions": [
                        {"StorageClass": "STANDARD_IA", "TransitionInDays": 31, "NewerNoncurrentVersions": 3}
                    ],
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                }
            ],
        },
        "LoggingConfiguration": {
            "DestinationBucketName": "logs",
            "LogFilePrefix": "l/",
            "TargetObjectKeyFormat": {"SimplePrefix": {}},
        },
        "MetadataConfiguration": {"JournalTableConfiguration": {"RecordExpiration": {"Expiration": "DISABLED"}}},
        "MetadataTableConfiguration": {
            "S3TablesDestination": {"TableBucketArn": "arn:aws:s3tables:us-east-1:1:bucket/t", "TableName": "t"}
        },
        "MetricsConfigurations": [{"Id": "m"}],
        "NotificationConfiguration": {
            "EventBridgeConfiguration": {"EventBridgeEnabled": True},
            "QueueConfigurations": [
                {
                    "Event": "s3:ObjectCreated:*",
                    "Queue": ground["queue"],
                    "Filter": {"S3Key": {"Rules": [{"Name": "suffix", "Value": ".gz"}]}},
                }
            ],
        },
        "ObjectLockConfiguration": {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1, "DefaultEventHold": {"Days": 1}}},
        },
        "ObjectLockEnabled": True,
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
        "PublicAccessBlockConfiguration": {**OFF, "BlockPublicAcls": True},
        "ReplicationConfiguration": {
            "Role": ROLE,
            "Rules": [
                {
                    "Id": "r",
                    "Priority": 1,
                    "Status": "Enabled",
                    "Filter": {"And": {"Prefix": "r/", "TagFilters": [{"Key": "a", "Value": "b"}]}},
                    "DeleteMarkerReplication": {"Status": "Disabled"},
                    "Destination": {"Bucket": "arn:aws:s3:::copies", "StorageClass": "STANDARD_IA"},
                },
                {
                    "Id": "prefix",
                    "Priority": 3,
                    "Status": "Enabled",
                    "Filter": {"Prefix": "s/"},
                    "DeleteMarkerReplication": {"Status": "Enabled"},
                    "Destination": {"Bucket": "arn:aws:s3:::copies"},
                },
                {
                    "Id": "tagged",
                    "Priority": 2,
                    "Status": "Enabled",
                    "Filter": {"TagFilter": {"Key": "c", "Value": "d"}},
                    "DeleteMarkerReplication": {"Status": "Disabled"},
                    "SourceSelectionCriteria": {
                        "ReplicaModifications": {"Status": "Enabled"},
                        "SseKmsEncryptedObjects": {"Status": "Enabled"},
                    },
                    "Destination": {
                        "Bucket": "arn:aws:s3:::copies",
                        "Account": "123456789012",
                        "AccessControlTranslation": {"Owner": "Destination"},
                        "EncryptionConfiguration": {"ReplicaKmsKeyID": "arn:aws:kms:us-east-1:123456789012:key/k"},
                        "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
                        "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
                    },
                },
            ],
        },
        "Tags": [{"Key": "k", "Value": "1"}],
        "VersioningConfiguration": {"Status": "Enabled"},
        "WebsiteConfiguration": {
            "IndexDocument": "index.html",
            "ErrorDocument": "error.html",
            "RoutingRules": [
                {
                    "RoutingRuleCondition": {"KeyPrefixEquals": "old/"},
                    "RedirectRule": {"ReplaceKeyPrefixWith": "new/", "HttpRedirectCode": "301"},
                },
                {
                    "RoutingRuleCondition": {"HttpErrorCodeReturnedEquals": "404"},
                    "RedirectRule": {"HostName": "example.com", "Protocol": "https", "ReplaceKeyWith": "gone.html"},
                },
            ],
        },
    }


def second(ground: Json) -> Json:
    return {
        "BucketName": "whole",
        "BucketNamePrefix": "whole",
        "BucketNamespace": "global",
        "AccelerateConfiguration": {"AccelerationStatus": "Suspended"},
        "AccessControl": "Private",
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
        "CorsConfiguration": {"CorsRules": [{"AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]}]},
        "LifecycleConfiguration": {
            "Rules": [
                {"Id": "tag", "Status": "Disabled", "TagFilters": [{"Key": "a", "Value": "b"}],
                 "ExpirationInDays": 1},
                {"Id": "marker", "Status": "Enabled", "ExpiredObjectDeleteMarker": True},
                {"Id": "dates", "Status": "Enabled", "Prefix": "d/", "ExpirationDate": "2031-01-01T00:00:00Z",
                 "Transitions": [{"StorageClass": "GLACIER", "TransitionDate": "2030-01-01T00:00:00Z"}]},
                # As templates of former times have it.
                {"Id": "old", "Status": "Enabled", "Prefix": "o/", "NoncurrentVersionExpirationInDays": 40,
                 "NoncurrentVersionTransition": {"StorageClass": "GLACIER", "TransitionInDays": 30,
                                                 "NewerNoncurrentVersions": 1},
                 "Transition": {"StorageClass": "GLACIER", "TransitionInDays": 30}},
                {"Id": "older", "Status": "Enabled", "Prefix": "p/",
                 "Transition": {"StorageClass": "GLACIER", "TransitionDate": "2030-01-01T00:00:00Z"}},
                {"Id": "prefix", "Status": "Enabled", "Prefix": "q/",
                 "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
            ],
        },
        "LoggingConfiguration": {"LogFilePrefix": "own/"},
        "NotificationConfiguration": {
            "TopicConfigurations": [{"Event": "s3:ObjectRemoved:*", "Topic": ground["topic"], "Filter": FILTER}],
            "LambdaConfigurations": [
                {"Event": "s3:ObjectCreated:Put", "Function": ground["function"], "Filter": FILTER}
            ],
        },
        "ObjectLockConfiguration": {
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1, "DefaultEventHold": {"Years": 2}}},
        },
        "ObjectLockEnabled": True,
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
        "PublicAccessBlockConfiguration": {**OFF, "BlockPublicPolicy": True},
        "ReplicationConfiguration": {
            "Role": ROLE,
            # The form without a filter, of former times.
            "Rules": [
                {
                    "Id": "r",
                    "Status": "Disabled",
                    "Prefix": "s/",
                    "Destination": {"Bucket": "arn:aws:s3:::copies"},
                }
            ],
        },
        "Tags": [{"Key": "l", "Value": "2"}],
        "VersioningConfiguration": {"Status": "Enabled"},
        "WebsiteConfiguration": {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}},
    }  # fmt: skip


def _bucket(resource: Resource) -> Json:
    return {"Bucket": resource.physical_id}


BUCKET = Sample(
    "AWS::S3::Bucket",
    "s3",
    prepare=neighbours,
    first=first,
    second=second,
    minimal={
        "BucketName": "whole",
        "ObjectLockEnabled": True,
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
        "VersioningConfiguration": {"Status": "Enabled"},
    },
    # A bucket always has a default encryption, and acceleration can only be suspended.
    stays=("AccelerateConfiguration", "BucketEncryption", "BucketNamePrefix", "BucketNamespace"),
    direct=(
        Direct("get_bucket_encryption", _bucket,
               "ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault",
               {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/k"}, {"SSEAlgorithm": "AES256"}),
        Direct("get_bucket_versioning", _bucket, "Status", "Enabled", "Enabled"),
        Direct("get_bucket_lifecycle_configuration", _bucket, "Rules[].ID", ["all"],
               ["tag", "marker", "dates", "old", "older", "prefix"]),
        # The schema calls these write-only.
        Direct("get_bucket_lifecycle_configuration", _bucket,
               "Rules[?ID=='old'].[Transitions[0].Days, NoncurrentVersionTransitions[0].NoncurrentDays, "
               "NoncurrentVersionExpiration.NoncurrentDays][]", [], [30, 30, 40]),
        Direct("get_bucket_lifecycle_configuration", _bucket,
               "Rules[?ID=='marker'].Expiration.ExpiredObjectDeleteMarker", [], [True]),
        Direct("get_bucket_logging", _bucket, "LoggingEnabled.[TargetBucket, TargetPrefix]", ["logs", "l/"],
               ["whole", "own/"]),
        Direct("get_bucket_cors", _bucket, "CORSRules[0].AllowedMethods", ["GET", "PUT"], ["HEAD"]),
        Direct("get_object_lock_configuration", _bucket, "ObjectLockConfiguration.Rule.DefaultRetention.Mode",
               "GOVERNANCE", "COMPLIANCE"),
        Direct("get_public_access_block", _bucket,
               "PublicAccessBlockConfiguration.[BlockPublicAcls, BlockPublicPolicy]", [True, False], [False, True]),
        Direct("get_bucket_ownership_controls", _bucket, "OwnershipControls.Rules[0].ObjectOwnership",
               "ObjectWriter", "BucketOwnerPreferred"),
        Direct("get_bucket_replication", _bucket, "ReplicationConfiguration.Rules[0].Status", "Enabled", "Disabled"),
        Direct("get_bucket_accelerate_configuration", _bucket, "Status", "Enabled", "Suspended"),
        Direct("get_bucket_acl", _bucket, "length(Grants[?Grantee.URI])", 2, 0),
        Direct("get_bucket_website", _bucket, "RedirectAllRequestsTo.HostName", None, "example.com"),
        Direct("get_bucket_notification_configuration", _bucket, "[length(QueueConfigurations || `[]`), "
               "length(TopicConfigurations || `[]`)]", [1, 0], [0, 1]),
        Direct("get_bucket_tagging", _bucket, "TagSet", [{"Key": "k", "Value": "1"}], [{"Key": "l", "Value": "2"}]),
    ),
    tags=bucket_tags,
)  # fmt: skip


def statement(action: str) -> Json:
    allowed = {
        "Effect": "Allow",
        "Principal": {"AWS": "123456789012"},
        "Action": action,
        "Resource": "arn:aws:s3:::logs/*",
    }
    return {"Version": "2012-10-17", "Statement": [allowed]}


BUCKET_POLICY = Sample(
    "AWS::S3::BucketPolicy",
    "s3",
    prepare=neighbours,
    first={"Bucket": "logs", "PolicyDocument": statement("s3:GetObject")},
    second={"Bucket": "logs", "PolicyDocument": statement("s3:PutObject")},
    minimal={"Bucket": "logs", "PolicyDocument": statement("s3:PutObject")},
    direct=(Direct("get_bucket_policy", lambda _: {"Bucket": "logs"}, "contains(Policy, 'GetObject')", True, False),),
)

SAMPLES = [BUCKET, BUCKET_POLICY]
