"""CloudFormation's operations on change sets: a plan to be read before it is executed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cfnbox.aws.paging import page
from cfnbox.cloudformation import importing
from cfnbox.cloudformation.answers import CHANGE_SET, CHANGE_SET_SUMMARY, ChangeSetOf, answer
from cfnbox.cloudformation.change_set_making import ChangeSetMaking, ChangeSetRequest
from cfnbox.cloudformation.requests import CreationOptions, DeploymentRequest, UpdateOptions, disables_rollback
from cfnbox.cloudformation.status import (
    ChangeSetStatus,
    ChangeSetType,
    ExecutionStatus,
    OnFailure,
    StackStatus,
)
from cfnbox.core.errors import Invalid, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from types_boto3_cloudformation.type_defs import (
        CreateChangeSetInputTypeDef,
        DeleteChangeSetInputTypeDef,
        DescribeChangeSetInputTypeDef,
        ExecuteChangeSetInputTypeDef,
        ListChangeSetsInputTypeDef,
    )

    from cfnbox.cloudformation.changes import Change
    from cfnbox.cloudformation.deployment import Deployment
    from cfnbox.cloudformation.requests import Handler
    from cfnbox.cloudformation.service import StackService
    from cfnbox.cloudformation.stacks import ChangeSet, StackState
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

    _Named = ExecuteChangeSetInputTypeDef | DescribeChangeSetInputTypeDef | DeleteChangeSetInputTypeDef

# Recorded.
_INCOMPLETE = "[WARN] --include-property-values option can return incomplete ChangeSet data because: "
# The members of a request that its change set answers with, or executes with.
_OPTIONS = (
    "Description", "OnStackFailure", "IncludeNestedStacks", "ImportExistingResources", "ResourcesToImport",
    "DeploymentMode", "DeploymentConfig",
)  # fmt: skip


class ChangeSets:
    """The operations on change sets."""

    def __init__(self, service: StackService) -> None:
        self._service, self._stacks = service, service.stacks
        self._making = ChangeSetMaking(service)

    @property
    def operations(self) -> Mapping[str, Handler]:
        """The operations that a token does not make repeatable."""
        return {"DescribeChangeSet": self._describe, "DeleteChangeSet": self._delete, "ListChangeSets": self._list}

    def create(self, place: Place, request: CreateChangeSetInputTypeDef) -> Json:
        """Plan a change set. Raise Refused for what CloudFormation refuses at once; later failures make it FAILED."""
        kind = ChangeSetType(request.get("ChangeSetType", ChangeSetType.UPDATE))
        if request.get("OnStackFailure") == OnFailure.DELETE and kind != ChangeSetType.CREATE:
            raise Invalid("OnStackFailure DELETE is only valid when ChangeSetType is CREATE.")
        if kind == ChangeSetType.IMPORT and not request.get("ResourcesToImport"):
            raise Invalid("Must Provide at least one resource to import")
        stack = self._stack(place, request, kind)
        name = request["ChangeSetName"]
        same = next((one for one in stack.change_sets.values() if one.name == name), None)
        # A change set that FAILED gives way to a new one of its name.
        if same is not None and same.status != ChangeSetStatus.FAILED:
            raise Refused("AlreadyExistsException", f"ChangeSet [{name}] already exists")
        desired = ChangeSetRequest(name, kind, DeploymentRequest.of(request), _options(request))
        made = self._making.make(stack, desired)
        return {"Id": made.id, "StackId": stack.id}

    def _stack(self, place: Place, request: CreateChangeSetInputTypeDef, kind: ChangeSetType) -> StackState:
        stack = self._stacks.find(place, request["StackName"])
        if stack is None:
            if kind == ChangeSetType.UPDATE:
                raise Invalid(f"Stack [{request['StackName']}] does not exist")
            return self._stacks.new(place, request["StackName"])
        in_review = stack.status == StackStatus.REVIEW_IN_PROGRESS
        if kind == ChangeSetType.CREATE and not in_review:
            raise Invalid(
                f"Stack [{request['StackName']}] already exists and cannot be created again with the changeSet "
                f"[{request['ChangeSetName']}]."
            )
        if kind == ChangeSetType.UPDATE or not in_review:
            self._service.require_updatable(stack)
        return stack

    def execute(self, place: Place, request: ExecuteChangeSetInputTypeDef) -> None:
        """Execute a change set. It stays; the others of its stack are deleted, as CloudFormation deletes them."""
        stack, change_set = self._find(place, request)
        _require_root(change_set, "executed")
        with self._stacks.changed:
            if change_set.deployment is None or change_set.execution_status != ExecutionStatus.AVAILABLE:
                raise Refused(
                    "InvalidChangeSetStatus",
                    f"ChangeSet [{change_set.id}] cannot be executed in its current {_obstacle(change_set)}",
                )
            if stack.status != StackStatus.REVIEW_IN_PROGRESS:
                self._service.require_updatable(stack)
            self._begin(stack, change_set, change_set.deployment, request)
            self._stacks.begin_execution(stack, change_set)

    def _begin(
        self, stack: StackState, change_set: ChangeSet, deployment: Deployment, request: ExecuteChangeSetInputTypeDef
    ) -> None:
        on_failure = change_set.options.get("OnStackFailure")
        token = request.get("ClientRequestToken")
        retain = request.get("RetainExceptOnCreate", False)
        disable_rollback = on_failure == OnFailure.DO_NOTHING
        if on_failure is None or "DisableRollback" in request:
            disable_rollback = disables_rollback(request, deployment.config)
        if change_set.kind == ChangeSetType.IMPORT:
            # The stack may have been updated since.
            importing.check(deployment, stack, change_set.options["ResourcesToImport"])
            self._service.start_import(stack, deployment)
        elif stack.status == StackStatus.REVIEW_IN_PROGRESS:
            default = OnFailure.DO_NOTHING if disable_rollback else OnFailure.ROLLBACK
            options = CreationOptions(OnFailure(on_failure or default), retain_except_on_create=retain, token=token)
            # Recorded: after an executed CREATE change set a stack has LastUpdatedTime.
            stack.updated = datetime.now(UTC)
            self._service.start_creation(stack, deployment, options)
        else:
            update = UpdateOptions(disable_rollback, retain_except_on_create=retain, token=token)
            self._service.start_update(stack, deployment, update)

    def _find(self, place: Place, request: _Named) -> tuple[StackState, ChangeSet]:
        return self._stacks.change_set(place, request["ChangeSetName"], request.get("StackName"))

    def _describe(self, place: Place, request: DescribeChangeSetInputTypeDef) -> Json:
        """Return a change set; with IncludePropertyValues also the properties before and after."""
        stack, change_set = self._find(place, request)
        values = bool(request.get("IncludePropertyValues"))
        deployment = change_set.deployment
        hidden = stack.secrets | (deployment.template.secrets if deployment else frozenset())
        shown = [change for change in change_set.changes if change.is_shown_with_values or not values]
        changes = [change.described(values=values, hidden=hidden) for change in shown]
        described = answer(CHANGE_SET, ChangeSetOf(stack, change_set)) | page(changes, request, "Changes")
        if values and (incomplete := _warnings(change_set.changes)):
            described["StatusReason"] = f"{_INCOMPLETE}{incomplete}"
        return described

    def _delete(self, place: Place, request: DeleteChangeSetInputTypeDef) -> None:
        """Delete a change set. A stack that was created for it stays in REVIEW_IN_PROGRESS, as in AWS.

        A change set that does not exist is deleted: botocore's model has no error for it.
        """
        try:
            stack, change_set = self._find(place, request)
        except Refused as refused:
            if refused.code == "ChangeSetNotFound":
                return
            raise
        _require_root(change_set, "deleted")
        with self._stacks.changed:
            if change_set.execution_status == ExecutionStatus.EXECUTE_IN_PROGRESS:
                # botocore's model has the code; the sentence is ours.
                raise Refused(
                    "InvalidChangeSetStatus", f"ChangeSet [{change_set.id}] cannot be deleted while it is executed."
                )
            # An executed one too: the CDK waits until the name of its last change set is free.
            stack.change_sets = {key: one for key, one in stack.change_sets.items() if one is not change_set}
            stack.executed_change_sets = {
                key: one for key, one in stack.executed_change_sets.items() if one is not change_set
            }
            self._stacks.delete_nested_change_sets(change_set.id)

    def _list(self, place: Place, request: ListChangeSetsInputTypeDef) -> Json:
        """Return the change sets of a stack that were not executed, newest first."""
        stack = self._stacks.require(place, request["StackName"])
        newest_first = list(reversed(stack.change_sets.values()))
        summaries = [answer(CHANGE_SET_SUMMARY, ChangeSetOf(stack, change_set)) for change_set in newest_first]
        return page(summaries, request, "Summaries")


def _require_root(change_set: ChangeSet, done: str) -> None:
    """Raise Refused for a nested change set: the API reference demands the one of the root. The sentence is ours."""
    if change_set.parent is not None:
        raise Refused(
            "InvalidChangeSetStatus",
            f"ChangeSet [{change_set.id}] is part of the change set [{change_set.parent.root_id}] of the root stack, "
            f"and is {done} with it.",
        )


def _warnings(changes: Iterable[Change]) -> str:
    """Return why property values are incomplete, or nothing."""
    return "; ".join(
        f"ChangeSet creation failed for resource [{change.logical_id}] because: {change.warning}"
        for change in changes
        if change.warning
    )


def _options(request: Mapping[str, Any]) -> Json:
    return {member: request[member] for member in _OPTIONS if member in request}


def _obstacle(change_set: ChangeSet) -> str:
    """Return which status of a change set keeps it from being executed (recorded: FAILED, EXECUTE_COMPLETE)."""
    if change_set.status == ChangeSetStatus.FAILED:
        return f"status of [{change_set.status}]"
    return f"execution status of [{change_set.execution_status}]"
