"""Which resources that exist a change set imports, and what CloudFormation refuses of that.

Sources: "Import AWS resources into a CloudFormation stack manually" and "automatically" in the user guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.core.errors import Invalid
from cfnbox.providers.identifiers import exists, primary
from cfnbox.providers.protocol import Request, ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.stacks import Deployment, Stack
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place


def check(goal: Deployment, stack: Stack, asked: Sequence[Json]) -> None:
    """Refused in CloudFormation's words when importing the resources that were asked for would do anything else."""
    new, had = goal.template.resources, stack.resources
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
    had_outputs = stack.deployment.template.processed.get("Outputs", {}) if stack.deployment else {}
    if goal.template.processed.get("Outputs", {}) != had_outputs:
        raise Invalid("As part of the import operation, you cannot modify or add [Outputs]")


def identifiers(deployments: Deployments, place: Place, asked: Sequence[Json]) -> dict[str, str]:
    """Logical id to primary identifier of what is to be imported; ResourceFailed when it is not there."""
    found = {}
    for one in asked:
        kind, given = one["ResourceType"], one["ResourceIdentifier"]
        served, request = deployments.find(kind, place), Request(place)
        try:
            identifier = primary(served, request, given)
        except ValueError:
            expected = ", ".join(served.definition.primary_identifier)
            raise Invalid(f"Invalid resource identifier for resource type {kind}. Expected [{expected}]") from None
        if identifier is not None and (owner := deployments.stacks.owner(place, kind, identifier)):
            raise Invalid(f"{identifier} already exists in stack {owner.id}")
        if identifier is None or not exists(served, request, identifier):
            named = identifier or "|".join(given.values())
            raise ResourceFailed(f"Resource of type '{kind}' with identifier '{named}' was not found.", "NotFound")
        found[one["LogicalResourceId"]] = identifier
    return found


def existing(deployments: Deployments, goal: Deployment, stack: Stack) -> dict[str, str]:
    """The same of what the template adds and names, by text, as something that exists and is in no stack.

    Refused when such a resource may be deleted with its stack.
    """
    found, unguarded = {}, []
    for logical_id, definition in goal.template.resources.items():
        served = deployments.find(definition["Type"], stack.place)
        names = served.definition.primary_identifier
        given = {name: definition.get("Properties", {}).get(name) for name in names}
        had = stack.resources.get(logical_id)
        if (had and had.exists) or not all(isinstance(one, str) for one in given.values()):
            continue
        identifier = "|".join(given.values())
        owner = deployments.stacks.owner(stack.place, definition["Type"], identifier)
        if owner is None and exists(served, Request(stack.place), identifier, ("NotFound", "UnsupportedAction")):
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
