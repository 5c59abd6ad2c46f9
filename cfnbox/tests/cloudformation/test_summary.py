"""Capabilities that a template needs, and GetTemplateSummary."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.validate import validate_parameters

from cfnbox.core.errors import Refused
from cfnbox.template.summary import require_capabilities, summary
from cfnbox.template.syntax import parse
from cloudformation.templates import A, find

IAM, NAMED, MACRO = "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"


@pytest.mark.parametrize(
    ("body", "given", "missing"),
    [
        (A, [], None),
        ("Resources: {R: {Type: AWS::IAM::Role}}", [], IAM),
        ("Resources: {R: {Type: AWS::IAM::Role}}", [MACRO], IAM),
        ("Resources: {R: {Type: AWS::IAM::Role}}", [IAM], None),
        ("Resources: {R: {Type: AWS::IAM::Role}}", [NAMED], None),
        ("Resources: {R: {Type: AWS::IAM::Policy, Properties: {PolicyName: p}}}", [IAM], None),
        ("Resources: {R: {Type: AWS::IAM::Role, Properties: {RoleName: r}}}", [IAM], NAMED),
        ("Resources: {R: {Type: AWS::IAM::ManagedPolicy, Properties: {ManagedPolicyName: r}}}", [], NAMED),
        ("Resources: {R: {Type: AWS::IAM::User, Properties: {UserName: r}}}", [NAMED], None),
        (f"{A}Transform: AWS::LanguageExtensions", [], MACRO),
        (f"{A}Transform: AWS::LanguageExtensions", [MACRO], None),
        ("Transform: M\nResources: {R: {Type: AWS::IAM::Role}}", [], f"{IAM}, {MACRO}"),
        ("Resources: {R: {Type: T, Properties: {Fn::Transform: {Name: M}}}}", [], MACRO),
    ],
)
def test_missing_capabilities_are_refused(body: Any, given: Any, missing: Any) -> None:
    document = parse(body)
    if missing is None:
        require_capabilities(given, document, document)
        return
    with pytest.raises(Refused) as refused:
        require_capabilities(given, document, document)
    assert refused.value.code == "InsufficientCapabilitiesException"
    assert refused.value.message == f"Requires capabilities : [{missing}]"


def test_a_change_set_needs_capabilities_for_the_output_of_macros_only() -> None:
    document, processed = parse(f"{A}Transform: M"), parse("Resources: {R: {Type: AWS::IAM::Role}}")
    require_capabilities([IAM], document, processed, macros=False)
    with pytest.raises(Refused, match=r"Requires capabilities : \[CAPABILITY_IAM\]"):
        require_capabilities([MACRO], document, processed)


def test_get_template_summary_describes_a_template() -> None:
    answer = summary(
        parse(
            """
            AWSTemplateFormatVersion: "2010-09-09"
            Description: What it is
            Metadata: {A: [1]}
            Parameters:
              P: {Type: Number, Default: 1, AllowedValues: [1, 2], Description: A number}
              S: {Type: String, NoEcho: true, Default: secret}
            Resources:
              B: {Type: Acme::Test::Thing}
              A: {Type: Acme::Test::Thing}
              R: {Type: AWS::IAM::Role}
              U: {Type: No::Such::Type}
            """
        ),
        find,
    )
    assert answer == {
        "Parameters": [
            {
                "ParameterKey": "P",
                "ParameterType": "Number",
                "NoEcho": False,
                "DefaultValue": "1",
                "Description": "A number",
                "ParameterConstraints": {"AllowedValues": ["1", "2"]},
            },
            {
                "ParameterKey": "S",
                "ParameterType": "String",
                "NoEcho": True,
                "DefaultValue": "****",
                "ParameterConstraints": {},
            },
        ],
        "Description": "What it is",
        "Version": "2010-09-09",
        "Metadata": '{"A": [1]}',
        "Capabilities": ["CAPABILITY_IAM"],
        "CapabilitiesReason": "The following resource(s) require capabilities: [AWS::IAM::Role]",
        "ResourceTypes": ["AWS::IAM::Role", "Acme::Test::Thing", "No::Such::Type"],
        "ResourceIdentifierSummaries": [
            {"ResourceType": "AWS::IAM::Role", "LogicalResourceIds": ["R"], "ResourceIdentifiers": ["Id"]},
            {"ResourceType": "Acme::Test::Thing", "LogicalResourceIds": ["B", "A"], "ResourceIdentifiers": ["Id"]},
        ],
    }
    model = boto3.client("cloudformation", "eu-west-1").meta.service_model.operation_model("GetTemplateSummary")
    validate_parameters(answer, model.output_shape)
    assert answer.keys() <= model.output_shape.members.keys()


def test_the_summary_of_an_unexpanded_loop_has_no_types() -> None:
    answer = summary(parse("Transform: AWS::LanguageExtensions\nResources: {Fn::ForEach::L: [a, [b], {}]}"), find)
    # Recorded on AWS: a Version is there also without AWSTemplateFormatVersion.
    assert answer == {"Parameters": [], "DeclaredTransforms": ["AWS::LanguageExtensions"], "Version": "2010-09-09"}
