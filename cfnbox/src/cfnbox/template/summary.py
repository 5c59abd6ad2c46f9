"""What a template says of itself: the capabilities it needs, and the answer of GetTemplateSummary. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cfnbox.core.errors import Invalid, Refused
from cfnbox.template import language_extensions
from cfnbox.template.parameters import as_text
from cfnbox.template.syntax import uses_macro
from cfnbox.template.transforms import declared_transforms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition

# Parameter `Capabilities` of CreateStack in the API reference: the types that need one, with the property that names
# a resource. The name of an AWS::IAM::Policy is required, and is not a name of a resource of its own.
_IAM_NAMES = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": None,
}


def capabilities(document: Json, processed: Json) -> tuple[list[str], list[str]]:
    """The capabilities that a template needs, given as sent and as transformed, and the types that need them."""
    iam = [one for one in processed["Resources"].values() if isinstance(one, dict) and one.get("Type") in _IAM_NAMES]
    named = any(_IAM_NAMES[one["Type"]] in one.get("Properties", {}) for one in iam)
    needed = [f"CAPABILITY_{'NAMED_' if named else ''}IAM"] if iam else []
    return [*needed, *(["CAPABILITY_AUTO_EXPAND"] if uses_macro(document) else [])], sorted(
        {one["Type"] for one in iam}
    )


def require_capabilities(given: Collection[str], document: Json, processed: Json, *, macros: bool = True) -> None:
    """Refused when the template needs a capability that is not given; a change set needs none for `macros`."""
    implied = {*given, *(["CAPABILITY_IAM"] if "CAPABILITY_NAMED_IAM" in given else [])}
    implied.update([] if macros else ["CAPABILITY_AUTO_EXPAND"])
    missing = [one for one in capabilities(document, processed)[0] if one not in implied]
    if missing:
        raise Refused("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]")


def summary(
    document: Json, find: Callable[[str], TypeDefinition | None], *, unrecognized_as_warnings: bool = False
) -> Json:
    """Return the answer of GetTemplateSummary for a parsed template; `find` gives the definition of a type, or None.

    Raise Refused for types that are not served, unless they are to be warnings (TemplateSummaryConfig in the API
    reference).
    """
    transforms = declared_transforms(document)
    answer: Json = {
        "Parameters": [_declaration(key, one) for key, one in document.get("Parameters", {}).items()],
        **({"Description": document["Description"]} if "Description" in document else {}),
        # Recorded: without AWSTemplateFormatVersion too.
        "Version": str(document.get("AWSTemplateFormatVersion", "2010-09-09")),
        **({"Metadata": json.dumps(document["Metadata"])} if "Metadata" in document else {}),
        **({"DeclaredTransforms": transforms} if transforms else {}),
    }
    # Of a template whose resources only the language extensions give, CloudFormation says nothing more.
    if language_extensions.NAME in transforms:
        return answer
    answer |= _of_resources(document, find)
    unrecognized = [name for name in answer["ResourceTypes"] if name.startswith("AWS::") and find(name) is None]
    if unrecognized and not transforms:
        if not unrecognized_as_warnings:
            # The sentence of CloudFormation's own check of a template.
            raise Invalid(f"Template format error: Unrecognized resource types: [{', '.join(unrecognized)}]")
        answer["Warnings"] = {"UnrecognizedResourceTypes": unrecognized}
    return answer


def _declaration(key: str, parameter: Json) -> Json:
    no_echo = as_text(parameter.get("NoEcho", False)).lower() == "true"
    default = "****" if no_echo else as_text(parameter.get("Default"))
    allowed = [as_text(one) for one in parameter.get("AllowedValues", [])]
    return {
        "ParameterKey": key,
        "ParameterType": parameter["Type"],
        "NoEcho": no_echo,
        **({"DefaultValue": default} if "Default" in parameter else {}),
        **({"Description": parameter["Description"]} if "Description" in parameter else {}),
        "ParameterConstraints": {"AllowedValues": allowed} if allowed else {},
    }


def _of_resources(document: Json, find: Callable[[str], TypeDefinition | None]) -> Json:
    by_type: dict[str, list[str]] = {}
    for logical_id, resource in document["Resources"].items():
        by_type.setdefault(resource.get("Type", ""), []).append(logical_id)
    needed, types = capabilities(document, document)
    reason = f"The following resource(s) require capabilities: [{', '.join(types)}]" if types else ""
    return {
        **({"Capabilities": needed} if needed else {}),
        **({"CapabilitiesReason": reason} if reason else {}),
        "ResourceTypes": sorted(by_type),
        "ResourceIdentifierSummaries": [
            {
                "ResourceType": type_name,
                "LogicalResourceIds": logical_ids,
                "ResourceIdentifiers": list(definition.primary_identifier),
            }
            for type_name, logical_ids in sorted(by_type.items())
            if (definition := find(type_name)) and (not definition.handlers or "read" in definition.handlers)
        ],
    }
