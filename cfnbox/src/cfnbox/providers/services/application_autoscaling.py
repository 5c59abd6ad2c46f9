"""Types of Application Auto Scaling. Sources: botocore's service model, and the template reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.providers.services.uniform import UniformTags, UniformType

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.services.uniform import ExtraCalls


def _target_key(identifier: str) -> Json:
    parts = [*identifier.split("|"), "", ""][:3]
    return dict(zip(("ResourceId", "ScalableDimension", "ServiceNamespace"), parts, strict=True))


def _described_target(members: Json) -> Json:
    names = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return {**members, "Id": "|".join(str(members[name]) for name in names)}


def _scheduled_actions(previous: Json, desired: Json) -> ExtraCalls:
    """The scheduled actions of a scalable target are resources of their own to the API."""
    before, after = (
        {
            action["ScheduledActionName"]: {**_target_of(state), **action}
            for action in state.get("ScheduledActions", ())
        }
        for state in (previous, desired)
    )
    put = [("PutScheduledAction", action) for name, action in after.items() if before.get(name) != action]
    return put + [("DeleteScheduledAction", action) for name, action in before.items() if name not in after]


def _target_of(members: Json) -> Json:
    return {name: members[name] for name in ("ResourceId", "ScalableDimension", "ServiceNamespace")}


def _policy_key(identifier: str) -> Json:
    """An identifier is ARN and dimension; the ARN ends with :resource/NAMESPACE/RESOURCE:policyName/NAME."""
    arn, _, dimension = identifier.partition("|")
    resource, _, name = arn.partition(":resource/")[2].partition(":policyName/")
    namespace, _, resource_id = resource.partition("/")
    return {
        "PolicyName": name,
        "ServiceNamespace": namespace,
        "ResourceId": resource_id,
        "ScalableDimension": dimension,
    }


def _policy(members: Json) -> Json:
    """ScalingTargetId is what Ref of a scalable target returns, and stands for its three names."""
    target = members.get("ScalingTargetId")
    return {**members, **(_target_key(target) if target else {})}


_TAGS = UniformTags(
    "TagResource", "UntagResource", "ListTagsForResource", "ResourceARN", is_map=True, takes_system_tags=True
)
_SCALING: dict[str, Any] = {"service": "application-autoscaling", "create_overwrites": True, "tags": _TAGS}

_SCALABLE_TARGET = UniformType(
    "ScalableTarget",
    **_SCALING,
    arn="ScalableTargetARN",
    create="RegisterScalableTarget",
    update="RegisterScalableTarget",
    delete="DeregisterScalableTarget",
    describe="DescribeScalableTargets",
    answer_member="ScalableTargets",
    key_from_identifier=_target_key,
    describe_request=lambda key: {
        "ServiceNamespace": key["ServiceNamespace"],
        "ScalableDimension": key["ScalableDimension"],
        "ResourceIds": [key["ResourceId"]],
    },
    parse_description=_described_target,
    extra_calls=_scheduled_actions,
    update_request=lambda _previous, now: now,
)

TYPES: dict[str, UniformType] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _SCALABLE_TARGET,
    "AWS::ApplicationAutoScaling::ScalingPolicy": UniformType(
        "ScalingPolicy",
        **_SCALING,
        create="PutScalingPolicy",
        update="PutScalingPolicy",
        delete="DeleteScalingPolicy",
        describe="DescribeScalingPolicies",
        answer_member="ScalingPolicies",
        arn="PolicyARN",
        ref="Arn",
        required_parent=_SCALABLE_TARGET,
        key_from_identifier=_policy_key,
        describe_request=lambda key: {
            "ServiceNamespace": key["ServiceNamespace"],
            "ScalableDimension": key["ScalableDimension"],
            "ResourceId": key["ResourceId"],
            "PolicyNames": [key["PolicyName"]],
        },
        create_request=_policy,
        update_request=lambda _previous, now: _policy(now),
    ),
}
