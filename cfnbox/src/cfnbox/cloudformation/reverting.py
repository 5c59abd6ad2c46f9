"""Brings a resource back to its state before a failed operation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cfnbox.cloudformation.deployment import STACK_TYPE
from cfnbox.cloudformation.plan import step_for
from cfnbox.cloudformation.resources import ResourceOperations
from cfnbox.cloudformation.status import Action, ResourceStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.cloudformation.deployment import ResourceState


class Reverting(ResourceOperations):
    """Resource operations that also revert: to the stack's `last_complete_resources`."""

    def __init__(self, *arguments: Any, drifted: Mapping[str, ResourceState] | None = None) -> None:
        """`drifted` are the resources that a drift-aware change set was to bring back, as they were before."""
        super().__init__(*arguments)
        self._drifted = drifted or {}
        # Resources that were created again: those that refer to them get new identities.
        self._recreated: set[str] = set()

    def revert(self, logical_id: str) -> bool:
        """Bring a resource back to its state before the operation."""
        previous = self._stack.last_complete_resources[logical_id]
        current = self._stack.resources.get(logical_id, previous)
        try:
            if not previous.is_live:
                return True
            if previous.physical_id in self._stack.deleted_physical_ids:
                self._recreate(self._with_new_references(previous), current)
                self._recreated.add(logical_id)
                return True
            is_replaced = current.physical_id != previous.physical_id
            if is_replaced:
                current = self._restore_replaced(current, previous)
            is_brought_back = logical_id in self._drifted and current.updated != previous.updated
            if is_brought_back or _was_touched(current, previous):
                self._update_back(previous, current)
            else:
                if is_replaced:
                    working = replace(previous, status=ResourceStatus.UPDATE_IN_PROGRESS)
                    self._stacks.save_resource(self._stack, working)
                has_event = is_replaced or current.status == ResourceStatus.UPDATE_FAILED
                saved = replace(previous, status=ResourceStatus.UPDATE_COMPLETE) if has_event else previous
                self._stacks.save_resource(self._stack, saved, event=has_event)
            self._update_changed_references(previous)
        except Exception as problem:
            self._save_failure(previous, Action.UPDATE, problem)
            return False
        return True

    def _with_new_references(self, previous: ResourceState) -> ResourceState:
        """Return the resource as it was, with the identities of the resources that were created again."""
        if not self._recreated & previous.depends_on:
            return previous
        return replace(previous, properties=self._resolved(previous))

    def _update_changed_references(self, previous: ResourceState) -> None:
        desired, current = self._with_new_references(previous), self._stack.resources[previous.logical_id]
        if desired.properties == current.properties:
            return
        served = self._find(previous.type_name)
        step, replacement = step_for(served.definition, current, desired.properties, previous.stack_tags)
        if step in ("update", "replace"):
            self._change(served, current, desired, step, is_conditional=replacement == "Conditional")
        if self._stack.resources[previous.logical_id].physical_id != previous.physical_id:
            self._recreated.add(previous.logical_id)

    def _recreate(self, previous: ResourceState, current: ResourceState) -> None:
        """Create again what was deleted before its replacement was created; the replacement is deleted first."""
        served = self._find(previous.type_name)
        if current.is_live and current.physical_id != previous.physical_id:
            if current.is_created and current.properties == previous.properties:
                return
            self._remove(served, current)
        working = replace(previous, status=ResourceStatus.UPDATE_IN_PROGRESS, live=None)
        self._stacks.save_resource(self._stack, working)
        self._make(served, replace(previous, live=None, physical_id=""), Action.UPDATE)

    def _restore_replaced(self, current: ResourceState, previous: ResourceState) -> ResourceState:
        """Give the stack the replaced resource back, which is still live, and delete the new one in the clean-up.

        Return the replaced resource as the operations left it.
        """
        with self._stacks.changed:
            key = (previous.logical_id, previous.physical_id)
            leftovers = self._stack.leftovers
            same = [resource for resource in leftovers if (resource.logical_id, resource.physical_id) == key]
            self._stack.leftovers = [resource for resource in leftovers if resource not in same]
            if current.is_live:
                self._schedule_cleanup(current, retained=False)
            restored = replace(same[0] if same else previous, is_retained=False)
            self._stacks.save_resource(self._stack, restored, event=False)
        return restored

    def _update_back(self, previous: ResourceState, current: ResourceState) -> None:
        working = replace(current, status=ResourceStatus.UPDATE_IN_PROGRESS, reason="")
        self._stacks.save_resource(self._stack, working, properties=previous.properties)
        served, request = self._find(previous.type_name), self._request(previous, previous=current, reverting=True)
        attempted = current.properties if current.attempted is None else current.attempted
        # A drift-aware change set goes back to the actual state before it (user guide).
        actual = self._drifted.get(previous.logical_id, previous)
        tried, desired = self._previous_properties(attempted), self._previous_properties(actual.properties)
        resource = served.provider.update(
            served.definition, request, previous.require_live(), tried, desired, self._run
        )
        restored = replace(previous, status=ResourceStatus.UPDATE_COMPLETE, live=resource)
        self._stacks.save_resource(self._stack, restored)


def _was_touched(current: ResourceState, previous: ResourceState) -> bool:
    """Return whether the provider was called, so that there is something to undo."""
    if previous.type_name == STACK_TYPE and current.updated != previous.updated:
        # Only the nested stack itself knows what its update changed.
        return True
    return (current.attempted, current.properties, current.stack_tags, current.live) != (
        None, previous.properties, previous.stack_tags, previous.live)  # fmt: skip
