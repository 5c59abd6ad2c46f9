"""How the folders lie: what Python imports must not depend on which of them it finds first."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = (ROOT / "tests", ROOT / "laptop" / "tests")


def test_no_test_folder_has_the_name_of_a_package() -> None:
    # `cfn test` has pytest load tests/conftest.py from the root: a folder beside it would hide a package of its name.
    packages = {path.parent.name for top in (".", "src", "lint") for path in ROOT.glob(f"{top}/*/__init__.py")}
    folders = {path.parent.name for tests in TESTS for path in tests.rglob("*.py")} - {"tests"}
    assert {"laptop", "lint_sagemaker_model", "aws_sagemaker_model"} <= packages
    assert packages & folders == set()


def test_every_test_folder_is_a_package() -> None:
    # pytest puts the folder above the outermost package on sys.path: with these that is the root and nothing else.
    folders = {path.parent for tests in TESTS for path in tests.rglob("test_*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("folder", ["src/aws_sagemaker_model", "laptop"])
def test_the_map_has_every_module_and_folder_of_the_code(folder: str) -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().partition(f"| `{folder}/` | |\n")[2]
    named = set(re.findall(r"`([\w.]+)/?`", section.partition("\n\n")[0]))
    there = {path.name for path in (ROOT / folder).glob("[a-z]*.py")}
    there |= {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")} - {"tests"}
    assert there - named == set()
    everywhere = {path.name for path in (ROOT / folder).rglob("*.py")} | {"schema.json"}
    assert {name for name in named if name.endswith((".py", ".json"))} - everywhere == set()


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_control_plane_stays_small() -> None:
    files = {path.name: lines(path) for path in (ROOT / "laptop" / "cloudformation").glob("*.py")}
    assert len(files) > 10
    assert sum(files.values()) < 2500
    assert {name for name, length in files.items() if length >= 350} == set()


# What each folder of the laptop cloud may import of the others: who is above whom.
BELOW = {
    "template": (),
    "providers": ("template",),
    "cloudformation": ("template", "providers"),
    "cloudcontrol": ("providers",),
    "registry": ("providers",),
}


@pytest.mark.parametrize("folder", BELOW)
def test_no_folder_of_the_laptop_cloud_imports_upwards(folder: str) -> None:
    # Imports for types alone are indented.
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "laptop" / folder).glob("*.py")]
    imports = {found for text in texts for found in re.findall(r"^from laptop\.(\w+)\.", text, re.MULTILINE)}
    assert imports & BELOW.keys() <= {folder, *BELOW[folder]}
