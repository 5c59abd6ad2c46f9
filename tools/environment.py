"""`python tools/environment.py .venv`: make the virtual environment of this clone, once and whole.

The Makefile calls it with the user's Python before anything is installed. It needs the standard library alone, and no
module of this project. pip installs the locked requirements, because company settings (index, proxy, certificates,
keyring) are written for pip.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.txt"
OWN_PROJECT = ROOT / "cfnbox"
# What the lock brings, for the user who waits: measured with `pip download` and `du` on Linux.
DOWNLOAD_MB, DISK_MB = 200, 950
# Settings of pip that install elsewhere, install nothing, add to what is installed, or refuse our own project.
_NOT_FOR_THIS = {
    "config-file", "dry-run", "editable", "global", "prefix", "python", "report", "require-hashes", "requirement",
    "root", "site", "target", "user",
}  # fmt: skip
_SECTIONS = ("global", "install", ":env:")  # in pip's order: the last one wins
_PROGRESS_SECONDS = 5


class SetupFailed(Exception):
    """The environment cannot be made. The text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the environment where it is not complete: 0 when it is, 1 when it cannot be made."""
    parser = argparse.ArgumentParser(prog="python tools/environment.py", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--exact-python", action="store_true", help="an environment of another Python is made anew")
    given = parser.parse_args(arguments)
    environment = Environment(given.folder, exact_python=given.exact_python)
    if environment.is_complete():
        return 0
    try:
        with _only_process(ROOT / "build" / "setup.lock", given.folder):
            if not environment.is_complete():
                environment.make()
    except SetupFailed as failure:
        print(f"{given.folder} is not set up: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nInterrupted. The next make sets up {given.folder} anew.", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _only_process(lock: Path, folder: Path) -> Iterator[None]:
    """Let one process at a time set up this clone. The lock ends with its process, however that ends."""
    lock.parent.mkdir(exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"Another make sets up this clone. Waiting for it to set up {folder} ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        # Children inherit the lock (close_fds=False): it is kept until a pip ends whose parent was killed.
        os.set_inheritable(file.fileno(), True)
        yield


class Environment:
    """A virtual environment with everything that the lock names, and our own project."""

    def __init__(self, folder: Path, *, exact_python: bool) -> None:
        self._folder, self._exact_python = folder, exact_python
        self._python = folder / "bin" / "python"
        # It holds what the environment was made from, and is written last.
        self._complete = folder / ".complete"

    def is_complete(self) -> bool:
        """Say whether nothing has to be done."""
        return not self._reason_for_new_folder() and self._text(self._complete) == _digest()

    def make(self) -> None:
        """Make the environment, or bring it to the lock. Raises SetupFailed."""
        _require_python()
        reason = self._reason_for_new_folder()
        started = time.monotonic()
        self._announce(reason)
        if reason:
            _run([sys.executable, "-m", "venv", "--clear", str(self._folder)], "venv")
        self._complete.unlink(missing_ok=True)
        settings = pip_settings(self._python)
        self._install_pip(settings)
        self._install_locked(settings)
        self._uninstall_others(settings)
        # Tests start hundreds of processes, and each would compile the same files again.
        print("  compiling to byte code", flush=True)
        subprocess.run([self._python, "-m", "compileall", "-q", "-j", "0", self._folder / "lib"],
                       capture_output=True, check=False, close_fds=False)  # fmt: skip
        project = ["--no-deps", "--no-build-isolation", "--editable", str(OWN_PROJECT)]
        _run([*self._pip, "install", "--quiet", *project], "pip", settings)
        self._complete.write_text(_digest(), encoding="utf-8")
        print(f"{self._folder} is set up, after {time.monotonic() - started:.0f} s.", flush=True)

    @property
    def _pip(self) -> list[str]:
        return [str(self._python), "-m", "pip"]

    def _announce(self, reason: str) -> None:
        if reason and self._folder.exists():
            print(f"Setting up {self._folder} anew, because {reason}.")
        elif reason:
            print(f"Setting up {self._folder} with Python {_version()}.")
        else:
            print(f"Bringing {self._folder} to requirements-dev.txt, which has changed.")
        print(f"  At most {DOWNLOAD_MB} MB are downloaded, {DISK_MB} MB take their place on the disk. "
              "It takes a minute or two.", flush=True)  # fmt: skip
        if ignored := sorted(name for name in os.environ if name.startswith("UV_")):
            print(f"  pip installs, which does not read {', '.join(ignored)}: set PIP_INDEX_URL, PIP_CERT and so on, "
                  "or write a pip.conf.", flush=True)  # fmt: skip

    def _reason_for_new_folder(self) -> str:
        """Return why an environment cannot be kept, or nothing."""
        if not self._folder.exists():
            return "there is none"
        if not self._complete.exists():
            return "an earlier setup was not finished"
        if not self._python.exists():
            return "its Python is gone"
        own = re.search(r"^version\s*=\s*(\S+)", self._text(self._folder / "pyvenv.cfg"), re.MULTILINE)
        if self._exact_python and (own is None or own[1] != _version()):
            return f"it has Python {own[1] if own else 'of no version'}, and Python {_version()} is asked for"
        return ""

    def _install_pip(self, settings: dict[str, str]) -> None:
        """Install the locked pip first: the one that Python brings takes half as long again."""
        requirement = self._folder / "pip.txt"
        block = re.search(r"^pip==.*?(?=^\S|\Z)", LOCK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        if block:
            requirement.write_text(block[0], encoding="utf-8")
            command = [*self._pip, "install", "--quiet", "--no-deps", "--require-hashes", "--requirement"]
            _run([*command, str(requirement)], "pip", settings)

    def _install_locked(self, settings: dict[str, str]) -> None:
        """Install what the lock names, and say how far it is. Raises SetupFailed."""
        command = [*self._pip, "install", "--no-deps", "--no-compile", "--require-hashes", "--progress-bar", "off"]
        with subprocess.Popen(
            [*command, "--requirement", str(LOCK)], env=settings, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=False,
        ) as process:  # fmt: skip
            try:
                said = _show_progress(process.stdout or (), total=len(_locked_names()))
            except KeyboardInterrupt:
                process.wait()
                raise
        if process.returncode:
            raise SetupFailed(f"pip ended with status {process.returncode}:\n" + "\n".join(said[-20:]))

    def _uninstall_others(self, settings: dict[str, str]) -> None:
        """Uninstall what an earlier lock named."""
        listed = _run([*self._pip, "list", "--format=freeze"], "pip", settings)
        installed = {_canonical(line.partition("==")[0]) for line in listed.split()}
        if others := sorted(installed - _locked_names() - {"pip", OWN_PROJECT.name}):
            _run([*self._pip, "uninstall", "--quiet", "--yes", *others], "pip", settings)

    @staticmethod
    def _text(path: Path) -> str:
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def _require_python() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise SetupFailed(
            f"Python 3.11, 3.12 or 3.13 is needed, and this is Python {_version()}. Name another one: "
            "make test PYTHON=python3.12"
        )


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _digest() -> str:
    """Return what the environment is made from, as a digest."""
    content = b"\0".join(path.read_bytes() for path in (LOCK, OWN_PROJECT / "pyproject.toml", Path(__file__)))
    return hashlib.sha256(content).hexdigest()


def _locked_names() -> set[str]:
    text = LOCK.read_text(encoding="utf-8")
    return {_canonical(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pip_settings(python: Path) -> dict[str, str]:
    """Return the variables for pip: the user's settings from every file and variable, without those not for this."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    # `pip config` has options of these names, which pip takes from its settings, too: all files are to be listed.
    every_file = dict.fromkeys(("PIP_USER", "PIP_GLOBAL", "PIP_SITE"), "0")
    listed = _run([str(python), "-m", "pip", "config", "list"], "pip", os.environ | every_file)
    # Each line: global.index-url='https://...', as Python writes the text.
    settings = dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)
    variables["PIP_CONFIG_FILE"] = os.devnull
    variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    for section in _SECTIONS:
        for key, value in settings.items():
            name = key.removeprefix(f"{section}.")
            if name != key and name not in _NOT_FOR_THIS:
                variables[f"PIP_{name.upper().replace('-', '_')}"] = str(ast.literal_eval(value))
    return variables


def _show_progress(lines: Iterator[str] | tuple[str, ...], total: int) -> list[str]:
    """Follow pip's output, and return it. Say each few seconds how many packages have arrived."""
    said: list[str] = []
    fetched, shown, is_installing = 0, time.monotonic(), False
    for line in lines:
        said.append(line.rstrip())
        fetched += line.startswith(("Collecting", "Processing", "Requirement already satisfied"))
        if line.startswith("Installing collected packages"):
            is_installing = True
            print(f"  installing {fetched} packages", flush=True)
        elif not is_installing and time.monotonic() - shown > _PROGRESS_SECONDS:
            print(f"  downloading: {fetched} of at most {total} packages", flush=True)
            shown = time.monotonic()
    return said


def _run(command: list[str], name: str, variables: dict[str, str] | None = None) -> str:
    """Return what a program prints. Raises SetupFailed with its errors."""
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, errors="replace", check=False, close_fds=False
    )
    if done.returncode:
        raise SetupFailed(f"{name} ended with status {done.returncode}:\n{(done.stdout + done.stderr).strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
