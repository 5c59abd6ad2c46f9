"""Stack policies: what an update may do to which resource. Pure.

Source: "Prevent updates to stack resources" in the user guide.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.aws.http import json_value
from cfnbox.core.errors import Invalid
from cfnbox.providers.protocol import ResourceFailed

if TYPE_CHECKING:
    from cfnbox.core.paths import Json


@dataclass(frozen=True)
class Policy:
    """A stack policy: its JSON text, and its statements."""

    body: str
    statements: list[Json]

    def require(self, logical_id: str, type_name: str, action: str) -> None:
        """Raise ResourceFailed if a statement denies the action, or none allows it."""
        numbered = enumerate(self.statements, 1)
        matching = {number: item for number, item in numbered if _matches(item, logical_id, type_name, action)}
        denying = [number for number, item in matching.items() if item["Effect"] == "Deny"]
        if denying or not matching:
            cause = f"Statement [#{denying[0]}] does not allow" if denying else "no statement allows"
            raise ResourceFailed(
                f"Action denied by stack policy: {cause} [{action}] for resource [LogicalResourceId/{logical_id}]",
                "AccessDenied",
            )


def parse(body: str) -> Policy:
    """Return the policy of a JSON text. Raise Refused if it is not a policy. `{}` is one (recorded)."""
    try:
        document = json_value(body)
        statements = document["Statement"] if document != {} else []
        is_policy = isinstance(statements, list) and all(_is_statement(item) for item in statements)
    except (ValueError, TypeError, KeyError, AttributeError):
        is_policy = False
    if not is_policy:
        raise Invalid("Error validating stack policy: Invalid stack policy")
    return Policy(body, statements)


def _is_statement(statement: Json) -> bool:
    """Return whether a statement has an effect, and no other principal than the wildcard (recorded)."""
    return statement["Effect"] in ("Allow", "Deny") and statement.get("Principal", "*") == "*"


def _matches(statement: Json, logical_id: str, type_name: str, action: str) -> bool:
    conditions = statement.get("Condition", {})
    types = [
        item.get("ResourceType", "*") for key, item in conditions.items() if key in ("StringEquals", "StringLike")
    ]
    return (
        _member_matches(statement, "Action", action)
        and _member_matches(statement, "Resource", f"LogicalResourceId/{logical_id}")
        and all(_any_matches(patterns, type_name) for patterns in types)
    )


def _member_matches(statement: Json, member: str, value: str) -> bool:
    if f"Not{member}" in statement:
        return not _any_matches(statement[f"Not{member}"], value)
    return _any_matches(statement.get(member, "*"), value)


def _any_matches(patterns: str | list[str], value: str) -> bool:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)
