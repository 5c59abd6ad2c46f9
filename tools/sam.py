"""AWS SAM CLI in an environment of its own, because it pins a cfn-lint that is too old for the other one."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LOCK = ROOT / "requirements-sam.txt"


class SamUnavailable(Exception):
    """AWS SAM CLI cannot be installed. The text is what pip said."""


def command() -> list[str]:
    """Return the command that runs `sam`. Installs it in build/ once for each lock. Raises SamUnavailable."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    folder = build / f"sam-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}"
    complete = folder / ".complete"
    # The lock ends with this process, however that ends.
    with (build / "sam.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            for former in build.glob("sam-*"):
                shutil.rmtree(former, ignore_errors=True)
            _install(folder)
            complete.touch()
    return [str(folder / "bin" / "python"), "-m", "samcli"]


def _install(folder: Path) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    # A module is compiled when it is first imported: `sam` imports one in five of those that it installs.
    options = ["--quiet", "--no-compile", "--require-hashes", "--no-deps"]
    _run([*pip, *options, "--requirement", str(_LOCK)])


def _run(words: list[str]) -> None:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SamUnavailable(f"AWS SAM CLI cannot be installed:\n{done.stdout.strip()}")
