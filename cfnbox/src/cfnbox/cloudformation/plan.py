"""What a new template changes: add, modify, replace, remove. Pure.

Change sets show a plan, and the operation that executes it decides by the same `step_for`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cached_property
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal

from cfnbox.cloudformation.changes import Cause, Change, Detail, Target, with_unknown_attributes, with_unknown_values
from cfnbox.cloudformation.deployment import STACK_TYPE, Deployment, ResourceState
from cfnbox.cloudformation.status import ResourceStatus
from cfnbox.core.type_definition import Replacement, TypeDefinition
from cfnbox.template import functions
from cfnbox.template.functions import UNKNOWN
from cfnbox.template.references import references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.cloudformation.changes import Recreation
    from cfnbox.core.paths import Json
    from cfnbox.template.scope import Scope

Find = Callable[[str], TypeDefinition]
Step = Literal["create", "update", "replace", "keep"]
_RECREATION: Mapping[Replacement, Recreation] = {"True": "Always", "Conditional": "Conditionally", "False": "Never"}
# PolicyAction of a replacement, by UpdateReplacePolicy.
_REPLACEMENT_ACTIONS = {"Retain": "ReplaceAndRetain", "Snapshot": "ReplaceAndSnapshot"}
# Attributes of a resource beside its properties whose change is part of a change set.
_OTHER_ATTRIBUTES = ("Metadata", "DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy")


class _Effect(Enum):
    """What a planned change means for the resources that refer to the changed one."""

    NEW = auto()
    PERHAPS_NEW = auto()
    IN_PLACE = auto()


def step_for(
    definition: TypeDefinition, resource: ResourceState | None, desired: Json, tags: Mapping[str, str]
) -> tuple[Step, Replacement]:
    """Return what makes a resource have these properties and stack tags, and whether that replaces it.

    A resource that a failed operation left is updated again, or created again if its create never ended.
    """
    if resource is None or not resource.is_live or not resource.is_created:
        return "create", "False"
    replacement = definition.replacement(resource.properties, desired)
    if replacement == "True":
        return "replace", replacement
    changed = definition.changed(resource.properties, desired)
    retagged = definition.tag_property is not None and dict(resource.stack_tags) != dict(tags)
    unfinished = resource.status == ResourceStatus.UPDATE_FAILED
    # A nested stack is always updated: its template is read only when its own update is planned. Change sets call
    # this Automatic.
    if changed or retagged or unfinished or resource.type_name == STACK_TYPE:
        return "update", replacement
    return "keep", "False"


def plan(
    goal: Deployment, deployed: Deployment | None, existing: Mapping[str, ResourceState], scope: Scope, find: Find
) -> list[Change]:
    """Return what a deployment does to each resource, in the order in which it can be done; removals last.

    `scope` resolves functions as far as they can be before the operation.
    """
    needed, changes, planner = goal.template.dependencies, list[Change](), _Planner(goal, deployed, find, scope)
    for logical_id in TopologicalSorter(needed).static_order():
        changes.append(planner.plan(logical_id, existing.get(logical_id)))
    for name, resource in existing.items():
        if name not in needed and resource.is_live:
            action = "Retain" if resource.is_kept else "Delete"
            before = with_unknown_attributes(resource.definition.get("Properties", {}), resource.properties)
            removal = Change(
                "Remove", name, resource.type_name, resource.physical_id, policy_action=action, before=before
            )
            changes.append(removal)
    return changes


@dataclass
class _Planner:
    """Plans the changes of one deployment; `effects` are those of the changes planned so far."""

    goal: Deployment
    deployed: Deployment | None
    find: Find
    scope: Scope
    effects: dict[str, _Effect] = field(default_factory=dict)

    def plan(self, logical_id: str, resource: ResourceState | None) -> Change:
        """Return the change of a resource, once those of all that it refers to are planned."""
        change = self._change(logical_id, resource)
        if change.action in ("Add", "Import") or change.replacement == "True":
            self.effects[logical_id] = _Effect.NEW
        elif change.action == "Modify":
            is_open = change.replacement == "Conditional"
            self.effects[logical_id] = _Effect.PERHAPS_NEW if is_open else _Effect.IN_PLACE
        return change

    def _change(self, logical_id: str, resource: ResourceState | None) -> Change:
        definition = self.goal.template.resources[logical_id]
        kind = self.find(definition["Type"])
        if logical_id in self.goal.imports and (resource is None or not resource.is_live):
            return Change("Import", logical_id, kind.type_name, self.goal.imports[logical_id])
        desired, shown, warning = self._resolved(definition)
        step, replacement = step_for(kind, resource, desired, self.goal.tags)
        if step == "create" or resource is None:
            return Change("Add", logical_id, kind.type_name, after=shown, warning=warning)
        others = list(self._other_details(kind, resource, definition))
        details = [*self._property_details(kind, resource, definition, desired), *others]
        if not details and step == "update" and kind.type_name == STACK_TYPE:
            others = details = [Detail(Target("Properties"), Cause("Automatic", "Dynamic"))]
        if not details and step == "keep":
            return Change("Keep", logical_id, kind.type_name, resource.physical_id, before=desired, after=desired)
        replacement = _overall(details, replacement)
        return Change(
            "Modify", logical_id, kind.type_name, resource.physical_id, replacement,
            _REPLACEMENT_ACTIONS.get(resource.definition.get("UpdateReplacePolicy", ""), "ReplaceAndDelete")
            if replacement == "True" else None,
            tuple(details),
            (*self._property_details(kind, resource, definition, shown, values=True), *others),
            resource.properties, shown, warning=warning,
        )  # fmt: skip

    def _resolved(self, definition: Json) -> tuple[Json, Json, str]:
        """Return the properties as far as they are known: to compare, to show, and why they are incomplete.

        To compare, the attributes of a resource that changes in place are unknown; shown are its current ones.
        An export that does not exist yet is unknown, because it may exist when the change set is executed.
        """
        missing = list[str]()

        def export(name: str) -> str:
            value = self.scope.exports(name)
            if value is None:
                missing.append(name)
            return UNKNOWN if value is None else value

        written = definition.get("Properties", {})
        changing = {name for name, _ in references(written, self.goal.template.conditions)} & self.effects.keys()
        new = frozenset(name for name in changing if self.effects[name] != _Effect.IN_PLACE)
        shown_scope = replace(self.scope, pending=new, exports=export)
        compared_scope = replace(shown_scope, changing=frozenset(changing) - new)
        compared, shown = functions.resolve(written, compared_scope), functions.resolve(written, shown_scope)
        # Recorded without "found." at its end, unlike the reason of a failed operation.
        warning = f"No export named {missing[0]}" if missing else ""
        return compared, with_unknown_values(shown), warning

    def _property_details(
        self, kind: TypeDefinition, resource: ResourceState, definition: Json, desired: Json, *, values: bool = False
    ) -> Iterator[Detail]:
        for name in kind.changed(resource.properties, desired):
            before, after = resource.properties.get(name), desired.get(name)
            one_before, one_after = ({} if value is None else {name: value} for value in (before, after))
            recreation = _RECREATION[kind.replacement(one_before, one_after)]
            target = Target("Properties", recreation, name, before, after)
            previous, written = (one.get("Properties", {}).get(name) for one in (resource.definition, definition))
            for cause in self._causes(previous, written, values=values):
                yield Detail(target, cause)

    def _other_details(self, kind: TypeDefinition, resource: ResourceState, definition: Json) -> Iterator[Detail]:
        if kind.tag_property is not None and dict(resource.stack_tags) != dict(self.goal.tags):
            yield Detail(Target("Tags"))
        for name in _OTHER_ATTRIBUTES:
            previous, written = resource.definition.get(name), definition.get(name)
            causes = self._causes(previous, written, values=False)
            is_caused = any(cause.source == "ParameterReference" for cause in causes)
            if previous != written or (name == "Metadata" and is_caused):
                yield from (Detail(Target(name), cause) for cause in causes)

    def _causes(self, previous: Any, written: Any, *, values: bool) -> list[Cause]:
        """Return why what is written there changes."""
        causes = self._referred(written, values=values)
        if not causes:
            return [Cause()]
        is_parameter = any(cause.source == "ParameterReference" for cause in causes)
        direct = [Cause(evaluation="Dynamic")] if values or is_parameter or previous != written else []
        return [*causes, *direct]

    def _referred(self, written: Any, *, values: bool) -> list[Cause]:
        """Return which changes of parameters and resources are causes; without those that change in place."""
        causes = dict[Cause, None]()
        for name, attribute in references(written, self.goal.template.conditions):
            effect = self.effects.get(name)
            if values and effect == _Effect.IN_PLACE:
                continue
            evaluation: Literal["Static", "Dynamic"] = "Static" if effect == _Effect.NEW else "Dynamic"
            if attribute is None and name in self._changed_parameters:
                causes[Cause("ParameterReference", entity=name)] = None
            elif attribute is not None and effect is not None:
                causes[Cause("ResourceAttribute", evaluation, f"{name}.{attribute}")] = None
            elif attribute is None and effect in (_Effect.NEW, _Effect.PERHAPS_NEW):
                causes[Cause("ResourceReference", evaluation, name)] = None
        return list(causes)

    @cached_property
    def _changed_parameters(self) -> set[str]:
        if self.deployed is None:
            return set()
        desired, previous = self.goal.template.parameters, self.deployed.template.parameters
        return {
            name for name, parameter in desired.items()
            if name not in previous or previous[name].referred != parameter.referred
        }  # fmt: skip


def _overall(details: list[Detail], replacement: Replacement) -> Replacement:
    """Return True only if a certain change recreates; a value that is not known yet makes it conditional."""
    if replacement == "False":
        return "False"
    return "True" if any(detail.recreates for detail in details) else "Conditional"
