"""Samples of the types of SNS and SQS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from providers.services.harness import Direct, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/feedback"


def policy(action: str, sid: str = "s") -> Json:
    statement = {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def neighbours(connect: Callable[..., Any]) -> Json:
    """Two queues and two topics; the second queue and topic are first in, first out."""
    sqs, sns = connect("sqs"), connect("sns")
    urls = [sqs.create_queue(QueueName=f"queue-{name}")["QueueUrl"] for name in ("one", "two")]
    arns = [
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"] for url in urls
    ]
    topics = [sns.create_topic(Name=f"topic-{name}")["TopicArn"] for name in ("one", "two")]
    return {"urls": urls, "queues": arns, "topics": topics}


def topic_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("sns").list_tags_for_resource(ResourceArn=resource.physical_id)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def queue_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags: dict[str, str] = connect("sqs").list_queue_tags(QueueUrl=resource.physical_id)["Tags"]
    return tags


def _topic(resource: Resource) -> Json:
    return {"TopicArn": resource.physical_id}


TOPIC = Sample(
    "AWS::SNS::Topic",
    "sns",
    prepare=neighbours,
    first=lambda ground: {
        "TopicName": "whole.fifo",
        "FifoTopic": True,
        "ArchivePolicy": {"MessageRetentionPeriod": "30"},
        "ContentBasedDeduplication": True,
        "DataProtectionPolicy": {"Name": "p", "Version": "2021-06-01", "Statement": []},
        "DeliveryStatusLogging": [
            {"Protocol": "http/s", "FailureFeedbackRoleArn": ROLE},
            {"Protocol": "sqs", "SuccessFeedbackRoleArn": ROLE, "SuccessFeedbackSampleRate": "50"},
        ],
        "DisplayName": "first",
        "FifoThroughputScope": "MessageGroup",
        "KmsMasterKeyId": "alias/aws/sns",
        "MaximumMessageSize": 2048,
        "SignatureVersion": "2",
        "Subscription": [{"Protocol": "sqs", "Endpoint": ground["queues"][0]}],
        "Tags": [{"Key": "k", "Value": "1"}],
        "TracingConfig": "Active",
    },
    second=lambda ground: {
        "TopicName": "whole.fifo",
        "FifoTopic": True,
        "ArchivePolicy": {"MessageRetentionPeriod": "60"},
        "ContentBasedDeduplication": False,
        "DeliveryStatusLogging": [{"Protocol": "lambda", "FailureFeedbackRoleArn": ROLE}],
        "DisplayName": "second",
        "FifoThroughputScope": "Topic",
        "KmsMasterKeyId": "alias/own",
        "MaximumMessageSize": 4096,
        "SignatureVersion": "1",
        "Subscription": [{"Protocol": "sqs", "Endpoint": ground["queues"][1]}],
        "Tags": [{"Key": "l", "Value": "2"}],
        "TracingConfig": "PassThrough",
    },
    minimal={"TopicName": "whole.fifo", "FifoTopic": True},
    # The second sample has the defaults of these.
    stays=("ContentBasedDeduplication", "FifoThroughputScope", "SignatureVersion", "TracingConfig"),
    direct=(
        Direct("get_topic_attributes", _topic, "Attributes.[DisplayName, KmsMasterKeyId, SignatureVersion]",
               ["first", "alias/aws/sns", "2"], ["second", "alias/own", "1"]),
        Direct("get_topic_attributes", _topic, "Attributes.[TracingConfig, ContentBasedDeduplication]",
               ["Active", "true"], ["PassThrough", "false"]),
        Direct("get_topic_attributes", _topic, "Attributes.SQSSuccessFeedbackSampleRate", "50", ""),
        Direct("list_subscriptions_by_topic", _topic, "Subscriptions[].Endpoint",
               [f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue-one"], [f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue-two"]),
    ),
    tags=topic_tags,
)  # fmt: skip


def _subscription(resource: Resource) -> Json:
    return {"SubscriptionArn": resource.physical_id}


SUBSCRIPTION = Sample(
    "AWS::SNS::Subscription",
    "sns",
    prepare=neighbours,
    first=lambda ground: {
        "TopicArn": ground["topics"][0],
        "Protocol": "sqs",
        "Endpoint": ground["queues"][0],
        "DeliveryPolicy": {"healthyRetryPolicy": {"numRetries": 3}},
        "FilterPolicy": {"a": ["b"]},
        "FilterPolicyScope": "MessageBody",
        "RawMessageDelivery": True,
        "RedrivePolicy": {"deadLetterTargetArn": ground["queues"][1]},
        "Region": "us-east-1",
        "ReplayPolicy": {"PointType": "Timestamp"},
        "SubscriptionRoleArn": ROLE,
    },
    second=lambda ground: {
        "TopicArn": ground["topics"][0],
        "Protocol": "sqs",
        "Endpoint": ground["queues"][0],
        "DeliveryPolicy": {"healthyRetryPolicy": {"numRetries": 5}},
        "FilterPolicy": {"a": ["c"]},
        "FilterPolicyScope": "MessageAttributes",
        "RawMessageDelivery": False,
        "RedrivePolicy": {"deadLetterTargetArn": ground["queues"][0]},
        "SubscriptionRoleArn": f"{ROLE}-2",
    },
    minimal=lambda ground: {"TopicArn": ground["topics"][0], "Protocol": "sqs", "Endpoint": ground["queues"][0]},
    stays=("FilterPolicyScope", "RawMessageDelivery"),
    direct=(
        Direct("get_subscription_attributes", _subscription, "Attributes.[RawMessageDelivery, FilterPolicyScope]",
               ["true", "MessageBody"], ["false", "MessageAttributes"]),
        Direct("get_subscription_attributes", _subscription, "Attributes.FilterPolicy", '{"a": ["b"]}',
               '{"a": ["c"]}'),
    ),
)  # fmt: skip

TOPIC_POLICY = Sample(
    "AWS::SNS::TopicPolicy",
    "sns",
    prepare=neighbours,
    first=lambda ground: {"Topics": ground["topics"], "PolicyDocument": policy("sns:Publish")},
    second=lambda ground: {"Topics": ground["topics"][:1], "PolicyDocument": policy("sns:Subscribe")},
    minimal=lambda ground: {"Topics": ground["topics"][:1], "PolicyDocument": policy("sns:Subscribe")},
    direct=(
        Direct("get_topic_attributes", lambda _: {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:topic-one"},
               "contains(Attributes.Policy, 'sns:Publish')", True, False),
        # What a topic without a policy of its own has.
        Direct("get_topic_attributes", lambda _: {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:topic-two"},
               "contains(Attributes.Policy, '__default_policy_ID')", False, True),
    ),
    kept_elsewhere=("PolicyDocument", "Topics"),
)  # fmt: skip


def _queue(resource: Resource) -> Json:
    return {"QueueUrl": resource.physical_id, "AttributeNames": ["All"]}


QUEUE = Sample(
    "AWS::SQS::Queue",
    "sqs",
    prepare=neighbours,
    first=lambda ground: {
        "QueueName": "whole.fifo",
        "FifoQueue": True,
        "ContentBasedDeduplication": True,
        "DeduplicationScope": "messageGroup",
        "DelaySeconds": 5,
        "FifoThroughputLimit": "perMessageGroupId",
        "KmsDataKeyReusePeriodSeconds": 600,
        "KmsMasterKeyId": "alias/aws/sqs",
        "MaximumMessageSize": 2048,
        "MessageRetentionPeriod": 3600,
        "ReceiveMessageWaitTimeSeconds": 4,
        "RedriveAllowPolicy": {"redrivePermission": "denyAll"},
        "RedrivePolicy": {"deadLetterTargetArn": ground["queues"][0], "maxReceiveCount": 3},
        "SqsManagedSseEnabled": False,
        "Tags": [{"Key": "k", "Value": "1"}],
        "VisibilityTimeout": 60,
    },
    second=lambda ground: {
        "QueueName": "whole.fifo",
        "FifoQueue": True,
        "ContentBasedDeduplication": False,
        "DeduplicationScope": "queue",
        "DelaySeconds": 6,
        "FifoThroughputLimit": "perQueue",
        "KmsDataKeyReusePeriodSeconds": 700,
        "KmsMasterKeyId": "alias/own",
        "MaximumMessageSize": 4096,
        "MessageRetentionPeriod": 7200,
        "ReceiveMessageWaitTimeSeconds": 5,
        "RedriveAllowPolicy": {"redrivePermission": "allowAll"},
        "RedrivePolicy": {"deadLetterTargetArn": ground["queues"][0], "maxReceiveCount": 77},
        "SqsManagedSseEnabled": False,
        "Tags": [{"Key": "l", "Value": "2"}],
        "VisibilityTimeout": 90,
    },
    minimal={"QueueName": "whole.fifo", "FifoQueue": True},
    stays=("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"),
    direct=(
        Direct("get_queue_attributes", _queue,
               "Attributes.[DelaySeconds, MaximumMessageSize, VisibilityTimeout, KmsMasterKeyId]",
               ["5", "2048", "60", "alias/aws/sqs"], ["6", "4096", "90", "alias/own"]),
        Direct("get_queue_attributes", _queue, "contains(Attributes.RedrivePolicy, '77')", False, True),
    ),
    tags=queue_tags,
)  # fmt: skip


def _at(name: str) -> Json:
    # The address is that of the client.
    return {"QueueUrl": f"http://localhost/{ACCOUNT}/{name}", "AttributeNames": ["Policy"]}


QUEUE_POLICY = Sample(
    "AWS::SQS::QueuePolicy",
    "sqs",
    prepare=neighbours,
    first=lambda ground: {"Queues": ground["urls"], "PolicyDocument": policy("sqs:SendMessage")},
    second=lambda ground: {"Queues": ground["urls"][:1], "PolicyDocument": policy("sqs:ReceiveMessage")},
    minimal=lambda ground: {"Queues": ground["urls"][:1], "PolicyDocument": policy("sqs:ReceiveMessage")},
    direct=(
        Direct("get_queue_attributes", lambda _: _at("queue-one"), "contains(Attributes.Policy, 'SendMessage')", True,
               False),
        Direct("get_queue_attributes", lambda _: _at("queue-two"), "Attributes.Policy",
               json.dumps(policy("sqs:SendMessage")), None),
    ),
    kept_elsewhere=("PolicyDocument", "Queues"),
)  # fmt: skip

SAMPLES = [TOPIC, SUBSCRIPTION, TOPIC_POLICY, QUEUE, QUEUE_POLICY]
