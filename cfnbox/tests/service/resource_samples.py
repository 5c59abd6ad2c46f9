"""A case for each kind of resource except models, endpoints and their configurations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from service.endpoint_samples import ARN

ROLE = "arn:aws:iam::123456789012:role/execution"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:git-1a2b3c"
COMPONENT = f"{ARN}inference-component/thing"
DEFINITION = '{"Version": "2020-12-01"}'
TOKEN = "t" * 32
CLUSTER = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}
OUTPUTS = {"MonitoringOutputs": [{"S3Output": {"S3Uri": "s3://b/out", "LocalPath": "/opt/out"}}]}
ENDPOINT_INPUT = {"EndpointInput": {"EndpointName": "endpoint", "LocalPath": "/opt/in"}}
FEATURES = [{"FeatureName": "id", "FeatureType": "String"}, {"FeatureName": "at", "FeatureType": "Fractional"}]
SCHEDULE = {"ScheduleExpression": "cron(0 * ? * * *)"}


def scheduled(name: str = "job", **members: Any) -> dict[str, Any]:
    """Return a MonitoringScheduleConfig that runs a job definition."""
    job = {"MonitoringJobDefinitionName": name, "MonitoringType": "DataQuality"}
    return {"ScheduleConfig": SCHEDULE} | job | members


def job_request(of: str) -> dict[str, Any]:
    """Return a CreateXJobDefinition request without the name."""
    application = {"ConfigUri": "s3://b/config"} if of in ("ModelBias", "ModelExplainability") else {}
    truth = {"GroundTruthS3Input": {"S3Uri": "s3://b/truth"}} if of in ("ModelQuality", "ModelBias") else {}
    problem = {"ProblemType": "BinaryClassification"} if of == "ModelQuality" else {}
    return {
        f"{of}AppSpecification": {"ImageUri": "1.dkr.ecr.us-east-1.amazonaws.com/monitor:1"} | application | problem,
        f"{of}JobInput": ENDPOINT_INPUT | truth,
        f"{of}JobOutputConfig": OUTPUTS,
        "JobResources": {"ClusterConfig": CLUSTER},
        "RoleArn": ROLE,
    }


@dataclass(frozen=True)
class Case:
    """A kind of resource: a create request, the description, and the refusals of missing and existing names."""

    title: str
    named: str
    request: dict[str, Any]
    shows: dict[str, Any]
    missing: tuple[str, str]
    taken: tuple[str, str] | None = None
    update: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, Any] = field(default_factory=dict)
    delete: dict[str, Any] = field(default_factory=dict)
    name: str = "thing"


def job_case(of: str, path: str) -> Case:
    """Return the case of a kind of job definition."""
    request = job_request(of)
    arn = f"{ARN}{path}/thing"
    return Case(
        f"{of}JobDefinition",
        "JobDefinitionName",
        request,
        request,
        ("ResourceNotFound", f"Job definition {arn} does not exist."),
        ("ResourceInUse", f"Job definition {arn} already exists."),
    )


CASES = [
    Case(
        "InferenceComponent",
        "InferenceComponentName",
        {
            "EndpointName": "components",
            "VariantName": "AllTraffic",
            "Specification": {"ModelName": "model", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128}},
            "RuntimeConfig": {"CopyCount": 2},
        },
        {
            "EndpointArn": f"{ARN}endpoint/components",
            "RuntimeConfig": {"DesiredCopyCount": 2, "CurrentCopyCount": 2},
            "InferenceComponentStatus": "InService",
        },
        ("ValidationException", f'Could not find inference component "{COMPONENT}".'),
        (
            "ValidationException",
            f'Cannot create already existing inference component "{COMPONENT}".',
        ),
        {"RuntimeConfig": {"CopyCount": 3}},
        {"RuntimeConfig": {"DesiredCopyCount": 3, "CurrentCopyCount": 3}},
    ),
    Case(
        "Pipeline",
        "PipelineName",
        {"PipelineDefinition": DEFINITION, "RoleArn": ROLE, "ClientRequestToken": TOKEN},
        {
            "PipelineDefinition": DEFINITION,
            "PipelineDisplayName": "thing",
            "PipelineStatus": "Active",
        },
        ("ResourceNotFound", f"Pipeline '{ARN}pipeline/thing' does not exist."),
        (
            "ValidationException",
            "Pipeline names must be unique within an AWS account and region. Pipeline with name (thing) already "
            "exists.",
        ),
        {"PipelineDescription": "new", "PipelineDefinition": "{}"},
        {"PipelineDescription": "new", "PipelineDefinition": "{}", "RoleArn": ROLE},
        {"ClientRequestToken": TOKEN},
    ),
    Case(
        "ModelPackageGroup",
        "ModelPackageGroupName",
        {"ModelPackageGroupDescription": "approved"},
        {"ModelPackageGroupDescription": "approved", "ModelPackageGroupStatus": "Completed"},
        ("ValidationException", f"ModelPackageGroup {ARN}model-package-group/thing does not exist."),
        ("ValidationException", f"Model Package Group already exists: {ARN}model-package-group/thing"),
    ),
    Case(
        "ModelPackage",
        "ModelPackageName",
        {"ModelPackageDescription": "one"},
        {"ModelPackageName": "thing", "ModelPackageStatus": "Completed"},
        ("ValidationException", f"ModelPackage {ARN}model-package/thing does not exist."),
        ("ValidationException", f"Model Package already exists: {ARN}model-package/thing"),
        {"ModelPackageArn": f"{ARN}model-package/thing", "ModelApprovalStatus": "Approved"},
        {"ModelApprovalStatus": "Approved", "ModelPackageDescription": "one"},
    ),
    Case(
        "NotebookInstance",
        "NotebookInstanceName",
        {"InstanceType": "ml.g5.2xlarge", "RoleArn": ROLE, "SecurityGroupIds": ["sg-1"], "SubnetId": "subnet-1"},
        {"NotebookInstanceStatus": "InService", "SecurityGroups": ["sg-1"], "VolumeSizeInGB": 5},
        ("ValidationException", "RecordNotFound"),
        ("ValidationException", f"Cannot create a duplicate Notebook Instance ({ARN}notebook-instance/thing)"),
        {"InstanceType": "ml.t3.medium"},
        {"InstanceType": "ml.t3.medium", "NotebookInstanceStatus": "Stopped"},
    ),
    Case(
        "NotebookInstanceLifecycleConfig",
        "NotebookInstanceLifecycleConfigName",
        {"OnStart": [{"Content": "ZWNobw=="}]},
        {"OnStart": [{"Content": "ZWNobw=="}]},
        (
            "ValidationException",
            f"Unable to describe Notebook Instance Lifecycle Config '{ARN}notebook-instance-lifecycle-config/thing'. "
            "(Details: Notebook Instance Lifecycle Config does not exist.)",
        ),
        update={"OnCreate": [{"Content": "bHM="}]},
        changed={"OnCreate": [{"Content": "bHM="}], "OnStart": [{"Content": "ZWNobw=="}]},
    ),
    Case(
        "CodeRepository",
        "CodeRepositoryName",
        {"GitConfig": {"RepositoryUrl": "https://example.com/r", "Branch": "main"}},
        {"GitConfig": {"RepositoryUrl": "https://example.com/r", "Branch": "main"}},
        ("ValidationException", f"Cannot find CodeRepository: {ARN}code-repository/thing"),
        ("ValidationException", f"Cannot create already existing CodeRepository: {ARN}code-repository/thing"),
        update={"GitConfig": {"SecretArn": SECRET}},
        changed={"GitConfig": {"RepositoryUrl": "https://example.com/r", "Branch": "main", "SecretArn": SECRET}},
    ),
    Case(
        "Domain",
        "DomainId",
        {"DomainName": "studio", "AuthMode": "IAM", "DefaultUserSettings": {"ExecutionRole": ROLE}},
        {"DomainName": "studio", "Status": "InService", "AppNetworkAccessType": "PublicInternetOnly"},
        ("ResourceNotFound", "Domain d-none does not exist."),
        update={"DomainSettingsForUpdate": {"ExecutionRoleIdentityConfig": "DISABLED"}},
        changed={"DomainSettings": {"ExecutionRoleIdentityConfig": "DISABLED"}},
        name="d-none",
    ),
    Case(
        "FeatureGroup",
        "FeatureGroupName",
        {
            "RecordIdentifierFeatureName": "id",
            "EventTimeFeatureName": "at",
            "FeatureDefinitions": FEATURES,
            "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://b/features"}},
            "RoleArn": ROLE,
        },
        {"FeatureGroupStatus": "Created", "OfflineStoreStatus": {"Status": "Active"}},
        ("ResourceNotFound", "Resource Not Found: FeatureGroup with name thing does not exist."),
        (
            "ResourceInUse",
            "Resource Already Exists: FeatureGroup with name thing already exists. Choose a different name.\n"
            "Info: Feature Group 'thing' already exists.",
        ),
        {"FeatureAdditions": [{"FeatureName": "more", "FeatureType": "String"}]},
        {"FeatureDefinitions": [*FEATURES, {"FeatureName": "more", "FeatureType": "String"}]},
    ),
    job_case("DataQuality", "data-quality-job-definition"),
    job_case("ModelQuality", "model-quality-job-definition"),
    job_case("ModelBias", "model-bias-job-definition"),
    job_case("ModelExplainability", "model-explainability-job-definition"),
    Case(
        "MonitoringSchedule",
        "MonitoringScheduleName",
        {"MonitoringScheduleConfig": scheduled()},
        {"MonitoringScheduleStatus": "Scheduled", "EndpointName": "endpoint", "MonitoringType": "DataQuality"},
        ("ResourceNotFound", f"Monitoring schedule {ARN}monitoring-schedule/thing does not exist."),
        ("ResourceInUse", f"Monitoring schedule {ARN}monitoring-schedule/thing already exists."),
        {"MonitoringScheduleConfig": scheduled(ScheduleConfig={"ScheduleExpression": "NOW"})},
        {"MonitoringScheduleConfig": scheduled(ScheduleConfig={"ScheduleExpression": "NOW"})},
    ),
]
