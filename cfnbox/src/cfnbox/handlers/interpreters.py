"""Find the interpreter that runs a Lambda function: the version of its `Runtime`, or another installed version."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cfnbox.handlers import distributions, python_loop
from cfnbox.handlers.execution_environment import RuntimeUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUNTIME = re.compile(r"(?P<language>python|nodejs|provided)(?P<version>[\d.]*)")
_NODE_LOOP = Path(__file__).with_name("node_loop.mjs")
# A program that does not print its version within this time is not used.
_SECONDS = 10.0
_OWN_VERSION = ".".join(map(str, sys.version_info[:2]))


@dataclass(frozen=True)
class Interpreter:
    """A command that runs functions of a language. The name of the handler is appended.

    `version` is that of the interpreter, and `is_named` says whether the runtime names that version.
    """

    language: str
    command: tuple[str, ...]
    version: str
    is_named: bool


def find(runtime: str) -> Interpreter | None:
    """Return the interpreter for a runtime, or None if this machine has none."""
    named = _RUNTIME.match(runtime)
    match named["language"] if named else "":
        case "python":
            return _python(named["version"] if named else "")
        case "nodejs":
            return _node(named["version"] if named else "")
        case "provided":
            return Interpreter("provided", ("./bootstrap",), "", is_named=True)
    return None


def notice(runtime: str) -> str | None:
    """Return a notice for the user of a function with this runtime; None if it runs as in AWS."""
    found = find(runtime)
    if found is None:
        return f"Runtime: nothing on this machine runs {runtime}, and invocations fail"
    if found.is_named:
        return None
    return f"Runtime: {runtime} is not on this machine, and {found.language} {found.version} runs the function"


def python_runtime() -> tuple[str, ...]:
    """Return the arguments of this Python that run a function: awslambdaric if its C extension is installed."""
    if all(importlib.util.find_spec(name) for name in ("awslambdaric", "runtime_client")):
        return ("-m", "awslambdaric")
    return (str(Path(python_loop.__file__)),)


def linked_runtime(folder: Path) -> str:
    """Link the packages of Lambda's Python runtime into a folder; return the folder."""
    # Where awslambdaric is not installed, `python_loop` replaces it.
    choices = distributions.LAMBDA_RUNTIME, distributions.SDK
    if not any(distributions.link(packages, folder) for packages in choices):
        raise RuntimeUnavailable("boto3 is not installed: pip install boto3")
    return str(folder)


def _python(version: str) -> Interpreter:
    # Without its site module (-S), Python finds only the packages on PYTHONPATH.
    for program in _installed(version) if version != _OWN_VERSION else ():
        if _version(program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == version:
            return Interpreter("python", (program, "-S", str(Path(python_loop.__file__))), version, is_named=True)
    command = (sys.executable, "-S", *python_runtime())
    return Interpreter("python", command, _OWN_VERSION, is_named=version == _OWN_VERSION)


def _node(version: str) -> Interpreter | None:
    program = shutil.which("node")
    if program is None:
        return None
    own = _version(program, "--version").removeprefix("v")
    is_named = own.partition(".")[0] == version.partition(".")[0]
    return Interpreter("nodejs", (program, str(_NODE_LOOP)), own, is_named) if own else None


def _installed(version: str) -> Iterator[str]:
    """Yield programs of a version of Python: from PATH, then from pyenv."""
    if program := shutil.which(f"python{version}"):
        yield program
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from map(str, sorted(versions.glob(f"{version}.*/bin/python{version}"), reverse=True))


@functools.cache
def _version(*command: str) -> str:
    """Return the output of a program, or "" if it fails, as a shim of pyenv may."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
