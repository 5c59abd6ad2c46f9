"""Validation of properties against a schema, with the messages of CloudFormation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfnbox.core import patterns
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.providers.properties import coerced, violations
from hypothesis_settings import property_test

SCHEMA: dict[str, Any] = {
    "typeName": "Example::Shop::Shelf",
    "definitions": {
        "Board": {
            "type": "object",
            "properties": {"Width": {"type": "integer", "minimum": 1}, "Wood": {"type": "string"}},
            "required": ["Width"],
            "additionalProperties": False,
        },
        "Shelf": {
            "type": "object",
            "properties": {"Inner": {"$ref": "#/definitions/Shelf"}, "Deep": {"type": "number"}},
        },
    },
    "properties": {
        "Name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": r"^\p{L}[a-z]*$"},
        "Colour": {"type": "string", "enum": ["red", "blue"]},
        "Boards": {
            "type": "array", "items": {"$ref": "#/definitions/Board"},
            "minItems": 1, "maxItems": 2, "uniqueItems": True,
        },
        "Labels": {
            "type": "object",
            "patternProperties": {"^[a-z]+$": {"type": "string"}},
            "additionalProperties": False,
            "maxProperties": 2,
        },
        "Either": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["Kind"]}]},
        "Any": {"anyOf": [{"required": ["A"]}, {"required": ["B"]}], "type": "object"},
        "Policy": {"type": ["object", "string"]},
        "Ready": {"type": "boolean"},
        "Price": {"type": "number", "maximum": 10},
        "Shelf": {"$ref": "#/definitions/Shelf"},
        "Elsewhere": {"$ref": "https://example.com/schema.json#/definitions/X"},
        "Arn": {"type": "string"},
        "Stats": {"type": "object", "properties": {"Sold": {"type": "integer"}}},
    },
    "required": ["Colour"],
    "readOnlyProperties": ["/properties/Arn", "/properties/Stats/Sold"],
    "primaryIdentifier": ["/properties/Name"],
    "additionalProperties": False,
}  # fmt: skip
DEFINITION = TypeDefinition.from_schema(SCHEMA)


@pytest.mark.parametrize(
    ("properties", "lines"),
    [
        ({}, []),
        ({"Nope": 1}, ["#: extraneous key [Nope] is not permitted"]),
        ({"Ready": None}, ["#/Ready: expected type: Boolean, found: Null"]),
        ({"Name": ["x"]}, ["#/Name: expected type: String, found: JSONArray"]),
        ({"Name": {"x": 1}}, ["#/Name: expected type: String, found: JSONObject"]),
        ({"Name": "a"}, ["#/Name: expected minLength: 2, actual: 1"]),
        ({"Name": "abcdef"}, ["#/Name: expected maxLength: 5, actual: 6"]),
        ({"Name": "éa"}, []),
        ({"Name": "-a"}, ["#/Name: failed validation constraint for keyword [pattern]"]),
        ({"Colour": "green"}, ["#/Colour: failed validation constraint for keyword [enum]"]),
        ({"Boards": []}, ["#/Boards: expected minimum item count: 1, found: 0"]),
        ({"Boards": [{"Width": 1}, {"Width": 1}]}, ["#/Boards: array items are not unique"]),
        ({"Boards": [{"Width": n} for n in (1, 2, 3)]}, ["#/Boards: expected maximum item count: 2, found: 3"]),
        ({"Boards": [{}]}, ["#/Boards/0: required key [Width] not found"]),
        ({"Boards": [{"Width": 0}]}, ["#/Boards/0/Width: failed validation constraint for keyword [minimum]"]),
        ({"Boards": [{"Width": 1.5}]}, ["#/Boards/0/Width: expected type: Integer, found: BigDecimal"]),
        ({"Boards": [{"Width": "much"}]}, ["#/Boards/0/Width: expected type: Integer, found: String"]),
        ({"Boards": "oak"}, ["#/Boards: expected type: JSONArray, found: String"]),
        ({"Labels": {"a": "1", "B": "2"}}, ["#/Labels: extraneous key [B] is not permitted"]),
        ({"Labels": {"a": [], "b": ""}}, ["#/Labels/a: expected type: String, found: JSONArray"]),
        ({"Labels": {"a": "", "b": "", "c": ""}}, ["#/Labels: maximum size: [2], found: [3]"]),
        (
            {"Either": {}},
            [
                "#/Either: #: 0 subschemas matched instead of one",
                "#/Either: expected type: String, found: JSONObject",
                "#/Either: required key [Kind] not found",
            ],
        ),
        (
            {"Any": {}},
            [
                "#/Any: #: no subschema matched out of the total 2 subschemas",
                "#/Any: required key [A] not found",
                "#/Any: required key [B] not found",
            ],
        ),
        (
            {"Policy": []},
            [
                "#/Policy: #: no subschema matched out of the total 2 subschemas",
                "#/Policy: expected type: JSONObject, found: JSONArray",
                "#/Policy: expected type: String, found: JSONArray",
            ],
        ),
        ({"Ready": "maybe"}, ["#/Ready: expected type: Boolean, found: String"]),
        ({"Price": 11}, ["#/Price: failed validation constraint for keyword [maximum]"]),
        ({"Shelf": {"Inner": {"Inner": {"Deep": []}}}},
         ["#/Shelf/Inner/Inner/Deep: expected type: Number, found: JSONArray"]),
        ({"Elsewhere": {"what": "ever"}}, []),
        ({"Arn": "given"}, ["#: extraneous key [Arn] is not permitted"]),
        ({"Stats": {"Sold": 1}}, ["#/Stats: extraneous key [Sold] is not permitted"]),
        ({"Name": "a", "Price": 11},
         ["#/Name: expected minLength: 2, actual: 1", "#/Price: failed validation constraint for keyword [maximum]"]),
    ],
)  # fmt: skip
def test_violation_messages(properties: dict[str, Any], lines: list[str]) -> None:
    assert violations(DEFINITION, {"Colour": "red", **properties}) == lines


def test_a_missing_property_is_named() -> None:
    assert violations(DEFINITION, {}) == ["#: required key [Colour] not found"]


@pytest.mark.parametrize(
    ("given_value", "understood"),
    [
        ({"Name": 12345, "Price": "1.5", "Ready": "True"}, {"Name": "12345", "Price": 1.5, "Ready": True}),
        ({"Boards": [{"Width": "5", "Wood": True}]}, {"Boards": [{"Width": 5, "Wood": "true"}]}),
        ({"Labels": {"a": 1, "b": 2.5}}, {"Labels": {"a": "1", "b": "2.5"}}),
        ({"Either": 1}, {"Either": "1"}),
        ({"Either": {"Kind": 1}}, {"Either": {"Kind": 1}}),
        ({"Policy": {"Version": 1}}, {"Policy": {"Version": 1}}),
        ({"Price": "1_0"}, {"Price": "1_0"}),
        ({"Price": "nan"}, {"Price": "nan"}),
        ({"Unknown": 1}, {"Unknown": 1}),
    ],
)
def test_scalars_are_converted_to_their_declared_type(
    given_value: dict[str, Any], understood: dict[str, Any]
) -> None:
    assert coerced(DEFINITION, given_value) == understood


def test_a_pattern_with_catastrophic_backtracking_ends() -> None:
    schema = {**SCHEMA, "properties": {"Name": {"type": "string", "pattern": "^(a|aa)+$"}}, "required": []}
    said = violations(TypeDefinition.from_schema(schema), {"Name": "a" * 60 + "!"})
    assert said == ["#/Name: failed validation constraint for keyword [pattern]"]


def test_a_pattern_is_tried_again_after_a_timeout() -> None:
    schema = {**SCHEMA, "properties": {"Colour": {"pattern": "^(?:[a-y]|b)*z$"}}}
    definition, short = TypeDefinition.from_schema(schema), {"Colour": "a" * 40 + "z"}
    with patterns.shared_time_limit():
        with pytest.raises(patterns.PatternTimeout):
            patterns.matches("(a|aa)+[A-Z]", "a" * 60, whole=True)
        assert violations(definition, short) != []
    assert violations(definition, short) == []


def list_of(items: dict[str, Any], **keywords: Any) -> TypeDefinition:
    properties = {"Parts": {"type": "array", "items": items, **keywords}}
    return TypeDefinition.from_schema({**SCHEMA, "properties": properties, "required": []})


def test_all_patterns_of_a_resource_share_a_time_limit() -> None:
    definition = list_of({"type": "string", "pattern": "^(a|aa)+[A-Z]|^[ab]*$"})
    # Each text matches, after a fraction of a second. After two seconds the others do not.
    said = violations(definition, {"Parts": ["a" * 27 + "b" * at for at in range(200)]})
    assert "#/Parts/0: failed validation constraint for keyword [pattern]" not in said
    assert "#/Parts/199: failed validation constraint for keyword [pattern]" in said


def test_many_different_items_are_compared_in_one_pass() -> None:
    definition = list_of({}, uniqueItems=True)
    items: list[Any] = [{"Key": [number, {"A": 1}]} for number in range(20_000)]
    assert violations(definition, {"Parts": items}) == []
    assert violations(definition, {"Parts": [*items, items[7]]}) == ["#/Parts: array items are not unique"]
    assert violations(definition, {"Parts": [1, True, "1", [1]]}) == []
    assert violations(definition, {"Parts": [1, 1.0]}) == ["#/Parts: array items are not unique"]


def test_an_invalid_pattern_is_ignored() -> None:
    schema = {**SCHEMA, "properties": {"Colour": {"type": "string", "pattern": "(("}}}
    assert violations(TypeDefinition.from_schema(schema), {"Colour": "red"}) == []


# Every text is marked, so that one which shows in a message is found.
MARK = "§"
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5).map(lambda text: MARK + text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abAKind", max_size=5), inner, max_size=3),
    max_leaves=10,
)


@property_test()
@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])), JSON_VALUES))
def test_violation_messages_never_contain_property_values(properties: dict[str, Any]) -> None:
    assert not [line for line in violations(DEFINITION, properties) if MARK in line]
    once = coerced(DEFINITION, properties)
    assert coerced(DEFINITION, once) == once
    assert violations(DEFINITION, once) == violations(DEFINITION, properties)
