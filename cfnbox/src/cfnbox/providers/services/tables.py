"""The resource types that are an API of SageMaker or of Application Auto Scaling: one row for each. Pure.

A row says where type and API differ; all else follows from the type's published schema and the API's shapes. Sources:
botocore's service models, and the template reference for what Ref returns and how an update is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cfnbox.core.paths import Json

# Operations and their members.
Further = list[tuple[str, "Json"]]
_UNDER_WAY = (
    "Creating",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "Deleting",
    "Pending",
    "InProgress",
    "Stopping",
)


def _same(members: Json) -> Json:
    return members


def _none(_previous: Json, _desired: Json) -> Further:
    return []


def _changed_members(previous: Json, desired: Json) -> Json:
    return {name: value for name, value in desired.items() if previous.get(name) != value}


@dataclass(frozen=True)
class ServiceType:
    """One type. The operations are called after `title`, and what they call a resource by default too.

    `requested` makes the members of a create of properties, `changed` those of an update of the properties before and
    after, `described` properties of the members of a description, and `further` the calls that follow a create or an
    update or come before a delete. An update that changes none of `update_for` is no call. `writes_over` is said of a
    create that would take what has the name, `needs` is the type of what must be there under the same members. `ref`
    is what Ref returns where that is not the primary identifier.
    """

    title: str
    service: str = "sagemaker"
    create: str = ""
    update: str = ""
    delete: str = ""
    describe: str = ""
    answer_member: str = ""
    named: str = ""
    arn: str = ""
    ref: str = ""
    status: str = ""
    update_named: str = ""
    update_for: tuple[str, ...] = ()
    named_by_arn: bool = False
    stopped_for_changes: bool = False
    writes_over: bool = False
    needs: str = ""
    delete_with: Mapping[str, Any] = field(default_factory=dict)
    keyed: Callable[[str], Json] | None = None
    asked: Callable[[Json], Json] = _same
    requested: Callable[[Json], Json] = _same
    changed: Callable[[Json, Json], Json] = _changed_members
    described: Callable[[Json], Json] = _same
    further: Callable[[Json, Json], Further] = _none

    def operation(self, kind: str) -> str:
        """The operation that does a "Create", "Describe", "Update", "Delete" or "List"."""
        plural = "s" if kind == "List" else ""
        return str(getattr(self, kind.lower(), "")) or f"{kind}{self.title}{plural}"

    @property
    def name(self) -> str:
        """The member that names one."""
        return self.named or f"{self.title}Name"

    @property
    def arn_member(self) -> str:
        """The member of answers that holds the ARN."""
        return self.arn or f"{self.title}Arn"

    def key(self, identifier: str) -> Json:
        """The members that name one to the API, of the primary identifier."""
        if self.keyed:
            return self.keyed(identifier)
        whole = self.named_by_arn or not identifier.startswith("arn:")
        return {self.name: identifier if whole else identifier.rpartition("/")[2]}

    def is_settled(self, description: Json) -> bool:
        """Whether nothing is under way with it."""
        return description.get(self.status) not in _UNDER_WAY

    def failure(self, description: Json) -> str | None:
        """Why it is not as it was to become, in words; None when it is."""
        status = str(description.get(self.status, ""))
        reason = description.get("FailureReason")
        return str(reason or f"The status is {status}.") if reason or "Failed" in status else None


def _pipeline(members: Json) -> Json:
    """PipelineDefinition is an object in the type, and one of two members in the API."""
    definition = members.get("PipelineDefinition", {})
    others = {name: value for name, value in members.items() if name != "PipelineDefinition"}
    if "PipelineDefinitionS3Location" in definition:
        names = {"Bucket": "Bucket", "Key": "ObjectKey", "Version": "VersionId"}
        where = definition["PipelineDefinitionS3Location"]
        return {**others, "PipelineDefinitionS3Location": {names[one]: where[one] for one in names if one in where}}
    return {**others, "PipelineDefinition": definition.get("PipelineDefinitionBody", "")}


def _described_pipeline(members: Json) -> Json:
    body = members.get("PipelineDefinition")
    return members if body is None else {**members, "PipelineDefinition": {"PipelineDefinitionBody": body}}


def _feature_changes(previous: Json, desired: Json) -> Json:
    """A feature group can only be given more features and other settings of its stores."""
    added = [one for one in desired["FeatureDefinitions"] if one not in previous.get("FeatureDefinitions", [])]
    changed = {
        name: value for name, value in _changed_members(previous, desired).items() if name != "FeatureDefinitions"
    }
    return {**changed, **({"FeatureAdditions": added} if added else {})}


def _domain_changes(previous: Json, desired: Json) -> Json:
    changed = _changed_members(previous, desired)
    settings = changed.pop("DomainSettings", None)
    return changed if settings is None else {**changed, "DomainSettingsForUpdate": settings}


def _notebook_changes(previous: Json, desired: Json) -> Json:
    """What is taken away from a notebook instance has to be disassociated."""
    taken = ("LifecycleConfigName", "DefaultCodeRepository", "AdditionalCodeRepositories", "AcceleratorTypes")
    gone = [name.removesuffix("Name") for name in taken if name in previous and name not in desired]
    return {**_changed_members(previous, desired), **{f"Disassociate{name}": True for name in gone}}


def _described_notebook(members: Json) -> Json:
    names = {"SecurityGroups": "SecurityGroupIds", "NotebookInstanceLifecycleConfigName": "LifecycleConfigName"}
    return {names.get(name, name): value for name, value in members.items()}


def _target_key(identifier: str) -> Json:
    parts = [*identifier.split("|"), "", ""][:3]
    return dict(zip(("ResourceId", "ScalableDimension", "ServiceNamespace"), parts, strict=True))


def _described_target(members: Json) -> Json:
    names = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    return {**members, "Id": "|".join(str(members[name]) for name in names)}


def _scheduled_actions(previous: Json, desired: Json) -> Further:
    """The scheduled actions of a scalable target are resources of their own to the API."""
    before, after = (
        {action["ScheduledActionName"]: {**_target_of(one), **action} for action in one.get("ScheduledActions", ())}
        for one in (previous, desired)
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


_JOB_DEFINITION: dict[str, Any] = {"named": "JobDefinitionName", "arn": "JobDefinitionArn"}
_SCALING: dict[str, Any] = {"service": "application-autoscaling", "writes_over": True}
_LIFECYCLE = "NotebookInstanceLifecycleConfig"

TYPES: dict[str, ServiceType] = {
    "AWS::SageMaker::Model": ServiceType("Model"),
    "AWS::SageMaker::EndpointConfig": ServiceType("EndpointConfig"),
    # The other properties say how an endpoint is brought to another configuration.
    "AWS::SageMaker::Endpoint": ServiceType(
        "Endpoint", status="EndpointStatus", update_for=("EndpointConfigName",), changed=lambda _previous, now: now
    ),
    "AWS::SageMaker::InferenceComponent": ServiceType("InferenceComponent", status="InferenceComponentStatus"),
    "AWS::SageMaker::Pipeline": ServiceType(
        "Pipeline",
        requested=_pipeline,
        changed=lambda _previous, now: _pipeline(now),
        described=_described_pipeline,
    ),
    "AWS::SageMaker::ModelPackageGroup": ServiceType("ModelPackageGroup", status="ModelPackageGroupStatus"),
    "AWS::SageMaker::ModelPackage": ServiceType(
        "ModelPackage", status="ModelPackageStatus", named_by_arn=True, update_named="ModelPackageArn"
    ),
    "AWS::SageMaker::MonitoringSchedule": ServiceType("MonitoringSchedule", status="MonitoringScheduleStatus"),
    **{
        f"AWS::SageMaker::{kind}JobDefinition": ServiceType(f"{kind}JobDefinition", **_JOB_DEFINITION)
        for kind in ("DataQuality", "ModelBias", "ModelExplainability", "ModelQuality")
    },
    "AWS::SageMaker::NotebookInstance": ServiceType(
        "NotebookInstance",
        status="NotebookInstanceStatus",
        stopped_for_changes=True,
        changed=_notebook_changes,
        described=_described_notebook,
    ),
    f"AWS::SageMaker::{_LIFECYCLE}": ServiceType(_LIFECYCLE),
    "AWS::SageMaker::Domain": ServiceType(
        "Domain",
        status="Status",
        named="DomainId",
        changed=_domain_changes,
        delete_with={"RetentionPolicy": {"HomeEfsFileSystem": "Delete"}},
    ),
    "AWS::SageMaker::FeatureGroup": ServiceType(
        "FeatureGroup", status="FeatureGroupStatus", changed=_feature_changes
    ),
    "AWS::ApplicationAutoScaling::ScalableTarget": ServiceType(
        "ScalableTarget",
        **_SCALING,
        create="RegisterScalableTarget",
        update="RegisterScalableTarget",
        delete="DeregisterScalableTarget",
        describe="DescribeScalableTargets",
        answer_member="ScalableTargets",
        keyed=_target_key,
        asked=lambda key: {
            "ServiceNamespace": key["ServiceNamespace"],
            "ScalableDimension": key["ScalableDimension"],
            "ResourceIds": [key["ResourceId"]],
        },
        described=_described_target,
        further=_scheduled_actions,
        changed=lambda _previous, now: now,
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ServiceType(
        "ScalingPolicy",
        **_SCALING,
        create="PutScalingPolicy",
        update="PutScalingPolicy",
        delete="DeleteScalingPolicy",
        describe="DescribeScalingPolicies",
        answer_member="ScalingPolicies",
        arn="PolicyARN",
        ref="Arn",
        needs="AWS::ApplicationAutoScaling::ScalableTarget",
        keyed=_policy_key,
        asked=lambda key: {
            "ServiceNamespace": key["ServiceNamespace"],
            "ScalableDimension": key["ScalableDimension"],
            "ResourceId": key["ResourceId"],
            "PolicyNames": [key["PolicyName"]],
        },
        requested=_policy,
        changed=lambda _previous, now: _policy(now),
    ),
}
