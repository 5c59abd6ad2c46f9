"""The package, built once for all tests under a name of a user's, and its parts."""

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from once import made_once
from tools import function_package, package
from tools.package import Package

NAME = "Acme::SageMaker::Model"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Package:
    python = function_package.lambda_python("python3.12") or sys.executable
    folder = made_once(tmp_path_factory, "package", lambda folder: package.build(NAME, folder / "acme.zip", python))
    path = folder / "acme.zip"
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(package.FUNCTION_ZIP).file_size
    return Package(path, NAME, size, python, function_package.version(python))


@pytest.fixture(scope="session")
def outer(built: Package) -> Iterator[zipfile.ZipFile]:
    """What CloudFormation's RegisterType takes."""
    with zipfile.ZipFile(built.path) as archive:
        yield archive


@pytest.fixture(scope="session")
def inner(outer: zipfile.ZipFile) -> Iterator[zipfile.ZipFile]:
    """What Lambda runs."""
    with zipfile.ZipFile(io.BytesIO(outer.read(package.FUNCTION_ZIP))) as archive:
        yield archive


@pytest.fixture(scope="session")
def function(built: Package) -> Iterator[Path]:
    """What Lambda runs, unpacked into a folder that cannot be written to."""
    with package.unpacked(built.path) as folder:
        yield folder


@pytest.fixture(scope="session")
def schema(built: Package) -> Path:
    """The schema of the type under the user's name."""
    return built.schema
