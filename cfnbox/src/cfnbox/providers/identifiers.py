"""Find the primary identifier of a resource, and whether the resource exists. Providers read by it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.core.paths import has, value_at
from cfnbox.core.type_definition import identifier_text
from cfnbox.providers.protocol import Request, ResourceFailed, Served

if TYPE_CHECKING:
    from collections.abc import Collection

    from cfnbox.core.paths import Json


def primary(served: Served, request: Request, values: Json) -> str | None:
    """Return the primary identifier of the resource with these values of any identifier, or None.

    Raise ValueError when their names are not an identifier of the type, and ResourceFailed as LIST and READ do.
    """
    definition = served.definition
    if set(values) == set(definition.primary_identifier):
        return identifier_text(values[name] for name in definition.primary_identifier)
    if set(values) not in map(set, definition.additional_identifiers):
        raise ValueError(f"{', '.join(values)} is not an identifier of {definition.type_name}.")
    return _by_additional(served, request, values)


def _by_additional(served: Served, request: Request, values: Json) -> str | None:
    """List the resources of the type, and read those whose list entry lacks a member of the identifier."""
    definition, token = served.definition, None
    while True:
        models, token = served.provider.list(definition, request, {}, token)
        for listed in models:
            try:
                identifier = definition.identifier(listed)
            except KeyError:
                names = " and ".join(definition.primary_identifier)
                text = f"The list handler of {definition.type_name} returned a resource without {names}."
                raise ResourceFailed(text, "InternalFailure") from None
            is_complete = all(has(listed, name) for name in values)
            model = listed if is_complete else served.provider.read(definition, request, identifier).model
            if all(has(model, name) and _is_same(value_at(model, name), values[name]) for name in values):
                return identifier
        if not token:
            return None


def _is_same(value: Any, other: Any) -> bool:
    return identifier_text([value]) == identifier_text([other])


def exists(served: Served, request: Request, identifier: str, absent: Collection[str] = ("NotFound",)) -> bool:
    """Return whether a READ finds the resource of a primary identifier.

    The error codes in `absent` mean that it does not exist. Raise ResourceFailed for others.
    """
    try:
        served.provider.read(served.definition, request, identifier)
    except ResourceFailed as failure:
        if failure.code not in absent:
            raise
        return False
    return True
