"""Samples of the types of EC2's networks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from providers.services.harness import Direct, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.providers.protocol import Resource

ACCOUNT = "123456789012"
BEFORE, AFTER = [{"Key": "k", "Value": "1"}], [{"Key": "l", "Value": "2"}]


def ec2_tags(connect: Callable[..., Any], resource: Resource) -> dict[str, str]:
    filters = [{"Name": "resource-id", "Values": [resource.attributes.get("GroupId", resource.physical_id)]}]
    return {tag["Key"]: tag["Value"] for tag in connect("ec2").describe_tags(Filters=filters)["Tags"]}


def make_network(connect: Callable[..., Any]) -> Json:
    """Make a VPC with two of all that other resources refer to."""
    ec2 = connect("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    groups = [ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in ("a", "b")]
    tables = [ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)]
    gateways = [ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"] for _ in range(2)]
    return {"vpc": vpc, "subnets": subnets, "groups": groups, "tables": tables, "gateways": gateways}


VPC = Sample(
    "AWS::EC2::VPC",
    "ec2",
    first={
        "CidrBlock": "10.1.0.0/16",
        "EnableDnsHostnames": True,
        "EnableDnsSupport": False,
        "InstanceTenancy": "dedicated",
        "Ipv4IpamPoolId": "ipam-pool-1",
        "Ipv4NetmaskLength": 16,
        "Tags": BEFORE,
        "VpcEncryptionControl": {"Mode": "monitor"},
    },
    second={
        "CidrBlock": "10.1.0.0/16",
        "EnableDnsHostnames": False,
        "EnableDnsSupport": True,
        "InstanceTenancy": "dedicated",
        "Tags": AFTER,
    },
    minimal={"CidrBlock": "10.1.0.0/16", "InstanceTenancy": "dedicated"},
    stays=("EnableDnsHostnames", "EnableDnsSupport"),
    direct=(
        Direct("describe_vpcs", lambda one: {"VpcIds": [one.physical_id]}, "Vpcs[0].[CidrBlock, InstanceTenancy]",
               ["10.1.0.0/16", "dedicated"], ["10.1.0.0/16", "dedicated"]),
        Direct("describe_vpc_attribute",
               lambda one: {"VpcId": one.physical_id, "Attribute": "enableDnsHostnames"},
               "EnableDnsHostnames.Value", True, False),
    ),
    tags=ec2_tags,
)  # fmt: skip

_SUBNET = {"CidrBlock": "10.0.9.0/24", "AvailabilityZone": "us-east-1b", "AvailabilityZoneId": "use1-az2"}
SUBNET = Sample(
    "AWS::EC2::Subnet",
    "ec2",
    prepare=make_network,
    first=lambda made: {
        **_SUBNET,
        "VpcId": made["vpc"],
        "AssignIpv6AddressOnCreation": True,
        "EnableDns64": True,
        "EnableLniAtDeviceIndex": 1,
        "Ipv4IpamPoolId": "ipam-pool-1",
        "Ipv4NetmaskLength": 24,
        "Ipv6CidrBlock": "2001:db8:1234:1a00::/64",
        "Ipv6IpamPoolId": "ipam-pool-2",
        "Ipv6Native": True,
        "Ipv6NetmaskLength": 64,
        "MapPublicIpOnLaunch": True,
        "OutpostArn": f"arn:aws:outposts:us-east-1:{ACCOUNT}:outpost/op-1",
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "resource-name",
            "EnableResourceNameDnsARecord": True,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "Tags": BEFORE,
    },
    second=lambda made: {
        **_SUBNET,
        "VpcId": made["vpc"],
        "MapPublicIpOnLaunch": False,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": True,
        },
        "Tags": AFTER,
    },
    minimal=lambda made: {**_SUBNET, "VpcId": made["vpc"]},
    stays=("MapPublicIpOnLaunch",),
    direct=(
        Direct("describe_subnets", lambda one: {"SubnetIds": [one.physical_id]},
               "Subnets[0].[AvailabilityZone, MapPublicIpOnLaunch, PrivateDnsNameOptionsOnLaunch.HostnameType]",
               ["us-east-1b", True, "resource-name"], ["us-east-1b", False, "ip-name"]),
    ),
    tags=ec2_tags,
)  # fmt: skip


def _https(**peer: Any) -> Json:
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **peer}


GROUP = Sample(
    "AWS::EC2::SecurityGroup",
    "ec2",
    prepare=make_network,
    first=lambda made: {
        "GroupDescription": "whole",
        "GroupName": "whole",
        "VpcId": made["vpc"],
        "SecurityGroupEgress": [
            _https(CidrIp="10.0.0.0/8", Description="first"),
            _https(CidrIpv6="2001:db8::/32"),
            _https(DestinationSecurityGroupId=made["groups"][0]),
            _https(CidrIp="10.9.0.0/16", DestinationPrefixListId="pl-1"),
        ],
        "SecurityGroupIngress": [
            {"IpProtocol": "-1", "CidrIp": "10.0.0.0/16", "Description": "first"},
            _https(CidrIpv6="2001:db8::/32"),
            _https(SourceSecurityGroupId=made["groups"][0], SourceSecurityGroupOwnerId=ACCOUNT, Description="a"),
            _https(SourceSecurityGroupName="b"),
            _https(CidrIp="10.9.0.0/16", SourcePrefixListId="pl-1"),
        ],
        "Tags": BEFORE,
    },
    second=lambda made: {
        "GroupDescription": "whole",
        "GroupName": "whole",
        "VpcId": made["vpc"],
        "SecurityGroupEgress": [_https(CidrIp="10.0.0.0/8", Description="second")],
        "SecurityGroupIngress": [
            {"IpProtocol": "-1", "CidrIp": "10.0.0.0/16", "Description": "second"},
            _https(SourceSecurityGroupId=made["groups"][1]),
        ],
        "Tags": AFTER,
    },
    minimal=lambda made: {"GroupDescription": "whole", "GroupName": "whole", "VpcId": made["vpc"]},
    direct=(
        Direct("describe_security_groups", lambda one: {"GroupIds": [one.attributes["GroupId"]]},
               "SecurityGroups[0].[GroupName, IpPermissions[0].IpRanges, length(IpPermissionsEgress)]",
               ["whole", [{"CidrIp": "10.0.0.0/16", "Description": "first"}], 4],
               ["whole", [{"CidrIp": "10.0.0.0/16", "Description": "second"}], 1]),
    ),
    tags=ec2_tags,
)  # fmt: skip


def _rule(direction: str, peer: str, *apart: str) -> Sample:
    def state(made: Json, **properties: Any) -> Json:
        return _https(**properties, GroupId=made["groups"][0], CidrIp="10.0.0.0/8")

    return Sample(
        f"AWS::EC2::SecurityGroup{direction}",
        "ec2",
        prepare=make_network,
        first=lambda made: state(made, Description="first", **{f"{peer}PrefixListId": "pl-1"}),
        second=lambda made: state(made, Description="second"),
        minimal=lambda made: state(made),
        direct=(
            Direct("describe_security_group_rules", lambda one: {"SecurityGroupRuleIds": [one.physical_id]},
                   "SecurityGroupRules[0].[IsEgress, IpProtocol, FromPort, CidrIpv4, Description]",
                   [direction == "Egress", "tcp", 443, "10.0.0.0/8", "first"],
                   [direction == "Egress", "tcp", 443, "10.0.0.0/8", "second"]),
        ),
        # A rule has one other side, and its group has an id or a name.
        apart=("CidrIpv6", f"{peer}SecurityGroupId", *apart),
    )  # fmt: skip


INGRESS = _rule("Ingress", "Source", "GroupName", "SourceSecurityGroupName", "SourceSecurityGroupOwnerId")
EGRESS = _rule("Egress", "Destination")

TABLE = Sample(
    "AWS::EC2::RouteTable",
    "ec2",
    prepare=make_network,
    first=lambda made: {"VpcId": made["vpc"], "Tags": BEFORE},
    second=lambda made: {"VpcId": made["vpc"], "Tags": AFTER},
    minimal=lambda made: {"VpcId": made["vpc"]},
    direct=(
        Direct("describe_route_tables", lambda one: {"RouteTableIds": [one.physical_id]},
               "RouteTables[0].Routes[0].GatewayId", "local", "local"),
    ),
    tags=ec2_tags,
)  # fmt: skip

_NO_TARGETS = ("CarrierGatewayId", "EgressOnlyInternetGatewayId", "LocalGatewayId", "NetworkInterfaceId",
               "VpcEndpointId", "CoreNetworkArn", "OdbNetworkArn")  # fmt: skip


def _route(made: Json, **target: Any) -> Json:
    return {"RouteTableId": made["tables"][0], "DestinationCidrBlock": "0.0.0.0/0", **target}


ROUTE = Sample(
    "AWS::EC2::Route",
    "ec2",
    prepare=make_network,
    first=lambda made: _route(
        made,
        GatewayId=made["gateways"][0],
        DestinationIpv6CidrBlock="::/0",
        DestinationPrefixListId="pl-1",
        **dict.fromkeys(_NO_TARGETS, "x-1"),
    ),
    second=lambda made: _route(made, NatGatewayId="nat-1"),
    minimal=lambda made: _route(made, GatewayId=made["gateways"][1]),
    # A route has one target.
    apart=("InstanceId", "TransitGatewayId", "VpcPeeringConnectionId"),
    direct=(
        Direct("describe_route_tables", lambda one: {"RouteTableIds": [one.physical_id.partition("|")[0]]},
               "RouteTables[0].Routes[?Origin=='CreateRoute'].[DestinationCidrBlock, NatGatewayId]",
               [["0.0.0.0/0", None]], [["0.0.0.0/0", "nat-1"]]),
    ),
)  # fmt: skip


def _association(made: Json) -> Json:
    return {"RouteTableId": made["tables"][0], "SubnetId": made["subnets"][0]}


ASSOCIATION = Sample(
    "AWS::EC2::SubnetRouteTableAssociation",
    "ec2",
    prepare=make_network,
    first=_association,
    second=_association,
    minimal=_association,
    direct=(
        Direct("describe_route_tables",
               lambda one: {"Filters": [{"Name": "association.route-table-association-id",
                                         "Values": [one.physical_id]}]},
               "length(RouteTables[0].Associations)", 1, 1),
    ),
)  # fmt: skip

GATEWAY = Sample(
    "AWS::EC2::InternetGateway",
    "ec2",
    first={"Tags": BEFORE},
    second={"Tags": AFTER},
    minimal={},
    direct=(
        Direct("describe_internet_gateways", lambda one: {"InternetGatewayIds": [one.physical_id]},
               "length(InternetGateways)", 1, 1),
    ),
    tags=ec2_tags,
)  # fmt: skip


def _prepare_attachment(connect: Callable[..., Any]) -> Json:
    made = make_network(connect)
    vpn = [connect("ec2").create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"] for _ in range(2)]
    return {**made, "vpn": vpn}


ATTACHMENT = Sample(
    "AWS::EC2::VPCGatewayAttachment",
    "ec2",
    prepare=_prepare_attachment,
    first=lambda made: {
        "VpcId": made["vpc"], "InternetGatewayId": made["gateways"][0], "VpnGatewayId": made["vpn"][0]
    },
    second=lambda made: {
        "VpcId": made["vpc"], "InternetGatewayId": made["gateways"][1], "VpnGatewayId": made["vpn"][1]
    },
    minimal=lambda made: {"VpcId": made["vpc"], "InternetGatewayId": made["gateways"][1]},
    direct=(
        Direct("describe_internet_gateways",
               lambda one: {"Filters": [{"Name": "attachment.vpc-id", "Values": [one.physical_id.split("|")[1]]}]},
               "length(InternetGateways)", 1, 1),
    ),
)  # fmt: skip


def _policy(action: str) -> Json:
    return {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}]}


def _endpoint(made: Json, number: int, **properties: Any) -> Json:
    return {
        "ServiceName": "com.amazonaws.us-east-1.ecr.dkr",
        "VpcEndpointType": "Interface",
        "VpcId": made["vpc"],
        "SubnetIds": [made["subnets"][number]],
        **properties,
    }


ENDPOINT = Sample(
    "AWS::EC2::VPCEndpoint",
    "ec2",
    prepare=make_network,
    first=lambda made: _endpoint(
        made, 0,
        DnsOptions={"DnsRecordIpType": "ipv4", "PrivateDnsOnlyForInboundResolverEndpoint": "OnlyInboundResolver",
                    "PrivateDnsPreference": "ALL_DOMAINS", "PrivateDnsSpecifiedDomains": ["example.com"]},
        IpAddressType="ipv4",
        PolicyDocument=_policy("ecr:*"),
        PrivateDnsEnabled=True,
        ResourceConfigurationArn="arn:aws:vpc-lattice:us-east-1:123456789012:resourceconfiguration/r",
        RouteTableIds=[made["tables"][0]],
        SecurityGroupIds=[made["groups"][0]],
        ServiceNetworkArn="arn:aws:vpc-lattice:us-east-1:123456789012:servicenetwork/s",
        ServiceRegion="us-east-1",
        Tags=BEFORE,
    ),
    second=lambda made: _endpoint(
        made, 1,
        DnsOptions={"DnsRecordIpType": "dualstack", "PrivateDnsOnlyForInboundResolverEndpoint": "AllResolvers",
                    "PrivateDnsPreference": "ALL_DOMAINS", "PrivateDnsSpecifiedDomains": ["example.com"]},
        IpAddressType="dualstack",
        PolicyDocument=_policy("ecr:GetAuthorizationToken"),
        PrivateDnsEnabled=False,
        ResourceConfigurationArn="arn:aws:vpc-lattice:us-east-1:123456789012:resourceconfiguration/r",
        RouteTableIds=[made["tables"][1]],
        SecurityGroupIds=[made["groups"][1]],
        ServiceNetworkArn="arn:aws:vpc-lattice:us-east-1:123456789012:servicenetwork/s",
        ServiceRegion="us-east-1",
        Tags=AFTER,
    ),
    minimal=lambda made: _endpoint(made, 1, SecurityGroupIds=[made["groups"][1]]),
    stays=("DnsOptions", "IpAddressType", "PrivateDnsEnabled", "ResourceConfigurationArn", "ServiceNetworkArn",
           "ServiceRegion"),
    direct=(
        Direct("describe_vpc_endpoints", lambda one: {"VpcEndpointIds": [one.physical_id]},
               "VpcEndpoints[0].[PrivateDnsEnabled, IpAddressType, PolicyDocument, length(NetworkInterfaceIds)]",
               [True, "ipv4", json.dumps(_policy("ecr:*")), 1],
               [False, "dualstack", json.dumps(_policy("ecr:GetAuthorizationToken")), 1]),
    ),
    tags=ec2_tags,
)  # fmt: skip

SAMPLES = [VPC, SUBNET, GROUP, INGRESS, EGRESS, TABLE, ROUTE, ASSOCIATION, GATEWAY, ATTACHMENT, ENDPOINT]
