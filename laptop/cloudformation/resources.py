"""One resource at a time: create, update, replace and delete it, and tell what happens in events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from laptop.cloudformation import policy, secrets
from laptop.cloudformation.calls import Word, advised, failure_of, request_for
from laptop.cloudformation.plan import step_for
from laptop.cloudformation.signals import await_signals
from laptop.cloudformation.stacks import Leftover, Stack, StackResource
from laptop.providers import properties
from laptop.providers.protocol import Cancelled, Resource, ResourceFailed, Served
from laptop.template import functions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from laptop.cloudformation.run import Run
    from laptop.cloudformation.stacks import Stacks
    from laptop.paths import Json
    from laptop.template.scope import Scope

_REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."


class ResourceOperations:
    """What one operation does to the resources of its stack. Every method returns whether it succeeded."""

    def __init__(
        self, stacks: Stacks, stack: Stack, run: Run, find: Callable[[str], Served], scope: Callable[[], Scope]
    ) -> None:
        self._stacks, self._stack, self._run, self._find, self._scope = stacks, stack, run, find, scope
        self.failed: dict[str, list[str]] = {"create": [], "update": [], "delete": []}

    def deploy(self, logical_id: str, definition: Json, depends_on: frozenset[str]) -> bool:
        """Bring a resource to what the template says."""
        had = self._stack.resources.get(logical_id)
        wanted = StackResource(logical_id, definition["Type"], definition, depends_on, stack_tags=self._tags)
        step = "create" if had is None or had.exists is None or not had.created else "update"
        try:
            served = self._find(wanted.type_name)
            desired = self._resolved(definition)
            step, replacement = step_for(served.definition, had, desired, self._tags)
            if step == "keep" and had is not None:
                kept = replace(had, definition=definition, depends_on=depends_on)
                self._stacks.put(self._stack, kept, event=False)
                return True
            wanted = replace(wanted, properties=desired)
            if had is not None and had.exists is not None and step in ("update", "replace"):
                policy.require(self._stack, logical_id, wanted.type_name, f"Update:{_POLICY_ACTIONS[step]}")
                return self._change(served, had, wanted, step, conditional=replacement == "Conditional")
            return self._create(served, had, wanted)
        except Exception as problem:
            self._fail(wanted, step, failure_of(problem, wanted.type_name))
            return False

    def may_remove(self, removed: Iterable[StackResource]) -> bool:
        """Whether the stack policy allows to delete what the template no longer has; what it denies fails."""
        for one in removed:
            try:
                policy.require(self._stack, one.logical_id, one.type_name, "Update:Delete")
            except ResourceFailed as failure:
                self._fail(one, "update", failure)
        return not self.failed["update"]

    def _resolved(self, definition: Json) -> Json:
        """The properties of a definition, with dynamic references as they are written."""
        scope = replace(self._scope(), dynamic=None)
        resolved: Json = functions.resolve(definition.get("Properties", {}), scope)
        return resolved

    def _before(self, properties: Json) -> Json:
        return secrets.revealed_if_there(properties, self._scope().dynamic)

    @property
    def _tags(self) -> Mapping[str, str]:
        return self._stack.goal.tags

    def _create(self, served: Served, had: StackResource | None, wanted: StackResource) -> bool:
        """Create what the stack does not have; what an earlier operation left unfinished is cleaned up later."""
        if had is not None and had.exists is not None:
            self._leave(had, retained=False)
        started = replace(wanted, status="CREATE_IN_PROGRESS", reason=served.provider.notice or "")
        self._stacks.put(self._stack, started, sent=wanted.properties)
        self._make(served, wanted, "CREATE")
        return True

    def _make(self, served: Served, wanted: StackResource, word: str, replaced: StackResource | None = None) -> None:
        """Create through the provider; the resource is the stack's from the moment it has an identity.

        Until then what it replaces is the stack's.
        """
        given = self._checked(served, wanted)
        # Signals to what it replaces are none to it.
        self._stack.signals.pop(wanted.logical_id, None)

        def tell(resource: Resource) -> None:
            with self._stacks.changed:
                known = self._stack.resources[wanted.logical_id]
                if known.exists is not None and known.exists.physical_id == resource.physical_id:
                    return
                if replaced is not None and known.physical_id == replaced.physical_id:
                    self._leave(replaced, retained=_is_retained(replaced, "UpdateReplacePolicy"))
                initiated = replace(wanted, status=f"{word}_IN_PROGRESS", reason="Resource creation Initiated",
                                    exists=resource, physical_id=resource.physical_id)  # fmt: skip
                self._stacks.put(self._stack, initiated, sent=wanted.properties)

        request = request_for(self._stack, wanted)
        resource = served.provider.create(served.definition, request, given, Word(self._run, tell))
        tell(resource)
        await_signals(self._stack, wanted, self._run)
        done = replace(
            wanted, status=f"{word}_COMPLETE", exists=resource, physical_id=resource.physical_id, created=True
        )
        self._stacks.put(self._stack, done, sent=wanted.properties)

    def _change(
        self, served: Served, had: StackResource, wanted: StackResource, step: str, *, conditional: bool
    ) -> bool:
        reason = _REPLACING if step == "replace" else (served.provider.notice or "")
        working = replace(had, status="UPDATE_IN_PROGRESS", reason=reason)
        self._stacks.put(self._stack, working, sent=wanted.properties)
        if step == "update":
            try:
                self._update(served, had, wanted)
            except ResourceFailed as failure:
                if not (conditional and failure.code == "NotUpdatable"):
                    raise
                self._stacks.put(self._stack, replace(working, reason=_REPLACING), sent=wanted.properties)
            else:
                return True
        self._replace(served, had, wanted)
        return True

    def retag(self, served: Served, adopted: StackResource, tags: Mapping[str, str]) -> None:
        """Give an imported resource the tags of its stack; raises ResourceFailed."""
        self._update(served, adopted, replace(adopted, stack_tags=tags, reason=""))

    def _update(self, served: Served, had: StackResource, wanted: StackResource) -> None:
        given = self._checked(served, wanted)
        with self._stacks.changed:
            now = self._stack.resources[wanted.logical_id]
            self._stacks.put(self._stack, replace(now, attempted=wanted.properties), event=False)
        request = request_for(self._stack, wanted, previous=had)
        resource = served.provider.update(
            served.definition,
            request,
            had.identity,
            self._before(had.properties),
            given,
            Word(self._run),
        )
        if resource.physical_id != had.physical_id:
            # A custom resource that answers another physical id has replaced itself.
            self._leave(had, retained=_is_retained(had, "UpdateReplacePolicy"))
        done = replace(
            wanted, status="UPDATE_COMPLETE", exists=resource, physical_id=resource.physical_id, created=True
        )
        self._stacks.put(self._stack, done, sent=wanted.properties)

    def _replace(self, served: Served, had: StackResource, wanted: StackResource) -> None:
        if served.definition.deletes_first and not _is_retained(had, "UpdateReplacePolicy"):
            self._stacks.tell(self._stack, had, "DELETE_IN_PROGRESS")
            self._remove(served, had)
            self._stacks.tell(self._stack, had, "DELETE_COMPLETE")
            self._stacks.put(self._stack, replace(had, exists=None), event=False)
            replaced = None
        else:
            replaced = had
        try:
            self._make(served, wanted, "UPDATE", replaced)
        except ResourceFailed as failure:
            raise advised(failure, served, wanted) from None

    def delete(self, resource: StackResource, *, retained: bool, current: bool) -> bool:
        """Delete a resource, or keep it as its policy says; `current` when it is still the stack's own."""
        if resource.exists is None:
            if current:
                self._settle(resource, "DELETE_COMPLETE")
            return True
        if retained:
            self._settle(resource, "DELETE_SKIPPED") if current else self._stacks.tell(
                self._stack, resource, "DELETE_SKIPPED"
            )
            return True
        tell = self._settle if current else self._tell
        tell(resource, "DELETE_IN_PROGRESS")
        try:
            self._remove(self._find(resource.type_name), resource)
        except Exception as problem:
            failure = failure_of(problem, resource.type_name)
            if isinstance(failure, Cancelled) and self._run.superseded:
                return False
            self.failed["delete"].append(resource.logical_id)
            tell(resource, "DELETE_FAILED", str(failure))
            return False
        tell(resource, "DELETE_COMPLETE")
        return True

    def _settle(self, resource: StackResource, status: str, reason: str = "") -> None:
        exists = None if status in ("DELETE_COMPLETE", "DELETE_SKIPPED") else resource.exists
        self._stacks.put(self._stack, replace(resource, status=status, reason=reason, exists=exists))

    def _tell(self, resource: StackResource, status: str, reason: str = "") -> None:
        self._stacks.tell(self._stack, resource, status, reason)

    def _remove(self, served: Served, resource: StackResource) -> None:
        request = request_for(self._stack, resource)
        try:
            served.provider.delete(
                served.definition, request, resource.identity, resource.properties, Word(self._run)
            )
        except ResourceFailed as failure:
            if failure.code != "NotFound":
                raise
        with self._stacks.changed:
            self._stack.gone.add(resource.physical_id)

    def _leave(self, resource: StackResource, *, retained: bool) -> None:
        with self._stacks.changed:
            self._stack.leftovers.append(Leftover(resource, retained))

    def _checked(self, served: Served, wanted: StackResource) -> Json:
        """The properties as the provider gets them; ResourceFailed when the schema does not allow them."""
        given = secrets.revealed(wanted.properties, self._scope().dynamic)
        problems = properties.violations(served.definition, given)
        if problems:
            # The sentence of CloudFormation's own check of properties against the type's schema.
            said = f"Properties validation failed for resource {wanted.logical_id} with message:"
            raise ResourceFailed("\n".join([said, *problems]), "InvalidRequest")
        return given

    def _fail(self, wanted: StackResource, step: str, failure: Exception) -> None:
        now = self._stack.resources.get(wanted.logical_id)
        word = "create" if step == "create" else "update"
        reason = str(failure)
        if isinstance(failure, Cancelled):
            reason = f"Resource {'creation' if word == 'create' else 'update'} cancelled"
        self.failed[word].append(wanted.logical_id)
        self._run.stop("")
        # What it has by now counts: an identity that it got before the failure, or none any more.
        kept = now or wanted
        failed = replace(kept, status=f"{word.upper()}_FAILED", reason=reason)
        self._stacks.put(self._stack, failed, sent=wanted.properties)


_POLICY_ACTIONS = {"update": "Modify", "replace": "Replace"}


def _is_retained(resource: StackResource, attribute: str) -> bool:
    return resource.definition.get(attribute) == "Retain"
