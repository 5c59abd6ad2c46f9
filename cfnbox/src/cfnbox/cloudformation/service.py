"""What can be done with stacks, as typed methods: the API and nested stacks call them.

Methods that begin an operation return its id. All raise Refused, and then nothing is changed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cfnbox.cloudformation import early_validation, exports
from cfnbox.cloudformation.operation import OperationExecutor
from cfnbox.cloudformation.plan import plan
from cfnbox.cloudformation.runs import Runs, timer
from cfnbox.cloudformation.status import ExecutionStatus, OnFailure, ResourceStatus, StackStatus
from cfnbox.core.errors import Invalid, Refused
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template import outputs
from cfnbox.template.functions import UNKNOWN
from cfnbox.template.syntax import uses_macro

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cfnbox.cloudformation.changes import Change
    from cfnbox.cloudformation.deployment import Deployment
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.requests import CreationOptions, DeploymentRequest, UpdateOptions
    from cfnbox.cloudformation.runs import Timer
    from cfnbox.cloudformation.stacks import OperationType, StackState
    from cfnbox.core.place import Place

NO_UPDATES = "No updates are to be performed."


class NothingToUpdate(Invalid):
    """An update that would change nothing."""

    def __init__(self) -> None:
        super().__init__(NO_UPDATES)


class StackService:
    """Creates, updates, rolls back and deletes stacks. `stacks` is the state."""

    def __init__(self, deployments: Deployments, timer: Callable[[float, Callable[[], None]], Timer] = timer) -> None:
        self.deployments, self.stacks = deployments, deployments.stacks
        self.runs = Runs(deployments.stacks, timer)

    def _start(
        self,
        stack: StackState,
        kind: OperationType,
        status: StackStatus,
        act: Callable[[OperationExecutor], None],
        minutes: int | None = None,
    ) -> str:
        return self.runs.start(
            stack, kind, status, lambda run: act(OperationExecutor(self.deployments, stack, run)), minutes
        )

    def create(
        self,
        place: Place,
        name: str,
        request: DeploymentRequest,
        options: CreationOptions,
        parent_id: str | None = None,
    ) -> StackState:
        """Begin to create a stack, or a nested stack of a parent, and return it."""
        stack = self._in_review(place, name) or self.stacks.new(place, name)
        if parent_id is not None:
            parent = self.stacks.require(place, parent_id)
            stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id
        deployment = self._validated(stack, self.deployments.build(stack, request))
        with self.stacks.changed:
            self.start_creation(stack, deployment, options)
            for change_set in stack.change_sets.values():
                change_set.execution_status = ExecutionStatus.OBSOLETE
        return stack

    def _validated(self, stack: StackState, deployment: Deployment) -> Deployment:
        """Return the deployment with what early validation finds; the operation fails with it."""
        if not deployment.is_validated:
            return deployment
        # What cannot be planned fails in the operation itself.
        with suppress(Refused, ResourceFailed):
            changes = self.planned(stack, deployment)
            hidden = deployment.template.secrets
            found = early_validation.problems(self.deployments, stack.place, changes, hidden=hidden)
            return replace(deployment, problems=found)
        return deployment

    def _in_review(self, place: Place, name: str) -> StackState | None:
        """Return the stack of that name if it was made for a change set: recorded, CreateStack creates it then."""
        stack = self.stacks.find(place, name)
        return stack if stack is not None and stack.status == StackStatus.REVIEW_IN_PROGRESS else None

    def start_creation(self, stack: StackState, deployment: Deployment, options: CreationOptions) -> str:
        """Begin to create the resources of a stack that has none yet."""
        stack.deployment = deployment
        stack.timeout_minutes = options.timeout_minutes
        stack.has_termination_protection = options.has_termination_protection
        stack.retain_except_on_create = options.retain_except_on_create
        stack.disable_rollback = options.on_failure == OnFailure.DO_NOTHING
        stack.policy, stack.token = options.policy, options.token
        self.stacks.add(stack)
        return self._start(
            stack,
            "CREATE_STACK",
            StackStatus.CREATE_IN_PROGRESS,
            lambda operation: operation.create(options.on_failure),
            options.timeout_minutes,
        )

    def update(self, stack: StackState, request: DeploymentRequest, options: UpdateOptions) -> str:
        """Begin to update a stack. Raise NothingToUpdate if the update would change nothing."""
        self.require_updatable(stack)
        deployment = self._validated(stack, self.deployments.build(stack, request))
        if not uses_macro(deployment.template.document):
            return self.update_to(stack, deployment, options)
        # Recorded: a template with a transform is always updated.
        stack.change_set_id = None
        return self.start_update(stack, deployment, options)

    def update_to(self, stack: StackState, deployment: Deployment, options: UpdateOptions) -> str:
        """Begin to update a stack to a deployment. Raise NothingToUpdate if the update would change nothing."""
        self.require_updatable(stack)
        if not self.changes_anything(stack, deployment):
            raise NothingToUpdate
        stack.change_set_id = None
        return self.start_update(stack, deployment, options)

    def require_updatable(self, stack: StackState) -> None:
        """Raise Refused if the stack is in a status in which CloudFormation updates no stack."""
        if not stack.status.is_updatable:
            raise Invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    def changes_anything(self, stack: StackState, deployment: Deployment) -> bool:
        """Return whether a deployment would change a resource or an output, as far as that can be known before."""
        if deployment.template.failure or any(one.action != "Keep" for one in self.planned(stack, deployment)):
            return True
        return self.changes_beside_resources(stack, deployment)

    def changes_beside_resources(self, stack: StackState, deployment: Deployment) -> bool:
        """Return whether a deployment would change an output or an option, or ends a failed state."""
        if stack.deployment and deployment.rollback_configuration != stack.deployment.rollback_configuration:
            return True
        scope = self.deployments.scope(stack, deployment, as_written=True)
        resolved = outputs.described(deployment.template.outputs, scope)
        return UNKNOWN in json.dumps(resolved) or resolved != stack.outputs or stack.status.is_failed

    def planned(self, stack: StackState, deployment: Deployment) -> list[Change]:
        """Return the changes of a deployment."""
        scope = self.deployments.scope(stack, deployment, as_written=True)
        return plan(deployment, stack.deployment, deployment.actual(stack.resources), scope,
                    lambda type_name: self.deployments.find(type_name, stack.place).definition)  # fmt: skip

    def start_update(self, stack: StackState, deployment: Deployment, options: UpdateOptions) -> str:
        """Begin to update a stack to a deployment."""
        with self.stacks.changed:
            self.require_updatable(stack)
            stack.deployment = deployment
            stack.token = options.token
            stack.policy = options.policy or stack.policy
            stack.policy_during_update = options.policy_during_update
            stack.retain_except_on_create = options.retain_except_on_create
            stack.awaits_root = False
            return self._start(
                stack,
                "UPDATE_STACK",
                StackStatus.UPDATE_IN_PROGRESS,
                lambda operation: operation.update(
                    disable_rollback=options.disable_rollback, awaits_root=options.awaits_root
                ),
            )

    def start_import(self, stack: StackState, deployment: Deployment) -> str:
        """Begin to adopt the resources that a deployment imports."""
        stack.deployment = deployment
        return self._start(
            stack,
            "UPDATE_STACK",
            StackStatus.IMPORT_IN_PROGRESS,
            lambda operation: operation.import_resources(),
        )

    def delete(
        self, stack: StackState, retained: Collection[str] = (), *, force: bool = False, token: str | None = None
    ) -> None:
        """Begin to delete a stack, unless it is being deleted or is deleted."""
        with self.stacks.changed:
            if stack.is_deleted:
                return
            self._require_deletable(stack, retained, force=force)
            if stack.status == StackStatus.DELETE_IN_PROGRESS:
                return
            stack.token = token
            if in_use := exports.in_use(self.stacks, stack):
                # CloudFormation says so in an event of the status that the stack keeps.
                self.stacks.append_stack_event(stack, in_use)
                return
            self._start(
                stack,
                "DELETE_STACK",
                StackStatus.DELETE_IN_PROGRESS,
                lambda operation: operation.delete(retained, force=force),
            )

    def _require_deletable(self, stack: StackState, retained: Collection[str], *, force: bool) -> None:
        if stack.has_termination_protection:
            raise Invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        if force and stack.status != StackStatus.DELETE_FAILED:
            # DeletionMode in the API reference; the sentence is ours.
            raise Invalid(
                f"Stack [{stack.name}] is not in DELETE_FAILED state: FORCE_DELETE_STACK cannot be specified."
            )
        if retained and stack.status != StackStatus.DELETE_FAILED:
            raise Invalid(f"Stack [{stack.name}] is not in DELETE_FAILED state: RetainResources cannot be specified.")
        if unknown := sorted(set(retained) - stack.resources.keys()):
            raise Invalid(f"Resource(s) [{', '.join(unknown)}] do not exist in stack [{stack.name}]")
        if not (stack.status.is_deletable or stack.status == StackStatus.DELETE_IN_PROGRESS):
            raise Invalid(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")

    def cancel_update(self, stack: StackState) -> None:
        """Stop a running update: it rolls back."""
        with self.stacks.changed:
            _require_status(stack, "CancelUpdateStack", StackStatus.UPDATE_IN_PROGRESS)
            self.runs.cancel_update(stack)

    def continue_rollback(self, stack: StackState, skipped: Collection[str] = (), token: str | None = None) -> str:
        """Begin the rollback of a failed update again. Resources to skip are taken as they are."""
        with self.stacks.changed:
            _require_status(stack, "ContinueUpdateRollback", StackStatus.UPDATE_ROLLBACK_FAILED)
            resources = stack.resources.items()
            failed = {name for name, resource in resources if resource.status == ResourceStatus.UPDATE_FAILED}
            if unknown := sorted(set(skipped) - failed):
                raise Invalid(f"Resource(s) [{', '.join(unknown)}] cannot be skipped: none is in UPDATE_FAILED.")
            return self._start_rollback(stack, "CONTINUE_ROLLBACK", skipped, token)

    def roll_back(self, stack: StackState, *, retain_except_on_create: bool = False, token: str | None = None) -> str:
        """Begin to roll back a stack whose create or update failed."""
        with self.stacks.changed:
            _require_status(stack, "RollbackStack", StackStatus.CREATE_FAILED, StackStatus.UPDATE_FAILED)
            stack.retain_except_on_create = retain_except_on_create
            return self._start_rollback(stack, "ROLLBACK", (), token)

    def roll_back_nested(self, stack: StackState) -> str:
        """Begin to roll back a nested stack that awaits its root stack, because its parent rolls back."""
        with self.stacks.changed:
            stack.awaits_root = False
            return self._start_rollback(stack, "ROLLBACK", (), None)

    def _start_rollback(
        self, stack: StackState, kind: OperationType, skipped: Collection[str], token: str | None
    ) -> str:
        stack.token = token
        status = stack.rollback_status_prefix.in_progress
        return self._start(stack, kind, status, lambda operation: operation.roll_back(skipped))

    def signal(self, stack: StackState, logical_id: str, unique_id: str, status: str) -> None:
        """Pass a signal, SUCCESS or FAILURE, to a resource that waits for it."""
        with self.stacks.changed:
            resource = stack.require_resource(logical_id)
            if not stack.status.is_in_progress:
                raise Invalid(f"Stack {stack.id} is in {stack.status} state and cannot be signaled")
            signals = stack.signals.setdefault(resource.logical_id, {})
            if unique_id not in signals and status == "SUCCESS":
                text = f"Received SUCCESS signal with UniqueId {unique_id}"
                self.stacks.append_event(stack, resource, resource.status, text)
            signals[unique_id] = status
            self.stacks.changed.notify_all()


def _require_status(stack: StackState, operation: str, *statuses: StackStatus) -> None:
    if stack.status not in statuses:
        raise Invalid(f"{operation} cannot be called from current stack status")
