"""A package, and AWS clients whose requests to CloudFormation's registry are checked exactly."""

import json
import zipfile
from pathlib import Path
from typing import Any

import boto3
from botocore.stub import Stubber

ACCOUNT = "123456789012"
BUCKET = "acme-types"


class Clients:
    """Clients: moto's S3 and STS, which keep what they are given; CloudFormation's stubbed, request by request."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Any] = {}
        self._stubs: dict[str, Stubber] = {}

    def __call__(self, service: str, region: str) -> Any:
        if (service, region) not in self._made:
            self._made[service, region] = boto3.client(service, region_name=region)
        return self._made[service, region]

    def expect(self, region: str, operation: str, request: dict[str, Any], answer: dict[str, Any]) -> None:
        """Let CloudFormation be asked exactly this next in a region, and answer so."""
        self._stub(region).add_response(operation, answer, request)

    def refuse(self, region: str, operation: str, code: str, message: str) -> None:
        """Let CloudFormation refuse the next request in a region."""
        self._stub(region).add_client_error(operation, code, message)

    def _stub(self, region: str) -> Stubber:
        if region not in self._stubs:
            self._stubs[region] = Stubber(self("cloudformation", region))
            self._stubs[region].activate()
        return self._stubs[region]

    def assert_all_asked(self) -> None:
        """Fail when CloudFormation was not asked something that was expected."""
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


def write_package(path: Path, type_name: str, handlers: str = "") -> Path:
    """Write a package with the members that CloudFormation reads first, and handlers that may differ."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps({"typeName": type_name}))
        archive.writestr("handlers.py", handlers)
    return path
