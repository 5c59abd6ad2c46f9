"""Carries a plan out: a small state machine over one stack.

    CREATE  -> CREATE_COMPLETE, or by OnFailure: ROLLBACK_* | DELETE_* | CREATE_FAILED
    UPDATE  -> UPDATE_COMPLETE_CLEANUP_IN_PROGRESS -> UPDATE_COMPLETE, or UPDATE_ROLLBACK_* | UPDATE_FAILED
    DELETE  -> DELETE_COMPLETE | DELETE_FAILED
    IMPORT  -> IMPORT_COMPLETE, or IMPORT_ROLLBACK_*

A rollback leads back to `stack.stable_resources`, whatever the failed operations did in between. Each operation is a
thread of its own; a stack has one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from laptop.cloudformation import importing, outputs
from laptop.cloudformation.reverting import Reverting
from laptop.cloudformation.stacks import Leftover, Stack, StackResource
from laptop.providers.protocol import Place, ResourceFailed, Served
from laptop.template import functions
from laptop.template.references import dependencies

if TYPE_CHECKING:
    from laptop.cloudformation.run import Run
    from laptop.cloudformation.stacks import Stacks
    from laptop.template.scope import Scope

_KEPT = ("Retain", "RetainExceptOnCreate")
_CLEAN_UP_TRIES = 3
Find = Callable[[str, Place], Served]
Scoped = Callable[[Stack], "Scope"]


@dataclass(frozen=True)
class Carrier:
    """What every operation needs: the state, who serves a type, and how functions of a stack resolve."""

    stacks: Stacks
    find: Find
    scope: Scoped
    clock: Callable[[], float]

    def resources_of(self, stack: Stack, run: Run) -> Reverting:
        """The resource operations of one run."""
        return Reverting(
            self.stacks, stack, run, lambda name: self.find(name, stack.place), lambda: self.scope(stack)
        )


class Operation:
    """One operation on one stack."""

    def __init__(self, carrier: Carrier, stack: Stack, run: Run) -> None:
        self._carrier, self._stacks, self._stack, self._run = carrier, carrier.stacks, stack, run
        self._resources = carrier.resources_of(stack, run)

    def create(self, on_failure: str) -> None:
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
            self.delete(frozenset())
        else:
            self._status("ROLLBACK_IN_PROGRESS", f"{failure.rstrip('. ')}. Rollback requested by user.")
            self.roll_back("ROLLBACK")

    def update(self, disable_rollback: bool) -> None:
        failure = self._deploy()
        if self._run.superseded:
            return
        with self._stacks.changed:
            # Whoever cancels until here has cancelled.
            failure = failure or (self._why() if self._run.stopped else "")
            if not failure:
                self._status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        if not failure:
            self._leave_removed()
            self._clean_up()
            self._succeed("UPDATE_COMPLETE")
        elif disable_rollback and not self._run.reason:
            self._status("UPDATE_FAILED", failure)
        else:
            word = rollback_word(self._stack)
            self._status(f"{word}_IN_PROGRESS", failure)
            self.roll_back(word)

    def adopt(self, identifiers: dict[str, str]) -> None:
        failure = importing.adopt(self._carrier, self._stack, self._run, identifiers)
        if failure:
            self._status("IMPORT_ROLLBACK_IN_PROGRESS", failure)
            self._restore_stable()
            self._status("IMPORT_ROLLBACK_COMPLETE")
        else:
            self._succeed("IMPORT_COMPLETE")

    def roll_back(self, word: str, skipped: frozenset[str] = frozenset()) -> None:
        """Bring every resource back to what it was, then delete what the failed operations made."""
        self._run.resume()
        # What failed on the way here is not what fails on the way back.
        self._resources = self._carrier.resources_of(self._stack, self._run)
        stable = self._stack.stable_resources
        with self._stacks.changed:
            self._stack.deployment = self._stack.stable or self._stack.deployment
        for logical_id in skipped & stable.keys():
            self._stacks.put(self._stack, replace(stable[logical_id], status="UPDATE_COMPLETE"), event=False)
        graph = {
            name: set(one.depends_on) & stable.keys() - skipped for name, one in stable.items() if name not in skipped
        }
        self._run.walk(graph, self._resources.revert, halt=lambda: self._run.superseded)
        failed = self._resources.failed["update"]
        if self._run.superseded:
            return
        if failed:
            self._status(
                f"{word}_FAILED", f"The following resource(s) failed to update: [{', '.join(sorted(failed))}]. "
            )
            return
        made = [one for name, one in self._stack.resources.items() if name not in stable]
        if word == "UPDATE_ROLLBACK":
            self._status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        kept = ("Retain",) if not self._stack.options.get("RetainExceptOnCreate") else ()
        self._delete_all(made, lambda one: one.definition.get("DeletionPolicy") in kept)
        self._clean_up()
        if self._run.superseded:
            return
        failed = [one.logical_id for one in made if self._stack.resources[one.logical_id].status == "DELETE_FAILED"]
        if failed and word == "ROLLBACK":
            self._status(
                "ROLLBACK_FAILED", f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}]. "
            )
            return
        self._restore_stable()
        self._status(f"{word}_COMPLETE")

    def _restore_stable(self) -> None:
        with self._stacks.changed:
            stack = self._stack
            if stack.stable is not None:
                stack.deployment = stack.stable
                stack.resources = {
                    name: stack.resources.get(name, one) for name, one in stack.stable_resources.items()
                }
                stack.stable_resources = dict(stack.resources)
                stack.gone.clear()

    def delete(self, retained: frozenset[str], *, force: bool = False) -> None:
        """Delete everything, what depends first; what is retained is left alone."""
        left_behind = self._clean_up()
        resources = list(self._stack.resources.values())
        self._delete_all(
            resources, lambda one: one.logical_id in retained or one.definition.get("DeletionPolicy") in _KEPT
        )
        if self._run.superseded:
            return
        undeleted = [one for one in self._stack.resources.values() if one.status == "DELETE_FAILED"]
        failed = sorted({one.logical_id for one in [*undeleted, *left_behind]})
        if failed and not force:
            self._status("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. ")
            return
        with self._stacks.changed:
            self._stack.outputs, self._stack.imports = [], frozenset()
        self._status("DELETE_COMPLETE")

    def _deploy(self) -> str:
        """Create, update and replace in the order of dependencies; why that failed, or nothing."""
        deployment = self._stack.goal
        wanted = deployment.resources
        graph = dependencies(wanted, deployment.conditions)
        missing = outputs.missing_import(self._stacks, self._stack, self._carrier.scope(self._stack))
        if missing:
            return f"No export named {missing} found."
        removed = [one for name, one in self._stack.resources.items() if name not in wanted]
        if not self._resources.may_remove(removed):
            return self._why()
        self._run.walk(graph, lambda name: self._resources.deploy(name, wanted[name], frozenset(graph[name])))
        if self._run.stopped:
            return self._why()
        try:
            outputs.resolve(self._stacks, self._stack, self._carrier.scope(self._stack))
        except (ResourceFailed, functions.ResolutionFailed) as failure:
            return str(failure)
        return ""

    def _why(self) -> str:
        failed = self._resources.failed
        parts = [
            f"The following resource(s) failed to {word}: [{', '.join(sorted(failed[word]))}]. "
            for word in ("create", "update")
            if failed[word]
        ]
        return self._run.reason or "".join(parts)

    def _leave_removed(self) -> None:
        """What the new template no longer has is left over; its DeletionPolicy says whether it is kept."""
        with self._stacks.changed:
            stack, wanted = self._stack, self._stack.goal.resources
            for name, removed in stack.resources.items():
                if name not in wanted and removed.exists is not None:
                    stack.leftovers.append(Leftover(removed, removed.definition.get("DeletionPolicy") in _KEPT))
            stack.resources = {name: one for name, one in stack.resources.items() if name in wanted}

    def _clean_up(self) -> list[StackResource]:
        """Delete what is left over; a failure is tried again, and then left behind as CloudFormation does.

        Answers what is left behind.
        """
        for _ in range(_CLEAN_UP_TRIES):
            with self._stacks.changed:
                leftovers = {str(number): one for number, one in enumerate(self._stack.leftovers)}
            if not leftovers or self._run.superseded:
                return []
            graph = _deletion_graph({number: one.resource for number, one in leftovers.items()})
            self._run.walk(graph, partial(self._clear, leftovers), halt=lambda: self._run.superseded)
        with self._stacks.changed:
            left_behind, self._stack.leftovers = [one.resource for one in self._stack.leftovers], []
        return left_behind

    def _clear(self, leftovers: dict[str, Leftover], number: str) -> bool:
        leftover = leftovers[number]
        done = self._resources.delete(leftover.resource, retained=leftover.retained, current=False)
        if done:
            with self._stacks.changed:
                self._stack.leftovers.remove(leftover)
        return done

    def _delete_all(self, resources: list[StackResource], is_retained: Callable[[StackResource], bool]) -> None:
        named = {one.logical_id: one for one in resources}
        self._run.walk(
            _deletion_graph(named),
            lambda name: self._resources.delete(named[name], retained=is_retained(named[name]), current=True),
            halt=lambda: self._run.superseded,
        )

    def _succeed(self, status: str) -> None:
        """The stack has what its deployment says: that is what a later failure goes back to."""
        with self._stacks.changed:
            stack = self._stack
            stack.before, stack.stable = stack.stable, stack.deployment
            stack.stable_resources = dict(stack.resources)
            stack.gone.clear()
            self._status(status)

    def _status(self, status: str, reason: Any = "") -> None:
        with self._stacks.changed:
            if not self._run.superseded:
                self._stacks.set_status(self._stack, status, reason)


def rollback_word(stack: Stack) -> str:
    """A stack that was never complete has nothing to go back to but the absence of its resources."""
    return "ROLLBACK" if stack.stable is None else "UPDATE_ROLLBACK"


def _deletion_graph(resources: dict[str, StackResource]) -> dict[str, set[str]]:
    """For each resource those that depend on it, which must go first.

    What several updates left over may depend on each other in a circle: then nothing waits, and what fails is tried
    again.
    """
    names = {one.logical_id: key for key, one in resources.items()}
    graph: dict[str, set[str]] = {key: set() for key in resources}
    for key, one in resources.items():
        for needed in one.depends_on & names.keys():
            if names[needed] != key:
                graph[names[needed]].add(key)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return {key: set() for key in resources}
    return graph
