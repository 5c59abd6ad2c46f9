"""Which live resources a change set imports, and what CloudFormation refuses of that.

Sources: "Import AWS resources into a CloudFormation stack manually" and "automatically" in the user guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.cloudformation.deployment import KEEPING_POLICIES
from cfnbox.core.errors import Invalid
from cfnbox.providers.identifiers import exists, primary
from cfnbox.providers.protocol import Request, ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_boto3_cloudformation.type_defs import ResourceToImportTypeDef

    from cfnbox.cloudformation.deployment import Deployment
    from cfnbox.cloudformation.deployments import Deployments
    from cfnbox.cloudformation.stacks import StackState
    from cfnbox.core.place import Place


def check(deployment: Deployment, stack: StackState, to_import: Sequence[ResourceToImportTypeDef]) -> None:
    """Raise Refused in CloudFormation's sentences if the deployment does more than import these resources."""
    desired, current = deployment.template.resources, stack.resources
    imported = [resource["LogicalResourceId"] for resource in to_import]
    for names, text in (
        ([name for name in imported if name not in desired],
         "The logical resource ids {} provided in ResourceToImport do not exist in the template."),
        ([name for name in imported if name in current and current[name].is_live],
         "Resources {} passed in ResourceToImport are already in a stack."),
        ([name for name in desired if name not in current and name not in imported],
         "Resources {} is missing from ResourceToImport list"),
        ([name for name, one in current.items() if one.is_live and desired.get(name) != one.definition],
         "You have modified resources {} in your template that are not being imported. "
         "Update, create or delete operations cannot be executed during import operations."),
        ([name for name in imported if name in desired and "DeletionPolicy" not in desired[name]],
         "The following resources to import {} must have DeletionPolicy attribute specified in the template."),
    ):  # fmt: skip
        if names:
            raise Invalid(text.format(f"[{', '.join(sorted(names))}]"))
    outputs = stack.deployment.template.processed.get("Outputs", {}) if stack.deployment else {}
    if deployment.template.processed.get("Outputs", {}) != outputs:
        raise Invalid("As part of the import operation, you cannot modify or add [Outputs]")


def identifiers(
    deployments: Deployments, place: Place, to_import: Sequence[ResourceToImportTypeDef]
) -> dict[str, str]:
    """Return logical id to primary identifier of the resources to import. Raise ResourceFailed if one is not live."""
    identified = {}
    for resource in to_import:
        type_name, values = resource["ResourceType"], resource["ResourceIdentifier"]
        served, request = deployments.find(type_name, place), Request(place)
        try:
            identifier = primary(served, request, dict(values))
        except ValueError:
            expected = ", ".join(served.definition.primary_identifier)
            text = f"Invalid resource identifier for resource type {type_name}. Expected [{expected}]"
            raise Invalid(text) from None
        if identifier is not None and (owner := deployments.stacks.owner(place, type_name, identifier)):
            raise Invalid(f"{identifier} already exists in stack {owner.id}")
        if identifier is None or not exists(served, request, identifier):
            named = identifier or "|".join(values.values())
            raise ResourceFailed(
                f"Resource of type '{type_name}' with identifier '{named}' was not found.", "NotFound"
            )
        identified[resource["LogicalResourceId"]] = identifier
    return identified


def existing(deployments: Deployments, deployment: Deployment, stack: StackState) -> dict[str, str]:
    """Return the same of new resources whose identifier the template gives as text, if they are live in no stack.

    Raise Refused if such a resource may be deleted with its stack.
    """
    identified, unguarded = {}, []
    for logical_id, definition in deployment.template.resources.items():
        served = deployments.find(definition["Type"], stack.place)
        names = served.definition.primary_identifier
        values = {name: definition.get("Properties", {}).get(name) for name in names}
        previous = stack.resources.get(logical_id)
        if (previous and previous.is_live) or not all(isinstance(value, str) for value in values.values()):
            continue
        identifier = "|".join(values.values())
        owner = deployments.stacks.owner(stack.place, definition["Type"], identifier)
        if owner is None and exists(served, Request(stack.place), identifier, ("NotFound", "UnsupportedAction")):
            identified[logical_id] = identifier
            if definition.get("DeletionPolicy") not in KEEPING_POLICIES:
                named = ", ".join(f"{name}={value}" for name, value in values.items())
                unguarded.append(f"{logical_id} ({{{named}}})")
    if unguarded:
        raise Invalid(
            "CloudFormation is attempting to import some resources because they already exist in your account. The "
            "resources must have the DeletionPolicy attribute set to 'Retain' or 'RetainExceptOnCreate' in the "
            f"template for successful import. The affected resources are {', '.join(unguarded)}"
        )
    return identified
