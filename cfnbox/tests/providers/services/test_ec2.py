"""Types of EC2: identifiers, rules, refused deletions, and the state in the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.place import Place
from cfnbox.providers.protocol import ResourceFailed
from providers.services.harness import Bench
from providers.services.samples_ec2 import make_network

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

GROUP, INGRESS, EGRESS = (f"AWS::EC2::SecurityGroup{end}" for end in ("", "Ingress", "Egress"))
SUBNET, TABLE, ROUTE, VPC = (f"AWS::EC2::{name}" for name in ("Subnet", "RouteTable", "Route", "VPC"))
GATEWAY, ASSOCIATION = "AWS::EC2::InternetGateway", "AWS::EC2::SubnetRouteTableAssociation"
ENDPOINT = "AWS::EC2::VPCEndpoint"
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
Connect = Any


@pytest.fixture
def bench(service_clients: ServiceClients, published: PublishedTypes, ministack: Any) -> Bench:
    return Bench(service_clients, published)


@pytest.fixture
def network(bench: Bench, connect: Connect) -> Json:
    return make_network(connect)


def interface_endpoint(network: Json) -> Json:
    return {
        "ServiceName": "com.amazonaws.us-east-1.ecr.dkr",
        "SubnetIds": [network["subnets"][0]],
        "SecurityGroupIds": [network["groups"][0]],
        "VpcEndpointType": "Interface",
        "VpcId": network["vpc"],
    }


def groups(connect: Connect, group_id: str) -> Json:
    found: Json = connect("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    return found


def test_ref_of_a_group_without_vpc_is_its_name(bench: Bench, network: Json) -> None:
    named = bench.create(GROUP, {"GroupDescription": "d", "GroupName": "mine"})
    generated = bench.create(GROUP, {"GroupDescription": "d"})
    in_vpc = bench.create(GROUP, {"GroupDescription": "d", "VpcId": network["vpc"]})
    assert (named.physical_id, named.attributes["GroupId"][:3]) == ("mine", "sg-")
    assert generated.physical_id.startswith("shop-Thing-")
    assert in_vpc.physical_id == in_vpc.attributes["GroupId"]
    assert in_vpc.attributes["VpcId"] == network["vpc"]
    # The default VPC.
    assert named.attributes["VpcId"].startswith("vpc-")
    bench.delete(GROUP, named, {"GroupDescription": "d", "GroupName": "mine"})
    with pytest.raises(ResourceFailed) as failure:
        bench.read(GROUP, "mine")
    assert failure.value.code == "NotFound"


def test_a_group_allows_all_egress_unless_the_template_has_rules(
    bench: Bench, connect: Connect, network: Json
) -> None:
    base = {"GroupDescription": "d", "VpcId": network["vpc"]}
    limited = {**base, "SecurityGroupEgress": [{**HTTPS, "CidrIp": "10.0.0.0/8"}]}
    group = bench.create(GROUP, base)
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "PrefixListIds": [],
                   "UserIdGroupPairs": []}]  # fmt: skip
    assert groups(connect, group.physical_id)["IpPermissionsEgress"] == everything
    group = bench.update(GROUP, group, base, limited)
    found = groups(connect, group.physical_id)["IpPermissionsEgress"]
    assert [permission["IpRanges"] for permission in found] == [[{"CidrIp": "10.0.0.0/8"}]]
    bench.update(GROUP, group, limited, base)
    assert groups(connect, group.physical_id)["IpPermissionsEgress"] == everything


def test_an_allow_all_rule_with_a_description_replaces_the_default_rule(
    bench: Bench, connect: Connect, network: Json
) -> None:
    # As the CDK writes it.
    rule = {"CidrIp": "0.0.0.0/0", "Description": "Allow all outbound traffic by default", "IpProtocol": "-1"}
    group = bench.create(GROUP, {"GroupDescription": "d", "VpcId": network["vpc"], "SecurityGroupEgress": [rule]})
    (permission,) = groups(connect, group.physical_id)["IpPermissionsEgress"]
    assert permission["IpRanges"] == [{"CidrIp": "0.0.0.0/0", "Description": rule["Description"]}]


def test_rules_of_other_resources_are_not_drift_of_their_group(bench: Bench, network: Json) -> None:
    properties = {"GroupDescription": "d", "VpcId": network["vpc"],
                  "SecurityGroupIngress": [{**HTTPS, "CidrIp": "10.0.0.0/8"}]}  # fmt: skip
    group = bench.create(GROUP, properties)
    bench.create(INGRESS, {**HTTPS, "GroupId": group.physical_id, "CidrIp": "192.168.0.0/16"})
    bench.create(EGRESS, {**HTTPS, "GroupId": group.physical_id, "CidrIp": "192.168.0.0/16"})
    model = bench.read(GROUP, group.physical_id).model
    assert model["SecurityGroupIngress"] == properties["SecurityGroupIngress"]
    assert model["SecurityGroupEgress"] == [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]


@pytest.mark.parametrize(
    "peer",
    [{"CidrIpv6": "2001:db8::/32"}, {"SourceSecurityGroupId": "other"}, {"SourceSecurityGroupName": "named"},
     {"SourceSecurityGroupId": "other", "SourceSecurityGroupOwnerId": "123456789012"}],
    ids=lambda peer: "+".join(peer),
)  # fmt: skip
def test_a_rule_is_read_with_its_source_or_destination(
    bench: Bench, connect: Connect, network: Json, peer: Json
) -> None:
    connect("ec2").create_security_group(GroupName="named", Description="d")
    other = {"other": network["groups"][1]}
    properties = {
        **HTTPS,
        "GroupId": network["groups"][0],
        **{name: other.get(peer[name], peer[name]) for name in peer},
    }
    rule = bench.create(INGRESS, properties)
    model = bench.read(INGRESS, rule.identifier).model
    assert {name: model.get(name) for name in properties} == properties


def test_a_rule_finds_its_group_by_name(bench: Bench, connect: Connect) -> None:
    group = connect("ec2").create_security_group(GroupName="named", Description="d")["GroupId"]
    rule = bench.create(INGRESS, {**HTTPS, "GroupName": "named", "CidrIp": "10.0.0.0/8"})
    assert len(groups(connect, group)["IpPermissions"]) == 1
    assert bench.read(INGRESS, rule.identifier).model["GroupName"] == "named"


def test_an_existing_rule_is_refused(bench: Bench, network: Json) -> None:
    rule = {**HTTPS, "GroupId": network["groups"][0], "CidrIp": "10.0.0.0/8"}
    bench.create(INGRESS, rule)
    sentence = r'the specified rule "peer: 10\.0\.0\.0/8, TCP, from port: 443, to port: 443, ALLOW" already exists'
    with pytest.raises(ResourceFailed, match=sentence) as failure:
        bench.create(INGRESS, {**rule, "Description": "again"})
    assert failure.value.code == "AlreadyExists"


def test_a_rule_for_a_prefix_list_is_not_drift(bench: Bench, network: Json) -> None:
    rule = {**HTTPS, "DestinationPrefixListId": "pl-1", "Description": "S3"}
    properties = {"GroupDescription": "d", "VpcId": network["vpc"], "SecurityGroupEgress": [rule]}
    group = bench.create(GROUP, properties)
    assert bench.read(GROUP, group.physical_id).model["SecurityGroupEgress"] == properties["SecurityGroupEgress"]


def test_an_existing_route_is_refused(bench: Bench, network: Json) -> None:
    route = {"RouteTableId": network["tables"][0], "DestinationCidrBlock": "0.0.0.0/0",
             "GatewayId": network["gateways"][0]}  # fmt: skip
    made = bench.create(ROUTE, route)
    assert made.physical_id == f"{network['tables'][0]}|0.0.0.0/0"
    with pytest.raises(ResourceFailed) as failure:
        bench.create(ROUTE, route)
    assert failure.value.code == "AlreadyExists"


@pytest.mark.parametrize("target", ["InstanceId", "TransitGatewayId", "VpcPeeringConnectionId"])
def test_a_route_is_read_with_its_target(bench: Bench, connect: Connect, network: Json, target: str) -> None:
    route = {"RouteTableId": network["tables"][0], "DestinationCidrBlock": "10.7.0.0/16"}
    made = bench.create(ROUTE, {**route, "GatewayId": network["gateways"][0]})
    bench.update(ROUTE, made, {**route, "GatewayId": network["gateways"][0]}, {**route, target: "x-1"})
    table = connect("ec2").describe_route_tables(RouteTableIds=[network["tables"][0]])["RouteTables"][0]
    (own,) = [one for one in table["Routes"] if one["DestinationCidrBlock"] == "10.7.0.0/16"]
    assert {name: own.get(name) for name in ("GatewayId", target)} == {"GatewayId": None, target: "x-1"}


def test_a_route_with_an_ipv6_destination_is_named_as_not_applied(bench: Bench, network: Json) -> None:
    route = {"RouteTableId": network["tables"][0], "DestinationIpv6CidrBlock": "::/0",
             "GatewayId": network["gateways"][0]}  # fmt: skip
    made = bench.create(ROUTE, route)
    assert made.physical_id == f"{network['tables'][0]}|::/0"
    assert str(bench.provider.notice(bench.definition(ROUTE), route)).endswith("DestinationIpv6CidrBlock")
    bench.delete(ROUTE, made, route)


def test_a_subnet_without_an_availability_zone_has_one_as_attribute(bench: Bench, network: Json) -> None:
    subnet = bench.create(SUBNET, {"VpcId": network["vpc"], "CidrBlock": "10.0.5.0/24"})
    assert subnet.attributes["AvailabilityZone"] == "us-east-1a"


def test_an_interface_endpoint_has_interfaces_with_its_groups(bench: Bench, connect: Connect, network: Json) -> None:
    endpoint = bench.create(ENDPOINT, interface_endpoint(network))
    (interface,) = endpoint.attributes["NetworkInterfaceIds"]
    found = connect("ec2").describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"][0]
    assert (found["SubnetId"], [group["GroupId"] for group in found["Groups"]]) == (
        network["subnets"][0], [network["groups"][0]],
    )  # fmt: skip
    zone, name = endpoint.attributes["DnsEntries"][0].split(":")
    assert zone
    assert name.startswith(endpoint.physical_id)
    assert name.endswith(".dkr.ecr.us-east-1.vpce.amazonaws.com")
    # The default of a template, where the API's is true.
    described = connect("ec2").describe_vpc_endpoints(VpcEndpointIds=[endpoint.physical_id])["VpcEndpoints"][0]
    assert described["PrivateDnsEnabled"] is False
    bench.delete(ENDPOINT, endpoint, interface_endpoint(network))
    assert connect("ec2").describe_network_interfaces()["NetworkInterfaces"] == []


def test_a_change_of_groups_reaches_the_interfaces_of_an_endpoint(
    bench: Bench, connect: Connect, network: Json
) -> None:
    before = interface_endpoint(network)
    after = {**before, "SecurityGroupIds": [network["groups"][1]]}
    endpoint = bench.create(ENDPOINT, before)
    bench.update(ENDPOINT, endpoint, before, after)
    (interface,) = connect("ec2").describe_network_interfaces()["NetworkInterfaces"]
    assert [group["GroupId"] for group in interface["Groups"]] == [network["groups"][1]]


def test_endpoints_are_found_by_filters(bench: Bench, connect: Connect, network: Json) -> None:
    properties = {**interface_endpoint(network), "Tags": [{"Key": "team", "Value": "a"}]}
    endpoint = bench.create(ENDPOINT, properties)
    gateway = bench.create(ENDPOINT, {"ServiceName": "com.amazonaws.us-east-1.s3", "VpcId": network["vpc"]})

    def found(**filters: str) -> list[str]:
        listed = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        endpoints = connect("ec2").describe_vpc_endpoints(Filters=listed)["VpcEndpoints"]
        return [endpoint["VpcEndpointId"] for endpoint in endpoints]

    assert found(vpc_id=network["vpc"]) == [endpoint.physical_id, gateway.physical_id]
    assert found(vpc_id=network["vpc"], vpc_endpoint_type="Gateway") == [gateway.physical_id]
    assert found(**{"tag:team": "a"}) == [endpoint.physical_id]
    assert found(tag_key="team") == [endpoint.physical_id]
    client = connect("ec2")
    with pytest.raises(
        client.exceptions.ClientError, match=r"InvalidVpcEndpointId\.NotFound.*'vpce-1' does not exist"
    ):
        client.describe_vpc_endpoints(VpcEndpointIds=["vpce-1"])
    (unsuccessful,) = client.delete_vpc_endpoints(VpcEndpointIds=["vpce-1"])["Unsuccessful"]
    assert (unsuccessful["ResourceId"], unsuccessful["Error"]["Code"]) == ("vpce-1", "InvalidVpcEndpointId.NotFound")


def refusal(bench: Bench, type_name: str, identifier: str) -> str:
    resource = bench.read(type_name, identifier)
    with pytest.raises(ResourceFailed) as failure:
        bench.delete(type_name, resource, {})
    assert failure.value.code == "InvalidRequest"
    assert bench.read(type_name, identifier).physical_id == identifier
    return str(failure.value)


def test_resources_in_use_are_not_deleted(bench: Bench, connect: Connect, network: Json) -> None:
    ec2, vpc, (subnet, _), (group, other) = connect("ec2"), network["vpc"], network["subnets"], network["groups"]
    table, gateway = network["tables"][0], network["gateways"][0]
    bench.create(ENDPOINT, interface_endpoint(network))
    bench.create(INGRESS, {**HTTPS, "GroupId": group, "SourceSecurityGroupId": other})
    bench.create(ASSOCIATION, {"RouteTableId": table, "SubnetId": subnet})
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    end = "has dependencies and cannot be deleted. (Service: Ec2, Status Code: 400"
    assert f"The subnet '{subnet}' {end}" in refusal(bench, SUBNET, subnet)
    assert f"resource {group} has a dependent object (Service: Ec2" in refusal(bench, GROUP, group)
    assert f"resource {other} has a dependent object (Service: Ec2" in refusal(bench, GROUP, other)
    assert f"The routeTable '{table}' {end}" in refusal(bench, TABLE, table)
    assert f"The internetGateway '{gateway}' {end}" in refusal(bench, GATEWAY, gateway)
    assert f"The vpc '{vpc}' {end}" in refusal(bench, VPC, vpc)


@pytest.mark.parametrize("left", ["subnet", "table", "endpoint", "gateway", "group"])
def test_a_vpc_with_dependencies_is_not_deleted(bench: Bench, connect: Connect, left: str) -> None:
    ec2 = connect("ec2")
    vpc = bench.create(VPC, {"CidrBlock": "10.4.0.0/16"})
    inside = {"VpcId": vpc.physical_id}
    match left:
        case "subnet":
            ec2.create_subnet(**inside, CidrBlock="10.4.1.0/24")
        case "table":
            ec2.create_route_table(**inside)
        case "endpoint":
            ec2.create_vpc_endpoint(**inside, ServiceName="com.amazonaws.us-east-1.s3")
        case "gateway":
            gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(**inside, InternetGatewayId=gateway)
        case "group":
            ec2.create_security_group(**inside, GroupName="g", Description="d")
    assert "has dependencies and cannot be deleted." in refusal(bench, VPC, vpc.physical_id)


def test_an_endpoint_in_another_partition_has_its_domain(
    service_clients: ServiceClients, published: PublishedTypes, ministack: Any, connect: Connect
) -> None:
    bench = Bench(service_clients, published, Place("cn-north-1"))
    network = make_network(lambda service: connect(service, "cn-north-1"))
    service = {"ServiceName": "cn.com.amazonaws.cn-north-1.ecr.dkr"}
    endpoint = bench.create(ENDPOINT, {**interface_endpoint(network), **service})
    assert endpoint.attributes["DnsEntries"][0].endswith(".dkr.ecr.cn-north-1.vpce.amazonaws.com.cn")
