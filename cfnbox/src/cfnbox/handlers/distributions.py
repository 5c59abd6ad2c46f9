"""Provide the Python packages of handlers' requirements, from this environment or installed into a cache.

Handlers can import only these packages, so that a missing requirement fails here as it does in Lambda.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cfnbox.core.errors import LocalFailure

Tell = Callable[[str], None]
# The packages of AWS's Python runtimes ("Building with Python" in the Lambda guide).
SDK = (Requirement("boto3"),)
LAMBDA_RUNTIME = (Requirement("awslambdaric"), *SDK)
_KEPT_LINES = 15


class RequirementsFailed(LocalFailure):
    """Requirements cannot be installed. The message ends with the output of the installer."""


def link(requirements: Iterable[Requirement], folder: Path) -> bool:
    """Link the requirements and their dependencies into a folder. Return False if this environment lacks one."""
    found: dict[str, importlib.metadata.Distribution] = {}
    if not all(_meets(requirement, found) for requirement in requirements):
        return False
    links: dict[str, Path] = {}
    for distribution in found.values():
        for name, path in _entries(distribution).items():
            # An editable installation cannot be linked, nor a folder that two distributions share.
            if name in links or name.startswith("__editable__"):
                return False
            links[name] = path
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in links.items():
        (folder / name).symlink_to(path)
    return True


def _meets(requirement: Requirement, found: dict[str, importlib.metadata.Distribution]) -> bool:
    """Add the distributions of a requirement to `found`. Return False if one is missing or has another version."""
    name = canonicalize_name(requirement.name)
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return True
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    if requirement.url or not requirement.specifier.contains(distribution.version, prereleases=True):
        return False
    if name in found and not requirement.extras:
        return True
    found[name] = distribution
    needed = [Requirement(one) for one in distribution.requires or ()]
    extras = ["", *requirement.extras]
    applicable = [one for one in needed if not one.marker or any(one.marker.evaluate({"extra": e}) for e in extras)]
    for one in applicable:
        one.marker = None
    return all(_meets(one, found) for one in applicable)


def _entries(distribution: importlib.metadata.Distribution) -> Mapping[str, Path]:
    """Return the top-level files and folders of a distribution, without scripts."""
    record = distribution.read_text("RECORD")
    # Read RECORD, because `files` creates an object for each of botocore's two thousand files.
    paths = [row[0] for row in csv.reader(record.splitlines())] if record else map(str, distribution.files or ())
    names = {path.partition("/")[0] for path in paths} - {"..", "__pycache__"}
    return {name: Path(str(distribution.locate_file(name))) for name in names}


def installed_version(folder: Path, name: str) -> Version | None:
    """Return the version of a distribution in a folder of packages, or None."""
    found = importlib.metadata.distributions(path=[str(folder)])
    canonical = canonicalize_name(name)
    return next((Version(item.version) for item in found if canonicalize_name(item.name) == canonical), None)


def packages(requirements: Path, links: Path, cache: Path, tell: Tell) -> Path:
    """Return a folder with the packages of a requirements file: `links` if this environment has all, else a cache.

    Call `tell` with the output of the installer. Raise RequirementsFailed.
    """
    plain = _plain(requirements)
    if plain is not None and link(plain, links):
        return links
    python = f"{platform.python_version()} {platform.machine()}"
    digest = hashlib.sha256(requirements.read_bytes() + python.encode()).hexdigest()[:16]
    folder = cache / f"requirements-{digest}"
    if not folder.is_dir():
        _install(requirements, folder, tell)
    return folder


def _plain(path: Path) -> list[Requirement] | None:
    """Return the requirements of a file; None if a line needs an installer, such as a URL or an option."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    # A comment begins with # at the start or after white space ("Requirements File Format" of pip's documentation).
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    try:
        plain = [Requirement(line) for line in lines if line]
    except InvalidRequirement:
        return None
    return None if any(requirement.url for requirement in plain) else plain


def _install(requirements: Path, folder: Path, tell: Tell) -> None:
    if (line := _git_line(requirements)) and shutil.which("git") is None:
        raise RequirementsFailed(
            f"{requirements} has a requirement that needs git, which is not installed: {line}\n"
            "Install git, or name a release or a wheel instead."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    (folder.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    tell(f"Installing {requirements}")
    with tempfile.TemporaryDirectory(prefix="installing-", dir=folder.parent) as temporary:
        output = _run_installers(requirements, Path(temporary) / "packages", tell)
        if output:
            raise RequirementsFailed(f"{requirements} cannot be installed. The installer says:\n{output}")
        # Remove the packages of previous requirements.
        for previous in folder.parent.glob("requirements-*"):
            shutil.rmtree(previous, ignore_errors=True)
        (Path(temporary) / "packages").rename(folder)
    tell(f"Installed {requirements}")


def _git_line(requirements: Path) -> str:
    """Return the first requirement that needs git, without its credentials; "" if there is none."""
    lines = (line.strip() for line in requirements.read_text(encoding="utf-8").splitlines() if line[:1] != "#")
    found = next((line for line in lines if re.search(r"(^|[\s@=])git\+", line)), "")
    return re.sub(r"//[^/@\s]*@", "//", found)


def _run_installers(requirements: Path, target: Path, tell: Tell) -> str:
    """Install with uv, which is faster, else with pip, which knows the user's indexes.

    Return "" after a success, otherwise the output of the last installer.
    """
    output = "Neither uv nor pip is installed here."
    for installer in _installers():
        arguments = [*installer, "--target", str(target), "--requirement", str(requirements)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            lines = []
            for line in process.stdout or ():
                lines.append(line.rstrip())
                tell(lines[-1])
        if process.returncode == 0:
            return ""
        output = "\n".join(lines[-_KEPT_LINES:]) or f"exit status {process.returncode}"
        shutil.rmtree(target, ignore_errors=True)
    return output


def _installers() -> list[list[str]]:
    installers = []
    if importlib.util.find_spec("uv"):
        installers.append([sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, "--no-progress"])
    if importlib.util.find_spec("pip"):
        installers.append([sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"])
    return installers
