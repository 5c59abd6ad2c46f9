"""AWS's command `cfn` in the project's root, as AWS's guide has it, each time as a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cfnbox.handlers.runtime import TYPE_FUNCTION
from cfnbox.stack_client import DEFAULT_PORT
from tests.e2e.conftest import ROOT, started_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

CFN = str(Path(sys.executable).with_name("cfn"))
# The one thing that is not as at a user's: moto answers for STS, whose address cfn has in its code.
CFN_WITH_STS = """
import sys
import moto
from rpdk.core.cli import main

with moto.mock_aws(config={"core": {"passthrough": {"urls": ["^http://127[.]0[.]0[.]1"]}}}):
    main(sys.argv[1:])
"""
# A user's credentials are of an account of their own.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
ACCOUNT = "555566667777"
MODEL = {
    "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
    "PrimaryContainer": {"Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/inference:1"},
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[list[str]]:
    """The options that `cfnbox up` prints for cfn."""
    with started_cloud() as (url, _):
        yield ["--endpoint", url, "--function-name", "TypeFunction"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git has, or would have after the next commit, as a clone of its own."""
    if not shutil.which("git"):
        pytest.skip("git is not here")
    folder = tmp_path / "clone"
    made = (".git", ".venv*", "build", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "rpdk.log*", "*.zip")
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*made))
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    _git(folder, *identity, "commit", "--quiet", "--message", "everything")
    return folder


def _git(folder: Path, *arguments: str) -> str:
    command = [shutil.which("git") or "git", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def _cfn(*arguments: str, cwd: Path = ROOT, sts: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHONPATH"))}
    # -P: no folder but those of the environment, as with the console script.
    command = [sys.executable, "-P", "-c", CFN_WITH_STS] if sts else [CFN]
    return subprocess.run(
        [*command, *arguments],
        cwd=cwd,
        env={**environment, **CREDENTIALS, "MOTO_ACCOUNT_ID": ACCOUNT},
        capture_output=True,
        text=True,
        check=False,
    )


def test_cfn_test(endpoint: list[str]) -> None:
    # All sets of inputs, and two of the fifteen tests: `cfnbox contract` runs all of them in its own test.
    selected = "contract_create_list or contract_update_read"
    done = _cfn("test", *endpoint, "--", "-p", "no:cacheprovider", "-k", selected, sts=True)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = Counter(re.findall(r"(PASSED|FAILED|ERROR|SKIPPED) +\[", done.stdout))
    assert outcomes == {"PASSED": 2 * len(list(ROOT.glob("inputs/inputs_*_create.json")))}


def test_cfn_invoke(endpoint: list[str], tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"desiredResourceState": MODEL, "previousResourceState": {}}))
    done = _cfn("invoke", *endpoint, "resource", "CREATE", str(request), sts=True)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.rpartition("=== Handler response ===")[2])
    assert answer["status"] == "SUCCESS"
    assert answer["resourceModel"]["ModelArn"].startswith(f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/")


def test_the_documentation_gives_the_options_that_the_cloud_prints() -> None:
    shown = re.findall(
        r"^cfn (?:test|invoke) (.*?TypeFunction)", (ROOT / "cfnbox" / "README.md").read_text(), re.MULTILINE
    )
    assert shown == [f"--endpoint http://127.0.0.1:{DEFAULT_PORT} --function-name {TYPE_FUNCTION}"] * 2


def test_cfn_validate() -> None:
    done = _cfn("validate")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Resource schema is valid."), done.stdout


def test_cfn_generate_changes_the_role_and_the_first_lines_of_docs_alone(clone: Path) -> None:
    done = _cfn("generate", cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _git(clone, "status", "--short") == " M docs/README.md\n M resource-role.yaml\n"
    # It cannot write the condition and the link to the better pages, as the files themselves say.
    removed = [line for line in _git(clone, "diff").splitlines() if line.startswith("-")]
    assert any("iam:PassedToService" in line for line in removed)


def test_cfn_submit_leaves_nothing_that_git_sees(clone: Path) -> None:
    done = _cfn("submit", "--dry-run", cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (clone / "aws-sagemaker-model.zip").stat().st_size > 1 << 20
    assert _git(clone, "status", "--short") in ("", " M resource-role.yaml\n")


def test_the_tests_of_the_project_do_not_come_between_cfn_and_its_own() -> None:
    # pytest loads tests/conftest.py wherever cfn is installed, where moto and the rest of the cloud may not be.
    program = "import sys, tests.conftest; print(sorted({'boto3', 'moto', 'rich', 'cfnbox'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
