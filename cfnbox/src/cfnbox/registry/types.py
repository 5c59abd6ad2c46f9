"""The types of each account and region, their versions and configurations: the state of the registry."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cfnbox.providers.registry_handlers import RegistryType
from cfnbox.registry.functions import HandlerPool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.registry.functions import Source, Start

# "CloudFormation quotas": versions of a type that are in use.
MOST_VERSIONS = 50


def type_arn(place: Place, type_name: str) -> str:
    """The ARN of a registered type; that of a version has the version's id behind it."""
    slug = type_name.replace("::", "-")
    return f"arn:{place.partition}:cloudformation:{place.region}:{place.account}:type/resource/{slug}"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass
class Version:
    """One version of a type."""

    version_id: str
    arn: str
    handlers: HandlerPool
    settings: Json
    created: datetime = field(default_factory=now)
    live: bool = True

    @property
    def definition(self) -> TypeDefinition:
        """The schema of the version."""
        return self.handlers.source.definition


@dataclass
class Configuration:
    """A type configuration, as it was set last."""

    text: str
    value: Any
    updated: datetime


@dataclass
class RegisteredType:
    """A type of one account and region. `default` is the id of the version that serves operations."""

    name: str
    arn: str
    versions: dict[str, Version] = field(default_factory=dict)
    default: str = ""
    configurations: dict[str, Configuration] = field(default_factory=dict)

    @property
    def default_version(self) -> Version:
        """The version that serves operations; of a deregistered type the last that did."""
        return self.versions[self.default]

    @property
    def live_versions(self) -> list[Version]:
        """The versions in use, oldest first; none once the type is deregistered."""
        return [one for one in self.versions.values() if one.live]

    @property
    def live(self) -> bool:
        """Whether the type is registered."""
        return bool(self.live_versions)

    def served(self, version: Version, region: str) -> RegistryType:
        """A version, as resource operations use it."""
        configuration = self.configurations.get("default")
        value = configuration.value if configuration else None
        return RegistryType(lambda: version.definition, version.handlers.in_region(region), value, version.version_id)


@dataclass(frozen=True)
class Pinned:
    """The types, each served by one version. A `RegisteredTypes` of providers.registry_handlers."""

    types: TypeRegistry
    version_id: str

    def find(self, type_name: str, place: Place) -> RegistryType | None:
        """That version of a registered type, if it is in use."""
        with self.types.changing:
            found = self.types.of(place).get(type_name)
            version = found.versions.get(self.version_id) if found else None
            return found.served(version, place.region) if found and version and version.live else None


class TypeRegistry:
    """The types of every account and region. Thread-safe. A `RegisteredTypes` of providers.registry_handlers.

    `sources` are the types that the cloud was started with: in every account and region as version 00000001.
    """

    def __init__(self, start: Start, sources: Iterable[Source] = ()) -> None:
        self._start = start
        self._pools: list[HandlerPool] = []
        self._started = {one.definition.type_name: self._made(one) for one in sources}
        self._types: dict[Place, dict[str, RegisteredType]] = {}
        self.changing = threading.RLock()

    @property
    def started(self) -> frozenset[str]:
        """The names of the types that the cloud was started with."""
        return frozenset(self._started)

    def functions_of(self, type_name: str) -> HandlerPool:
        """The handlers of a type that the cloud was started with."""
        return self._started[type_name]

    def find(self, type_name: str, place: Place) -> RegistryType | None:
        """The default version of a registered type."""
        with self.changing:
            found = self.of(place).get(type_name)
            return found.served(found.default_version, place.region) if found and found.live else None

    def of(self, place: Place) -> dict[str, RegisteredType]:
        """The types of a place by name, also those that were deregistered. Hold `changing` while using them."""
        if place not in self._types:
            self._types[place] = {}
            for name, handlers in self._started.items():
                self._add(place, name, handlers, {})
        return self._types[place]

    def add(self, place: Place, source: Source, settings: Json) -> Version:
        """A new version of the source's type, the default one if there is none in use."""
        with self.changing:
            return self._add(place, source.definition.type_name, self._made(source), settings)

    def _add(self, place: Place, name: str, handlers: HandlerPool, settings: Json) -> Version:
        registered = self.of(place).setdefault(name, RegisteredType(name, type_arn(place, name)))
        version_id = f"{len(registered.versions) + 1:08}"
        version = Version(version_id, f"{registered.arn}/{version_id}", handlers, settings)
        if not registered.live:
            registered.default = version_id
        registered.versions[version_id] = version
        return version

    def _made(self, source: Source) -> HandlerPool:
        self._pools.append(HandlerPool(source, self._start))
        return self._pools[-1]

    def close(self) -> None:
        """End every runtime, and remove what was unpacked."""
        with self.changing:
            for handlers in self._pools:
                handlers.close()
            self._pools.clear()
            self._types.clear()
