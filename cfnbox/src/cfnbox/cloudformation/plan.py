"""What a new template changes: add, modify, replace, remove. Pure.

The members and values of a change are those of CloudFormation's ResourceChange (botocore's shape of that name).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal

from cfnbox.cloudformation.deployment import STACK_TYPE, Deployment, StackResource
from cfnbox.cloudformation.status import ResourceStatus
from cfnbox.core.type_definition import Replacement, TypeDefinition
from cfnbox.providers.protocol import Resource
from cfnbox.template import functions, secrets
from cfnbox.template.functions import UNKNOWN
from cfnbox.template.references import references

if TYPE_CHECKING:
    from collections.abc import Collection

    from cfnbox.core.paths import Json
    from cfnbox.template.scope import Scope

Find = Callable[[str], TypeDefinition]
Action = Literal["Add", "Modify", "Remove", "Import", "Keep"]
Step = Literal["create", "update", "replace", "keep"]
_RECREATION = {"True": "Always", "Conditional": "Conditionally", "False": "Never"}
# PolicyAction of a replacement, by UpdateReplacePolicy.
_REPLACEMENT_ACTIONS = {"Retain": "ReplaceAndRetain", "Snapshot": "ReplaceAndSnapshot"}
# Attributes of a resource beside its properties whose change is part of a change set.
_OTHER_ATTRIBUTES = ("Metadata", "DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy")


@dataclass(frozen=True)
class Change:
    """A change of one resource; `before` and `after` are its properties, None where there is no resource."""

    action: Action
    logical_id: str
    type_name: str
    physical_id: str = ""
    replacement: Replacement | None = None
    policy_action: str | None = None
    details: list[Json] = field(default_factory=list)
    before: Json | None = None
    after: Json | None = None

    def described(self, *, values: bool, hidden: Collection[str] = ()) -> Json:
        """Return the change as DescribeChangeSet answers it; `values` adds the properties, with secrets hidden."""
        shown = self.details if values else [_without_values(detail) for detail in self.details]
        optional = {
            "PolicyAction": self.policy_action,
            "PhysicalResourceId": self.physical_id or None,
            "Replacement": self.replacement if self.action == "Modify" else None,
        }
        change: Json = {
            **{member: value for member, value in optional.items() if value is not None},
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.type_name,
            "Scope": sorted({detail["Target"]["Attribute"] for detail in self.details}),
            "Details": secrets.hidden(shown, hidden),
        }
        for member, properties in (("BeforeContext", self.before), ("AfterContext", self.after)):
            if values and properties is not None:
                change[member] = json.dumps({"Properties": secrets.hidden(properties, hidden)})
        return {"Type": "Resource", "ResourceChange": change}


def _without_values(detail: Json) -> Json:
    hidden = ("BeforeValue", "AfterValue", "Path", "AttributeChangeType")
    return {**detail, "Target": {k: v for k, v in detail["Target"].items() if k not in hidden}}


def step_for(
    definition: TypeDefinition, resource: StackResource | None, desired: Json, tags: Mapping[str, str]
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
    goal: Deployment, deployed: Deployment | None, existing: Mapping[str, StackResource], scope: Scope, find: Find
) -> list[Change]:
    """Return what a deployment does to each resource, in the order in which it can be done; removals last.

    `scope` resolves functions as far as they can be before the operation.
    """
    needed, changes, planner = goal.template.dependencies, list[Change](), _Planner(goal, deployed, find)
    for logical_id in TopologicalSorter(needed).static_order():
        change = planner.change(logical_id, existing.get(logical_id), scope)
        changes.append(change)
        scope = _after(scope, change, find)
    for name, one in existing.items():
        if name not in needed and one.is_live:
            action = "Retain" if one.is_kept else "Delete"
            removal = Change("Remove", name, one.type_name, one.physical_id, None, action, before=one.properties)
            changes.append(removal)
    return changes


def _after(scope: Scope, change: Change, find: Find) -> Scope:
    """Return the scope after a change, for the resources that refer to the changed one."""
    if change.action in ("Add", "Import") or (change.action == "Modify" and change.replacement != "False"):
        return replace(scope, pending=scope.pending | {change.logical_id})
    if change.action == "Modify":
        unknown = dict.fromkeys(find(change.type_name).attributes, UNKNOWN)
        now = Resource(change.physical_id, "", {}, unknown)
        return replace(scope, resources={**scope.resources, change.logical_id: now})
    return scope


@dataclass(frozen=True)
class _Planner:
    """Plans the changes of one deployment."""

    goal: Deployment
    deployed: Deployment | None
    find: Find

    def change(self, logical_id: str, resource: StackResource | None, scope: Scope) -> Change:
        definition = self.goal.template.resources[logical_id]
        kind = self.find(definition["Type"])
        if logical_id in self.goal.imports and (resource is None or not resource.is_live):
            return Change("Import", logical_id, kind.type_name, self.goal.imports[logical_id])
        desired = functions.resolve(definition.get("Properties", {}), scope)
        step, replacement = step_for(kind, resource, desired, self.goal.tags)
        if step == "create" or resource is None:
            return Change("Add", logical_id, kind.type_name, after=desired)
        details = self._property_details(kind, resource, definition, desired, scope)
        others = [name for name in _OTHER_ATTRIBUTES if resource.definition.get(name) != definition.get(name)]
        if kind.tag_property is not None and dict(resource.stack_tags) != dict(self.goal.tags):
            others.insert(0, "Tags")
        details += [_detail({"Attribute": name, "RequiresRecreation": "Never"}) for name in others]
        if not details and step == "update" and kind.type_name == STACK_TYPE:
            target = {"Attribute": "Properties", "RequiresRecreation": "Never"}
            details.append(_detail(target, "Automatic", "Dynamic"))
        if not details and step == "keep":
            return Change("Keep", logical_id, kind.type_name, resource.physical_id, before=desired, after=desired)
        return Change(
            "Modify", logical_id, kind.type_name, resource.physical_id, _overall(details, replacement),
            _REPLACEMENT_ACTIONS.get(resource.definition.get("UpdateReplacePolicy", ""), "ReplaceAndDelete")
            if replacement == "True" else None,
            details, resource.properties, desired,
        )  # fmt: skip

    def _property_details(
        self, kind: TypeDefinition, resource: StackResource, definition: Json, desired: Json, scope: Scope
    ) -> list[Json]:
        details = []
        for name in kind.changed(resource.properties, desired):
            before, after = resource.properties.get(name), desired.get(name)
            one_before, one_after = ({} if value is None else {name: value} for value in (before, after))
            target = {
                "Attribute": "Properties",
                "RequiresRecreation": _RECREATION[kind.replacement(one_before, one_after)],
                "Name": name,
                "Path": f"/Properties/{name}",
                "BeforeValue": _text(before),
                "AfterValue": _text(after),
                "AttributeChangeType": "Add" if before is None else "Remove" if after is None else "Modify",
            }
            was_written, written = (one.get("Properties", {}).get(name) for one in (resource.definition, definition))
            for source, entity in self._sources(was_written, written, after, scope):
                evaluation = "Dynamic" if source == "ResourceReference" else "Static"
                details.append(_detail(target, source, evaluation, entity))
        return details

    def _sources(self, before: Any, after: Any, value: Any, scope: Scope) -> list[tuple[str, str | None]]:
        """Return why a property changes: the template, a parameter, or another resource that changes."""
        named = {name for name, _ in references(after, self.goal.template.conditions)}
        source, causes = "ParameterReference", set[str]()
        if UNKNOWN in json.dumps(value, default=str):
            source, causes = "ResourceReference", named & (scope.pending | scope.resources.keys())
        elif before == after and self.deployed is not None:
            given, had = self.goal.template.parameters, self.deployed.template.parameters
            changed = {name for name, one in given.items() if name not in had or had[name].value != one.value}
            causes = named & changed
        return [(source, entity) for entity in sorted(causes)] or [("DirectModification", None)]


def _overall(details: list[Json], replacement: Replacement) -> Replacement:
    """Return True only if a certain change recreates; a value that is not known yet makes it conditional."""
    if replacement == "False":
        return "False"
    needs = [(one["Target"].get("RequiresRecreation"), one.get("Evaluation")) for one in details]
    return "True" if ("Always", "Static") in needs else "Conditional"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _detail(
    target: Json, source: str = "DirectModification", evaluation: str = "Static", entity: str | None = None
) -> Json:
    target = {member: value for member, value in target.items() if value is not None}
    causing = {} if entity is None else {"CausingEntity": entity}
    return {"Target": target, "Evaluation": evaluation, "ChangeSource": source, **causing}
