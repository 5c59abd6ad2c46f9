"""Types of SNS.

Sources: botocore's service model; API reference, SetTopicAttributes and SetSubscriptionAttributes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from cfnbox.providers.failures import service_failure
from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Attributes, Hook
from cfnbox.providers.services.policy_attachments import policy_attachment
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, listed_by, named_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.protocol import Request
    from cfnbox.providers.services.calls import Calls

# Topics

_TOPIC_NAMES = (
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "SignatureVersion",
    "TracingConfig",
)
_TOPIC_ATTRIBUTES = Attributes(
    "SetTopicAttributes",
    {name: name for name in _TOPIC_NAMES},
    defaults={
        "ContentBasedDeduplication": "false",
        "FifoThroughputScope": "Topic",
        "MaximumMessageSize": "262144",
        "SignatureVersion": "1",
        "TracingConfig": "PassThrough",
    },
    one_by_one=True,
)
# The beginning of the attributes' names, by protocol.
_PROTOCOLS = {
    "http/s": "HTTP",
    "sqs": "SQS",
    "lambda": "Lambda",
    "firehose": "Firehose",
    "application": "Application",
}
_FEEDBACK = ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn")


def _feedback(properties: Json) -> dict[str, str]:
    """Return the attributes of DeliveryStatusLogging."""
    return {
        f"{_PROTOCOLS[item['Protocol']]}{name}": str(item[name])
        for item in properties.get("DeliveryStatusLogging") or ()
        for name in _FEEDBACK
        if name in item
    }


def _apply_feedback(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    before, after = _feedback(previous), _feedback(desired)
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            calls.invoke("SetTopicAttributes", {**key, "AttributeName": name, "AttributeValue": after.get(name, "")})


def _read_feedback(attributes: Json) -> list[Json]:
    read = []
    for protocol, prefix in _PROTOCOLS.items():
        found = {name: attributes[f"{prefix}{name}"] for name in _FEEDBACK if attributes.get(f"{prefix}{name}")}
        if found:
            read.append({"Protocol": protocol, **found})
    return read


def _describe_topic(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetTopicAttributes", key)
    if answer is None:
        return None
    attributes = answer["Attributes"]
    model = {
        **_TOPIC_ATTRIBUTES.properties(attributes),
        "TopicArn": key["TopicArn"],
        "TopicName": key["TopicArn"].rpartition(":")[2],
        "DeliveryStatusLogging": _read_feedback(attributes),
    }
    if "ArchivePolicy" in model:
        model["ArchivePolicy"] = parsed(model["ArchivePolicy"])
    return model


def _topic_arn(place: Place, model: Json) -> Json:
    return {"TopicArn": f"arn:{place.partition}:sns:{place.region}:{place.account}:{model['TopicName']}"}


def _is_topic(calls: Calls, desired: Json) -> bool:
    return calls.find("GetTopicAttributes", _topic_arn(calls.request.place, desired)) is not None


def _subscriptions(calls: Calls, key: Json) -> list[Json]:
    listed = calls.items("ListSubscriptionsByTopic", key, "Subscriptions")
    return [{"Endpoint": item["Endpoint"], "Protocol": item["Protocol"]} for item in listed]


def _unsubscribed(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Unsubscribe what the template no longer names; a deleted topic takes its subscriptions with it."""
    gone = [item for item in previous.get("Subscription") or () if item not in (desired.get("Subscription") or ())]
    if not gone:
        return
    for item in calls.items("ListSubscriptionsByTopic", key, "Subscriptions"):
        if {"Endpoint": item["Endpoint"], "Protocol": item["Protocol"]} in gone:
            calls.invoke("Unsubscribe", {"SubscriptionArn": item["SubscriptionArn"]})


def _subscribed(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    for item in desired.get("Subscription") or ():
        if item not in (previous.get("Subscription") or ()):
            calls.invoke("Subscribe", {**key, **item}, missing_is="InvalidRequest")


def _require_name(request: Request, properties: Json) -> None:
    """Refuse what is not a name of a topic (CreateTopic, API reference), in the words of SNS as users quote them."""
    name = properties.get("TopicName")
    pattern = r"[\w-]{1,251}\.fifo" if properties.get("FifoTopic") else r"[\w-]{1,256}"
    if name is not None and not re.fullmatch(pattern, name, re.ASCII):
        raise service_failure(request, "Sns", 400, "Invalid parameter: Topic Name", "InvalidRequest")


_TOPIC_TYPE = ServiceType(
    "sns",
    key=named_by("TopicArn"),
    name=GeneratedName("TopicName", 256, r"\w-", suffix=lambda desired: ".fifo" if desired.get("FifoTopic") else ""),
    require=_require_name,
    create="CreateTopic",
    create_request=lambda properties, _place: {
        "Name": properties["TopicName"],
        "Attributes": {**_TOPIC_ATTRIBUTES.texts(properties), **_feedback(properties)},
    },
    is_taken=_is_topic,
    describe=_describe_topic,
    describe_after_create=False,
    derived=_topic_arn,
    parts=(
        _TOPIC_ATTRIBUTES,
        Hook(_apply_feedback, in_create=True),
        Hook(_unsubscribed),
        Hook(_subscribed, lambda calls, key: {"Subscription": _subscriptions(calls, key)}),
    ),
    tags=Tags(
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
        target=lambda key, _model: {"ResourceArn": key["TopicArn"]},
    ),
    delete="DeleteTopic",
    list=listed_by("ListTopics", "Topics", {"TopicArn": "TopicArn"}),
    not_applied=("DataProtectionPolicy",),
)

# Subscriptions

_DOCUMENTS = ("DeliveryPolicy", "FilterPolicy", "RedrivePolicy")
_SUBSCRIPTION_NAMES = (*_DOCUMENTS, "FilterPolicyScope", "RawMessageDelivery", "SubscriptionRoleArn")
_SUBSCRIPTION_ATTRIBUTES = Attributes(
    "SetSubscriptionAttributes",
    {name: name for name in _SUBSCRIPTION_NAMES},
    defaults={"FilterPolicyScope": "MessageAttributes", "RawMessageDelivery": "false", "FilterPolicy": "{}"},
    one_by_one=True,
)


def _describe_subscription(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetSubscriptionAttributes", key)
    if answer is None:
        return None
    attributes = answer["Attributes"]
    model: Json = {
        **_SUBSCRIPTION_ATTRIBUTES.properties(attributes),
        "Arn": key["SubscriptionArn"],
        **{name: attributes[name] for name in ("Endpoint", "Protocol", "TopicArn") if name in attributes},
    }
    return {name: parsed(value) if name in _DOCUMENTS else value for name, value in model.items()}


_SUBSCRIPTION_TYPE = ServiceType(
    "sns",
    key=named_by("SubscriptionArn"),
    create="Subscribe",
    create_request=lambda properties, _place: {
        **properties,
        "Attributes": _SUBSCRIPTION_ATTRIBUTES.texts(properties),
        "ReturnSubscriptionArn": True,
    },
    create_answer=lambda answer: {"Arn": answer["SubscriptionArn"]},
    describe=_describe_subscription,
    describe_after_create=False,
    parts=(_SUBSCRIPTION_ATTRIBUTES,),
    delete="Unsubscribe",
    list=listed_by("ListSubscriptions", "Subscriptions", {"SubscriptionArn": "Arn"}),
    not_applied=("Region", "ReplayPolicy"),
)

# Policies of topics

_DEFAULT_ACTIONS = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic",
                    "Subscribe", "ListSubscriptionsByTopic", "Publish")  # fmt: skip
_DEFAULT_ID = "__default_policy_ID"


def _default_policy(arn: str) -> str:
    """Return the policy of a topic without one of its own (developer guide, "Default policy")."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in _DEFAULT_ACTIONS],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": arn.split(":")[4]}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": _DEFAULT_ID, "Statement": [statement]})


def _put_topic_policy(calls: Calls, arn: str, policy: str | None) -> None:
    members = {"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": policy or _default_policy(arn)}
    calls.invoke("SetTopicAttributes", members, missing_is="InvalidRequest")


def _topic_policy(calls: Calls, arn: str) -> str | None:
    answer: Any = calls.find("GetTopicAttributes", {"TopicArn": arn})
    policy = answer["Attributes"].get("Policy", "") if answer else ""
    return None if not policy or _DEFAULT_ID in policy else str(policy)


TYPES: dict[str, ServiceType] = {
    "AWS::SNS::Subscription": _SUBSCRIPTION_TYPE,
    "AWS::SNS::Topic": _TOPIC_TYPE,
    "AWS::SNS::TopicPolicy": policy_attachment("sns", "Topics", _put_topic_policy, _topic_policy),
}
