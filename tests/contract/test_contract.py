"""AWS's own contract tests, unmodified, and the inputs they run with."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import programs
from programs import Command
from tests.conftest import ROOT, SCHEMA, Invoke, Json

INPUTS = {
    1: "a single container",
    2: "a pipeline of containers, under a name of its own",
    3: "a multi-model container from a private registry, in a VPC",
    4: "an uncompressed gated model through a hub, with additional data sources",
    5: "a model package beside an image, invoked directly",
}
TESTS = 15
# The identifier is read-only, so that no request can choose it and none can repeat it.
SKIPPED = {"contract_create_create", "contract_delete_create"}
WHY_SKIPPED = "No writable identifiers. Skipping test. The identifier, ModelArn, is read-only"

# What each inputs_N_invalid.json does wrong, by the JSON pointers that the answer must name.
INVALID = {
    1: {"/properties/ModelArn", "/properties"},
    2: {"/properties/Containers/1/ContainerHostname"},
    3: {
        "/properties/PrimaryContainer/ModelDataSource",
        "/properties/PrimaryContainer/ImageConfig/RepositoryAccessMode",
    },
    4: {f"/properties/PrimaryContainer/ModelDataSource/S3DataSource/{name}" for name in ("S3Uri", "CompressionType")},
    5: {"/properties/Containers/0/Image", "/properties/Tags/0/Key", "/properties/Tags/1/Key"},
}

FORGETFUL_DELETE = """
@resource.handler(Action.DELETE)
def forgetful_delete(_session, _request, _context):
    return ProgressEvent(status=OperationStatus.SUCCESS)
"""


def _contract(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [programs.program("cfnbox"), "contract", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)


def _outcomes(output: str) -> dict[tuple[int, str], str]:
    lines = re.findall(r"^(passed|skipped|failed) +inputs_(\d+) +(\w+)", output, re.MULTILINE)
    return {(int(number), test): outcome for outcome, number, test in lines}


def _inputs(number: int, kind: str) -> Json:
    document: dict[str, Any] = json.loads((ROOT / "inputs" / f"inputs_{number}_{kind}.json").read_text())
    return document


@pytest.fixture
def first_inputs(tmp_path: Path) -> Path:
    """A folder with the first set of inputs alone."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    for path in (ROOT / "inputs").glob("inputs_1_*.json"):
        shutil.copy(path, folder)
    return folder


def test_all_contract_tests_that_apply_pass(tmp_path: Path) -> None:
    run = _contract(str(ROOT), cwd=tmp_path)
    outcomes = _outcomes(run.stdout)

    assert run.returncode == 0, run.stdout + run.stderr
    assert Counter(number for number, _ in outcomes) == dict.fromkeys(INPUTS, TESTS)
    assert {name for name, outcome in outcomes.items() if outcome == "skipped"} == {
        (number, test) for number in INPUTS for test in SKIPPED
    }
    assert set(outcomes.values()) == {"passed", "skipped"}
    for test in SKIPPED:
        assert f"skipped {test} ({len(INPUTS)} times): {WHY_SKIPPED}" in run.stdout
    passed = len(INPUTS) * (TESTS - len(SKIPPED))
    last = run.stdout.splitlines()[-1]
    assert last.startswith(f"contract tests passed: {passed} passed, {len(INPUTS) * len(SKIPPED)} skipped, 0 failed")
    # cfn itself leaves an rpdk.log where it runs.
    assert list(tmp_path.iterdir()) == []


def test_a_handler_that_breaks_the_contract_is_found_out(tmp_path: Path, first_inputs: Path) -> None:
    code = tmp_path / "code"
    shutil.copytree(ROOT / "src", code)
    with (code / "aws_sagemaker_model" / "handlers.py").open("a") as handlers:
        handlers.write(FORGETFUL_DELETE)

    run = _contract(
        "--code", str(code), "--inputs", str(first_inputs), "--select", "delete_delete or check_asserts_work"
    )

    assert run.returncode == 1
    assert _outcomes(run.stdout) == {
        (1, "contract_delete_delete"): "failed",
        (1, "contract_check_asserts_work"): "passed",
    }
    assert "contract tests FAILED: 1 passed, 0 skipped, 1 failed, 1 set of inputs" in run.stdout
    assert "Created and not deleted: 1." in run.stdout
    assert "status should be FAILED" in run.stderr


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--code", "nowhere", "--code nowhere is not a directory"),
        ("--inputs", "nowhere", "--inputs nowhere holds no inputs_1_create.json"),
        ("--schema", "nowhere.json", "nowhere.json"),
    ],
    ids=["code", "inputs", "schema"],
)
def test_what_is_not_there_is_refused(option: str, value: str, problem: str) -> None:
    run = Command(ROOT)("contract", option, value)

    assert run.returncode == 1
    assert problem in run.stderr


def test_a_run_without_tests_is_no_success(first_inputs: Path) -> None:
    run = _contract("--inputs", str(first_inputs), "--select", "nothing")

    assert run.returncode == 1
    assert "--select nothing selects none of the tests: contract_check_asserts_work, contract_" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("number", INPUTS, ids=INPUTS.values())
def test_invalid_inputs_are_refused_with_every_violation(number: int, invoke: Invoke, client: Any) -> None:
    progress = invoke("CREATE", _inputs(number, "invalid"))

    assert (progress["status"], progress["errorCode"]) == ("FAILED", "InvalidRequest")
    assert set(re.findall(r"(?:^|; )(/\S*)", progress["message"])) >= INVALID[number]
    assert client.list_models()["Models"] == []


@pytest.mark.parametrize("number", INPUTS, ids=INPUTS.values())
def test_updates_change_the_tags_alone(number: int) -> None:
    created, updated = _inputs(number, "create"), _inputs(number, "update")

    assert created.pop("Tags") != updated.pop("Tags")
    assert created == updated


def test_the_inputs_state_every_property_that_can_be_stated() -> None:
    schema = json.loads(SCHEMA.read_text())
    read_only = {name.removeprefix("/properties/") for name in schema["readOnlyProperties"]}
    writable = {name: node for name, node in schema["properties"].items() if name not in read_only}
    stated = set().union(*(_stated(_inputs(number, "create"), "") for number in INPUTS))

    assert set(_declared(schema, {"properties": writable}, "")) - stated == set()


def _declared(schema: Json, node: Json, name: str) -> Iterator[tuple[str, str]]:
    """Every property with the one that holds it, so that a shape in two places is wanted once."""
    if "$ref" in node:
        node = schema["definitions"][node["$ref"].rpartition("/")[2]]
    for child, below in node.get("properties", {}).items():
        yield _holder(name), child
        yield from _declared(schema, below, child)
    if "items" in node:
        yield from _declared(schema, node["items"], name)


def _stated(value: Any, name: str) -> Iterator[tuple[str, str]]:
    for child, below in value.items() if isinstance(value, dict) else ():
        yield _holder(name), child
        yield from _stated(below, child)
    for below in value if isinstance(value, list) else ():
        yield from _stated(below, name)


def _holder(name: str) -> str:
    return "Containers" if name == "PrimaryContainer" else name
