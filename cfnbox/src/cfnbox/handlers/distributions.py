"""Python packages for handlers: what requirements name, from this environment or installed into a cache.

Handlers see these and nothing else of the environment, so that a requirement that is missing is missing here as well.
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
# What AWS's Python runtimes bring beside the function ("Building with Python" in the Lambda guide).
SDK = (Requirement("boto3"),)
LAMBDA_RUNTIME = (Requirement("awslambdaric"), *SDK)
_KEPT_LINES = 15


class RequirementsFailed(LocalFailure):
    """Requirements cannot be installed; the message ends with what the installer said."""


def link(requirements: Iterable[Requirement], folder: Path) -> bool:
    """Link what is installed here of the requirements, and all that it needs, into a folder; False if not all is."""
    found: dict[str, importlib.metadata.Distribution] = {}
    if not all(_meets(one, found) for one in requirements):
        return False
    links: dict[str, Path] = {}
    for distribution in found.values():
        for name, path in _entries(distribution).items():
            # Neither an editable installation nor a folder that two distributions share can be linked.
            if name in links or name.startswith("__editable__"):
                return False
            links[name] = path
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in links.items():
        (folder / name).symlink_to(path)
    return True


def _meets(requirement: Requirement, found: dict[str, importlib.metadata.Distribution]) -> bool:
    """Note the distributions of a requirement; False when one is not installed or has another version."""
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
    """The files and folders at the top of where a distribution is installed; scripts lie elsewhere."""
    record = distribution.read_text("RECORD")
    # Of `files` each is an object; a distribution such as botocore has two thousand.
    paths = [row[0] for row in csv.reader(record.splitlines())] if record else map(str, distribution.files or ())
    names = {path.partition("/")[0] for path in paths} - {"..", "__pycache__"}
    return {name: Path(str(distribution.locate_file(name))) for name in names}


def installed_version(folder: Path, name: str) -> Version | None:
    """Return the version of a distribution in a folder of packages; None when it is not there."""
    found = importlib.metadata.distributions(path=[str(folder)])
    wanted = canonicalize_name(name)
    return next((Version(item.version) for item in found if canonicalize_name(item.name) == wanted), None)


def packages(requirements: Path, links: Path, cache: Path, tell: Tell) -> Path:
    """The folder with what a requirements file names: `links` when all is installed here, else one in the cache.

    `tell` hears what the installer does. Raises RequirementsFailed.
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
    """Return the requirements of a file; None when a line is for an installer, such as a URL or an option."""
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
            f"{requirements} names a package by git, and git is not installed here: {line}\n"
            "Install git, or name a release or a wheel instead."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    (folder.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    tell(f"Installing {requirements}")
    with tempfile.TemporaryDirectory(prefix="installing-", dir=folder.parent) as made:
        said = _installed(requirements, Path(made) / "packages", tell)
        if said:
            raise RequirementsFailed(f"{requirements} cannot be installed. The installer says:\n{said}")
        # Of former requirements nothing is needed any more.
        for former in folder.parent.glob("requirements-*"):
            shutil.rmtree(former, ignore_errors=True)
        (Path(made) / "packages").rename(folder)
    tell(f"Installed {requirements}")


def _git_line(requirements: Path) -> str:
    """Return the first requirement that only git can fetch, without credentials that stand in it; or ""."""
    lines = (line.strip() for line in requirements.read_text(encoding="utf-8").splitlines() if line[:1] != "#")
    found = next((line for line in lines if re.search(r"(^|[\s@=])git\+", line)), "")
    return re.sub(r"//[^/@\s]*@", "//", found)


def _installed(requirements: Path, target: Path, tell: Tell) -> str:
    """Install; what the last installer said when none succeeded. uv is much faster, pip knows the user's indexes."""
    said = "Neither uv nor pip is installed here."
    for installer in _installers():
        arguments = [*installer, "--target", str(target), "--requirement", str(requirements)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            lines = []
            for line in process.stdout or ():
                lines.append(line.rstrip())
                tell(lines[-1])
        if process.returncode == 0:
            return ""
        said = "\n".join(lines[-_KEPT_LINES:]) or f"exit status {process.returncode}"
        shutil.rmtree(target, ignore_errors=True)
    return said


def _installers() -> list[list[str]]:
    found = []
    if importlib.util.find_spec("uv"):
        found.append([sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, "--no-progress"])
    if importlib.util.find_spec("pip"):
        found.append([sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"])
    return found
