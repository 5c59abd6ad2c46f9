"""Types of SageMaker. Sources: botocore's service model, and the template reference for Ref and updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.providers.services.uniform import UniformType, changed_members

if TYPE_CHECKING:
    from cfnbox.core.paths import Json


def _pipeline(members: Json) -> Json:
    """PipelineDefinition is an object in the type, and one of two members in the API."""
    definition = members.get("PipelineDefinition", {})
    others = {name: value for name, value in members.items() if name != "PipelineDefinition"}
    if "PipelineDefinitionS3Location" in definition:
        names = {"Bucket": "Bucket", "Key": "ObjectKey", "Version": "VersionId"}
        where = definition["PipelineDefinitionS3Location"]
        return {
            **others,
            "PipelineDefinitionS3Location": {names[name]: where[name] for name in names if name in where},
        }
    return {**others, "PipelineDefinition": definition.get("PipelineDefinitionBody", "")}


def _described_pipeline(members: Json) -> Json:
    body = members.get("PipelineDefinition")
    return members if body is None else {**members, "PipelineDefinition": {"PipelineDefinitionBody": body}}


def _feature_changes(previous: Json, desired: Json) -> Json:
    """A feature group can only be given more features and other settings of its stores."""
    added = [
        feature for feature in desired["FeatureDefinitions"] if feature not in previous.get("FeatureDefinitions", [])
    ]
    changed = {
        name: value for name, value in changed_members(previous, desired).items() if name != "FeatureDefinitions"
    }
    return {**changed, **({"FeatureAdditions": added} if added else {})}


def _domain_changes(previous: Json, desired: Json) -> Json:
    changed = changed_members(previous, desired)
    settings = changed.pop("DomainSettings", None)
    return changed if settings is None else {**changed, "DomainSettingsForUpdate": settings}


def _notebook_changes(previous: Json, desired: Json) -> Json:
    """What is taken away from a notebook instance has to be disassociated."""
    taken = ("LifecycleConfigName", "DefaultCodeRepository", "AdditionalCodeRepositories", "AcceleratorTypes")
    gone = [name.removesuffix("Name") for name in taken if name in previous and name not in desired]
    return {**changed_members(previous, desired), **{f"Disassociate{name}": True for name in gone}}


def _described_notebook(members: Json) -> Json:
    names = {"SecurityGroups": "SecurityGroupIds", "NotebookInstanceLifecycleConfigName": "LifecycleConfigName"}
    return {names.get(name, name): value for name, value in members.items()}


_JOB_DEFINITION: dict[str, Any] = {"name_member": "JobDefinitionName", "arn": "JobDefinitionArn"}
_LIFECYCLE = "NotebookInstanceLifecycleConfig"

TYPES: dict[str, UniformType] = {
    "AWS::SageMaker::Model": UniformType("Model"),
    "AWS::SageMaker::EndpointConfig": UniformType("EndpointConfig"),
    # The other properties say how an endpoint is brought to another configuration.
    "AWS::SageMaker::Endpoint": UniformType(
        "Endpoint",
        status="EndpointStatus",
        update_for=("EndpointConfigName",),
        update_request=lambda _previous, now: now,
    ),
    "AWS::SageMaker::InferenceComponent": UniformType("InferenceComponent", status="InferenceComponentStatus"),
    "AWS::SageMaker::Pipeline": UniformType(
        "Pipeline",
        create_request=_pipeline,
        update_request=lambda _previous, now: _pipeline(now),
        parse_description=_described_pipeline,
    ),
    "AWS::SageMaker::ModelPackageGroup": UniformType("ModelPackageGroup", status="ModelPackageGroupStatus"),
    "AWS::SageMaker::ModelPackage": UniformType(
        "ModelPackage", status="ModelPackageStatus", named_by_arn=True, update_name_member="ModelPackageArn"
    ),
    "AWS::SageMaker::MonitoringSchedule": UniformType("MonitoringSchedule", status="MonitoringScheduleStatus"),
    **{
        f"AWS::SageMaker::{kind}JobDefinition": UniformType(f"{kind}JobDefinition", **_JOB_DEFINITION)
        for kind in ("DataQuality", "ModelBias", "ModelExplainability", "ModelQuality")
    },
    "AWS::SageMaker::NotebookInstance": UniformType(
        "NotebookInstance",
        status="NotebookInstanceStatus",
        stopped_for_changes=True,
        update_request=_notebook_changes,
        parse_description=_described_notebook,
    ),
    # The credentials alone can be changed; the API has no way to take them away.
    "AWS::SageMaker::CodeRepository": UniformType(
        "CodeRepository",
        list="ListCodeRepositories",
        update_request=lambda _previous, now: {"GitConfig": {"SecretArn": now["GitConfig"].get("SecretArn", "")}},
        update_for=("GitConfig",),
    ),
    f"AWS::SageMaker::{_LIFECYCLE}": UniformType(_LIFECYCLE),
    "AWS::SageMaker::Domain": UniformType(
        "Domain",
        status="Status",
        name_member="DomainId",
        update_request=_domain_changes,
        delete_with={"RetentionPolicy": {"HomeEfsFileSystem": "Delete"}},
    ),
    "AWS::SageMaker::FeatureGroup": UniformType(
        "FeatureGroup", status="FeatureGroupStatus", update_request=_feature_changes
    ),
}
