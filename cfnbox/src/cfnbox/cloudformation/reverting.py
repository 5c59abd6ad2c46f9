"""Bringing one resource back to what it was before a failed operation, whatever the operation did to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cfnbox.cloudformation.plan import step_for
from cfnbox.cloudformation.resources import ResourceOperations

if TYPE_CHECKING:
    from cfnbox.cloudformation.stacks import StackResource


class Reverting(ResourceOperations):
    """Resource operations that also know the way back: to the stack's `stable_resources`."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        # Resources that had to be made once more: those that need them get new identities.
        self._remade: set[str] = set()

    def revert(self, logical_id: str) -> bool:
        """Bring a resource back to what it was before the operation."""
        was = self._stack.stable_resources[logical_id]
        now = self._stack.resources.get(logical_id, was)
        try:
            if was.exists is None:
                return True
            if was.physical_id in self._stack.gone:
                self._make_again(self._following(was), now)
                self._remade.add(logical_id)
                return True
            replaced = now.physical_id != was.physical_id
            if replaced:
                now = self._take_back(now, was)
            if _was_touched(now, was):
                self._send_back(was, now)
            else:
                if replaced:
                    self._stacks.put(self._stack, replace(was, status="UPDATE_IN_PROGRESS"))
                told = replaced or now.status == "UPDATE_FAILED"
                self._stacks.put(self._stack, replace(was, status="UPDATE_COMPLETE") if told else was, event=told)
            self._follow(was)
        except Exception as problem:
            self._fail(was, "update", problem)
            return False
        return True

    def _following(self, was: StackResource) -> StackResource:
        """The resource as it was, but for the identities of others that had to be made once more."""
        if not self._remade & was.depends_on:
            return was
        return replace(was, properties=self._resolved(was))

    def _follow(self, was: StackResource) -> None:
        wanted, now = self._following(was), self._stack.resources[was.logical_id]
        if wanted.properties == now.properties:
            return
        served = self._find(was.type_name)
        step, replacement = step_for(served.definition, now, wanted.properties, was.stack_tags)
        if step in ("update", "replace"):
            self._change(served, now, wanted, step, conditional=replacement == "Conditional")
        if self._stack.resources[was.logical_id].physical_id != was.physical_id:
            self._remade.add(was.logical_id)

    def _make_again(self, was: StackResource, now: StackResource) -> None:
        """What was deleted to make room for its replacement is made once more; the replacement goes first."""
        served = self._find(was.type_name)
        if now.exists is not None and now.physical_id != was.physical_id:
            if now.created and now.properties == was.properties:
                return
            self._remove(served, now)
        self._stacks.put(self._stack, replace(was, status="UPDATE_IN_PROGRESS", exists=None))
        self._make(served, replace(was, exists=None, physical_id=""), "UPDATE")

    def _take_back(self, now: StackResource, was: StackResource) -> StackResource:
        """The old resource of a replacement is still there: the stack has it again, and the new one is left over.

        Answers the old one as the operations left it.
        """
        with self._stacks.changed:
            key = (was.logical_id, was.physical_id)
            same = [one for one in self._stack.leftovers if (one.logical_id, one.physical_id) == key]
            self._stack.leftovers = [one for one in self._stack.leftovers if one not in same]
            if now.exists is not None:
                self._leave(now, retained=False)
            left = replace(same[0] if same else was, retained=False)
            self._stacks.put(self._stack, left, event=False)
        return left

    def _send_back(self, was: StackResource, now: StackResource) -> None:
        self._stacks.put(self._stack, replace(now, status="UPDATE_IN_PROGRESS", reason=""), sent=was.properties)
        served, request = self._find(was.type_name), self._request(was, previous=now, reverting=True)
        tried = self._before(now.properties if now.attempted is None else now.attempted)
        before = self._before(was.properties)
        resource = served.provider.update(served.definition, request, was.identity, tried, before, self._run)
        self._stacks.put(self._stack, replace(was, status="UPDATE_COMPLETE", exists=resource))


def _was_touched(now: StackResource, was: StackResource) -> bool:
    """Whether its provider was called, so that there is something to undo."""
    return (now.attempted, now.properties, now.stack_tags, now.exists) != (
        None, was.properties, was.stack_tags, was.exists)  # fmt: skip
