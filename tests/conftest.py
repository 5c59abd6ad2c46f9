"""What all tests share: a local SageMaker, and the Lambda entry point that talks to it.

`cfn test` loads this file as well, wherever it is installed: what it may lack is imported when a test needs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.handlers.events import Action
    from cfnbox.sagemaker.server import LocalSageMaker

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "aws-sagemaker-model.json"
DATA = ROOT / "tests" / "data"

Json = dict[str, Any]

ROLE = "arn:aws:iam::123456789012:role/service-role/inference"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"
ARTIFACTS = "s3://bucket/model.tar.gz"
MODEL: Json = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": ARTIFACTS}}


def model_in(region: str) -> Json:
    """Return a model whose image is in a region."""
    return {**MODEL, "PrimaryContainer": {"Image": IMAGE.replace("us-east-1", region), "ModelDataUrl": ARTIFACTS}}


Invoke = Callable[..., Json]


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = "folder of the handlers that the end-to-end tests deploy (default: src)"
    parser.addoption("--code", type=Path, default=ROOT / "src", help=help_text)
    parser.addoption("--fault-matrix", action="store_true", help="end with the table of the fault matrix")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the fault matrix from here: the process that ends a run does not read the conftest.py of a part."""
    if terminalreporter.config.getoption("fault_matrix"):
        from tests.faults import matrix_report

        matrix_report.print_table(terminalreporter)


@pytest.fixture(scope="session")
def _server() -> Iterator[LocalSageMaker]:
    from cfnbox.sagemaker.server import LocalSageMaker

    with LocalSageMaker(port=0) as server:
        # Endpoint and region as Lambda's environment gives them; the type's clients are kept, so once is enough.
        os.environ["AWS_ENDPOINT_URL"] = server.url
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        yield server


@pytest.fixture
def sagemaker(_server: LocalSageMaker) -> LocalSageMaker:
    """An empty SageMaker."""
    _server.reset()
    return _server


@pytest.fixture(scope="session")
def definition() -> TypeDefinition:
    from cfnbox.core.type_definition import TypeDefinition

    return TypeDefinition.load(SCHEMA)


@pytest.fixture
def client(sagemaker: LocalSageMaker, _client: Any) -> Any:
    """A boto3 client of the local SageMaker: what others do behind CloudFormation's back, and what they see."""
    return _client


@pytest.fixture(scope="session")
def _client(_server: LocalSageMaker) -> Any:
    import boto3

    return boto3.client(
        "sagemaker",
        endpoint_url=_server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def invoke(sagemaker: LocalSageMaker, definition: TypeDefinition) -> Invoke:
    """Send an event to the Lambda entry point in this process, and return the JSON of its answer."""
    from aws_sagemaker_model.handlers import resource
    from cfnbox.handlers.events import production_event

    def send(action: Action, desired: Json | None = None, **event: Any) -> Json:
        return resource(production_event(definition, action, desired=desired, **event), None)

    return send


@pytest.fixture
def operations(sagemaker: LocalSageMaker) -> Callable[[], list[str]]:
    """The operations that SageMaker was asked for since the last time."""

    def taken() -> list[str]:
        made = [call.operation for call in sagemaker.calls]
        sagemaker.calls.clear()
        return made

    return taken
