"""Model packages and their groups. Requests identify them by name or by ARN.

"Not recorded" marks messages without a public record.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from cfnbox.sagemaker.resources import Kind, Operation, Statuses, Words, update
from cfnbox.sagemaker.rules import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.sagemaker.api import PlaceStore
    from cfnbox.sagemaker.store import Stored


def _after(path: str) -> Callable[[PlaceStore, str], str]:
    return lambda _, name: name.partition(f":{path}/")[2] or name


def _check_empty(place: PlaceStore, group: Stored) -> None:
    if any(one.members.get("ModelPackageGroupName") == group.name for one in place.resources.all(PACKAGE.path)):
        raise Words("ModelPackageGroup {arn} still has model packages.", "ConflictException").about(group)


def _package_name(place: PlaceStore, request: Json) -> str:
    if ("ModelPackageName" in request) == ("ModelPackageGroupName" in request):
        # Not recorded; API reference, CreateModelPackage.
        raise invalid("Specify either ModelPackageName or ModelPackageGroupName.")
    if "ModelPackageName" in request:
        return str(request["ModelPackageName"])
    group = GROUP.find(place, request["ModelPackageGroupName"])
    return f"{group.name}/{place.resources.next_number(group.arn)}"


def _prepared_package(_: PlaceStore, request: Json) -> Json:
    return {"ModelPackageStatusDetails": {"ValidationStatuses": []}} | (
        {"ModelApprovalStatus": "PendingManualApproval"} if "ModelPackageGroupName" in request else {}
    ) | request  # fmt: skip


def _changed_package(_: PlaceStore, package: Stored, request: Json) -> Json:
    members, custom = copy.deepcopy(package.members), "CustomMetadataProperties"
    properties = members.get(custom, {}) | request.pop(custom, {})
    for gone in request.pop(f"{custom}ToRemove", []):
        properties.pop(gone, None)
    more = "AdditionalInferenceSpecifications"
    specifications = [*members.get(more, []), *request.pop(f"{more}ToAdd", [])]
    added = {custom: properties, more: specifications}
    return {name: value for name, value in (members | request | added).items() if value not in ({}, [])}


def _shown_package(_: PlaceStore, package: Stored) -> Json:
    group, slash, version = package.name.rpartition("/")
    if not slash:
        return {}
    return {"ModelPackageName": None, "ModelPackageGroupName": group, "ModelPackageVersion": int(version)}


def _update_package(place: PlaceStore, request: Json) -> Json:
    return update(PACKAGE, place, request | {"ModelPackageName": request["ModelPackageArn"]})


GROUP = Kind(
    title="ModelPackageGroup",
    path="model-package-group",
    missing=Words("ModelPackageGroup {arn} does not exist."),
    # Not recorded.
    exists=Words("Model Package Group already exists: {arn}"),
    statuses=Statuses("ModelPackageGroupStatus", "Completed"),
    before_delete=_check_empty,
    looked_up=_after("model-package-group"),
    shown=lambda _, __: {"CreatedBy": {}},
)
PACKAGE = Kind(
    title="ModelPackage",
    path="model-package",
    missing=Words("ModelPackage {arn} does not exist."),
    # Not recorded.
    exists=Words("Model Package already exists: {arn}"),
    statuses=Statuses("ModelPackageStatus", "Completed", "InProgress"),
    identified=_package_name,
    prepared=_prepared_package,
    changed=_changed_package,
    looked_up=_after("model-package"),
    shown=_shown_package,
)


def containers_of_package(place: PlaceStore, container: Json) -> list[Json]:
    """Return the containers of a container's model package, or [] if the package is not stored.

    Environment variables of the model's container override those of the package.
    """
    name = container.get("ModelPackageName", "")
    package = place.resources.find(PACKAGE.path, PACKAGE.looked_up(place, name)) if name else None
    if package is None:
        return []
    specifications = {
        specification["Name"]: specification
        for specification in package.members.get("AdditionalInferenceSpecifications", ())
    }
    named = specifications.get(container.get("InferenceSpecificationName", ""))
    specification = named or package.members.get("InferenceSpecification", {})
    return [
        {**part, "Environment": {**part.get("Environment", {}), **container.get("Environment", {})}}
        for part in specification.get("Containers", ())
    ]


KINDS = (GROUP, PACKAGE)
OPERATIONS: dict[str, Operation] = {"UpdateModelPackage": _update_package}
