"""Includes, language extensions and SAM: the transformed template, and their refusals."""

from __future__ import annotations

from typing import Any

import pytest

from cfnbox.core.place import Place
from cfnbox.template.parameters import parameters
from cfnbox.template.syntax import parse
from cfnbox.template.transforms import declared_transforms, transform
from cloudformation import templates
from cloudformation.templates import PLACE, prepared, refusal

THING = "{Type: Acme::Test::Thing"
INCLUDE = "Fn::Transform: {Name: AWS::Include, Parameters: {Location: %s}}"
SUB = "!Sub 's3://${Bucket}/deep/key'"
LANGUAGE = "Transform: AWS::LanguageExtensions\n"
SAM = "Transform: AWS::Serverless-2016-10-31\n"
FUNCTION = "Handler: a.b, Runtime: python3.12"
LOOP = "  Fn::ForEach::Loop: [N, !Ref Names, {'M${N}': {Type: Acme::Test::Thing, Properties: {P: !Sub '${N}-x'}}}]\n"


def transformed(body: Any, stored: Any = None) -> Any:
    document = parse(body)
    found = parameters(document, [], {}, lambda _name: None)
    return transform(document, found, PLACE, lambda bucket, key: (stored or {}).get(f"{bucket}/{key}"))


@pytest.mark.parametrize(
    ("yaml", "names"),
    [
        ("", []),
        ("Transform: A", ["A"]),
        ("Transform: [A, {Name: B}]", ["A", "B"]),
        ("Transform: {Name: B, Parameters: {}}", ["B"]),
    ],
)
def test_the_transforms_of_a_template_are_listed(yaml: Any, names: Any) -> None:
    assert declared_transforms(parse(f"{templates.A}{yaml}")) == names


def test_an_include_inserts_the_snippet_in_its_place() -> None:
    body = (
        "Parameters: {Bucket: {Type: String, Default: b}}\n"
        f"Resources:\n  A:\n    Type: Acme::Test::Thing\n    Properties:\n      P: 1\n      {INCLUDE % SUB}\n"
    )
    made = transformed(body, {"b/deep/key": b"Q: {a: [1, {Ref: A}]}\nWhen: 2012-10-17\n"})
    assert made["Resources"]["A"]["Properties"] == {"P": 1, "Q": {"a": [1, {"Ref": "A"}]}, "When": "2012-10-17"}
    top = transformed(
        f"{templates.A}Transform: {{Name: AWS::Include, Parameters: {{Location: s3://b/k}}}}",
        {"b/k": b'{"Outputs": {}}'},
    )
    assert top == {"Resources": {"A": {"Type": "Acme::Test::Thing"}}, "Outputs": {}}


@pytest.mark.parametrize(
    ("location", "stored", "reason"),
    [
        ("https://b/k", "", "The location parameter is not a valid S3 uri."),
        ("[a]", "", "The location parameter is not a valid S3 uri."),
        ("s3://b", "", "The location parameter is not a valid S3 uri."),
        ("s3://b/none", "", "The S3 object s3://b/none does not exist."),
        ("s3://b/k", "a: !Ref B", "The specified S3 object's content should be valid Yaml/JSON"),
        ("s3://b/k", "[1]", "The specified S3 object's content should be valid Yaml/JSON"),
        ("s3://b/k", '{"a": ', "The specified S3 object's content should be valid Yaml/JSON"),
        (
            "s3://b/k",
            "Fn::Transform: {Name: AWS::Include}",
            "The snippet at s3://b/k names a transform, which cannot be nested.",
        ),
    ],
)
def test_a_failed_include_has_a_reason(location: Any, stored: Any, reason: Any) -> None:
    body = f"Resources: {{A: {{Type: T, Properties: {{{INCLUDE % location}}}}}}}"
    assert refusal(transformed, body, {"b/k": stored.encode()}) == f"Transform AWS::Include failed with: {reason}"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (f"{templates.A}Transform: MyMacro", "123456789012::MyMacro"),
        (f"{templates.A}Transform: [AWS::LanguageExtensions, {{Name: MyMacro}}]", "123456789012::MyMacro"),
        (f"{templates.A}Transform: 111122223333::Theirs", "111122223333::Theirs"),
        (f"{templates.A}Transform: AWS::Serverless", "AWS::Serverless"),
        ("Resources: {A: {Type: T, Properties: {P: {Fn::Transform: {Name: MyMacro}}}}}", "123456789012::MyMacro"),
        ("Resources: {Fn::Transform: [{Name: MyMacro}]}", "123456789012::MyMacro"),
    ],
)
def test_an_unknown_transform_is_refused(body: Any, name: str) -> None:
    assert refusal(transformed, body) == f"No transform named {name} found."


def test_language_extensions_expand_loops_and_functions() -> None:
    body = (
        f"{LANGUAGE}Parameters:\n  Names: {{Type: CommaDelimitedList, Default: 'a,b'}}\n"
        f"  Keep: {{Type: String, Default: Retain}}\nMappings: {{M: {{k: {{v: 1}}}}}}\nResources:\n{LOOP}"
        f"  C: {THING}, DeletionPolicy: !Ref Keep, UpdateReplacePolicy: !FindInMap [M, k, w, DefaultValue: Delete],\n"
        "      Properties: {L: !Length [1, 2], J: !ToJsonString {a: 1}, D: !FindInMap [M, x, y, DefaultValue: d]}}\n"
    )
    made = transformed(body)
    assert "Transform" not in made
    assert made["Resources"] == {
        # Recorded on AWS: Fn::Sub is resolved where all values are known.
        "Ma": {"Type": "Acme::Test::Thing", "Properties": {"P": "a-x"}},
        "Mb": {"Type": "Acme::Test::Thing", "Properties": {"P": "b-x"}},
        "C": {
            "Type": "Acme::Test::Thing",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"L": 2, "J": '{"a":1}', "D": "d"},
        },
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            f"{LANGUAGE}Resources:\n  Fn::ForEach::L: [N, x, {{'M${{N}}': {THING}}}}}]",
            "Transform AWS::LanguageExtensions failed with: Fn::ForEach layout is incorrect",
        ),
        (
            f"{LANGUAGE}Resources:\n  Fn::ForEach::L: [N, [a, b], {{'M': {THING}}}}}]",
            "Transform AWS::LanguageExtensions failed with: The key M of Fn::ForEach::L does not contain",
        ),
        (
            f"{LANGUAGE}Resources:\n  A: {THING}, Properties: {{Fn::ForEach::A: [N, [a], {{'M${{N}}': 1}}]}}}}",
            "Transform AWS::LanguageExtensions failed with: The loop name A is the logical id of a resource.",
        ),
        (
            f"{LANGUAGE}Resources:\n"
            f"  A: {THING}, Properties: {{Fn::ForEach::L: [N, [a], {{'M${{N}}': 1}}], Ma: 2}}}}",
            "Transform AWS::LanguageExtensions failed with: Fn::ForEach::L produces Ma, which the template already",
        ),
        (
            f"{LANGUAGE}Resources:\n  Fn::ForEach::L: [N, [a-b], {{'M${{N}}': {THING}}}}}]",
            "Transform AWS::LanguageExtensions failed with: LogicalId 'Ma-b' should be alphanumeric",
        ),
        (
            f"{LANGUAGE}Resources:\n  A: {THING}, Properties: {{P: !Length [!GetAtt A.B]}}}}\n"
            "  B: {Type: T, Properties: {P: !Length {Ref: A}}}",
            "Transform AWS::LanguageExtensions failed with: The Fn::Length value could not be resolved for",
        ),
        (
            f"{LANGUAGE}Resources:\n  Fn::ForEach::L: [N, !GetAtt A.B, {{'M${{N}}': {THING}}}}}]",
            "Transform AWS::LanguageExtensions failed with: Could not find a collection or could not be resolved for",
        ),
        (
            f"{LANGUAGE}Resources:\n  A: {THING}, Condition: Nope}}",
            "Transform AWS::LanguageExtensions failed with: Key Nope is missing in the map.",
        ),
        (
            f"{LANGUAGE}Mappings: {{M: {{k: {{v: !Length [1]}}}}}}\nResources:\n  A: {THING}}}",
            "Transform AWS::LanguageExtensions failed with: Fn::Length is not supported in the section Mappings",
        ),
        (f"{LANGUAGE}Resources:\n  A: {THING}, DeletionPolicy: !Ref Nope}}", "Resource Nope does not exist now"),
        (
            f"{LANGUAGE}Resources:\n  A: {THING}, DeletionPolicy: Keep}}",
            "Template format error: DeletionPolicy of resource A must be one of",
        ),
        (f"{LANGUAGE}Resources:\n  A: [x]", "Template format error: Any Resources member must be an object."),
        (f"{LANGUAGE}Resources:\n  A: {THING}}}\nOutputs: [x]", ""),
        (f"{LANGUAGE}Resources:\n  A: {THING}}}\nMappings: x", ""),
        (
            f"Resources:\n  A: {THING}, Properties: {{P: !Length [a]}}}}",
            "Template error: [/Resources/A/Properties/P] Fn::Length needs the transform AWS::LanguageExtensions.",
        ),
        (
            f"Resources:\n  A: {THING}, Properties: {{P: !FindInMap [M, a, b, {{DefaultValue: c}}]}}}}",
            "Template error: [/Resources/A/Properties/P] Fn::FindInMap with a DefaultValue needs the transform "
            "AWS::LanguageExtensions.",
        ),
        (
            f"Resources:\n  A: {THING}, Properties: {{Fn::ForEach::L: [x, [a], {{}}]}}}}",
            "Template format error: [/Resources/A/Properties/Fn::ForEach::L] resource definition is malformed",
        ),
    ],
)
def test_invalid_language_extensions_are_refused(body: Any, message: str) -> None:
    assert refusal(transformed, body).startswith(message)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        # User guide, Fn::ForEach: identifiers in keys, in Fn::Sub and as Ref; &{} keeps letters and digits.
        ("Fn::ForEach::L: [N, ['a.b'], {'K&{N}': {V: !Ref N, S: !Sub '${N} &{N} ${P}'}}]",
         {"Kab": {"V": "a.b", "S": "a.b &{N} v,w"}}),
        ("Fn::ForEach::L: [N, [1, 2], {'K${N}': '${N}'}]", {"K1": "${N}", "K2": "${N}"}),
        ("Fn::ForEach::L: [N, [a], {'Fn::ForEach::I': [M, [x, y], {'${N}${M}': !Ref M}]}]", {"ax": "x", "ay": "y"}),
        ("Fn::ForEach::L: [N, !Split [',', !Ref P], {'K${N}': !FindInMap [M, k, !Ref N, DefaultValue: 0]}]",
         {"Kv": 1, "Kw": 0}),
        ("R: !GetAtt ['A', !Sub '${P}']", {"R": {"Fn::GetAtt": ["A", "v,w"]}}),
        ("J: !ToJsonString {a: [1, !Ref P], n: !Ref AWS::NoValue}", {"J": '{"a":[1,"v,w"]}'}),
        ("J: !ToJsonString [!Ref AWS::StackName, !Length [1]]",
         {"J": {"Fn::ToJsonString": [{"Ref": "AWS::StackName"}, 1]}}),
        ("J: !ToJsonString [!GetAtt A.B]", {"J": {"Fn::ToJsonString": [{"Fn::GetAtt": ["A", "B"]}]}}),
        ("F: !FindInMap [M, !Ref AWS::StackName, v]",
         {"F": {"Fn::FindInMap": ["M", {"Ref": "AWS::StackName"}, "v"]}}),
    ],
)  # fmt: skip
def test_language_extensions_transform_properties(written: Any, value: Any) -> None:
    body = (
        f"{LANGUAGE}Parameters: {{P: {{Type: String, Default: 'v,w'}}}}\nMappings: {{M: {{k: {{v: 1}}}}}}\n"
        f"Resources:\n  A:\n    Type: Acme::Test::Thing\n    Properties:\n      {written}\n"
    )
    assert transformed(body)["Resources"]["A"]["Properties"] == value


def test_a_loop_can_generate_the_name_of_a_condition() -> None:
    body = (
        f"{LANGUAGE}Conditions:\n  Fn::ForEach::C: [N, [a], {{'Is${{N}}': !Equals [!Ref N, a]}}]\n"
        "Resources:\n  Fn::ForEach::R: [N, [a], {'R${N}': {Type: Acme::Test::Thing, Condition: !Sub 'Is${N}'}}]\n"
    )
    made = transformed(body)
    assert made["Conditions"] == {"Isa": {"Fn::Equals": ["a", "a"]}}
    assert made["Resources"] == {"Ra": {"Type": "Acme::Test::Thing", "Condition": "Isa"}}


def test_sam_expands_a_serverless_function() -> None:
    body = (
        f"{SAM}Globals: {{Function: {{Timeout: 7}}}}\nResources:\n  F:\n    Type: AWS::Serverless::Function\n"
        f"    Properties: {{CodeUri: s3://b/k, {FUNCTION}}}\n"
    )
    made = transformed(body)
    assert made.keys() == {"Resources"}
    assert made["Resources"]["F"]["Properties"]["Code"] == {"S3Bucket": "b", "S3Key": "k"}
    assert made["Resources"]["F"]["Properties"]["Timeout"] == 7
    assert made["Resources"]["FRole"]["Type"] == "AWS::IAM::Role"


def test_sam_logs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    body = f"{SAM}Resources: {{F: {{Type: AWS::Serverless::Function, Properties: {{InlineCode: x, {FUNCTION}}}}}}}"
    # The second translator replaces the first one, which then says what it has left.
    for _ in range(2):
        transformed(body)
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "eu-west-1"])
def test_sam_uses_the_arns_of_the_partition(region: str) -> None:
    document = parse(
        f"{SAM}Resources:\n  F: {{Type: AWS::Serverless::Function, Properties: {{InlineCode: x, {FUNCTION}}}}}\n"
    )
    place = Place(region)
    made = transform(document, {}, place, lambda _bucket, _key: None)
    (policy,) = made["Resources"]["FRole"]["Properties"]["ManagedPolicyArns"]
    assert policy.startswith(f"arn:{place.partition}:iam::aws:policy/")
    assert document["Resources"]["F"]["Type"] == "AWS::Serverless::Function"


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (
            "{Type: AWS::Serverless::Function, Properties: {Handler: a.b}}",
            "Invalid Serverless Application Specification document. Number of errors found: 1.",
        ),
        (
            "{Type: AWS::Serverless::Function, Properties: {CodeUri: ./src, Handler: a.b, Runtime: python3.12}}",
            "Invalid Serverless Application Specification document.",
        ),
        ("{Type: AWS::Serverless::Function, Properties: [x]}", ""),
        ("{Type: AWS::Serverless::Function, Properties: {CodeUri: 5, Events: 7, Handler: {}}}", ""),
        (
            "{Type: AWS::Serverless::Application, Properties: {Location: {ApplicationId: a, SemanticVersion: 1}}}",
            "Resource with id [F] is an application of the Serverless Application Repository",
        ),
    ],
)
def test_an_invalid_sam_resource_is_refused(resource: Any, reason: Any) -> None:
    assert refusal(transformed, f"{SAM}Resources: {{F: {resource}}}").startswith(
        f"Transform AWS::Serverless-2016-10-31 failed with: {reason}"
    )


def test_the_output_of_a_transform_is_checked_as_a_template() -> None:
    assert refusal(prepared, f"{LANGUAGE}{templates.A}Nope: 1") == "Invalid template property or properties [Nope]"
