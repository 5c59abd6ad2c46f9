"""One resource at a time: create, update, replace, import and delete it, and append the events."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from cfnbox.cloudformation.deployment import ResourceState
from cfnbox.cloudformation.plan import step_for
from cfnbox.cloudformation.signals import wait_for_signals
from cfnbox.cloudformation.stabilisation import (
    COMPLETED_IN_EXPRESS,
    CONFIGURATION_COMPLETE,
    CONFIGURED,
    Background,
    Creation,
)
from cfnbox.cloudformation.status import Action, ResourceStatus
from cfnbox.core.errors import Refused
from cfnbox.core.unexpected import internal_error
from cfnbox.providers import properties
from cfnbox.providers.protocol import Cancelled, Owner, Request, Resource, ResourceFailed, Served
from cfnbox.template import dynamic, functions, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.plan import Step
    from cfnbox.cloudformation.runs import Run
    from cfnbox.cloudformation.stacks import StackState
    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Progress

_REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
# The event that CloudFormation writes when it gives an imported resource the tags of its stack.
_TAGGING = "Apply stack-level tags to imported resource if applicable."


class ResourceOperations:
    """What one operation does to the resources of its stack. Methods that return a bool say whether they succeeded.

    `failed` are the logical ids of what could not be created, updated or imported.
    """

    def __init__(self, deployments: Deployments, stack: StackState, run: Run) -> None:
        self._deployments, self._stacks, self._stack, self._run = deployments, deployments.stacks, stack, run
        self.failed: dict[Action, list[str]] = {action: [] for action in Action}
        self._background = Background(run)
        # The resources that have their configuration and stabilise, and those that are as the template says.
        self._configured, self._deployed = set[str](), set[str]()
        self._is_configured = False
        # An operation uses one schema of a type, from its first resource to the last.
        self._find = cache(lambda type_name: deployments.find(type_name, stack.place))

    def deploy(self, logical_id: str, depends_on: frozenset[str]) -> bool:
        """Create, update, replace or import a resource, so that it is as the template says."""
        deployment = self._stack.require_deployment()
        previous = deployment.actual(self._stack.resources).get(logical_id)
        definition = deployment.template.resources[logical_id]
        desired = ResourceState(logical_id, definition["Type"], definition, depends_on, stack_tags=deployment.tags)
        is_new = previous is None or not previous.is_live or not previous.is_created
        action = Action.CREATE if is_new else Action.UPDATE
        try:
            served = self._find(desired.type_name)
            desired = replace(desired, properties=self._resolved(desired))
            if logical_id in deployment.imports and (previous is None or not previous.is_live):
                action = Action.IMPORT
                self._import(served, desired, deployment.imports[logical_id])
                return True
            step, replacement = step_for(served.definition, previous, desired.properties, deployment.tags)
            if previous is None or step == "create":
                action = Action.CREATE
                self._create(served, previous, desired)
            elif step == "keep":
                kept = replace(previous, definition=definition, depends_on=depends_on)
                if logical_id in deployment.drifted:
                    kept = replace(kept, properties=desired.properties, drift=desired.drift)
                self._stacks.save_resource(self._stack, kept, event=False)
            else:
                self._require_policy(desired, "Update:Modify" if step == "update" else "Update:Replace")
                self._change(served, previous, desired, step, is_conditional=replacement == "Conditional")
        except Exception as problem:
            self._save_failure(desired, action, problem)
            return False
        with self._stacks.changed:
            self._deployed.add(logical_id)
            self._append_configuration_event()
        return True

    def may_remove(self, removed: Iterable[ResourceState]) -> bool:
        """Return whether the stack policy allows to delete what the template no longer has; what it denies fails."""
        for resource in removed:
            try:
                self._require_policy(resource, "Update:Delete")
            except ResourceFailed as failure:
                self._save_failure(resource, Action.UPDATE, failure)
        return not self.failed[Action.UPDATE]

    def _require_policy(self, resource: ResourceState, action: str) -> None:
        """Raise ResourceFailed if the stack policy does not allow the action; without a policy everything is."""
        if (policy := self._stack.policy_in_force) is not None:
            policy.require(resource.logical_id, resource.type_name, action)

    def _resolved(self, resource: ResourceState) -> Json:
        """Return the properties of a resource's definition; dynamic references stay as they are written."""
        scope = self._deployments.scope(self._stack, as_written=True, among=resource.depends_on)
        resolved: Json = functions.resolve(resource.definition.get("Properties", {}), scope)
        return resolved

    def _previous_properties(self, written: Json) -> Json:
        """Return properties of an earlier operation as the provider gets them."""
        previous: Json = dynamic.replaced_if_there(written, self._deployments.dynamic(self._stack.place))
        return previous

    def _checked_properties(self, served: Served, desired: ResourceState) -> Json:
        """Return the properties as the provider gets them. Raise ResourceFailed if they violate the schema."""
        checked: Json = dynamic.replaced(desired.properties, self._deployments.dynamic(self._stack.place))
        problems = properties.violations(served.definition, checked)
        if problems:
            # The sentence of CloudFormation's own check of properties against the type's schema.
            start = f"Properties validation failed for resource {desired.logical_id} with message:"
            raise ResourceFailed("\n".join([start, *problems]), "InvalidRequest")
        return checked

    def _request(
        self, resource: ResourceState, previous: ResourceState | None = None, *, reverting: bool = False
    ) -> Request:
        """Return what goes with a call of a provider; `previous` is the resource before an update."""
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

    def _create(self, served: Served, previous: ResourceState | None, desired: ResourceState) -> None:
        """Create a resource; what an earlier operation left unfinished is cleaned up later."""
        if previous is not None and previous.is_live:
            self._schedule_cleanup(previous, retained=False)
        started = replace(desired, status=ResourceStatus.CREATE_IN_PROGRESS, reason=served.notice(desired.properties))
        self._stacks.save_resource(self._stack, started, properties=desired.properties)
        self._make(served, desired, Action.CREATE)

    def _make(
        self, served: Served, desired: ResourceState, action: Action, replaced: ResourceState | None = None
    ) -> None:
        """Create through the provider. The stack has what is replaced until the new resource has an identity."""
        checked = self._checked_properties(served, desired)
        # Signals for the replaced resource do not count.
        self._stack.signals.pop(desired.logical_id, None)

        def identify(resource: Resource) -> None:
            with self._stacks.changed:
                known = self._stack.resources[desired.logical_id]
                if known.live is not None and known.live.physical_id == resource.physical_id:
                    return
                if replaced is not None and known.physical_id == replaced.physical_id:
                    self._schedule_cleanup(replaced, retained=_survives_replacement(replaced))
                initiated = replace(desired, status=action.in_progress, reason="Resource creation Initiated",
                                    live=resource, physical_id=resource.physical_id)  # fmt: skip
                self._stacks.save_resource(self._stack, initiated, properties=desired.properties)

        def create(progress: Progress) -> Resource:
            return served.provider.create(served.definition, self._request(desired), checked, progress)

        if self._stack.require_deployment().is_express:
            resource = self._create_in_express(desired, identify, create)
        else:
            resource = create(Creation(identify, self._run, lambda _resource: self._save_configured(desired, action)))
        identify(resource)
        wait_for_signals(self._stack, desired, self._run)
        self._save_complete(desired, action, resource)

    def _create_in_express(
        self, desired: ResourceState, identify: Callable[[Resource], None], create: Callable[[Progress], Resource]
    ) -> Resource:
        """Create a resource without waiting until it is stable; its last attributes are the stack's once it is."""
        identities = list[Resource]()

        def save_identity(resource: Resource) -> None:
            identities.append(resource)
            identify(resource)

        def save_stable(stable: Resource) -> None:
            with self._stacks.changed:
                resource = self._stack.resources.get(desired.logical_id)
                if resource is not None and resource.is_live and resource.physical_id == stable.physical_id:
                    self._stacks.save_resource(self._stack, replace(resource, live=stable), event=False)

        return self._background.retry(
            desired.depends_on,
            lambda: self._background.create(desired.logical_id, save_identity, create, save_stable),
            lambda: bool(identities),
        )

    def _save_configured(self, desired: ResourceState, action: Action) -> None:
        """Tell that a resource has its configuration and stabilises."""
        with self._stacks.changed:
            resource = self._stack.resources[desired.logical_id]
            self._stacks.append_event(
                self._stack, resource, action.in_progress, CONFIGURED, desired.properties, CONFIGURATION_COMPLETE
            )
            self._configured.add(desired.logical_id)
            self._append_configuration_event()

    def _append_configuration_event(self) -> None:
        """Tell once that the stack has its configuration: resources stabilise, and all others are complete."""
        names = self._stack.require_deployment().template.resources.keys()
        is_configured = self._configured - self._deployed and names <= self._configured | self._deployed
        if is_configured and not self._is_configured:
            self._is_configured = True
            self._stacks.append_stack_event(self._stack, CONFIGURED, CONFIGURATION_COMPLETE)

    def _save_complete(self, desired: ResourceState, action: Action, resource: Resource) -> None:
        if not desired.reason and self._stack.require_deployment().is_express:
            desired = replace(desired, reason=COMPLETED_IN_EXPRESS)
        complete = replace(
            desired, status=action.complete, live=resource, physical_id=resource.physical_id, is_created=True
        )
        self._stacks.save_resource(self._stack, complete, properties=desired.properties)

    def _import(self, served: Served, desired: ResourceState, identifier: str) -> None:
        """Make a live resource the stack's, and give it the stack's tags."""
        desired = replace(desired, physical_id=identifier, stack_tags={}, is_imported=True)
        started = replace(desired, status=ResourceStatus.IMPORT_IN_PROGRESS, reason="Resource import started.")
        self._stacks.save_resource(self._stack, started)
        live = served.provider.read(served.definition, Request(self._stack.place), identifier)
        with self._stacks.changed:
            # Two change sets may have found it in no stack.
            if owner := self._stacks.owner(self._stack.place, desired.type_name, identifier):
                raise ResourceFailed(f"{identifier} already exists in stack {owner.id}", "AlreadyExists")
            self._save_complete(replace(desired, reason="Resource import completed."), Action.IMPORT, live)
        tags = self._stack.require_deployment().tags
        if served.definition.tag_property is not None and served.definition.is_updatable and tags:
            imported = self._stack.resources[desired.logical_id]
            tagging = replace(imported, status=ResourceStatus.UPDATE_IN_PROGRESS, reason=_TAGGING)
            self._stacks.save_resource(self._stack, tagging)
            self._update(served, imported, replace(imported, stack_tags=tags, reason=""))

    def _change(
        self, served: Served, previous: ResourceState, desired: ResourceState, step: Step, *, is_conditional: bool
    ) -> None:
        reason = _REPLACING if step == "replace" else served.notice(desired.properties)
        working = replace(previous, status=ResourceStatus.UPDATE_IN_PROGRESS, reason=reason)
        self._stacks.save_resource(self._stack, working, properties=desired.properties)
        if step == "update":
            try:
                self._update(served, previous, desired)
            except ResourceFailed as failure:
                if not (is_conditional and failure.code == "NotUpdatable"):
                    raise
                replacing = replace(working, reason=_REPLACING)
                self._stacks.save_resource(self._stack, replacing, properties=desired.properties)
            else:
                return
        self._replace(served, previous, desired)

    def _update(self, served: Served, previous: ResourceState, desired: ResourceState) -> None:
        checked = self._checked_properties(served, desired)
        with self._stacks.changed:
            current = self._stack.resources[desired.logical_id]
            attempt = replace(current, attempted=desired.properties)
            self._stacks.save_resource(self._stack, attempt, event=False)
        request = self._request(desired, previous=previous)
        before = self._previous_properties(previous.properties)
        resource = served.provider.update(
            served.definition, request, previous.require_live(), before, checked, self._run
        )
        if resource.physical_id != previous.physical_id:
            # A custom resource that answers another physical id has replaced itself.
            self._schedule_cleanup(previous, retained=_survives_replacement(previous))
        self._save_complete(desired, Action.UPDATE, resource)

    def _replace(self, served: Served, previous: ResourceState, desired: ResourceState) -> None:
        if served.definition.deletes_first and not _survives_replacement(previous):
            self._stacks.append_event(self._stack, previous, ResourceStatus.DELETE_IN_PROGRESS)
            self._remove(served, previous)
            self._stacks.append_event(self._stack, previous, ResourceStatus.DELETE_COMPLETE)
            self._stacks.save_resource(self._stack, replace(previous, live=None), event=False)
            self._make(served, desired, Action.UPDATE)
            return
        name = _name_in_both(served, previous, desired)
        if name and desired.type_name.startswith("AWS::"):
            # CloudFormation's sentence of its own types (AWS knowledge center, "custom-named resource").
            raise ResourceFailed(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {name} and update the stack again.",
                "AlreadyExists",
            )
        try:
            self._make(served, desired, Action.UPDATE, previous)
        except ResourceFailed as failure:
            if failure.code != "AlreadyExists" or not name:
                raise
            raise ResourceFailed(
                f"{failure} This update replaces the resource, and the new one cannot take the name of the old one, "
                f"{name}, while that exists: give it another name, or none, so that one is generated.",
                failure.code,
            ) from None

    def delete(self, resource: ResourceState, *, current: bool) -> bool:
        """Delete a resource, unless it is retained; `current` if it is still the stack's own."""
        save = self._save_delete_status if current else self._append_delete_event
        if not resource.is_live:
            save(resource, ResourceStatus.DELETE_COMPLETE)
            return True
        if resource.is_retained:
            save(resource, ResourceStatus.DELETE_SKIPPED)
            return True
        save(resource, ResourceStatus.DELETE_IN_PROGRESS)
        try:
            self._remove(self._find(resource.type_name), resource)
        except Exception as problem:
            if not (isinstance(problem, Cancelled) and self._run.superseded):
                save(resource, ResourceStatus.DELETE_FAILED, self._failure_reason(problem, resource.type_name))
            return False
        save(resource, ResourceStatus.DELETE_COMPLETE)
        return True

    def _append_delete_event(self, resource: ResourceState, status: ResourceStatus, reason: str = "") -> None:
        # Recorded: the events of deletions have ResourceProperties.
        self._stacks.append_event(self._stack, resource, status, reason, resource.properties)

    def _save_delete_status(self, resource: ResourceState, status: ResourceStatus, reason: str = "") -> None:
        live = None if status.ends_life else resource.live
        saved = replace(resource, status=status, reason=reason, live=live)
        self._stacks.save_resource(self._stack, saved, properties=resource.properties)

    def _remove(self, served: Served, resource: ResourceState) -> None:
        request, live = self._request(resource), resource.require_live()
        try:
            served.provider.delete(served.definition, request, live, resource.properties, self._run)
        except ResourceFailed as failure:
            if failure.code != "NotFound":
                raise
        with self._stacks.changed:
            self._stack.deleted_physical_ids.add(resource.physical_id)

    def _schedule_cleanup(self, resource: ResourceState, *, retained: bool) -> None:
        with self._stacks.changed:
            self._stack.leftovers.append(replace(resource, is_retained=retained))

    def _save_failure(self, desired: ResourceState, action: Action, problem: Exception) -> None:
        reason = self._failure_reason(problem, desired.type_name)
        if isinstance(problem, Cancelled):
            reason = f"Resource {'creation' if action == Action.CREATE else action.lower()} cancelled"
        self.failed[action].append(desired.logical_id)
        self._run.stop("")
        # The identity may have changed before the failure.
        current = self._stack.resources.get(desired.logical_id, desired)
        failed = replace(current, status=action.failed, reason=reason)
        self._stacks.save_resource(self._stack, failed, properties=desired.properties)

    def _failure_reason(self, problem: Exception, type_name: str) -> str:
        """Return the reason without secrets; of an unexpected exception its name alone."""
        if isinstance(problem, ResourceFailed | Refused):
            return str(secrets.hidden(str(problem), self._stack.secrets))
        return internal_error(f"the provider of {type_name}", problem)


def _survives_replacement(resource: ResourceState) -> bool:
    return resource.definition.get("UpdateReplacePolicy") == "Retain"


def _name_in_both(served: Served, previous: ResourceState, desired: ResourceState) -> str:
    """Return the name that a template gives a resource before and after its replacement, or nothing."""
    definition = served.definition
    for names in (definition.primary_identifier, *definition.additional_identifiers):
        before, after = ([resource.properties.get(name) for name in names] for resource in (previous, desired))
        if before == after and None not in after:
            return "|".join(map(str, after))
    return ""
