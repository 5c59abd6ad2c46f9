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
# What is left out on purpose, and what to do instead.
_NOT_HERE = {
    "PublishType": "Nothing is published from cfnbox.",
    "RegisterPublisher": "Nothing is published from cfnbox.",
    "DescribePublisher": "There are no publishers in cfnbox.",
    "TestType": "Run AWS's contract tests with: cfnbox contract DIR",
    "ActivateType": "Register the public type's package under its own name instead.",
    "DeactivateType": "No public type can be activated.",
}


@dataclass(frozen=True)
class _Listed:
    """A type of a list, and the way to its schema."""

    summary: Json
    schema: Callable[[], Mapping[str, Any]]


class Registry:
    """The operations, each from place and request to answer; all raise Refused."""

    def __init__(self, types: TypeRegistry, registrations: Registrations, published: PublishedTypes) -> None:
        self._types, self.registrations, self._published = types, registrations, published
        self._configurations = Configurations(types)

    @property
    def operations(self) -> Mapping[str, Callable[[Place, Json], Json | None]]:
        """The operations by their names in botocore."""
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
            **{name: _not_here(name, advice) for name, advice in _NOT_HERE.items()},
        }

    def register(self, place: Place, request: Json) -> Json:
        """RegisterType."""
        if request.get("Type", _RESOURCE) != _RESOURCE:
            raise Refused(
                "CFNRegistryException",
                f"cfnbox registers resource types alone, and no {request['Type'].lower()}s.",
            )
        return {"RegistrationToken": self.registrations.start(place, request).token}

    def describe_registration(self, _place: Place, request: Json) -> Json:
        """DescribeTypeRegistration."""
        return self.registrations.find(request["RegistrationToken"]).answer()

    def list_registrations(self, place: Place, request: Json) -> Json:
        """ListTypeRegistrations, latest first; without a filter those in progress."""
        wanted = request.get("RegistrationStatusFilter", "IN_PROGRESS")
        name = request.get("TypeName")
        tokens = [
            one.token
            for one in self.registrations.of(place)
            if one.status == wanted
            and name in (None, one.type_name)
            and request.get("TypeArn") in (None, type_arn(place, one.type_name))
            and request.get("Type", _RESOURCE) == _RESOURCE
        ]
        return page(tokens, request, "RegistrationTokenList")

    def describe(self, place: Place, request: Json) -> Json:
        """DescribeType: a type of this account and region, or one that AWS publishes."""
        for member in ("PublisherId", "PublicVersionNumber"):
            if member in request:
                raise Refused("CFNRegistryException", f"{member} is of public types, which cfnbox does not have.")
        name, version_id = _named(request)
        with self._types.changing:
            registered = self._types.of(place).get(name)
            if registered is not None and request.get("Type", _RESOURCE) == _RESOURCE:
                version = registered.versions.get(version_id or registered.default)
                if version is None:
                    raise _not_found(f"{name} in version {version_id}")
                return _private(registered, version)
        published = self._published.find(name, place.region)
        if published is None or version_id or request.get("Type", _RESOURCE) != _RESOURCE:
            raise _not_found(name)
        return _public(published, place)

    def list_types(self, place: Place, request: Json) -> Json:
        """ListTypes: the registered ones, or those that AWS publishes."""
        filters = request.get("Filters", {})
        category, prefix = filters.get("Category"), filters.get("TypeNamePrefix", "")
        public = category == "AWS_TYPES" or (category is None and request.get("Visibility") == "PUBLIC")
        if request.get("Type", _RESOURCE) != _RESOURCE or category in ("ACTIVATED", "THIRD_PARTY"):
            found = list[_Listed]()
        elif public:
            found = self._listed_public(place) if request.get("DeprecatedStatus", "LIVE") == "LIVE" else []
        else:
            found = self._listed_private(place, live=request.get("DeprecatedStatus", "LIVE") == "LIVE")
        wanted = request.get("ProvisioningType")
        found = [one for one in found if one.summary["TypeName"].startswith(prefix)]
        found = [one for one in found if wanted is None or provisioning_type(one.schema()) == wanted]
        answer = page(found, request, "TypeSummaries")
        # Reading AWS's schemas takes its time: of those that are shown alone.
        answer["TypeSummaries"] = [one.summary | _described(one.schema()) for one in answer["TypeSummaries"]]
        return answer

    def _listed_public(self, place: Place) -> list[_Listed]:
        def schema(name: str) -> Mapping[str, Any]:
            found = self._published.find(name, place.region)
            return found.schema if found else {}

        return [
            _Listed({"Type": _RESOURCE, "TypeName": name, "TypeArn": _public_arn(place, name)}, partial(schema, name))
            for name in self._published.names(place.region)
        ]

    def _listed_private(self, place: Place, *, live: bool) -> list[_Listed]:
        with self._types.changing:
            registered = sorted(self._types.of(place).values(), key=lambda one: one.name)
            return [_listed(one) for one in registered if one.live == live]

    def list_versions(self, place: Place, request: Json) -> Json:
        """ListTypeVersions, oldest first; without a status those in use."""
        name, _ = _named(request)
        wanted = request.get("DeprecatedStatus", "LIVE") == "LIVE"
        with self._types.changing:
            registered = self._types.of(place).get(name)
            if registered is None:
                # botocore: the one error of this operation.
                raise Refused("CFNRegistryException", f"The type '{name}' cannot be found.")
            versions = [one for one in registered.versions.values() if one.live == wanted]
            summaries = [
                {
                    "Type": _RESOURCE,
                    "TypeName": name,
                    "VersionId": one.version_id,
                    "IsDefaultVersion": registered.live and one.version_id == registered.default,
                    "Arn": one.arn,
                    "TimeCreated": one.created,
                    **_described(one.definition.schema),
                }
                for one in versions
            ]
        return page(summaries, request, "TypeVersionSummaries")

    def set_default(self, place: Place, request: Json) -> None:
        """SetTypeDefaultVersion: the next operation of every stack is the version's."""
        name, version_id = _named(request)
        with self._types.changing:
            registered = self._registered(place, name)
            version = registered.versions.get(version_id or "")
            if version is None or not version.live:
                raise _not_found(f"{name} in version {version_id}" if version_id else name)
            former = registered.default_version
            registered.default = version.version_id
            if former is not version:
                former.handlers.retire()
                former.handlers.source.superseded(former.version_id, version.version_id)

    def deregister(self, place: Place, request: Json) -> None:
        """DeregisterType: a version that is not the default one, or a whole type that has no other."""
        name, version_id = _named(request)
        with self._types.changing:
            registered = self._registered(place, name)
            live = registered.live_versions
            version = registered.versions.get(version_id or registered.default)
            if version is None or not version.live:
                raise _not_found(f"{name} in version {version_id}" if version_id else name)
            if version_id == registered.default and len(live) > 1:
                raise Refused(
                    "CFNRegistryException",
                    f"Version '{version_id}' is the default version and cannot be deregistered. "
                    f"Deregister the resource type '{name}' instead.",
                )
            if version_id is None and len(live) > 1:
                others = ", ".join(one.version_id for one in live if one is not version)
                raise Refused(
                    "CFNRegistryException",
                    f"{name} has other versions in use: deregister each of them first ({others}).",
                )
            version.live = False
            version.handlers.retire()

    def _registered(self, place: Place, name: str) -> RegisteredType:
        found = self._types.of(place).get(name)
        if found is None:
            raise _not_found(name)
        return found


def _not_here(name: str, advice: str) -> Callable[[Place, Json], None]:
    def refuse(_place: Place, _request: Json) -> None:
        raise Refused("CFNRegistryException", f"cfnbox does not have {name}. {advice}")

    return refuse


def _not_found(what: str) -> Refused:
    return Refused("TypeNotFoundException", f"The type '{what}' cannot be found.", 404)


def _named(request: Json) -> tuple[str, str | None]:
    """The type's name, and the version that is meant, of a request with a name or an ARN of either."""
    if "TypeName" in request:
        return request["TypeName"], request.get("VersionId")
    if "Arn" not in request:
        raise Refused("CFNRegistryException", "Give either the ARN of the type, or its TypeName with its Type.")
    return named_in(request["Arn"], request.get("VersionId"))


def named_in(arn: str, version_id: str | None = None) -> tuple[str, str | None]:
    """The name and the version in the ARN of a type or of a version."""
    _, _, rest = arn.partition(":type/")
    _, slug, *version = [*rest.split("/"), ""]
    return slug.replace("-", "::"), next(filter(None, version), version_id)


def _described(schema: Mapping[str, Any]) -> Json:
    # botocore, Description: 1 to 1,024 characters.
    return {"Description": schema["description"][:1024]} if schema.get("description") else {}


def _listed(registered: RegisteredType) -> _Listed:
    version = registered.default_version
    summary = {
        "Type": _RESOURCE,
        "TypeName": registered.name,
        "DefaultVersionId": registered.default,
        "TypeArn": registered.arn,
        "LastUpdated": version.created,
    }
    return _Listed(summary, lambda: version.definition.schema)


def _common(definition: TypeDefinition) -> Json:
    schema = definition.schema
    urls = {"SourceUrl": schema.get("sourceUrl"), "DocumentationUrl": schema.get("documentationUrl")}
    return {
        "Type": _RESOURCE,
        "TypeName": definition.type_name,
        **_described(schema),
        "Schema": json.dumps(schema),
        "ProvisioningType": provisioning_type(schema),
        **{name: url for name, url in urls.items() if url},
    }


def _private(registered: RegisteredType, version: Version) -> Json:
    configuration = version.definition.schema.get("typeConfiguration")
    return {
        **_common(version.definition),
        "Arn": version.arn,
        "DefaultVersionId": registered.default,
        "IsDefaultVersion": registered.live and version.version_id == registered.default,
        "DeprecatedStatus": "LIVE" if version.live else "DEPRECATED",
        "TypeTestsStatus": "NOT_TESTED",
        "Visibility": "PRIVATE",
        "TimeCreated": version.created,
        "LastUpdated": version.created,
        **{
            name: version.settings[name] for name in ("ExecutionRoleArn", "LoggingConfig") if name in version.settings
        },
        **({"ConfigurationSchema": json.dumps(configuration)} if configuration else {}),
    }


def _public(definition: TypeDefinition, place: Place) -> Json:
    return {
        **_common(definition),
        "Arn": _public_arn(place, definition.type_name),
        "DeprecatedStatus": "LIVE",
        "Visibility": "PUBLIC",
    }


def _public_arn(place: Place, name: str) -> str:
    return f"arn:{place.partition}:cloudformation:{place.region}::type/resource/{name.replace('::', '-')}"
