"""The text of a template: how it is parsed, and which texts are refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfnbox.core.errors import Refused
from cfnbox.template.syntax import INLINE_BYTES, URL_BYTES, inline, parse
from cloudformation.templates import A, refusal
from hypothesis_settings import property_test

FORMAT = "Template format error: "
THING = "{Type: Acme::Test::Thing"


def with_property(yaml: Any) -> Any:
    return f"Resources:\n  A:\n    Type: T\n    Properties:\n      P: {yaml}\n"


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        ("!Ref B", {"Ref": "B"}),
        ("!GetAtt B.C.D", {"Fn::GetAtt": ["B", "C.D"]}),
        ("!GetAtt [B, C]", {"Fn::GetAtt": ["B", "C"]}),
        ("!Sub '${B}'", {"Fn::Sub": "${B}"}),
        ("!Sub ['${B}', {B: !Ref C}]", {"Fn::Sub": ["${B}", {"B": {"Ref": "C"}}]}),
        ("!If [C, !Ref D, 2]", {"Fn::If": ["C", {"Ref": "D"}, 2]}),
        ("!ToJsonString {a: 1}", {"Fn::ToJsonString": {"a": 1}}),
        ("!Ref 012", {"Ref": "012"}),
        ("2012-10-17", "2012-10-17"),
        ("2012-10-17T12:00:00Z", "2012-10-17T12:00:00Z"),
        ("yes", True),
        ("'yes'", "yes"),
        ("1.5", 1.5),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
        ("&anchor {a: b}", {"a": "b"}),
        ("!!str 5", "5"),
    ],
)
def test_yaml_values_are_parsed_as_cloudformation_parses_them(yaml: Any, value: Any) -> None:
    assert parse(with_property(yaml))["Resources"]["A"]["Properties"]["P"] == value


def test_json_is_parsed_like_yaml() -> None:
    document = {"Resources": {"A": {"Type": "T", "Properties": {"P": [1, 1.5, True, "x", {"Ref": "B"}]}}}}
    assert parse(json.dumps(document)) == parse("---\n" + json.dumps(document)) == document


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", FORMAT + "unsupported structure."),
        ("just words", FORMAT + "unsupported structure."),
        ("- A", FORMAT + "unsupported structure."),
        ("Description: x", FORMAT + "At least one Resources member must be defined."),
        ("Resources: {}", FORMAT + "At least one Resources member must be defined."),
        ("Resources: [A]", FORMAT + "At least one Resources member must be defined."),
        ("Resources:\n  A:\n\tType: T", FORMAT + "YAML not well-formed. (line 3, column 1)"),
        ("Resources:\n  A: b: c", FORMAT + "YAML not well-formed. (line 2, column 7)"),
        (A + "---\n" + A, FORMAT + "YAML not well-formed. (line 3, column 1)"),
        ("Resources:\n  A: {Type: T}\n  A: {Type: T}", FORMAT + "YAML not well-formed. (line 3, column 3)"),
        (with_property("!Nope x"), FORMAT + "YAML not well-formed. (line 5, column 10)"),
        (with_property("!!binary aGk="), FORMAT + "YAML not well-formed. (line 5, column 10)"),
        (with_property("!!python/object:os.system x"), FORMAT + "YAML not well-formed. (line 5, column 10)"),
        (with_property("{? [a] : b}"), FORMAT + "YAML not well-formed. (line 5, column 13)"),
        ('{"Resources": {"A": }}', FORMAT + "JSON not well-formed. (line 1, column 22)"),
        (
            '{"Resources": 1,\n "Resources": 2}',
            FORMAT + "JSON not well-formed. The key Resources stands twice in one object.",
        ),
        (with_property("*a"), "Template error: YAML aliases are not allowed in CloudFormation templates"),
        ("a: &a [x]\nb: &b [*a, *a]", "Template error: YAML aliases are not allowed in CloudFormation templates"),
        (with_property(""), "[/Resources/A/Properties/P] 'null' values are not allowed in templates"),
        (with_property("[a, ~]"), "[/Resources/A/Properties/P/1] 'null' values are not allowed in templates"),
        (with_property(".inf"), FORMAT + "[/Resources/A/Properties/P] is too large, or not a number."),
        (with_property("0x" + "f" * 9000), FORMAT + "[/Resources/A/Properties/P] is too large, or not a number."),
        (with_property("1" * 9000), FORMAT + "YAML not well-formed. A number cannot be read."),
        ('{"Resources": ' + "1" * 9000 + "}", FORMAT + "JSON not well-formed. A number cannot be read."),
        ('{"Resources": {"A": {"Type": "\\ud800"}}}', FORMAT + "[/Resources/A/Type] holds half of a character."),
        (with_property("!!int x"), FORMAT + "YAML not well-formed. A number cannot be read."),
        (with_property("\x00"), FORMAT + "The template holds characters that no text has."),
        ("\ud800", FORMAT + "The template holds characters that no text has."),
        ("[" * 40_000, FORMAT + "The template is nested more than 100 levels deep."),
        ('{"a":' * 10_000, FORMAT + "The template is nested more than 100 levels deep."),
        ('{"a":' * 150 + "1" + "}" * 150, FORMAT + "The template is nested more than 100 levels deep."),
        (with_property("[" * 97 + "]" * 97), FORMAT + "The template is nested more than 100 levels deep."),
    ],
)
def test_a_text_that_is_not_a_template_is_refused(body: Any, message: str) -> None:
    assert refusal(parse, body) == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (A + "Nope: 1\nMore: 2", "Invalid template property or properties [More, Nope]"),
        (A + "AWSTemplateFormatVersion: 2011-01-01", FORMAT + "unsupported value for AWSTemplateFormatVersion."),
        (A + f"Description: {'x' * 1025}", FORMAT + "Description must be a string of at most 1024 bytes."),
        (A + "Outputs: []", FORMAT + "Outputs must be an object."),
        ("Resources: {A: x}", FORMAT + "Any Resources member must be an object."),
        (
            "Resources: {A: {Properties: {}}}",
            FORMAT + "[/Resources/A] Every Resources object must contain a Type member.",
        ),
        ("Resources: {a-b: {Type: T}}", FORMAT + "Resource name a-b is non alphanumeric."),
        ("Resources: {É: {Type: T}}", FORMAT + "Resource name É is non alphanumeric."),
        (
            "Resources: {Fn::ForEach::L: [x, [a], {}]}",
            FORMAT + "[/Resources/Fn::ForEach::L] resource definition is malformed",
        ),
        ("Resources: {A: {Type: T, Tags: []}}", "Invalid template resource property 'Tags'"),
        ("Resources: {A: {Type: [T]}}", FORMAT + "Every Type member must be a string."),
        ("Resources: {A: {Type: T, Properties: []}}", FORMAT + "[/Resources/A/Properties] must be an object."),
        (
            "Resources: {A: {Type: T, DependsOn: {B: C}}}",
            FORMAT + "Every DependsOn value must be a string or a list of strings.",
        ),
        (
            "Resources: {A: {Type: T, DeletionPolicy: !Ref P}}",
            FORMAT + "Every DeletionPolicy member must be a string.",
        ),
        (
            "Resources: {A: {Type: T, DeletionPolicy: Keep}}",
            FORMAT + "DeletionPolicy of resource A must be one of Delete, Retain, RetainExceptOnCreate, Snapshot.",
        ),
        (
            "Resources: {A: {Type: T, UpdateReplacePolicy: RetainExceptOnCreate}}",
            FORMAT + "UpdateReplacePolicy of resource A must be one of Delete, Retain, Snapshot.",
        ),
        (
            "Resources: {A: {Type: AWS::S3::Bucket, DeletionPolicy: Snapshot}}",
            "Template error: resource type AWS::S3::Bucket does not support deletion policy Snapshot",
        ),
        (
            A + "Parameters: {P: {Default: x}}",
            FORMAT + "[/Parameters/P] Every Parameters object must contain a Type member.",
        ),
        (A + "Parameters: {P: {Type: Text}}", FORMAT + "Unrecognized parameter type: Text"),
        (A + "Parameters: {P: {Type: {}}}", FORMAT + "Every Type member must be a string."),
        (A + "Parameters: {P: {Type: String, Max: 1}}", "Invalid template parameter property 'Max'"),
        (A + "Parameters: {P: {Type: String, Default: [a]}}", FORMAT + "Every Default member must be a string."),
        (
            A + "Parameters: {P: {Type: String, AllowedValues: a}}",
            FORMAT + "Every AllowedValues member must be a list.",
        ),
        (
            A + "Parameters: {P: {Type: String, MinLength: one}}",
            FORMAT + "MinLength of parameter P must be a number.",
        ),
        (
            A + "Outputs: {O: {Description: x}}",
            FORMAT + "Every Outputs member must contain a Value object",
        ),
        (
            A + "Outputs: {O: {Value: x, Export: x}}",
            FORMAT + "Output O is malformed: Export must hold a Name and nothing else.",
        ),
        (A + "Mappings: {M: {k: v}}", FORMAT + "Every Mappings member k must be a map"),
        (
            "Resources:\n" + "".join(f"  R{i}: {THING}}}\n" for i in range(501)),
            FORMAT + "Number of resources, 501, is greater than maximum allowed, 500",
        ),
        (
            A + "Outputs:\n" + "".join(f"  O{i}: {{Value: x}}\n" for i in range(201)),
            FORMAT + "Number of outputs, 201, is greater than maximum allowed, 200",
        ),
    ],
)
def test_a_template_with_an_invalid_structure_is_refused(body: Any, message: str) -> None:
    assert refusal(parse, body) == message


def test_500_resources_and_a_snapshot_of_a_database_are_accepted() -> None:
    parse("Resources:\n" + "".join(f"  R{i}: {THING}}}\n" for i in range(500)))
    parse("Resources: {A: {Type: AWS::RDS::DBInstance, DeletionPolicy: Snapshot, UpdateReplacePolicy: Snapshot}}")


def test_the_size_of_a_template_is_limited_in_bytes() -> None:
    body = A + f"# {'é' * (INLINE_BYTES // 2)}"
    assert refusal(inline, body).endswith(f"Member must have length less than or equal to {INLINE_BYTES}")
    assert parse(body)
    assert inline("é" * (INLINE_BYTES // 2))
    assert refusal(parse, "#" * (URL_BYTES + 1)) == f"Template may not exceed {URL_BYTES} bytes in size."


TEXTS = st.text(st.characters(exclude_categories=()))
CHARACTERS = st.sampled_from("?:-[]{}'\"|>#%@`,~1A \n")
WORDS = st.sampled_from(
    ["Resources", "Type", "Transform", "Fn::If", "!Ref", "!!set", "!!int", "<<", "&a", "*a", "---", "\n  "]
)


@property_test()
@given(TEXTS | st.lists(WORDS | CHARACTERS, max_size=30).map(" ".join) | st.lists(WORDS | CHARACTERS).map("".join))
def test_arbitrary_text_is_parsed_or_refused(text: str) -> None:
    with suppress(Refused):
        json.dumps(parse(text), allow_nan=False).encode()
