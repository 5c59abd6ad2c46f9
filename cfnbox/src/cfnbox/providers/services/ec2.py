"""Types of EC2's networks.

Sources: botocore's service model; the template reference for Ref, Fn::GetAtt and defaults; the identifier of a
security group without VpcId is its name (recorded). Sentences of refusals are those that users quote of EC2:
"has dependencies and cannot be deleted" (aws/copilot-cli#5481, aws/aws-cdk#10777), "has a dependent object"
(aws/aws-cdk#10777).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.providers.services.ec2_requests import described_first, ec2_tags, filters, first, listed
from cfnbox.providers.services.models import parsed
from cfnbox.providers.services.parts import Hook, document
from cfnbox.providers.services.service_type import ServiceType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.services.calls import Calls

_DEFAULT_TENANCY = "default"


def _has_dependencies(calls: Calls, kind: str, identifier: str) -> Exception:
    sentence = f"The {kind} '{identifier}' has dependencies and cannot be deleted."
    return calls.refused(sentence, 400, "InvalidRequest")


# VPC


def _describe_vpc(calls: Calls, key: Json, _known: Json) -> Json | None:
    vpc = first(calls, "DescribeVpcs", key, "Vpcs")
    if vpc is None:
        return None
    of_vpc = {"vpc-id": vpc["VpcId"]}
    acls = {"Filters": filters({**of_vpc, "default": "true"})}
    groups = {"Filters": filters({**of_vpc, "group-name": "default"})}
    acl, group = (
        first(calls, "DescribeNetworkAcls", acls, "NetworkAcls") or {},
        first(calls, "DescribeSecurityGroups", groups, "SecurityGroups") or {},
    )
    associations = vpc.get("CidrBlockAssociationSet") or ()
    return {
        "VpcId": vpc["VpcId"],
        "CidrBlock": vpc["CidrBlock"],
        "InstanceTenancy": vpc["InstanceTenancy"],
        "CidrBlockAssociations": [association["AssociationId"] for association in associations],
        "DefaultNetworkAcl": acl.get("NetworkAclId"),
        "DefaultSecurityGroup": group.get("GroupId"),
    }


# Property, attribute of DescribeVpcAttribute, and the value of a VPC for which none is given.
_VPC_ATTRIBUTES = (
    ("EnableDnsSupport", "enableDnsSupport", True),
    ("EnableDnsHostnames", "enableDnsHostnames", False),
)


def _apply_vpc(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Set the attributes: EC2 takes one in a call."""
    for name, _, default in _VPC_ATTRIBUTES:
        before, after = (state.get(name, default) for state in (previous, desired))
        if before != after:
            calls.invoke("ModifyVpcAttribute", {**key, name: {"Value": after}}, missing_is="InvalidRequest")
    tenancy = [state.get("InstanceTenancy", _DEFAULT_TENANCY) for state in (previous, desired)]
    if previous and tenancy[0] != tenancy[1]:
        raise calls.failed("The EC2 of cfnbox cannot change the InstanceTenancy of a VPC.", "InvalidRequest")


def _read_vpc(calls: Calls, key: Json) -> Json:
    found: Json = {}
    for name, attribute, _ in _VPC_ATTRIBUTES:
        answer = calls.invoke("DescribeVpcAttribute", {**key, "Attribute": attribute})
        found[name] = answer[name]["Value"]
    return found


def _refuse_vpc(calls: Calls, key: Json, _previous: Json) -> None:
    """Refuse for route tables and endpoints; the service here refuses for subnets, groups and gateways."""
    of_vpc = {"Filters": filters({"vpc-id": key["VpcId"]})}
    tables = calls.items("DescribeRouteTables", of_vpc, "RouteTables")
    own = [table for table in tables if not any(one.get("Main") for one in table.get("Associations") or ())]
    if own or calls.items("DescribeVpcEndpoints", of_vpc, "VpcEndpoints"):
        raise _has_dependencies(calls, "vpc", key["VpcId"])


_VPC_TYPE = ServiceType(
    "ec2",
    key=lambda identifier: {"VpcId": identifier, "VpcIds": [identifier]},
    create="CreateVpc",
    create_answer=lambda answer: {"VpcId": answer["Vpc"]["VpcId"]},
    create_request=lambda properties, _place: {
        name: properties[name] for name in ("CidrBlock", "InstanceTenancy") if name in properties
    },
    describe=_describe_vpc,
    parts=(Hook(_apply_vpc, _read_vpc),),
    tags=ec2_tags("VpcId"),
    refuse_deletion=_refuse_vpc,
    delete="DeleteVpc",
    list=listed("DescribeVpcs", "Vpcs", "VpcId"),
    not_applied=("Ipv4IpamPoolId", "Ipv4NetmaskLength", "VpcEncryptionControl"),
)

# Subnets

_SUBNET_PROPERTIES = ("AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId")
# Members of ModifySubnetAttribute by member of PrivateDnsNameOptionsOnLaunch.
_NAME_OPTIONS = {
    "HostnameType": "PrivateDnsHostnameTypeOnLaunch",
    "EnableResourceNameDnsARecord": "EnableResourceNameDnsARecordOnLaunch",
    "EnableResourceNameDnsAAAARecord": "EnableResourceNameDnsAAAARecordOnLaunch",
}
_DEFAULT_NAME_OPTIONS = {
    "HostnameType": "ip-name",
    "EnableResourceNameDnsARecord": False,
    "EnableResourceNameDnsAAAARecord": False,
}


def _subnet_attributes(properties: Json) -> Json:
    """Return the members of ModifySubnetAttribute for properties, defaults included."""
    options = {**_DEFAULT_NAME_OPTIONS, **(properties.get("PrivateDnsNameOptionsOnLaunch") or {})}
    members: Json = {"MapPublicIpOnLaunch": {"Value": properties.get("MapPublicIpOnLaunch", False)}}
    for name, member in _NAME_OPTIONS.items():
        members[member] = options[name] if name == "HostnameType" else {"Value": options[name]}
    return members


def _apply_subnet(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Set the attributes that differ: EC2 takes one in a call."""
    before = _subnet_attributes(previous)
    for member, value in _subnet_attributes(desired).items():
        if before[member] != value:
            calls.invoke("ModifySubnetAttribute", {**key, member: value}, missing_is="InvalidRequest")


def _parse_subnet(subnet: Json) -> Json:
    names = ("SubnetId", "MapPublicIpOnLaunch", "PrivateDnsNameOptionsOnLaunch", *_SUBNET_PROPERTIES)
    return {name: subnet[name] for name in names if name in subnet}


def _refuse_subnet(calls: Calls, key: Json, _previous: Json) -> None:
    subnet = key["SubnetId"]
    interfaces = calls.items("DescribeNetworkInterfaces", {}, "NetworkInterfaces")
    if any(interface.get("SubnetId") == subnet for interface in interfaces):
        raise _has_dependencies(calls, "subnet", subnet)


_SUBNET_TYPE = ServiceType(
    "ec2",
    key=lambda identifier: {"SubnetId": identifier, "SubnetIds": [identifier]},
    create="CreateSubnet",
    create_request=lambda properties, _place: {
        name: properties[name] for name in _SUBNET_PROPERTIES if name in properties
    },
    create_answer=lambda answer: _parse_subnet(answer["Subnet"]),
    describe=described_first("DescribeSubnets", "Subnets", _parse_subnet),
    filled_in=("AvailabilityZone", "AvailabilityZoneId"),
    parts=(Hook(_apply_subnet),),
    tags=ec2_tags("SubnetId"),
    refuse_deletion=_refuse_subnet,
    delete="DeleteSubnet",
    list=listed("DescribeSubnets", "Subnets", "SubnetId"),
    not_applied=(
        "AssignIpv6AddressOnCreation",
        "EnableDns64",
        "EnableLniAtDeviceIndex",
        "Ipv4IpamPoolId",
        "Ipv4NetmaskLength",
        "Ipv6CidrBlock",
        "Ipv6IpamPoolId",
        "Ipv6Native",
        "Ipv6NetmaskLength",
        "OutpostArn",
    ),
)

# Route tables, their routes and their subnets


def _refuse_table(calls: Calls, key: Json, _previous: Json) -> None:
    table = first(calls, "DescribeRouteTables", key, "RouteTables") or {}
    if table.get("Associations"):
        raise _has_dependencies(calls, "routeTable", key["RouteTableId"])


_TABLE_TYPE = ServiceType(
    "ec2",
    key=lambda identifier: {"RouteTableId": identifier, "RouteTableIds": [identifier]},
    create="CreateRouteTable",
    create_answer=lambda answer: {"RouteTableId": answer["RouteTable"]["RouteTableId"]},
    describe=described_first(
        "DescribeRouteTables", "RouteTables", lambda table: {name: table[name] for name in ("RouteTableId", "VpcId")}
    ),
    tags=ec2_tags("RouteTableId"),
    refuse_deletion=_refuse_table,
    delete="DeleteRouteTable",
    list=listed("DescribeRouteTables", "RouteTables", "RouteTableId"),
)

_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
_TARGETS = ("GatewayId", "InstanceId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId")
# What the service here writes for a target that it does not know.
_LOCAL = "local"


def _destination(_place: Place, properties: Json) -> Json:
    """Return the part of a route's identifier that is its destination."""
    found = [properties[name] for name in _DESTINATIONS if name in properties]
    return {"CidrBlock": found[0]} if found else {}


def _route_key(identifier: str) -> Json:
    table, _, destination = identifier.partition("|")
    return {"RouteTableId": table, "RouteTableIds": [table], "CidrBlock": destination}


def _is_ipv4(destination: str) -> bool:
    return ":" not in destination and not destination.startswith("pl-")


def _describe_route(calls: Calls, key: Json, _known: Json) -> Json | None:
    table = first(calls, "DescribeRouteTables", key, "RouteTables")
    if table is None:
        return None
    own = {name: key[name] for name in ("RouteTableId", "CidrBlock")}
    if not _is_ipv4(key["CidrBlock"]):
        # The service here keeps no such route.
        return own
    for route in table.get("Routes") or ():
        if route.get("DestinationCidrBlock") == key["CidrBlock"]:
            targets = {name: route[name] for name in _TARGETS if route.get(name, _LOCAL) != _LOCAL}
            return {**own, **targets, "DestinationCidrBlock": key["CidrBlock"]}
    return None


def _apply_route(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    """Make the route anew where its target differs, because ReplaceRoute of the service here knows few targets."""
    if not _is_ipv4(key["CidrBlock"]):
        return
    before, after = ({name: state.get(name) for name in _TARGETS} for state in (previous, desired))
    destination = {"RouteTableId": key["RouteTableId"], "DestinationCidrBlock": key["CidrBlock"]}
    if previous and before != after:
        calls.invoke("DeleteRoute", destination)
    if not previous or (desired and before != after):
        targets = {name: value for name, value in after.items() if value is not None}
        calls.invoke("CreateRoute", {**destination, **targets}, missing_is="InvalidRequest")


def _delete_route(calls: Calls, key: Json, _previous: Json) -> None:
    if _is_ipv4(key["CidrBlock"]):
        calls.invoke("DeleteRoute", {"RouteTableId": key["RouteTableId"], "DestinationCidrBlock": key["CidrBlock"]})


def _is_route_taken(calls: Calls, desired: Json) -> bool:
    destination = _destination(calls.request.place, desired).get("CidrBlock", "")
    key = _route_key(f"{desired['RouteTableId']}|{destination}")
    return _is_ipv4(destination) and _describe_route(calls, key, {}) is not None


_ROUTE_TYPE = ServiceType(
    "ec2",
    key=_route_key,
    is_taken=_is_route_taken,
    describe=_describe_route,
    derived=_destination,
    describe_after_create=False,
    parts=(Hook(_apply_route),),
    deletion=_delete_route,
    not_applied=(
        "CarrierGatewayId",
        "CoreNetworkArn",
        "DestinationIpv6CidrBlock",
        "DestinationPrefixListId",
        "EgressOnlyInternetGatewayId",
        "LocalGatewayId",
        "NetworkInterfaceId",
        "OdbNetworkArn",
        "VpcEndpointId",
    ),
)


def _describe_association(calls: Calls, key: Json, _known: Json) -> Json | None:
    of_association = {"Filters": filters({"association.route-table-association-id": key["AssociationId"]})}
    table = first(calls, "DescribeRouteTables", of_association, "RouteTables") or {}
    for association in table.get("Associations") or ():
        if association["RouteTableAssociationId"] == key["AssociationId"]:
            return {
                "Id": key["AssociationId"],
                "RouteTableId": association["RouteTableId"],
                "SubnetId": association.get("SubnetId"),
            }
    return None


def _list_associations(calls: Calls, _filters: Json) -> Iterable[Json]:
    for table in calls.items("DescribeRouteTables", {}, "RouteTables"):
        for association in table.get("Associations") or ():
            if association.get("SubnetId"):
                yield {"Id": association["RouteTableAssociationId"]}


_ASSOCIATION_TYPE = ServiceType(
    "ec2",
    key=lambda identifier: {"AssociationId": identifier},
    create="AssociateRouteTable",
    create_answer=lambda answer: {"Id": answer["AssociationId"]},
    describe=_describe_association,
    describe_after_create=False,
    delete="DisassociateRouteTable",
    list=_list_associations,
)

# Internet gateways and their attachments


def _refuse_gateway(calls: Calls, key: Json, _previous: Json) -> None:
    gateway = first(calls, "DescribeInternetGateways", key, "InternetGateways") or {}
    if gateway.get("Attachments"):
        raise _has_dependencies(calls, "internetGateway", key["InternetGatewayId"])


_GATEWAY_TYPE = ServiceType(
    "ec2",
    key=lambda identifier: {"InternetGatewayId": identifier, "InternetGatewayIds": [identifier]},
    create="CreateInternetGateway",
    create_answer=lambda answer: {"InternetGatewayId": answer["InternetGateway"]["InternetGatewayId"]},
    describe=described_first(
        "DescribeInternetGateways",
        "InternetGateways",
        lambda gateway: {"InternetGatewayId": gateway["InternetGatewayId"]},
    ),
    describe_after_create=False,
    tags=ec2_tags("InternetGatewayId"),
    refuse_deletion=_refuse_gateway,
    delete="DeleteInternetGateway",
    list=listed("DescribeInternetGateways", "InternetGateways", "InternetGatewayId"),
)

# The property, the operations that attach and detach, and the type of the attachment in its identifier.
_ATTACHMENTS = {
    "InternetGatewayId": ("AttachInternetGateway", "DetachInternetGateway", "IGW"),
    "VpnGatewayId": ("AttachVpnGateway", "DetachVpnGateway", "VGW"),
}


def _attachment_type(_place: Place, properties: Json) -> Json:
    if "AttachmentType" in properties:
        return {}
    return {"AttachmentType": "IGW" if "InternetGatewayId" in properties else "VGW"}


def _attachment_key(identifier: str) -> Json:
    kind, _, vpc = identifier.partition("|")
    return {"AttachmentType": kind, "VpcId": vpc}


def _describe_attachment(calls: Calls, key: Json, _known: Json) -> Json | None:
    of_vpc = {"Filters": filters({"attachment.vpc-id": key["VpcId"]})}
    internet = first(calls, "DescribeInternetGateways", of_vpc, "InternetGateways") or {}
    gateways = calls.items("DescribeVpnGateways", of_vpc, "VpnGateways")
    vpn: Json = next((gateway for gateway in gateways if _is_attached(gateway, key["VpcId"])), {})
    found = {**_chosen(internet, "InternetGatewayId"), **_chosen(vpn, "VpnGatewayId")}
    is_there = any(kind == key["AttachmentType"] and name in found for name, (_, _, kind) in _ATTACHMENTS.items())
    return {**key, **found} if is_there else None


def _is_attached(gateway: Json, vpc: str) -> bool:
    attachments = gateway.get("VpcAttachments") or ()
    return any(one.get("VpcId") == vpc and one.get("State") != "detached" for one in attachments)


def _chosen(item: Json, name: str) -> Json:
    return {name: item[name]} if name in item else {}


def _apply_attachment(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    vpc = {"VpcId": key["VpcId"]}
    for name, (attach, detach, _) in _ATTACHMENTS.items():
        before, after = previous.get(name), desired.get(name)
        if before and before != after:
            calls.invoke(detach, {**vpc, name: before})
        if after and before != after:
            calls.invoke(attach, {**vpc, name: after}, missing_is="InvalidRequest")


_ATTACHMENT_TYPE = ServiceType(
    "ec2",
    key=_attachment_key,
    describe=_describe_attachment,
    derived=_attachment_type,
    describe_after_create=False,
    parts=(Hook(_apply_attachment, removed_before_delete=True),),
)

# VPC endpoints

# Property, and the end of the members of ModifyVpcEndpoint that add and remove.
_ENDPOINT_LISTS = ("RouteTableIds", "SecurityGroupIds", "SubnetIds")
_ENDPOINT_MEMBERS = ("DnsOptions", "IpAddressType", "PrivateDnsEnabled")


# The values of DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint in the schema, and in the API.
_INBOUND_ONLY = {"OnlyInboundResolver": True, "AllResolvers": False}


def _dns_members(options: Json) -> Json:
    name = "PrivateDnsOnlyForInboundResolverEndpoint"
    inbound = _INBOUND_ONLY.get(options.get(name, ""))
    kept = {member: value for member, value in options.items() if member != name}
    return kept if inbound is None else {**kept, name: inbound}


def _dns_property(options: Json) -> Json:
    name = "PrivateDnsOnlyForInboundResolverEndpoint"
    words = {value: word for word, value in _INBOUND_ONLY.items()}
    return {**options, name: words[options[name]]} if name in options else options


def _endpoint_members(properties: Json, _place: Place) -> Json:
    members = {**properties}
    if "DnsOptions" in members:
        members["DnsOptions"] = _dns_members(members["DnsOptions"])
    if "PolicyDocument" in members:
        members["PolicyDocument"] = document(members["PolicyDocument"])
    if members.get("VpcEndpointType") == "Interface":
        # The template reference and the API have different defaults.
        members.setdefault("PrivateDnsEnabled", False)
    return members


def _apply_endpoint(calls: Calls, key: Json, previous: Json, desired: Json) -> None:
    members: Json = {}
    for name in _ENDPOINT_LISTS:
        before, after = (list(state.get(name) or ()) for state in (previous, desired))
        added, removed = [one for one in after if one not in before], [one for one in before if one not in after]
        members |= {f"Add{name}": added} if added else {}
        members |= {f"Remove{name}": removed} if removed else {}
    for name in _ENDPOINT_MEMBERS:
        if name in desired and previous.get(name) != desired[name]:
            members[name] = _dns_members(desired[name]) if name == "DnsOptions" else desired[name]
    if previous.get("PrivateDnsEnabled") and "PrivateDnsEnabled" not in desired:
        members["PrivateDnsEnabled"] = False
    if previous.get("PolicyDocument") != desired.get("PolicyDocument"):
        policy = desired.get("PolicyDocument")
        members |= {"ResetPolicy": True} if policy is None else {"PolicyDocument": document(policy)}
    if members:
        calls.invoke("ModifyVpcEndpoint", {**key, **members}, missing_is="InvalidRequest")


def _parse_endpoint(endpoint: Json) -> Json:
    entries: list[Any] = endpoint.get("DnsEntries") or []
    return {
        **{name: value for name, value in endpoint.items() if name != "Tags"},
        "DnsOptions": _dns_property(endpoint.get("DnsOptions") or {}),
        "Id": endpoint["VpcEndpointId"],
        "PolicyDocument": parsed(endpoint.get("PolicyDocument")),
        "SecurityGroupIds": [group["GroupId"] for group in endpoint.get("Groups") or ()],
        "DnsEntries": [f"{entry['HostedZoneId']}:{entry['DnsName']}" for entry in entries],
    }


_ENDPOINT_TYPE = ServiceType(
    "ec2",
    key=lambda identifier: {"VpcEndpointId": identifier, "VpcEndpointIds": [identifier]},
    create="CreateVpcEndpoint",
    create_request=_endpoint_members,
    create_answer=lambda answer: _parse_endpoint(answer["VpcEndpoint"]),
    describe=described_first("DescribeVpcEndpoints", "VpcEndpoints", _parse_endpoint),
    describe_after_create=False,
    parts=(Hook(_apply_endpoint, in_create=True),),
    tags=ec2_tags("Id"),
    delete="DeleteVpcEndpoints",
    list=lambda calls, _filters: (
        {"Id": endpoint["VpcEndpointId"]} for endpoint in calls.items("DescribeVpcEndpoints", {}, "VpcEndpoints")
    ),
)

TYPES: dict[str, ServiceType] = {
    "AWS::EC2::InternetGateway": _GATEWAY_TYPE,
    "AWS::EC2::Route": _ROUTE_TYPE,
    "AWS::EC2::RouteTable": _TABLE_TYPE,
    "AWS::EC2::Subnet": _SUBNET_TYPE,
    "AWS::EC2::SubnetRouteTableAssociation": _ASSOCIATION_TYPE,
    "AWS::EC2::VPC": _VPC_TYPE,
    "AWS::EC2::VPCEndpoint": _ENDPOINT_TYPE,
    "AWS::EC2::VPCGatewayAttachment": _ATTACHMENT_TYPE,
}
