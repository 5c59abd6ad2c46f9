"""AWS::CloudFormation::Macro: a named Lambda function that transforms templates.

Sources: "Perform custom processing on CloudFormation templates with template macros" in the user guide; what is
recorded on AWS of the resource: its physical id is the name.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cfnbox.providers.failures import already_exists, not_found
from cfnbox.providers.protocol import Progress, Request, Resource, no_notice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.published import PublishedTypes

_TYPE = "AWS::CloudFormation::Macro"


class Macros:
    """The provider and the store of macros. Names are unique in an account and region."""

    notice = staticmethod(no_notice)

    def __init__(self, clients: ServiceClients, published: PublishedTypes) -> None:
        self._clients, self._published = clients, published
        self._macros: dict[tuple[Place, str], Json] = {}
        self._lock = threading.Lock()

    def find(self, name: str, place: Place) -> Callable[[Json], Any] | None:
        """Return a function that invokes a macro with an event, or None if no macro has the name."""
        macro = self._macros.get((place, name))
        return None if macro is None else lambda event: self._call(macro["FunctionName"], event, place)

    def _call(self, function: str, event: Json, place: Place) -> Any:
        """Invoke the function and return its answer, or None if it fails or does not return JSON."""
        try:
            answer = self._clients.of("lambda", place).invoke(
                FunctionName=function, Payload=json.dumps(event).encode()
            )
            return None if "FunctionError" in answer else json.loads(answer["Payload"].read())
        except (BotoCoreError, ClientError, ValueError):
            return None

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """See cfnbox.providers.protocol.Provider."""
        return self._published.find(type_name, place.region) if type_name == _TYPE else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, _progress: Progress) -> Resource:
        """Store a macro. Raise AlreadyExists for a name in use."""
        name = str(desired["Name"])
        with self._lock:
            if (request.place, name) in self._macros:
                raise already_exists(request, definition.type_name, name)
            self._macros[request.place, name] = desired
        return _resource(desired)

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        _previous: Json,
        desired: Json,
        _progress: Progress,
    ) -> Resource:
        """Change the function of a macro."""
        self.read(definition, request, resource.identifier)
        with self._lock:
            self._macros[request.place, resource.identifier] = desired
        return _resource(desired)

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, _previous: Json, _progress: Progress
    ) -> None:
        """Delete a macro."""
        with self._lock:
            if self._macros.pop((request.place, resource.identifier), None) is None:
                raise not_found(request, definition.type_name, resource.identifier)

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        """Return the macro of a name."""
        macro = self._macros.get((request.place, identifier))
        if macro is None:
            raise not_found(request, definition.type_name, identifier)
        return _resource(macro)

    def list(
        self, _definition: TypeDefinition, request: Request, _filters: Json, _next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Return the names of all macros of the place."""
        with self._lock:
            return [{"Id": name} for place, name in self._macros if place == request.place], None


def _resource(properties: Json) -> Resource:
    name = str(properties["Name"])
    return Resource(name, name, {**properties, "Id": name}, {"Id": name})
