"""`cfnbox contract` on small projects: its report of failing handlers, and the input of the handlers."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import programs
from registry.package_builders import NAME, SCHEMA, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# They log their type configuration, and fail.
HANDLERS = """
def resource(event, _context):
    print("configured with", event["requestData"].get("typeConfiguration"))
    if event["action"] == "READ":
        return {"status": "FAILED", "errorCode": "NotFound", "message": "Nothing is there."}
    return answer(event["requestData"]["resourceProperties"])

def answer(desired):
    return {"status": "SUCCESS", "resourceModel": {"Size": desired["Size"]}}
"""
WITH_CONFIGURATION = {"typeConfiguration": {"properties": {"Key": {"type": "string"}}, "additionalProperties": False}}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose handlers fail, with inputs."""
    root = tmp_path / "note"
    files = {
        ".rpdk-config": json.dumps(SETTINGS | {"language": "python37", "runtime": "python3.7"}),
        "example-notes-note.json": json.dumps(SCHEMA | WITH_CONFIGURATION),
        "requirements.txt": "",
        "src/example_notes_note/__init__.py": "",
        "src/example_notes_note/handlers.py": HANDLERS,
        "inputs/inputs_1_create.json": '{"Text": "x"}',
        "inputs/inputs_1_update.json": '{"Text": "y"}',
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def contract(root: Path, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = [programs.program("cfnbox"), "contract", str(root), *arguments]
    environment: Mapping[str, str] = os.environ | {"HOME": str(home), "COLUMNS": "250"}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)


def test_a_failed_contract_test_reports_the_exception_its_line_and_the_log(project: Path, tmp_path: Path) -> None:
    line = (
        HANDLERS.splitlines().index('    return {"status": "SUCCESS", "resourceModel": {"Size": desired["Size"]}}')
        + 1
    )
    done = contract(project, "--select", "create_delete or create_read or create_list", home=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr.partition("short test summary info")[2]
    assert "Unhandled exception" not in done.stdout + done.stderr
    # The language of the project is one that the plugin of cfn does not have any more.
    assert "The project is for python37: its handlers run in Python 3." in done.stdout
    told = done.stdout.partition("failed   inputs_1  contract_create_delete")[2].partition("failed  ")[0]
    assert f"The handler ended with KeyError: 'Size' (example_notes_note/handlers.py:{line}, in answer)" in told
    assert "| configured with None" in told
    assert '"Size": desired["Size"]' in told
    shared = done.stdout.partition("contract_create_list (setup)")[2]
    assert "the failure of contract_create_" in shared
    assert f"{NAME} has a typeConfiguration, and its handlers get none here" in done.stderr
    assert "--type-configuration JSON" in done.stderr


@pytest.mark.parametrize("way", ["option", "file", "home"])
def test_a_type_configuration_reaches_the_handlers_with_its_secrets_hidden(
    project: Path, tmp_path: Path, way: str
) -> None:
    secret = {
        "Type": "AWS::SecretsManager::Secret",
        "Properties": {"Name": "note-key", "SecretString": "of-the-note"},
    }
    setup = tmp_path / "setup.json"
    setup.write_text(json.dumps({"Resources": {"Secret": secret}}))
    text = json.dumps({"Key": "{{resolve:secretsmanager:note-key}}"})
    path = tmp_path / (".cfn-cli/typeConfiguration.json" if way == "home" else "configuration.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    given = {"option": ["--type-configuration", text], "file": ["--type-configuration", str(path)], "home": []}[way]
    handlers = project / "src/example_notes_note/handlers.py"
    check = 'assert event["requestData"]["typeConfiguration"] == {"Key": "of-" + "the-note"}'
    handlers.write_text(HANDLERS.replace("    if event[", f"    {check}\n    if event[", 1))
    done = contract(
        project, *given, "--stack", str(setup), "--select", "update_without_create", "--log", home=tmp_path
    )
    assert "| configured with {'Key': '****'}" in done.stdout, done.stdout + done.stderr
    assert "KeyError: 'Size'" in done.stdout
    assert "AssertionError" not in done.stdout
    assert "of-the-note" not in done.stdout + done.stderr


def test_a_type_configuration_with_an_unresolvable_reference_is_refused(project: Path, tmp_path: Path) -> None:
    given = json.dumps({"Key": "{{resolve:ssm-secure:nothing}}"})
    done = contract(project, "--type-configuration", given, home=tmp_path)
    assert done.returncode == 1
    assert "The type configuration cannot be used. Could not resolve the dynamic reference" in done.stderr
    assert "--stack TEMPLATE deploys what it names." in done.stderr


def test_contract_tests_fail_for_a_type_without_handlers(project: Path, tmp_path: Path) -> None:
    schema: dict[str, Any] = {name: value for name, value in SCHEMA.items() if name != "handlers"}
    (project / "example-notes-note.json").write_text(json.dumps(schema))
    done = contract(project, home=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"Nothing of the type was tested: the schema of {NAME} declares no handlers." in done.stdout
    assert "contract tests FAILED: 1 passed, " in done.stdout
