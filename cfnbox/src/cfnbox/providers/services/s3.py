"""Types of S3.

Sources: botocore's service model; the template reference for names, Ref and Fn::GetAtt; the general reference,
"Amazon S3 website endpoints", for addresses.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cfnbox.core.regions import partition_of
from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, Setting, document
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, named_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls

# Regions whose website endpoints have a dash before the region; those of the others have a dot.
_DASHED = ("us-east-1", "us-west-1", "us-west-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-west-1",
           "sa-east-1", "us-gov-west-1")  # fmt: skip


def _renamed(value: Json, names: Mapping[str, str]) -> Json:
    """Return an object with some of its members under other names."""
    return {names.get(name, name): member for name, member in value.items()}


def _reversed(names: Mapping[str, str]) -> dict[str, str]:
    return {target: source for source, target in names.items()}


# Buckets


def _create_bucket(properties: Json, place: Place) -> Json:
    where = {} if place.region == "us-east-1" else {"LocationConstraint": place.region}
    locked = {"ObjectLockEnabledForBucket": True} if properties.get("ObjectLockEnabled") else {}
    rules = properties.get("OwnershipControls", {}).get("Rules", [])
    ownership = {"ObjectOwnership": rules[0]["ObjectOwnership"]} if rules else {}
    configuration = {"CreateBucketConfiguration": where} if where else {}
    return {"Bucket": properties["BucketName"], **configuration, **locked, **ownership}


def _addresses(place: Place, model: Json) -> Json:
    name, region = model["BucketName"], place.region
    suffix = partition_of(region).url_suffix
    website = f"s3-website-{region}" if region in _DASHED else f"s3-website.{region}"
    return {
        "Arn": _arn(place, name),
        "DomainName": f"{name}.s3.{suffix}",
        "DualStackDomainName": f"{name}.s3.dualstack.{region}.{suffix}",
        "RegionalDomainName": f"{name}.s3.{region}.{suffix}",
        "WebsiteURL": f"http://{name}.{website}.{suffix}",
    }


def _arn(place: Place, name: str) -> str:
    return f"arn:{place.partition}:s3:::{name}"


def _describe_bucket(calls: Calls, key: Json, _known: Json) -> Json | None:
    # The ARN is what tags are written by.
    found = calls.find("HeadBucket", key)
    return None if found is None else {"BucketName": key["Bucket"], "Arn": _arn(calls.request.place, key["Bucket"])}


# Encryption

_RULE_OF_ENCRYPTION = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}


def _encryption(value: Json) -> Json:
    rules = [_renamed(rule, _RULE_OF_ENCRYPTION) for rule in value["ServerSideEncryptionConfiguration"]]
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _read_encryption(answer: Json) -> Json:
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    names = _reversed(_RULE_OF_ENCRYPTION)
    return {"ServerSideEncryptionConfiguration": [_renamed(rule, names) for rule in rules]}


# Lifecycle

_SIZES = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")
_TRANSITION = {"TransitionDate": "Date", "TransitionInDays": "Days"}
_NONCURRENT_TRANSITION = {"TransitionInDays": "NoncurrentDays"}


def _lifecycle(value: Json) -> Json:
    members: Json = {"LifecycleConfiguration": {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}}
    if "TransitionDefaultMinimumObjectSize" in value:
        members["TransitionDefaultMinimumObjectSize"] = value["TransitionDefaultMinimumObjectSize"]
    return members


def _lifecycle_rule(rule: Json) -> Json:
    sizes = {name: int(rule[name]) for name in _SIZES if name in rule}
    request: Json = {"Status": rule["Status"], "Filter": _filter(rule, sizes)}
    if "Id" in rule:
        request["ID"] = rule["Id"]
    names = {
        "ExpirationDate": "Date",
        "ExpirationInDays": "Days",
        "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
    }
    if expiration := {target: rule[name] for name, target in names.items() if name in rule}:
        request["Expiration"] = expiration
    transitions = [*rule.get("Transitions", ()), *([rule["Transition"]] if "Transition" in rule else ())]
    if transitions:
        request["Transitions"] = [_renamed(transition, _TRANSITION) for transition in transitions]
    single = [rule["NoncurrentVersionTransition"]] if "NoncurrentVersionTransition" in rule else []
    if noncurrent := [*rule.get("NoncurrentVersionTransitions", ()), *single]:
        request["NoncurrentVersionTransitions"] = [_renamed(item, _NONCURRENT_TRANSITION) for item in noncurrent]
    if "NoncurrentVersionExpirationInDays" in rule:
        request["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if name in rule:
            request[name] = rule[name]
    return request


def _filter(rule: Json, further: Json) -> Json:
    """Return the filter of a rule: one condition alone, or several in an And."""
    tags = [dict(tag) for tag in rule.get("TagFilters", ())]
    prefix = {"Prefix": rule["Prefix"]} if "Prefix" in rule else {}
    if len(tags) + len(prefix) + len(further) > 1:
        return {"And": {**prefix, **({"Tags": tags} if tags else {}), **further}}
    return {"Tag": tags[0]} if tags else {**prefix, **further} or {"Prefix": ""}


def _read_filter(found: Json) -> Json:
    inner = found.get("And", found)
    tags = inner.get("Tags") or ([inner["Tag"]] if "Tag" in inner else [])
    prefix = {"Prefix": inner["Prefix"]} if inner.get("Prefix") else {}
    sizes = {name: str(inner[name]) for name in _SIZES if name in inner}
    return {**prefix, **({"TagFilters": tags} if tags else {}), **sizes}


def _read_lifecycle(answer: Json) -> Json:
    rules = [_read_lifecycle_rule(rule) for rule in answer["Rules"]]
    size = answer.get("TransitionDefaultMinimumObjectSize")
    return {"Rules": rules, **({"TransitionDefaultMinimumObjectSize": size} if size else {})}


def _read_lifecycle_rule(rule: Json) -> Json:
    expiration = rule.get("Expiration", {})
    names = {
        "Date": "ExpirationDate",
        "Days": "ExpirationInDays",
        "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
    }
    read: Json = {"Status": rule["Status"], **_read_filter(rule.get("Filter", {}))}
    read |= {names[name]: _date(value) for name, value in expiration.items() if name in names}
    if "ID" in rule:
        read["Id"] = rule["ID"]
    for name, renames in (("Transitions", _TRANSITION), ("NoncurrentVersionTransitions", _NONCURRENT_TRANSITION)):
        if rule.get(name):
            items = [_renamed(item, _reversed(renames)) for item in rule[name]]
            read[name] = [{member: _date(value) for member, value in item.items()} for item in items]
    for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if name in rule:
            read[name] = rule[name]
    return read


def _date(value: Any) -> Any:
    """Return a time as the schema of a bucket has it."""
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value


# Logging

_LOGGING = {"DestinationBucketName": "TargetBucket", "LogFilePrefix": "TargetPrefix"}


def _apply_logging(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    value = desired.get("LoggingConfiguration")
    if value == previous.get("LoggingConfiguration"):
        return
    # Without a name the bucket logs into itself, and without a prefix the API takes an empty one.
    enabled = {"TargetBucket": key["Bucket"], "TargetPrefix": "", **_renamed(value or {}, _LOGGING)}
    status = {} if value is None else {"LoggingEnabled": enabled}
    calls.invoke("PutBucketLogging", {**key, "BucketLoggingStatus": status}, missing_is="InvalidRequest")


def _read_logging(calls: Calls, key: Json) -> Json:
    enabled = (calls.find("GetBucketLogging", key) or {}).get("LoggingEnabled")
    if enabled is None:
        return {}
    read = _renamed(enabled, _reversed(_LOGGING))
    return {"LoggingConfiguration": {name: value for name, value in read.items() if value != ""}}


# CORS and websites

_CORS = {"ExposedHeaders": "ExposeHeaders", "Id": "ID", "MaxAge": "MaxAgeSeconds"}
_ROUTING = {"RedirectRule": "Redirect", "RoutingRuleCondition": "Condition"}


def _cors(value: Json) -> Json:
    return {"CORSConfiguration": {"CORSRules": [_renamed(rule, _CORS) for rule in value["CorsRules"]]}}


def _read_cors(answer: Json) -> Json:
    return {"CorsRules": [_renamed(rule, _reversed(_CORS)) for rule in answer["CORSRules"]]}


def _website(value: Json) -> Json:
    website = {**value}
    if "IndexDocument" in website:
        website["IndexDocument"] = {"Suffix": website["IndexDocument"]}
    if "ErrorDocument" in website:
        website["ErrorDocument"] = {"Key": website["ErrorDocument"]}
    if "RoutingRules" in website:
        website["RoutingRules"] = [_renamed(rule, _ROUTING) for rule in website["RoutingRules"]]
    return {"WebsiteConfiguration": website}


def _read_website(answer: Json) -> Json:
    website = {**answer}
    if "IndexDocument" in website:
        website["IndexDocument"] = website["IndexDocument"]["Suffix"]
    if "ErrorDocument" in website:
        website["ErrorDocument"] = website["ErrorDocument"]["Key"]
    if "RoutingRules" in website:
        website["RoutingRules"] = [_renamed(rule, _reversed(_ROUTING)) for rule in website["RoutingRules"]]
    return website


# Notifications

_TARGETS = {
    "LambdaConfigurations": ("LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
    "QueueConfigurations": ("QueueConfigurations", "Queue", "QueueArn"),
    "TopicConfigurations": ("TopicConfigurations", "Topic", "TopicArn"),
}


def _notifications(value: Json) -> Json:
    configuration: Json = {}
    for name, (member, property_name, arn_member) in _TARGETS.items():
        for target in value.get(name, ()):
            request: Json = {arn_member: target[property_name], "Events": [target["Event"]]}
            if "Filter" in target:
                request["Filter"] = {"Key": {"FilterRules": target["Filter"]["S3Key"]["Rules"]}}
            configuration.setdefault(member, []).append(request)
    bridge = value.get("EventBridgeConfiguration")
    if bridge is not None and bridge.get("EventBridgeEnabled", True):
        configuration["EventBridgeConfiguration"] = {}
    return {"NotificationConfiguration": configuration}


def _read_notifications(answer: Json) -> Json | None:
    read: Json = {}
    for name, (member, property_name, arn_member) in _TARGETS.items():
        for target in answer.get(member, ()):
            for event in target["Events"]:
                item = {property_name: target[arn_member], "Event": event}
                if rules := target.get("Filter", {}).get("Key", {}).get("FilterRules"):
                    item["Filter"] = {"S3Key": {"Rules": rules}}
                read.setdefault(name, []).append(item)
    if "EventBridgeConfiguration" in answer:
        read["EventBridgeConfiguration"] = {"EventBridgeEnabled": True}
    return read or None


# Replication


def _replication(value: Json) -> Json:
    rules = []
    for rule in value["Rules"]:
        request = _renamed(rule, {"Id": "ID"})
        if "Filter" in request:
            request["Filter"] = _replication_filter(request["Filter"], {"TagFilter": "Tag", "TagFilters": "Tags"})
        rules.append(request)
    return {"ReplicationConfiguration": {"Role": value["Role"], "Rules": rules}}


def _replication_filter(value: Json, names: Mapping[str, str]) -> Json:
    renamed = _renamed(value, names)
    return {**renamed, **({"And": _renamed(renamed["And"], names)} if "And" in renamed else {})}


def _read_replication(answer: Json) -> Json:
    found, rules = answer["ReplicationConfiguration"], []
    for rule in found["Rules"]:
        read = _renamed(rule, {"ID": "Id"})
        if "Filter" in read:
            read["Filter"] = _replication_filter(read["Filter"], {"Tag": "TagFilter", "Tags": "TagFilters"})
        rules.append(read)
    return {"Role": found["Role"], "Rules": rules}


# Object lock, and what is written as one word


def _apply_object_lock(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    names = ("ObjectLockEnabled", "ObjectLockConfiguration")
    if all(previous.get(name) == desired.get(name) for name in names):
        return
    configuration = desired.get("ObjectLockConfiguration")
    if configuration is None and not previous and desired.get("ObjectLockEnabled"):
        return  # the create call has done it
    enabled = {"ObjectLockEnabled": "Enabled", **(configuration or {})}
    calls.invoke(
        "PutObjectLockConfiguration", {**key, "ObjectLockConfiguration": enabled}, missing_is="InvalidRequest"
    )


def _read_object_lock(calls: Calls, key: Json) -> Json:
    found = (calls.find("GetObjectLockConfiguration", key) or {}).get("ObjectLockConfiguration")
    if found is None:
        return {}
    return {"ObjectLockEnabled": True, **({"ObjectLockConfiguration": found} if "Rule" in found else {})}


def _apply_acl(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    before, after = (_canned_acl(state.get("AccessControl", "Private")) for state in (previous, desired))
    # A bucket whose owner owns every object takes no ACL, and needs none to be private.
    if before != after:
        calls.invoke("PutBucketAcl", {**key, "ACL": after})


def _canned_acl(value: str) -> str:
    """Return the API's name of a canned ACL: AwsExecRead is aws-exec-read.

    S3 ignores the two that give the owner of a bucket access to its objects (user guide, "Canned ACL").
    """
    return "private" if value.startswith("BucketOwner") else re.sub(r"(?<!^)(?=[A-Z])", "-", value).lower()


def _wrapped(member: str, renames: Mapping[str, str] | None = None) -> Any:
    """Return a request that sends a property as one member, with some of its own members renamed."""
    return lambda value: {member: _renamed(value, renames or {})}


_BUCKET_TYPE = ServiceType(
    "s3",
    key=named_by("Bucket"),
    name=GeneratedName("BucketName", 63, "A-Za-z0-9-", lower=True),
    create="CreateBucket",
    create_request=_create_bucket,
    is_taken=lambda calls, desired: calls.find("HeadBucket", {"Bucket": desired["BucketName"]}) is not None,
    describe_after_create=False,
    describe=_describe_bucket,
    derived=_addresses,
    parts=(
        Setting(
            "OwnershipControls",
            put="PutBucketOwnershipControls",
            get="GetBucketOwnershipControls",
            delete="DeleteBucketOwnershipControls",
            in_create=True,
        ),
        Setting(
            "PublicAccessBlockConfiguration",
            put="PutPublicAccessBlock",
            get="GetPublicAccessBlock",
            delete="DeletePublicAccessBlock",
        ),
        Hook(_apply_acl),
        Setting(
            "VersioningConfiguration",
            put="PutBucketVersioning",
            get="GetBucketVersioning",
            answer=lambda answer: {"Status": answer["Status"]} if "Status" in answer else None,
            default={"Status": "Suspended"},
        ),
        Setting(
            "BucketEncryption",
            put="PutBucketEncryption",
            get="GetBucketEncryption",
            delete="DeleteBucketEncryption",
            request=_encryption,
            answer=_read_encryption,
        ),
        Hook(_apply_object_lock, _read_object_lock),
        Setting(
            "LifecycleConfiguration",
            put="PutBucketLifecycleConfiguration",
            get="GetBucketLifecycleConfiguration",
            delete="DeleteBucketLifecycle",
            request=_lifecycle,
            answer=_read_lifecycle,
        ),
        Hook(_apply_logging, _read_logging),
        Setting(
            "CorsConfiguration",
            put="PutBucketCors",
            get="GetBucketCors",
            delete="DeleteBucketCors",
            request=_cors,
            answer=_read_cors,
        ),
        Setting(
            "WebsiteConfiguration",
            put="PutBucketWebsite",
            get="GetBucketWebsite",
            delete="DeleteBucketWebsite",
            request=_website,
            answer=_read_website,
        ),
        Setting(
            "NotificationConfiguration",
            put="PutBucketNotificationConfiguration",
            get="GetBucketNotificationConfiguration",
            request=_notifications,
            answer=_read_notifications,
            default={},
        ),
        Setting(
            "AccelerateConfiguration",
            put="PutBucketAccelerateConfiguration",
            get="GetBucketAccelerateConfiguration",
            request=_wrapped("AccelerateConfiguration", {"AccelerationStatus": "Status"}),
            answer=lambda answer: {"AccelerationStatus": answer["Status"]} if "Status" in answer else None,
            default={"AccelerationStatus": "Suspended"},
        ),
        Setting(
            "ReplicationConfiguration",
            put="PutBucketReplication",
            get="GetBucketReplication",
            delete="DeleteBucketReplication",
            request=_replication,
            answer=_read_replication,
        ),
    ),
    tags=Tags(
        # No caller of PutBucketTagging can write CloudFormation's own tags.
        "TagResources",
        "UntagResources",
        "GetBucketTagging",
        service="resourcegroupstaggingapi",
        target=lambda _key, model: {"ResourceARNList": [model["Arn"]]},
        list_target=lambda key, _model: key,
        in_create="",
        answer_member="TagSet",
        written_as_map=True,
    ),
    delete="DeleteBucket",
    list=lambda calls, _filters: (
        {"BucketName": bucket["Name"]} for bucket in calls.items("ListBuckets", {}, "Buckets")
    ),
    not_applied=(
        "AbacStatus",
        "AnalyticsConfigurations",
        "BucketNamePrefix",
        "BucketNamespace",
        "IntelligentTieringConfigurations",
        "InventoryConfigurations",
        "MetadataConfiguration",
        "MetadataTableConfiguration",
        "MetricsConfigurations",
        "ObjectLockConfiguration.Rule.DefaultRetention.DefaultEventHold",
    ),
)

# Bucket policies


def _describe_policy(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetBucketPolicy", key)
    return None if answer is None else {"PolicyDocument": parsed(answer["Policy"])}


_BUCKET_POLICY_TYPE = ServiceType(
    "s3",
    key=named_by("Bucket"),
    is_taken=lambda calls, desired: _describe_policy(calls, desired, {}) is not None,
    describe=_describe_policy,
    describe_after_create=False,
    parts=(Setting("PolicyDocument", put="PutBucketPolicy", request=lambda value: {"Policy": document(value)}),),
    delete="DeleteBucketPolicy",
)

TYPES: dict[str, ServiceType] = {
    "AWS::S3::Bucket": _BUCKET_TYPE,
    "AWS::S3::BucketPolicy": _BUCKET_POLICY_TYPE,
}
