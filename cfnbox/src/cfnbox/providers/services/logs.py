"""Types of CloudWatch Logs. Sources: botocore's service model; the template reference for Ref and Fn::GetAtt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.providers.services.parts import Setting
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, listed_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls

# The names of the API begin in lower case.
_MEMBERS = {
    "DeletionProtectionEnabled": "deletionProtectionEnabled",
    "KmsKeyId": "kmsKeyId",
    "LogGroupClass": "logGroupClass",
    "LogGroupName": "logGroupName",
}


def _arn(place: Place, model: Json) -> Json:
    """Return the ARN that Fn::GetAtt returns, with the end that stands for the streams."""
    name = model["LogGroupName"]
    return {"Arn": f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{name}:*"}


def _describe_group(calls: Calls, key: Json, _known: Json) -> Json | None:
    name = key["logGroupName"]
    for group in calls.items("DescribeLogGroups", {"logGroupNamePrefix": name}, "logGroups"):
        if group["logGroupName"] == name:
            return {
                **{property_name: group[member] for property_name, member in _MEMBERS.items() if member in group},
                **_arn(calls.request.place, {"LogGroupName": name}),
                "DeletionProtectionEnabled": group.get("deletionProtectionEnabled", False),
                "RetentionInDays": group.get("retentionInDays"),
            }
    return None


_GROUP_TYPE = ServiceType(
    "logs",
    key=lambda identifier: {"logGroupName": identifier, "logGroupIdentifier": identifier},
    name=GeneratedName("LogGroupName", 512, r"\w.\-/#"),
    create="CreateLogGroup",
    create_request=lambda properties, _place: {
        member: properties[name] for name, member in _MEMBERS.items() if name in properties
    },
    create_answer=lambda _answer: {},
    describe=_describe_group,
    derived=_arn,
    describe_after_create=False,
    parts=(
        Setting(
            "DeletionProtectionEnabled",
            put="PutLogGroupDeletionProtection",
            request=lambda is_protected: {"deletionProtectionEnabled": is_protected},
            default=False,
            in_create=True,
        ),
        Setting(
            "RetentionInDays",
            put="PutRetentionPolicy",
            delete="DeleteRetentionPolicy",
            request=lambda days: {"retentionInDays": days},
        ),
    ),
    tags=Tags(
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
        target=lambda _key, model: {"resourceArn": model["Arn"].removesuffix(":*")},
        in_create="tags",
        tags_member="tags",
        keys_member="tagKeys",
        answer_member="tags",
        written_as_map=True,
        read_as_map=True,
    ),
    delete="DeleteLogGroup",
    list=listed_by("DescribeLogGroups", "logGroups", {"logGroupName": "LogGroupName"}),
    not_applied=(
        "BearerTokenAuthenticationEnabled",
        "DataProtectionPolicy",
        "FieldIndexPolicies",
        "ResourcePolicyDocument",
    ),
)

TYPES: dict[str, ServiceType] = {"AWS::Logs::LogGroup": _GROUP_TYPE}
