"""Harness for types of the tables: a sample of all properties, a changed sample, and the expected reads.

A sample names every property of the published schema in `first` or `second`. `prepare` makes what the properties
refer to, and its answer is what `first`, `second` and `minimal` are functions of. `direct` reads some of it again by
boto3, without the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jmespath

from cfnbox.providers import comparison
from cfnbox.providers.properties import violations
from cfnbox.providers.services.provider import ServiceProvider
from providers.provider_requests import PLACE, RecordingProgress, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.protocol import Resource
    from cfnbox.providers.published import PublishedTypes


@dataclass(frozen=True)
class Direct:
    """A read by the service's own API: a client method, its arguments, a JMESPath, and the expected result."""

    method: str
    arguments: Callable[[Resource], Json]
    query: str
    first: Any
    second: Any
    service: str = ""


@dataclass(frozen=True)
class Sample:
    """Properties of one type, before and after a change. `minimal` are those that are left when all can be removed.

    `stays` are properties that keep their value, or get a default, when a template removes them. `apart` are
    properties that cannot be beside the others and that a test of their own sets.
    """

    type_name: str
    service: str
    first: Any
    second: Any
    minimal: Any
    direct: tuple[Direct, ...]
    prepare: Callable[[Callable[..., Any]], Json] = lambda _connect: {}
    tags: Callable[[Callable[..., Any], Resource], dict[str, str]] | None = None
    stays: tuple[str, ...] = ()
    kept_elsewhere: tuple[str, ...] = field(default=())
    apart: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.type_name

    def states(self, ground: Json) -> tuple[Json, Json, Json]:
        """Return first, second and minimal properties for what was prepared."""
        first, second, minimal = (
            state(ground) if callable(state) else state for state in (self.first, self.second, self.minimal)
        )
        return first, second, minimal


class Bench:
    """The provider as the control plane uses it, and a second one that knows nothing but what it reads."""

    def __init__(self, clients: ServiceClients, published: PublishedTypes, place: Place = PLACE) -> None:
        self._clients, self._published, self.place = clients, published, place
        self.provider = ServiceProvider(clients, published)

    def definition(self, type_name: str) -> TypeDefinition:
        found = self.provider.definition(type_name, self.place)
        assert found
        return found

    def create(self, type_name: str, properties: Json, **members: Any) -> Resource:
        definition, progress = self.definition(type_name), RecordingProgress()
        assert violations(definition, properties) == []
        asked = request(place=self.place, **members)
        created = self.provider.create(definition, asked, properties, progress)
        assert progress.identities[0].identifier == created.identifier
        return created

    def update(self, type_name: str, resource: Resource, before: Json, after: Json, **members: Any) -> Resource:
        definition = self.definition(type_name)
        assert violations(definition, after) == []
        asked = request(place=self.place, **members)
        return self.provider.update(definition, asked, resource, before, after, RecordingProgress())

    def delete(self, type_name: str, resource: Resource, properties: Json) -> None:
        asked = request(place=self.place)
        self.provider.delete(self.definition(type_name), asked, resource, properties, RecordingProgress())

    def read(self, type_name: str, identifier: str) -> Resource:
        return self.provider.read(self.definition(type_name), request(place=self.place), identifier)

    def lost(self, sample: Sample, resource: Resource, properties: Json) -> set[str]:
        """Return the dotted names of the properties that the service does not have, or has with another value."""
        definition = self.definition(sample.type_name)
        provider = ServiceProvider(self._clients, self._published)
        known = {name: properties[name] for name in sample.kept_elsewhere if name in properties}
        provider.remember(definition, request(place=self.place), resource.identifier, known)
        model = provider.read(definition, request(place=self.place), resource.identifier).model
        expected = comparison.expected(definition, properties, {})
        actual = comparison.compared(definition, model, expected)
        return {
            re.sub(r"\.\d+(?=\.|$)", ".*", difference["PropertyPath"].strip("/").replace("/", "."))
            for difference in comparison.differences(definition, expected, actual)
        }


def create_bucket(s3: Any, name: str, **members: Any) -> None:
    """Create a bucket in the client's region."""
    region = s3.meta.region_name
    if region != "us-east-1":
        members = {"CreateBucketConfiguration": {"LocationConstraint": region}, **members}
    s3.create_bucket(Bucket=name, **members)


def found_directly(connect: Callable[..., Any], service: str, direct: Direct, resource: Resource) -> Any:
    """Return what a direct look finds."""
    client = connect(direct.service or service)
    answer = getattr(client, direct.method)(**direct.arguments(resource))
    return jmespath.search(direct.query, answer)
