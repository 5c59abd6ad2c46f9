"""Cloud Control on a running cloud, by the AWS CLI, boto3 and Terraform."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from programs import RunningCloud, running_cloud
from service.test_local_clients import terraform_configuration
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "AWS::SageMaker::Model"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/"
TRUST = {"Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}}
STATE = {
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/inference",
    "PrimaryContainer": {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"},
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud() as started:
        yield started


def test_the_aws_cli_creates_updates_and_deletes_a_model(cloud: RunningCloud, tmp_path: Path) -> None:
    def control(operation: str, *arguments: str) -> Any:
        said = cloud.run("aws", "cloudcontrol", operation, *arguments, folder=tmp_path)
        return json.loads(said) if said.strip() else None

    def ended(answer: Any) -> str:
        token: str = answer["ProgressEvent"]["RequestToken"]
        control("wait", "resource-request-success", "--request-token", token)
        return token

    of_type = ("--type-name", MODEL)
    named = (*of_type, "--identifier", f"{ARN}by-cli")
    state = json.dumps(STATE | {"ModelName": "by-cli"})
    token = ended(control("create-resource", *of_type, "--desired-state", state))
    status = control("get-resource-request-status", "--request-token", token)["ProgressEvent"]
    assert status["Identifier"] == f"{ARN}by-cli"
    tags = [{"op": "add", "path": "/Tags", "value": [{"Key": "team", "Value": "risk"}]}]
    ended(control("update-resource", *named, "--patch-document", json.dumps(tags)))
    described = json.loads(control("get-resource", *named)["ResourceDescription"]["Properties"])
    assert described["Tags"] == [{"Key": "team", "Value": "risk"}]
    by_name = control("get-resource", *of_type, "--identifier", '{"ModelName": "by-cli"}')
    assert by_name["ResourceDescription"]["Identifier"] == f"{ARN}by-cli"
    listed = control("list-resources", *of_type)["ResourceDescriptions"]
    assert f"{ARN}by-cli" in {one["Identifier"] for one in listed}
    ended(control("delete-resource", *named))
    assert cloud.client("sagemaker").list_models(NameContains="by-cli")["Models"] == []


def test_unknown_properties_are_refused_without_an_effect(cloud: RunningCloud) -> None:
    control = cloud.client("cloudcontrol")
    for name in (MODEL, "AWS::S3::Bucket", "AWS::SSM::Parameter"):
        with pytest.raises(control.exceptions.ClientError, match=r"extraneous key \[Nonsense\] is not permitted"):
            control.create_resource(TypeName=name, DesiredState='{"Nonsense": 1}')
    assert cloud.client("s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize(
    ("name", "state", "identifier"),
    [
        ("AWS::S3::Bucket", {"BucketName": "own-bucket"}, "own-bucket"),
        ("AWS::Logs::LogGroup", {"LogGroupName": "own-group"}, "own-group"),
        ("AWS::SNS::Topic", {"TopicName": "own-topic"}, "arn:aws:sns:us-east-1:123456789012:own-topic"),
        ("AWS::IAM::Role", {"RoleName": "own-role", "AssumeRolePolicyDocument": TRUST}, "own-role"),
    ],
)
def test_types_of_other_services_are_created_updated_and_deleted(
    cloud: RunningCloud, name: str, state: Any, identifier: str
) -> None:
    control = cloud.client("cloudcontrol")

    def ended(answer: Any, status: str = "SUCCESS") -> None:
        token = answer["ProgressEvent"]["RequestToken"]

        def read() -> Any:
            event = control.get_resource_request_status(RequestToken=token)["ProgressEvent"]
            return None if event["OperationStatus"] in ("PENDING", "IN_PROGRESS") else event

        event = eventually(read)
        assert event["OperationStatus"] == status, event

    ended(control.create_resource(TypeName=name, DesiredState=json.dumps(state)))
    described = control.get_resource(TypeName=name, Identifier=identifier)["ResourceDescription"]
    assert (
        json.loads(described["Properties"]).items() >= {k: v for k, v in state.items() if k.endswith("Name")}.items()
    )
    ended(control.create_resource(TypeName=name, DesiredState=json.dumps(state)), "FAILED")
    ended(control.delete_resource(TypeName=name, Identifier=identifier))
    with pytest.raises(control.exceptions.ResourceNotFoundException):
        control.get_resource(TypeName=name, Identifier=identifier)


def test_the_chain_from_a_model_to_an_endpoint_is_created_and_deleted(cloud: RunningCloud) -> None:
    control, sagemaker = cloud.client("cloudcontrol"), cloud.client("sagemaker")

    def made(name: str, state: Any) -> Any:
        return ended(control.create_resource(TypeName=name, DesiredState=json.dumps(state)))

    def ended(answer: Any) -> Any:
        token = answer["ProgressEvent"]["RequestToken"]
        control.get_waiter("resource_request_success").wait(RequestToken=token, WaiterConfig={"Delay": 1})
        return control.get_resource_request_status(RequestToken=token)["ProgressEvent"]["Identifier"]

    variant = {"ModelName": "chained", "VariantName": "all", "InstanceType": "ml.m5.large",
               "InitialInstanceCount": 1, "InitialVariantWeight": 1}  # fmt: skip
    chain = {
        MODEL: STATE | {"ModelName": "chained"},
        # Its published schema lists no handlers: Cloud Control refuses it at AWS.
        "AWS::SageMaker::EndpointConfig": {"EndpointConfigName": "chained", "ProductionVariants": [variant]},
        "AWS::SageMaker::Endpoint": {"EndpointConfigName": "chained"},
    }
    identifiers = {name: made(name, state) for name, state in chain.items()}
    config, endpoint = (identifiers[f"AWS::SageMaker::{one}"] for one in ("EndpointConfig", "Endpoint"))
    described = control.get_resource(TypeName="AWS::SageMaker::Endpoint", Identifier=endpoint)
    name = json.loads(described["ResourceDescription"]["Properties"])["EndpointName"]
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"

    of_config = {"TypeName": "AWS::SageMaker::EndpointConfig", "Identifier": config}
    tags = [{"op": "add", "path": "/Tags", "value": [{"Key": "team", "Value": "risk"}]}]
    ended(control.update_resource(**of_config, PatchDocument=json.dumps(tags)))
    assert sagemaker.list_tags(ResourceArn=config)["Tags"] == tags[0]["value"]
    larger = [{"op": "replace", "path": "/ProductionVariants/0/InstanceType", "value": "ml.m5.xlarge"}]
    with pytest.raises(control.exceptions.NotUpdatableException):
        control.update_resource(**of_config, PatchDocument=json.dumps(larger))

    for name, identifier in reversed(identifiers.items()):
        ended(control.delete_resource(TypeName=name, Identifier=identifier))
        there = control.list_resources(TypeName=name)["ResourceDescriptions"]
        assert identifier not in [one["Identifier"] for one in there]


def test_a_type_that_aws_does_not_support_is_refused(cloud: RunningCloud) -> None:
    control = cloud.client("cloudcontrol")
    with pytest.raises(control.exceptions.UnsupportedActionException):
        control.create_resource(TypeName="AWS::DAX::Cluster", DesiredState="{}")


def rested(cloudformation: Any, name: str) -> str:
    def ended() -> str:
        status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return "" if status.endswith("_IN_PROGRESS") else status

    return eventually(ended)


def test_stacks_and_cloud_control_share_resources(cloud: RunningCloud) -> None:
    cloudformation, control = cloud.client("cloudformation"), cloud.client("cloudcontrol")
    body = {"Resources": {"M": {"Type": MODEL, "Properties": STATE | {"ModelName": "of-stack"}}}}
    cloudformation.create_stack(StackName="of-stack", TemplateBody=json.dumps(body))
    assert rested(cloudformation, "of-stack") == "CREATE_COMPLETE"
    described = control.get_resource(TypeName=MODEL, Identifier=f"{ARN}of-stack")["ResourceDescription"]
    assert json.loads(described["Properties"])["ModelName"] == "of-stack"

    made = control.create_resource(TypeName=MODEL, DesiredState=json.dumps(STATE | {"ModelName": "own"}))
    waiter = control.get_waiter("resource_request_success")
    waiter.wait(RequestToken=made["ProgressEvent"]["RequestToken"], WaiterConfig={"Delay": 1})
    own = {"Type": MODEL, "DeletionPolicy": "Retain", "Properties": STATE | {"ModelName": "own"}}
    identifier = {"ModelArn": f"{ARN}own"}
    change_set = cloudformation.create_change_set(
        StackName="imported", ChangeSetName="import", ChangeSetType="IMPORT",
        TemplateBody=json.dumps({"Resources": {"Own": own}}),
        ResourcesToImport=[{"ResourceType": MODEL, "LogicalResourceId": "Own", "ResourceIdentifier": identifier}],
    )  # fmt: skip
    waiter = cloudformation.get_waiter("change_set_create_complete")
    waiter.wait(ChangeSetName=change_set["Id"], WaiterConfig={"Delay": 1})
    cloudformation.execute_change_set(ChangeSetName=change_set["Id"])
    assert rested(cloudformation, "imported") == "IMPORT_COMPLETE"


def test_terraform_applies_changes_and_destroys(cloud: RunningCloud, tmp_path: Path) -> None:
    """Apply, plan without changes, change tags, destroy. The provider cannot import aws_cloudcontrolapi_resource."""
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not on PATH")
    configuration = terraform_configuration(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(Path(__file__).with_name("resource.tf"), work)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": str(configuration),
                   "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_VAR_endpoint": cloud.url}  # fmt: skip

    def terraform(*words: str) -> tuple[int, str]:
        command = [program, words[0], "-no-color", "-input=false", *words[1:]]
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        return done.returncode, done.stdout + done.stderr

    sagemaker = cloud.client("sagemaker")
    code, said = terraform("init")
    assert code == 0, said
    for team, done in (("risk", "1 added, 0 changed"), ("ads", "0 added, 1 changed")):
        code, said = terraform("apply", "-auto-approve", f"-var=team={team}")
        assert done in said, said
        assert sagemaker.list_tags(ResourceArn=f"{ARN}by-terraform")["Tags"] == [{"Key": "team", "Value": team}]
        code, said = terraform("plan", "-detailed-exitcode", f"-var=team={team}")
        assert code == 0, said
    code, said = terraform("destroy", "-auto-approve")
    assert "1 destroyed" in said, said
    assert sagemaker.list_models(NameContains="by-terraform")["Models"] == []
