"""VPC endpoints, because ministack's EC2 ignores security groups, policies and DNS settings of an endpoint.

ministack's EC2 has the network interfaces of an interface endpoint, one in each of its subnets, and the tags. Names
and defaults: botocore's service model and the EC2 API reference ("CreateVpcEndpoint").
"""

from __future__ import annotations

import json
import secrets
import threading
import urllib.parse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from cfnbox.aws.wire import Api
from cfnbox.core.errors import Refused
from cfnbox.core.regions import partition_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

_VERSION = "2016-11-15"
_GATEWAY = "Gateway"
# The default policy of an endpoint (VPC user guide, "Default endpoint policy").
_FULL_ACCESS = {"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]}
# The hosted zone of endpoints in us-east-1, from the examples of the documentation.
_HOSTED_ZONE = "Z7HUB22UULQXV"
# Members of a request that an endpoint stores unchanged.
_KEPT = ("DnsOptions", "IpAddressType", "PrivateDnsEnabled", "ResourceConfigurationArn", "ServiceNetworkArn",
         "ServiceRegion")  # fmt: skip
# Lists that ModifyVpcEndpoint adds to and removes from.
_LISTS = {"RouteTableIds": "RouteTableIds", "SubnetIds": "SubnetIds", "SecurityGroupIds": "GroupIds"}
_FILTERS = {
    "service-name": "ServiceName",
    "vpc-endpoint-id": "VpcEndpointId",
    "vpc-endpoint-state": "State",
    "vpc-endpoint-type": "VpcEndpointType",
    "vpc-id": "VpcId",
}


class Ec2Queries(Protocol):
    """The EC2 of ministack, which has network interfaces and tags."""

    def query(self, service: str, place: Place, version: str, members: Mapping[str, str]) -> Element:
        """Call an operation; return its answer without namespaces."""


class VpcEndpoints:
    """The operations on VPC endpoints. Thread-safe."""

    def __init__(self, ec2: Ec2Queries) -> None:
        self._ec2, self._lock = ec2, threading.RLock()
        self._endpoints: dict[Place, dict[str, Json]] = {}
        self._operations = {
            "CreateVpcEndpoint": self.create,
            "DeleteVpcEndpoints": self.delete,
            "DescribeVpcEndpoints": self.describe,
            "ModifyVpcEndpoint": self.modify,
        }
        self._api = Api("ec2", self._operations)

    def answer(self, request: HttpRequest) -> Answer | None:
        """Return the answer to a request about VPC endpoints, or None for other requests."""
        if not request.is_form:
            return None
        members = urllib.parse.parse_qs(request.body.decode("utf-8", "replace"))
        return self._api.answer(request) if members.get("Action", [""])[0] in self._operations else None

    def create(self, place: Place, request: Json) -> Json:
        """Answer CreateVpcEndpoint."""
        endpoint_id = f"vpce-{secrets.token_hex(9)[:17]}"
        kind = request.get("VpcEndpointType", _GATEWAY)
        endpoint: Json = {
            "VpcEndpointId": endpoint_id,
            "VpcEndpointType": kind,
            "VpcId": request["VpcId"],
            "ServiceName": request.get("ServiceName", ""),
            "State": "available",
            "PolicyDocument": request.get("PolicyDocument") or json.dumps(_FULL_ACCESS),
            "RequesterManaged": False,
            "CreationTimestamp": datetime.now(UTC),
            "OwnerId": place.account,
            **{name: request[name] for name in _KEPT if name in request},
            **{kept: list(request.get(name) or ()) for name, kept in _LISTS.items()},
            "Interfaces": {},
        }
        if kind == "Interface":
            endpoint.setdefault("PrivateDnsEnabled", True)
            endpoint["GroupIds"] = endpoint["GroupIds"] or self._default_groups(place, request["VpcId"])
        self._add_tags(place, endpoint_id, request.get("TagSpecifications") or ())
        with self._lock:
            self._add_interfaces(place, endpoint)
            self._endpoints.setdefault(place, {})[endpoint_id] = endpoint
        return {"VpcEndpoint": self._shown(place, endpoint, self._tags(place))}

    def describe(self, place: Place, request: Json) -> Json:
        """Answer DescribeVpcEndpoints."""
        ids = request.get("VpcEndpointIds") or ()
        with self._lock:
            known = dict(self._endpoints.get(place, {}))
        for endpoint_id in ids:
            if endpoint_id not in known:
                raise _missing(endpoint_id)
        tags = self._tags(place)
        chosen = [known[endpoint_id] for endpoint_id in ids] if ids else list(known.values())
        filters = request.get("Filters") or ()
        chosen = [one for one in chosen if _matches(one, tags.get(one["VpcEndpointId"], {}), filters)]
        return {"VpcEndpoints": [self._shown(place, endpoint, tags) for endpoint in chosen]}

    def modify(self, place: Place, request: Json) -> Json:
        """Answer ModifyVpcEndpoint."""
        with self._lock:
            endpoint = self._endpoints.get(place, {}).get(request["VpcEndpointId"])
            if endpoint is None:
                raise _missing(request["VpcEndpointId"])
            groups = list(endpoint["GroupIds"])
            for name, kept in _LISTS.items():
                removed, added = (request.get(f"{verb}{name}") or () for verb in ("Remove", "Add"))
                left = [item for item in endpoint[kept] if item not in removed]
                endpoint[kept] = [*left, *(item for item in added if item not in left)]
            endpoint |= {name: request[name] for name in _KEPT if name in request}
            if request.get("ResetPolicy"):
                endpoint["PolicyDocument"] = json.dumps(_FULL_ACCESS)
            elif "PolicyDocument" in request:
                endpoint["PolicyDocument"] = request["PolicyDocument"]
            # ministack's EC2 cannot change the groups of a network interface.
            kept_subnets = endpoint["SubnetIds"] if groups == endpoint["GroupIds"] else ()
            self._remove_interfaces(place, endpoint, keep=kept_subnets)
            self._add_interfaces(place, endpoint)
        return {"Return": True}

    def delete(self, place: Place, request: Json) -> Json:
        """Answer DeleteVpcEndpoints."""
        unsuccessful = []
        for endpoint_id in request["VpcEndpointIds"]:
            with self._lock:
                endpoint = self._endpoints.get(place, {}).pop(endpoint_id, None)
                if endpoint is not None:
                    self._remove_interfaces(place, endpoint, keep=())
                    continue
            missing = _missing(endpoint_id)
            error = {"Code": missing.code, "Message": missing.message}
            unsuccessful.append({"ResourceId": endpoint_id, "Error": error})
        return {"Unsuccessful": unsuccessful}

    def _add_interfaces(self, place: Place, endpoint: Json) -> None:
        """Create a network interface in each subnet without an interface."""
        for subnet in endpoint["SubnetIds"]:
            if subnet in endpoint["Interfaces"]:
                continue
            groups = {f"SecurityGroupId.{number}": group for number, group in enumerate(endpoint["GroupIds"], 1)}
            made = self._query(place, "CreateNetworkInterface", {
                "SubnetId": subnet,
                "Description": f"VPC Endpoint Interface {endpoint['VpcEndpointId']}",
                **groups,
            })  # fmt: skip
            endpoint["Interfaces"][subnet] = {
                "id": made.findtext(".//networkInterfaceId") or "",
                "zone": made.findtext(".//availabilityZone") or "",
            }

    def _remove_interfaces(self, place: Place, endpoint: Json, *, keep: Sequence[str]) -> None:
        for subnet in [subnet for subnet in endpoint["Interfaces"] if subnet not in keep]:
            interface = endpoint["Interfaces"].pop(subnet)
            self._query(place, "DeleteNetworkInterface", {"NetworkInterfaceId": interface["id"]})

    def _default_groups(self, place: Place, vpc: str) -> list[str]:
        answer = self._query(place, "DescribeSecurityGroups", {
            "Filter.1.Name": "vpc-id", "Filter.1.Value.1": vpc,
            "Filter.2.Name": "group-name", "Filter.2.Value.1": "default",
        })  # fmt: skip
        return [found.text or "" for found in answer.findall(".//securityGroupInfo/item/groupId")]

    def _add_tags(self, place: Place, endpoint_id: str, specifications: Sequence[Json]) -> None:
        of_endpoint = [one for one in specifications if one.get("ResourceType") == "vpc-endpoint"]
        tags = [tag for specification in of_endpoint for tag in specification.get("Tags", ())]
        members = {"ResourceId.1": endpoint_id}
        for number, tag in enumerate(tags, 1):
            members |= {f"Tag.{number}.Key": tag["Key"], f"Tag.{number}.Value": tag.get("Value", "")}
        if tags:
            self._query(place, "CreateTags", members)

    def _tags(self, place: Place) -> dict[str, dict[str, str]]:
        """Return the tags of all endpoints by their ids."""
        found: dict[str, dict[str, str]] = {}
        for item in self._query(place, "DescribeTags", {}).findall(".//tagSet/item"):
            tags = found.setdefault(item.findtext("resourceId") or "", {})
            tags[item.findtext("key") or ""] = item.findtext("value") or ""
        return found

    def _query(self, place: Place, action: str, members: Mapping[str, str]) -> Element:
        return self._ec2.query("ec2", place, _VERSION, {"Action": action, **members})

    def _shown(self, place: Place, endpoint: Json, tags: Mapping[str, Mapping[str, str]]) -> Json:
        """Return an endpoint in the form of the API's answers."""
        shown = {name: value for name, value in endpoint.items() if name not in ("GroupIds", "Interfaces")}
        interfaces = endpoint["Interfaces"].values()
        shown["Groups"] = [{"GroupId": group} for group in endpoint["GroupIds"]]
        shown["NetworkInterfaceIds"] = [interface["id"] for interface in interfaces]
        shown["DnsEntries"] = _dns_entries(place, endpoint, [interface["zone"] for interface in interfaces])
        own = tags.get(endpoint["VpcEndpointId"], {})
        shown["Tags"] = [{"Key": key, "Value": value} for key, value in own.items()]
        return shown


def _dns_entries(place: Place, endpoint: Json, zones: Sequence[str]) -> list[Json]:
    """Return the DNS names of an interface endpoint: regional first, then zonal."""
    if endpoint["VpcEndpointType"] != "Interface":
        return []
    service = endpoint["ServiceName"].partition(f".{place.region}.")[2]
    # com.amazonaws.REGION.ecr.dkr is reached as dkr.ecr.REGION.vpce.amazonaws.com.
    domain = f"{'.'.join(reversed(service.split('.')))}.{place.region}.vpce.{partition_of(place.region).url_suffix}"
    name = f"{endpoint['VpcEndpointId']}-{endpoint['VpcEndpointId'][-8:]}"
    names = [name, *(f"{name}-{zone}" for zone in zones if zone)]
    return [{"DnsName": f"{one}.{domain}", "HostedZoneId": _HOSTED_ZONE} for one in names]


def _matches(endpoint: Json, tags: Mapping[str, str], filters: Sequence[Json]) -> bool:
    return all(_has_value(endpoint, tags, one.get("Name", ""), one.get("Values") or ()) for one in filters)


def _has_value(endpoint: Json, tags: Mapping[str, str], name: str, values: Sequence[str]) -> bool:
    if name == "tag-key":
        return any(value in tags for value in values)
    if name.startswith("tag:"):
        return tags.get(name.removeprefix("tag:")) in values
    if name not in _FILTERS:
        # EC2's message for an unknown filter of an operation.
        raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid", 400)
    found: Any = endpoint[_FILTERS[name]]
    return found in values


def _missing(endpoint_id: str) -> Refused:
    # The error code that clients match (hashicorp/terraform-provider-aws, service/ec2/errors.go).
    return Refused("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{endpoint_id}' does not exist", 400)
