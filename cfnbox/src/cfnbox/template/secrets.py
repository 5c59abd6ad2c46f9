"""What CloudFormation never shows: the values of NoEcho parameters. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cfnbox.template.parameters import Parameter

_HIDDEN = "****"


def of(parameters: Iterable[Parameter]) -> frozenset[str]:
    """The values of the parameters that are NoEcho."""
    return frozenset(one.text for one in parameters if one.no_echo and one.text)


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
