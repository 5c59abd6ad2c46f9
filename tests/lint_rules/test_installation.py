"""Installation in a repository of a user: by `pip install` and by the pre-commit hook."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data" / "lint"
TEMPLATES = ("advice-bad.yaml", "endpoints-bad.yaml", "schema-bad.yaml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which a copy of the repository was installed, without what it depends on."""
    copy, site = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for directory in ("lint", "src"):
        shutil.copytree(
            ROOT / directory, copy / directory, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--target", str(site)]
    subprocess.run([*pip, "--no-index", "--no-deps", "--no-build-isolation", str(copy)], check=True)
    return site


def test_the_installed_command_applies_the_rules(site: Path, tmp_path: Path) -> None:
    for name in TEMPLATES:
        shutil.copy(DATA / name, tmp_path)
    process = subprocess.run(
        [sys.executable, str(site / "bin" / "lint-sagemaker-model"), "*.yaml", "--format", "parseable"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    expected = [
        (name, str(number), rule)
        for name in TEMPLATES
        for number, line in enumerate((DATA / name).read_text().splitlines(), 1)
        for rule in re.findall(r"(?<=[# ])[EW]\d{4}(?= |$)", line)
    ]
    found = re.findall(r"^([\w-]+\.yaml):(\d+):.*?:([EW]\d{4}):", process.stdout, re.MULTILINE)
    assert sorted(found) == sorted(expected)
    assert process.returncode not in (0, 1)
    assert process.stderr == ""


def test_the_installed_validator_applies_the_rules(site: Path, tmp_path: Path) -> None:
    for name in TEMPLATES:
        shutil.copy(DATA / name, tmp_path)
    process = subprocess.run(
        [sys.executable, str(site / "bin" / "validate-sagemaker-model"), *TEMPLATES],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (1, "")
    assert {line.partition(":")[0] for line in process.stdout.splitlines()} == set(TEMPLATES)


def test_the_rules_do_not_import_libraries_of_the_handlers(site: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import aws_sagemaker_model.validation; "
        "print({name.split('.')[0] for name in sys.modules} & {'boto3', 'botocore', 'cloudformation_cli_python_lib'})"
    )
    output = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"


def test_the_hook_runs_the_installed_command() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {hook["language"] for hook in hooks} == {"python"}
    assert {hook["entry"] for hook in hooks} == {hook["id"] for hook in hooks} == PROJECT["scripts"].keys()
    readme = (ROOT / "lint" / "README.md").read_text()
    assert "id: validate-sagemaker-model # or lint-sagemaker-model" in readme


def test_the_version_is_the_latest_of_the_changelog() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == PROJECT["version"]
