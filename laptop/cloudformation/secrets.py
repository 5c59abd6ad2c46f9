"""What CloudFormation never shows: values of NoEcho parameters, and what dynamic references lead to. Pure.

Dynamic references stay in a stack's properties as they are written, and are replaced for the provider alone. So a
secret that changes is no change of a stack, as the user guide says of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laptop.refusal import Refused
from laptop.template import dynamic

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from laptop.cloudformation.stacks import Deployment
    from laptop.paths import Json

_HIDDEN = "****"


def of(deployments: Iterable[Deployment | None]) -> frozenset[str]:
    """The values of the NoEcho parameters of some deployments."""
    given = [one.parameters.values() for one in deployments if one is not None]
    return frozenset(parameter.text for parameters in given for parameter in parameters if parameter.no_echo) - {""}


def hidden(value: Any, secrets: Collection[str]) -> Any:
    """The value with every secret in its texts replaced by asterisks."""
    if not secrets:
        return value
    if isinstance(value, dict):
        return {key: hidden(one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [hidden(one, secrets) for one in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, _HIDDEN)
    return value


def revealed(properties: Json, read: dynamic.DynamicReferences | None) -> Json:
    """The properties with every dynamic reference replaced; Refused when one leads to nothing."""
    made: Json = dynamic.replaced(properties, read) if read is not None else properties
    return made


def revealed_if_there(properties: Json, read: dynamic.DynamicReferences | None) -> Json:
    """The same of properties that were in force before: what a reference led to may be gone since."""
    try:
        return revealed(properties, read)
    except Refused:
        return properties


def as_referred(expected: Any, actual: Any) -> Any:
    """The actual value, with the reference itself in each place where the expected one has a dynamic reference."""
    if isinstance(expected, str) and "{{resolve:" in expected:
        return expected if actual is not None else None
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: as_referred(expected.get(key), one) for key, one in actual.items()}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [as_referred(wanted, found) for wanted, found in zip(expected, actual, strict=True)]
    return actual
