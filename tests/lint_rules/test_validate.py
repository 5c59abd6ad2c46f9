"""`validate-sagemaker-model` with the templates of the lint rules: the same findings at the same lines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lint_sagemaker_model import _validate
from once import made_once
from tests.lint_rules.linting import DATA, ROOT, TEMPLATES, marked, subject

# How a template is validated that is not validated as it is.
OPTIONS = {"opted-in": ("--type", "AWS::SageMaker::Model"), "region": ("--regions", "eu-west-1")}
# The rules of cfn-lint that the validator has under another ID.
VALIDATOR_IDS = {"E9376": "F6101", "E6101": "F6101", "E3002": "F3002"}


def validate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as its console script does, in a process of its own."""
    program = "import sys; from lint_sagemaker_model._validate import main; sys.exit(main())"
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path[:0] = {[str(ROOT / 'lint'), str(ROOT / 'src')]}; {program}",
    ]
    return subprocess.run([*command, *arguments], cwd=DATA, capture_output=True, text=True, check=False)


def found_in(output: str) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for name, line, rule in re.findall(r"^([\w.-]+):(\d+):\d+: ([A-Z]\d{4}) \S", output, re.MULTILINE):
        found.setdefault(name, []).append((int(line), rule))
    return found


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, str]]]:
    def validate_all(path: Path) -> None:
        output = validate(*(name for name in TEMPLATES if subject(name) not in OPTIONS)).stdout
        for kind, options in OPTIONS.items():
            output += validate(*(name for name in TEMPLATES if subject(name) == kind), *options).stdout
        path.write_text(output)

    return found_in(made_once(tmp_path_factory, "validated.txt", validate_all).read_text())


@pytest.mark.parametrize("template", TEMPLATES)
def test_findings_are_at_the_marked_lines(findings: dict[str, list[tuple[int, str]]], template: str) -> None:
    # E3031 is the pattern of a property of AWS's own type, which E9370 reports as well.
    expected = [(line, VALIDATOR_IDS.get(rule, rule)) for line, rule in marked(template) if rule != "E3031"]
    assert findings.get(template, []) == expected


def test_every_finding_is_a_line_with_its_place() -> None:
    process = validate("schema-bad.yaml")
    assert (process.returncode, process.stderr) == (1, "")
    lines = process.stdout.splitlines()
    assert lines == sorted(lines, key=lambda line: [int(part) for part in line.split(":")[1:3]])
    assert lines[2] == (
        "schema-bad.yaml:16:9: E9370 /properties/PrimaryContainer/Imgae is not a property of PrimaryContainer: "
        "did you mean Image?"
    )


def test_the_examples_are_valid() -> None:
    examples = sorted(map(str, (ROOT / "examples").glob("*.yaml")))
    process = validate(*examples, "--type", "AWS::SageMaker::Model")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


def test_templates_without_findings_have_exit_status_zero() -> None:
    process = validate("schema-good.yaml", "chain-good.yaml", "cdk-good.json")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


@pytest.mark.parametrize("text", ["Resources: [", "Resources: !Foo {a: [}", '{"Resources": '])
def test_an_unreadable_template_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe")
    process = validate(str(file), "schema-bad.yaml", str(tmp_path / "none.yaml"), str(binary), str(tmp_path))
    assert process.returncode == 2
    assert f"{binary}: cannot be read: it is not text in UTF-8\n" in process.stderr
    assert f"{tmp_path}: cannot be read: it is a directory. Name the templates in it, such as" in process.stderr
    assert f"{file}: cannot be read: " in process.stderr
    assert f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory" in process.stderr
    assert "Traceback" not in process.stderr
    assert "schema-bad.yaml:16:9: E9370" in process.stdout


def test_rules_can_be_ignored_by_option_and_by_metadata(tmp_path: Path) -> None:
    text = (DATA / "advice-bad.yaml").read_text()
    rules = {rule for _, rule in marked("advice-bad.yaml")}
    assert {"W9363", "W9364"} < rules
    for metadata, options in (("", ("--ignore", "W9363")), ("W9363", ())):
        file = tmp_path / "advice.yaml"
        file.write_text(text + f"\nMetadata: {{cfn-lint: {{config: {{ignore_checks: [{metadata}]}}}}}}\n")
        output = validate(str(file), *options).stdout
        assert {rule for rule in rules if f": {rule} " in output} == rules - {"W9363"}


def test_findings_in_json_with_tabs_have_lines(tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    file.write_text(
        '{\n\t"Resources": {\n\t\t"Model": {\n\t\t\t"Type": "Acme::SageMaker::Model",\n\t\t\t"Properties": {\n'
        '\t\t\t\t"PrimaryContainer": {"Image": "x"},\n\t\t\t\t"Containers": [{"Image": "y"}]}}}}\n'
    )
    assert f"{file}:5:4: E9360 /properties has both PrimaryContainer and Containers" in validate(str(file)).stdout


def test_other_resources_are_validated_by_the_rules_of_aws(tmp_path: Path) -> None:
    file = tmp_path / "bucket.yaml"
    file.write_text("Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties: {BucketNam: x}\n")
    assert re.search(rf"^{re.escape(str(file))}:4:\d+: F3002 ", validate(str(file)).stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--regions", "us-east-1", "x.yaml"], "x.yaml is not a region: write the templates before --regions"),
        (["--regions", "us-gov-west-1"], "name at least one template"),
        ([], "name at least one template"),
    ],
)
def test_arguments_without_a_template_are_explained(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        _validate.main(arguments)
    assert exited.value.code == 2
    assert reason in capsys.readouterr().err
