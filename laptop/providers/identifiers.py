"""Which resource is meant by an additional identifier: providers read by the primary one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laptop.paths import has, value_at
from laptop.providers.protocol import Request, ResourceFailed, Served

if TYPE_CHECKING:
    from laptop.paths import Json


def by_additional(served: Served, request: Request, values: Json) -> str | None:
    """The primary identifier of the resource that has these values, by property; None when there is none.

    Lists the resources of the type, and reads those whose list answers less. Raises ResourceFailed.
    """
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
            if all(has(model, name) and str(value_at(model, name)) == str(values[name]) for name in values):
                return identifier
        if not token:
            return None
