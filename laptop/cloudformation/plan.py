"""What a new template changes: add, modify, replace, remove. Pure: two deployments and what exists give a plan.

The members and words of a change are those of CloudFormation's ResourceChange (botocore's shape of that name).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal

from laptop.cloudformation import secrets
from laptop.cloudformation.stacks import STACK_TYPE, Deployment, StackResource
from laptop.definition import Replacement, TypeDefinition
from laptop.template import functions
from laptop.template.functions import UNKNOWN
from laptop.template.references import dependencies, references

if TYPE_CHECKING:
    from laptop.paths import Json
    from laptop.template.scope import Scope
from laptop.providers.protocol import Resource

Find = Callable[[str], TypeDefinition]
Action = Literal["Add", "Modify", "Remove", "Import", "Keep"]
Step = Literal["create", "update", "replace", "keep"]
_RECREATION = {"True": "Always", "Conditional": "Conditionally", "False": "Never"}
# Attributes of a resource beside its properties whose change is part of a change set.
_OTHER_ATTRIBUTES = ("Metadata", "DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy")


@dataclass(frozen=True)
class Change:
    """What happens to one resource; `before` and `after` are its properties, None where there is no resource."""

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
        """The change as DescribeChangeSet tells it; `values` adds the properties before and after, secrets hidden."""
        scope = sorted({detail["Target"]["Attribute"] for detail in self.details})
        shown = self.details if values else [_without_values(detail) for detail in self.details]
        details = secrets.hidden(shown, hidden)
        members: Json = {
            "PolicyAction": self.policy_action,
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "PhysicalResourceId": self.physical_id or None,
            "ResourceType": self.type_name,
            "Replacement": self.replacement if self.action == "Modify" else None,
            "Scope": scope,
            "Details": details,
        }
        if values:
            members["BeforeContext"] = None if self.before is None else _context(self.before, hidden)
            members["AfterContext"] = None if self.after is None else _context(self.after, hidden)
        return {"Type": "Resource", "ResourceChange": {k: v for k, v in members.items() if v is not None}}


def _context(properties: Json, hidden: Collection[str]) -> str:
    return json.dumps({"Properties": secrets.hidden(properties, hidden)})


def _without_values(detail: Json) -> Json:
    hidden = ("BeforeValue", "AfterValue", "Path", "AttributeChangeType")
    return {**detail, "Target": {k: v for k, v in detail["Target"].items() if k not in hidden}}


def step_for(
    definition: TypeDefinition, resource: StackResource | None, desired: Json, tags: Mapping[str, str]
) -> tuple[Step, Replacement]:
    """What is to be done with a resource so that it has these properties and stack tags, and whether that replaces.

    What a failed operation left is updated again, or made anew when its creation never ended.
    """
    if resource is None or resource.exists is None or not resource.created:
        return "create", "False"
    replacement = definition.replacement(resource.properties, desired)
    if replacement == "True":
        return "replace", replacement
    changed = definition.changed(resource.properties, desired)
    retagged = definition.tag_property is not None and dict(resource.stack_tags) != dict(tags)
    unfinished = resource.status == "UPDATE_FAILED"
    # What a nested stack's template says now, nobody knows before its own plan is made: CloudFormation's "Automatic".
    if changed or retagged or unfinished or resource.type_name == STACK_TYPE:
        return "update", replacement
    return "keep", "False"


def plan(
    goal: Deployment, deployed: Deployment | None, existing: Mapping[str, StackResource], scope: Scope, find: Find
) -> list[Change]:
    """What deploying the goal does to each resource, in the order in which it can be done; removals last.

    `scope` resolves functions as far as they can be before the operation.
    """
    resources, changes = goal.resources, list[Change]()
    for logical_id in TopologicalSorter(dependencies(resources, goal.conditions)).static_order():
        change = _change_of(logical_id, resources[logical_id], existing.get(logical_id), goal, deployed, scope, find)
        changes.append(change)
        scope = _after(scope, change, find)
    removed = [one for logical_id, one in existing.items() if logical_id not in resources and one.exists]
    return changes + [_removal(one) for one in removed]


def _removal(resource: StackResource) -> Change:
    kept = resource.definition.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate")
    return Change("Remove", resource.logical_id, resource.type_name, resource.physical_id, before=resource.properties,
                  policy_action="Retain" if kept else "Delete")  # fmt: skip


def _after(scope: Scope, change: Change, find: Find) -> Scope:
    """What is known of a resource once the change is made, for those that refer to it."""
    if change.action == "Add" or (change.action == "Modify" and change.replacement != "False"):
        return replace(scope, pending=scope.pending | {change.logical_id})
    if change.action == "Modify":
        unknown = dict.fromkeys(find(change.type_name).attributes, UNKNOWN)
        now = Resource(change.physical_id, "", {}, unknown)
        return replace(scope, resources={**scope.resources, change.logical_id: now})
    return scope


def _change_of(
    logical_id: str,
    definition: Json,
    resource: StackResource | None,
    goal: Deployment,
    deployed: Deployment | None,
    scope: Scope,
    find: Find,
) -> Change:
    kind = find(definition["Type"])
    desired = functions.resolve(definition.get("Properties", {}), scope)
    step, replacement = step_for(kind, resource, desired, goal.tags)
    if step == "create" or resource is None:
        return Change("Add", logical_id, kind.type_name, after=desired)
    details = [*_property_details(kind, resource, definition, desired, goal, deployed, scope)]
    if kind.tag_property is not None and dict(resource.stack_tags) != dict(goal.tags):
        details.append(_detail("Tags", "Never", "DirectModification"))
    details += [
        _detail(name, "Never", "DirectModification")
        for name in _OTHER_ATTRIBUTES
        if resource.definition.get(name) != definition.get(name)
    ]
    if not details and step == "update" and kind.type_name == STACK_TYPE:
        details.append(_detail("Properties", "Never", "Automatic", "Dynamic"))
    if not details and step == "keep":
        return Change("Keep", logical_id, kind.type_name, resource.physical_id, before=desired, after=desired)
    return Change(
        "Modify", logical_id, kind.type_name, resource.physical_id, _overall(details, replacement),
        _replace_policy(resource) if replacement == "True" else None, details, resource.properties, desired,
    )  # fmt: skip


def _overall(details: list[Json], replacement: Replacement) -> Replacement:
    """True only when a change that is certain recreates; a value that is not known yet makes it conditional."""
    if replacement == "False":
        return "False"
    needs = [(one["Target"].get("RequiresRecreation"), one.get("Evaluation")) for one in details]
    return "True" if ("Always", "Static") in needs else "Conditional"


def _replace_policy(resource: StackResource) -> str:
    return {"Retain": "ReplaceAndRetain", "Snapshot": "ReplaceAndSnapshot"}.get(
        resource.definition.get("UpdateReplacePolicy", ""), "ReplaceAndDelete"
    )


def _property_details(
    kind: TypeDefinition,
    resource: StackResource,
    definition: Json,
    desired: Json,
    goal: Deployment,
    deployed: Deployment | None,
    scope: Scope,
) -> list[Json]:
    details = []
    for name in kind.changed(resource.properties, desired):
        written_before = resource.definition.get("Properties", {}).get(name)
        written = definition.get("Properties", {}).get(name)
        before, after = resource.properties.get(name), desired.get(name)
        one_before, one_after = ({name: value} for value in (before, after))
        recreation = _RECREATION[kind.replacement(
            {} if before is None else one_before, {} if after is None else one_after)]  # fmt: skip
        target = {
            "Name": name,
            "Path": f"/Properties/{name}",
            "BeforeValue": _text(before),
            "AfterValue": _text(after),
            "AttributeChangeType": "Add" if before is None else "Remove" if after is None else "Modify",
        }
        for source, entity in _sources(written_before, written, after, goal, deployed, scope):
            evaluation = "Dynamic" if source in ("ResourceReference", "ResourceAttribute") else "Static"
            details.append(_detail("Properties", recreation, source, evaluation, target, entity))
    return details


def _sources(
    before: Any, after: Any, value: Any, goal: Deployment, deployed: Deployment | None, scope: Scope
) -> list[tuple[str, str | None]]:
    """Why a property changes: what was written, a parameter, or another resource that changes."""
    if UNKNOWN in json.dumps(value, default=str):
        named = {name for name, _ in references(after, goal.conditions)}
        changing = sorted(named & (scope.pending | scope.resources.keys()))
        sources: list[tuple[str, str | None]] = [("ResourceReference", entity) for entity in changing]
        return sources or [("DirectModification", None)]
    if before != after or deployed is None:
        return [("DirectModification", None)]
    parameters = sorted(
        name
        for name in {name for name, _ in references(after, goal.conditions)} & goal.parameters.keys()
        if name not in deployed.parameters or deployed.parameters[name].value != goal.parameters[name].value
    )
    return [("ParameterReference", name) for name in parameters] or [("DirectModification", None)]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _detail(
    attribute: str,
    recreation: str,
    source: str,
    evaluation: str = "Static",
    target: Json | None = None,
    entity: str | None = None,
) -> Json:
    members = {"Attribute": attribute, "RequiresRecreation": recreation, **(target or {})}
    detail: Json = {
        "Target": {key: value for key, value in members.items() if value is not None},
        "Evaluation": evaluation,
        "ChangeSource": source,
    }
    return detail | ({"CausingEntity": entity} if entity else {})
