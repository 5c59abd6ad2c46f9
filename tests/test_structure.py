"""How the folders lie: what Python imports must not depend on which of them it finds first."""

from pathlib import Path

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
