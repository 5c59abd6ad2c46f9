"""CloudFormation's operations on change sets: a plan to be read before it is executed."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cfnbox.aws.paging import page
from cfnbox.cloudformation import importing
from cfnbox.cloudformation.answers import CHANGE_SET, CHANGE_SET_SUMMARY, ChangeSetOf, answer
from cfnbox.cloudformation.deployment import STACK_TYPE, Deployment
from cfnbox.cloudformation.requests import CreationOptions, DeploymentRequest, UpdateOptions
from cfnbox.cloudformation.stacks import ChangeSet, Stack
from cfnbox.cloudformation.status import (
    ChangeSetStatus,
    ChangeSetType,
    ExecutionStatus,
    OnFailure,
    OperationStatus,
    StackStatus,
)
from cfnbox.core.errors import Invalid, Refused
from cfnbox.core.history import drop_oldest
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template.transforms import TransformFailed

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
    from cfnbox.cloudformation.requests import Handler
    from cfnbox.cloudformation.service import StackService
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

    _Named = ExecuteChangeSetInputTypeDef | DescribeChangeSetInputTypeDef | DeleteChangeSetInputTypeDef

# Of one stack.
_MOST_CHANGE_SETS = 500
_MOST_EXECUTED = 100
_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
# Recorded.
_INCOMPLETE = "[WARN] --include-property-values option can return incomplete ChangeSet data because: "
# The members of a request that its change set answers with, or executes with.
_OPTIONS = ("Description", "OnStackFailure", "IncludeNestedStacks", "ImportExistingResources", "ResourcesToImport")


class ChangeSets:
    """The operations on change sets."""

    def __init__(self, service: StackService) -> None:
        self._service, self._stacks = service, service.stacks

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
        deployment, changes, reason = self._planned(stack, kind, request)
        change_set = ChangeSet(
            id=f"{stack.id.partition(':stack/')[0]}:changeSet/{name}/{uuid.uuid4()}",
            name=name,
            kind=kind,
            deployment=deployment,
            reason=reason,
            created=datetime.now(UTC),
            changes=changes,
            options=_options(request),
            operation=self._stacks.begin_operation(stack, "CREATE_CHANGESET"),
            execution_status=ExecutionStatus.UNAVAILABLE if deployment is None else ExecutionStatus.AVAILABLE,
        )
        with self._stacks.changed:
            change_set.operation.end(OperationStatus.FAILED if deployment is None else OperationStatus.SUCCEEDED)
            if self._stacks.find(place, stack.id) is None:
                self._stacks.enter_review(stack)
            others = {key: one for key, one in stack.change_sets.items() if one is not same}
            if len(others) >= _MOST_CHANGE_SETS:
                # botocore's model has the code, no public record the sentence.
                raise Refused(
                    "LimitExceededException",
                    f"Stack [{stack.name}] has {_MOST_CHANGE_SETS} change sets, the most that cfnbox keeps: delete "
                    "or execute one.",
                )
            stack.change_sets = {**others, change_set.id: change_set}
        return {"Id": change_set.id, "StackId": stack.id}

    def _stack(self, place: Place, request: CreateChangeSetInputTypeDef, kind: ChangeSetType) -> Stack:
        stack = self._stacks.find(place, request["StackName"])
        if stack is None:
            if kind == ChangeSetType.UPDATE:
                raise Invalid(f"Stack [{request['StackName']}] does not exist")
            return self._stacks.new(place, request["StackName"])
        in_review = stack.status == StackStatus.REVIEW_IN_PROGRESS
        if kind == ChangeSetType.CREATE and not in_review:
            raise Invalid(
                f"Stack [{stack.name}] already exists and cannot be created again with the changeSet "
                f"[{request['ChangeSetName']}]."
            )
        if kind == ChangeSetType.UPDATE or not in_review:
            self._service.require_updatable(stack)
        return stack

    def _planned(
        self, stack: Stack, kind: ChangeSetType, request: CreateChangeSetInputTypeDef
    ) -> tuple[Deployment | None, list[Change], str]:
        """Return what a change set deploys and changes; or no deployment, and why it is FAILED."""
        deployments = self._service.deployments
        try:
            deployment = deployments.build(stack, DeploymentRequest.of(request), in_change_set=True)
        except TransformFailed as failure:
            return None, [], str(failure)
        types = {definition["Type"] for definition in deployment.template.resources.values()}
        if request.get("IncludeNestedStacks") and STACK_TYPE in types:
            raise Refused(
                "UnsupportedOperation",
                "cfnbox makes no change sets of nested stacks: leave IncludeNestedStacks out, and see the "
                "changes of the parent alone.",
            )
        try:
            if kind == ChangeSetType.IMPORT:
                importing.check(deployment, stack, request["ResourcesToImport"])
                imports = importing.identifiers(deployments, stack.place, request["ResourcesToImport"])
            elif request.get("ImportExistingResources"):
                imports = importing.existing(deployments, deployment, stack)
            else:
                imports = {}
        except (Refused, ResourceFailed) as failure:
            return None, [], str(failure)
        deployment = replace(deployment, imports=imports)
        unplanned = ("Keep", "Modify") if kind == ChangeSetType.IMPORT else ("Keep",)
        try:
            # Recorded: what a function cannot return is refused, and the stack is not left in review.
            changes = [one for one in self._service.planned(stack, deployment) if one.action not in unplanned]
        except ResourceFailed as failure:
            return None, [], str(failure)
        if changes or kind == ChangeSetType.CREATE or self._service.changes_anything(stack, deployment):
            return deployment, changes, ""
        return None, [], _NO_CHANGES

    def execute(self, place: Place, request: ExecuteChangeSetInputTypeDef) -> None:
        """Execute a change set. It stays; the others of its stack are deleted, as CloudFormation deletes them."""
        stack, change_set = self._find(place, request)
        with self._stacks.changed:
            if change_set.deployment is None or change_set.execution_status != ExecutionStatus.AVAILABLE:
                raise Refused(
                    "InvalidChangeSetStatus",
                    f"ChangeSet [{change_set.id}] cannot be executed in its current execution status of "
                    f"[{change_set.execution_status}]",
                )
            if stack.status != StackStatus.REVIEW_IN_PROGRESS:
                self._service.require_updatable(stack)
            self._begin(stack, change_set, change_set.deployment, request)
            change_set.execution_status = ExecutionStatus.EXECUTE_IN_PROGRESS
            stack.executed_change_sets = {**stack.executed_change_sets, change_set.id: change_set}
            drop_oldest(stack.executed_change_sets, _MOST_EXECUTED)
            stack.change_sets, stack.change_set_id = {}, change_set.id

    def _begin(
        self, stack: Stack, change_set: ChangeSet, deployment: Deployment, request: ExecuteChangeSetInputTypeDef
    ) -> None:
        on_failure = change_set.options.get("OnStackFailure")
        token = request.get("ClientRequestToken")
        retain = request.get("RetainExceptOnCreate", False)
        disable_rollback = request.get("DisableRollback", on_failure == OnFailure.DO_NOTHING)
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

    def _find(self, place: Place, request: _Named) -> tuple[Stack, ChangeSet]:
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
        with self._stacks.changed:
            stack.change_sets = {key: one for key, one in stack.change_sets.items() if one is not change_set}

    def _list(self, place: Place, request: ListChangeSetsInputTypeDef) -> Json:
        """Return the change sets of a stack that were not executed, newest first."""
        stack = self._stacks.require(place, request["StackName"])
        newest_first = list(reversed(stack.change_sets.values()))
        summaries = [answer(CHANGE_SET_SUMMARY, ChangeSetOf(stack, change_set)) for change_set in newest_first]
        return page(summaries, request, "Summaries")


def _warnings(changes: Iterable[Change]) -> str:
    """Return why property values are incomplete, or nothing."""
    return "; ".join(
        f"ChangeSet creation failed for resource [{change.logical_id}] because: {change.warning}"
        for change in changes
        if change.warning
    )


def _options(request: Mapping[str, Any]) -> Json:
    return {member: request[member] for member in _OPTIONS if member in request}
