"""Types of ECR. Sources: botocore's service model; the template reference for Ref and EmptyOnDelete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, Setting, document
from cfnbox.providers.services.service_type import GeneratedName, ServiceType, Tags, listed_by

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls

_IN_CREATE = (
    "EncryptionConfiguration",
    "ImageScanningConfiguration",
    "ImageTagMutability",
    "ImageTagMutabilityExclusionFilters",
    "RepositoryName",
)
_EXCLUSIONS = "ImageTagMutabilityExclusionFilters"
# What each of the filters' members begins with in the template, and not in the API.
_FILTER_PREFIX = "ImageTagMutabilityExclusion"


def _lower(name: str) -> str:
    return f"{name[:1].lower()}{name[1:]}"


def _members(value: Any) -> Any:
    """Return a value with the names of the API, which begin in lower case."""
    if isinstance(value, dict):
        return {_lower(name.removeprefix(_FILTER_PREFIX)): _members(part) for name, part in value.items()}
    return [_members(item) for item in value] if isinstance(value, list) else value


def _create_request(properties: Json, _place: Place) -> Json:
    members = {name: _members(properties[name]) for name in _IN_CREATE if name in properties}
    return {_lower(name): value for name, value in members.items()}


def _described(repository: Json) -> Json:
    filters = [
        {f"{_FILTER_PREFIX}{name[:1].upper()}{name[1:]}": value for name, value in item.items()}
        for item in repository.get("imageTagMutabilityExclusionFilters") or ()
    ]
    scanning, encryption = (
        repository.get(name) or {} for name in ("imageScanningConfiguration", "encryptionConfiguration")
    )
    return {
        "Arn": repository["repositoryArn"],
        "EncryptionConfiguration": {f"{name[:1].upper()}{name[1:]}": value for name, value in encryption.items()},
        "ImageScanningConfiguration": {"ScanOnPush": scanning.get("scanOnPush", False)},
        "ImageTagMutability": repository["imageTagMutability"],
        _EXCLUSIONS: filters,
        "RepositoryName": repository["repositoryName"],
        "RepositoryUri": repository["repositoryUri"],
    }


def _describe_repository(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("DescribeRepositories", {"repositoryNames": [key["repositoryName"]]})
    return _described(answer["repositories"][0]) if answer else None


def _apply_mutability(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    names = ("ImageTagMutability", _EXCLUSIONS)
    if all(previous.get(name) == desired.get(name) for name in names):
        return
    members = {_lower(name): _members(desired[name]) for name in names if name in desired}
    calls.invoke("PutImageTagMutability", {**key, "imageTagMutability": "MUTABLE", **members})


_REPOSITORY_TYPE = ServiceType(
    "ecr",
    key=lambda identifier: {"repositoryName": identifier},
    name=GeneratedName("RepositoryName", 256, "A-Za-z0-9-", lower=True),
    create="CreateRepository",
    create_request=_create_request,
    create_answer=lambda answer: _described(answer["repository"]),
    describe=_describe_repository,
    describe_after_create=False,
    parts=(
        Hook(_apply_mutability, in_create=True),
        Setting(
            "ImageScanningConfiguration",
            put="PutImageScanningConfiguration",
            request=lambda value: {"imageScanningConfiguration": _members(value)},
            default={"ScanOnPush": False},
            in_create=True,
        ),
        Setting(
            "LifecyclePolicy",
            put="PutLifecyclePolicy",
            get="GetLifecyclePolicy",
            delete="DeleteLifecyclePolicy",
            request=lambda value: {
                "lifecyclePolicyText": value["LifecyclePolicyText"],
                **({"registryId": value["RegistryId"]} if "RegistryId" in value else {}),
            },
            answer=lambda answer: {
                "LifecyclePolicyText": answer["lifecyclePolicyText"],
                "RegistryId": answer["registryId"],
            },
        ),
        Setting(
            "RepositoryPolicyText",
            put="SetRepositoryPolicy",
            get="GetRepositoryPolicy",
            delete="DeleteRepositoryPolicy",
            request=lambda value: {"policyText": document(value)},
            answer=lambda answer: parsed(answer["policyText"]),
        ),
    ),
    tags=Tags(
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
        target=lambda _key, model: {"resourceArn": model["Arn"]},
        in_create="tags",
        tags_member="tags",
        keys_member="tagKeys",
        answer_member="tags",
    ),
    delete="DeleteRepository",
    delete_request=lambda previous: {"force": bool(previous.get("EmptyOnDelete"))},
    list=listed_by("DescribeRepositories", "repositories", {"repositoryName": "RepositoryName"}),
    not_applied=(_EXCLUSIONS,),
)

TYPES: dict[str, ServiceType] = {"AWS::ECR::Repository": _REPOSITORY_TYPE}
