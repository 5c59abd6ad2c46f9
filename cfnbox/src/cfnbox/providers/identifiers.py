"""Which resource is meant by an identifier, and whether it exists: providers read by the primary one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.core.paths import has, value_at
from cfnbox.core.type_definition import identifier_text
from cfnbox.providers.protocol import Request, ResourceFailed, Served

if TYPE_CHECKING:
    from collections.abc import Collection

    from cfnbox.core.paths import Json


def primary(served: Served, request: Request, given: Json) -> str | None:
    """The primary identifier of the resource with these values of any identifier; None when there is none.

    Raises ValueError when they are the properties of no identifier of the type, ResourceFailed as LIST and READ do.
    """
    definition = served.definition
    if set(given) == set(definition.primary_identifier):
        return identifier_text(given[name] for name in definition.primary_identifier)
    if set(given) not in map(set, definition.additional_identifiers):
        raise ValueError(f"{', '.join(given)} is not an identifier of {definition.type_name}.")
    return _by_additional(served, request, given)


def _by_additional(served: Served, request: Request, values: Json) -> str | None:
    """Lists the resources of the type, and reads those whose list answers less."""
    definition, token = served.definition, None
    while True:
        models, token = served.provider.list(definition, request, {}, token)
        for listed in models:
            try:
                identifier = definition.identifier(listed)
            except KeyError:
                names = " and ".join(definition.primary_identifier)
                text = f"The list handler of {definition.type_name} answered a resource without {names}."
                raise ResourceFailed(text, "InternalFailure") from None
            complete = all(has(listed, name) for name in values)
            model = listed if complete else served.provider.read(definition, request, identifier).model
            if all(has(model, name) and _is_same(value_at(model, name), values[name]) for name in values):
                return identifier
        if not token:
            return None


def _is_same(value: Any, given: Any) -> bool:
    return identifier_text([value]) == identifier_text([given])


def exists(served: Served, request: Request, identifier: str, absent: Collection[str] = ("NotFound",)) -> bool:
    """Whether there is a resource of that primary identifier, by a READ; ResourceFailed for codes not in `absent`."""
    try:
        served.provider.read(served.definition, request, identifier)
    except ResourceFailed as failure:
        if failure.code not in absent:
            raise
        return False
    return True
