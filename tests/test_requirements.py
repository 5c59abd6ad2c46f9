"""The locks hold what the requirements ask for, and what is installed and shipped is what is locked."""

import itertools
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pip_requirements_parser import InstallRequirement, RequirementsFile

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements", "requirements-dev", "requirements-sam")


def _read(name: str) -> dict[str, InstallRequirement]:
    """Every requirement of a file by its name; files that it includes are read with it."""
    read = RequirementsFile.from_file(str(ROOT / name), include_nested=True)
    assert not read.invalid_lines, [line.dumps() for line in read.invalid_lines]
    return {canonicalize_name(line.name): line for line in read.requirements}


def _required_by_cfnbox() -> list[Requirement]:
    """Return the requirements of cfnbox and of its extras."""
    project = tomllib.loads((ROOT / "cfnbox" / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for text in [*project["dependencies"], *itertools.chain.from_iterable(extras)]]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_hashes(lock: str) -> None:
    loose = [
        name
        for name, line in _read(f"{lock}.txt").items()
        if not line.is_pinned
        or not line.hash_options
        or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in line.hash_options)
    ]
    assert loose == [], "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_holds_what_was_asked_for(lock: str) -> None:
    locked = _read(f"{lock}.txt")
    missing = [
        str(line.req)
        for name, line in _read(f"{lock}.in").items()
        if name not in locked or not line.req.specifier.contains(locked[name].get_pinned_version)
    ]
    assert missing == [], "run `make lock`"


def test_the_lock_of_development_holds_what_cfnbox_requires() -> None:
    locked = _read("requirements-dev.txt")
    missing = [
        str(requirement)
        for requirement in _required_by_cfnbox()
        if not requirement.specifier.contains(locked[canonicalize_name(requirement.name)].get_pinned_version)
    ]
    assert missing == [], "run `make lock`"


def test_a_version_stands_once() -> None:
    of_cfnbox = {canonicalize_name(requirement.name) for requirement in _required_by_cfnbox()}
    # What ships in the Lambda package has versions of its own.
    shipped = set(_read("requirements.in"))
    again = [
        str(line.req)
        for name, line in _read("requirements-dev.in").items()
        if name in of_cfnbox - shipped and line.req.specifier
    ]
    assert again == []


def test_the_package_holds_only_required_packages() -> None:
    wanted: set[str] = set()
    ahead = [line.req for line in _read("requirements.in").values()]
    while ahead:
        name = canonicalize_name(ahead.pop().name)
        if name not in wanted:
            wanted.add(name)
            needs = map(Requirement, metadata.requires(name) or [])
            ahead += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    assert set(_read("requirements.txt")) == wanted, "run `make lock`"


def test_what_ships_is_what_is_tested() -> None:
    shipped, tested = _read("requirements.txt"), _read("requirements-dev.txt")
    assert {name: (line.get_pinned_version, line.hash_options) for name, line in shipped.items()} == {
        name: (tested[name].get_pinned_version, tested[name].hash_options) for name in shipped
    }
    assert {name: line.get_pinned_version for name, line in shipped.items()} == {
        name: metadata.version(name) for name in shipped
    }, "the virtual environment is not what the lock says: run `make setup`"


@pytest.mark.parametrize("name", [f"{lock}.{kind}" for lock in LOCKS for kind in ("in", "txt")])
def test_no_file_says_where_packages_come_from(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.findall(r"--(?:extra-)?index-url|--find-links|--trusted-host|\w+://|^/|@ ", text, re.MULTILINE) == []


def _named_in_workflows() -> Iterator[str]:
    """Yield every action and every image that a workflow names."""
    for file in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            yield from _images(job)
            yield from (step["uses"] for step in job["steps"] if "uses" in step)


def _images(job: dict[str, Any]) -> Iterator[str]:
    containers = [*filter(None, [job.get("container")]), *job.get("services", {}).values()]
    for container in containers:
        image = container if isinstance(container, str) else container["image"]
        rows = job.get("strategy", {}).get("matrix", {}).get("include", [])
        expression = re.fullmatch(r"\$\{\{ *matrix\.(\w+) *\}\}", image)
        yield from (row[expression[1]] for row in rows) if expression else [image]


def test_workflows_name_actions_by_commit_and_images_by_digest() -> None:
    names = list(_named_in_workflows())
    assert any(name.startswith("actions/checkout@") for name in names)
    assert any(name.startswith("python@") for name in names)
    assert [name for name in names if not re.fullmatch(r"[\w./-]+@([0-9a-f]{40}|sha256:[0-9a-f]{64})", name)] == []
