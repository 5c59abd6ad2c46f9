"""AWS::CloudFormation::Macro in a whole cloud: create, update, use and delete with its Lambda functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox import Cloud
from cloud_clients import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CODE = """
def handler(event, context):
    fragment = event["fragment"]
    fragment["Resources"]["P"]["Properties"]["Value"] = WORD
    return {"requestId": event["requestId"], "status": "success", "fragment": fragment}
"""
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}}}  # fmt: skip


@pytest.fixture(scope="module")
def connect() -> Iterator[Callable[[str], Any]]:
    with Cloud() as cloud:
        yield lambda service: SESSION.client(
            service, endpoint_url=cloud.url, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test",
        )  # fmt: skip


def function(word: str) -> dict[str, Any]:
    code = CODE.replace("WORD", json.dumps(word))
    return {"Type": "AWS::Lambda::Function", "Properties": {
        "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Runtime": "python3.12", "Handler": "index.handler",
        "Code": {"ZipFile": code}}}  # fmt: skip


def definition(used: str) -> str:
    macro = {"Type": "AWS::CloudFormation::Macro",
             "Properties": {"Name": "Made", "FunctionName": {"Fn::GetAtt": [used, "Arn"]}}}  # fmt: skip
    resources = {"Role": ROLE, "One": function("one"), "Two": function("two"), "Macro": macro}
    return json.dumps({"Resources": resources, "Outputs": {"Name": {"Value": {"Ref": "Macro"}}}})


def using(name: str) -> str:
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": name, "Type": "String", "Value": "written"}}
    return json.dumps({"Transform": "Made", "Resources": {"P": parameter}})


def test_a_macro_is_created_used_updated_and_deleted(connect: Callable[[str], Any]) -> None:
    cloudformation, ssm = connect("cloudformation"), connect("ssm")

    def wait(status: str, name: str) -> None:
        cloudformation.get_waiter(f"stack_{status}_complete").wait(StackName=name)

    def made(name: str) -> Any:
        cloudformation.create_stack(StackName=name, TemplateBody=using(name), Capabilities=["CAPABILITY_AUTO_EXPAND"])
        wait("create", name)
        return ssm.get_parameter(Name=name)["Parameter"]["Value"]

    capability = {"StackName": "macro", "Capabilities": ["CAPABILITY_IAM"]}
    cloudformation.create_stack(TemplateBody=definition("One"), **capability)
    wait("create", "macro")
    resource = cloudformation.describe_stack_resource(StackName="macro", LogicalResourceId="Macro")
    assert resource["StackResourceDetail"]["PhysicalResourceId"] == "Made"
    assert "ResourceStatusReason" not in resource["StackResourceDetail"]
    output = cloudformation.describe_stacks(StackName="macro")["Stacks"][0]["Outputs"][0]
    assert output == {"OutputKey": "Name", "OutputValue": "Made"}
    assert made("first") == "one"
    cloudformation.update_stack(TemplateBody=definition("Two"), **capability)
    wait("update", "macro")
    assert made("second") == "two"
    cloudformation.delete_stack(StackName="macro")
    wait("delete", "macro")
    request = {"StackName": "third", "ChangeSetName": "c", "ChangeSetType": "CREATE", "TemplateBody": using("third")}
    identifier = cloudformation.create_change_set(**request)["Id"]
    change_set = cloudformation.describe_change_set(ChangeSetName=identifier)
    assert (change_set["Status"], change_set["StatusReason"]) == (
        "FAILED", "No transform named 123456789012::Made found.")  # fmt: skip
