"""The state of the registry: the types of each account and region, their versions and configurations."""

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

# "CloudFormation quotas": the maximum number of live versions of a type.
MOST_VERSIONS = 50


def type_arn(place: Place, type_name: str) -> str:
    """Return the ARN of a registered type. The ARN of a version has the version id appended."""
    slug = type_name.replace("::", "-")
    return f"arn:{place.partition}:cloudformation:{place.region}:{place.account}:type/resource/{slug}"


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@dataclass
class Version:
    """One version of a type."""

    version_id: str
    arn: str
    handlers: HandlerPool
    settings: Json
    created: datetime = field(default_factory=now)
    is_live: bool = True

    @property
    def definition(self) -> TypeDefinition:
        """Return the schema of the version."""
        return self.handlers.source.definition


@dataclass
class Configuration:
    """A type configuration."""

    text: str
    value: Any
    updated: datetime


@dataclass
class RegisteredType:
    """A type of one account and region. `default` is the id of the default version, which serves operations."""

    name: str
    arn: str
    versions: dict[str, Version] = field(default_factory=dict)
    default: str = ""
    configurations: dict[str, Configuration] = field(default_factory=dict)

    @property
    def default_version(self) -> Version:
        """Return the default version. A deregistered type keeps its last one."""
        return self.versions[self.default]

    @property
    def live_versions(self) -> list[Version]:
        """Return the live versions, oldest first. A deregistered type has none."""
        return [version for version in self.versions.values() if version.is_live]

    @property
    def is_live(self) -> bool:
        """Return whether the type is registered."""
        return bool(self.live_versions)

    def served(self, version: Version, region: str) -> RegistryType:
        """Return the RegistryType that resource operations of a version use."""
        configuration = self.configurations.get("default")
        value = configuration.value if configuration else None
        return RegistryType(lambda: version.definition, version.handlers.in_region(region), value, version.version_id)


@dataclass(frozen=True)
class Pinned:
    """The types, each served by one version. A `RegisteredTypes` of providers.registry_handlers."""

    types: TypeRegistry
    version_id: str

    def find(self, type_name: str, place: Place) -> RegistryType | None:
        """Return the version of a registered type, or None if it is not live."""
        with self.types.changing:
            registered = self.types.of(place).get(type_name)
            version = registered.versions.get(self.version_id) if registered else None
            return registered.served(version, place.region) if registered and version and version.is_live else None


class TypeRegistry:
    """The types of every account and region. Thread-safe. A `RegisteredTypes` of providers.registry_handlers.

    `sources` are the types of the start of the cloud. Every account and region has them as version 00000001.
    """

    def __init__(self, start: Start, sources: Iterable[Source] = ()) -> None:
        self._start = start
        self._pools: list[HandlerPool] = []
        self._started = {source.definition.type_name: self._pool(source) for source in sources}
        self._types: dict[Place, dict[str, RegisteredType]] = {}
        self.changing = threading.RLock()

    @property
    def started(self) -> frozenset[str]:
        """Return the names of the types that the cloud was started with."""
        return frozenset(self._started)

    def functions_of(self, type_name: str) -> HandlerPool:
        """Return the handlers of a type that the cloud was started with."""
        return self._started[type_name]

    def find(self, type_name: str, place: Place) -> RegistryType | None:
        """Return the default version of a registered type, or None."""
        with self.changing:
            registered = self.of(place).get(type_name)
            if registered is None or not registered.is_live:
                return None
            return registered.served(registered.default_version, place.region)

    def of(self, place: Place) -> dict[str, RegisteredType]:
        """Return the types of a place by name, deregistered types too. Hold the lock `changing` while using them."""
        if place not in self._types:
            self._types[place] = {}
            for name, handlers in self._started.items():
                self._add(place, name, handlers, {})
        return self._types[place]

    def add(self, place: Place, source: Source, settings: Json) -> Version:
        """Add a version of the source's type. It becomes the default version if the type has no live version."""
        with self.changing:
            return self._add(place, source.definition.type_name, self._pool(source), settings)

    def _add(self, place: Place, name: str, handlers: HandlerPool, settings: Json) -> Version:
        registered = self.of(place).setdefault(name, RegisteredType(name, type_arn(place, name)))
        version_id = f"{len(registered.versions) + 1:08}"
        version = Version(version_id, f"{registered.arn}/{version_id}", handlers, settings)
        if not registered.is_live:
            registered.default = version_id
        registered.versions[version_id] = version
        return version

    def _pool(self, source: Source) -> HandlerPool:
        self._pools.append(HandlerPool(source, self._start))
        return self._pools[-1]

    def close(self) -> None:
        """Close every runtime, and remove the unpacked packages."""
        with self.changing:
            for handlers in self._pools:
                handlers.close()
            self._pools.clear()
            self._types.clear()
