"""Makes change sets: plans what they change, in nested stacks too."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cfnbox.cloudformation import early_validation, importing, validation_problems
from cfnbox.cloudformation.actual_state import ActualState, actual_states, with_drift
from cfnbox.cloudformation.changes import Change
from cfnbox.cloudformation.deployment import STACK_TYPE, Deployment
from cfnbox.cloudformation.nesting import deployment_request
from cfnbox.cloudformation.stacks import ChangeSet, ChangeSetParent, StackState
from cfnbox.cloudformation.status import ChangeSetStatus, ChangeSetType, DriftStatus, ExecutionStatus, OperationStatus
from cfnbox.core.errors import Refused
from cfnbox.providers.nested import nested_stack, stack_name
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template.functions import UNKNOWN
from cfnbox.template.macros import TransformFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_boto3_cloudformation.type_defs import ResourceToImportTypeDef

    from cfnbox.cloudformation.requests import DeploymentRequest
    from cfnbox.cloudformation.service import StackService
    from cfnbox.cloudformation.validation_problems import Problem
    from cfnbox.core.paths import Json

# Of one stack.
_MOST_CHANGE_SETS = 500
_MOST_CHARACTERS_OF_NAME = 128
# Options of a change set that its nested ones have too.
_INHERITED = ("IncludeNestedStacks", "DeploymentMode")
_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


@dataclass(frozen=True)
class ChangeSetRequest:
    """A change set to make. `options` are those of the request that the change set answers with."""

    name: str
    kind: ChangeSetType
    deployment: DeploymentRequest
    options: Json = field(default_factory=dict)
    parent: ChangeSetParent | None = None

    @property
    def to_import(self) -> Sequence[ResourceToImportTypeDef]:
        """The resources that the change set imports, by their identifiers."""
        resources: Sequence[ResourceToImportTypeDef] = self.options.get("ResourcesToImport", ())
        return resources


@dataclass(frozen=True)
class _Planned:
    """What a change set deploys and changes; or no deployment, and why it is FAILED."""

    deployment: Deployment | None = None
    changes: list[Change] = field(default_factory=list)
    reason: str = ""
    drift_status: DriftStatus | None = None
    problems: Sequence[Problem] = ()


class ChangeSetMaking:
    """Makes the change sets of stacks."""

    def __init__(self, service: StackService) -> None:
        self._service, self._stacks = service, service.stacks

    def make(self, stack: StackState, request: ChangeSetRequest) -> ChangeSet:
        """Make a change set. Raise Refused, and then change nothing, for what CloudFormation refuses at once."""
        planned = self._planned(stack, request)
        change_set = self._add(stack, request, planned)
        if planned.deployment is not None and request.options.get("IncludeNestedStacks"):
            self._make_nested(stack, change_set, planned.deployment)
        has_failed = change_set.status == ChangeSetStatus.FAILED
        with self._stacks.changed:
            change_set.operation.end(OperationStatus.FAILED if has_failed else OperationStatus.SUCCEEDED)
        return change_set

    def _add(self, stack: StackState, request: ChangeSetRequest, planned: _Planned) -> ChangeSet:
        with self._stacks.changed:
            # A change set that FAILED gives way to a new one of its name.
            others = {key: one for key, one in stack.change_sets.items() if one.name != request.name}
            if len(others) >= _MOST_CHANGE_SETS:
                # botocore's model has the code, no public record the sentence.
                raise Refused(
                    "LimitExceededException",
                    f"Stack [{stack.name}] has {_MOST_CHANGE_SETS} change sets, the most that cfnbox keeps: delete "
                    "or execute one.",
                )
            operation = self._stacks.begin_operation(stack, "CREATE_CHANGESET")
            if self._stacks.find(stack.place, stack.id) is None:
                self._stacks.enter_review(stack)
            change_set = ChangeSet(
                id=f"{stack.id.partition(':stack/')[0]}:changeSet/{request.name}/{uuid.uuid4()}",
                name=request.name,
                kind=request.kind,
                deployment=planned.deployment,
                reason=planned.reason,
                created=datetime.now(UTC),
                changes=planned.changes,
                options=request.options,
                operation=operation,
                drift_status=planned.drift_status,
                execution_status=ExecutionStatus.AVAILABLE if planned.deployment else ExecutionStatus.UNAVAILABLE,
                parent=request.parent,
            )
            change_set.operation.problems = planned.problems
            stack.change_sets = {**others, change_set.id: change_set}
        return change_set

    def _planned(self, stack: StackState, request: ChangeSetRequest) -> _Planned:
        deployments, kind = self._service.deployments, request.kind
        try:
            deployment = deployments.build(stack, request.deployment, in_change_set=True)
        except TransformFailed as failure:
            return _Planned(reason=str(failure))
        try:
            imports: dict[str, str] = {}
            if kind == ChangeSetType.IMPORT:
                importing.check(deployment, stack, request.to_import)
                imports = importing.identifiers(deployments, stack.place, request.to_import)
            elif request.options.get("ImportExistingResources"):
                imports = importing.existing(deployments, deployment, stack)
        except (Refused, ResourceFailed) as failure:
            return _Planned(reason=str(failure))
        deployment = replace(deployment, imports=imports)
        states, drift_status = dict[str, ActualState](), None
        if request.options.get("DeploymentMode") == "REVERT_DRIFT":
            states = actual_states(deployments, stack)
            drifted = {name: state.resource for name, state in states.items() if state.is_drifted}
            deployment = replace(deployment, drifted=drifted)
            drift_status = DriftStatus.DRIFTED if drifted else DriftStatus.IN_SYNC
        unplanned = ("Keep", "Modify") if kind == ChangeSetType.IMPORT else ("Keep",)
        try:
            # Recorded: what a function cannot return is refused, and the stack is not left in review.
            planned = with_drift(self._service.planned(stack, deployment), states, stack,
                                 lambda type_name: deployments.find(type_name, stack.place).definition)  # fmt: skip
        except ResourceFailed as failure:
            return _Planned(reason=str(failure))
        changes = [change for change in planned if change.action not in unplanned]
        if deployment.is_validated:
            hidden = deployment.template.secrets
            problems = early_validation.problems(deployments, stack.place, changes, hidden=hidden, with_warnings=True)
            if reason := validation_problems.failure(problems):
                return _Planned(reason=reason, problems=problems)
            deployment = replace(deployment, problems=problems)
        if changes or kind == ChangeSetType.CREATE or self._service.changes_beside_resources(stack, deployment):
            return _Planned(deployment, changes, drift_status=drift_status, problems=deployment.problems)
        return _Planned(reason=_NO_CHANGES, drift_status=drift_status)

    def _make_nested(self, stack: StackState, change_set: ChangeSet, deployment: Deployment) -> None:
        """Make the change sets of the nested stacks that a change set changes; those without changes are left out."""
        changes = list[Change]()
        for change in change_set.changes:
            if change.type_name != STACK_TYPE or change.action not in ("Add", "Modify"):
                changes.append(change)
                continue
            nested = self._nested(stack, change_set, deployment, change)
            if nested is not None and nested.status == ChangeSetStatus.FAILED:
                # Quoted by users of the CDK.
                text = f"Nested change set {nested.id} was not successfully created: Currently in FAILED."
                _fail(change_set, text)
                return
            if nested is not None or not change.is_automatic:
                changes.append(replace(change, change_set_id=None if nested is None else nested.id))
        change_set.changes = changes
        is_empty = not changes and change_set.kind == ChangeSetType.UPDATE
        if is_empty and not self._service.changes_beside_resources(stack, deployment):
            _fail(change_set, _NO_CHANGES)

    def _nested(
        self, stack: StackState, change_set: ChangeSet, deployment: Deployment, change: Change
    ) -> ChangeSet | None:
        """Return the change set of a nested stack, None if it has no changes or its template is not known yet."""
        properties = change.after or {}
        if UNKNOWN in json.dumps(properties.get("TemplateURL")):
            return None
        root_id = change_set.parent.root_id if change_set.parent else change_set.id
        # The form of the name is inferred.
        suffix = f"-{change.logical_id}-{uuid.uuid4().hex[:12].upper()}"
        request = ChangeSetRequest(
            change_set.name[: _MOST_CHARACTERS_OF_NAME - len(suffix)] + suffix,
            ChangeSetType.CREATE if change.action == "Add" else ChangeSetType.UPDATE,
            deployment_request(nested_stack(properties, deployment.tags), deployment),
            {member: change_set.options[member] for member in _INHERITED if member in change_set.options},
            ChangeSetParent(change_set.id, root_id, change.logical_id),
        )
        child = self._nested_stack(stack, change)
        try:
            if request.kind == ChangeSetType.UPDATE:
                self._service.require_updatable(child)
            made = self.make(child, request)
        except Refused as refused:
            return self._add(child, request, _Planned(reason=refused.message))
        if made.reason == _NO_CHANGES:
            with self._stacks.changed:
                child.change_sets = {key: one for key, one in child.change_sets.items() if one is not made}
            return None
        return made

    def _nested_stack(self, parent: StackState, change: Change) -> StackState:
        """Return the nested stack; a new one is in review, as the stack of any new change set."""
        if change.action == "Modify":
            return self._stacks.require(parent.place, change.physical_id)
        child = self._stacks.new(parent.place, stack_name(parent.name, change.logical_id, str(uuid.uuid4())))
        child.parent_id, child.root_id = parent.id, parent.root_id or parent.id
        return child


def _fail(change_set: ChangeSet, reason: str) -> None:
    change_set.deployment, change_set.changes, change_set.reason = None, [], reason
    change_set.execution_status = ExecutionStatus.UNAVAILABLE
