"""Adopting resources that exist into a stack (user guide, "Import AWS resources into a CloudFormation stack")."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from laptop.cloudformation.stacks import StackResource
from laptop.providers.protocol import Request, ResourceFailed
from laptop.refusal import Invalid
from laptop.template import functions
from laptop.template.references import dependencies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from laptop.cloudformation.operation import Carrier
    from laptop.cloudformation.plan import Find
    from laptop.cloudformation.run import Run
    from laptop.cloudformation.stacks import Deployment, Stack
    from laptop.paths import Json

# The event that CloudFormation writes when it gives an imported resource the tags of its stack.
_TAGS_REASON = "Apply stack-level tags to imported resource if applicable."


def identifiers(goal: Deployment, stack: Stack | None, asked: Sequence[Json], find: Find) -> dict[str, str]:
    """Logical id to primary identifier of what is to be imported; Refused in CloudFormation's words."""
    new = goal.resources
    had: Mapping[str, StackResource] = {} if stack is None else stack.resources
    wanted = [one["LogicalResourceId"] for one in asked]
    unknown = [name for name in wanted if name not in new]
    missing = [name for name in new if name not in had and name not in wanted]
    unguarded = [name for name in wanted if name in new and "DeletionPolicy" not in new[name]]
    modified = [
        name for name, one in had.items() if new.get(name, one.definition) != one.definition or name not in new
    ]
    for names, text in (
        (unknown, "The logical resource ids {} provided in ResourceToImport do not exist in the template."),
        ([name for name in wanted if name in had], "Resources {} passed in ResourceToImport are already in a stack."),
        (missing, "Resources {} is missing from ResourceToImport list"),
        (modified, "You have modified resources {} in your template that are not being imported. "
                   "Update, create or delete operations cannot be executed during import operations."),
        (unguarded, "The following resources to import {} must have DeletionPolicy attribute specified in the "
                    "template."),
    ):  # fmt: skip
        if names:
            raise Invalid(text.format(f"[{', '.join(sorted(names))}]"))
    return {one["LogicalResourceId"]: _identifier(one, find) for one in asked}


def _identifier(asked: Json, find: Find) -> str:
    given: Mapping[str, str] = asked["ResourceIdentifier"]
    definition = find(asked["ResourceType"])
    for names in (definition.primary_identifier, *definition.additional_identifiers):
        if set(names) == set(given):
            return "|".join(given[name] for name in names)
    expected = ", ".join(definition.primary_identifier)
    raise Invalid(f"Invalid resource identifier for resource type {definition.type_name}. Expected [{expected}]")


def adopt(carrier: Carrier, stack: Stack, run: Run, identifiers: dict[str, str]) -> str:
    """Read each resource and make it the stack's; why that failed, or nothing."""
    resources, failed = stack.goal.resources, list[str]()
    graph = dependencies(resources, stack.goal.conditions)

    def act(name: str) -> bool:
        if name not in identifiers:
            return True
        wanted = StackResource(
            name, resources[name]["Type"], resources[name], frozenset(graph[name]), physical_id=identifiers[name]
        )
        carrier.stacks.put(stack, replace(wanted, status="IMPORT_IN_PROGRESS", reason="Resource import started."))
        try:
            _adopt_one(carrier, stack, run, wanted, identifiers[name])
        except (ResourceFailed, functions.ResolutionFailed) as failure:
            carrier.stacks.put(stack, replace(wanted, status="IMPORT_FAILED", reason=str(failure)))
            failed.append(name)
            return False
        return True

    run.walk(graph, act)
    return f"The following resource(s) failed to import: [{', '.join(sorted(failed))}]. " if failed else ""


def _adopt_one(carrier: Carrier, stack: Stack, run: Run, wanted: StackResource, identifier: str) -> None:
    served = carrier.find(wanted.type_name, stack.place)
    exists = served.provider.read(served.definition, Request(stack.place, str(uuid.uuid4())), identifier)
    desired = functions.resolve(wanted.definition.get("Properties", {}), replace(carrier.scope(stack), dynamic=None))
    adopted = replace(wanted, status="IMPORT_COMPLETE", reason="Resource import completed.", properties=desired,
                      exists=exists, physical_id=exists.physical_id, created=True)  # fmt: skip
    carrier.stacks.put(stack, adopted, sent=desired)
    tags = stack.goal.tags
    if served.definition.tag_property is not None and served.definition.updatable and tags:
        carrier.stacks.put(stack, replace(adopted, status="UPDATE_IN_PROGRESS", reason=_TAGS_REASON))
        carrier.resources_of(stack, run).retag(served, adopted, tags)
