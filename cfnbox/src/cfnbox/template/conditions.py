"""Conditions and Rules of a template: which resources it makes, and what it demands of its parameters. Pure."""

from __future__ import annotations

import graphlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Invalid
from cfnbox.template.functions import resolve
from cfnbox.template.parameters import as_text
from cfnbox.template.references import references
from cfnbox.template.scope import PSEUDO_PARAMETERS
from cfnbox.template.syntax import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.template.scope import Scope

# How many operands each takes, and what it makes of their truth.
_OPERATIONS: dict[str, tuple[range, Callable[[list[bool]], bool]]] = {
    "Fn::And": (range(2, 11), all),
    "Fn::Or": (range(2, 11), any),
    "Fn::Not": (range(1, 2), lambda operands: not operands[0]),
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Fn::Equals": lambda left, right: bool(left == right),
    "Fn::Contains": lambda members, one: isinstance(members, list) and one in members,
    "Fn::EachMemberEquals": lambda members, one: isinstance(members, list) and all(each == one for each in members),
    "Fn::EachMemberIn": lambda members, allowed: (
        isinstance(members, list) and all(each in allowed for each in members)
    ),
}
# Every function that gives true or false, with what it takes in CloudFormation's words.
CONDITION_FUNCTIONS = {
    "Condition": "All Conditions must be of type string",
    "Fn::And": "every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.",
    "Fn::Or": "every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters.",
    "Fn::Not": "Fn::Not requires a list argument with one element",
    **{name: f"{name} requires a list argument with two elements" for name in _COMPARISONS},
    "Fn::Equals": "every Fn::Equals object requires a list of 2 string parameters.",
}
_OF_THE_ACCOUNT = {"Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"}


def conditions(document: Json, scope: Scope) -> dict[str, bool]:
    """Every condition of the template by name; Refused when one is malformed, unknown or part of a circle."""
    declared: Json = document.get("Conditions", {})
    if unresolved := sorted({name for name, _ in references(declared)} - {*scope.parameters, *PSEUDO_PARAMETERS}):
        raise Invalid(
            f"Template format error: Unresolved dependencies [{', '.join(unresolved)}]. Cannot reference resources "
            "in the Conditions block of the template"
        )
    needed = {
        name: {str(one["Condition"]) for one in objects(expression) if one.keys() == {"Condition"}}
        for name, expression in declared.items()
    }
    for unknown in sorted(set().union(*needed.values()) - declared.keys()):
        raise unknown_condition(unknown, "Conditions")
    values: dict[str, bool] = {}
    try:
        for name in graphlib.TopologicalSorter(needed).static_order():
            values[name] = _truth(declared[name], replace(scope, conditions=values))
    except graphlib.CycleError as circle:
        names = ", ".join(sorted(set(circle.args[1])))
        raise Invalid(f"Template format error: Circular dependency between conditions: [{names}]") from None
    return values


def unknown_condition(name: Any, section: str) -> Invalid:
    """The refusal of a condition that the template does not declare."""
    return Invalid(
        f"Template format error: Unresolved condition dependency {name} in the {section} block of the template"
    )


def active(members: Mapping[str, Json], conditions: Mapping[str, bool]) -> dict[str, Json]:
    """The resources or outputs whose condition holds, by name."""
    return {name: one for name, one in members.items() if conditions.get(one.get("Condition", ""), True)}


def _truth(expression: Any, scope: Scope) -> bool:
    name = next(iter(expression), "") if isinstance(expression, dict) and len(expression) == 1 else ""
    if name not in CONDITION_FUNCTIONS:
        raise Invalid(
            "Template format error: Conditions can only be boolean operations on parameters and other conditions"
        )
    argument = expression[name]
    try:
        if name == "Condition":
            return scope.conditions[argument]
        if name in _OPERATIONS:
            counts, operation = _OPERATIONS[name]
            if not isinstance(argument, list) or len(argument) not in counts:
                raise ValueError
            return operation([_truth(one, scope) for one in argument])
        left, right = resolve(argument, scope)
        return _COMPARISONS[name](_comparable(left), _comparable(right))
    except (TypeError, ValueError, KeyError):
        raise Invalid(f"Template error: {CONDITION_FUNCTIONS[name]}") from None


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        raise TypeError
    return [_comparable(one) for one in value] if isinstance(value, list) else as_text(value)


def check_rules(document: Json, scope: Scope) -> None:
    """Refused when the parameters do not meet an assertion of the Rules section, or when that is malformed."""
    rules: Json = document.get("Rules", {})
    used = {key for one in objects(rules) for key in one if key.startswith("Fn::")}
    if unsupported := sorted(used - CONDITION_FUNCTIONS.keys() - _OF_THE_ACCOUNT):
        raise Invalid(
            "Template format error: Following functions are not supported in the Rules block of the template: "
            f"[{', '.join(unsupported)}]"
        )
    for name in sorted(used & _OF_THE_ACCOUNT):
        raise Invalid(f"{name} reads the resources of an account, which cfnbox does not have: leave the rule out.")
    for name, rule in rules.items():
        assertions = rule.get("Assertions")
        if not isinstance(assertions, list) or not all(
            isinstance(one, dict) and "Assert" in one for one in assertions
        ):
            raise Invalid(
                f"Template format error: Rule {name} needs a list of Assertions, each of them with an Assert."
            )
        if "RuleCondition" in rule and not _truth(rule["RuleCondition"], scope):
            continue
        for assertion in assertions:
            if not _truth(assertion["Assert"], scope):
                described = assertion.get("AssertDescription", "an assertion does not hold")
                raise Invalid(f"Template error: Rule {name} is not met: {described}")
