"""Endpoints scaled by Application Auto Scaling's API, as boto3 sees it at the same address."""

from __future__ import annotations

from typing import Any

import pytest

from cfnbox.providers.protocol import ResourceFailed
from providers.provider_requests import SYSTEM_TAGS, request
from providers.service_samples import POLICY, ROLE, TARGET, Types

TARGET_PROPERTIES = {
    "ResourceId": "endpoint/e/variant/all",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    "ServiceNamespace": "sagemaker",
    "MinCapacity": 1,
    "MaxCapacity": 4,
    "RoleARN": ROLE,
}


def policy(target: str) -> dict[str, Any]:
    return {
        "PolicyName": "invocations",
        "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": target,
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": 70,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
    }


def test_a_variant_is_scaled(types: Types, sagemaker: Any, connect: Any) -> None:
    scaling = connect("application-autoscaling")
    target = types.create(TARGET, TARGET_PROPERTIES)
    assert target.physical_id == "endpoint/e/variant/all|sagemaker:variant:DesiredInstanceCount|sagemaker"
    assert target.attributes == {"Id": target.physical_id}
    assert types.has_no_drift(TARGET, target, TARGET_PROPERTIES)
    with pytest.raises(ResourceFailed, match="already exists"):
        types.create(TARGET, TARGET_PROPERTIES)
    made = types.create(POLICY, policy(target.physical_id))
    assert made.physical_id == made.attributes["Arn"]
    (described,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert described["PolicyARN"] == made.physical_id
    assert types.has_no_drift(POLICY, made, policy(target.physical_id))
    with pytest.raises(ResourceFailed, match="'invocations' already exists"):
        types.create(POLICY, policy(target.physical_id))
    wider = {**TARGET_PROPERTIES, "MaxCapacity": 8}
    types.update(TARGET, target, TARGET_PROPERTIES, wider)
    (described,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert described["MaxCapacity"] == 8
    definition = types.definition(POLICY)
    listed, _ = types.provider.list(definition, request(), {"ServiceNamespace": "sagemaker"}, None)
    assert [definition.identifier(one) for one in listed] == [made.identifier]
    with pytest.raises(ResourceFailed, match="needs ServiceNamespace"):
        types.provider.list(definition, request(), {}, None)
    types.delete(POLICY, made)
    types.delete(TARGET, target)
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def test_scheduled_actions_are_added_to_and_removed_from_their_target(types: Types, connect: Any) -> None:
    scaling = connect("application-autoscaling")

    def scheduled() -> dict[str, str]:
        found = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
        return {one["ScheduledActionName"]: one["Schedule"] for one in found}

    def action(name: str, schedule: str) -> dict[str, Any]:
        return {
            "ScheduledActionName": name,
            "Schedule": schedule,
            "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 2},
        }

    first = {**TARGET_PROPERTIES, "ScheduledActions": [action("up", "rate(1 day)"), action("down", "rate(2 days)")]}
    target = types.create(TARGET, first)
    assert scheduled() == {"up": "rate(1 day)", "down": "rate(2 days)"}
    assert types.has_no_drift(TARGET, target, first)
    second = {**TARGET_PROPERTIES, "ScheduledActions": [action("up", "rate(3 days)")]}
    types.update(TARGET, target, first, second)
    assert scheduled() == {"up": "rate(3 days)"}
    types.delete(TARGET, target, second)
    assert scheduled() == {}


def test_a_policy_needs_its_target(types: Types) -> None:
    target = "endpoint/e/variant/all|sagemaker:variant:DesiredInstanceCount|sagemaker"
    with pytest.raises(ResourceFailed, match="No scalable target registered for service namespace: sagemaker"):
        types.create(POLICY, policy(target))


def test_copies_of_an_inference_component_are_scaled(types: Types, sagemaker: Any, connect: Any) -> None:
    scaling, namespace = connect("application-autoscaling"), {"ServiceNamespace": "sagemaker"}
    dimension = {"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"}
    copies = {**TARGET_PROPERTIES, "ResourceId": "inference-component/chat", **dimension}
    variant, component = types.create(TARGET, TARGET_PROPERTIES), types.create(TARGET, copies)
    assert (
        component.physical_id == "inference-component/chat|sagemaker:inference-component:DesiredCopyCount|sagemaker"
    )
    assert types.has_no_drift(TARGET, component, copies)
    made = types.create(POLICY, policy(component.physical_id))
    (target,) = scaling.describe_scalable_targets(**namespace, **dimension)["ScalableTargets"]
    assert (target["ResourceId"], target["MaxCapacity"]) == ("inference-component/chat", 4)
    (described,) = scaling.describe_scaling_policies(**namespace, **dimension)["ScalingPolicies"]
    assert (described["PolicyARN"], described["ResourceId"]) == (made.physical_id, "inference-component/chat")
    assert described["ScalableDimension"] == dimension["ScalableDimension"]
    of_variants = {"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
    (other,) = scaling.describe_scalable_targets(**namespace, **of_variants)["ScalableTargets"]
    assert other["ResourceId"] == "endpoint/e/variant/all"
    types.delete(POLICY, made)
    types.delete(TARGET, component)
    types.delete(TARGET, variant)
    assert scaling.describe_scalable_targets(**namespace)["ScalableTargets"] == []


def test_a_maximum_below_the_minimum_is_refused(types: Types, connect: Any) -> None:
    with pytest.raises(ResourceFailed, match="Maximum capacity cannot be less than minimum capacity"):
        types.create(TARGET, {**TARGET_PROPERTIES, "MinCapacity": 5})
    targets = connect("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    assert targets["ScalableTargets"] == []


def test_a_variant_on_burstable_instances_is_refused(types: Types, sagemaker: Any, connect: Any) -> None:
    client = connect("sagemaker")
    variant = {"VariantName": "all", "ModelName": "m", "InitialInstanceCount": 1}
    for name, instance_type in {"small": "ml.t2.medium", "large": "ml.m5.large"}.items():
        variants = [{**variant, "InstanceType": instance_type}]
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    client.create_endpoint(EndpointName="scaled", EndpointConfigName="small")
    desired = {**TARGET_PROPERTIES, "ResourceId": "endpoint/scaled/variant/all"}
    with pytest.raises(ResourceFailed, match=r"You cannot register a variant with ml\.t2\.medium instance type"):
        types.create(TARGET, desired)
    client.get_waiter("endpoint_in_service").wait(EndpointName="scaled")
    client.update_endpoint(EndpointName="scaled", EndpointConfigName="large")
    client.get_waiter("endpoint_in_service").wait(EndpointName="scaled")
    types.create(TARGET, desired)


def test_a_scalable_target_has_tags(types: Types, sagemaker: Any, connect: Any) -> None:
    scaling = connect("application-autoscaling")
    members = {name: value for name, value in TARGET_PROPERTIES.items() if name != "RoleARN"}
    arn = scaling.register_scalable_target(**members, Tags={"team": "churn", "old": "x"})["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=arn, Tags={"team": "other", "cost": "1"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["old"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "other", "cost": "1"}
    # To register it once more is an update, which leaves tags alone.
    assert scaling.register_scalable_target(**members)["ScalableTargetARN"] == arn
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "other", "cost": "1"}
    with pytest.raises(scaling.exceptions.TooManyTagsException):
        scaling.tag_resource(ResourceARN=arn, Tags={f"k{number}": "" for number in range(50)})
    names = ("ServiceNamespace", "ResourceId", "ScalableDimension")
    scaling.deregister_scalable_target(**{name: members[name] for name in names})
    with pytest.raises(scaling.exceptions.ResourceNotFoundException):
        scaling.list_tags_for_resource(ResourceARN=arn)


def test_tags_of_a_stack_reach_a_scalable_target(types: Types, sagemaker: Any, connect: Any) -> None:
    scaling = connect("application-autoscaling")
    tagged = {**TARGET_PROPERTIES, "Tags": [{"Key": "team", "Value": "churn"}]}
    target = types.create(TARGET, tagged, stack_tags={"cost": "1", "old": "x"}, system_tags=SYSTEM_TAGS)
    (found,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    arn = found["ScalableTargetARN"]
    expected = {"team": "churn", "cost": "1", "old": "x", **SYSTEM_TAGS}
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == expected
    types.update(TARGET, target, tagged, tagged, stack_tags={"cost": "2"},
                 previous_stack_tags={"cost": "1", "old": "x"}, system_tags=SYSTEM_TAGS)  # fmt: skip
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "churn", "cost": "2", **SYSTEM_TAGS}
    tags = types.read(TARGET, target.identifier).model["Tags"]
    assert sorted(tag["Key"] for tag in tags) == ["cost", "team"]
