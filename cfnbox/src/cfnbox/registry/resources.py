"""AWS::CloudFormation::ResourceVersion and ResourceDefaultVersion: the registry as resources of a stack.

Source: the schemas that AWS publishes of both, and aws-cloudformation-resource-providers-cloudformation.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused
from cfnbox.providers.protocol import FailureCode, Resource, ResourceFailed, no_notice
from cfnbox.registry.operations import Registry, named_in

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
    """Makes versions and default versions through the registry's own operations."""

    notice = staticmethod(no_notice)

    def __init__(self, registry: Registry, published: PublishedTypes) -> None:
        self._registry, self._published = registry, published

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """The schema that AWS publishes of the two types."""
        return self._published.find(type_name, place.region) if type_name in (_VERSION, _DEFAULT_VERSION) else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Register a version and wait for it, or set the default one."""
        with _refusals_failed():
            if definition.type_name == _VERSION:
                return self._registered(definition, request, desired, progress)
            return self._defaulted(definition, request, desired)

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        """Set another default version; all properties of a version are create-only."""
        del resource, previous, progress
        if definition.type_name == _VERSION:
            raise ResourceFailed(f"A {_VERSION} cannot be updated: register another one.", "NotUpdatable")
        with _refusals_failed():
            return self._defaulted(definition, request, desired)

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        """Deregister a version, with the type when it is the last one; a default version stays what it is."""
        del previous, progress
        if definition.type_name == _DEFAULT_VERSION:
            return
        with _refusals_failed():
            described = self._live(request.place, resource.identifier)
            # The handler takes the default version for the type, which is refused while there are other versions.
            whole = {"TypeName": described["TypeName"]}
            version = {"Arn": resource.identifier}
            self._registry.deregister(request.place, whole if described["IsDefaultVersion"] else version)

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """The version, or the default version of a type."""
        with _refusals_failed():
            if definition.type_name == _VERSION:
                return self._version(definition, request.place, identifier)
            return self._default(definition, request.place, identifier)

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Every version in use, or the default version of every type."""
        del filters, next_token
        versions = [one for name in self._names(request.place) for one in self._versions(request.place, name)]
        if definition.type_name == _VERSION:
            return [{"Arn": one["Arn"]} for one in versions], None
        defaults = [one for one in versions if one["IsDefaultVersion"]]
        return [{"Arn": one["Arn"].rpartition("/")[0], "TypeName": one["TypeName"]} for one in defaults], None

    def _names(self, place: Place) -> Sequence[str]:
        return [one["TypeName"] for one in self._registry.list_types(place, {})["TypeSummaries"]]

    def _versions(self, place: Place, name: str) -> Sequence[Json]:
        found: Sequence[Json] = self._registry.list_versions(place, {"TypeName": name})["TypeVersionSummaries"]
        return found

    def _registered(
        self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress
    ) -> Resource:
        asked = {**desired, "Type": "RESOURCE", "ClientRequestToken": request.token}
        registration = self._registry.registrations.start(request.place, asked)
        while not registration.ended.is_set():
            progress.wait(_POLL_SECONDS)
        if registration.version is None:
            raise ResourceFailed(registration.description, "NotStabilized")
        resource = self._version(definition, request.place, registration.version.arn)
        progress.identified(resource)
        return resource

    def _version(self, definition: TypeDefinition, place: Place, arn: str) -> Resource:
        described = self._live(place, arn)
        model = {name: described[name] for name in (*_READ_ONLY, *_SETTINGS) if name in described}
        model |= {"VersionId": arn.rpartition("/")[2], "TypeArn": arn.rpartition("/")[0]}
        return Resource(arn, arn, model, definition.attributes_of(model))

    def _live(self, place: Place, arn: str) -> Json:
        described = self._registry.describe(place, {"Arn": arn})
        if described["DeprecatedStatus"] != "LIVE" or described["Visibility"] != "PRIVATE":
            raise ResourceFailed(f"There is no version {arn} in use.", "NotFound")
        return described

    def _defaulted(self, definition: TypeDefinition, request: Request, desired: Json) -> Resource:
        asked = {"Arn": desired["TypeVersionArn"]} if "TypeVersionArn" in desired else {**desired}
        self._registry.set_default(request.place, asked)
        name, _ = named_in(asked["Arn"]) if "Arn" in asked else (asked["TypeName"], None)
        default = self._registry.describe(request.place, {"TypeName": name})
        return self._default(definition, request.place, default["Arn"].rpartition("/")[0])

    def _default(self, definition: TypeDefinition, place: Place, arn: str) -> Resource:
        described = self._live(place, arn)
        model = {
            "Arn": arn,
            "TypeName": described["TypeName"],
            "VersionId": described["DefaultVersionId"],
            "TypeVersionArn": described["Arn"],
        }
        return Resource(arn, arn, model, definition.attributes_of(model))


_CODES: dict[str, FailureCode] = {
    "TypeNotFoundException": "NotFound",
    "CFNRegistryException": "GeneralServiceException",
}


@contextmanager
def _refusals_failed() -> Iterator[None]:
    """Fail the resource with what the registry refuses."""
    try:
        yield
    except Refused as refused:
        raise ResourceFailed(refused.message, _CODES.get(refused.code, "InvalidRequest")) from None
