"""Conditions and Rules of a template: which resources it makes, and what it demands of its parameters. Pure."""

from __future__ import annotations

import graphlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from laptop.cloudformation.functions import resolve
from laptop.cloudformation.parameters import as_text
from laptop.cloudformation.references import references
from laptop.cloudformation.scope import PSEUDO_PARAMETERS
from laptop.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from laptop.cloudformation.scope import Scope
    from laptop.paths import Json

# The functions that give true or false: what each takes, in CloudFormation's words.
_SEVERAL = "object requires a list of at least 2 and at most 10 boolean parameters."
CONDITION_FUNCTIONS = {
    "Condition": "All Conditions must be of type string",
    "Fn::And": f"every Fn::And {_SEVERAL}",
    "Fn::Or": f"every Fn::Or {_SEVERAL}",
    "Fn::Not": "Fn::Not requires a list argument with one element",
    "Fn::Equals": "Fn::Equals requires a list argument with two elements",
    "Fn::Contains": "Fn::Contains requires a list argument with two elements: a list of strings and a string",
    "Fn::EachMemberEquals": "Fn::EachMemberEquals requires a list argument with two elements: a list of strings and "
    "a string",
    "Fn::EachMemberIn": "Fn::EachMemberIn requires a list argument with two elements: two lists of strings",
}
_OF_RULES = frozenset(
    {"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn"}
)
_OF_THE_ACCOUNT = frozenset({"Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"})


def conditions(document: Json, scope: Scope) -> dict[str, bool]:
    """Every condition of the template by name; Refused when one is malformed, unknown or part of a circle."""
    declared: Json = document.get("Conditions", {})
    known = {*scope.parameters, *PSEUDO_PARAMETERS}
    if unresolved := sorted({name for name, _ in references(declared)} - known):
        names = ", ".join(unresolved)
        raise _refused(
            f"Template format error: Unresolved dependencies [{names}]. Cannot reference resources in the Conditions "
            "block of the template"
        )
    needed = {name: set(_named(expression)) for name, expression in declared.items()}
    for unknown in sorted(one for names in needed.values() for one in names if one not in declared):
        raise _refused(
            f"Template format error: Unresolved condition dependency {unknown} in the Conditions block of the "
            "template"
        )
    try:
        order = list(graphlib.TopologicalSorter(needed).static_order())
    except graphlib.CycleError as circle:
        circular = ", ".join(sorted(set(circle.args[1])))
        raise _refused(f"Template format error: Circular dependency between conditions: [{circular}]") from None
    values: dict[str, bool] = {}
    for name in order:
        values[name] = _truth(declared[name], replace(scope, conditions=values))
    return values


def active_resources(document: Json, conditions: Mapping[str, bool]) -> dict[str, Json]:
    """The resource definitions whose condition holds, by logical id."""
    resources: dict[str, Json] = document.get("Resources", {})
    return {name: one for name, one in resources.items() if conditions.get(one.get("Condition", ""), True)}


def _named(expression: Any) -> Iterator[str]:
    """The conditions that a condition refers to."""
    if isinstance(expression, dict):
        name = expression.get("Condition")
        if isinstance(name, str) and len(expression) == 1:
            yield name
        for one in expression.values():
            yield from _named(one)
    elif isinstance(expression, list):
        for one in expression:
            yield from _named(one)


def _truth(expression: Any, scope: Scope) -> bool:
    name = next(iter(expression), "") if isinstance(expression, dict) and len(expression) == 1 else ""
    if name not in CONDITION_FUNCTIONS:
        raise _refused(
            "Template format error: Conditions can only be boolean operations on parameters and other conditions"
        )
    argument = expression[name]
    try:
        if name == "Condition":
            return scope.conditions[argument]
        if name in _OPERATIONS:
            return _operation(name, argument, scope)
        first, second = resolve(argument, scope)
        return _COMPARISONS[name](_comparable(first), _comparable(second))
    except (TypeError, ValueError, KeyError):
        raise _refused(f"Template error: {CONDITION_FUNCTIONS[name]}") from None


def _operation(name: str, argument: Any, scope: Scope) -> bool:
    least, most, function = _OPERATIONS[name]
    if not isinstance(argument, list) or not least <= len(argument) <= most:
        raise ValueError
    return function([_truth(one, scope) for one in argument])


def _comparable(value: Any) -> Any:
    if isinstance(value, list):
        return [_comparable(one) for one in value]
    if isinstance(value, dict) or value is None:
        raise TypeError
    return as_text(value)


def _strings(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    return value


_OPERATIONS: dict[str, tuple[int, int, Callable[[list[bool]], bool]]] = {
    "Fn::And": (2, 10, all),
    "Fn::Or": (2, 10, any),
    "Fn::Not": (1, 1, lambda operands: not operands[0]),
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Fn::Equals": lambda left, right: bool(left == right),
    "Fn::Contains": lambda members, one: one in _strings(members),
    "Fn::EachMemberEquals": lambda members, one: all(member == one for member in _strings(members)),
    "Fn::EachMemberIn": lambda members, allowed: all(member in _strings(allowed) for member in _strings(members)),
}


def check_rules(document: Json, scope: Scope) -> None:
    """Refused when the parameters do not meet an assertion of the Rules section, or when that is malformed."""
    rules: Json = document.get("Rules", {})
    if unsupported := sorted({*_functions(rules)} - _OF_RULES - _OF_THE_ACCOUNT - {"Ref"}):
        raise _refused(
            "Template format error: Following functions are not supported in the Rules block of the template: "
            f"[{', '.join(unsupported)}]"
        )
    if of_the_account := sorted(_OF_THE_ACCOUNT.intersection(_functions(rules))):
        raise _refused(
            f"{of_the_account[0]} reads the resources of an account, and the laptop has none: leave the rule out."
        )
    for name, rule in rules.items():
        assertions = rule.get("Assertions") if isinstance(rule, dict) else None
        if not isinstance(assertions, list) or not all(
            isinstance(one, dict) and "Assert" in one for one in assertions
        ):
            raise _refused(
                f"Template format error: Rule {name} needs a list of Assertions, each of them with an Assert."
            )
        if "RuleCondition" in rule and not _truth(rule["RuleCondition"], scope):
            continue
        for assertion in assertions:
            if not _truth(assertion["Assert"], scope):
                described = assertion.get("AssertDescription", "an assertion does not hold")
                raise _refused(f"Template error: Rule {name} is not met: {described}")


def _functions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (key for key in value if key == "Ref" or key.startswith("Fn::"))
        for one in value.values():
            yield from _functions(one)
    elif isinstance(value, list):
        for one in value:
            yield from _functions(one)


def _refused(message: str) -> Refused:
    return Refused("ValidationError", message)
