"""Carries a plan out: a small state machine over one stack.

    CREATE  -> CREATE_COMPLETE, or by OnFailure: ROLLBACK_* | DELETE_* | CREATE_FAILED
    UPDATE  -> UPDATE_COMPLETE_CLEANUP_IN_PROGRESS -> UPDATE_COMPLETE, or UPDATE_ROLLBACK_* | UPDATE_FAILED
    DELETE  -> DELETE_COMPLETE | DELETE_FAILED
    IMPORT  -> IMPORT_COMPLETE, or IMPORT_ROLLBACK_*

A rollback restores `stack.last_complete_resources`, whatever the failed operations did in between. Each operation is
a thread of its own; a stack has one at a time. cfnbox.cloudformation.status has the transitions.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from cfnbox.cloudformation import exports, validation_problems
from cfnbox.cloudformation.deployment import ResourceState
from cfnbox.cloudformation.reverting import Reverting
from cfnbox.cloudformation.status import Action, OnFailure, ResourceStatus, RollbackPrefix, StackStatus
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template import functions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.runs import Run
    from cfnbox.cloudformation.stacks import StackState

_CLEAN_UP_TRIES = 3


class OperationExecutor:
    """One operation on one stack."""

    def __init__(self, deployments: Deployments, stack: StackState, run: Run) -> None:
        self._deployments, self._stacks, self._stack, self._run = deployments, deployments.stacks, stack, run
        self._resources = Reverting(deployments, stack, run)

    def create(self, on_failure: OnFailure) -> None:
        """Create the resources of a new stack."""
        failure = self._deploy()
        if self._run.superseded:
            return
        if not failure:
            self._succeed(StackStatus.CREATE_COMPLETE)
        elif on_failure == OnFailure.DO_NOTHING:
            self._status(StackStatus.CREATE_FAILED, failure)
        elif on_failure == OnFailure.DELETE:
            self._status(StackStatus.DELETE_IN_PROGRESS, f"{self._unended(failure)}. Delete requested by user.")
            self._run.resume()
            self.delete()
        else:
            self._begin_rollback(f"{self._unended(failure)}. Rollback requested by user.")

    def _unended(self, failure: str) -> str:
        """Return a reason without its full stop; recorded: that of a transform that failed keeps it."""
        return failure if self._stack.require_deployment().template.failure else failure.rstrip(". ")

    def update(self, *, disable_rollback: bool, awaits_root: bool = False) -> None:
        """Deploy the new template. `stack.last_complete` keeps the last complete deployment for a rollback.

        A nested stack that `awaits_root` leaves the clean-up to its root stack.
        """
        failure = self._deploy()
        if self._run.superseded:
            return
        with self._stacks.changed:
            # Point of no return: CancelUpdateStack has an effect only before this line.
            failure = failure or (self._failure_reason() if self._run.stopped else "")
            if not failure:
                self._status(StackStatus.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS)
        if not failure:
            kept = {name for name, resource in self._stack.resources.items() if resource.is_kept}
            self._schedule_removed_for_cleanup(kept)
            if awaits_root:
                with self._stacks.changed:
                    self._stack.awaits_root = True
                    self._stacks.changed.notify_all()
            else:
                self._complete_update()
        elif disable_rollback and not self._run.reason:
            self._status(StackStatus.UPDATE_FAILED, failure)
        else:
            self._begin_rollback(failure)

    def _complete_update(self) -> None:
        """Delete what the stack and its nested stacks no longer use, and end the update."""
        self._clean_up()
        self._succeed(StackStatus.UPDATE_COMPLETE)

    def _begin_rollback(self, reason: str) -> None:
        self._delete_nested_change_sets()
        with self._stacks.changed:
            if not self._run.superseded:
                # DescribeEvents: an automatic rollback is an operation of its own (API reference).
                self._stacks.begin_operation(self._stack, "ROLLBACK", is_automatic=True)
                self._stacks.set_status(self._stack, self._stack.rollback_status_prefix.in_progress, reason)
        self.roll_back()

    def _delete_nested_change_sets(self) -> None:
        """Delete what the executed change set has prepared in nested stacks that the operation did not reach."""
        if self._stack.change_set_id is not None:
            self._stacks.delete_nested_change_sets(self._stack.change_set_id)

    def import_resources(self) -> None:
        """Adopt the resources that the deployment imports, and change no others."""
        deployment = self._stack.require_deployment()
        graph = deployment.template.dependencies
        self._run.walk(
            {name: graph[name] & deployment.imports.keys() for name in deployment.imports},
            lambda name: self._resources.deploy(name, frozenset(graph[name])),
        )
        if self._run.stopped:
            self._status(StackStatus.IMPORT_ROLLBACK_IN_PROGRESS, self._failure_reason())
            self._restore_last_complete()
            self._status(StackStatus.IMPORT_ROLLBACK_COMPLETE)
        else:
            self._succeed(StackStatus.IMPORT_COMPLETE)

    def roll_back(self, skipped: Iterable[str] = ()) -> None:
        """Revert every resource, then delete what the failed operations made.

        Resources to skip are taken as they are.
        """
        stack, prefix = self._stack, self._stack.rollback_status_prefix
        self._run.resume()
        # The failures of the operation do not count in its rollback.
        drifted = {} if stack.deployment is None else stack.deployment.drifted
        self._resources = Reverting(self._deployments, stack, self._run, drifted=drifted)
        complete, skipped = stack.last_complete_resources, set(skipped)
        with self._stacks.changed:
            stack.deployment = stack.last_complete or stack.deployment
            self._keep_removed()
        for logical_id in skipped & complete.keys():
            taken = replace(complete[logical_id], status=ResourceStatus.UPDATE_COMPLETE)
            self._stacks.save_resource(stack, taken, event=False)
        graph = {
            name: resource.depends_on & complete.keys() - skipped
            for name, resource in complete.items()
            if name not in skipped
        }
        self._run.walk(graph, self._resources.revert, despite_failures=True)
        if failed := self._resources.failed[Action.UPDATE]:
            self._status(prefix.failed, _failure("update", failed))
            return
        self._delete_new_resources(prefix)
        if self._run.superseded:
            return
        undeleted = [name for name, one in stack.resources.items() if one.status == ResourceStatus.DELETE_FAILED]
        if undeleted and prefix == RollbackPrefix.ROLLBACK:
            self._status(prefix.failed, _failure("delete", undeleted))
            return
        self._restore_last_complete()
        if prefix == RollbackPrefix.UPDATE_ROLLBACK:
            exports.restore(self._stacks, stack, self._deployments.scope(stack))
        self._status(prefix.complete)

    def _keep_removed(self) -> None:
        """Keep the resources that a nested stack has removed already, and would delete with its root stack."""
        stack = self._stack
        complete = {(name, resource.physical_id) for name, resource in stack.last_complete_resources.items()}
        stack.leftovers = [
            leftover
            for leftover in stack.leftovers
            if leftover.logical_id in stack.resources or (leftover.logical_id, leftover.physical_id) not in complete
        ]

    def _delete_new_resources(self, prefix: RollbackPrefix) -> None:
        """Delete what the failed operations made, unless its DeletionPolicy keeps it even then."""
        policies = () if self._stack.retain_except_on_create else ("Retain",)
        made = self._stack.resources.items()
        kept = {name for name, one in made if one.is_imported or one.definition.get("DeletionPolicy") in policies}
        if prefix == RollbackPrefix.ROLLBACK:
            self._delete_all(kept)
        else:
            self._status(StackStatus.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS)
            self._schedule_removed_for_cleanup(kept)
        self._clean_up()

    def _restore_last_complete(self) -> None:
        stack = self._stack
        with self._stacks.changed:
            if stack.last_complete is not None:
                stack.deployment = stack.last_complete
                complete = stack.last_complete_resources.items()
                stack.resources = {name: stack.resources.get(name, resource) for name, resource in complete}
                stack.last_complete_resources = dict(stack.resources)
                stack.deleted_physical_ids.clear()

    def delete(self, retained: Iterable[str] = (), *, force: bool = False) -> None:
        """Delete every resource, dependent resources first, except for those that are retained."""
        self._delete_nested_change_sets()
        left_behind = self._clean_up()
        kept = {name for name, resource in self._stack.resources.items() if resource.is_kept}
        self._delete_all({*retained, *kept})
        if self._run.superseded:
            return
        resources = self._stack.resources.values()
        undeleted = [resource for resource in resources if resource.status == ResourceStatus.DELETE_FAILED]
        failed = {resource.logical_id for resource in [*undeleted, *left_behind]}
        if failed and not force:
            self._status(StackStatus.DELETE_FAILED, _failure("delete", failed))
            return
        with self._stacks.changed:
            self._stack.imports = frozenset()
            self._status(StackStatus.DELETE_COMPLETE)

    def _deploy(self) -> str:
        """Create, update and replace in the order of dependencies. Return the reason of a failure, or nothing."""
        template = self._stack.require_deployment().template
        if template.failure:
            return template.failure
        if invalid := self._refuse_invalid():
            return invalid
        graph = template.dependencies
        missing = exports.missing_import(self._stacks, self._stack, self._deployments.scope(self._stack))
        if missing:
            return f"No export named {missing} found."
        removed = [resource for name, resource in self._stack.resources.items() if name not in graph]
        if not self._resources.may_remove(removed):
            return self._failure_reason()
        self._run.walk(graph, lambda name: self._resources.deploy(name, frozenset(graph[name])))
        if self._run.stopped:
            return self._failure_reason()
        try:
            exports.resolve(self._stacks, self._stack, self._deployments.scope(self._stack))
        except (ResourceFailed, functions.ResolutionFailed) as failure:
            return str(failure)
        return ""

    def _refuse_invalid(self) -> str:
        """Return why early validation refuses the deployment, or nothing; an event for each resource says what."""
        problems = self._stack.require_deployment().problems
        reason = validation_problems.failure(problems)
        with self._stacks.changed:
            self._stack.operations[-1].problems = problems
            for name, (change, text) in validation_problems.failed_resources(problems).items():
                resource = self._stack.resources.get(name)
                if resource is None:
                    resource = ResourceState(name, change.type_name, {}, frozenset())
                status = ResourceStatus.CREATE_FAILED if change.action == "Add" else ResourceStatus.UPDATE_FAILED
                self._stacks.append_event(self._stack, resource, status, text, detailed_status="VALIDATION_FAILED")
        return reason

    def _failure_reason(self) -> str:
        failed = self._resources.failed
        return self._run.reason or "".join(_failure(action, names) for action, names in failed.items() if names)

    def _schedule_removed_for_cleanup(self, retained: Collection[str]) -> None:
        """Leave the resources that the deployed template does not have to the clean-up."""
        with self._stacks.changed:
            stack, deployed = self._stack, self._stack.require_deployment().template.resources
            removed = [resource for name, resource in stack.resources.items() if name not in deployed]
            stack.leftovers += [replace(one, is_retained=one.logical_id in retained) for one in removed]
            stack.resources = {name: resource for name, resource in stack.resources.items() if name in deployed}

    def _clean_up(self) -> list[ResourceState]:
        """Delete the leftovers, and return those that could not be deleted, as CloudFormation leaves them behind.

        A failed deletion is retried. Dependent resources go first; in the last try nothing waits for what cannot be
        deleted.
        """
        for tries_left in reversed(range(_CLEAN_UP_TRIES)):
            with self._stacks.changed:
                numbered = {str(number): leftover for number, leftover in enumerate(self._stack.leftovers)}
                leftovers = numbered | self._nested_awaiting_root()
            if not leftovers or self._run.superseded:
                return []
            graph = _deletion_graph(leftovers) if tries_left else {key: set[str]() for key in leftovers}
            self._run.walk(graph, partial(self._delete_leftover, leftovers), despite_failures=True)
        with self._stacks.changed:
            left_behind, self._stack.leftovers = self._stack.leftovers, []
        return left_behind

    def _nested_awaiting_root(self) -> dict[str, ResourceState]:
        """Return the nested stacks that have a clean-up of their own to do, by the ids of the stacks."""
        awaiting = {child.id for child in self._stacks.children(self._stack) if child.awaits_root}
        return {
            resource.physical_id: resource
            for resource in self._stack.resources.values()
            if resource.physical_id in awaiting
        }

    def _complete_nested(self, stack_id: str) -> bool:
        child = self._stacks.require(self._stack.place, stack_id)
        OperationExecutor(self._deployments, child, self._run)._complete_update()
        return not child.awaits_root

    def _delete_leftover(self, leftovers: dict[str, ResourceState], number: str) -> bool:
        if number in self._nested_awaiting_root():
            return self._complete_nested(number)
        if is_deleted := self._resources.delete(leftovers[number], current=False):
            with self._stacks.changed:
                self._stack.leftovers.remove(leftovers[number])
        return is_deleted

    def _delete_all(self, retained: Collection[str]) -> None:
        named = {name: replace(one, is_retained=name in retained) for name, one in self._stack.resources.items()}
        self._run.walk(
            _deletion_graph(named),
            lambda name: self._resources.delete(named[name], current=True),
            despite_failures=True,
        )

    def _succeed(self, status: StackStatus) -> None:
        """Make the deployment the one that a later failure goes back to, in nested stacks too."""
        with self._stacks.changed:
            stack = self._stack
            # What was brought back is not drifted any more.
            stack.deployment = replace(stack.require_deployment(), drifted={})
            stack.last_complete, stack.last_complete_resources = stack.deployment, dict(stack.resources)
            stack.deleted_physical_ids.clear()
            for child in self._stacks.children(stack):
                child.complete_in_parent = child.last_complete
            self._status(status)
            stack.awaits_root = stack.awaits_root and self._run.superseded

    def _status(self, status: StackStatus, reason: str = "") -> None:
        with self._stacks.changed:
            if not self._run.superseded:
                self._stacks.set_status(self._stack, status, reason)


def _failure(action: str, names: Iterable[str]) -> str:
    return f"The following resource(s) failed to {action.lower()}: [{', '.join(sorted(names))}]. "


def _deletion_graph(resources: dict[str, ResourceState]) -> dict[str, set[str]]:
    """Return for each resource those that depend on it, which are deleted first.

    The leftovers of several updates may depend on each other in a circle: then nothing waits, and a failed deletion
    is retried.
    """
    graph = {
        key: {other for other, dependent in resources.items() if resource.logical_id in dependent.depends_on} - {key}
        for key, resource in resources.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return {key: set() for key in resources}
    return graph
