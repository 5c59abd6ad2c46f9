"""`make setup` in a small clone: what an installation has to get right, with a package index of its own."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tools import environment
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

MAKE = shutil.which("make") or "make"

# A backend of a few lines, so that nothing but the one package comes from the index.
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "cfnbox-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("cfnbox_is_here.py", "")
        wheel.writestr("cfnbox-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: cfnbox\\nVersion: 1.0\\n")
        tags = "Root-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("cfnbox-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\\n{tags}")
        wheel.writestr("cfnbox-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def wheel(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        # The same bytes each time: the lock has their digest.
        for member, text in {
            f"{name}.py": "",
            f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{name}-1.0.dist-info/RECORD": "",
        }.items():
            archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), text)
    return content.getvalue()


class Index:
    """A package index that has every name as an empty package. It can wait before it answers."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.open = threading.Event()
        self.open.set()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.requests.append(self.path)
                index.open.wait(600)
                name = self.path.strip("/").rpartition("/")[2].partition("-")[0]
                file = f"{name}-1.0-py3-none-any.whl"
                is_file = self.path.endswith(".whl")
                body = wheel(name) if is_file else f'<!DOCTYPE html><a href="/{file}">{file}</a>'.encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/zip" if is_file else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/simple"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    index = Index()
    yield index
    index.close()


class Clone:
    """A clone as far as `make setup` looks at it."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder, self._index = folder, index
        for name in ("Makefile", "tools/environment.py"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text((ROOT / name).read_text())
        (folder / "cfnbox").mkdir()
        (folder / "cfnbox" / "pyproject.toml").write_text(PROJECT)
        (folder / "cfnbox" / "backend.py").write_text(BACKEND)
        self.lock("tiny")

    def lock(self, name: str) -> None:
        """Lock one package."""
        self.locked = name
        digest = hashlib.sha256(wheel(name)).hexdigest()
        (self.folder / "requirements-dev.txt").write_text(f"{name}==1.0 \\\n    --hash=sha256:{digest}\n")

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_", "MAKE"))}
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": self._index.url, **variables}
        return subprocess.Popen(
            [MAKE, "setup", *words], cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**inherited, **{key: value for key, value in settings.items() if value}}, start_new_session=True,
        )  # fmt: skip

    def make(self, *words: str, **variables: str) -> tuple[int, str]:
        process = self.start(*words, **variables)
        said, _ = process.communicate()
        return process.returncode, said

    def works(self) -> bool:
        """Say whether the package and the own project are installed in the environment."""
        command = [str(self.folder / ".venv" / "bin" / "python"), "-c", f"import {self.locked}, cfnbox_is_here"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def clone(tmp_path: Path, index: Index) -> Clone:
    return Clone(tmp_path, index)


@dataclass(frozen=True)
class SetUp:
    """A clone that two processes set up at once, and what each of them said."""

    clone: Clone
    said: list[str]
    statuses: list[int]


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory, index: Index) -> SetUp:
    clone = Clone(tmp_path_factory.mktemp("clone"), index)
    index.open.clear()
    company = {"UV_INDEX_URL": "https://packages.example.com/simple"}
    first, second = clone.start(**company), clone.start(**company)
    # The one that waits says so. The other one waits for the index.
    begun = [process.stdout.readline() if process.stdout else "" for process in (first, second)]
    index.open.set()
    said = [line + process.communicate()[0] for line, process in zip(begun, (first, second), strict=True)]
    return SetUp(clone, said, [first.returncode, second.returncode])


def test_two_at_once_set_up_one_environment(set_up: SetUp) -> None:
    assert (set_up.statuses, set_up.clone.works()) == ([0, 0], True), set_up.said
    waiting, setting_up = sorted(set_up.said, key=lambda said: said.startswith("Setting up"))
    assert waiting == "Another make sets up this clone. Waiting for it to set up .venv ...\n"
    assert "is set up" in setting_up


def test_the_setup_says_what_it_does_and_how_much_it_downloads(set_up: SetUp) -> None:
    (said,) = (said for said in set_up.said if said.startswith("Setting up"))
    assert said.startswith("Setting up .venv with Python 3.")
    assert "pip installs, which does not read UV_INDEX_URL: set PIP_INDEX_URL" in said
    assert " MB are downloaded, " in said
    assert "installing 1 packages" in said
    assert "compiling" in said


def test_an_environment_that_is_complete_is_left_alone(set_up: SetUp) -> None:
    set_up.clone.make()
    assert set_up.clone.make() == (0, "")


def test_an_environment_whose_setup_was_killed_is_made_anew(clone: Clone, index: Index) -> None:
    index.open.clear()
    before = len(index.requests)
    process = clone.start()
    eventually(lambda: len(index.requests) > before or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    index.open.set()
    status, said = clone.make()
    assert (status, clone.works()) == (0, True), said
    assert said.startswith("Setting up .venv anew, because an earlier setup was not finished.")


def test_another_lock_brings_its_packages_and_removes_the_others(set_up: SetUp) -> None:
    clone = set_up.clone
    former = clone.locked
    clone.lock("another")
    status, said = clone.make()
    assert (status, clone.works()) == (0, True), said
    assert said.startswith("Bringing .venv to requirements-dev.txt")
    python = clone.folder / ".venv" / "bin" / "python"
    names = subprocess.check_output([python, "-m", "pip", "list", "--format=freeze"], text=True)
    assert former not in names


def test_settings_of_pip_arrive_but_those_that_install_elsewhere(set_up: SetUp, index: Index, tmp_path: Path) -> None:
    clone = set_up.clone
    clone.lock("configured")
    config, elsewhere = tmp_path / "pip.conf", tmp_path / "elsewhere"
    config.write_text(f"[global]\nindex-url = {index.url}\n[install]\nuser = true\ntarget = {elsewhere}\n")
    variables = {
        "PIP_USER": "1",
        "PIP_PREFIX": str(elsewhere),
        "PIP_TARGET": str(elsewhere),
        "PIP_REQUIRE_HASHES": "1",
    }
    status, said = clone.make(PIP_CONFIG_FILE=str(config), PIP_INDEX_URL="", **variables)
    assert (status, clone.works(), elsewhere.exists()) == (0, True, False), said
    assert "/simple/configured/" in index.requests


def test_a_package_that_is_not_the_locked_one_is_refused_with_the_words_of_pip(clone: Clone) -> None:
    lock = clone.folder / "requirements-dev.txt"
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0").replace("\n\n", "\n")[:-2] + "\n")
    status, said = clone.make()
    assert status != 0
    assert ".venv is not set up: pip ended with status 1:" in said
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in said


def test_the_size_on_the_disk_is_about_the_named_one() -> None:
    files = (path for path in Path(sys.prefix).rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files) / 1e6
    assert 0.7 < size / environment.DISK_MB < 1.4
