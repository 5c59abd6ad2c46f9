"""Security groups of EC2 and their rules.

Sources: botocore's service model; the template reference. The identifier of a group without VpcId is its name
(recorded; the format of `Id` in the published schema). Sentences: "has a dependent object" (aws/aws-cdk#10777) and
"the specified rule ... already exists" (hashicorp/terraform-provider-aws#838), as users quote them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.providers.services.ec2_requests import ec2_tags, filters, first
from cfnbox.providers.services.parts import Hook
from cfnbox.providers.services.service_type import GeneratedName, ServiceType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls
    from cfnbox.providers.services.service_type import Resources

_ALL = "-1"
_PORTS = ("IpProtocol", "FromPort", "ToPort")
_UNCHANGED = {name: name for name in _PORTS}
# The rule of a group for which no SecurityGroupEgress is given.
_ALLOW_ALL = {"IpProtocol": _ALL, "CidrIp": "0.0.0.0/0"}


@dataclass(frozen=True)
class _Direction:
    """The words for rules of one direction."""

    name: str
    # How the properties for the other side of a rule begin.
    peer: str

    @property
    def type_name(self) -> str:
        """Return the type of a rule."""
        return f"AWS::EC2::{self.member}"

    @property
    def member(self) -> str:
        """Return the property of a group that has the rules."""
        return f"SecurityGroup{self.name}"

    @property
    def authorize(self) -> str:
        """Return the operation that adds rules."""
        return f"AuthorizeSecurityGroup{self.name}"

    @property
    def revoke(self) -> str:
        """Return the operation that removes rules."""
        return f"RevokeSecurityGroup{self.name}"

    @property
    def permissions(self) -> str:
        """Return the member of a described group that has the rules."""
        return "IpPermissions" if self.name == "Ingress" else "IpPermissionsEgress"

    def permission(self, rule: Json) -> Json:
        """Return a rule of a template as the API takes it."""
        described = {"Description": rule["Description"]} if rule.get("Description") else {}
        permission: Json = {name: rule[name] for name in _PORTS if name in rule}
        group = {
            member: rule[f"{self.peer}{name}"]
            for name, member in _PAIR.items()
            if f"{self.peer}{name}" in rule
        }  # fmt: skip
        for name, member in (("CidrIp", "IpRanges"), ("CidrIpv6", "Ipv6Ranges")):
            if name in rule:
                permission[member] = [{name: rule[name], **described}]
        if group:
            permission["UserIdGroupPairs"] = [{**group, **described}]
        if f"{self.peer}PrefixListId" in rule:
            permission["PrefixListIds"] = [{"PrefixListId": rule[f"{self.peer}PrefixListId"], **described}]
        return permission

    def rules(self, permissions: Sequence[Json]) -> Iterable[Json]:
        """Yield the rules in described permissions, as a template writes them."""
        for permission in permissions:
            ports: Json = {name: permission[name] for name in _PORTS if name in permission}
            if not any(permission.get(member) for member in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs")):
                yield ports
            for member, name in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")):
                for entry in permission.get(member) or ():
                    yield {**ports, name: entry[name], **_description(entry)}
            for entry in permission.get("UserIdGroupPairs") or ():
                pair = {f"{self.peer}{name}": entry[member] for name, member in _PAIR.items() if entry.get(member)}
                yield {**ports, **pair, **_description(entry)}


# The end of a property that names a group, and the member of the API.
_PAIR = {"SecurityGroupId": "GroupId", "SecurityGroupName": "GroupName", "SecurityGroupOwnerId": "UserId"}
_INGRESS, _EGRESS = _Direction("Ingress", "Source"), _Direction("Egress", "Destination")


def _description(entry: Json) -> Json:
    return {"Description": entry["Description"]} if entry.get("Description") else {}


def _same(rule: Json, account: str, *, is_described: bool = True) -> Json:
    """Return a rule in the form in which equal rules are equal.

    The account is left out where it is the own one, and a prefix list because the service here keeps none.
    """
    kept = {
        name: value
        for name, value in rule.items()
        if name not in ("Description", "GroupId", "GroupName", "Id")
        and not name.endswith("PrefixListId")
        and not (name.endswith("OwnerId") and value == account)
    }
    has_peer = any(name not in _PORTS for name in kept)
    return {**kept, "Description": rule.get("Description", "")} if is_described and has_peer else kept


# Groups


def _is_id(identifier: str) -> bool:
    # A name cannot begin so (EC2 API reference, "CreateSecurityGroup").
    return identifier.startswith("sg-")


def _group_key(identifier: str) -> Json:
    if _is_id(identifier):
        return {"Id": identifier, "GroupId": identifier, "GroupIds": [identifier]}
    return {"Id": identifier, "Filters": filters({"group-name": identifier})}


def _group(calls: Calls, key: Json) -> Json | None:
    return first(calls, "DescribeSecurityGroups", key, "SecurityGroups")


def _describe_group(calls: Calls, key: Json, known: Json) -> Json | None:
    group = _group(calls, key)
    if group is None:
        return None
    account = calls.request.place.account
    model = {
        "Id": key["Id"],
        "GroupId": group["GroupId"],
        "GroupName": group["GroupName"],
        "GroupDescription": group.get("Description"),
        "VpcId": group.get("VpcId"),
    }
    for direction in (_INGRESS, _EGRESS):
        written = known.get(direction.member) or ()
        model[direction.member] = [
            _as_written(rule, written, account) for rule in direction.rules(group.get(direction.permissions) or ())
        ]
    return model


def _as_written(rule: Json, written: Iterable[Json], account: str) -> Json:
    """Return a rule as the template writes it, where that is the same."""
    same = _same(rule, account)
    for known in written:
        if _same(known, account) == same:
            return known
    return rule


def _without_own_rules_of_others(model: Json, known: Json, resources: Resources) -> Json:
    """Return a group without the rules that are resources of their own, unless the template names them too."""
    left = {**model}
    for direction in (_INGRESS, _EGRESS):
        others = [
            _same(rule, "")
            for rule in resources(direction.type_name).values()
            if rule.get("GroupId") == model["GroupId"] or rule.get("GroupName") == model["GroupName"]
        ]
        own = known.get(direction.member) or ()
        rules = model.get(direction.member) or ()
        left[direction.member] = [rule for rule in rules if rule in own or _same(rule, "") not in others]
    return left


def _apply_rules(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Revoke the rules that are gone, then authorize new ones."""
    group: str | None = None
    for direction in (_INGRESS, _EGRESS):
        is_egress = direction is _EGRESS
        # EC2 makes a group with this rule.
        default = [_ALLOW_ALL] if is_egress else []
        before, after = (state.get(direction.member) or default for state in (previous, desired))
        removed = [rule for rule in before if rule not in after]
        added = [rule for rule in after if rule not in before]
        if not (removed or added):
            continue
        group = group or str((_group(calls, key) or {})["GroupId"])
        for operation, rules in ((direction.revoke, removed), (direction.authorize, added)):
            if rules:
                permissions = [direction.permission(rule) for rule in rules]
                members = {"GroupId": group, "IpPermissions": permissions}
                calls.invoke(operation, members, missing_is="InvalidRequest")


def _group_identifier(_place: Place, model: Json) -> Json:
    if "Id" in model or "GroupId" not in model:
        return {}
    return {"Id": model["GroupId"] if "VpcId" in model else model["GroupName"]}


def _refuse_group(calls: Calls, key: Json, _previous: Json) -> None:
    """Refuse for interfaces with the group, and for rules of other groups that name it."""
    group = str((_group(calls, key) or {})["GroupId"])
    used = [
        one["GroupId"]
        for interface in calls.items("DescribeNetworkInterfaces", {}, "NetworkInterfaces")
        for one in interface.get("Groups") or ()
    ]
    for other in calls.items("DescribeSecurityGroups", {}, "SecurityGroups"):
        if other["GroupId"] != group:
            permissions = [*(other.get("IpPermissions") or ()), *(other.get("IpPermissionsEgress") or ())]
            used += [pair.get("GroupId") for one in permissions for pair in one.get("UserIdGroupPairs") or ()]
    if group in used:
        raise calls.refused(f"resource {group} has a dependent object", 400, "InvalidRequest")


def _delete_group(calls: Calls, key: Json, _previous: Json) -> None:
    calls.invoke("DeleteSecurityGroup", {"GroupId": str((_group(calls, key) or {})["GroupId"])})


_GROUP_TYPE = ServiceType(
    "ec2",
    key=_group_key,
    name=GeneratedName("GroupName", 255),
    create="CreateSecurityGroup",
    create_request=lambda properties, _place: {
        "Description": properties["GroupDescription"],
        **{name: properties[name] for name in ("GroupName", "VpcId") if name in properties},
    },
    create_answer=lambda answer: {"GroupId": answer["GroupId"]},
    describe=_describe_group,
    derived=_group_identifier,
    filled_in=("VpcId",),
    not_own=_without_own_rules_of_others,
    parts=(Hook(_apply_rules),),
    tags=ec2_tags("GroupId"),
    refuse_deletion=_refuse_group,
    deletion=_delete_group,
    list=lambda calls, _filters: (
        {"Id": group["GroupId"]} for group in calls.items("DescribeSecurityGroups", {}, "SecurityGroups")
    ),
    not_applied=("SecurityGroupEgress.*.DestinationPrefixListId", "SecurityGroupIngress.*.SourcePrefixListId"),
)

# Rules that are resources of their own


def _group_of_rule(calls: Calls, properties: Json) -> Json:
    """Return the group of a rule, which a template names by its id or, in the default VPC, by its name."""
    name = properties.get("GroupId") or properties.get("GroupName", "")
    group = _group(calls, _group_key(str(name)))
    if group is None:
        # The sentence of EC2.
        raise calls.refused(f"The security group '{name}' does not exist", 400, "InvalidRequest")
    return group


def _peer(rule: Json) -> str:
    """Return the other side of a rule, as EC2 writes it."""
    names = ("CidrIp", "CidrIpv6", "SourceSecurityGroupId", "DestinationSecurityGroupId")
    peer = next((rule[name] for name in names if name in rule), "")
    if rule["IpProtocol"] == _ALL:
        return f"peer: {peer}, ALL, ALLOW"
    ports = f"from port: {rule.get('FromPort')}, to port: {rule.get('ToPort')}"
    return f"peer: {peer}, {str(rule['IpProtocol']).upper()}, {ports}, ALLOW"


@dataclass(frozen=True)
class _RuleType:
    """The calls for rules of one direction that are resources of their own."""

    direction: _Direction

    @property
    def by_name(self) -> str:
        """Return the property that names the group on the other side."""
        return f"{self.direction.peer}SecurityGroupName"

    @property
    def by_id(self) -> str:
        """Return the property that has the id of the group on the other side."""
        return f"{self.direction.peer}SecurityGroupId"

    def members(self, calls: Calls, properties: Json) -> Json:
        """Return the members of the operation that adds a rule; refuse one that the group has."""
        group = _group_of_rule(calls, properties)
        rule = {**properties}
        if self.by_name in rule:
            rule[self.by_id] = _group_of_rule(calls, {"GroupName": rule.pop(self.by_name)})["GroupId"]
        account = calls.request.place.account
        wanted = _same(rule, account, is_described=False)
        for known in self.direction.rules(group.get(self.direction.permissions) or ()):
            if _same(known, account, is_described=False) == wanted:
                sentence = f'the specified rule "{_peer(rule)}" already exists'
                raise calls.refused(sentence, 400, "AlreadyExists")
        return {"GroupId": group["GroupId"], "IpPermissions": [self.direction.permission(rule)]}

    def describe(self, calls: Calls, key: Json, known: Json) -> Json | None:
        """Return the properties of a rule; groups by their names where the template has them so."""
        rule = first(calls, "DescribeSecurityGroupRules", key, "SecurityGroupRules")
        if rule is None:
            return None
        reference = rule.get("ReferencedGroupInfo") or {}
        model: Json = {
            "Id": key["SecurityGroupRuleId"],
            "GroupId": rule["GroupId"],
            **{name: rule.get(name) for name in ("IpProtocol", "FromPort", "ToPort", "Description")},
            "CidrIp": rule.get("CidrIpv4"),
            "CidrIpv6": rule.get("CidrIpv6"),
            self.by_id: reference.get("GroupId") or None,
            f"{self.direction.peer}SecurityGroupOwnerId": reference.get("UserId"),
        }
        if "GroupName" in known:
            model["GroupName"] = _name(calls, model["GroupId"])
        if self.by_name in known:
            model[self.by_name] = _name(calls, model[self.by_id])
        return model

    def update(self, calls: Calls, key: Json, previous: Json, desired: Json) -> None:
        """Change the description; all else replaces a rule."""
        if previous.get("Description") == desired.get("Description"):
            return
        rule = {name: value for name, value in (self.describe(calls, key, {}) or {}).items() if value is not None}
        group = {"GroupId": rule["GroupId"]}
        if not desired.get("Description"):
            # The service here cannot empty a description; a rule with the same content gets the same id.
            bare = {name: value for name, value in rule.items() if name != "Description"}
            calls.invoke(self.direction.revoke, {**group, "IpPermissions": [self.direction.permission(rule)]})
            calls.invoke(self.direction.authorize, {**group, "IpPermissions": [self.direction.permission(bare)]})
            return
        names = {"CidrIp": "CidrIpv4", "CidrIpv6": "CidrIpv6", self.by_id: "ReferencedGroupId"}
        changed = {member: rule[name] for name, member in {**_UNCHANGED, **names}.items() if name in rule}
        changed["Description"] = desired["Description"]
        update = {"SecurityGroupRuleId": key["SecurityGroupRuleId"], "SecurityGroupRule": changed}
        calls.invoke("ModifySecurityGroupRules", {**group, "SecurityGroupRules": [update]})

    def delete(self, calls: Calls, key: Json, _previous: Json) -> None:
        """Revoke the rule from its group."""
        rule = self.describe(calls, key, {}) or {}
        calls.invoke(self.direction.revoke, {**key, "GroupId": rule["GroupId"]})

    def list(self, calls: Calls, _filters: Json) -> Iterable[Json]:
        """Yield the rules of the direction."""
        for rule in calls.items("DescribeSecurityGroupRules", {}, "SecurityGroupRules"):
            if rule.get("IsEgress") == (self.direction is _EGRESS):
                yield {"Id": rule["SecurityGroupRuleId"]}

    def row(self) -> ServiceType:
        """Return the row of the type."""
        return ServiceType(
            "ec2",
            key=lambda identifier: {"SecurityGroupRuleId": identifier, "SecurityGroupRuleIds": [identifier]},
            create=self.direction.authorize,
            create_members=self.members,
            create_answer=lambda answer: {"Id": answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]},
            describe=self.describe,
            describe_after_create=False,
            parts=(Hook(self.update, in_create=True),),
            deletion=self.delete,
            list=self.list,
            not_applied=(f"{self.direction.peer}PrefixListId",),
        )


def _name(calls: Calls, group_id: str) -> str | None:
    return (_group(calls, _group_key(group_id)) or {}).get("GroupName")


TYPES: dict[str, ServiceType] = {
    "AWS::EC2::SecurityGroup": _GROUP_TYPE,
    **{direction.type_name: _RuleType(direction).row() for direction in (_EGRESS, _INGRESS)},
}
