"""How the folders lie: what Python imports must not depend on which of them it finds first."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cfnbox.cloudformation.status import ResourceStatus, StackStatus

ROOT = Path(__file__).resolve().parents[1]
TESTS = (ROOT / "tests", ROOT / "cfnbox" / "tests")


def test_no_test_folder_has_the_name_of_a_package() -> None:
    # `cfn test` has pytest load tests/conftest.py from the root: a folder beside it would hide a package of its name.
    packages = {
        path.parent.name for top in ("src", "lint", "cfnbox/src") for path in ROOT.glob(f"{top}/*/__init__.py")
    }
    folders = {path.parent.name for tests in TESTS for path in tests.rglob("*.py")} - {"tests"}
    assert {"cfnbox", "lint_sagemaker_model", "aws_sagemaker_model"} <= packages
    assert packages & folders == set()


def test_every_test_folder_is_a_package() -> None:
    # pytest puts the folder above the outermost package on sys.path: the root, and cfnbox/tests.
    folders = {path.parent for tests in TESTS for path in tests.rglob("test_*.py")} - {ROOT / "cfnbox" / "tests"}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("folder", ["src/aws_sagemaker_model", "cfnbox/src/cfnbox"])
def test_the_map_has_every_module_and_folder_of_the_code(folder: str) -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().partition(f"| `{folder}/` | |\n")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([\w.]+)/?`", section))
    modules = {path.name for path in (ROOT / folder).glob("[a-z]*.py")}
    folders = {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
    assert (modules | folders) - named == set()
    everywhere = {path.name for path in (ROOT / folder).rglob("*.py")} | {"schema.json"}
    assert {name for name in named if name.endswith((".py", ".json"))} - everywhere == set()


def test_no_module_but_status_spells_a_status() -> None:
    statuses = {str(status) for status in [*StackStatus, *ResourceStatus]}
    spelled = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in (ROOT / "cfnbox" / "src").rglob("*.py")
        # The second reads the statuses of ministack's stacks.
        if path.name not in ("status.py", "ministack_stacks.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in statuses
    }
    assert spelled == set()


def test_the_layers_of_cfnbox_hold() -> None:
    # Type-only imports count: the contracts are in pyproject.toml.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", "pyproject.toml", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_two_classes_of_cfnbox_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in sorted((ROOT / "cfnbox" / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert places["StackResource"]
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
