"""Combinations of condition values that can occur together."""

from typing import Any

import pytest

from lint_sagemaker_model.conditions import Conditions

IS_PROD = {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}
IS_TEST = {"Fn::Equals": ["test", {"Ref": "Stage"}]}
IS_OTHER = {"Fn::Equals": [{"Ref": "Other"}, "yes"]}
TEMPLATE = {
    "Parameters": {"Stage": {"Type": "String"}, "Size": {"Type": "String", "AllowedValues": ["small", "large"]}},
    "Conditions": {
        "Prod": IS_PROD,
        "Test": IS_TEST,
        "Other": IS_OTHER,
        "NotProd": {"Fn::Not": [{"Condition": "Prod"}]},
        "Both": {"Fn::And": [{"Condition": "Prod"}, {"Condition": "Other"}]},
        "Either": {"Fn::Or": [{"Condition": "Prod"}, {"Condition": "Test"}]},
        "Small": {"Fn::Equals": [{"Ref": "Size"}, "small"]},
        "Large": {"Fn::Equals": [{"Ref": "Size"}, "large"]},
        "Always": {"Fn::Equals": ["a", "a"]},
        "Never": {"Fn::Equals": [True, "false"]},
        "Pair": {"Fn::Equals": [{"Ref": "Stage"}, {"Ref": "Other"}]},
        "SamePair": {"Fn::Equals": [{"Ref": "Other"}, {"Ref": "Stage"}]},
        "Circle": {"Condition": "Circle"},
        "Odd": ["not a condition"],
        **{f"Free{number}": {"Fn::Equals": [{"Ref": f"P{number}"}, "x"]} for number in range(13)},
    },
}


def outcomes(names: list[str], required: list[str] | None = None) -> list[dict[str, bool]]:
    return [dict(outcome) for outcome in Conditions(TEMPLATE).outcomes(names, required or [])]


def pairs(names: list[str], required: list[str] | None = None) -> set[tuple[bool, ...]]:
    return {tuple(outcome[name] for name in names) for outcome in outcomes(names, required)}


T, F = True, False


@pytest.mark.parametrize(
    ("names", "required", "expected"),
    [
        (["Prod"], [], {(T,), (F,)}),
        (["Prod", "Test"], [], {(T, F), (F, T), (F, F)}),
        (["Prod", "NotProd"], [], {(T, F), (F, T)}),
        (["Prod", "Other"], [], {(T, T), (T, F), (F, T), (F, F)}),
        (["Prod", "Other"], ["Both"], {(T, T)}),
        (["Prod", "Test"], ["Either"], {(T, F), (F, T)}),
        (["Small", "Large"], [], {(T, F), (F, T)}),
        (["Always", "Never"], [], {(T, F)}),
        (["Pair", "SamePair"], [], {(T, T), (F, F)}),
        (["Circle"], [], {(T,), (F,)}),
        (["Odd"], [], {(T,), (F,)}),
        (["Prod"], ["Never"], set()),
        ([], ["Prod"], {()}),
    ],
)
def test_conditions_have_only_possible_outcomes(
    names: list[str], required: list[str], expected: set[tuple[bool, ...]]
) -> None:
    assert pairs(names, required) == expected


def test_a_template_without_conditions_has_a_single_outcome() -> None:
    assert outcomes([]) == [{}]


def test_too_many_combinations_leave_every_outcome_possible() -> None:
    required = [f"Free{number}" for number in range(13)]
    assert pairs(["Prod", "Test"], required) == {(T, T), (T, F), (F, T), (F, F)}


@pytest.mark.parametrize("template", [{}, {"Conditions": None}, {"Conditions": ["A"], "Parameters": ["B"]}])
def test_invalid_conditions_are_ignored(template: dict[str, Any]) -> None:
    assert "A" not in Conditions(template)
    assert list(Conditions(template).outcomes([], [])) == [{}]
