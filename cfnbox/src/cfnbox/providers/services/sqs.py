"""Types of SQS. Sources: botocore's service model; API reference, SetQueueAttributes; the template reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cfnbox.providers.failures import service_failure
from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Attributes
from cfnbox.providers.services.policy_attachments import policy_attachment
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, named_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Request
    from cfnbox.providers.services.calls import Calls

_NAME_LENGTH = 80
_NAMES = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)
_ATTRIBUTES = Attributes(
    "SetQueueAttributes",
    {name: name for name in _NAMES},
    # The template reference has the defaults.
    defaults={
        "ContentBasedDeduplication": "false",
        "DeduplicationScope": "queue",
        "DelaySeconds": "0",
        "FifoThroughputLimit": "perQueue",
        "KmsDataKeyReusePeriodSeconds": "300",
        "MaximumMessageSize": "262144",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    },
)


def _describe_queue(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetQueueAttributes", {**key, "AttributeNames": ["All"]})
    if answer is None:
        return None
    attributes = answer["Attributes"]
    arn = attributes["QueueArn"]
    model = {**_ATTRIBUTES.properties(attributes), **key, "Arn": arn, "QueueName": arn.rpartition(":")[2]}
    for name in ("RedriveAllowPolicy", "RedrivePolicy"):
        if name in model:
            model[name] = parsed(model[name])
    return model


def _require_name(request: Request, properties: Json) -> None:
    """Refuse what is not a name of a queue, in the words of SQS as users quote them (celery/kombu, SQS transport)."""
    name = properties.get("QueueName")
    end = r"\.fifo" if properties.get("FifoQueue") else ""
    if name is not None and not re.fullmatch(
        rf"[\w-]{{1,{_NAME_LENGTH - len('.fifo' if end else '')}}}{end}", name, re.ASCII
    ):
        sentence = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise service_failure(request, "Sqs", 400, sentence, "InvalidRequest")


_QUEUE_TYPE = ServiceType(
    "sqs",
    key=named_by("QueueUrl"),
    name=GeneratedName(
        "QueueName", _NAME_LENGTH, r"\w-", suffix=lambda desired: ".fifo" if desired.get("FifoQueue") else ""
    ),
    require=_require_name,
    create="CreateQueue",
    create_request=lambda properties, _place: {**properties, "Attributes": _ATTRIBUTES.texts(properties)},
    is_taken=lambda calls, desired: calls.find("GetQueueUrl", {"QueueName": desired["QueueName"]}) is not None,
    describe=_describe_queue,
    parts=(_ATTRIBUTES,),
    tags=Tags(
        "TagQueue",
        "UntagQueue",
        "ListQueueTags",
        in_create="tags",
        written_as_map=True,
        read_as_map=True,
        # Recorded: ListQueueTags of a queue of a stack has the tags of its template alone.
        takes_system_tags=False,
    ),
    delete="DeleteQueue",
    list=lambda calls, _filters: ({"QueueUrl": url} for url in calls.items("ListQueues", {}, "QueueUrls")),
)


def _put_policy(calls: Calls, url: str, policy: str | None) -> None:
    members = {"QueueUrl": url, "Attributes": {"Policy": policy or ""}}
    calls.invoke("SetQueueAttributes", members, missing_is="InvalidRequest")


def _policy(calls: Calls, url: str) -> str | None:
    answer = calls.find("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["Policy"]})
    return (answer or {}).get("Attributes", {}).get("Policy") or None


TYPES: dict[str, ServiceType] = {
    "AWS::SQS::Queue": _QUEUE_TYPE,
    "AWS::SQS::QueuePolicy": policy_attachment("sqs", "Queues", _put_policy, _policy),
}
