"""IAM's operations on the managed policies of AWS, from moto's copy of IAM's list.

ministack has about thirty of them. Messages of IAM's NoSuchEntity: "does not exist or is not attachable" is quoted by
users (aws/aws-cdk#3379), "was not found" is moto's.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from moto.iam.aws_managed_policies import aws_managed_policies_data

from cfnbox.aws.wire import Api
from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

_VERSION = "2010-05-08"
_AWS_MANAGED = re.compile(r"arn:[\w-]+:iam::aws:policy/(.+)")
_OF_POLICIES = ("GetPolicy", "GetPolicyVersion", "ListEntitiesForPolicy", "ListPolicyVersions")
_PER_PAGE = 100
_ID_LENGTH = 17
_KINDS = ("Role", "User", "Group")


class IamQueries(Protocol):
    """The IAM of ministack, which has the account's own policies and all attachments."""

    def query(self, service: str, place: Place, version: str, members: Mapping[str, str]) -> Element:
        """Call an operation; return its answer without namespaces."""


@cache
def aws_policies() -> Mapping[str, Json]:
    """Return each managed policy of AWS, by path and name without the first slash."""
    listed: Json = json.loads(aws_managed_policies_data)
    return {f"{policy['Path'].lstrip('/')}{name}": {**policy, "PolicyName": name} for name, policy in listed.items()}


class AwsManagedPolicies:
    """The answers to IAM requests about the managed policies of AWS."""

    def __init__(self, iam: IamQueries) -> None:
        self._iam = iam
        operations = (self.get_policy, self.get_policy_version, self.list_entities, self.list_policies,
                      self.list_versions)  # fmt: skip
        names = ("GetPolicy", "GetPolicyVersion", "ListEntitiesForPolicy", "ListPolicies", "ListPolicyVersions")
        self._api = Api("iam", dict(zip(names, operations, strict=True)))

    def answer(self, request: HttpRequest) -> Answer | None:
        """Return the answer to a request about policies of AWS, or None for other requests."""
        if not request.is_form:
            return None
        members = dict(urllib.parse.parse_qsl(request.body.decode("utf-8", "replace")))
        action = members.get("Action", "")
        of_aws = action in _OF_POLICIES and _AWS_MANAGED.fullmatch(members.get("PolicyArn", ""))
        if of_aws or (action == "ListPolicies" and members.get("Scope", "All") != "Local"):
            return self._api.answer(request)
        return None

    def get_policy(self, place: Place, request: Json) -> Json:
        """Answer GetPolicy."""
        return {"Policy": self._policy(place, _name(request), self._attachments(place))}

    def get_policy_version(self, _place: Place, request: Json) -> Json:
        """Answer GetPolicyVersion. Only the default version is known."""
        policy, version = _known(request), request["VersionId"]
        if version != policy["DefaultVersionId"]:
            arn = request["PolicyArn"]
            message = f"Policy {arn} version {version} does not exist or is not attachable."
            raise Refused("NoSuchEntity", message, 404)
        document = urllib.parse.quote(json.dumps(policy["Document"]), safe="")
        return {"PolicyVersion": {**_version(policy), "Document": document}}

    def list_versions(self, _place: Place, request: Json) -> Json:
        """Answer ListPolicyVersions."""
        return {"Versions": [_version(_known(request))], "IsTruncated": False}

    def list_entities(self, place: Place, request: Json) -> Json:
        """Answer ListEntitiesForPolicy."""
        _known(request)
        entities = self._attachments(place).get(request["PolicyArn"], [])
        found: Json = {f"Policy{kind}s": [] for kind in _KINDS}
        for kind, entity in entities:
            if request.get("EntityFilter") in (None, kind):
                found[f"Policy{kind}s"].append(entity)
        return {**found, "IsTruncated": False}

    def list_policies(self, place: Place, request: Json) -> Json:
        """Answer ListPolicies for all policies or for those of AWS. The account's own policies come first."""
        attachments = self._attachments(place)
        policies = list(self._local(place)) if request.get("Scope", "All") == "All" else []
        policies += [self._policy(place, name, attachments) for name in aws_policies()]
        prefix = request.get("PathPrefix", "/")
        policies = [policy for policy in policies if policy["Path"].startswith(prefix)]
        if request.get("OnlyAttached"):
            policies = [policy for policy in policies if policy["AttachmentCount"]]
        marker = str(request.get("Marker", "0"))
        start = int(marker) if marker.isdecimal() else 0
        end = start + int(request.get("MaxItems", _PER_PAGE))
        more: Json = {"IsTruncated": True, "Marker": str(end)} if end < len(policies) else {"IsTruncated": False}
        # IAM's lists have no descriptions.
        page = [{key: value for key, value in one.items() if key != "Description"} for one in policies[start:end]]
        return {"Policies": page, **more}

    def _policy(self, place: Place, name: str, attachments: Mapping[str, Any]) -> Json:
        policy = aws_policies()[name]
        arn = f"arn:{place.partition}:iam::aws:policy/{name}"
        return {
            "PolicyName": policy["PolicyName"],
            "PolicyId": f"ANPA{hashlib.sha256(name.encode()).hexdigest()[:_ID_LENGTH].upper()}",
            "Arn": arn,
            "Path": policy["Path"],
            "DefaultVersionId": policy["DefaultVersionId"],
            "AttachmentCount": len(attachments.get(arn, ())),
            "PermissionsBoundaryUsageCount": 0,
            "IsAttachable": True,
            "CreateDate": policy["CreateDate"],
            "UpdateDate": policy["UpdateDate"],
        }

    def _local(self, place: Place) -> Iterator[Json]:
        for element in self._pages(place, {"Action": "ListPolicies", "Scope": "Local"}, ".//Policies/member"):
            policy: Json = {child.tag: child.text or "" for child in element}
            policy["AttachmentCount"] = int(policy.get("AttachmentCount") or 0)
            policy["PermissionsBoundaryUsageCount"] = int(policy.get("PermissionsBoundaryUsageCount") or 0)
            policy["IsAttachable"] = policy.get("IsAttachable") == "true"
            yield policy

    def _attachments(self, place: Place) -> dict[str, list[tuple[str, Json]]]:
        """Return the attachments of each managed policy by its ARN: the kind, and the name and id of each entity."""
        attached: dict[str, list[tuple[str, Json]]] = {}
        for kind in _KINDS:
            names = (f"{kind}Name", f"{kind}Id")
            action = {"Action": "GetAccountAuthorizationDetails"}
            for element in self._pages(place, action, f".//{kind}DetailList/member"):
                entity = {name: element.findtext(name) or "" for name in names}
                for policy in element.findall("AttachedManagedPolicies/member/PolicyArn"):
                    attached.setdefault(policy.text or "", []).append((kind, entity))
        return attached

    def _pages(self, place: Place, members: Mapping[str, str], path: str) -> Iterator[Element]:
        marker: str | None = ""
        while marker is not None:
            paging = {"MaxItems": "1000", **({"Marker": marker} if marker else {})}
            answer = self._iam.query("iam", place, _VERSION, {**members, **paging})
            yield from answer.findall(path)
            marker = answer.findtext(".//Marker") if answer.findtext(".//IsTruncated") == "true" else None


def _name(request: Json) -> str:
    found = _AWS_MANAGED.fullmatch(request["PolicyArn"])
    if found is None or found[1] not in aws_policies():
        raise Refused("NoSuchEntity", f"Policy {request['PolicyArn']} was not found.", 404)
    return found[1]


def _known(request: Json) -> Json:
    return dict(aws_policies()[_name(request)])


def _version(policy: Json) -> Json:
    return {"VersionId": policy["DefaultVersionId"], "IsDefaultVersion": True, "CreateDate": policy["UpdateDate"]}
