"""Which resources that exist a change set imports, and what CloudFormation refuses of that.

Sources: "Import AWS resources into a CloudFormation stack manually" and "automatically" in the user guide.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from laptop.providers.identifiers import by_additional
from laptop.providers.protocol import Request, ResourceFailed, Served
from laptop.refusal import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laptop.cloudformation.deployments import Deployments
    from laptop.cloudformation.stacks import Deployment, Stack
    from laptop.paths import Json
    from laptop.providers.protocol import Place


def check(goal: Deployment, stack: Stack, asked: Sequence[Json]) -> None:
    """Refused in CloudFormation's words when importing the resources that were asked for would do anything else."""
    new, had = goal.resources, stack.resources
    wanted = [one["LogicalResourceId"] for one in asked]
    for names, text in (
        ([name for name in wanted if name not in new],
         "The logical resource ids {} provided in ResourceToImport do not exist in the template."),
        ([name for name in wanted if name in had and had[name].exists],
         "Resources {} passed in ResourceToImport are already in a stack."),
        ([name for name in new if name not in had and name not in wanted],
         "Resources {} is missing from ResourceToImport list"),
        ([name for name, one in had.items() if one.exists and new.get(name) != one.definition],
         "You have modified resources {} in your template that are not being imported. "
         "Update, create or delete operations cannot be executed during import operations."),
        ([name for name in wanted if name in new and "DeletionPolicy" not in new[name]],
         "The following resources to import {} must have DeletionPolicy attribute specified in the template."),
    ):  # fmt: skip
        if names:
            raise Invalid(text.format(f"[{', '.join(sorted(names))}]"))
    had_outputs = stack.deployment.processed.get("Outputs", {}) if stack.deployment else {}
    if goal.processed.get("Outputs", {}) != had_outputs:
        raise Invalid("As part of the import operation, you cannot modify or add [Outputs]")


def identifiers(deployments: Deployments, place: Place, asked: Sequence[Json]) -> dict[str, str]:
    """Logical id to primary identifier of what is to be imported; ResourceFailed when it is not there."""
    found = {}
    for one in asked:
        served = deployments.find(one["ResourceType"], place)
        identifier = _identifier(served, place, one["ResourceIdentifier"])
        owner = deployments.stacks.owner(place, one["ResourceType"], identifier)
        if owner is not None:
            raise Invalid(f"{identifier} already exists in stack {owner.id}")
        if not _exists(served, place, identifier):
            raise _not_found(served, identifier)
        found[one["LogicalResourceId"]] = identifier
    return found


def _identifier(served: Served, place: Place, given: Json) -> str:
    definition = served.definition
    if set(given) == set(definition.primary_identifier):
        return "|".join(given[name] for name in definition.primary_identifier)
    if set(given) not in map(set, definition.additional_identifiers):
        expected = ", ".join(definition.primary_identifier)
        raise Invalid(f"Invalid resource identifier for resource type {definition.type_name}. Expected [{expected}]")
    identifier = by_additional(served, _request(place), given)
    if identifier is None:
        raise _not_found(served, "|".join(given.values()))
    return identifier


def existing(deployments: Deployments, goal: Deployment, stack: Stack) -> dict[str, str]:
    """The same of what the template adds and names, by text, as something that exists and is in no stack.

    Refused when such a resource may be deleted with its stack.
    """
    found, unguarded = {}, []
    for logical_id, definition in goal.resources.items():
        served = deployments.find(definition["Type"], stack.place)
        names = served.definition.primary_identifier
        given = {name: definition.get("Properties", {}).get(name) for name in names}
        if logical_id in stack.resources or not all(isinstance(one, str) for one in given.values()):
            continue
        identifier = "|".join(given.values())
        if deployments.stacks.owner(stack.place, definition["Type"], identifier):
            continue
        if _exists(served, stack.place, identifier, "UnsupportedAction"):
            found[logical_id] = identifier
            if definition.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate"):
                named = ", ".join(f"{name}={value}" for name, value in given.items())
                unguarded.append(f"{logical_id} ({{{named}}})")
    if unguarded:
        raise Invalid(
            "CloudFormation is attempting to import some resources because they already exist in your account. The "
            "resources must have the DeletionPolicy attribute set to 'Retain' or 'RetainExceptOnCreate' in the "
            f"template for successful import. The affected resources are {', '.join(unguarded)}"
        )
    return found


def _exists(served: Served, place: Place, identifier: str, *absent: str) -> bool:
    try:
        served.provider.read(served.definition, _request(place), identifier)
    except ResourceFailed as failure:
        if failure.code not in ("NotFound", *absent):
            raise
        return False
    return True


def _not_found(served: Served, identifier: str) -> ResourceFailed:
    kind = served.definition.type_name
    return ResourceFailed(f"Resource of type '{kind}' with identifier '{identifier}' was not found.", "NotFound")


def _request(place: Place) -> Request:
    return Request(place, str(uuid.uuid4()))
