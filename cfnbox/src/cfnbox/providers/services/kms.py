"""Types of KMS. Sources: botocore's service model; the template reference for Ref, defaults and deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.providers.protocol import ResourceFailed
from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, Setting, Update, document
from cfnbox.providers.services.service_type import ServiceType, Tags, listed_by, named_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.services.calls import Calls

_DEFAULT_WINDOW_DAYS = 30

# Keys


def _key_request(properties: Json) -> Json:
    names = ("BypassPolicyLockoutSafetyCheck", "Description", "KeySpec", "KeyUsage", "MultiRegion", "Origin")
    members = {name: properties[name] for name in names if name in properties}
    policy = {"Policy": document(properties["KeyPolicy"])} if "KeyPolicy" in properties else {}
    return {**members, **policy}


def _describe_key(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("DescribeKey", key)
    if answer is None or answer["KeyMetadata"]["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        return None
    return dict(answer["KeyMetadata"])


def _apply_rotation(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    names = ("EnableKeyRotation", "RotationPeriodInDays")
    if all(previous.get(name) == desired.get(name) for name in names):
        return
    if desired.get("EnableKeyRotation"):
        period = {name: desired[name] for name in ("RotationPeriodInDays",) if name in desired}
        calls.invoke("EnableKeyRotation", {**key, **period})
    elif previous.get("EnableKeyRotation"):
        calls.invoke("DisableKeyRotation", key)


def _rotation(calls: Calls, key: Json) -> Json:
    try:
        answer = calls.find("GetKeyRotationStatus", key) or {}
    except ResourceFailed:
        # KMS refuses the question for keys that it cannot rotate: asymmetric ones, and those of HMAC.
        return {}
    return {"EnableKeyRotation": bool(answer.get("KeyRotationEnabled"))}


def _apply_enabled(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    before, after = previous.get("Enabled", True), desired.get("Enabled", True)
    if before != after:
        calls.invoke("EnableKey" if after else "DisableKey", key)


_KEY_TYPE = ServiceType(
    "kms",
    key=named_by("KeyId"),
    create="CreateKey",
    create_request=lambda properties, _place: _key_request(properties),
    create_answer=lambda answer: {name: answer["KeyMetadata"][name] for name in ("Arn", "KeyId")},
    describe=_describe_key,
    describe_after_create=False,
    parts=(
        Setting(
            "KeyPolicy",
            put="PutKeyPolicy",
            get="GetKeyPolicy",
            request=lambda value: {"PolicyName": "default", "Policy": document(value)},
            answer=lambda answer: parsed(answer["Policy"]),
            in_create=True,
        ),
        Update("UpdateKeyDescription", ("Description",), defaults={"Description": ""}),
        Hook(_apply_rotation, _rotation),
        # Last: a disabled key takes no other change.
        Hook(_apply_enabled),
    ),
    tags=Tags("TagResource", "UntagResource", "ListResourceTags", key_name="TagKey", value_name="TagValue"),
    delete="ScheduleKeyDeletion",
    delete_request=lambda previous: {
        "PendingWindowInDays": previous.get("PendingWindowInDays", _DEFAULT_WINDOW_DAYS)
    },
    list=listed_by("ListKeys", "Keys", {"KeyId": "KeyId"}),
)

# Aliases


def _describe_alias(calls: Calls, key: Json, known: Json) -> Json | None:
    for alias in calls.items("ListAliases", {}, "Aliases"):
        if alias["AliasName"] == key["AliasName"]:
            target, named = alias.get("TargetKeyId"), str(known.get("TargetKeyId", ""))
            # A template may name the key by its ARN.
            return {**alias, "TargetKeyId": named if named.endswith(f"/{target}") else target}
    return None


_ALIAS_TYPE = ServiceType(
    "kms",
    key=named_by("AliasName"),
    create="CreateAlias",
    describe=_describe_alias,
    describe_after_create=False,
    parts=(Update("UpdateAlias", ("TargetKeyId",)),),
    delete="DeleteAlias",
    list=listed_by("ListAliases", "Aliases", {"AliasName": "AliasName"}),
)

TYPES: dict[str, ServiceType] = {"AWS::KMS::Alias": _ALIAS_TYPE, "AWS::KMS::Key": _KEY_TYPE}
