"""What Step Functions refuses of a definition in the Amazon States Language, and the service of the cloud does not.

Sources: localstack/localstack#12487 has two sentences as AWS says them, a missing `Next` target and a state that is
not reachable. The sentence on other fields that name a state has the field in the place of `Next`: that is inferred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfnbox.aws.http import json_value

if TYPE_CHECKING:
    from collections.abc import Iterator

_MISSING, _UNREACHABLE = "MISSING_TRANSITION_TARGET", "is not reachable."


def refusal(text: str) -> str | None:
    """Return why a definition is refused, in the service's words; None when its states are linked correctly."""
    try:
        definition = json_value(text)
    except ValueError as error:
        # Only the code of this text is AWS's.
        return f"Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: {error}'"
    problems = list(_problems(definition, ""))
    return f"Invalid State Machine Definition: '{', '.join(problems)}'" if problems else None


def _problems(machine: Any, path: str) -> Iterator[str]:
    """Yield the problems of a machine, or of the branch of a state, at a path."""
    states = machine.get("States") if isinstance(machine, dict) else None
    if not isinstance(states, dict):
        return
    reached = set[str]()
    for field, target, at in _transitions(machine, states, path):
        reached.add(target)
        if target not in states:
            yield f"{_MISSING}: Missing '{field}' target: {target} at {at}"
    for name, state in states.items():
        at = f"{path}/States/{name}"
        if name not in reached:
            yield f'{_MISSING}: State "{name}" {_UNREACHABLE} at {at}'
        for inner, inner_path in _inner_machines(state, at):
            yield from _problems(inner, inner_path)


def _transitions(machine: Any, states: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield each field that names a state, the name, and the path of the field."""
    if isinstance(machine.get("StartAt"), str):
        yield "StartAt", machine["StartAt"], f"{path}/StartAt"
    for name, state in states.items():
        if not isinstance(state, dict):
            continue
        at = f"{path}/States/{name}"
        rules = [(state, at)]
        for member in ("Catch", "Choices"):
            rules += [(rule, f"{at}/{member}[{number}]") for number, rule in enumerate(_list(state.get(member)))]
        for rule, rule_path in rules:
            for field in ("Next", "Default"):
                if isinstance(rule, dict) and isinstance(rule.get(field), str):
                    yield field, rule[field], f"{rule_path}/{field}"


def _inner_machines(state: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Yield the machines inside a Parallel or Map state, with their paths."""
    if not isinstance(state, dict):
        return
    for number, branch in enumerate(_list(state.get("Branches"))):
        yield branch, f"{path}/Branches[{number}]"
    for member in ("ItemProcessor", "Iterator"):
        if member in state:
            yield state[member], f"{path}/{member}"


def _list(value: Any) -> list[Any]:
    """Return a list, and an empty one for what only the service can refuse."""
    return value if isinstance(value, list) else []
