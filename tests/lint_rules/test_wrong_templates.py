"""The rules of lint/ with completely wrong or too complex templates: no rule crashes or guesses."""

from pathlib import Path

import pytest

from tests.lint_rules.linting import lint
from tests.lint_rules.test_validate import validate

WRONG_PROPERTIES = {
    "list": "[]",
    "text": "text",
    "wrong types": "{PrimaryContainer: [1], Containers: {a: b}, Tags: {Key: a}, ModelName: [x]}",
    "wrong items": "{Containers: [1, [2], null], Tags: [1, null, {Key: [a]}, {Key: {a: b}}]}",
    "wrong members": "{PrimaryContainer: {Environment: [a], ModelDataSource: x, ImageConfig: 1}}",
    "wrong environment": "{PrimaryContainer: {Image: x, Environment: {1: {a: b}, b: [c]}}}",
    "wrong conditions": "{PrimaryContainer: {Fn::If: [A]}, Containers: {Fn::If: nothing}}",
    "condition that is no name": "{PrimaryContainer: {Fn::If: [[A], b, c]}}",
    "no value": "{Ref: AWS::NoValue}",
    "wrong functions": "{ModelName: {Fn::Join: [1, 2]}, PrimaryContainer: {Image: {Fn::Sub: [1]}}}",
}
WRONG_TEMPLATES = {
    "condition": "Conditions: null\nResources: {M: {Type: Acme::SageMaker::Model, Condition: [A]}}",
    "conditions": "Conditions: [A]\nResources: {M: {Type: Acme::SageMaker::Model, Condition: A}}",
    "parameters": "Parameters: [A]\nResources: {M: {Type: Acme::SageMaker::Model}}",
    "type": "Resources: {M: {Type: [Acme::SageMaker::Model]}, N: 1}",
    "endpoints": (
        "Resources:\n"
        "  M: {Type: Acme::SageMaker::Model, Properties: {ModelName: x}}\n"
        "  C: {Type: AWS::SageMaker::EndpointConfig, DependsOn: {a: b}, Properties: {ProductionVariants: x}}\n"
        "  D: {Type: AWS::SageMaker::EndpointConfig, Properties: {ProductionVariants: [1, [x]]}}\n"
        "  E: {Type: AWS::SageMaker::Endpoint, Properties: [EndpointConfigName]}\n"
    ),
    "loop": "Resources: {Fn::ForEach::M: [N, [a], {a: {Type: Acme::SageMaker::Model}}]}",
}
# More conditions than six leave a rule too many combinations to try.
CONDITIONS = {6: ["E9360"] * 5, 7: []}


def with_conditions(number: int) -> str:
    """A template whose containers depend on so many conditions."""
    names = [f"C{position}" for position in range(number)]
    parameters = "\n".join(f"  P{name}: {{Type: String}}" for name in names)
    conditions = "\n".join(f"  {name}: !Equals [!Ref P{name}, 'yes']" for name in names)
    containers = "\n".join(f"        - !If [{name}, {{Image: x, Mode: MultiModel}}, {{Image: y}}]" for name in names)
    return (
        f"Parameters:\n{parameters}\nConditions:\n{conditions}\nResources:\n  Model:\n"
        f"    Type: Acme::SageMaker::Model\n    Properties:\n      Containers:\n{containers}\n"
    )


MODEL = "Resources:\n  Model:\n    Type: Acme::SageMaker::Model\n    Properties: "
TEXTS = {
    **{f"properties {name}": f"{MODEL}{properties}\n" for name, properties in WRONG_PROPERTIES.items()},
    **{f"template {name}": text for name, text in WRONG_TEMPLATES.items()},
    **{f"conditions {number}": with_conditions(number) for number in CONDITIONS},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all templates of this module."""
    folder = tmp_path_factory.mktemp("written")
    for name, text in TEXTS.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def written(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Rule and message of each finding of cfn-lint, by the name of a template: one run checks them all."""
    found = lint(*folder.iterdir())
    return {name: [(rule, said) for file, _, rule, said in found if file == f"{name}.yaml"] for name in TEXTS}


@pytest.mark.parametrize("name", WRONG_PROPERTIES)
def test_completely_wrong_properties_crash_no_rule(written: dict[str, list[tuple[str, str]]], name: str) -> None:
    assert [message for rule, message in written[f"properties {name}"] if rule == "E0002"] == []


@pytest.mark.parametrize("name", WRONG_TEMPLATES)
def test_a_completely_wrong_template_crashes_no_rule(written: dict[str, list[tuple[str, str]]], name: str) -> None:
    own = [message for rule, message in written[f"template {name}"] if rule == "E0002" and "936" in message]
    assert own == []


@pytest.mark.parametrize("number", CONDITIONS)
def test_values_that_depend_on_too_many_conditions_are_unknown(
    written: dict[str, list[tuple[str, str]]], number: int
) -> None:
    assert [rule for rule, _ in written[f"conditions {number}"]] == CONDITIONS[number]


def test_the_validator_reports_findings_of_wrong_templates(folder: Path) -> None:
    process = validate(*map(str, sorted(folder.iterdir())))
    assert (process.returncode, process.stderr) == (1, "")
    assert process.stdout.count("E9360 ") >= CONDITIONS[6].count("E9360")


ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    "text", [ALIASES, "", "[]", "text", "null", "Resources: &a {b: *a}", "{" * 5000, "a: " + "[" * 50_000]
)
def test_a_file_that_is_not_a_template_is_refused_with_a_reason(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    process = validate(str(tmp_path / "odd.yaml"))
    assert process.returncode in (1, 2)
    assert "odd.yaml" in process.stdout + process.stderr
    assert "Traceback" not in process.stderr
