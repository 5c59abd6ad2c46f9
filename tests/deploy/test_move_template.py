"""`python -m tools.move_template`: its changes in templates of every style, and its refusals."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from tests.lint_rules.linting import lint
from tools import move_template
from tools.template_move import AWS_TYPE, CannotMove, move

OWN = "Acme::SageMaker::Model"

SHORT_FORMS = """\
# Kept: this comment says AWS::SageMaker::Model and ${Model.ModelName}.
AWSTemplateFormatVersion: '2010-09-09'
Parameters: {Stage: {Type: String}}   # and this layout
Conditions:
    IsLive: !Equals [!Ref Stage, live]


Resources:
    Model:
        Type: "AWS::SageMaker::Model"     # quoted
        Properties:
            ExecutionRoleArn: arn:aws:iam::123456789012:role/model
            PrimaryContainer: {Image: one, Environment: {NAME: model}}
    Other: {Type: 'AWS::SageMaker::Model', Condition: IsLive, Properties: {PrimaryContainer: {Image: two}}}
    Config:
        Type: AWS::SageMaker::EndpointConfig
        Properties:
            ProductionVariants:
              - VariantName: !Sub "${Model.ModelName}-main"
                ModelName: !If [IsLive, !GetAtt Other.ModelName, !GetAtt Model.ModelName]
                InitialVariantWeight: 1
                InitialInstanceCount: 1
                InstanceType: ml.m5.large
            Tags:
              - {Key: arn, Value: !GetAtt Model.ModelArn}
              - {Key: ref, Value: !Ref Model}
              - {Key: list, Value: !GetAtt [Model, ModelName]}
              - {Key: parts, Value: !Join ['-', [!Ref AWS::StackName, !GetAtt 'Model.ModelName']]}
Outputs:
    Name:
        Value: !GetAtt
          - Model
          - ModelName
    Described:
        Value: !Sub |
            The model ${Model.ModelName}, its ARN ${Model.ModelArn} and ${!Model.ModelName} literally,
            and once more: ${Model.ModelName}
    Folded:
        Value: !Sub
          - >-
            ${Config.EndpointConfigName} has ${Name},
            which is not ${Model.ModelName}
          - Name: !GetAtt Model.ModelName
    Shadowed:
        Condition: IsLive
        Value: !Sub ['${Text}: ${Other.ModelName}', {Text: 'ModelName'}]
"""

LONG_FORMS = """\
Resources:
  Model:
    Properties:
      PrimaryContainer:
        Image: one
    Type: AWS::SageMaker::Model
  Parameter:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Name:
        Fn::Sub: /models/${Model.ModelName}
      Value:
        Fn::GetAtt:
        - Model
        - ModelName
      Description:
        Fn::Sub:
        - '${Name} and ${Model.ModelName}'
        - Name:
            Fn::GetAtt: Model.ModelName
"""

LOOPS = """\
Transform: AWS::LanguageExtensions
Resources:
  ModelAlias:
    Type: AWS::SNS::Topic
  Fn::ForEach::Models:
    - Store
    - [One, Two]
    - Model${Store}:
        Type: AWS::SageMaker::Model
        Properties:
          PrimaryContainer: {Image: one}
      Topic${Store}:
        Type: AWS::SNS::Topic
        Properties:
          TopicName: !GetAtt [!Sub 'Model${Store}', ModelName]
Outputs:
  One: {Value: !GetAtt ModelOne.ModelName}
  Alias: {Value: !GetAtt ModelAlias.TopicName}
  Fn::ForEach::Names:
    - Name
    - [One, Two]
    - Out${Name}:
        Value: {'Fn::GetAtt': [{'Fn::Sub': 'Model${Name}'}, ModelName]}
"""


def plain(text: str) -> Any:
    """A template as CloudFormation reads it: no comments, no layout, short forms written out."""
    return json.loads(json.dumps(cfn_yaml.loads(text)))


def expected(value: Any) -> Any:
    """What a moved template must be: another Type, and Name where a reference to a model says ModelName."""
    match value:
        case {"Fn::GetAtt": [resource, "ModelName"]}:
            return {"Fn::GetAtt": [resource, "Name"]}
        case {"Fn::GetAtt": str(reference)}:
            return {"Fn::GetAtt": reference.replace(".ModelName", ".Name")}
        case {"Type": kind, **members} if kind == AWS_TYPE:
            return {"Type": OWN, **expected(members)}
        case dict():
            return {key: expected(member) for key, member in value.items()}
        case list():
            return [expected(member) for member in value]
        case str():
            return re.sub(r"\$\{(Model|Other)\.ModelName\}", r"${\1.Name}", value)
    return value


TEMPLATES = {"short": SHORT_FORMS, "long": LONG_FORMS, "loops": LOOPS}


@pytest.mark.parametrize("style", TEMPLATES)
def test_only_the_type_and_the_references_change(style: str) -> None:
    text = TEMPLATES[style]
    moved = move(text, AWS_TYPE, OWN).text
    assert plain(moved) == expected(plain(text))
    assert plain(moved) != plain(text)


@pytest.mark.parametrize("style", TEMPLATES)
def test_comments_layout_and_quotes_are_kept(style: str) -> None:
    text = TEMPLATES[style]
    words = r"(AWS|Acme)(?=::SageMaker::Model\b)|\b(Model)?Name\b"
    assert re.sub(words, "", move(text, AWS_TYPE, OWN).text) == re.sub(words, "", text)
    assert move(SHORT_FORMS, AWS_TYPE, OWN).text.startswith(SHORT_FORMS.splitlines()[0])


@pytest.mark.parametrize("style", TEMPLATES)
def test_moving_back_restores_the_template(style: str) -> None:
    moved = move(TEMPLATES[style], AWS_TYPE, OWN).text
    assert move(moved, OWN, AWS_TYPE).text == TEMPLATES[style]
    assert move(move(moved, OWN, "Other::SageMaker::Model").text, "Other::SageMaker::Model", OWN).text == moved


@pytest.mark.parametrize("indent", [None, 1, 4, "\t"], ids=str)
@pytest.mark.parametrize("style", TEMPLATES)
def test_json_keeps_its_layout(style: str, indent: Any) -> None:
    text = json.dumps(plain(TEMPLATES[style]), indent=indent)
    moved = move(text, AWS_TYPE, OWN).text
    assert json.loads(moved) == expected(json.loads(text))
    assert json.dumps(json.loads(moved), indent=indent) == moved


def test_a_moved_template_lints_clean(tmp_path: Path) -> None:
    for style, text in TEMPLATES.items():
        (tmp_path / f"{style}-before.yaml").write_text(text)
        (tmp_path / f"{style}-moved.yaml").write_text(move(text, AWS_TYPE, OWN).text)
        # What a search and replace would have done.
        (tmp_path / f"{style}-wrong.yaml").write_text(text.replace(AWS_TYPE, OWN))
    found = lint(*tmp_path.iterdir())
    assert {name for name, *_ in found} == {f"{style}-wrong.yaml" for style in TEMPLATES}
    for style in TEMPLATES:
        assert {rule for name, _, rule, _ in found if name == f"{style}-wrong.yaml"} & {
            "E1010",
            "E1019",
            "E6101",
            "E9376",
        }


@pytest.mark.parametrize("text", ["\ufeff" + LONG_FORMS, LONG_FORMS.replace("\n", "\r\n"), LONG_FORMS.rstrip()])
def test_line_ends_and_byte_order_marks_are_kept(text: str, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_bytes(text.encode())
    assert move_template.main([str(template), "--to", OWN, "--write"]) == 0
    assert template.read_bytes().decode() == text.replace(AWS_TYPE, OWN).replace("ModelName", "Name")


def resources(*lines: str) -> str:
    own = ["Resources:", f"  Model: {{Type: {AWS_TYPE}, Properties: {{PrimaryContainer: {{Image: one}}}}}}"]
    return "\n".join([*own, *lines, ""])


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("Resources: {", (1, 13), "this is not YAML or JSON"),
        ("[1, 2]", (1, 1), "it has no Resources"),
        ("", (1, 1), "it has no Resources"),
        (resources("Outputs:", "  A: {Value: !GetAtt Model.Image}"), (4, 14), "has no attribute Image"),
        (resources("Outputs:", "  A: {Value: !Sub '${Model.Image}'}"), (4, 14), "has no attribute Image"),
        (resources("Outputs:", "  A: {Value: !GetAtt [Model, !Ref B]}"), (4, 14), "which attribute is meant"),
        (resources("Outputs:", "  A: {Value: !GetAtt [!Ref B, ModelName]}"), (4, 14), "which resource is meant"),
        (resources("Outputs:", '  A: {Value: !GetAtt "Model.Model\\x4eame"}'), (4, 14), "written with escapes"),
        (resources("Outputs:", '  A: {Value: !Sub "\\x24{Model.ModelName}"}'), (4, 14), "written with escapes"),
        (resources("---", "Resources: {}"), (3, 1), "this is not YAML or JSON"),
    ],
)
def test_a_template_that_cannot_be_moved_is_refused_with_a_place(
    text: str, place: tuple[int, int], reason: str
) -> None:
    with pytest.raises(CannotMove, match=reason) as refused:
        move(text, AWS_TYPE, OWN)
    [remark] = refused.value.remarks
    assert (remark.line, remark.column) == place


def test_every_place_is_reported_and_nothing_is_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = tmp_path / "template.yaml"
    text = resources("Outputs:", "  A: {Value: !GetAtt Model.Image}", "  B: {Value: !Sub '${Model.Mode}'}")
    template.write_text(text)
    assert move_template.main([str(template), "--to", OWN, "--write"]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        f"{template}:4:14: {OWN} has no attribute Image: take it out first",
        f"{template}:5:14: {OWN} has no attribute Mode: take it out first",
        f"{template}: nothing was changed",
    ]
    assert template.read_text() == text


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("!GetAtt Model.CreationTime", "has no attribute CreationTime"),
        ("!GetAtt Model.DeploymentRecommendation", "has no attribute DeploymentRecommendation"),
    ],
)
def test_attributes_that_the_aws_type_lacks_cannot_be_moved_back(output: str, reason: str) -> None:
    text = resources("Outputs:", f"  A: {{Value: {output}}}").replace(AWS_TYPE, OWN)
    assert move(text, OWN, "Other::SageMaker::Model").text == text.replace("Acme", "Other")
    with pytest.raises(CannotMove, match=reason):
        move(text, OWN, AWS_TYPE)


def test_properties_that_the_aws_type_lacks_cannot_be_moved_back() -> None:
    text = resources().replace(AWS_TYPE, OWN).replace("{Image: one}", "{Image: one, AdditionalModelDataSources: []}")
    with pytest.raises(CannotMove, match="AWS's own type has no AdditionalModelDataSources: take it out first"):
        move(text, OWN, AWS_TYPE)


@pytest.mark.parametrize(
    ("lines", "remark"),
    [
        (["Description: for AWS::SageMaker::Model"], "AWS::SageMaker::Model stays here"),
        (["Transform: [AWS::LanguageExtensions, Acme]"], "what the macro Acme brings into the template"),
        (["Outputs:", "  Fn::Transform: {Name: AWS::Include}"], "what the macro brings into the template"),
        (["Transform: AWS::Serverless-2016-10-31"], None),
    ],
)
def test_remarks_for_the_author_are_printed(lines: list[str], remark: str | None) -> None:
    found = [one.text for one in move(resources(*lines), AWS_TYPE, OWN).remarks]
    assert len(found) == (remark is not None)
    assert remark is None or found[0].startswith(remark)


def test_the_command_shows_the_difference_and_writes_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template, other = tmp_path / "template.yaml", tmp_path / "other.json"
    template.write_text(LONG_FORMS)
    other.write_text('{"Resources": {}}')
    assert move_template.main([str(template), str(other), "--to", OWN]) == 0
    said = capsys.readouterr().out
    assert "-    Type: AWS::SageMaker::Model\n+    Type: Acme::SageMaker::Model\n" in said
    assert f"{template}: nothing is written yet: add --write" in said
    assert f"{other}: no resource is of the type {AWS_TYPE}" in said
    assert template.read_text() == LONG_FORMS

    assert move_template.main([str(template), "--to", OWN, "--write"]) == 0
    assert template.read_text() == move(LONG_FORMS, AWS_TYPE, OWN).text
    assert "deploy/migration.md" in capsys.readouterr().out
    assert move_template.main([str(template), "--to", "Other::SageMaker::Model", "--write"]) == 0
    said = capsys.readouterr().out
    assert f"but of {OWN}: give it by --from" in said
    assert "deploy/migration.md" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "Acme"], "is not a type name"),
        (["--to", "Amazon::SageMaker::Model"], "is reserved"),
        (["--to", AWS_TYPE], "give another --to"),
    ],
)
def test_invalid_type_names_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        move_template.main(["template.yaml", *arguments])
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


def test_unreadable_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin").write_bytes("Resources: {} # ä".encode("latin-1"))
    assert move_template.main([str(tmp_path / "latin"), str(tmp_path / "missing"), "--to", OWN]) == 1
    said = capsys.readouterr().err
    assert "this is not a text in UTF-8" in said
    assert "No such file" in said
