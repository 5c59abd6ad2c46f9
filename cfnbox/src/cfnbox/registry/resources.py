"""AWS::CloudFormation::ResourceVersion and ResourceDefaultVersion: resources of a stack that use the registry.

Source: the schemas that AWS publishes of both, and aws-cloudformation-resource-providers-cloudformation.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused
from cfnbox.providers.protocol import FailureCode, Resource, ResourceFailed, no_notice
from cfnbox.registry.operations import Registry, parse_arn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.providers.published import PublishedTypes

_VERSION = "AWS::CloudFormation::ResourceVersion"
_DEFAULT_VERSION = "AWS::CloudFormation::ResourceDefaultVersion"
_POLL_SECONDS = 0.02
_READ_ONLY = ("Arn", "IsDefaultVersion", "ProvisioningType", "Visibility")
_SETTINGS = ("TypeName", "ExecutionRoleArn", "LoggingConfig")


class RegistryProvider:
    """Creates versions and default versions by the operations of the registry."""

    notice = staticmethod(no_notice)

    def __init__(self, registry: Registry, published: PublishedTypes) -> None:
        self._registry, self._published = registry, published

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return the schema that AWS publishes, for the two types only."""
        return self._published.find(type_name, place.region) if type_name in (_VERSION, _DEFAULT_VERSION) else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Register a version and wait for it, or set the default version."""
        with _refusals_as_failures():
            if definition.type_name == _VERSION:
                return self._register(definition, request, desired, progress)
            return self._set_default(definition, request, desired)

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Set another default version. All properties of a version are create-only."""
        del resource, previous, progress
        if definition.type_name == _VERSION:
            raise ResourceFailed(f"A {_VERSION} cannot be updated. Register a new version.", "NotUpdatable")
        with _refusals_as_failures():
            return self._set_default(definition, request, desired)

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Deregister a version, or the type if it is the default version. Leave the default version unchanged."""
        del previous, progress
        if definition.type_name == _DEFAULT_VERSION:
            return
        with _refusals_as_failures():
            description = self._describe_live(request.place, resource.identifier)
            # To deregister the default version means to deregister the type, which fails while other versions exist.
            whole_type = {"TypeName": description["TypeName"]}
            version = {"Arn": resource.identifier}
            self._registry.deregister(request.place, whole_type if description["IsDefaultVersion"] else version)

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Read a version, or the default version of a type."""
        with _refusals_as_failures():
            if definition.type_name == _VERSION:
                return self._version(definition, request.place, identifier)
            return self._default(definition, request.place, identifier)

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """List the live versions, or the default version of every type."""
        del filters, next_token
        names = self._names(request.place)
        versions = [version for name in names for version in self._versions(request.place, name)]
        if definition.type_name == _VERSION:
            return [{"Arn": version["Arn"]} for version in versions], None
        defaults = [version for version in versions if version["IsDefaultVersion"]]
        return [
            {"Arn": version["Arn"].rpartition("/")[0], "TypeName": version["TypeName"]} for version in defaults
        ], None

    def _names(self, place: Place) -> Sequence[str]:
        return [summary["TypeName"] for summary in self._registry.list_types(place, {})["TypeSummaries"]]

    def _versions(self, place: Place, name: str) -> Sequence[Json]:
        versions: Sequence[Json] = self._registry.list_versions(place, {"TypeName": name})["TypeVersionSummaries"]
        return versions

    def _register(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        members = {**desired, "Type": "RESOURCE", "ClientRequestToken": request.token}
        registration = self._registry.registrations.start(request.place, members)
        while not registration.ended.is_set():
            progress.wait(_POLL_SECONDS)
        if registration.version is None:
            raise ResourceFailed(registration.description, "NotStabilized")
        resource = self._version(definition, request.place, registration.version.arn)
        progress.identified(resource)
        return resource

    def _version(self, definition: TypeDefinition, place: Place, arn: str) -> Resource:
        description = self._describe_live(place, arn)
        model = {name: description[name] for name in (*_READ_ONLY, *_SETTINGS) if name in description}
        model |= {"VersionId": arn.rpartition("/")[2], "TypeArn": arn.rpartition("/")[0]}
        return Resource(arn, arn, model, definition.attributes_of(model))

    def _describe_live(self, place: Place, arn: str) -> Json:
        description = self._registry.describe(place, {"Arn": arn})
        if description["DeprecatedStatus"] != "LIVE" or description["Visibility"] != "PRIVATE":
            raise ResourceFailed(f"{arn} is not a live version of a private type.", "NotFound")
        return description

    def _set_default(self, definition: TypeDefinition, request: Request, desired: Json) -> Resource:
        members = {"Arn": desired["TypeVersionArn"]} if "TypeVersionArn" in desired else {**desired}
        self._registry.set_default(request.place, members)
        name, _ = parse_arn(members["Arn"]) if "Arn" in members else (members["TypeName"], None)
        default = self._registry.describe(request.place, {"TypeName": name})
        return self._default(definition, request.place, default["Arn"].rpartition("/")[0])

    def _default(self, definition: TypeDefinition, place: Place, arn: str) -> Resource:
        description = self._describe_live(place, arn)
        model = {
            "Arn": arn,
            "TypeName": description["TypeName"],
            "VersionId": description["DefaultVersionId"],
            "TypeVersionArn": description["Arn"],
        }
        return Resource(arn, arn, model, definition.attributes_of(model))


_CODES: dict[str, FailureCode] = {
    "TypeNotFoundException": "NotFound",
    "CFNRegistryException": "GeneralServiceException",
}


@contextmanager
def _refusals_as_failures() -> Iterator[None]:
    """Convert a refusal of the registry to a failure of the resource."""
    try:
        yield
    except Refused as refused:
        raise ResourceFailed(refused.message, _CODES.get(refused.code, "InvalidRequest")) from None
