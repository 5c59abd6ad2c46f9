"""Which members an answer has: one table for each shape, by which all operations describe stacks and change sets.

The members that depend on the history of a stack are recorded on AWS (DescribeStacks and DescribeChangeSet of some
300 public tests): a row says in which statuses a member is absent, and whether an empty value leaves it out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cfnbox.cloudformation.status import StackStatus
from cfnbox.providers.tags import tag_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cfnbox.cloudformation.deployment import Deployment, ResourceState
    from cfnbox.cloudformation.stacks import ChangeSet, StackState
    from cfnbox.core.paths import Json

T = TypeVar("T")
_HIDDEN = "****"
_S = StackStatus
# A stack whose create was rolled back keeps no trace of its change set.
_WITHOUT_CHANGE_SET = frozenset({_S.ROLLBACK_COMPLETE, _S.DELETE_COMPLETE})
_WITH_DELETION_TIME = frozenset(
    {_S.DELETE_IN_PROGRESS, _S.DELETE_COMPLETE, _S.DELETE_FAILED, _S.ROLLBACK_COMPLETE, _S.ROLLBACK_FAILED}
)


@dataclass(frozen=True)
class Member(Generic[T]):
    """A member of an answer. Unless it is `always` there, None and an empty value leave it out."""

    name: str
    value: Callable[[T], Any]
    always: bool = False
    absent_in: frozenset[StackStatus] = frozenset()


def answer(members: Iterable[Member[T]], described: T, status: StackStatus | None = None) -> Json:
    """Return the members that the answer has; `status` is that of the stack."""
    pairs = ((member, member.value(described)) for member in members if status not in member.absent_in)
    return {member.name: value for member, value in pairs if member.always or value not in (None, "", [], {}, ())}


def present(**members: Any) -> Json:
    """Return the members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def parameters(deployment: Deployment | None) -> list[Json]:
    """Return the parameters of a deployment; the values of NoEcho parameters are hidden."""
    if deployment is None:
        return []
    return [
        present(
            ParameterKey=key,
            ParameterValue=_HIDDEN if parameter.no_echo else parameter.value,
            ResolvedValue=parameter.resolved,
        )
        for key, parameter in deployment.template.parameters.items()
    ]


def _of(deployment: Deployment | None, member: str, default: Any) -> Any:
    return default if deployment is None else getattr(deployment, member)


def _tags(deployment: Deployment | None) -> list[dict[str, str]]:
    return tag_list({} if deployment is None else deployment.tags)


def description_of(stack: StackState) -> str | None:
    """Return the Description of the stack's template."""
    return None if stack.deployment is None else stack.deployment.template.document.get("Description")


def _last_operations(stack: StackState) -> list[Json]:
    """Return the last operation, and before an automatic rollback the one that failed (inferred)."""
    last = stack.operations[-1:]
    if last and last[0].is_automatic:
        last = stack.operations[-2:]
    return [{"OperationType": item.kind, "OperationId": item.id} for item in reversed(last)]


_SUMMARY: tuple[Member[StackState], ...] = (
    Member("StackId", lambda stack: stack.id),
    Member("StackName", lambda stack: stack.name),
    Member("CreationTime", lambda stack: stack.created),
    Member("DeletionTime", lambda stack: stack.deleted, absent_in=frozenset(StackStatus) - _WITH_DELETION_TIME),
    Member("LastUpdatedTime", lambda stack: stack.updated),
    Member("StackStatus", lambda stack: stack.status),
    Member("StackStatusReason", lambda stack: stack.reason),
    Member("ParentId", lambda stack: stack.parent_id),
    Member("RootId", lambda stack: stack.root_id),
    Member("DriftInformation", lambda stack: stack.drift),
    Member("LastOperations", _last_operations),
)
STACK_SUMMARY: tuple[Member[StackState], ...] = (*_SUMMARY, Member("TemplateDescription", description_of))
STACK: tuple[Member[StackState], ...] = (
    *_SUMMARY,
    Member("Description", description_of),
    Member("ChangeSetId", lambda stack: stack.change_set_id, absent_in=_WITHOUT_CHANGE_SET),
    Member("Parameters", lambda stack: parameters(stack.deployment)),
    Member("Capabilities", lambda stack: list(_of(stack.deployment, "capabilities", ()))),
    Member("Outputs", lambda stack: stack.outputs),
    Member("RoleARN", lambda stack: _of(stack.deployment, "role_arn", None)),
    Member("TimeoutInMinutes", lambda stack: stack.timeout_minutes),
    Member("Tags", lambda stack: _tags(stack.deployment), always=True),
    Member("NotificationARNs", lambda stack: list(_of(stack.deployment, "notification_arns", ())), always=True),
    Member("RollbackConfiguration", lambda stack: _of(stack.deployment, "rollback_configuration", {}), always=True),
    Member("DisableRollback", lambda stack: stack.disable_rollback, always=True),
    Member("DeploymentConfig", lambda stack: _of(stack.deployment, "config", None)),
    Member("EnableTerminationProtection", lambda stack: stack.has_termination_protection, always=True,
           absent_in=frozenset({_S.DELETE_COMPLETE})),
)  # fmt: skip


@dataclass(frozen=True)
class ChangeSetOf:
    """A change set and its stack."""

    stack: StackState
    change_set: ChangeSet

    @property
    def deployment(self) -> Deployment | None:
        """What executing the change set deploys."""
        return self.change_set.deployment


def _includes_nested_stacks(item: ChangeSetOf) -> bool:
    return bool(item.change_set.options.get("IncludeNestedStacks", False))


CHANGE_SET_SUMMARY: tuple[Member[ChangeSetOf], ...] = (
    Member("StackId", lambda item: item.stack.id),
    Member("StackName", lambda item: item.stack.name),
    Member("ChangeSetId", lambda item: item.change_set.id),
    Member("ChangeSetName", lambda item: item.change_set.name),
    Member("ExecutionStatus", lambda item: item.change_set.execution_status),
    Member("Status", lambda item: item.change_set.status),
    Member("StatusReason", lambda item: item.change_set.reason),
    Member("CreationTime", lambda item: item.change_set.created),
    Member("Description", lambda item: item.change_set.options.get("Description")),
    Member("IncludeNestedStacks", _includes_nested_stacks, always=True),
    Member("ParentChangeSetId", lambda item: item.change_set.parent and item.change_set.parent.change_set_id),
    Member("RootChangeSetId", lambda item: item.change_set.parent and item.change_set.parent.root_id),
    Member("ImportExistingResources", lambda item: item.change_set.options.get("ImportExistingResources")),
)
CHANGE_SET: tuple[Member[ChangeSetOf], ...] = (
    *CHANGE_SET_SUMMARY,
    Member("DeploymentMode", lambda item: item.change_set.options.get("DeploymentMode")),
    Member("DeploymentConfig", lambda item: item.change_set.options.get("DeploymentConfig")),
    Member("StackDriftStatus", lambda item: item.change_set.drift_status),
    Member("OnStackFailure", lambda item: item.change_set.options.get("OnStackFailure")),
    Member("Parameters", lambda item: parameters(item.deployment)),
    Member("Tags", lambda item: _tags(item.deployment)),
    Member("Capabilities", lambda item: list(_of(item.deployment, "capabilities", ())), always=True),
    Member("NotificationARNs", lambda item: list(_of(item.deployment, "notification_arns", ())), always=True),
    Member("RollbackConfiguration", lambda item: _of(item.deployment, "rollback_configuration", {}), always=True),
)


@dataclass(frozen=True)
class ResourceOf:
    """A resource and its stack; `metadata` with its functions resolved."""

    stack: StackState
    resource: ResourceState
    metadata: Mapping[str, Any] | None = None


def _drift(resource: ResourceState) -> Json:
    drift = resource.drift
    return present(
        StackResourceDriftStatus=drift["StackResourceDriftStatus"], LastCheckTimestamp=drift.get("Timestamp")
    )


RESOURCE_SUMMARY: tuple[Member[ResourceOf], ...] = (
    Member("LogicalResourceId", lambda item: item.resource.logical_id),
    Member("PhysicalResourceId", lambda item: item.resource.physical_id),
    Member("ResourceType", lambda item: item.resource.type_name),
    Member("LastUpdatedTimestamp", lambda item: item.resource.updated),
    Member("ResourceStatus", lambda item: item.resource.status),
    Member("ResourceStatusReason", lambda item: item.resource.reason),
    Member("DriftInformation", lambda item: _drift(item.resource)),
)
_IN_STACK: tuple[Member[ResourceOf], ...] = (
    Member("StackId", lambda item: item.stack.id),
    Member("StackName", lambda item: item.stack.name),
)
RESOURCE_DETAIL: tuple[Member[ResourceOf], ...] = (
    *_IN_STACK,
    *RESOURCE_SUMMARY,
    Member("Metadata", lambda item: None if item.metadata is None else json.dumps(item.metadata)),
)
RESOURCE: tuple[Member[ResourceOf], ...] = (
    *_IN_STACK,
    *(member for member in RESOURCE_SUMMARY if member.name != "LastUpdatedTimestamp"),
    Member("Timestamp", lambda item: item.resource.updated),
)
