"""One resource at a time: create, update, replace, adopt and delete it, and tell what happens in events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from cfnbox.cloudformation import policy
from cfnbox.cloudformation.plan import step_for
from cfnbox.cloudformation.signals import await_signals
from cfnbox.cloudformation.stacks import Stack, StackResource
from cfnbox.core.errors import Refused
from cfnbox.core.unexpected import internal_error
from cfnbox.providers import properties
from cfnbox.providers.protocol import Cancelled, Owner, Request, Resource, ResourceFailed, Served
from cfnbox.template import dynamic, functions, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.runs import Run
    from cfnbox.core.paths import Json

_REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
# The event that CloudFormation writes when it gives an imported resource the tags of its stack.
_TAGGING = "Apply stack-level tags to imported resource if applicable."
_POLICY_ACTIONS = {"update": "Update:Modify", "replace": "Update:Replace"}


@dataclass(frozen=True)
class _Creation:
    """A provider's word on a resource that is being made, on its way into the state of the stack."""

    identified: Callable[[Resource], None]
    wait: Callable[[float], None]


class ResourceOperations:
    """What one operation does to the resources of its stack. Methods that answer a bool say whether they succeeded.

    `failed` are the logical ids of what could not be created, updated or imported.
    """

    def __init__(self, deployments: Deployments, stack: Stack, run: Run) -> None:
        self._deployments, self._stacks, self._stack, self._run = deployments, deployments.stacks, stack, run
        self.failed: dict[str, list[str]] = {"create": [], "update": [], "import": []}
        # An operation goes by one schema of a type, from the first of its resources to the last.
        self._find = cache(lambda type_name: deployments.find(type_name, stack.place))

    def deploy(self, logical_id: str, depends_on: frozenset[str]) -> bool:
        """Bring a resource to what the template says."""
        goal, had = self._stack.goal, self._stack.resources.get(logical_id)
        definition = goal.template.resources[logical_id]
        wanted = StackResource(logical_id, definition["Type"], definition, depends_on, stack_tags=goal.tags)
        step: str = "create" if had is None or had.exists is None or not had.created else "update"
        try:
            served = self._find(wanted.type_name)
            wanted = replace(wanted, properties=self._resolved(wanted))
            if logical_id in goal.imports and (had is None or had.exists is None):
                step = "import"
                self._adopt(served, wanted, goal.imports[logical_id])
                return True
            step, replacement = step_for(served.definition, had, wanted.properties, goal.tags)
            if had is None or step == "create":
                self._create(served, had, wanted)
            elif step == "keep":
                kept = replace(had, definition=definition, depends_on=depends_on)
                self._stacks.put(self._stack, kept, event=False)
            else:
                policy.require(self._stack, logical_id, wanted.type_name, _POLICY_ACTIONS[step])
                self._change(served, had, wanted, step, conditional=replacement == "Conditional")
        except Exception as problem:
            self._fail(wanted, step, problem)
            return False
        return True

    def may_remove(self, removed: Iterable[StackResource]) -> bool:
        """Whether the stack policy allows to delete what the template no longer has; what it denies fails."""
        for one in removed:
            try:
                policy.require(self._stack, one.logical_id, one.type_name, "Update:Delete")
            except ResourceFailed as failure:
                self._fail(one, "update", failure)
        return not self.failed["update"]

    def _resolved(self, resource: StackResource) -> Json:
        """The properties of a resource's definition, with dynamic references as they are written."""
        scope = self._deployments.scope(self._stack, as_written=True, among=resource.depends_on)
        resolved: Json = functions.resolve(resource.definition.get("Properties", {}), scope)
        return resolved

    def _before(self, given: Json) -> Json:
        """Properties that were in force, as the provider gets them."""
        made: Json = dynamic.replaced_if_there(given, self._deployments.dynamic(self._stack.place))
        return made

    def _checked(self, served: Served, wanted: StackResource) -> Json:
        """The properties as the provider gets them; ResourceFailed when the schema does not allow them."""
        given: Json = dynamic.replaced(wanted.properties, self._deployments.dynamic(self._stack.place))
        problems = properties.violations(served.definition, given)
        if problems:
            # The sentence of CloudFormation's own check of properties against the type's schema.
            said = f"Properties validation failed for resource {wanted.logical_id} with message:"
            raise ResourceFailed("\n".join([said, *problems]), "InvalidRequest")
        return given

    def _request(
        self, resource: StackResource, previous: StackResource | None = None, *, reverting: bool = False
    ) -> Request:
        """What goes with a call of a provider; `previous` is the resource before an update."""
        stack = self._stack
        named = {"stack-name": stack.name, "stack-id": stack.id, "logical-id": resource.logical_id}
        system_tags = {f"aws:cloudformation:{key}": value for key, value in named.items()}
        return Request(
            place=stack.place,
            owner=Owner(stack.id, stack.name, resource.logical_id),
            stack_tags=resource.stack_tags,
            previous_stack_tags={} if previous is None else previous.stack_tags,
            system_tags=system_tags,
            previous_system_tags={} if previous is None else system_tags,
            reverting=reverting,
        )

    def _create(self, served: Served, had: StackResource | None, wanted: StackResource) -> None:
        """Create what the stack does not have; what an earlier operation left unfinished is cleaned up later."""
        if had is not None and had.exists is not None:
            self._leave(had, retained=False)
        started = replace(wanted, status="CREATE_IN_PROGRESS", reason=served.notice(wanted.properties))
        self._stacks.put(self._stack, started, sent=wanted.properties)
        self._make(served, wanted, "CREATE")

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
                    self._leave(replaced, retained=_survives_replacement(replaced))
                initiated = replace(wanted, status=f"{word}_IN_PROGRESS", reason="Resource creation Initiated",
                                    exists=resource, physical_id=resource.physical_id)  # fmt: skip
                self._stacks.put(self._stack, initiated, sent=wanted.properties)

        request = self._request(wanted)
        resource = served.provider.create(served.definition, request, given, _Creation(tell, self._run.wait))
        tell(resource)
        await_signals(self._stack, wanted, self._run)
        self._done(wanted, f"{word}_COMPLETE", resource)

    def _done(self, wanted: StackResource, status: str, resource: Resource) -> None:
        done = replace(wanted, status=status, exists=resource, physical_id=resource.physical_id, created=True)
        self._stacks.put(self._stack, done, sent=wanted.properties)

    def _adopt(self, served: Served, wanted: StackResource, identifier: str) -> None:
        """Make a resource that exists the stack's, and give it the stack's tags."""
        wanted = replace(wanted, physical_id=identifier, stack_tags={}, imported=True)
        started = replace(wanted, status="IMPORT_IN_PROGRESS", reason="Resource import started.")
        self._stacks.put(self._stack, started)
        request = Request(self._stack.place)
        exists = served.provider.read(served.definition, request, identifier)
        with self._stacks.changed:
            # Two change sets may have found it in no stack.
            if owner := self._stacks.owner(self._stack.place, wanted.type_name, identifier):
                raise ResourceFailed(f"{identifier} already exists in stack {owner.id}", "AlreadyExists")
            self._done(replace(wanted, reason="Resource import completed."), "IMPORT_COMPLETE", exists)
        tags = self._stack.goal.tags
        if served.definition.tag_property is not None and served.definition.updatable and tags:
            adopted = self._stack.resources[wanted.logical_id]
            self._stacks.put(self._stack, replace(adopted, status="UPDATE_IN_PROGRESS", reason=_TAGGING))
            self._update(served, adopted, replace(adopted, stack_tags=tags, reason=""))

    def _change(
        self, served: Served, had: StackResource, wanted: StackResource, step: str, *, conditional: bool
    ) -> None:
        reason = _REPLACING if step == "replace" else served.notice(wanted.properties)
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
                return
        self._replace(served, had, wanted)

    def _update(self, served: Served, had: StackResource, wanted: StackResource) -> None:
        given = self._checked(served, wanted)
        with self._stacks.changed:
            now = self._stack.resources[wanted.logical_id]
            self._stacks.put(self._stack, replace(now, attempted=wanted.properties), event=False)
        request, before = self._request(wanted, previous=had), self._before(had.properties)
        resource = served.provider.update(served.definition, request, had.identity, before, given, self._run)
        if resource.physical_id != had.physical_id:
            # A custom resource that answers another physical id has replaced itself.
            self._leave(had, retained=_survives_replacement(had))
        self._done(wanted, "UPDATE_COMPLETE", resource)

    def _replace(self, served: Served, had: StackResource, wanted: StackResource) -> None:
        if served.definition.deletes_first and not _survives_replacement(had):
            self._stacks.tell(self._stack, had, "DELETE_IN_PROGRESS")
            self._remove(served, had)
            self._stacks.tell(self._stack, had, "DELETE_COMPLETE")
            self._stacks.put(self._stack, replace(had, exists=None), event=False)
            self._make(served, wanted, "UPDATE")
            return
        name = _name_in_both(served, had, wanted)
        if name and wanted.type_name.startswith("AWS::"):
            # CloudFormation's sentence of its own types (AWS knowledge center, "custom-named resource").
            raise ResourceFailed(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {name} and update the stack again.",
                "AlreadyExists",
            )
        try:
            self._make(served, wanted, "UPDATE", had)
        except ResourceFailed as failure:
            if failure.code != "AlreadyExists" or not name:
                raise
            raise ResourceFailed(
                f"{failure} This update replaces the resource, and the new one cannot take the name of the old one, "
                f"{name}, while that exists: give it another name, or none, so that one is generated.",
                failure.code,
            ) from None

    def delete(self, resource: StackResource, *, current: bool) -> bool:
        """Delete a resource, unless it is retained; `current` when it is still the stack's own."""
        tell = self._settle if current else partial(self._stacks.tell, self._stack)
        if resource.exists is None:
            tell(resource, "DELETE_COMPLETE")
            return True
        if resource.retained:
            tell(resource, "DELETE_SKIPPED")
            return True
        tell(resource, "DELETE_IN_PROGRESS")
        try:
            self._remove(self._find(resource.type_name), resource)
        except Exception as problem:
            if not (isinstance(problem, Cancelled) and self._run.superseded):
                tell(resource, "DELETE_FAILED", self._reason(problem, resource.type_name))
            return False
        tell(resource, "DELETE_COMPLETE")
        return True

    def _settle(self, resource: StackResource, status: str, reason: str = "") -> None:
        exists = None if status in ("DELETE_COMPLETE", "DELETE_SKIPPED") else resource.exists
        self._stacks.put(self._stack, replace(resource, status=status, reason=reason, exists=exists))

    def _remove(self, served: Served, resource: StackResource) -> None:
        request = self._request(resource)
        try:
            served.provider.delete(served.definition, request, resource.identity, resource.properties, self._run)
        except ResourceFailed as failure:
            if failure.code != "NotFound":
                raise
        with self._stacks.changed:
            self._stack.gone.add(resource.physical_id)

    def _leave(self, resource: StackResource, *, retained: bool) -> None:
        with self._stacks.changed:
            self._stack.leftovers.append(replace(resource, retained=retained))

    def _fail(self, wanted: StackResource, step: str, problem: Exception) -> None:
        word = step if step in ("create", "import") else "update"
        reason = self._reason(problem, wanted.type_name)
        if isinstance(problem, Cancelled):
            reason = f"Resource {'creation' if word == 'create' else word} cancelled"
        self.failed[word].append(wanted.logical_id)
        self._run.stop("")
        # What it has by now counts: an identity that it got before the failure, or none any more.
        kept = self._stack.resources.get(wanted.logical_id, wanted)
        failed = replace(kept, status=f"{word.upper()}_FAILED", reason=reason)
        self._stacks.put(self._stack, failed, sent=wanted.properties)

    def _reason(self, problem: Exception, type_name: str) -> str:
        """What went wrong in words, without secrets; of an exception that nobody may raise the name alone."""
        if isinstance(problem, ResourceFailed | Refused):
            return str(secrets.hidden(str(problem), self._stack.secrets))
        return internal_error(f"the provider of {type_name}", problem)


def _survives_replacement(resource: StackResource) -> bool:
    return resource.definition.get("UpdateReplacePolicy") == "Retain"


def _name_in_both(served: Served, had: StackResource, wanted: StackResource) -> str:
    """The name that a template gives a resource before and after its replacement, or nothing."""
    definition = served.definition
    for names in (definition.primary_identifier, *definition.additional_identifiers):
        before, after = ([one.properties.get(name) for name in names] for one in (had, wanted))
        if before == after and None not in after:
            return "|".join(map(str, after))
    return ""
