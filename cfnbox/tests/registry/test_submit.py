"""A type on a running cloud: cfn submit, stacks of the type, other versions, other regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from programs import RunningCloud, running_cloud
from registry.package_builders import HANDLERS, NAME, SCHEMA, SETTINGS, package
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
TYPE = {"Type": "RESOURCE", "TypeName": NAME}


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud() as started:
        yield started


def template(text: str) -> str:
    note = {"Type": NAME, "Properties": {"Text": text}}
    return json.dumps({"Resources": {"Note": note}, "Outputs": {"By": {"Value": {"Fn::GetAtt": ["Note", "By"]}}}})


def rested(cloudformation: Any, name: str) -> dict[str, Any]:
    """Wait for the end of an operation, and return the stack; fail with its events if it did not succeed."""

    def ended() -> Any:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    stack = eventually(ended)
    reasons = [
        one.get("ResourceStatusReason") for one in cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    ]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), reasons
    return stack  # type: ignore[no-any-return]


def by(stack: dict[str, Any]) -> str:
    return str(stack["Outputs"][0]["OutputValue"]).split()[0]


def test_cfn_submit_registers_a_type_for_stacks(cloud: RunningCloud, tmp_path: Path) -> None:
    source = tmp_path / "src" / "example_notes_note"
    source.mkdir(parents=True)
    (source / "__init__.py").touch()
    (tmp_path / ".rpdk-config").write_text(json.dumps(SETTINGS | {"settings": {"protocolVersion": "2.0.0"}}))
    (tmp_path / "example-notes-note.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "requirements.txt").write_text("\n")
    (source / "handlers.py").write_text(HANDLERS.format(by="first"))
    cloud.run("cfn", "generate", folder=tmp_path)

    assert "Registration complete." in cloud.run("cfn", "submit", "--set-default", folder=tmp_path)
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(StackName="notes", TemplateBody=template("one"))
    assert by(rested(cloudformation, "notes")) == "first"

    cloudformation.set_type_default_version(Arn=registered(cloud, "us-east-1", "second"))
    cloudformation.update_stack(StackName="notes", TemplateBody=template("two"))
    assert by(rested(cloudformation, "notes")) == "second"

    cloudformation.set_type_default_version(**TYPE, VersionId="00000001")
    cloudformation.update_stack(StackName="notes", TemplateBody=template("three"))
    assert by(rested(cloudformation, "notes")) == "first"

    (source / "handlers.py").write_text(HANDLERS.format(by="western"))
    cloud.run("cfn", "submit", "--region", "eu-west-1", folder=tmp_path, AWS_DEFAULT_REGION="eu-west-1")
    west = cloud.client("cloudformation", "eu-west-1")
    west.create_stack(StackName="notes", TemplateBody=template("four"))
    assert by(rested(west, "notes")) == "western"
    assert [len(one.list_type_versions(**TYPE)["TypeVersionSummaries"]) for one in (cloudformation, west)] == [2, 1]


def registered(cloud: RunningCloud, region: str, by: str) -> str:
    """Register a version whose handlers report the name `by`; return its ARN."""
    cloudformation, s3 = cloud.client("cloudformation", region), cloud.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key=f"{by}.zip", Body=package(by))
    asked = cloudformation.register_type(TypeName=NAME, SchemaHandlerPackage=f"s3://packages/{by}.zip")
    token = {"RegistrationToken": asked["RegistrationToken"]}
    cloudformation.get_waiter("type_registration_complete").wait(**token)
    answer = cloudformation.describe_type_registration(**token)
    return str(answer["TypeVersionArn"])


def test_the_registration_stack_registers_updates_and_deletes_versions(cloud: RunningCloud) -> None:
    """deploy/registration.yaml registers a package, then another one, and leaves nothing after its deletion."""
    region = "eu-central-1"
    cloudformation, s3 = cloud.client("cloudformation", region), cloud.client("s3", region)
    s3.create_bucket(Bucket="notes-types", CreateBucketConfiguration={"LocationConstraint": region})
    body = (ROOT / "deploy" / "registration.yaml").read_text()

    def parameters(key: str) -> list[dict[str, str]]:
        given = {"TypeName": NAME, "PackageBucket": "notes-types", "PackageKey": key, "ModelRoleNames": "x"}
        return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]

    for number, operation in enumerate((cloudformation.create_stack, cloudformation.update_stack), 1):
        key = f"notes/{number}.zip"
        s3.put_object(Bucket="notes-types", Key=key, Body=package(f"number-{number}"))
        operation(StackName="type", TemplateBody=body, Parameters=parameters(key), Capabilities=["CAPABILITY_IAM"])
        outputs = {one["OutputKey"]: one["OutputValue"] for one in rested(cloudformation, "type")["Outputs"]}
        assert outputs["TypeVersionArn"].endswith(f"type/resource/Example-Notes-Note/{number:08}")
        (version,) = cloudformation.list_type_versions(**TYPE)["TypeVersionSummaries"]
        assert (version["Arn"], version["IsDefaultVersion"]) == (outputs["TypeVersionArn"], True)
        described = cloudformation.describe_type(Arn=outputs["TypeVersionArn"])
        assert described["ExecutionRoleArn"] == outputs["ExecutionRoleArn"]
        assert described["LoggingConfig"]["LogGroupName"] == outputs["LogGroupName"]
        cloudformation.create_stack(StackName=f"notes-{number}", TemplateBody=template("x"))
        assert by(rested(cloudformation, f"notes-{number}")) == f"number-{number}"

    stack_id = cloudformation.describe_stacks(StackName="type")["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName="type")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig={"Delay": 1})
    assert cloudformation.list_types()["TypeSummaries"] != []
    names = [one["TypeName"] for one in cloudformation.list_types()["TypeSummaries"]]
    assert NAME not in names


def test_a_deregistered_type_keeps_its_resources(cloud: RunningCloud) -> None:
    """The resources stay. After a new registration of the type, the stack can be deleted."""
    region = "ap-southeast-2"
    cloudformation = cloud.client("cloudformation", region)
    registered(cloud, region, "first")
    stack_id = cloudformation.create_stack(StackName="in-use", TemplateBody=template("one"))["StackId"]
    rested(cloudformation, "in-use")
    cloudformation.deregister_type(**TYPE)
    for operation in (cloudformation.create_stack, cloudformation.update_stack):
        name = "in-use" if operation == cloudformation.update_stack else "another"
        with pytest.raises(cloudformation.exceptions.ClientError, match=f"Unrecognized resource types: .*{NAME}"):
            operation(StackName=name, TemplateBody=template("two"))
    cloudformation.delete_stack(StackName="in-use")
    with pytest.raises(AssertionError, match=f"The type {NAME} is not registered any more"):
        rested(cloudformation, stack_id)
    registered(cloud, region, "first")
    cloudformation.delete_stack(StackName="in-use")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig={"Delay": 1})
