"""Samples of the types of IAM."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from providers.services.harness import Direct, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
VIEW_ONLY = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"


def trust(service: str) -> Json:
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allow(action: str) -> Json:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def inline(name: str, action: str) -> Json:
    return {"PolicyName": name, "PolicyDocument": allow(action)}


def principals(connect: Callable[..., Any]) -> Json:
    """Two roles, users and groups each, and a managed policy."""
    iam = connect("iam")
    for name in ("one", "two"):
        iam.create_role(RoleName=f"role-{name}", AssumeRolePolicyDocument=json.dumps(trust("ec2")))
        iam.create_user(UserName=f"user-{name}")
        iam.create_group(GroupName=f"group-{name}")
    made = iam.create_policy(PolicyName="ours", PolicyDocument=json.dumps(allow("s3:GetObject")))
    return {"policy": made["Policy"]["Arn"]}


def role_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("iam").list_role_tags(RoleName=resource.physical_id)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def user_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    tags = connect("iam").list_user_tags(UserName=resource.physical_id)["Tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


ROLE = Sample(
    "AWS::IAM::Role",
    "iam",
    prepare=principals,
    first=lambda ground: {
        "RoleName": "whole",
        "Path": "/a/b/",
        "AssumeRolePolicyDocument": trust("ec2"),
        "Description": "first",
        "MaxSessionDuration": 7200,
        "PermissionsBoundary": READ_ONLY,
        "ManagedPolicyArns": [READ_ONLY, ground["policy"]],
        "Policies": [inline("a", "s3:GetObject"), inline("b", "s3:PutObject")],
        "Tags": [{"Key": "k", "Value": "1"}],
    },
    second=lambda ground: {
        "RoleName": "whole",
        "Path": "/a/b/",
        "AssumeRolePolicyDocument": trust("lambda"),
        "Description": "second",
        "MaxSessionDuration": 3600,
        "PermissionsBoundary": ground["policy"],
        "ManagedPolicyArns": [ground["policy"], VIEW_ONLY],
        "Policies": [inline("b", "s3:ListBucket"), inline("c", "sqs:SendMessage")],
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={"RoleName": "whole", "Path": "/a/b/", "AssumeRolePolicyDocument": trust("lambda")},
    # An hour is what a role without the property has. ministack does not see an empty description.
    stays=("Description", "MaxSessionDuration"),
    direct=(
        Direct("get_role", lambda one: {"RoleName": one.physical_id}, "Role.[Path, Description, MaxSessionDuration]",
               ["/a/b/", "first", 7200], ["/a/b/", "second", 3600]),
        Direct("get_role", lambda one: {"RoleName": one.physical_id},
               "Role.AssumeRolePolicyDocument.Statement[0].Principal.Service", "ec2.amazonaws.com",
               "lambda.amazonaws.com"),
        Direct("get_role", lambda one: {"RoleName": one.physical_id},
               "Role.PermissionsBoundary.PermissionsBoundaryArn", READ_ONLY,
               "arn:aws:iam::123456789012:policy/ours"),
        Direct("list_role_policies", lambda one: {"RoleName": one.physical_id}, "sort(PolicyNames)", ["a", "b"],
               ["b", "c"]),
        Direct("list_attached_role_policies", lambda one: {"RoleName": one.physical_id},
               "sort(AttachedPolicies[].PolicyName)", ["ReadOnlyAccess", "ours"], ["ViewOnlyAccess", "ours"]),
    ),
    tags=role_tags,
)  # fmt: skip

USER = Sample(
    "AWS::IAM::User",
    "iam",
    prepare=principals,
    first=lambda ground: {
        "UserName": "whole",
        "Path": "/a/",
        "PermissionsBoundary": READ_ONLY,
        "ManagedPolicyArns": [READ_ONLY],
        "Policies": [inline("a", "s3:GetObject")],
        "Groups": ["group-one"],
        "LoginProfile": {"Password": "Ab3$efghijkl", "PasswordResetRequired": True},
        "Tags": [{"Key": "k", "Value": "1"}],
    },
    second=lambda ground: {
        "UserName": "whole",
        "Path": "/a/",
        "PermissionsBoundary": ground["policy"],
        "ManagedPolicyArns": [ground["policy"]],
        "Policies": [inline("b", "s3:GetObject")],
        "Groups": ["group-two"],
        "LoginProfile": {"Password": "Ab3$efghijkl", "PasswordResetRequired": False},
        "Tags": [{"Key": "l", "Value": "2"}],
    },
    minimal={"UserName": "whole", "Path": "/a/"},
    direct=(
        Direct("get_user", lambda one: {"UserName": one.physical_id},
               "User.[Path, PermissionsBoundary.PermissionsBoundaryArn]", ["/a/", READ_ONLY],
               ["/a/", "arn:aws:iam::123456789012:policy/ours"]),
        Direct("list_user_policies", lambda one: {"UserName": one.physical_id}, "PolicyNames", ["a"], ["b"]),
        Direct("list_attached_user_policies", lambda one: {"UserName": one.physical_id},
               "AttachedPolicies[].PolicyName", ["ReadOnlyAccess"], ["ours"]),
        Direct("list_groups_for_user", lambda one: {"UserName": one.physical_id}, "Groups[].GroupName",
               ["group-one"], ["group-two"]),
        Direct("get_login_profile", lambda one: {"UserName": one.physical_id},
               "LoginProfile.PasswordResetRequired", True, False),
    ),
    tags=user_tags,
)  # fmt: skip

POLICY = Sample(
    "AWS::IAM::Policy",
    "iam",
    prepare=principals,
    first={
        "PolicyName": "p",
        "PolicyDocument": allow("s3:GetObject"),
        "Roles": ["role-one", "role-two"],
        "Users": ["user-one"],
        "Groups": ["group-one"],
    },
    second={
        "PolicyName": "q",
        "PolicyDocument": allow("s3:PutObject"),
        "Roles": ["role-one"],
        "Users": ["user-one", "user-two"],
        "Groups": ["group-two"],
    },
    minimal={"PolicyName": "q", "PolicyDocument": allow("s3:PutObject"), "Roles": ["role-one"]},
    direct=(
        Direct("list_role_policies", lambda _: {"RoleName": "role-one"}, "PolicyNames", ["p"], ["q"]),
        Direct("list_role_policies", lambda _: {"RoleName": "role-two"}, "PolicyNames", ["p"], []),
        Direct("list_user_policies", lambda _: {"UserName": "user-two"}, "PolicyNames", [], ["q"]),
        Direct("list_group_policies", lambda _: {"GroupName": "group-two"}, "PolicyNames", [], ["q"]),
        Direct("get_user_policy", lambda _: {"UserName": "user-one", "PolicyName": "p"}, "PolicyName", "p", None),
    )[:4],
    # IAM has no such resource: CloudFormation alone knows where it has put the policy.
    kept_elsewhere=("PolicyName", "PolicyDocument", "Roles", "Users", "Groups"),
)

MANAGED_POLICY = Sample(
    "AWS::IAM::ManagedPolicy",
    "iam",
    prepare=principals,
    first={
        "ManagedPolicyName": "whole",
        "Path": "/a/",
        "Description": "first",
        "PolicyDocument": allow("s3:GetObject"),
        "Roles": ["role-one"],
        "Users": ["user-one"],
        "Groups": ["group-one"],
    },
    second={
        "ManagedPolicyName": "whole",
        "Path": "/a/",
        "Description": "first",
        "PolicyDocument": allow("s3:PutObject"),
        "Roles": ["role-two"],
        "Users": ["user-two"],
        "Groups": ["group-two"],
    },
    minimal={
        "ManagedPolicyName": "whole",
        "Path": "/a/",
        "Description": "first",
        "PolicyDocument": allow("s3:PutObject"),
    },
    direct=(
        Direct("get_policy", lambda one: {"PolicyArn": one.physical_id},
               "Policy.[PolicyName, Path, Description, DefaultVersionId, AttachmentCount]",
               ["whole", "/a/", "first", "v1", 3], ["whole", "/a/", "first", "v2", 3]),
        Direct("list_entities_for_policy", lambda one: {"PolicyArn": one.physical_id},
               "[PolicyRoles[].RoleName, PolicyUsers[].UserName, PolicyGroups[].GroupName][]",
               ["role-one", "user-one", "group-one"], ["role-two", "user-two", "group-two"]),
    ),
)  # fmt: skip

INSTANCE_PROFILE = Sample(
    "AWS::IAM::InstanceProfile",
    "iam",
    prepare=principals,
    first={"InstanceProfileName": "whole", "Path": "/a/", "Roles": ["role-one"]},
    second={"InstanceProfileName": "whole", "Path": "/a/", "Roles": ["role-two"]},
    minimal={"InstanceProfileName": "whole", "Path": "/a/", "Roles": ["role-two"]},
    direct=(
        Direct("get_instance_profile", lambda one: {"InstanceProfileName": one.physical_id},
               "InstanceProfile.[Path, Roles[0].RoleName]", ["/a/", "role-one"], ["/a/", "role-two"]),
    ),
)  # fmt: skip

ACCESS_KEY = Sample(
    "AWS::IAM::AccessKey",
    "iam",
    prepare=principals,
    first={"UserName": "user-one", "Status": "Inactive", "Serial": 1},
    second={"UserName": "user-one", "Status": "Active", "Serial": 1},
    minimal={"UserName": "user-one", "Serial": 1},
    stays=("Status",),
    direct=(
        Direct("list_access_keys", lambda _: {"UserName": "user-one"}, "AccessKeyMetadata[].Status", ["Inactive"],
               ["Active"]),
    ),
    kept_elsewhere=("UserName", "Serial"),
)  # fmt: skip

SAMPLES = [ROLE, USER, POLICY, MANAGED_POLICY, INSTANCE_PROFILE, ACCESS_KEY]
