"""Two processes that build the same package at a time: both succeed, and no unfinished files are left."""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.package.conftest import NAME
from tools.package import FUNCTION_ZIP

INSTALL = """
import sys
from pathlib import Path
from tools import function_package
print(function_package.install(Path(sys.argv[1]), "python3.12", Path(sys.argv[2])))
"""


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    """The requirements of one package, which lies in a folder beside them."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"tiny==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return requirements


@pytest.fixture
def start(requirements: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts an installation for the function, by pip without a network."""
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(requirements.parent)}

    def start(cache: Path, **more: str) -> "subprocess.Popen[str]":
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        return subprocess.Popen(
            [sys.executable, "-c", INSTALL, str(requirements), str(cache)], cwd=ROOT, text=True,
            env={**inherited, **settings, **more}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start


def visible(folder: Path) -> list[str]:
    """Return the names in a folder, without the lock files."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def ended(process: "subprocess.Popen[str]") -> tuple[str, str]:
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    return said, errors


def test_libraries_are_installed_once(start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    processes = [start(cache) for _ in range(3)]
    folders = {ended(process)[0].strip() for process in processes}
    (folder,) = folders
    assert visible(cache) == [Path(folder).name]
    assert (Path(folder) / "tiny.py").exists()


def test_the_unfinished_work_of_a_killed_build_is_removed(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    killed = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    cache = tmp_path / "cache"
    leftover, of_a_live_process = (f".unfinished-{number}-0123" for number in (int(killed.stdout), os.getpid()))
    for name in (leftover, of_a_live_process):
        (cache / name / "tiny").mkdir(parents=True)
    folder, _ = ended(start(cache))
    assert visible(cache) == sorted([of_a_live_process, Path(folder.strip()).name])


def test_settings_of_pip_for_other_folders_have_no_effect(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder, _ = ended(start(tmp_path / "cache", PIP_USER="1", PIP_PREFIX=str(elsewhere), PIP_TARGET=str(elsewhere)))
    assert (Path(folder.strip()) / "tiny.py").exists()
    assert not elsewhere.exists()


def test_a_package_is_built_by_one_process_at_a_time(tmp_path: Path) -> None:
    output = tmp_path / "x.zip"
    command = [sys.executable, "-m", "tools.package", "--type-name", NAME, "--output", str(output)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [ended(process)[0] for process in processes]
    assert any("Another process is building the same. Waiting for it." in text for text in said)
    assert all("Building x.zip." in text for text in said)
    assert visible(tmp_path) == ["x", "x.zip"]
    with zipfile.ZipFile(output) as archive:
        assert FUNCTION_ZIP in archive.namelist()
