"""Types of IAM.

Sources: botocore's service model; the template reference for Ref and Fn::GetAtt; the messages of IAM are those that
users quote of DeleteRole (hashicorp/boundary#5646, rebuy-de/aws-nuke#294), DeletePolicy
(hashicorp/terraform-provider-aws#32906) and AttachRolePolicy (aws/aws-cdk#3379, #6131); IAM user guide, "Deleting
roles or instance profiles".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cfnbox.providers import iam_documents
from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, Items, Setting, Update, document
from cfnbox.providers.services.service_type import (
    GeneratedName,
    ServiceType,
    Tags,
    described_by,
    listed_by,
    named_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls
    from cfnbox.providers.services.parts import Part
    from cfnbox.providers.services.service_type import Resources

# What names in IAM may hold (API reference, CreateRole).
_NAME = r"\w+=,.@-"
_MOST_VERSIONS = 5
_CONFLICT = (409, "ResourceConflict")


@dataclass(frozen=True)
class _Principal:
    """Roles, users and groups: what policies are put into and attached to."""

    title: str

    @property
    def member(self) -> str:
        return f"{self.title}Name"

    @property
    def property(self) -> str:
        return f"{self.title}s"

    def inline_policies(self, calls: Calls, key: Json) -> list[Json]:
        """Return the inline policies of a principal as the property Policies has them."""
        return [
            {"PolicyName": name, "PolicyDocument": self.inline_document(calls, key, name)}
            for name in calls.items(f"List{self.title}Policies", key, "PolicyNames")
        ]

    def inline_document(self, calls: Calls, key: Json, name: str) -> Any:
        """Return the document of one inline policy; None when there is none."""
        answer = calls.find(f"Get{self.title}Policy", {**key, "PolicyName": name})
        return None if answer is None else parsed(answer["PolicyDocument"])

    def attached_policies(self, calls: Calls, key: Json) -> list[str]:
        """Return the ARNs of the managed policies of a principal."""
        listed = calls.items(f"ListAttached{self.title}Policies", key, "AttachedPolicies")
        return [policy["PolicyArn"] for policy in listed]

    def parts(self) -> tuple[Part, ...]:
        """Return the parts that every principal has."""
        return (
            Hook(_require_attachable),
            Items(
                "ManagedPolicyArns",
                add=f"Attach{self.title}Policy",
                remove=f"Detach{self.title}Policy",
                add_request=lambda arn: {"PolicyArn": arn},
                items=self.attached_policies,
                removed_before_delete=True,
            ),
            Items(
                "Policies",
                add=f"Put{self.title}Policy",
                remove=f"Delete{self.title}Policy",
                add_request=_inline_policy,
                remove_request=lambda policy: {"PolicyName": policy["PolicyName"]},
                identity=lambda policy: policy["PolicyName"],
                items=self.inline_policies,
                removed_before_delete=True,
            ),
        )

    def boundary(self) -> Setting:
        """Return the part of the permissions boundary."""
        return Setting(
            "PermissionsBoundary",
            put=f"Put{self.title}PermissionsBoundary",
            delete=f"Delete{self.title}PermissionsBoundary",
            in_create=True,
        )

    def refuse_deletion(self, calls: Calls, key: Json, previous: Json) -> None:
        """Raise ResourceFailed while the principal has policies that the template did not give it."""
        own = previous.get("ManagedPolicyArns", ())
        if any(arn not in own for arn in self.attached_policies(calls, key)):
            raise calls.refused("Cannot delete entity, must detach all policies first.", *_CONFLICT)
        own = {policy["PolicyName"] for policy in previous.get("Policies", ())}
        if any(name not in own for name in calls.items(f"List{self.title}Policies", key, "PolicyNames")):
            raise calls.refused("Cannot delete entity, must delete policies first.", *_CONFLICT)

    def own_policies(self, model: Json, known: Json, resources: Resources) -> Json:
        """Return a model without the policies of other resources, where the template names policies itself."""
        name, own = model[self.member], {**model}
        if "Policies" in known:
            inline = resources("AWS::IAM::Policy").values()
            others = {policy["PolicyName"] for policy in inline if name in (policy.get(self.property) or ())}
            others -= {policy["PolicyName"] for policy in known["Policies"]}
            own["Policies"] = [policy for policy in model["Policies"] if policy["PolicyName"] not in others]
        if "ManagedPolicyArns" in known:
            managed = resources("AWS::IAM::ManagedPolicy").items()
            others = {arn for arn, policy in managed if name in (policy.get(self.property) or ())}
            others -= set(known["ManagedPolicyArns"])
            own["ManagedPolicyArns"] = [arn for arn in model["ManagedPolicyArns"] if arn not in others]
        return own


def _inline_policy(policy: Json) -> Json:
    return {"PolicyName": policy["PolicyName"], "PolicyDocument": document(policy["PolicyDocument"])}


def _require_attachable(calls: Calls, _key: Json, previous: Json, desired: Json) -> None:
    """Refuse managed policies that do not exist; those of AWS are looked up in providers.iam_documents."""
    known = previous.get("ManagedPolicyArns", ())
    for arn in desired.get("ManagedPolicyArns", ()):
        own = f"::{calls.request.place.account}:policy/" in arn
        if arn not in known and own and calls.find("GetPolicy", {"PolicyArn": arn}) is None:
            raise calls.refused(f"Policy {arn} does not exist or is not attachable.", 404, "NotFound")


_ROLE, _USER, _GROUP = (_Principal(title) for title in ("Role", "User", "Group"))
_PRINCIPALS = (_ROLE, _USER, _GROUP)


def _valid(type_name: str) -> Any:
    return partial(iam_documents.require_valid, type_name)


# Roles


def _role_request(properties: Json, _place: Place) -> Json:
    return {**properties, "AssumeRolePolicyDocument": document(properties["AssumeRolePolicyDocument"])}


def _principal_properties(description: Json) -> Json:
    """Return the properties in a description of a role or user."""
    model = {**description}
    model.pop("Tags", None)
    boundary = model.pop("PermissionsBoundary", None)
    if boundary:
        model["PermissionsBoundary"] = boundary["PermissionsBoundaryArn"]
    if "AssumeRolePolicyDocument" in model:
        model["AssumeRolePolicyDocument"] = parsed(model["AssumeRolePolicyDocument"])
    if not model.get("Description"):
        model.pop("Description", None)
    return model


def _refuse_role(calls: Calls, key: Json, previous: Json) -> None:
    _ROLE.refuse_deletion(calls, key, previous)
    if calls.items("ListInstanceProfilesForRole", key, "InstanceProfiles"):
        message = "Cannot delete entity, must remove roles from instance profile first."
        raise calls.refused(message, *_CONFLICT)


_ROLE_TYPE = ServiceType(
    "iam",
    key=named_by("RoleName"),
    name=GeneratedName("RoleName", 64, _NAME),
    create="CreateRole",
    create_request=_role_request,
    create_answer=lambda answer: _principal_properties(answer["Role"]),
    describe_after_create=False,
    describe=described_by("GetRole", "Role", _principal_properties),
    parts=(
        Setting(
            "AssumeRolePolicyDocument",
            put="UpdateAssumeRolePolicy",
            request=lambda value: {"PolicyDocument": document(value)},
            in_create=True,
        ),
        Update(
            "UpdateRole",
            ("Description", "MaxSessionDuration"),
            defaults={"Description": "", "MaxSessionDuration": 3600},
        ),
        _ROLE.boundary(),
        *_ROLE.parts(),
    ),
    tags=Tags("TagRole", "UntagRole", "ListRoleTags"),
    delete="DeleteRole",
    refuse_deletion=_refuse_role,
    service_refuses_deletion=True,
    require=_valid("AWS::IAM::Role"),
    not_own=_ROLE.own_policies,
    list=listed_by("ListRoles", "Roles", {"RoleName": "RoleName"}),
)

# Users


def _login_profile(calls: Calls, key: Json) -> Json:
    answer = calls.find("GetLoginProfile", key)
    if answer is None:
        return {}
    return {"LoginProfile": {"PasswordResetRequired": answer["LoginProfile"]["PasswordResetRequired"]}}


def _apply_login_profile(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    before, after = previous.get("LoginProfile"), desired.get("LoginProfile")
    if before == after:
        return
    if after is None:
        calls.invoke("DeleteLoginProfile", key)
        return
    calls.invoke("UpdateLoginProfile" if before else "CreateLoginProfile", {**key, **after})


def _refuse_user(calls: Calls, key: Json, previous: Json) -> None:
    _USER.refuse_deletion(calls, key, previous)
    if calls.items("ListAccessKeys", key, "AccessKeyMetadata"):
        raise calls.refused("Cannot delete entity, must delete access keys first.", *_CONFLICT)
    own = previous.get("Groups", ())
    if any(group["GroupName"] not in own for group in calls.items("ListGroupsForUser", key, "Groups")):
        raise calls.refused("Cannot delete entity, must remove users from group first.", *_CONFLICT)


def _refuse_path(calls: Calls, _key: Json, previous: Json, desired: Json) -> None:
    """Refuse another path: the service here has no UpdateUser."""
    if desired and previous.get("Path", "/") != desired.get("Path", "/"):
        message = "The IAM of cfnbox cannot change the Path of a user. Change UserName too: then it is replaced."
        raise calls.failed(message, "InvalidRequest")


_USER_TYPE = ServiceType(
    "iam",
    key=named_by("UserName"),
    name=GeneratedName("UserName", 64, _NAME),
    create="CreateUser",
    create_answer=lambda answer: _principal_properties(answer["User"]),
    describe_after_create=False,
    describe=described_by("GetUser", "User", _principal_properties),
    parts=(
        Hook(_refuse_path, in_create=True),
        _USER.boundary(),
        *_USER.parts(),
        Items(
            "Groups",
            add="AddUserToGroup",
            remove="RemoveUserFromGroup",
            add_request=lambda name: {"GroupName": name},
            items=lambda calls, key: [
                group["GroupName"] for group in calls.items("ListGroupsForUser", key, "Groups")
            ],
            removed_before_delete=True,
        ),
        Hook(_apply_login_profile, _login_profile, removed_before_delete=True),
    ),
    tags=Tags("TagUser", "UntagUser", "ListUserTags"),
    delete="DeleteUser",
    refuse_deletion=_refuse_user,
    require=_valid("AWS::IAM::User"),
    not_own=_USER.own_policies,
    list=listed_by("ListUsers", "Users", {"UserName": "UserName"}),
)

# Inline policies


def _placements(properties: Json) -> Iterator[tuple[_Principal, str]]:
    """Yield each principal that an AWS::IAM::Policy names."""
    for principal in _PRINCIPALS:
        for name in properties.get(principal.property) or ():
            yield principal, name


def _apply_policy(calls: Calls, _key: Json, previous: Json, desired: Json) -> None:
    """Put the policy into each principal, and take it out of those that no longer have it under that name."""
    before = {(principal, name, previous["PolicyName"]) for principal, name in _placements(previous)}
    after = {(principal, name, desired["PolicyName"]) for principal, name in _placements(desired)}
    same_document = previous.get("PolicyDocument") == desired.get("PolicyDocument")
    for principal, name, policy in sorted(after - (before if same_document else set()), key=_order):
        members = {principal.member: name, **_inline_policy({**desired, "PolicyName": policy})}
        calls.invoke(f"Put{principal.title}Policy", members, missing_is="InvalidRequest")
    for principal, name, policy in sorted(before - after, key=_order):
        # Its principal may be gone already, and the policy with it.
        calls.find(f"Delete{principal.title}Policy", {principal.member: name, "PolicyName": policy})


def _order(placement: tuple[_Principal, str, str]) -> tuple[str, ...]:
    principal, *names = placement
    return (principal.title, *names)


def _describe_policy(calls: Calls, _key: Json, known: Json) -> Json | None:
    found: list[tuple[_Principal, str, Any]] = []
    for principal, name in _placements(known):
        policy = principal.inline_document(calls, {principal.member: name}, known["PolicyName"])
        if policy is not None:
            found.append((principal, name, policy))
    if not found:
        return None
    names = {
        principal.property: [name for other, name, _ in found if other is principal] for principal in _PRINCIPALS
    }
    # A document that differs in one of the principals is the one that has drifted.
    documents = [policy for *_, policy in found]
    drifted = [policy for policy in documents if policy != parsed(known["PolicyDocument"])]
    return {**names, "PolicyName": known["PolicyName"], "PolicyDocument": (drifted or documents)[0]}


_POLICY_TYPE = ServiceType(
    "iam",
    key=lambda identifier: {"Id": identifier},
    # The physical id is five characters of the stack's name, five of the logical id, and a random part.
    name=GeneratedName("Id", 128, abbreviated=True),
    describe=_describe_policy,
    describe_after_create=False,
    parts=(Hook(_apply_policy, removed_before_delete=True),),
    require=_valid("AWS::IAM::Policy"),
)

# Managed policies


def _describe_managed_policy(calls: Calls, key: Json, _known: Json) -> Json | None:
    answer = calls.find("GetPolicy", key)
    if answer is None:
        return None
    policy = answer["Policy"]
    version = calls.invoke("GetPolicyVersion", {**key, "VersionId": policy["DefaultVersionId"]})["PolicyVersion"]
    return {**_managed_policy(policy), "PolicyDocument": parsed(version["Document"])}


def _managed_policy(policy: Json) -> Json:
    model = {**policy, "ManagedPolicyName": policy["PolicyName"], "PolicyArn": policy["Arn"]}
    if not model.get("Description"):
        model.pop("Description", None)
    return model


def _apply_version(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    if not desired or previous.get("PolicyDocument") == desired.get("PolicyDocument"):
        return
    versions = calls.items("ListPolicyVersions", key, "Versions")
    if len(versions) >= _MOST_VERSIONS:
        oldest = min(
            (one for one in versions if not one["IsDefaultVersion"]), key=lambda one: int(one["VersionId"][1:])
        )
        calls.invoke("DeletePolicyVersion", {**key, "VersionId": oldest["VersionId"]})
    members = {"PolicyDocument": document(desired["PolicyDocument"]), "SetAsDefault": True}
    calls.invoke("CreatePolicyVersion", {**key, **members})


def _delete_versions(calls: Calls, key: Json, _previous: Json, desired: Json) -> None:
    """Delete the versions that are not the default one, which DeletePolicy requires."""
    if not desired:
        for version in calls.items("ListPolicyVersions", key, "Versions"):
            if not version["IsDefaultVersion"]:
                calls.invoke("DeletePolicyVersion", {**key, "VersionId": version["VersionId"]})


def _attached_to(principal: _Principal) -> Items:
    return Items(
        principal.property,
        add=f"Attach{principal.title}Policy",
        remove=f"Detach{principal.title}Policy",
        add_request=lambda name: {principal.member: name},
        items=lambda calls, key: [
            entity[principal.member]
            for entity in calls.items("ListEntitiesForPolicy", key, f"Policy{principal.property}")
        ],
        removed_before_delete=True,
    )


def _refuse_managed_policy(calls: Calls, key: Json, previous: Json) -> None:
    for principal in _PRINCIPALS:
        own = previous.get(principal.property, ())
        entities = calls.items("ListEntitiesForPolicy", key, f"Policy{principal.property}")
        if any(entity[principal.member] not in own for entity in entities):
            raise calls.refused("Cannot delete a policy attached to entities.", *_CONFLICT)


_MANAGED_POLICY_TYPE = ServiceType(
    "iam",
    key=named_by("PolicyArn"),
    name=GeneratedName("ManagedPolicyName", 128, _NAME),
    create="CreatePolicy",
    create_request=lambda properties, _place: {
        **properties,
        "PolicyName": properties["ManagedPolicyName"],
        "PolicyDocument": document(properties["PolicyDocument"]),
    },
    create_answer=lambda answer: _managed_policy(answer["Policy"]),
    describe=_describe_managed_policy,
    parts=(
        Hook(_apply_version, in_create=True),
        Hook(_delete_versions, in_create=True, removed_before_delete=True),
        *map(_attached_to, _PRINCIPALS),
    ),
    delete="DeletePolicy",
    refuse_deletion=_refuse_managed_policy,
    require=_valid("AWS::IAM::ManagedPolicy"),
    list=lambda calls, _filters: (
        {"PolicyArn": policy["Arn"]} for policy in calls.items("ListPolicies", {"Scope": "Local"}, "Policies")
    ),
)

# Instance profiles


def _instance_profile(description: Json) -> Json:
    return {**description, "Roles": [role["RoleName"] for role in description.get("Roles", ())]}


def _refuse_instance_profile(calls: Calls, key: Json, previous: Json) -> None:
    profile = calls.find("GetInstanceProfile", key) or {"InstanceProfile": {}}
    own = previous.get("Roles", ())
    if any(name not in own for name in _instance_profile(profile["InstanceProfile"])["Roles"]):
        message = "Cannot delete entity, must remove roles from instance profile first."
        raise calls.refused(message, *_CONFLICT)


_INSTANCE_PROFILE_TYPE = ServiceType(
    "iam",
    key=named_by("InstanceProfileName"),
    name=GeneratedName("InstanceProfileName", 128, _NAME),
    create="CreateInstanceProfile",
    create_answer=lambda answer: {"Arn": answer["InstanceProfile"]["Arn"]},
    describe_after_create=False,
    describe=described_by("GetInstanceProfile", "InstanceProfile", _instance_profile),
    parts=(
        Items(
            "Roles",
            add="AddRoleToInstanceProfile",
            remove="RemoveRoleFromInstanceProfile",
            add_request=lambda name: {"RoleName": name},
            items=lambda calls, key: _instance_profile(calls.invoke("GetInstanceProfile", key)["InstanceProfile"])[
                "Roles"
            ],
            removed_before_delete=True,
        ),
    ),
    delete="DeleteInstanceProfile",
    refuse_deletion=_refuse_instance_profile,
    service_refuses_deletion=True,
    list=listed_by("ListInstanceProfiles", "InstanceProfiles", {"InstanceProfileName": "InstanceProfileName"}),
)

# Access keys


def _access_key(calls: Calls, key: Json, known: Json) -> Json | None:
    listed = calls.items("ListAccessKeys", {"UserName": known.get("UserName")}, "AccessKeyMetadata")
    found = [item for item in listed if item["AccessKeyId"] == key["AccessKeyId"]]
    return {**found[0], "Id": found[0]["AccessKeyId"]} if found else None


def _apply_status(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    status = desired.get("Status", "Active")
    if status != previous.get("Status", "Active"):
        calls.invoke("UpdateAccessKey", {**key, "UserName": desired["UserName"], "Status": status})


_ACCESS_KEY_TYPE = ServiceType(
    "iam",
    key=named_by("AccessKeyId"),
    create="CreateAccessKey",
    create_answer=lambda answer: {**answer["AccessKey"], "Id": answer["AccessKey"]["AccessKeyId"]},
    describe_after_create=False,
    describe=_access_key,
    parts=(Hook(_apply_status),),
    delete="DeleteAccessKey",
    delete_request=lambda previous: {"UserName": previous["UserName"]},
    # CloudFormation alone knows the serial: a change of it rotates the key.
    kept=("SecretAccessKey", "Serial"),
)

TYPES: dict[str, ServiceType] = {
    "AWS::IAM::AccessKey": _ACCESS_KEY_TYPE,
    "AWS::IAM::InstanceProfile": _INSTANCE_PROFILE_TYPE,
    "AWS::IAM::ManagedPolicy": _MANAGED_POLICY_TYPE,
    "AWS::IAM::Policy": _POLICY_TYPE,
    "AWS::IAM::Role": _ROLE_TYPE,
    "AWS::IAM::User": _USER_TYPE,
}
