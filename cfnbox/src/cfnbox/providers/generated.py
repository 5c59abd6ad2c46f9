"""Generate the values that a service would generate: identifiers and read-only properties in their documented form.

The form follows from the property's name if it is known, and otherwise from the schema: enum, pattern, lengths and
type. Source of the forms: the Service Authorization Reference for ARNs, the services' guides for ids.
"""

from __future__ import annotations

import re
import string
import uuid
from datetime import UTC, datetime
from secrets import SystemRandom
from typing import TYPE_CHECKING, Any

import rstr

from cfnbox.core.paths import has, put_at, value_at
from cfnbox.providers.names import generated_name
from cfnbox.providers.properties import found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.protocol import Request

_random = SystemRandom()
_LOWER_AND_DIGITS = string.ascii_lowercase + string.digits
_MOST_DEPTH = 3
# Properties that a healthy resource does not have.
_TROUBLE = re.compile("Failure|Error|Reasons?$|Message$|RecommendedActions$")
_NAME_LIMIT = 63
_ID_LENGTH = 10
_ARN_PARTS = 6
_TRIES = 8
# The supported tokens of a regular expression: an escaped character, a set, a quantifier, any character.
_TOKENS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d+)(,?)(\d*)\}|[*+.]", re.DOTALL)
# Replacements for sets with many more characters than names have.
_COMMON = {".": "[a-z0-9]", r"\w": "[a-z0-9]", r"\S": "[a-z0-9]", r"\d": "[0-9]"}
# The service in an ARN, if it is not the second part of the type's name.
_ARN_SERVICES = {
    "CertificateManager": "acm", "ACMPCA": "acm-pca", "AmazonMQ": "mq", "ApiGatewayV2": "apigateway",
    "ApplicationAutoScaling": "autoscaling", "AppRegistry": "servicecatalog", "Cognito": "cognito-idp",
    "ElasticLoadBalancing": "elasticloadbalancing", "ElasticLoadBalancingV2": "elasticloadbalancing",
    "EFS": "elasticfilesystem", "EMR": "elasticmapreduce", "KinesisFirehose": "firehose", "MSK": "kafka",
    "Neptune": "rds", "DocDB": "rds", "OpenSearchService": "es", "Elasticsearch": "es", "PinpointEmail": "ses",
    "Route53RecoveryControl": "route53-recovery-control", "StepFunctions": "states", "SSO": "sso", "Timestream":
    "timestream", "WAFRegional": "waf-regional",
}  # fmt: skip
# Services without a region in their ARNs.
_GLOBAL = ("iam", "cloudfront", "route53", "organizations", "globalaccelerator", "s3")
# Prefixes of well-known ids (EC2 user guide, "Resource IDs"). 17 hexadecimal digits follow.
_ID_PREFIXES = {
    "AWS::EC2::EIP": "eipalloc", "AWS::EC2::EIPAssociation": "eipassoc", "AWS::EC2::FlowLog": "fl",
    "AWS::EC2::Instance": "i", "AWS::EC2::NatGateway": "nat", "AWS::EC2::NetworkAcl": "acl",
    "AWS::EC2::NetworkInterface": "eni", "AWS::EC2::SecurityGroupIngress": "sgr",
    "AWS::EC2::SecurityGroupEgress": "sgr", "AWS::EC2::TransitGateway": "tgw",
    "AWS::EC2::TransitGatewayAttachment": "tgw-attach", "AWS::EC2::Volume": "vol",
    "AWS::EC2::VPCPeeringConnection": "pcx", "AWS::EC2::VPNConnection": "vpn", "AWS::EC2::VPNGateway": "vgw",
    "AWS::EC2::CustomerGateway": "cgw", "AWS::EC2::EgressOnlyInternetGateway": "eigw",
    "AWS::EC2::PrefixList": "pl", "AWS::EC2::DHCPOptions": "dopt",
}  # fmt: skip
_IDS_OF_OTHERS = {"VpcId": "vpc", "SubnetId": "subnet", "SecurityGroupId": "sg", "NetworkInterfaceId": "eni",
                  "AllocationId": "eipalloc", "InstanceId": "i", "VolumeId": "vol"}  # fmt: skip
_GOOD_STATES = ("ACTIVE", "AVAILABLE", "READY", "INSERVICE", "CREATED", "COMPLETED", "COMPLETE", "ENABLED", "RUNNING",
                "SUCCEEDED", "SUCCESS", "DEPLOYED", "PUBLISHED", "PREPARED")  # fmt: skip


def completed(definition: TypeDefinition, request: Request, properties: Json, before: Json | None = None) -> Json:
    """Return the properties with generated identifiers, names and read-only properties. Set properties do not change.

    A value has the most likely form if no known form matches its pattern.

    Generated values in `before`, the resource's previous model, are kept.
    """
    maker = _Maker(definition, request, properties)
    model: Json = {**properties}
    own = _own_names(definition)
    for name in dict.fromkeys((*own, *definition.read_only)):
        node = None if "*" in name or has(model, name) or _TROUBLE.search(name) else _node(definition, name)
        if node is None or not _fits_in(model, name):
            continue
        if before is not None and has(before, name):
            put_at(model, name, value_at(before, name))
        else:
            put_at(model, name, maker.value(name.rpartition(".")[2], node, is_own=name in own))
    return model


def _own_names(definition: TypeDefinition) -> Sequence[str]:
    """Return the properties that identify a resource, including names that a template may omit."""
    identifiers = (definition.primary_identifier, *definition.additional_identifiers)
    served = [one for one in sorted(definition.attributes) if one in definition.create_only and one.endswith("Name")]
    return [*(name for one in identifiers for name in one), *served]


def _fits_in(model: Json, name: str) -> bool:
    """Return whether every parent of a dotted name is an object or absent."""
    here: Any = model
    for part in name.split(".")[:-1]:
        here = here.get(part, {}) if isinstance(here, dict) else None
    return isinstance(here, dict)


def _node(definition: TypeDefinition, name: str) -> Mapping[str, Any] | None:
    """Return the schema of a dotted property, or None if the schema does not declare it."""
    node: Any = definition.schema
    for part in name.split("."):
        node = definition.resolved(node).get("properties", {}).get(part)
        if node is None:
            return None
    return definition.resolved(node)


class _Maker:
    """Generates the values of one resource. All of them use the same name."""

    def __init__(self, definition: TypeDefinition, request: Request, properties: Json) -> None:
        self._definition, self.request = definition, request
        kind = definition.type_name.rpartition("::")[2]
        named = (properties.get(one) for one in (f"{kind}Name", "Name", *definition.primary_identifier))
        given = next((one for one in named if isinstance(one, str) and ":" not in one), None)
        self._name = given or generated_name(request, _NAME_LIMIT)
        self._id = hexadecimal(17)

    def value(self, name: str, node: Mapping[str, Any], *, is_own: bool = False, depth: int = 0) -> Any:
        """Return a value for a schema node. `is_own`: the value identifies the resource."""
        node = self._definition.resolved(node)
        kind = node.get("type", "string")
        kind = kind[0] if isinstance(kind, list) else kind
        if "const" in node or node.get("default") is not None:
            return node.get("const", node.get("default"))
        if kind == "object":
            # A map has no names of its own, and a structure none that is not declared.
            declared = node.get("properties", {}) if depth < _MOST_DEPTH else {}
            return {key: self.value(key, one, depth=depth + 1) for key, one in declared.items()}
        if kind == "array":
            count = int(node.get("minItems", 1)) if depth < _MOST_DEPTH else 0
            return [self.value(name.removesuffix("s"), node.get("items", {}), depth=depth + 1) for _ in range(count)]
        if kind == "boolean":
            return False
        if kind in ("integer", "number"):
            return max(_number(name), node.get("minimum", 0))
        return self._text(name, node, is_own=is_own)

    def _text(self, name: str, node: Mapping[str, Any], *, is_own: bool) -> str:
        if node.get("enum"):
            return _of_enum(node["enum"])
        candidates = list(self._candidates(name, node, is_own=is_own))
        if "pattern" in node:
            candidates += self._of_pattern(str(node["pattern"]))
        return next((one for one in candidates if _is_valid(one, node)), candidates[0])

    def _candidates(self, name: str, node: Mapping[str, Any], *, is_own: bool) -> Iterator[str]:
        """Yield the values that the property's name suggests, the most likely first."""
        if re.search("arn$", name, re.IGNORECASE) or "arn:" in str(node.get("pattern", ""))[:12]:
            yield from self._arns()
        for suggests, make in _BY_NAME:
            if re.search(suggests, name):
                yield make(self)
        prefix = _IDS_OF_OTHERS.get(name) or (_ID_PREFIXES.get(self._definition.type_name) if is_own else None)
        if prefix and name.endswith("Id"):
            yield f"{prefix}-{hexadecimal(17)}"
        if name.endswith("Name") or (is_own and not name.endswith("Id")):
            own = self._name[: int(node.get("maxLength", _NAME_LIMIT))]
            yield from (own, own.lower(), own.replace("-", ""), own.replace("-", "").lower())
        yield str(uuid.uuid4())
        yield "".join(_random.choices(_LOWER_AND_DIGITS, k=max(_ID_LENGTH, int(node.get("minLength", 0)))))
        yield hexadecimal(int(node.get("maxLength", _ID_LENGTH)) if node.get("maxLength", 99) < 99 else _ID_LENGTH)

    def _of_pattern(self, pattern: str) -> list[str]:
        """Return texts that match the pattern, with ARNs in the resource's place. Return [] if that is impossible."""
        place, made = self.request.place, list[str]()
        for _ in range(_TRIES):
            try:
                text = rstr.Rstr(_random).xeger(_tamed(pattern))
            except (re.error, ValueError, KeyError):
                break
            parts = text.split(":", 5)
            if len(parts) == _ARN_PARTS and parts[0] == "arn":
                where = [place.region if parts[3] else "", place.account if parts[4] else ""]
                made.append(":".join(["arn", place.partition, parts[2], *where, parts[5]]))
            made.append(text)
        return made

    def _arns(self) -> Iterator[str]:
        """Yield ARNs of the resource in the common forms."""
        place = self.request.place
        _, service, kind = self._definition.type_name.split("::", 2)
        named = _ARN_SERVICES.get(service, service.lower())
        region = "" if named in _GLOBAL else place.region
        title = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind).lower()
        before = f"arn:{place.partition}:{named}:{region}:{place.account}:"
        for suffix in (self._name, str(uuid.uuid4())):
            yield from (f"{before}{title}/{suffix}", f"{before}{title}:{suffix}")

    def host(self) -> str:
        """Return a host name of the service."""
        service = self._definition.type_name.split("::")[1].lower()
        return f"{self._id[:10]}.{service}.{self.request.place.region}.amazonaws.com"


def hexadecimal(digits: int) -> str:
    """Return random hexadecimal digits."""
    return "".join(_random.choices("0123456789abcdef", k=digits))


def _address(_maker: _Maker) -> str:
    # 203.0.113.0/24 is reserved for documentation (RFC 5737), so no host has such an address.
    return f"203.0.113.{_random.randint(1, 254)}"


# Generators by the end of a property's name.
_BY_NAME: Sequence[tuple[str, Callable[[_Maker], str]]] = (
    ("(Time|Timestamp|Date|At|Modified|On)$", lambda _: datetime.now(UTC).isoformat(timespec="seconds")),
    ("(Account|AccountId|OwnerId|Owner)$", lambda maker: maker.request.place.account),
    ("Region$", lambda maker: maker.request.place.region),
    ("AvailabilityZone$", lambda maker: f"{maker.request.place.region}a"),
    ("(Status|State)$", lambda _: "ACTIVE"),
    ("(Version|Revision|VersionNumber)$", lambda _: "1"),
    ("(Url|URL|Uri|URI)$", lambda maker: f"https://{maker.host()}"),
    ("(Ip|IpAddress|IP)$", _address),
    ("(Endpoint|Address|Host|Hostname|Domain|DnsName|DNSName)$", lambda maker: maker.host()),
    ("(Port)$", lambda _: "443"),
)


def _tamed(pattern: str) -> str:
    """Return the pattern with few repetitions and common characters, so that generated texts look like names."""

    def tamed(token: re.Match[str]) -> str:
        text = token[0]
        if text in "*+":
            return "{4,8}" if text == "+" else "{0,4}"
        if token[1] and token[2]:
            least = int(token[1])
            return f"{{{least},{max(least, min(int(token[3] or 99), least + 4))}}}"
        return _COMMON.get(text, text)

    return _TOKENS.sub(tamed, pattern)


def _number(name: str) -> int:
    if name.endswith("Port"):
        return 443
    return 1 if re.search("(Version|Revision|Number)$", name) else 0


def _of_enum(values: Sequence[Any]) -> str:
    """Return the enum value of a completed resource, else the first value."""
    plain = {re.sub("[^A-Z]", "", str(one).upper()): str(one) for one in values}
    return next((plain[state] for state in _GOOD_STATES if state in plain), str(values[0]))


def _is_valid(text: str, node: Mapping[str, Any]) -> bool:
    shortest, longest = int(node.get("minLength", 0)), int(node.get("maxLength", len(text)))
    return shortest <= len(text) <= longest and ("pattern" not in node or found(node["pattern"], text))
