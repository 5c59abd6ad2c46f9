"""What the tests of registration share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.registry import BUCKET, TYPE_NAME, Clients, mocked_aws, write_package


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with mocked_aws():
        clients = Clients()
        clients("s3", "us-east-1").create_bucket(Bucket=BUCKET)
        yield clients
        clients.close()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "package.zip", TYPE_NAME)
