"""Resources that are an API of SageMaker or Application Auto Scaling, as boto3 sees them at the same address."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from laptop.providers.properties import violations
from laptop.providers.protocol import Cancelled, Resource, ResourceFailed
from laptop.providers.service import ServiceProvider
from laptop.providers.service_types import TYPES
from laptop.sagemaker import store
from laptop.tests.providers.doubles import PLACE, SYSTEM_TAGS, Recorded, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from laptop.definition import TypeDefinition
    from laptop.providers.clients import ServiceClients
    from laptop.providers.published import PublishedTypes
    from laptop.tests.providers.conftest import Services

ROLE = "arn:aws:iam::123456789012:role/service-role/inference"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"
MODEL = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}
VARIANT = {"VariantName": "all", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.g6e.4xlarge"}
OUTPUT = {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
}
SERVERLESS = {
    "VariantName": "s",
    "ModelName": "m",
    "ServerlessConfig": {"MaxConcurrency": 5, "MemorySizeInMB": 2048},
}
ENDPOINT, CONFIG = "AWS::SageMaker::Endpoint", "AWS::SageMaker::EndpointConfig"
TARGET, POLICY = "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"


class Types:
    """The provider, with properties checked as the control plane does before it asks."""

    def __init__(self, provider: ServiceProvider) -> None:
        self.provider = provider

    def definition(self, type_name: str) -> TypeDefinition:
        found = self.provider.definition(type_name, PLACE)
        assert found
        return found

    def create(
        self, type_name: str, properties: dict[str, Any], progress: Recorded | None = None, **members: Any
    ) -> Resource:
        definition = self.definition(type_name)
        assert violations(definition, properties) == []
        return self.provider.create(definition, request(**members), properties, progress or Recorded())

    def update(
        self, type_name: str, resource: Resource, before: dict[str, Any], after: dict[str, Any], **members: Any
    ) -> Resource:
        definition = self.definition(type_name)
        assert violations(definition, after) == []
        return self.provider.update(definition, request(**members), resource, before, after, Recorded())

    def delete(self, type_name: str, resource: Resource, properties: dict[str, Any] | None = None) -> None:
        self.provider.delete(self.definition(type_name), request(), resource, properties or {}, Recorded())

    def read(self, type_name: str, identifier: str) -> Resource:
        return self.provider.read(self.definition(type_name), request(), identifier)

    def has_no_drift(self, type_name: str, resource: Resource, properties: dict[str, Any]) -> bool:
        definition, model = self.definition(type_name), self.read(type_name, resource.identifier).model
        return definition.changed(definition.explicitly_set(model, properties), properties) == []


@pytest.fixture
def tagged() -> list[tuple[str, dict[str, str]]]:
    return []


@pytest.fixture
def types(service_clients: ServiceClients, published: PublishedTypes, tagged: Any, url: str) -> Types:
    return Types(ServiceProvider(service_clients, published, lambda arn, tags: tagged.append((arn, dict(tags)))))


@pytest.fixture
def sagemaker(connect: Callable[..., Any], types: Types) -> Any:
    """A client of a SageMaker with the model `m`."""
    client = connect("sagemaker")
    client.create_model(ModelName="m", **MODEL)
    return client


def tags_of(client: Any, arn: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=arn)["Tags"]}


def test_every_row_is_a_published_type_with_operations_that_exist(types: Types, connect: Any) -> None:
    for name, row in TYPES.items():
        definition = types.definition(name)
        operations = connect(row.service).meta.service_model.operation_names
        kinds = ["Create", "Describe", "Delete", *([] if row.answer_member else ["List"])]
        changeable = definition.updatable and name not in (
            "AWS::SageMaker::Model", CONFIG, "AWS::SageMaker::ModelPackageGroup")  # fmt: skip
        wanted = [row.operation(kind) for kind in [*kinds, *(["Update"] if changeable else [])]]
        assert [one for one in wanted if one not in operations] == []


def test_a_model_without_a_registry_type_is_a_model(types: Types, sagemaker: Any) -> None:
    made = types.create("AWS::SageMaker::Model", MODEL)
    assert made.physical_id == made.attributes["ModelArn"]
    assert sagemaker.describe_model(ModelName=made.attributes["ModelName"])["ModelArn"] == made.physical_id
    assert types.has_no_drift("AWS::SageMaker::Model", made, MODEL)
    types.delete("AWS::SageMaker::Model", made)
    with pytest.raises(ClientError):
        sagemaker.describe_model(ModelName=made.attributes["ModelName"])


@pytest.mark.parametrize(
    "config",
    [
        {"ProductionVariants": [VARIANT]},
        {"ProductionVariants": [{**VARIANT, "InitialVariantWeight": 1, "InitialInstanceCount": "2"}]},
        {"ProductionVariants": [SERVERLESS]},
        {"ProductionVariants": [VARIANT], "AsyncInferenceConfig": OUTPUT},
        {"ProductionVariants": [VARIANT], "ShadowProductionVariants": [{**VARIANT, "VariantName": "shadow"}]},
        {"ProductionVariants": [VARIANT], "DataCaptureConfig": CAPTURE},
        {"ProductionVariants": [VARIANT, {**VARIANT, "VariantName": "other", "InitialVariantWeight": 0.5}]},
        {
            "ProductionVariants": [{k: v for k, v in VARIANT.items() if k != "ModelName"}],
            "ExecutionRoleArn": ROLE,
        },
    ],
    ids=["real-time", "text", "serverless", "async", "shadow", "capture", "two variants", "without model"],
)
def test_endpoint_configurations_of_every_kind_have_endpoints(
    types: Types, sagemaker: Any, config: dict[str, Any]
) -> None:
    made = types.create(CONFIG, config, stack_tags={"team": "ml"})
    name = made.attributes["EndpointConfigName"]
    assert (
        made.physical_id
        == made.attributes["Id"]
        == f"arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/{name}"
    )
    assert name.startswith("EndpointConfig-")
    described = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert len(described["ProductionVariants"]) == len(config["ProductionVariants"])
    assert tags_of(sagemaker, made.physical_id) == {"team": "ml"}
    if config["ProductionVariants"][0].get("InitialInstanceCount") != "2":
        assert types.has_no_drift(CONFIG, made, config)
    endpoint = types.create(ENDPOINT, {"EndpointConfigName": name})
    assert (
        sagemaker.describe_endpoint(EndpointName=endpoint.attributes["EndpointName"])["EndpointStatus"] == "InService"
    )
    types.delete(ENDPOINT, endpoint)
    types.delete(CONFIG, made)
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == sagemaker.list_endpoints()["Endpoints"] == []


def test_an_endpoint_is_told_before_it_is_waited_for(
    types: Types, sagemaker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    types.create(CONFIG, {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]})
    monkeypatch.setattr(store, "SETTLING_SECONDS", store.NEVER)
    progress = Recorded(patience=5)
    with pytest.raises(Cancelled):
        types.create(ENDPOINT, {"EndpointName": "e", "EndpointConfigName": "c"}, progress)
    assert [one.physical_id for one in progress.identities] == ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"]
    assert progress.identities[0].attributes["EndpointName"] == "e"
    assert progress.waits == sorted(progress.waits)
    assert progress.waits[-1] == 1


def test_an_endpoint_is_brought_to_another_configuration_in_place(
    types: Types, sagemaker: Any, tagged: list[Any]
) -> None:
    for name in ("c1", "c2"):
        types.create(CONFIG, {"EndpointConfigName": name, "ProductionVariants": [VARIANT]})
    first = {"EndpointConfigName": "c1", "Tags": [{"Key": "own", "Value": "1"}, {"Key": "stays", "Value": "1"}]}
    made = types.create(ENDPOINT, first, stack_tags={"stack": "1"}, system_tags=SYSTEM_TAGS)
    second = {
        "EndpointConfigName": "c2",
        "RetainAllVariantProperties": True,
        "Tags": [{"Key": "own", "Value": "2"}, {"Key": "stays", "Value": "1"}],
    }
    tags = {"stack_tags": {"new": "1"}, "previous_stack_tags": {"stack": "1"}, "system_tags": SYSTEM_TAGS}
    updated = types.update(ENDPOINT, made, first, second, **tags)
    assert (updated.physical_id, updated.attributes) == (made.physical_id, made.attributes)
    described = sagemaker.describe_endpoint(EndpointName=made.attributes["EndpointName"])
    assert (described["EndpointConfigName"], described["EndpointStatus"]) == ("c2", "InService")
    assert tags_of(sagemaker, made.physical_id) == {"own": "2", "stays": "1", "new": "1"}
    assert tagged == [(made.physical_id, SYSTEM_TAGS)] * 2
    read = types.read(ENDPOINT, made.identifier).model
    assert read["RetainAllVariantProperties"] is True
    assert {tag["Key"] for tag in read["Tags"]} == {"own", "stays", "new"}


def test_tags_alone_leave_an_endpoint_in_service(types: Types, sagemaker: Any, services: Services) -> None:
    types.create(CONFIG, {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]})
    properties = {"EndpointConfigName": "c"}
    made = types.create(ENDPOINT, properties)
    calls = services.sagemaker.calls
    calls.clear()
    types.update(ENDPOINT, made, properties, properties, stack_tags={"a": "1"})
    assert "UpdateEndpoint" not in [call.operation for call in calls]
    assert tags_of(sagemaker, made.physical_id) == {"a": "1"}


def test_what_sagemaker_refuses_is_quoted(types: Types, sagemaker: Any) -> None:
    with pytest.raises(ResourceFailed) as raised:
        types.create(CONFIG, {"ProductionVariants": [{**VARIANT, "ModelName": "nobody"}]})
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/nobody"
    start = f'Resource handler returned message: "Could not find model "{arn}". (Service: SageMaker, Status Code: 400'
    assert str(raised.value).startswith(start)
    assert str(raised.value).endswith("(RequestToken: token-of-Thing, HandlerErrorCode: InvalidRequest)")
    assert raised.value.code == "InvalidRequest"


def test_a_name_is_given_once(types: Types, sagemaker: Any) -> None:
    config = {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]}
    types.create(CONFIG, config)
    with pytest.raises(ResourceFailed) as raised:
        types.create(CONFIG, config)
    assert raised.value.code == "AlreadyExists"


@pytest.mark.parametrize("type_name", sorted(TYPES))
def test_what_is_not_there_is_not_found(types: Types, sagemaker: Any, type_name: str) -> None:
    parts = {
        TARGET: "endpoint/e/variant/v|sagemaker:variant:DesiredInstanceCount|sagemaker",
        POLICY: "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/sagemaker/endpoint/e/variant/v:"
        "policyName/p|sagemaker:variant:DesiredInstanceCount",
        "AWS::SageMaker::ModelPackage": "arn:aws:sagemaker:us-east-1:123456789012:model-package/gone",
    }
    identifier = parts.get(type_name, "d-gone")
    with pytest.raises(ResourceFailed) as raised:
        types.read(type_name, identifier)
    assert raised.value.code == "NotFound"
    with pytest.raises(ResourceFailed) as raised:
        types.delete(type_name, Resource(identifier, identifier, {}, {}))
    assert raised.value.code == "NotFound"


def test_an_endpoint_that_fails_fails_the_resource(types: Types, sagemaker: Any, services: Services) -> None:
    types.create(CONFIG, {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]})
    services.sagemaker.faults.replace([{"fault": "deployment-fails", "operation": "CreateEndpoint"}])
    progress = Recorded()
    with pytest.raises(ResourceFailed) as raised:
        types.create(ENDPOINT, {"EndpointConfigName": "c"}, progress)
    assert raised.value.code == "NotStabilized"
    assert "did not pass the ping health check" in str(raised.value)
    assert len(progress.identities) == 1
    types.delete(ENDPOINT, progress.identities[0])
    assert sagemaker.list_endpoints()["Endpoints"] == []


def test_an_update_that_fails_fails_the_resource(types: Types, sagemaker: Any, services: Services) -> None:
    for name in ("c1", "c2"):
        types.create(CONFIG, {"EndpointConfigName": name, "ProductionVariants": [VARIANT]})
    made = types.create(ENDPOINT, {"EndpointConfigName": "c1"})
    services.sagemaker.faults.replace([{"fault": "deployment-fails", "operation": "UpdateEndpoint"}])
    with pytest.raises(ResourceFailed, match="ping health check"):
        types.update(ENDPOINT, made, {"EndpointConfigName": "c1"}, {"EndpointConfigName": "c2"})
    services.sagemaker.faults.clear()
    # The rollback of the stack sends it back to what it still runs.
    back = types.update(ENDPOINT, made, {"EndpointConfigName": "c2"}, {"EndpointConfigName": "c1"})
    assert back.physical_id == made.physical_id
    described = sagemaker.describe_endpoint(EndpointName=made.attributes["EndpointName"])
    assert (described["EndpointConfigName"], described["EndpointStatus"]) == ("c1", "InService")


def test_an_answer_that_is_lost_loses_nothing(types: Types, sagemaker: Any, services: Services) -> None:
    faults = services.sagemaker.faults
    faults.replace([{"fault": "reset-after", "operation": "CreateEndpointConfig", "times": 1}])
    types.create(CONFIG, {"ProductionVariants": [VARIANT]})
    assert len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 1
    faults.replace([{"fault": "reset-after", "operation": "CreateEndpointConfig", "times": 1}])
    with pytest.raises(ResourceFailed) as raised:
        types.create(CONFIG, {"EndpointConfigName": "mine", "ProductionVariants": [VARIANT]})
    assert raised.value.code == "NetworkFailure"


PIPELINE = {
    "PipelineName": "train",
    "RoleArn": ROLE,
    "PipelineDefinition": {"PipelineDefinitionBody": json.dumps({"Version": "2020-12-01", "Steps": []})},
}
FEATURES: dict[str, Any] = {
    "FeatureGroupName": "customers",
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "time",
    "FeatureDefinitions": [
        {"FeatureName": "id", "FeatureType": "String"},
        {"FeatureName": "time", "FeatureType": "String"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
}
MORE_FEATURES = [*FEATURES["FeatureDefinitions"], {"FeatureName": "age", "FeatureType": "Integral"}]
DOMAIN = {
    "AuthMode": "IAM",
    "DomainName": "studio",
    "DefaultUserSettings": {"ExecutionRole": ROLE},
    "SubnetIds": ["subnet-1234567890abcdef0"],
    "VpcId": "vpc-1234567890abcdef0",
}
PACKAGE = {
    "ModelPackageGroupName": "group",
    "ModelApprovalStatus": "PendingManualApproval",
    "InferenceSpecification": {
        "Containers": [{"Image": IMAGE}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    },
}
QUALITY = {
    "JobDefinitionName": "quality",
    "RoleArn": ROLE,
    "DataQualityAppSpecification": {"ImageUri": IMAGE},
    "DataQualityJobInput": {"EndpointInput": {"EndpointName": "e", "LocalPath": "/opt/ml/processing/input"}},
    "DataQualityJobOutputConfig": {
        "MonitoringOutputs": [
            {"S3Output": {"S3Uri": "s3://bucket/quality", "LocalPath": "/opt/ml/processing/output"}}
        ]
    },
    "JobResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}},
}
SCHEDULE = {
    "MonitoringScheduleName": "hourly",
    "MonitoringScheduleConfig": {
        "MonitoringJobDefinitionName": "quality",
        "MonitoringType": "DataQuality",
        "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
    },
}


@pytest.mark.parametrize(
    ("type_name", "first", "changes", "described"),
    [
        ("AWS::SageMaker::Pipeline", PIPELINE, {"PipelineDescription": "new"}, "PipelineDescription"),
        ("AWS::SageMaker::FeatureGroup", FEATURES, {"FeatureDefinitions": MORE_FEATURES}, "FeatureDefinitions"),
        ("AWS::SageMaker::Domain", DOMAIN, {"DefaultUserSettings": {"ExecutionRole": f"{ROLE}2"}},
         "DefaultUserSettings"),
        ("AWS::SageMaker::NotebookInstance", {"InstanceType": "ml.t3.medium", "RoleArn": ROLE},
         {"InstanceType": "ml.t3.large"}, "InstanceType"),
        ("AWS::SageMaker::NotebookInstanceLifecycleConfig", {"OnStart": [{"Content": "ZWNobwo="}]},
         {"OnStart": [{"Content": "bHMK"}]}, "OnStart"),
    ],
)  # fmt: skip
def test_other_kinds_live(
    types: Types, sagemaker: Any, type_name: str, first: dict[str, Any], changes: dict[str, Any], described: str
) -> None:
    made = types.create(type_name, first, stack_tags={"a": "1"})
    assert types.has_no_drift(type_name, made, first)
    second = {**first, **changes}
    updated = types.update(type_name, made, first, second, stack_tags={"a": "2"}, previous_stack_tags={"a": "1"})
    assert updated.physical_id == made.physical_id
    read = types.read(type_name, made.identifier)
    assert read.model[described] == second[described]
    assert types.has_no_drift(type_name, made, second)
    if types.definition(type_name).tag_property:
        assert read.model["Tags"] == [{"Key": "a", "Value": "2"}]
    listed, _ = types.provider.list(types.definition(type_name), request(), {}, None)
    assert [types.definition(type_name).identifier(one) for one in listed] == [made.identifier]
    types.delete(type_name, updated)
    with pytest.raises(ResourceFailed, match="was not found"):
        types.read(type_name, made.identifier)


def test_packages_have_versions_in_their_group(types: Types, sagemaker: Any) -> None:
    group = types.create("AWS::SageMaker::ModelPackageGroup", {"ModelPackageGroupName": "group"})
    assert group.physical_id.endswith(":model-package-group/group")
    made = types.create("AWS::SageMaker::ModelPackage", PACKAGE)
    assert made.physical_id.endswith(":model-package/group/1")
    approved = {**PACKAGE, "ModelApprovalStatus": "Approved"}
    types.update("AWS::SageMaker::ModelPackage", made, PACKAGE, approved)
    described = sagemaker.describe_model_package(ModelPackageName=made.physical_id)
    assert described["ModelApprovalStatus"] == "Approved"
    with pytest.raises(ResourceFailed, match="still has model packages") as raised:
        types.delete("AWS::SageMaker::ModelPackageGroup", group)
    assert raised.value.code == "ResourceConflict"
    types.delete("AWS::SageMaker::ModelPackage", made)
    types.delete("AWS::SageMaker::ModelPackageGroup", group)


def test_monitoring_stands_on_an_endpoint(types: Types, sagemaker: Any) -> None:
    types.create(CONFIG, {"EndpointConfigName": "c", "ProductionVariants": [VARIANT], "DataCaptureConfig": CAPTURE})
    types.create(ENDPOINT, {"EndpointName": "e", "EndpointConfigName": "c"})
    job = types.create("AWS::SageMaker::DataQualityJobDefinition", QUALITY)
    assert types.has_no_drift("AWS::SageMaker::DataQualityJobDefinition", job, QUALITY)
    schedule = types.create("AWS::SageMaker::MonitoringSchedule", SCHEDULE)
    assert schedule.attributes["MonitoringScheduleArn"] == schedule.physical_id
    daily = json.loads(json.dumps(SCHEDULE).replace("0 * ? * * *", "0 8 ? * * *"))
    types.update("AWS::SageMaker::MonitoringSchedule", schedule, SCHEDULE, daily)
    assert types.has_no_drift("AWS::SageMaker::MonitoringSchedule", schedule, daily)
    types.delete("AWS::SageMaker::MonitoringSchedule", schedule)
    types.delete("AWS::SageMaker::DataQualityJobDefinition", job)


def test_an_inference_component_runs_on_an_endpoint_without_a_model(types: Types, sagemaker: Any) -> None:
    variant = {key: value for key, value in VARIANT.items() if key != "ModelName"}
    types.create(CONFIG, {"EndpointConfigName": "c", "ProductionVariants": [variant], "ExecutionRoleArn": ROLE})
    types.create(ENDPOINT, {"EndpointName": "e", "EndpointConfigName": "c"})
    first = {
        "EndpointName": "e",
        "VariantName": "all",
        "Specification": {
            "ModelName": "m",
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024, "NumberOfCpuCoresRequired": 1},
        },
        "RuntimeConfig": {"CopyCount": 1},
    }
    made = types.create("AWS::SageMaker::InferenceComponent", first)
    assert made.attributes["InferenceComponentStatus"] == "InService"
    second = {**first, "RuntimeConfig": {"CopyCount": 2}}
    types.update("AWS::SageMaker::InferenceComponent", made, first, second)
    name = made.model["InferenceComponentName"]
    described = sagemaker.describe_inference_component(InferenceComponentName=name)
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 2
    types.delete("AWS::SageMaker::InferenceComponent", made)


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


def test_scheduled_actions_come_and_go_with_their_target(types: Types, connect: Any) -> None:
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
