"""Stack policies: what an update may do to which resource. Pure.

Source: "Prevent updates to stack resources" in the user guide.
"""

from __future__ import annotations

import fnmatch
import json
from typing import TYPE_CHECKING, Any

from laptop.providers.protocol import ResourceFailed
from laptop.refusal import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laptop.cloudformation.stacks import Stack
    from laptop.paths import Json

_EFFECTS = ("Allow", "Deny")


def parse(body: str) -> Json:
    """The policy of a JSON text; Refused when it is none."""
    try:
        policy: Json = json.loads(body)
        statements = policy["Statement"]
        understood = all(one["Effect"] in _EFFECTS for one in statements) and isinstance(statements, list)
    except (ValueError, TypeError, KeyError):
        understood = False
    if not understood:
        raise Invalid("Error validating stack policy: Invalid stack policy")
    return policy


def require(stack: Stack, logical_id: str, type_name: str, action: str) -> None:
    """Raises ResourceFailed when the policy in force denies the action, or does not allow it."""
    policy = stack.options.get("PolicyDuringUpdate") or stack.policy
    if policy is None:
        return
    matching = [
        (number, statement)
        for number, statement in enumerate(policy["Statement"], 1)
        if _speaks_of(statement, logical_id, type_name, action)
    ]
    denying = [number for number, statement in matching if statement["Effect"] == "Deny"]
    if denying:
        raise _denied(
            f"Statement [#{denying[0]}] does not allow [{action}] for resource [LogicalResourceId/{logical_id}]"
        )
    if not matching:
        raise _denied(f"no statement allows [{action}] for resource [LogicalResourceId/{logical_id}]")


def _denied(text: str) -> ResourceFailed:
    return ResourceFailed(f"Action denied by stack policy: {text}", "AccessDenied")


def _speaks_of(statement: Json, logical_id: str, type_name: str, action: str) -> bool:
    return (
        _names(statement, "Action", action)
        and _names(statement, "Resource", f"LogicalResourceId/{logical_id}")
        and all(
            any(fnmatch.fnmatchcase(type_name, pattern) for pattern in _listed(patterns.get("ResourceType", "*")))
            for operator, patterns in statement.get("Condition", {}).items()
            if operator in ("StringEquals", "StringLike")
        )
    )


def _names(statement: Json, member: str, value: str) -> bool:
    if f"Not{member}" in statement:
        return not _any(statement[f"Not{member}"], value)
    return _any(statement.get(member, "*"), value)


def _any(patterns: Any, value: str) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in _listed(patterns))


def _listed(value: Any) -> Iterable[str]:
    return [value] if isinstance(value, str) else value
