"""Checks of a template before any resource is created."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from cfnbox.core.errors import Refused
from cfnbox.template.conditions import CONDITION_FUNCTIONS, active
from cfnbox.template.functions import USAGE, function_of, resolve
from cfnbox.template.references import dependencies
from cfnbox.template.syntax import objects
from cloudformation.templates import A, prepared, refusal
from hypothesis_settings import property_test

BLOCK = "Template format error: Unresolved resource dependencies [{}] in the {} block of the template"
CONDITION = "Template format error: Unresolved condition dependency {} in the {} block of the template"
THING = "Type: Acme::Test::Thing"
NEVER = (
    f"Conditions: {{Never: !Equals [a, b], Always: !Equals [a, a]}}\nResources:\n  A: {{{THING}, Condition: Never}}\n"
)
EXPORT = (
    "Template format error: Output O is malformed.  The Name field of Export must not depend on any resources, "
    "imported values, or Fn::GetAZs."
)
NO_ATTRIBUTE = "Template error: resource A does not support attribute type {} in Fn::GetAtt"
NO_STRING = "Template format error: The Value field of every Outputs member must evaluate to a String."


def with_property(value: Any) -> Any:
    return f"{A}  B: {{{THING}, Properties: {{P: {value}}}}}\nParameters: {{Given: {{Type: String, Default: x}}}}\n"


def with_output(value: Any) -> Any:
    return f"{A}Outputs: {{O: {{Value: {value}}}}}\nParameters: {{Given: {{Type: String, Default: x}}}}\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (with_property("!Ref Nope"), BLOCK.format("Nope", "Resources")),
        (with_property("!Ref AWS::Resion"), BLOCK.format("AWS::Resion", "Resources")),
        (with_property("!GetAtt Nope.Arn"), BLOCK.format("Nope", "Resources")),
        (with_property("!GetAtt Given.Arn"), BLOCK.format("Given", "Resources")),
        (with_property("!Sub '${Nope}${A}${Other.Arn}'"), BLOCK.format("Nope, Other", "Resources")),
        (with_property("!Sub ['${Nope}${X}', {X: !Ref Other}]"), BLOCK.format("Nope, Other", "Resources")),
        (
            with_property("{Deep: [{Er: !If [Always, !Ref Nope, x]}]}") + "Conditions: {Always: !Equals [a, b]}",
            BLOCK.format("Nope", "Resources"),
        ),
        (f"{A}  B: {{{THING}, DependsOn: [A, Nope]}}", BLOCK.format("Nope", "Resources")),
        (
            f"{A}  B: {{{THING}, DependsOn: Given}}\nParameters: {{Given: {{Type: String, Default: x}}}}",
            BLOCK.format("Given", "Resources"),
        ),
        (f"{A}  B: {{{THING}, Metadata: {{M: !Ref Nope}}}}", BLOCK.format("Nope", "Resources")),
        (with_property("!Ref Always") + "Conditions: {Always: !Equals [a, a]}", BLOCK.format("Always", "Resources")),
        (with_property("!Ref M") + "Mappings: {M: {a: {b: c}}}", BLOCK.format("M", "Resources")),
        (with_output("!Ref Nope"), BLOCK.format("Nope", "Outputs")),
        (with_output("!GetAtt Given.Arn"), BLOCK.format("Given", "Outputs")),
        # Conditions.
        (f"Resources: {{A: {{{THING}, Condition: Nope}}}}", CONDITION.format("Nope", "Resources")),
        (f"{A}Outputs: {{O: {{Value: x, Condition: Nope}}}}", CONDITION.format("Nope", "Outputs")),
        # Recorded on AWS.
        (with_property("!If [Nope, a, b]"), "Template error: unresolved condition dependency Nope in Fn::If"),
        (with_output("!If [Nope, a, b]"), "Template error: unresolved condition dependency Nope in Fn::If"),
        # A resource that its condition leaves out.
        (f"{NEVER}  B: {{{THING}, Properties: {{P: !Ref A}}}}", BLOCK.format("A", "Resources")),
        (
            f"{NEVER}  B: {{{THING}, Properties: {{P: !If [Always, !GetAtt A.Arn, x]}}}}",
            BLOCK.format("A", "Resources"),
        ),
        (f"{NEVER}  B: {{{THING}, DependsOn: A}}", BLOCK.format("A", "Resources")),
        # Recorded on AWS: without the prefix.
        (
            f"{NEVER}Outputs: {{O: {{Value: !Ref A}}}}",
            "Unresolved resource dependencies [A] in the Outputs block of the template",
        ),
        # Circles.
        (
            f"Resources: {{A: {{{THING}, DependsOn: B}}, B: {{{THING}, Properties: {{P: !Ref A}}}}}}",
            "Circular dependency between resources: [A, B]",
        ),
        (
            f"Resources: {{A: {{{THING}, Properties: {{P: !Sub '${{A.Arn}}'}}}}}}",
            "Circular dependency between resources: [A]",
        ),
        # Attributes and types.
        (with_property("!GetAtt A.Nope"), NO_ATTRIBUTE.format("Nope")),
        (with_property("!Sub '${A.Nope}'"), NO_ATTRIBUTE.format("Nope")),
        (with_output("!GetAtt A.Nope"), NO_ATTRIBUTE.format("Nope")),
        (
            "Resources: {A: {Type: AWS::CloudFormation::Stack}}\nOutputs: {O: {Value: !GetAtt A.X}}",
            NO_ATTRIBUTE.format("X"),
        ),
        (
            "Resources: {A: {Type: No::Such::Type}, B: {Type: AWS::S3::Buckets}}",
            "Template format error: Unrecognized resource types: [AWS::S3::Buckets, No::Such::Type]",
        ),
        # Functions.
        (
            with_property("{'Fn::Nope': x}"),
            "Template Error: Encountered unsupported function: Fn::Nope Supported functions are: [",
        ),
        (
            with_property("{'fn::sub': x}"),
            "Template Error: Encountered unsupported function: fn::sub Supported functions are: [",
        ),
        (
            with_property("!Equals [a, b]"),
            "Template error: [/Resources/B/Properties/P] Fn::Equals cannot be partially collapsed",
        ),
        (with_property("{Ref: [A]}"), "Template error: All References must be of type string"),
        (with_property("!GetAtt A"), "Template error: every Fn::GetAtt object requires two non-empty parameters"),
        (with_property("!Join [a]"), "Template error: every Fn::Join object requires two parameters"),
        (with_property("!If [a, b]"), "Template error: Fn::If requires a list argument with three elements"),
        (with_property("!Select 0"), "Template error: Fn::Select requires a list argument with two elements"),
        (
            with_property("!Sub {a: b}"),
            "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments.",
        ),
        (with_property("!Sub '${A B}'"), "Template error: variable names in Fn::Sub syntax must contain only"),
        (with_property("!FindInMap [M, a]"), "Template error: every Fn::FindInMap object requires three parameters"),
        (
            with_property("!FindInMap [M, a, b]"),
            "Template error: Mapping named 'M' is not present in the 'Mappings' section of template.",
        ),
        (
            with_property("!FindInMap [M, a, b]") + "Mappings: {M: {a: {}}}",
            "Template error: Unable to get mapping for M::a::b",
        ),
        (with_output("!Equals [a, b]"), NO_STRING),
        (with_output("{a: b}"), NO_STRING),
        (f"{A}Outputs: {{O: {{Value: x, Export: {{Name: !Ref A}}}}}}", EXPORT),
        (f"{A}Outputs: {{O: {{Value: x, Export: {{Name: !Sub 'x-${{A.Arn}}'}}}}}}", EXPORT),
        (f"{A}Outputs: {{O: {{Value: x, Export: {{Name: !ImportValue y}}}}}}", EXPORT),
    ],
)
def test_an_invalid_template_is_refused(body: Any, message: str) -> None:
    assert (refusal(prepared, body) or "").startswith(message)


@pytest.mark.parametrize(
    "body",
    [
        A,
        with_property("[!Ref A, !Ref Given, !Ref AWS::Region, !GetAtt A.Arn, !GetAtt A.Endpoint.Port]"),
        with_property("!Sub ['${A}${A.Arn}${Given}${X}${!Nope}', {X: y}]"),
        with_property("!GetAtt [A, !Ref Given]"),
        with_property("{Condition: {StringEquals: {a: b}}}"),
        with_property("{Ref: A, Also: b}"),
        "Resources: {A: {Type: Custom::Any}, B: {Type: AWS::CloudFormation::CustomResource}}\n"
        "Outputs: {O: {Value: !Sub '${A.Any.Thing}${B.X}'}}",
        "Resources: {A: {Type: AWS::CloudFormation::Stack}}\nOutputs: {O: {Value: !GetAtt A.Outputs.Any}}",
        # What a condition leaves out may refer to what it leaves out, and need not exist as a type.
        f"{NEVER}  B: {{{THING}, Condition: Never, DependsOn: A, Properties: {{P: !Ref A}}}}\n  C: {{{THING}}}",
        f"{NEVER}  B: {{{THING}, Properties: {{P: !If [Never, !Ref A, x]}}}}",
        f"{NEVER}  B: {{{THING}}}\nOutputs: {{O: {{Condition: Never, Value: !Ref A}}}}",
        f"{NEVER}  B: {{Type: No::Such::Type, Condition: Never}}",
        f"{NEVER}  B: {{{THING}, Properties: {{P: !If [Never, !Ref C, x]}}}}\n  C: {{{THING}, DependsOn: B}}",
        f"{A}Outputs: {{O: {{Value: x, Export: {{Name: !Sub '${{AWS::StackName}}-x'}}}}}}",
    ],
)
def test_a_valid_template_is_accepted(body: Any) -> None:
    assert refusal(prepared, body) is None


def test_the_dependency_graph_follows_all_references_of_a_resource() -> None:
    processed, scope = prepared(
        f"Conditions: {{Always: !Equals [a, a]}}\nResources:\n  A: {{{THING}}}\n  B: {{{THING}}}\n  C: {{{THING}}}\n"
        f"  D: {{{THING}, DependsOn: A, Properties: {{P: !If [Always, !Sub '${{B.Arn}}', !Ref C]}}}}\n"
        f"  E: {{{THING}, DependsOn: [C, D], Metadata: {{M: !Ref A}}}}\n"
    )
    graph = dependencies(active(processed["Resources"], scope.conditions), scope.conditions)
    assert graph == {"A": set(), "B": set(), "C": set(), "D": {"A", "B"}, "E": {"A", "C", "D"}}


RULE = "Parameters: {P: {Type: String}, L: {Type: CommaDelimitedList, Default: 'a,b'}}\nRules: {R: "


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{Assertions: [{Assert: !Contains [[x, y], !Ref P]}]}", None),
        (
            "{Assertions: [{Assert: !Not [!Contains [[x, y], !Ref P]], AssertDescription: Choose z}]}",
            "Template error: Rule R is not met: Choose z",
        ),
        ("{RuleCondition: !Equals [!Ref P, z], Assertions: [{Assert: !Equals [a, b]}]}", None),
        (
            "{RuleCondition: !Equals [!Ref P, x], Assertions: [{Assert: !Equals [a, b]}]}",
            "Template error: Rule R is not met: an assertion does not hold",
        ),
        ("{Assertions: [{Assert: !EachMemberIn [!Ref L, [a, b, c]]}]}", None),
        (
            "{Assertions: [{Assert: !EachMemberEquals [!Ref L, a]}]}",
            "Template error: Rule R is not met: an assertion does not hold",
        ),
        (
            "{Assertions: [{Assert: !Contains [a]}]}",
            "Template error: Fn::Contains requires a list argument with two elements",
        ),
        ("{Assertions: x}", "Template format error: Rule R needs a list of Assertions, each of them with an Assert."),
        (
            "{Assertions: [{Assert: !If [a, b, c]}]}",
            "Template format error: Following functions are not supported in the Rules block of the template: "
            "[Fn::If]",
        ),
        (
            "{Assertions: [{Assert: !Contains [!RefAll 'AWS::EC2::VPC::Id', x]}]}",
            "Fn::RefAll reads the resources of an account, which cfnbox does not have: leave the rule out.",
        ),
    ],
)
def test_parameter_rules_are_enforced(rule: Any, message: str) -> None:
    assert refusal(prepared, f"{A}{RULE}{rule}}}", P="x") == message


WORDS = st.sampled_from(
    ["A", "B", "P", "Always", "M", "Nope", "A.Arn", "A.Nope", "${A}", "${P}x", "AWS::Region", "", "0"]
)
FUNCTIONS = st.sampled_from([*USAGE, *CONDITION_FUNCTIONS, "Fn::Nope", "a", "b"])
VALUES = st.recursive(
    WORDS | st.integers(-3, 3) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FUNCTIONS, inner, max_size=2),
    max_leaves=12,
)


@property_test()
@examples(VALUES, VALUES)
def test_an_accepted_template_resolves_completely_or_fails_with_a_message(value: Any, condition: Any) -> None:
    """Every template is refused or accepted. The resolved values of an accepted template contain no function."""
    document: dict[str, Any] = {
        "Parameters": {"P": {"Type": "String", "Default": "p"}},
        "Mappings": {"M": {"A": {"B": "c"}}},
        "Conditions": {"Always": {"Fn::Equals": ["a", "a"]}, "C": condition},
        "Resources": {
            "A": {"Type": "Acme::Test::Thing"},
            "B": {"Type": "Acme::Test::Thing", "Properties": {"P": value}},
        },
        "Outputs": {"O": {"Value": value, "Condition": "C"}},
    }
    if isinstance(condition, str):
        del document["Conditions"]["C"], document["Outputs"]["O"]["Condition"]
    with suppress(Refused):
        processed, scope = prepared(json.dumps(document))
        resolved = resolve(processed["Resources"]["B"]["Properties"], scope)
        assert not any(function_of(one) for one in objects(resolved))
