"""Small types in stacks of a whole cloud: the messages about missing handlers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from cfnbox.aws import clients
from cfnbox.cloud import Cloud
from cfnbox.registry.projects import projects
from cloud_clients import as_a_waiter
from programs import Command
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]
ALL = ("create", "read", "update", "delete", "list")
# It keeps nothing: a resource is what was asked for. It prints its configuration, and fails where its name says so.
HANDLERS = """
def resource(event, _context):
    desired = event["requestData"]["resourceProperties"]
    print("configured with", event["requestData"].get("typeConfiguration"))
    if desired.get("Name") == "fail":
        message = "Refused: " + str(event["requestData"].get("typeConfiguration"))
        return {"status": "FAILED", "errorCode": "InvalidRequest", "message": message}
    return {"status": "SUCCESS", "resourceModel": desired}
"""


def write(root: Path, name: str, handlers: tuple[str, ...] = ALL, identifier: str = "Name", **schema: Any) -> None:
    """Write the project of the type Example::Small::NAME."""
    package = f"example_small_{name.lower()}"
    base: Json = {
        "typeName": f"Example::Small::{name}",
        "description": "A small type",
        "properties": {"Name": {"type": "string"}, "On": {"type": "boolean"}, "Note": {"type": "string"}},
        "additionalProperties": False,
        "primaryIdentifier": [f"/properties/{identifier}"],
        "createOnlyProperties": ["/properties/Name"],
        "tagging": {"taggable": False},
        "handlers": {action: {"permissions": []} for action in handlers},
    }
    settings = {"artifact_type": "RESOURCE", "typeName": base["typeName"], "language": "python312",
                "runtime": "python3.12", "entrypoint": f"{package}.handlers.resource"}  # fmt: skip
    files = {
        ".rpdk-config": json.dumps(settings),
        f"example-small-{name.lower()}.json": json.dumps(base | schema),
        "requirements.txt": "",
        f"src/{package}/__init__.py": "",
        f"src/{package}/handlers.py": HANDLERS,
    }
    for file, text in files.items():
        path = root / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    root = tmp_path_factory.mktemp("types")
    write(root, "Whole")
    write(root, "Switch", identifier="On")
    write(root, "Readonly", handlers=("read", "list"))
    write(root, "Blind", handlers=("create", "update", "delete"))
    write(root, "Lasting", handlers=("create", "read", "update"))
    write(root, "Service", typeConfiguration={
        "properties": {"Key": {"type": "string"}}, "additionalProperties": False})  # fmt: skip
    with Cloud(sources=projects([root])) as started:
        yield started


class Stack:
    """A stack of one resource."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.client: Any = clients.client("cloudformation", cloud.url)
        self.name = self.id = name

    def create(self, kind: str, **properties: Any) -> str:
        """Create the stack, without a rollback; return its status at the end."""
        resource = {"Type": f"Example::Small::{kind}", "Properties": properties}
        template = {"Resources": {"Thing": resource}, "Outputs": {"Ref": {"Value": {"Ref": "Thing"}}}}
        request = {"StackName": self.name, "TemplateBody": json.dumps(template), "OnFailure": "DO_NOTHING"}
        self.id = self.client.create_stack(**request)["StackId"]
        return self.ended()

    def ended(self) -> str:
        """Wait until no operation of the stack is in progress; return its status."""

        @as_a_waiter
        def rests() -> str:
            status = str(self.client.describe_stacks(StackName=self.id)["Stacks"][0]["StackStatus"])
            return "" if status.endswith("_IN_PROGRESS") else status

        return eventually(rests)

    def delete(self) -> str:
        """Delete the stack; return its status at the end."""
        self.client.delete_stack(StackName=self.name)
        return self.ended()

    @property
    def reason(self) -> str:
        """The reason of the resource's last failure."""
        events = self.client.describe_stack_events(StackName=self.id)["StackEvents"]
        failed = (event for event in events if "FAILED" in event["ResourceStatus"])
        reasons = (event["ResourceStatusReason"] for event in failed if event["LogicalResourceId"] == "Thing")
        return str(next(reasons))

    @property
    def ref(self) -> str:
        (output,) = self.client.describe_stacks(StackName=self.id)["Stacks"][0]["Outputs"]
        return str(output["OutputValue"])

    def drift(self) -> Json:
        """Detect drift of the resource; return what DetectStackResourceDrift answers."""
        request = {"StackName": self.name, "LogicalResourceId": "Thing"}
        return dict(self.client.detect_stack_resource_drift(**request)["StackResourceDrift"])


@pytest.fixture
def stack(cloud: Cloud, request: pytest.FixtureRequest) -> Stack:
    return Stack(cloud, "s" + "".join(filter(str.isalnum, request.node.name))[:60])


def test_a_resource_with_a_bar_in_its_identifier_is_deleted(stack: Stack) -> None:
    assert stack.create("Whole", Name="a|b") == "CREATE_COMPLETE"
    assert stack.ref == "a|b"
    assert stack.drift()["StackResourceDriftStatus"] == "IN_SYNC"
    assert stack.delete() == "DELETE_COMPLETE"


def test_ref_of_a_boolean_identifier_is_its_json_text(stack: Stack) -> None:
    assert stack.create("Switch", Name="x", On=True) == "CREATE_COMPLETE"
    assert stack.ref == "true"
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_type_without_create_is_not_provisionable(stack: Stack) -> None:
    assert stack.create("Readonly", Name="x") == "CREATE_FAILED"
    assert "Example::Small::Readonly declares no create handler" in stack.reason
    assert "NON_PROVISIONABLE" in stack.reason
    assert stack.client.describe_type(Type="RESOURCE", TypeName="Example::Small::Readonly")["ProvisioningType"] == (
        "NON_PROVISIONABLE"
    )
    assert stack.delete() == "DELETE_COMPLETE"


def test_drift_of_a_type_without_a_read_handler_is_not_checked(cloud: Cloud, stack: Stack, tmp_path: Path) -> None:
    assert stack.create("Blind", Name="x") == "CREATE_COMPLETE"
    drift = stack.drift()
    assert drift["StackResourceDriftStatus"] == "NOT_CHECKED"
    assert "Example::Small::Blind declares no read handler" in drift["DriftStatusReason"]
    told = Command(tmp_path)("drift", "--stack-name", stack.name, url=cloud.url)
    assert "NOT_CHECKED  Thing Example::Small::Blind" in told.stdout, told.stdout + told.stderr
    assert "Example::Small::Blind declares no read handler" in told.stdout
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_deletion_without_a_delete_handler_fails(stack: Stack) -> None:
    assert stack.create("Lasting", Name="x") == "CREATE_COMPLETE"
    assert stack.delete() == "DELETE_FAILED"
    assert "Example::Small::Lasting declares no delete handler" in stack.reason


def test_a_secret_of_a_type_configuration_reaches_only_the_handlers(cloud: Cloud, stack: Stack) -> None:
    clients.client("secretsmanager", cloud.url).create_secret(Name="service-key", SecretString="key-of-the-service")
    written = '{"Key": "{{resolve:secretsmanager:service-key}}"}'
    stack.client.set_type_configuration(
        Type="RESOURCE", TypeName="Example::Small::Service", Configuration=written, ConfigurationAlias="default"
    )
    assert stack.create("Service", Name="fail") == "CREATE_FAILED"
    assert "Refused: {'Key': '****'}" in stack.reason
    records = requests.get(f"{cloud.console_url}invocations", timeout=60).text
    assert "configured with {'Key': '****'}" in records
    assert "key-of-the-service" not in records
    (found,) = stack.client.batch_describe_type_configurations(
        TypeConfigurationIdentifiers=[{"Type": "RESOURCE", "TypeName": "Example::Small::Service"}]
    )["TypeConfigurations"]
    assert found["Configuration"] == written
    assert stack.delete() == "DELETE_COMPLETE"
