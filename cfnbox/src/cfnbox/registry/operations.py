"""CloudFormation's operations on registry types: requests and answers in the shapes of botocore's service model.

Sources: the API reference and "Managing extensions" of the user guide.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cfnbox.aws.paging import page
from cfnbox.core.errors import Refused
from cfnbox.registry.configurations import Configurations
from cfnbox.registry.schemas import provisioning_type
from cfnbox.registry.types import RegisteredType, TypeRegistry, Version, type_arn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.published import PublishedTypes
    from cfnbox.registry.registrations import Registrations

_RESOURCE = "RESOURCE"
# Operations that cfnbox does not support, and what to do instead.
_UNSUPPORTED = {
    "PublishType": "Types of cfnbox cannot be published.",
    "RegisterPublisher": "Types of cfnbox cannot be published.",
    "DescribePublisher": "cfnbox has no publishers.",
    "TestType": "Run AWS's contract tests with: cfnbox contract DIR",
    "ActivateType": "Register the package of the public type under its own name instead.",
    "DeactivateType": "Public types cannot be activated in cfnbox.",
}


@dataclass(frozen=True)
class _ListEntry:
    """A type of a list. `schema` loads its schema, which takes time."""

    summary: Json
    schema: Callable[[], Mapping[str, Any]]


class Registry:
    """The operations. Each takes the place and the request, returns the answer, and raises Refused."""

    def __init__(self, types: TypeRegistry, registrations: Registrations, published: PublishedTypes) -> None:
        self._types, self.registrations, self._published = types, registrations, published
        self._configurations = Configurations(types)

    @property
    def operations(self) -> Mapping[str, Callable[[Place, Json], Json | None]]:
        """Return the operations by their names in botocore."""
        return {
            "RegisterType": self.register,
            "DescribeTypeRegistration": self.describe_registration,
            "ListTypeRegistrations": self.list_registrations,
            "DescribeType": self.describe,
            "ListTypes": self.list_types,
            "ListTypeVersions": self.list_versions,
            "SetTypeDefaultVersion": self.set_default,
            "DeregisterType": self.deregister,
            "SetTypeConfiguration": self._configurations.set,
            "BatchDescribeTypeConfigurations": self._configurations.describe,
            **{name: _unsupported(name, advice) for name, advice in _UNSUPPORTED.items()},
        }

    def register(self, place: Place, request: Json) -> Json:
        """RegisterType."""
        if request.get("Type", _RESOURCE) != _RESOURCE:
            raise Refused(
                "CFNRegistryException",
                f"cfnbox registers only resource types. The Type {request['Type']} is not supported: use RESOURCE.",
            )
        return {"RegistrationToken": self.registrations.start(place, request).token}

    def describe_registration(self, _place: Place, request: Json) -> Json:
        """DescribeTypeRegistration."""
        return self.registrations.find(request["RegistrationToken"]).described()

    def list_registrations(self, place: Place, request: Json) -> Json:
        """ListTypeRegistrations, latest first. The default filter is IN_PROGRESS."""
        status = request.get("RegistrationStatusFilter", "IN_PROGRESS")
        name = request.get("TypeName")
        tokens = [
            registration.token
            for registration in self.registrations.of(place)
            if registration.status == status
            and name in (None, registration.type_name)
            and request.get("TypeArn") in (None, type_arn(place, registration.type_name))
            and request.get("Type", _RESOURCE) == _RESOURCE
        ]
        return page(tokens, request, "RegistrationTokenList")

    def describe(self, place: Place, request: Json) -> Json:
        """DescribeType: a type of this account and region, or a type that AWS publishes."""
        for member in ("PublisherId", "PublicVersionNumber"):
            if member in request:
                raise Refused("CFNRegistryException", f"cfnbox does not have public types. Omit {member}.")
        name, version_id = _name_and_version(request)
        with self._types.changing:
            registered = self._types.of(place).get(name)
            if registered is not None and request.get("Type", _RESOURCE) == _RESOURCE:
                version = registered.versions.get(version_id or registered.default)
                if version is None:
                    raise _not_found(f"{name} in version {version_id}")
                return _private_description(registered, version)
        published = self._published.find(name, place.region)
        if published is None or version_id or request.get("Type", _RESOURCE) != _RESOURCE:
            raise _not_found(name)
        return _public_description(published, place)

    def list_types(self, place: Place, request: Json) -> Json:
        """ListTypes: the registered types, or the types that AWS publishes."""
        filters = request.get("Filters", {})
        category, prefix = filters.get("Category"), filters.get("TypeNamePrefix", "")
        is_public = category == "AWS_TYPES" or (category is None and request.get("Visibility") == "PUBLIC")
        if request.get("Type", _RESOURCE) != _RESOURCE or category in ("ACTIVATED", "THIRD_PARTY"):
            entries = list[_ListEntry]()
        elif is_public:
            entries = self._public_entries(place) if request.get("DeprecatedStatus", "LIVE") == "LIVE" else []
        else:
            entries = self._private_entries(place, is_live=request.get("DeprecatedStatus", "LIVE") == "LIVE")
        provisioning = request.get("ProvisioningType")
        entries = [entry for entry in entries if entry.summary["TypeName"].startswith(prefix)]
        if provisioning is not None:
            entries = [entry for entry in entries if provisioning_type(entry.schema()) == provisioning]
        answer = page(entries, request, "TypeSummaries")
        # Read the schemas of this page alone, because AWS's schemas take time to read.
        answer["TypeSummaries"] = [
            entry.summary | _description_member(entry.schema()) for entry in answer["TypeSummaries"]
        ]
        return answer

    def _public_entries(self, place: Place) -> list[_ListEntry]:
        def schema(name: str) -> Mapping[str, Any]:
            definition = self._published.find(name, place.region)
            return definition.schema if definition else {}

        return [
            _ListEntry(
                {"Type": _RESOURCE, "TypeName": name, "TypeArn": _public_arn(place, name)}, partial(schema, name)
            )
            for name in self._published.names(place.region)
        ]

    def _private_entries(self, place: Place, *, is_live: bool) -> list[_ListEntry]:
        with self._types.changing:
            types = sorted(self._types.of(place).values(), key=lambda registered: registered.name)
            return [_private_entry(registered) for registered in types if registered.is_live == is_live]

    def list_versions(self, place: Place, request: Json) -> Json:
        """ListTypeVersions, oldest first. The default DeprecatedStatus is LIVE."""
        name, _ = _name_and_version(request)
        is_live = request.get("DeprecatedStatus", "LIVE") == "LIVE"
        with self._types.changing:
            registered = self._types.of(place).get(name)
            if registered is None:
                # botocore: this operation has no other error.
                raise Refused("CFNRegistryException", f"The type '{name}' cannot be found.")
            versions = [version for version in registered.versions.values() if version.is_live == is_live]
            summaries = [
                {
                    "Type": _RESOURCE,
                    "TypeName": name,
                    "VersionId": version.version_id,
                    "IsDefaultVersion": registered.is_live and version.version_id == registered.default,
                    "Arn": version.arn,
                    "TimeCreated": version.created,
                    **_description_member(version.definition.schema),
                }
                for version in versions
            ]
        return page(summaries, request, "TypeVersionSummaries")

    def set_default(self, place: Place, request: Json) -> None:
        """SetTypeDefaultVersion. The version serves every stack from the next operation on."""
        name, version_id = _name_and_version(request)
        with self._types.changing:
            registered = self._registered(place, name)
            version = registered.versions.get(version_id or "")
            if version is None or not version.is_live:
                raise _not_found(f"{name} in version {version_id}" if version_id else name)
            previous = registered.default_version
            registered.default = version.version_id
            if previous is not version:
                previous.handlers.retire()
                previous.handlers.source.superseded(previous.version_id, version.version_id)

    def deregister(self, place: Place, request: Json) -> None:
        """DeregisterType: a version that is not the default, or a type that has no other version."""
        name, version_id = _name_and_version(request)
        with self._types.changing:
            registered = self._registered(place, name)
            live = registered.live_versions
            version = registered.versions.get(version_id or registered.default)
            if version is None or not version.is_live:
                raise _not_found(f"{name} in version {version_id}" if version_id else name)
            if version_id == registered.default and len(live) > 1:
                raise Refused(
                    "CFNRegistryException",
                    f"Version '{version_id}' is the default version and cannot be deregistered. "
                    f"Deregister the resource type '{name}' instead.",
                )
            if version_id is None and len(live) > 1:
                others = ", ".join(other.version_id for other in live if other is not version)
                raise Refused(
                    "CFNRegistryException",
                    f"{name} has other versions in use. Deregister them first: {others}.",
                )
            version.is_live = False
            version.handlers.retire()

    def _registered(self, place: Place, name: str) -> RegisteredType:
        registered = self._types.of(place).get(name)
        if registered is None:
            raise _not_found(name)
        return registered


def _unsupported(name: str, advice: str) -> Callable[[Place, Json], None]:
    def refuse(_place: Place, _request: Json) -> None:
        raise Refused("CFNRegistryException", f"cfnbox does not support {name}. {advice}")

    return refuse


def _not_found(what: str) -> Refused:
    return Refused("TypeNotFoundException", f"The type '{what}' cannot be found.", 404)


def _name_and_version(request: Json) -> tuple[str, str | None]:
    """Return the type name and the version id of a request. It has the ARN of a type or version, or a TypeName."""
    if "TypeName" in request:
        return request["TypeName"], request.get("VersionId")
    if "Arn" not in request:
        raise Refused("CFNRegistryException", "Specify either the Arn of the type, or its TypeName and Type.")
    return parse_arn(request["Arn"], request.get("VersionId"))


def parse_arn(arn: str, version_id: str | None = None) -> tuple[str, str | None]:
    """Return the type name and the version id in the ARN of a type or of a version."""
    _, _, rest = arn.partition(":type/")
    _, slug, *version = [*rest.split("/"), ""]
    return slug.replace("-", "::"), next(filter(None, version), version_id)


def _description_member(schema: Mapping[str, Any]) -> Json:
    # botocore, Description: 1 to 1,024 characters.
    return {"Description": schema["description"][:1024]} if schema.get("description") else {}


def _private_entry(registered: RegisteredType) -> _ListEntry:
    version = registered.default_version
    summary = {
        "Type": _RESOURCE,
        "TypeName": registered.name,
        "DefaultVersionId": registered.default,
        "TypeArn": registered.arn,
        "LastUpdated": version.created,
    }
    return _ListEntry(summary, lambda: version.definition.schema)


def _common_description(definition: TypeDefinition) -> Json:
    schema = definition.schema
    urls = {"SourceUrl": schema.get("sourceUrl"), "DocumentationUrl": schema.get("documentationUrl")}
    return {
        "Type": _RESOURCE,
        "TypeName": definition.type_name,
        **_description_member(schema),
        "Schema": json.dumps(schema),
        "ProvisioningType": provisioning_type(schema),
        **{name: url for name, url in urls.items() if url},
    }


def _private_description(registered: RegisteredType, version: Version) -> Json:
    configuration = version.definition.schema.get("typeConfiguration")
    return {
        **_common_description(version.definition),
        "Arn": version.arn,
        "DefaultVersionId": registered.default,
        "IsDefaultVersion": registered.is_live and version.version_id == registered.default,
        "DeprecatedStatus": "LIVE" if version.is_live else "DEPRECATED",
        "TypeTestsStatus": "NOT_TESTED",
        "Visibility": "PRIVATE",
        "TimeCreated": version.created,
        "LastUpdated": version.created,
        **{
            name: version.settings[name] for name in ("ExecutionRoleArn", "LoggingConfig") if name in version.settings
        },
        **({"ConfigurationSchema": json.dumps(configuration)} if configuration else {}),
    }


def _public_description(definition: TypeDefinition, place: Place) -> Json:
    return {
        **_common_description(definition),
        "Arn": _public_arn(place, definition.type_name),
        "DeprecatedStatus": "LIVE",
        "Visibility": "PUBLIC",
    }


def _public_arn(place: Place, name: str) -> str:
    return f"arn:{place.partition}:cloudformation:{place.region}::type/resource/{name.replace('::', '-')}"
