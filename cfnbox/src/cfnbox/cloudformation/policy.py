"""Stack policies: what an update may do to which resource. Pure.

Source: "Prevent updates to stack resources" in the user guide.
"""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.core.errors import Invalid
from cfnbox.providers.protocol import ResourceFailed

if TYPE_CHECKING:
    from cfnbox.cloudformation.stacks import Stack
    from cfnbox.core.paths import Json


@dataclass(frozen=True)
class Policy:
    """A stack policy: the text that was given, and its statements."""

    body: str
    statements: list[Json]

    def require(self, logical_id: str, type_name: str, action: str) -> None:
        """Raises ResourceFailed when a statement denies the action, or none allows it."""
        numbered = enumerate(self.statements, 1)
        matching = {number: one for number, one in numbered if _speaks_of(one, logical_id, type_name, action)}
        denying = [number for number, one in matching.items() if one["Effect"] == "Deny"]
        if denying or not matching:
            said = f"Statement [#{denying[0]}] does not allow" if denying else "no statement allows"
            raise ResourceFailed(
                f"Action denied by stack policy: {said} [{action}] for resource [LogicalResourceId/{logical_id}]",
                "AccessDenied",
            )


def parse(body: str) -> Policy:
    """The policy of a JSON text; Refused when it is none."""
    try:
        statements = json.loads(body)["Statement"]
        understood = isinstance(statements, list) and all(one["Effect"] in ("Allow", "Deny") for one in statements)
    except (ValueError, TypeError, KeyError):
        understood = False
    if not understood:
        raise Invalid("Error validating stack policy: Invalid stack policy")
    return Policy(body, statements)


def require(stack: Stack, logical_id: str, type_name: str, action: str) -> None:
    """Raises ResourceFailed when the policy in force does not allow the action; without one everything is allowed."""
    in_force = stack.policy_during_update or stack.policy
    if in_force is not None:
        in_force.require(logical_id, type_name, action)


def _speaks_of(statement: Json, logical_id: str, type_name: str, action: str) -> bool:
    conditions = statement.get("Condition", {})
    types = [one.get("ResourceType", "*") for key, one in conditions.items() if key in ("StringEquals", "StringLike")]
    return (
        _names(statement, "Action", action)
        and _names(statement, "Resource", f"LogicalResourceId/{logical_id}")
        and all(_any(patterns, type_name) for patterns in types)
    )


def _names(statement: Json, member: str, value: str) -> bool:
    if f"Not{member}" in statement:
        return not _any(statement[f"Not{member}"], value)
    return _any(statement.get(member, "*"), value)


def _any(patterns: str | list[str], value: str) -> bool:
    return any(fnmatch.fnmatchcase(value, one) for one in ([patterns] if isinstance(patterns, str) else patterns))
