"""Dynamic references: {{resolve:service:...}} in a resolved value. Pure.

They stay in a stack's properties as they are written, and are replaced for the provider alone. So a secret that
changes is no change of a stack, as the user guide says of them.
Source of the forms: "Get values stored in other services using dynamic references" in the CloudFormation user guide.
"""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

from cfnbox.core.errors import Invalid, Refused

_REFERENCE = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]+)\}\}")
# References without text between them have one part together.
_REFERENCES = re.compile(rf"(?:{_REFERENCE.pattern})+")
_SECRET_STARTS = ("{{resolve:ssm-secure:", "{{resolve:secretsmanager:")
_SECRET = re.compile(
    r"(?P<id>arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:[^:]+|[^:]+)"
    r"(:(SecretString)?(:(?P<key>[^:]*)(:(?P<stage>[^:]*)(:(?P<version>[^:]*))?)?)?)?"
)


class DynamicReferences(Protocol):
    """Where dynamic references read."""

    def parameter(self, name: str) -> str | None:
        """The value of the SSM parameter `name` or `name:version`, decrypted, or None when there is none."""

    def secret(self, secret_id: str, stage: str | None, version_id: str | None) -> str | None:
        """The SecretString of that version of a secret, or None when there is none."""


def replaced(value: Any, read: DynamicReferences) -> Any:
    """The value with every dynamic reference in its texts replaced; Refused when one points to nothing."""
    if isinstance(value, dict):
        return {key: replaced(one, read) for key, one in value.items()}
    if isinstance(value, list):
        return [replaced(one, read) for one in value]
    return _REFERENCE.sub(lambda found: _read(found, read), value) if isinstance(value, str) else value


def replaced_if_there(value: Any, read: DynamicReferences) -> Any:
    """The same of what was in force before, as it is written where a reference leads to nothing any more."""
    try:
        return replaced(value, read)
    except Refused:
        return value


def secrets_of(written: Any, resolved: Any) -> set[str]:
    """Return the texts that the secret dynamic references of a written value led to, by its resolved form.

    Of a text with more around a reference this is the whole text, and the part in the place of the reference.
    """
    if isinstance(written, dict) and isinstance(resolved, dict):
        return set().union(*(secrets_of(inner, resolved.get(name)) for name, inner in written.items()))
    if isinstance(written, list) and isinstance(resolved, list):
        return set().union(*(secrets_of(*pair) for pair in zip(written, resolved, strict=False)))
    is_secret = isinstance(written, str) and any(start in written for start in _SECRET_STARTS)
    return (
        {resolved, *_secret_parts(written, resolved)} - {"", written}
        if is_secret and isinstance(resolved, str)
        else set()
    )


def _secret_parts(written: str, resolved: str) -> tuple[str, ...]:
    """Return the parts of a resolved text that stand where the written text has secret references."""
    pattern, at = "", 0
    for found in _REFERENCES.finditer(written):
        is_secret = any(start in found[0] for start in _SECRET_STARTS)
        pattern += re.escape(written[at : found.start()]) + ("(.+?)" if is_secret else ".+?")
        at = found.end()
    match = re.fullmatch(pattern + re.escape(written[at:]), resolved, re.DOTALL)
    return match.groups() if match else ()


def as_referred(expected: Any, actual: Any) -> Any:
    """The actual value, with the reference itself in each place where the expected one has a dynamic reference."""
    if isinstance(expected, str) and "{{resolve:" in expected:
        return expected if actual is not None else None
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: as_referred(expected.get(key), one) for key, one in actual.items()}
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [as_referred(wanted, found) for wanted, found in zip(expected, actual, strict=True)]
    return actual


def _read(found: re.Match[str], read: DynamicReferences) -> str:
    service, reference = found.groups()
    value = _secret(reference, read) if service == "secretsmanager" else read.parameter(reference)
    if value is None:
        raise Invalid(f"Could not resolve the dynamic reference {found[0]}: nothing is there.")
    return value


def _secret(reference: str, read: DynamicReferences) -> str | None:
    found = _SECRET.fullmatch(reference)
    if found is None or (found["stage"] and found["version"]):
        return None
    value = read.secret(found["id"], found["stage"] or None, found["version"] or None)
    if value is None or not found["key"]:
        return value
    try:
        held = json.loads(value)[found["key"]]
    except (ValueError, KeyError, TypeError):
        return None
    return held if isinstance(held, str) else json.dumps(held)
