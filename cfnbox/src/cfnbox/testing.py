"""The pytest plugin: a cloud for a test run, and in it an account for each test.

The cloud is a process of its own: it shares no threads, loggers, warnings or modules with the tests. pytest loads
this module in every run, so boto3 is imported by the fixtures alone.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from cfnbox.process import CloudProcess
    from cfnbox.session import Session

_FIRST_ACCOUNT = 100_000_000_001


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option `cfnbox_types`."""
    parser.addini(
        "cfnbox_types",
        "folders of registry types that the cloud of the tests serves, one a line",
        type="paths",
        default=[],
    )


@pytest.fixture(scope="session")
def cfnbox_types(pytestconfig: pytest.Config) -> Sequence[str | os.PathLike[str]]:
    """The folders of the registry types that the cloud serves: those of the ini option, unless it is overridden."""
    folders: list[str | os.PathLike[str]] = pytestconfig.getini("cfnbox_types")
    return folders


@pytest.fixture(scope="session")
def cfnbox_cloud(cfnbox_types: Sequence[str | os.PathLike[str]]) -> Iterator[CloudProcess]:
    """A cloud for all tests of this process; it ends with them."""
    from cfnbox.process import CloudProcess

    with CloudProcess(cfnbox_types) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def _cfnbox_accounts() -> Iterator[int]:
    return itertools.count(_FIRST_ACCOUNT)


@pytest.fixture
def cfnbox(cfnbox_cloud: CloudProcess, _cfnbox_accounts: Iterator[int]) -> Session:
    """An account of its own in the cloud: `deploy(template)` returns a stack, `client(service)` a boto3 client."""
    from cfnbox.session import Session

    return Session(cfnbox_cloud.url, account=str(next(_cfnbox_accounts)))
