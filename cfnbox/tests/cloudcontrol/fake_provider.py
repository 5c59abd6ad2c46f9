"""A provider that stores books in a dictionary. It implements the protocol of providers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from cfnbox.core.type_definition import TypeDefinition
from cfnbox.providers.protocol import Progress, Request, Resource, ResourceFailed, no_notice

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from cfnbox.core.place import Place

Json = dict[str, Any]

SCHEMA: Json = {
    "typeName": "Example::Library::Book",
    "description": "A book",
    "properties": {
        "Isbn": {"type": "string"},
        "Title": {"type": "string", "maxLength": 20},
        "Author": {"type": "object", "properties": {"Name": {"type": "string"}, "Born": {"type": "integer"}}},
        "Note": {"type": "string"},
        "Pin": {"type": "string"},
        "Shelf": {"type": "string"},
    },
    "additionalProperties": False,
    "required": ["Title"],
    "primaryIdentifier": ["/properties/Isbn"],
    "additionalIdentifiers": [["/properties/Title"]],
    "readOnlyProperties": ["/properties/Isbn"],
    "createOnlyProperties": ["/properties/Title", "/properties/Author/Born"],
    "writeOnlyProperties": ["/properties/Pin"],
    "handlers": {
        "create": {"permissions": []},
        "read": {"permissions": []},
        "update": {"permissions": []},
        "delete": {"permissions": []},
        "list": {"permissions": [], "handlerSchema": {"properties": {"Shelf": {"type": "string"}}, "required": []}},
    },
}


class FakeProvider:
    """Books by account and region. With a `gate`, every change waits until the gate is set."""

    notice = staticmethod(no_notice)
    page = 2

    def __init__(self, **schema: Any) -> None:
        self._definition = TypeDefinition.from_schema({**SCHEMA, **schema})
        self.books: dict[Place, dict[str, Json]] = {}
        self.calls: list[tuple[str, Json]] = []
        self.gate: threading.Event | None = None
        self.failure: Exception | None = None
        self.unreadable: ResourceFailed | None = None
        self._numbers = itertools.count(1)

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        return self._definition if type_name == self._definition.type_name else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        books = self._books(request, "CREATE", desired)
        if any(book["Title"] == desired["Title"] for book in books.values()):
            raise ResourceFailed("The book exists already.", "AlreadyExists")
        isbn = f"isbn-{next(self._numbers)}"
        model = {**desired, "Isbn": isbn}
        books[isbn] = model
        progress.identified(self._resource(model))
        self._pass(progress)
        return self._resource(model)

    def update(
        self,
        definition: TypeDefinition,
        request: Request,
        resource: Resource,
        previous: Json,
        desired: Json,
        progress: Progress,
    ) -> Resource:
        books = self._books(request, "UPDATE", {"previous": previous, "desired": desired})
        self._pass(progress)
        books[resource.identifier] = {**desired, "Isbn": resource.identifier}
        return self._resource(books[resource.identifier])

    def delete(
        self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, progress: Progress
    ) -> None:
        books = self._books(request, "DELETE", previous)
        self._pass(progress)
        del books[resource.identifier]

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        books = self._books(request, "READ", {})
        if self.unreadable is not None:
            raise self.unreadable
        if identifier not in books:
            raise ResourceFailed("The book does not exist.", "NotFound")
        return self._resource(without_pin(books[identifier]))

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        shelf = filters.get("Shelf")
        books = [
            book for book in self._books(request, "LIST", filters).values() if shelf in (None, book.get("Shelf"))
        ]
        start = int(next_token or 0)
        following = start + self.page
        models = [{"Isbn": book["Isbn"]} for book in books[start:following]]
        return models, str(following) if following < len(books) else None

    def _books(self, request: Request, action: str, properties: Json) -> dict[str, Json]:
        assert request.owner is None
        self.calls.append((action, properties))
        if self.failure is not None:
            raise self.failure
        return self.books.setdefault(request.place, {})

    def _pass(self, progress: Progress) -> None:
        while self.gate is not None and not self.gate.is_set():
            progress.wait(0.01)

    def _resource(self, model: Json) -> Resource:
        return Resource(model["Isbn"], model["Isbn"], dict(model), {"Isbn": model["Isbn"]})


def without_pin(model: Json) -> Json:
    return {name: value for name, value in model.items() if name != "Pin"}
