"""propertyTransform in the schema of a registered type: equal values, and expressions without an end."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cfnbox.core.property_transforms import transformed
from cfnbox.core.type_definition import TypeDefinition

LONG = "a" * 60 + "!"


def changed(expression: str, previous: Any, desired: Any) -> list[str]:
    schema = {
        "typeName": "Acme::Text::Line",
        "properties": {"Text": {"type": "string"}},
        "primaryIdentifier": ["/properties/Text"],
        "propertyTransform": {"/properties/Text": expression},
    }
    return TypeDefinition.from_schema(schema).changed({"Text": previous}, {"Text": desired})


@pytest.mark.parametrize(
    ("expression", "previous", "desired"),
    [
        ("$lowercase(Text)", "ABC", "abc"),
        ('$split(Text, "/")[-1]', "key/abc", "abc"),
        ("Text & '' = '1' ? 'one' : Text", "1", "one"),
        # These run in a process of their own.
        (r'$replace(Text, /\s+$/, "")', "abc  ", "abc"),
        ('Text ~> function($text){$join([$text, "."])}', "abc", "abc"),
    ],
)
def test_values_that_a_transform_makes_equal_are_unchanged(expression: str, previous: str, desired: str) -> None:
    assert changed(expression, previous, desired) == []


@pytest.mark.parametrize(
    "expression",
    [
        # Each of these would make the two values equal: one with 400 MB, the other after years.
        pytest.param(
            '$string($length($pad("", 400000000)))',
            marks=pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit the memory of a process"),
        ),
        "$count($match(Text, /(a+)+$/)) = 0 ? '' : ''",
    ],
)
def test_a_transform_that_exceeds_its_limits_is_not_applied(expression: str) -> None:
    assert changed(expression, LONG, LONG + "?") == ["Text"]


def test_a_long_expression_is_classified_at_once() -> None:
    """A pattern that backtracks would not end."""
    assert transformed("a" * 400 + "{", {}, "kept") == "kept"
    assert transformed('$join(["' + "a" * 400 + '", ' + "b" * 400 + "~>", {}, "kept") == "kept"


def test_a_transform_that_is_nested_too_deeply_is_not_applied() -> None:
    assert changed("(" * 5_000 + "'x'" + ")" * 5_000, "a", "b") == ["Text"]
