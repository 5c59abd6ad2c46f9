"""Carries a plan out: a small state machine over one stack.

    CREATE  -> CREATE_COMPLETE, or by OnFailure: ROLLBACK_* | DELETE_* | CREATE_FAILED
    UPDATE  -> UPDATE_COMPLETE_CLEANUP_IN_PROGRESS -> UPDATE_COMPLETE, or UPDATE_ROLLBACK_* | UPDATE_FAILED
    DELETE  -> DELETE_COMPLETE | DELETE_FAILED
    IMPORT  -> IMPORT_COMPLETE, or IMPORT_ROLLBACK_*

A rollback leads back to `stack.stable_resources`, whatever the failed operations did in between. Each operation is a
thread of its own; a stack has one at a time.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from cfnbox.cloudformation import exports
from cfnbox.cloudformation.reverting import Reverting
from cfnbox.providers.protocol import ResourceFailed
from cfnbox.template import functions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.runs import Run
    from cfnbox.cloudformation.stacks import Stack, StackResource

_CLEAN_UP_TRIES = 3


class Operation:
    """One operation on one stack."""

    def __init__(self, deployments: Deployments, stack: Stack, run: Run) -> None:
        self._deployments, self._stacks, self._stack, self._run = deployments, deployments.stacks, stack, run
        self._resources = Reverting(deployments, stack, run)

    def create(self, on_failure: str) -> None:
        """Make a new stack's resources; `on_failure` is ROLLBACK, DELETE or DO_NOTHING."""
        failure = self._deploy()
        if self._run.superseded:
            return
        if not failure:
            self._succeed("CREATE_COMPLETE")
        elif on_failure == "DO_NOTHING":
            self._status("CREATE_FAILED", failure)
        elif on_failure == "DELETE":
            self._status("DELETE_IN_PROGRESS", f"{failure.rstrip('. ')}. Delete requested by user.")
            self._run.resume()
            self.delete()
        else:
            self._status("ROLLBACK_IN_PROGRESS", f"{failure.rstrip('. ')}. Rollback requested by user.")
            self.roll_back()

    def update(self, disable_rollback: bool) -> None:
        """Bring a stack to its new deployment; what it was is kept in `stable`."""
        failure = self._deploy()
        if self._run.superseded:
            return
        with self._stacks.changed:
            # Whoever cancels until here has cancelled.
            failure = failure or (self._why() if self._run.stopped else "")
            if not failure:
                self._status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        if not failure:
            self._leave_removed({name for name, one in self._stack.resources.items() if one.is_kept})
            self._clean_up()
            self._succeed("UPDATE_COMPLETE")
        elif disable_rollback and not self._run.reason:
            self._status("UPDATE_FAILED", failure)
        else:
            self._status(f"{self._stack.rollback_word}_IN_PROGRESS", failure)
            self.roll_back()

    def adopt(self) -> None:
        """Make the resources that the deployment imports the stack's, and change no others."""
        goal = self._stack.goal
        graph = goal.template.dependencies
        self._run.walk(
            {name: graph[name] & goal.imports.keys() for name in goal.imports},
            lambda name: self._resources.deploy(name, frozenset(graph[name])),
        )
        if self._run.stopped:
            self._status("IMPORT_ROLLBACK_IN_PROGRESS", self._why())
            self._restore_stable()
            self._status("IMPORT_ROLLBACK_COMPLETE")
        else:
            self._succeed("IMPORT_COMPLETE")

    def roll_back(self, skipped: Iterable[str] = ()) -> None:
        """Bring every resource back to what it was, then delete what the failed operations made.

        Resources to skip are taken as they are.
        """
        stack, word = self._stack, self._stack.rollback_word
        self._run.resume()
        # What failed on the way here is not what fails on the way back.
        self._resources = Reverting(self._deployments, stack, self._run)
        stable, skipped = stack.stable_resources, set(skipped)
        with self._stacks.changed:
            stack.deployment = stack.stable or stack.deployment
        for logical_id in skipped & stable.keys():
            self._stacks.put(stack, replace(stable[logical_id], status="UPDATE_COMPLETE"), event=False)
        graph = {
            name: one.depends_on & stable.keys() - skipped for name, one in stable.items() if name not in skipped
        }
        self._run.walk(graph, self._resources.revert, despite_failures=True)
        if failed := self._resources.failed["update"]:
            self._status(f"{word}_FAILED", _failed("update", failed))
            return
        policies = () if stack.options.get("RetainExceptOnCreate") else ("Retain",)
        made = stack.resources.items()
        kept = {name for name, one in made if one.imported or one.definition.get("DeletionPolicy") in policies}
        if stack.stable is None:
            self._delete_all(kept)
        else:
            self._status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
            self._leave_removed(kept)
        self._clean_up()
        if self._run.superseded:
            return
        failed = [name for name, one in stack.resources.items() if one.status == "DELETE_FAILED"]
        if failed and stack.stable is None:
            self._status("ROLLBACK_FAILED", _failed("delete", failed))
            return
        self._restore_stable()
        self._status(f"{word}_COMPLETE")

    def _restore_stable(self) -> None:
        stack = self._stack
        with self._stacks.changed:
            if stack.stable is not None:
                stack.deployment = stack.stable
                stack.resources = {
                    name: stack.resources.get(name, one) for name, one in stack.stable_resources.items()
                }
                stack.stable_resources = dict(stack.resources)
                stack.gone.clear()

    def delete(self, retained: Iterable[str] = (), *, force: bool = False) -> None:
        """Delete everything, what depends first; what is retained is left alone."""
        left_behind = self._clean_up()
        self._delete_all({*retained, *(name for name, one in self._stack.resources.items() if one.is_kept)})
        if self._run.superseded:
            return
        undeleted = [one for one in self._stack.resources.values() if one.status == "DELETE_FAILED"]
        failed = {one.logical_id for one in [*undeleted, *left_behind]}
        if failed and not force:
            self._status("DELETE_FAILED", _failed("delete", failed))
            return
        with self._stacks.changed:
            self._stack.outputs, self._stack.imports = [], frozenset()
        self._status("DELETE_COMPLETE")

    def _deploy(self) -> str:
        """Create, update and replace in the order of dependencies; why that failed, or nothing."""
        template = self._stack.goal.template
        if template.failure:
            return template.failure
        graph = template.dependencies
        missing = exports.missing_import(self._stacks, self._stack, self._deployments.scope(self._stack))
        if missing:
            return f"No export named {missing} found."
        removed = [one for name, one in self._stack.resources.items() if name not in graph]
        if not self._resources.may_remove(removed):
            return self._why()
        self._run.walk(graph, lambda name: self._resources.deploy(name, frozenset(graph[name])))
        if self._run.stopped:
            return self._why()
        try:
            exports.resolve(self._stacks, self._stack, self._deployments.scope(self._stack))
        except (ResourceFailed, functions.ResolutionFailed) as failure:
            return str(failure)
        return ""

    def _why(self) -> str:
        failed = self._resources.failed
        return self._run.reason or "".join(_failed(word, names) for word, names in failed.items() if names)

    def _leave_removed(self, retained: Collection[str]) -> None:
        """What the template in force does not have is left over, to be deleted unless it is retained."""
        with self._stacks.changed:
            stack, wanted = self._stack, self._stack.goal.template.resources
            removed = [one for name, one in stack.resources.items() if name not in wanted]
            stack.leftovers += [replace(one, retained=one.logical_id in retained) for one in removed]
            stack.resources = {name: one for name, one in stack.resources.items() if name in wanted}

    def _clean_up(self) -> list[StackResource]:
        """Delete what is left over; a failure is tried again, and then left behind as CloudFormation does.

        What depends goes first, but in the last try nothing waits for what cannot be deleted. Answers what is left
        behind.
        """
        for tries_left in reversed(range(_CLEAN_UP_TRIES)):
            with self._stacks.changed:
                leftovers = {str(number): one for number, one in enumerate(self._stack.leftovers)}
            if not leftovers or self._run.superseded:
                return []
            graph = _deletion_graph(leftovers) if tries_left else {key: set[str]() for key in leftovers}
            self._run.walk(graph, partial(self._clear, leftovers), despite_failures=True)
        with self._stacks.changed:
            left_behind, self._stack.leftovers = self._stack.leftovers, []
        return left_behind

    def _clear(self, leftovers: dict[str, StackResource], number: str) -> bool:
        if done := self._resources.delete(leftovers[number], current=False):
            with self._stacks.changed:
                self._stack.leftovers.remove(leftovers[number])
        return done

    def _delete_all(self, retained: Collection[str]) -> None:
        named = {name: replace(one, retained=name in retained) for name, one in self._stack.resources.items()}
        self._run.walk(
            _deletion_graph(named),
            lambda name: self._resources.delete(named[name], current=True),
            despite_failures=True,
        )

    def _succeed(self, status: str) -> None:
        """The stack has what its deployment says: that is what a later failure goes back to."""
        with self._stacks.changed:
            self._stack.stable, self._stack.stable_resources = self._stack.deployment, dict(self._stack.resources)
            self._stack.gone.clear()
            self._status(status)

    def _status(self, status: str, reason: str = "") -> None:
        with self._stacks.changed:
            if not self._run.superseded:
                self._stacks.set_status(self._stack, status, reason)


def _failed(word: str, names: Iterable[str]) -> str:
    return f"The following resource(s) failed to {word}: [{', '.join(sorted(names))}]. "


def _deletion_graph(resources: dict[str, StackResource]) -> dict[str, set[str]]:
    """For each resource those that depend on it, which must go first.

    What several updates left over may depend on each other in a circle: then nothing waits, and what fails is tried
    again.
    """
    graph = {
        key: {other for other, dependent in resources.items() if one.logical_id in dependent.depends_on} - {key}
        for key, one in resources.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return {key: set() for key in resources}
    return graph
