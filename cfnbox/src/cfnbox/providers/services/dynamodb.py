"""Types of DynamoDB. Sources: botocore's service model; the template reference for defaults and update rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, Setting, document
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, named_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls

_INDEXES = "GlobalSecondaryIndexes"
_IN_CREATE = (
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    _INDEXES,
    "KeySchema",
    "LocalSecondaryIndexes",
    "OnDemandThroughput",
    "ProvisionedThroughput",
    "TableClass",
    "TableName",
    "WarmThroughput",
)


def _create_request(properties: Json, _place: Place) -> Json:
    members = {name: properties[name] for name in _IN_CREATE if name in properties}
    # The API's own default is another one than the type's.
    members.setdefault("BillingMode", "PROVISIONED")
    if _INDEXES in members:
        members[_INDEXES] = [_kept_index(index) for index in members[_INDEXES]]
    if "SSESpecification" in properties:
        members["SSESpecification"] = _encryption(properties["SSESpecification"])
    if "StreamSpecification" in properties:
        members["StreamSpecification"] = _stream(properties["StreamSpecification"])
    return members


def _kept_index(index: Json) -> Json:
    """Return an index without what the service here keeps at a creation alone."""
    return {name: value for name, value in index.items() if name not in ("OnDemandThroughput", "WarmThroughput")}


def _encryption(value: Json) -> Json:
    return {
        "Enabled": value.get("SSEEnabled"),
        **{name: part for name, part in value.items() if name != "SSEEnabled"},
    }


def _stream(value: Json) -> Json:
    return {"StreamEnabled": True, "StreamViewType": value["StreamViewType"]}


def _described_table(table: Json) -> Json:
    model: Json = {**table, "Arn": table["TableArn"], "StreamArn": table.get("LatestStreamArn")}
    model.pop("WarmThroughput", None)
    model["BillingMode"] = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    model["TableClass"] = table.get("TableClassSummary", {}).get("TableClass")
    stream = table.get("StreamSpecification") or {}
    model["StreamSpecification"] = stream if stream.get("StreamEnabled") else None
    encryption = table.get("SSEDescription")
    if encryption:
        model["SSESpecification"] = {
            "SSEEnabled": encryption.get("Status") == "ENABLED",
            **{
                name: encryption[source]
                for name, source in (("SSEType", "SSEType"), ("KMSMasterKeyId", "KMSMasterKeyArn"))
                if encryption.get(source)
            },
        }
    if model["BillingMode"] == "PAY_PER_REQUEST":
        model.pop("ProvisionedThroughput", None)
        model[_INDEXES] = [_without_throughput(index) for index in table.get(_INDEXES) or ()]
    return model


def _without_throughput(index: Json) -> Json:
    return {name: value for name, value in index.items() if name != "ProvisionedThroughput"}


def _describe_table(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("DescribeTable", key)
    return None if answer is None else _described_table(answer["Table"])


def _apply_throughput(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    names = ("BillingMode", "ProvisionedThroughput")
    if any(previous.get(name) != desired.get(name) for name in names):
        members = {name: desired[name] for name in names if name in desired}
        calls.invoke("UpdateTable", {**key, "BillingMode": "PROVISIONED", **members}, missing_is="InvalidRequest")


def _apply_indexes(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Make one call for each index, because UpdateTable creates or deletes one at a time."""
    before, after = (
        {index["IndexName"]: index for index in state.get(_INDEXES) or ()} for state in (previous, desired)
    )
    changes: list[Json] = [{"Delete": {"IndexName": name}} for name in before if name not in after]
    for name, index in after.items():
        if name not in before:
            changes.append({"Create": _kept_index(index)})
        elif before[name].get("ProvisionedThroughput") != index.get("ProvisionedThroughput"):
            changes.append({"Update": {name: index[name] for name in ("IndexName", "ProvisionedThroughput")}})
    for change in changes:
        attributes = {"AttributeDefinitions": desired["AttributeDefinitions"]} if "Create" in change else {}
        members = {**key, **attributes, "GlobalSecondaryIndexUpdates": [change]}
        calls.invoke("UpdateTable", members, missing_is="InvalidRequest")


def _apply_stream(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Switch a stream off and on again for another view, as UpdateTable requires."""
    before, after = (state.get("StreamSpecification") for state in (previous, desired))
    if before == after:
        return
    if before:
        calls.invoke("UpdateTable", {**key, "StreamSpecification": {"StreamEnabled": False}})
    if after:
        calls.invoke("UpdateTable", {**key, "StreamSpecification": _stream(after)})


def _table_setting(name: str, default: Any, request: Any = None) -> Setting:
    return Setting(name, put="UpdateTable", default=default, request=request, in_create=True)


def _apply_expiry(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Switch the expiry of items off before another attribute has it, as UpdateTimeToLive requires."""
    name = "TimeToLiveSpecification"
    before, after = previous.get(name), desired.get(name)
    if before == after:
        return
    is_other = not after or after.get("AttributeName") != (before or {}).get("AttributeName")
    if before and before.get("Enabled") and is_other:
        calls.invoke("UpdateTimeToLive", {**key, name: {**before, "Enabled": False}})
    if after and (after.get("Enabled") or (before and not is_other)):
        calls.invoke("UpdateTimeToLive", {**key, name: after})


def _expiry(calls: Calls, key: Json) -> Json:
    answer = (calls.find("DescribeTimeToLive", key) or {}).get("TimeToLiveDescription", {})
    if answer.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        return {}
    return {"TimeToLiveSpecification": {"AttributeName": answer["AttributeName"], "Enabled": True}}


def _recovery(answer: Json) -> Json | None:
    found = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if found.get("PointInTimeRecoveryStatus") != "ENABLED":
        return None
    days = {name: found[name] for name in ("RecoveryPeriodInDays",) if name in found}
    return {"PointInTimeRecoveryEnabled": True, **days}


def _apply_insights(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    name = "ContributorInsightsSpecification"
    before, after = previous.get(name), desired.get(name)
    if before == after:
        return
    is_on = bool(after and after.get("Enabled"))
    mode = {"ContributorInsightsMode": after["Mode"]} if after and "Mode" in after else {}
    action = "ENABLE" if is_on else "DISABLE"
    calls.invoke("UpdateContributorInsights", {**key, "ContributorInsightsAction": action, **mode})


def _insights(calls: Calls, key: Json) -> Json:
    answer = calls.find("DescribeContributorInsights", key) or {}
    if answer.get("ContributorInsightsStatus") not in ("ENABLED", "ENABLING"):
        return {}
    mode = {"Mode": answer["ContributorInsightsMode"]} if "ContributorInsightsMode" in answer else {}
    return {"ContributorInsightsSpecification": {"Enabled": True, **mode}}


def _apply_destination(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    name, precision = "KinesisStreamSpecification", "ApproximateCreationDateTimePrecision"
    before, after = previous.get(name), desired.get(name)
    if before == after:
        return
    if before:
        calls.invoke("DisableKinesisStreamingDestination", {**key, "StreamArn": before["StreamArn"]})
    if after:
        settings = {name: after[name] for name in (precision,) if name in after}
        members = {"StreamArn": after["StreamArn"], "EnableKinesisStreamingConfiguration": settings}
        calls.invoke("EnableKinesisStreamingDestination", {**key, **members}, missing_is="InvalidRequest")


def _destination(calls: Calls, key: Json) -> Json:
    answer = calls.find("DescribeKinesisStreamingDestination", key) or {}
    active = ("ACTIVE", "ENABLING", "UPDATING")
    for found in answer.get("KinesisDataStreamDestinations", ()):
        if found.get("DestinationStatus") in active:
            return {"KinesisStreamSpecification": found}
    return {}


def _by_arn(calls: Calls, key: Json) -> Json:
    answer = calls.find("DescribeTable", key) or {}
    return {"ResourceArn": answer.get("Table", {}).get("TableArn", "")}


def _apply_policy(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    before, after = (state.get("ResourcePolicy") for state in (previous, desired))
    if before == after:
        return
    target = _by_arn(calls, key)
    if after:
        calls.invoke("PutResourcePolicy", {**target, "Policy": document(after["PolicyDocument"])})
    else:
        calls.invoke("DeleteResourcePolicy", target)


def _policy(calls: Calls, key: Json) -> Json:
    answer = calls.find("GetResourcePolicy", _by_arn(calls, key))
    return {"ResourcePolicy": {"PolicyDocument": parsed(answer["Policy"])}} if answer else {}


_TABLE_TYPE = ServiceType(
    "dynamodb",
    key=named_by("TableName"),
    name=GeneratedName("TableName", 255, "A-Za-z0-9_.-"),
    create="CreateTable",
    create_request=_create_request,
    create_answer=lambda answer: _described_table(answer["TableDescription"]),
    describe=_describe_table,
    is_settled=lambda table: table.get("TableStatus", "ACTIVE") == "ACTIVE",
    parts=(
        Hook(_apply_indexes, in_create=True),
        Hook(_apply_throughput, in_create=True),
        Hook(_apply_stream, in_create=True),
        _table_setting(
            "SSESpecification",
            {"SSEEnabled": False},
            lambda value: {"SSESpecification": _encryption(value)},
        ),
        _table_setting("DeletionProtectionEnabled", default=False),
        _table_setting("TableClass", "STANDARD"),
        _table_setting("OnDemandThroughput", {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}),
        Hook(_apply_expiry, _expiry),
        Setting(
            "PointInTimeRecoverySpecification",
            put="UpdateContinuousBackups",
            get="DescribeContinuousBackups",
            answer=_recovery,
            default={"PointInTimeRecoveryEnabled": False},
        ),
        Hook(_apply_insights, _insights),
        Hook(_apply_destination, _destination),
        Hook(_apply_policy, _policy),
    ),
    tags=Tags(
        "TagResource",
        "UntagResource",
        "ListTagsOfResource",
        target=lambda _key, model: {"ResourceArn": model["Arn"]},
    ),
    delete="DeleteTable",
    list=lambda calls, _filters: ({"TableName": name} for name in calls.items("ListTables", {}, "TableNames")),
    not_applied=(
        "ContributorInsightsSpecification.Mode",
        "GlobalSecondaryIndexes.*.ContributorInsightsSpecification",
        "GlobalSecondaryIndexes.*.OnDemandThroughput",
        "GlobalSecondaryIndexes.*.WarmThroughput",
        "ImportSourceSpecification",
        "PointInTimeRecoverySpecification.RecoveryPeriodInDays",
        "StreamSpecification.ResourcePolicy",
        "StreamSpecification.Tags",
        "VectorIndexes",
        "WarmThroughput",
    ),
)

TYPES: dict[str, ServiceType] = {"AWS::DynamoDB::Table": _TABLE_TYPE}
