"""Pipelines, packages, monitoring and all other kinds of SageMaker, as boto3 sees them at the same address."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cfnbox.providers.protocol import ResourceFailed
from providers.provider_requests import request
from providers.service_samples import CAPTURE, CONFIG, ENDPOINT, IMAGE, ROLE, VARIANT, Types

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:git-1a2b3c"
GIT = {"RepositoryUrl": "https://example.com/r", "Branch": "main"}
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
        ("AWS::SageMaker::CodeRepository", {"GitConfig": GIT},
         {"GitConfig": {**GIT, "SecretArn": SECRET}}, "GitConfig"),
    ],
)  # fmt: skip
def test_resources_of_each_kind_are_created_updated_and_deleted(
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


def test_model_packages_have_versions_in_their_group(types: Types, sagemaker: Any) -> None:
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


def test_a_monitoring_schedule_uses_an_endpoint(types: Types, sagemaker: Any) -> None:
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


def test_a_code_repository_is_identified_by_its_arn(types: Types) -> None:
    made = types.create("AWS::SageMaker::CodeRepository", {"CodeRepositoryName": "models", "GitConfig": GIT})
    assert made.physical_id == "arn:aws:sagemaker:us-east-1:123456789012:code-repository/models"
    assert made.attributes == {"CodeRepositoryArn": made.physical_id, "CodeRepositoryName": "models"}
