"""cfn-lint with the rules of lint/: findings of templates and their lines."""

import copy
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import decode
from cfnlint.rules import Rules
from cfnlint.template import Template

import programs
from aws_sagemaker_model import properties, validation
from lint_sagemaker_model.all_rules import ALL_RULES
from tests.lint_rules.linting import (
    DATA,
    ROOT,
    RULES,
    TEMPLATES,
    Findings,
    found_once,
    lint,
    lint_in_another_process,
    marked,
    subject,
)

# How a template is checked that is not checked as it is.
OPTIONS = {
    "opted-in": ("--configure-rule", "E9360:types=AWS-SageMaker-Model"),
    "region": ("--regions", "eu-west-1"),
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    def find() -> Findings:
        found = lint(*(DATA / name for name in TEMPLATES if subject(name) not in OPTIONS))
        for kind, options in OPTIONS.items():
            templates = [DATA / name for name in TEMPLATES if subject(name) == kind]
            found += lint_in_another_process(*templates, options=options)
        return found

    return found_once(tmp_path_factory, "findings.json", find)


@pytest.mark.parametrize("template", TEMPLATES)
def test_findings_are_exactly_at_the_marked_lines(findings: Findings, template: str) -> None:
    assert [(line, rule) for name, line, rule, _ in findings if name == template] == marked(template)
    assert bool(marked(template)) == template.endswith("-bad.yaml")


@pytest.mark.parametrize("kind", sorted({subject(name) for name in TEMPLATES} - {"cdk", "sam", "long-forms"}))
def test_every_subject_has_a_good_and_a_bad_example(kind: str) -> None:
    assert {f"{kind}-good.yaml", f"{kind}-bad.yaml"} <= set(TEMPLATES)


def test_the_default_region_is_not_a_region_of_the_stack() -> None:
    assert lint(DATA / "region-bad.yaml") == []
    several = ("--regions", "us-east-1", "us-west-2")
    assert {rule for _, _, rule, _ in lint(DATA / "region-bad.yaml", options=several)} == {"E9367"}


@pytest.mark.parametrize(
    ("options", "variables", "count"),
    [
        ((), {}, 0),
        (("--regions", "us-east-1"), {}, 1),
        (("-r", "us-east-1"), {}, 1),
        ((), {"AWS_REGION": "us-east-1"}, 1),
        (("--regions", "us-west-2"), {}, 3),
    ],
)
def test_an_explicit_region_is_the_region_of_the_stack(
    tmp_path: Path, options: tuple[str, ...], variables: dict[str, str], count: int
) -> None:
    shutil.copy(DATA / "region-bad.yaml", tmp_path)
    output = command_line("region-bad.yaml", *options, "--append-rules", str(RULES), directory=tmp_path, **variables)
    assert output.count("E9367") == count


def test_every_rule_of_the_type_has_a_template_that_breaks_it() -> None:
    resources = decode(str(DATA / "E9360-bad.yaml"))[0]["Resources"].values()
    broken = {
        rule
        for rule in validation.RULES
        for one in resources
        for _ in rule(without_functions(one.get("Properties", {})))
    }
    assert broken == set(validation.RULES)


def without_functions(value: Any) -> Any:
    """Take the last outcome of each condition, and leave other functions unknown."""
    if isinstance(value, list):
        return [without_functions(item) for item in value if item != {"Ref": "AWS::NoValue"}]
    if isinstance(value, dict):
        if "Fn::If" in value:
            return without_functions(value["Fn::If"][2])
        return properties.UNKNOWN if "Ref" in value else {key: without_functions(item) for key, item in value.items()}
    return value


def test_every_rule_has_a_template_that_breaks_it(findings: Findings) -> None:
    assert {rule for _, _, rule, _ in findings} >= {rule.id for rule in own_rules()}


def test_messages_have_a_place_and_a_reason_without_values(findings: Findings) -> None:
    own = {rule.id for rule in own_rules()}
    messages = [message for _, _, rule, message in findings if rule in own]
    assert [
        message for message in messages if not re.match(r"(/properties[/\w]* |must be one of )[a-z]?", message)
    ] == []
    assert [message for message in messages if re.search("abcdef|0123|AKIA|s3://|fraud|same$", message)] == []


def test_rule_ids_are_unique_and_in_the_range_for_user_rules() -> None:
    # Its own documentation: user rules are E9XXX; a file of custom rules numbers them from E9001.
    ids = [rule.id for rule in own_rules()]
    assert len(set(ids)) == len(ids)
    assert [rule for rule in ids if not re.fullmatch(r"[EW]93[67]\d", rule)] == []


def test_rules_are_documented_under_their_ids() -> None:
    readme = (RULES / "README.md").read_text()
    assert {rule.id for rule in own_rules()} == set(re.findall(r"^\| ([EW]\d{4}) \|", readme, re.MULTILINE))


def own_rules() -> list[Any]:
    return list(Rules.create_from_directory(str(RULES)).values())


def properties_at_every_depth(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    for step, member in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from properties_at_every_depth(member, (*place, step))


FUNCTIONS = [
    pytest.param({"Ref": "Something"}, id="Ref"),
    pytest.param({"Fn::GetAtt": ["Something", "Arn"]}, id="GetAtt"),
    pytest.param({"Fn::If": ["Undefined", "one", "two"]}, id="If without its condition"),
    pytest.param({"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}}, id="Transform"),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("template", ["E9360-good.yaml", "schema-good.yaml"])
def test_a_function_is_never_reported_as_a_wrong_value(template: str, function: dict[str, Any]) -> None:
    original, _ = decode(str(DATA / template))
    [rule] = [rule for rule in own_rules() if rule.id == "E9360"]
    rule.configure()
    tried = 0
    for name, resource in original["Resources"].items():
        for place in properties_at_every_depth(resource.get("Properties", {})):
            if resource["Type"].endswith("::SageMaker::Model") and "Fn::If" not in place:
                changed = copy.deepcopy(original)
                target = changed["Resources"][name]["Properties"]
                for step in place[:-1]:
                    target = target[step]
                target[place[-1]] = function
                matches = rule.match(Template(template, changed, ["us-east-1"]))
                found = [match.message for match in matches if match.rule.id in ("E9360", "E9370")]
                assert found == [], place
                tried += 1
    assert tried > 20


def command_line(*arguments: str, directory: Path, **variables: str) -> str:
    """Run cfn-lint in a process of its own, away from this repository, and return what it prints."""
    command = [programs.program("cfn-lint"), *arguments, "--format", "parseable"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **variables}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False).stdout


def test_the_rules_work_in_another_repository(tmp_path: Path) -> None:
    shutil.copy(DATA / "schema-bad.yaml", tmp_path)
    output = command_line("schema-bad.yaml", "--append-rules", str(RULES), directory=tmp_path)
    assert re.findall(r"^schema-bad.yaml:(\d+):.*?:([EW]\d{4}):", output, re.MULTILINE) == [
        (str(line), rule) for line, rule in marked("schema-bad.yaml")
    ]


def test_without_the_rules_cfn_lint_reports_nothing(tmp_path: Path) -> None:
    # The reason for the rules: when this fails, cfn-lint has begun to validate registered types by itself.
    schema = (ROOT / "aws-sagemaker-model.json").read_text().replace("AWS::SageMaker", "Acme::SageMaker")
    template = (DATA / "schema-bad.yaml").read_text().replace("AWS::SageMaker", "Acme::SageMaker")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "model.json").write_text(schema)
    (tmp_path / "template.yaml").write_text(template)
    assert command_line("template.yaml", "--registry-schemas", "schemas", directory=tmp_path) == ""
    assert command_line("template.yaml", directory=tmp_path).count("E3006") == 1


@pytest.mark.parametrize(
    ("name", "options", "settings"),
    [
        pytest.param("Acme::Hosting::Alien", (), "", id="not"),
        pytest.param("Acme::Hosting::InFile", (), "[Acme::Hosting::InFile]", id="in a file"),
        # cfn-lint takes no colon within a value on its command line.
        pytest.param(
            "Acme::Hosting::Named",
            ("--configure-rule", "E9360:types=Acme-Hosting-Named"),
            "",
            id="on the command line",
        ),
    ],
)
def test_other_type_names_can_be_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: tuple[str, ...], settings: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if settings:
        Path(".cfnlintrc").write_text(f"configure_rules: {{E9360: {{types: {settings}}}}}")
    template = tmp_path / "template.yaml"
    template.write_text((DATA / "schema-bad.yaml").read_text().replace("Acme::SageMaker::Model", name))
    rules = {rule for _, _, rule, _ in lint(template, options=options)}
    assert rules.isdisjoint({"E3006"}) == bool(options or settings)
    assert rules.isdisjoint({"E9370"}) != bool(options or settings)


IGNORED = [rule.id for rule in ALL_RULES if rule.id != "E9367"]


def that_break(rule: str, findings: Findings) -> list[str]:
    """The templates in which a rule speaks as they are."""
    return sorted({name for name, _, spoke, _ in findings if spoke == rule and subject(name) not in OPTIONS})


def without(rule: str, findings: Findings) -> Findings:
    templates = that_break(rule, findings)
    assert templates
    return [finding for finding in findings if finding[0] in templates and finding[2] != rule]


@pytest.fixture(scope="module")
def ignoring(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Findings]:
    """What is found in the templates that break a rule when they ignore it, by rule: one run checks them all."""

    def find() -> Findings:
        folder = tmp_path_factory.mktemp("ignoring")
        for rule in IGNORED:
            for name in that_break(rule, findings):
                metadata = f"\nMetadata: {{cfn-lint: {{config: {{ignore_checks: [{rule}]}}}}}}\n"
                (folder / f"{rule} {name}").write_text((DATA / name).read_text() + metadata)
        return lint(*folder.iterdir())

    found = found_once(tmp_path_factory, "ignoring.json", find)
    prefixes = {rule: f"{rule} " for rule in IGNORED}
    return {
        rule: [
            (name.removeprefix(prefix), line, identifier, message)
            for name, line, identifier, message in found
            if name.startswith(prefix)
        ]
        for rule, prefix in prefixes.items()
    }


@pytest.mark.parametrize("rule", IGNORED)
def test_each_rule_can_be_ignored_separately(findings: Findings, ignoring: dict[str, Findings], rule: str) -> None:
    assert ignoring[rule] == without(rule, findings)


def test_a_rule_can_be_ignored_on_the_command_line(findings: Findings) -> None:
    templates = [DATA / name for name in that_break("W9364", findings)]
    assert lint(*templates, options=("--ignore-checks", "W9364")) == without("W9364", findings)
