"""Stacks with AWS::SageMaker::Model: engine, Lambda runtime, handlers, local SageMaker."""

from __future__ import annotations

import copy
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

import programs
from cfnbox.aws import clients

if TYPE_CHECKING:
    from pathlib import Path

    from cfnbox.cloud import Cloud
    from tests.e2e.conftest import Stack

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"
ROLE = "arn:aws:iam::123456789012:role/execution"
SYSTEM_TAGS = {"aws:cloudformation:stack-name", "aws:cloudformation:stack-id", "aws:cloudformation:logical-id"}


def model(**properties: Any) -> dict[str, Any]:
    given = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}, **properties}
    return {"Type": "AWS::SageMaker::Model", "Properties": given}


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def template(**resources: Any) -> dict[str, Any]:
    outputs = {"Arn": {"Value": {"Ref": next(iter(resources))}}} if resources else {}
    return {"Resources": resources, "Outputs": outputs}


def with_image(resource: dict[str, Any], image: str) -> dict[str, Any]:
    changed = copy.deepcopy(resource)
    changed["Properties"]["PrimaryContainer"]["Image"] = image
    return changed


def tags_of(sagemaker: Any, arn: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}


def own_tags_of(sagemaker: Any, arn: str) -> dict[str, str]:
    return {key: value for key, value in tags_of(sagemaker, arn).items() if not key.startswith("aws:")}


def names_of(sagemaker: Any, stack: Stack) -> list[str]:
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=stack.name)
    return [one["ModelName"] for page in pages for one in page["Models"]]


def test_create(stack: Stack, sagemaker: Any) -> None:
    attributes = ("Name", "ModelName", "ModelArn", "CreationTime")
    body = template(Model=model(Tags=tags(own="1")))
    body["Outputs"] |= {name: {"Value": {"Fn::GetAtt": ["Model", name]}} for name in attributes}
    assert stack.create(body, tags={"team": "search"})["StackStatus"] == "CREATE_COMPLETE"
    outputs = stack.outputs()
    description = sagemaker.describe_model(ModelName=outputs["Name"])
    assert outputs["Arn"] == outputs["ModelArn"] == description["ModelArn"]
    assert outputs["Name"] == outputs["ModelName"]
    assert description["PrimaryContainer"]["Image"] == IMAGE
    assert own_tags_of(sagemaker, outputs["Arn"]) == {"own": "1", "team": "search"}
    system = {key: value for key, value in tags_of(sagemaker, outputs["Arn"]).items() if key.startswith("aws:")}
    assert set(system) == SYSTEM_TAGS
    assert system["aws:cloudformation:logical-id"] == "Model"
    assert system["aws:cloudformation:stack-id"] == stack.describe()["StackId"]
    statuses = [(logical_id, status) for logical_id, status, _ in stack.events()]
    assert statuses[0] == (stack.name, "CREATE_IN_PROGRESS")
    assert statuses[-2:] == [("Model", "CREATE_COMPLETE"), (stack.name, "CREATE_COMPLETE")]


def test_a_tag_of_the_template_wins_over_the_stacks(stack: Stack, sagemaker: Any) -> None:
    stack.create(template(Model=model(Tags=tags(team="own"))), tags={"team": "stack"})
    assert own_tags_of(sagemaker, stack.outputs()["Arn"]) == {"team": "own"}


def test_tags_change_in_place(stack: Stack, sagemaker: Any) -> None:
    stack.create(template(Model=model(Tags=tags(kept="1", changed="1", gone="1"))))
    arn = stack.outputs()["Arn"]
    updated = stack.update(template(Model=model(Tags=tags(kept="1", changed="2", new="1"))))
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.outputs()["Arn"] == arn
    assert own_tags_of(sagemaker, arn) == {"kept": "1", "changed": "2", "new": "1"}


def test_stack_tags_change_in_place(stack: Stack, sagemaker: Any) -> None:
    body = template(Model=model(Tags=tags(own="1")))
    stack.create(body, tags={"team": "search", "gone": "1"})
    arn = stack.outputs()["Arn"]
    assert stack.update(body, tags={"team": "ads"})["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.outputs()["Arn"] == arn
    assert own_tags_of(sagemaker, arn) == {"own": "1", "team": "ads"}
    assert set(tags_of(sagemaker, arn)) >= SYSTEM_TAGS


def test_an_unchanged_model_is_not_updated(stack: Stack, cloud: Cloud) -> None:
    body = template(Model=model(Tags=tags(stage="dev")), Other=model())
    body["Outputs"] = {"Other": {"Value": {"Fn::GetAtt": ["Other", "Name"]}}}
    stack.create(body)
    other = stack.outputs()["Other"]
    body["Resources"]["Model"]["Properties"]["Tags"] = tags(stage="prod")
    cloud.sagemaker.calls.clear()
    assert stack.update(body)["StackStatus"] == "UPDATE_COMPLETE"
    assert [call.operation for call in cloud.sagemaker.calls] == ["DescribeModel", "ListTags", "AddTags"]
    assert stack.outputs()["Other"] == other


def test_replacement_makes_the_new_model_first(stack: Stack, sagemaker: Any, cloud: Cloud) -> None:
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Model"}}}
    body = template(Model=model(), Dependent=parameter)
    stack.create(body)
    old = stack.outputs()["Arn"]
    body["Resources"]["Model"] = with_image(body["Resources"]["Model"], IMAGE.replace(":1", ":2"))
    assert stack.update(body)["StackStatus"] == "UPDATE_COMPLETE"
    new = stack.outputs()["Arn"]
    assert new != old
    assert names_of(sagemaker, stack) == [new.rpartition("/")[2]]
    resources = stack.cloudformation.describe_stack_resources(StackName=stack.name)["StackResources"]
    name = next(one["PhysicalResourceId"] for one in resources if one["LogicalResourceId"] == "Dependent")
    stored: Any = clients.client("ssm", cloud.url).get_parameter(Name=name)
    assert stored["Parameter"]["Value"] == new
    statuses = [(logical_id, status) for logical_id, status, _ in stack.events()]
    order = [
        statuses.index(("Model", "UPDATE_COMPLETE")),
        statuses.index(("Dependent", "UPDATE_COMPLETE")),
        statuses.index((stack.name, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")),
        statuses.index(("Model", "DELETE_COMPLETE")),
        statuses.index((stack.name, "UPDATE_COMPLETE")),
    ]
    assert order == sorted(order)


def test_replacement_under_a_fixed_name_rolls_back_with_advice(stack: Stack, sagemaker: Any) -> None:
    body = template(Model=model(ModelName="fixed-for-replacement"))
    stack.create(body)
    body["Resources"]["Model"] = with_image(body["Resources"]["Model"], IMAGE.replace(":1", ":2"))
    assert stack.update(body)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    (reason,) = stack.reasons("UPDATE_FAILED")
    # What AWS says of its own type of this name.
    assert reason == (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename "
        "fixed-for-replacement and update the stack again."
    )
    assert sagemaker.describe_model(ModelName="fixed-for-replacement")["PrimaryContainer"]["Image"] == IMAGE
    assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"


def test_a_failed_create_leaves_nothing(stack: Stack, sagemaker: Any, cloud: Cloud) -> None:
    cloud.sagemaker.faults.replace([{"operation": "CreateModel", "fault": "limit-exceeded", "after": 1}])
    failed = stack.create(template(First=model(), Second={**model(), "DependsOn": "First"}))
    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = stack.reasons("CREATE_FAILED")
    assert "HandlerErrorCode: ServiceLimitExceeded" in reason
    assert ("First", "DELETE_COMPLETE", "") in stack.events()
    assert names_of(sagemaker, stack) == []


def test_a_failed_update_rolls_back(stack: Stack, sagemaker: Any) -> None:
    stack.create(template(Model=model(Tags=tags(version="1"))))
    arn = stack.outputs()["Arn"]
    changed = model(Tags=tags(version="2"))
    broken = {**model(Containers=[{"Image": IMAGE}]), "DependsOn": "Model"}
    assert stack.update(template(Model=changed, Broken=broken))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert own_tags_of(sagemaker, arn) == {"version": "1"}
    assert names_of(sagemaker, stack) == [arn.rpartition("/")[2]]
    (reason,) = stack.reasons("CREATE_FAILED")
    assert "/properties has both PrimaryContainer and Containers: give exactly one of the two" in reason


def test_delete(stack: Stack, sagemaker: Any) -> None:
    stack.create(template(Model=model()))
    assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"
    assert names_of(sagemaker, stack) == []


def test_deleting_a_stack_with_a_deleted_model_succeeds(stack: Stack, sagemaker: Any) -> None:
    stack.create(template(Model=model()))
    sagemaker.delete_model(ModelName=stack.outputs()["Arn"].rpartition("/")[2])
    assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"


def importing(stack: Stack, body: Any, **identifier: str) -> Any:
    resources = [
        {"ResourceType": "AWS::SageMaker::Model", "LogicalResourceId": "Model", "ResourceIdentifier": identifier}
    ]
    return stack.change_set(body, ChangeSetType="IMPORT", ResourcesToImport=resources)


@pytest.mark.parametrize("by", ["ModelArn", "ModelName"])
def test_a_model_created_by_the_api_can_be_imported(stack: Stack, sagemaker: Any, by: str) -> None:
    name = f"made-by-hand-{by}"
    made = sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE}, Tags=tags(by="hand")
    )
    body = {"Resources": {"Model": {**model(Tags=tags(by="hand")), "DeletionPolicy": "Delete"}}}
    change_set = importing(stack, body, **{by: {"ModelName": name, **made}[by]})
    assert change_set["Status"] == "CREATE_COMPLETE", change_set.get("StatusReason")
    stack.cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert stack.rest()["StackStatus"] == "IMPORT_COMPLETE"
    body["Outputs"] = {"Name": {"Value": {"Fn::GetAtt": ["Model", "Name"]}}}
    body["Resources"]["Model"]["Properties"]["Tags"] = tags(by="template")
    assert stack.update(body)["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.outputs()["Name"] == name
    assert own_tags_of(sagemaker, made["ModelArn"]) == {"by": "template"}


def test_a_missing_model_cannot_be_imported(stack: Stack) -> None:
    body = {"Resources": {"Model": {**model(), "DeletionPolicy": "Retain"}}}
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/nowhere"
    change_set = importing(stack, body, ModelArn=arn)
    assert change_set["Status"] == "FAILED"
    assert change_set["StatusReason"] == (
        f"Resource of type 'AWS::SageMaker::Model' with identifier '{arn}' was not found."
    )


def test_drift(stack: Stack, sagemaker: Any) -> None:
    container = {"Image": IMAGE, "Environment": {"LEVEL": "1"}}
    body = template(Model=model(PrimaryContainer=container, Tags=tags(own="1", other="1")), Lost=model())
    stack.create(body, tags={"team": "search"})
    assert {key: one["StackResourceDriftStatus"] for key, one in stack.drift().items()} == {
        "Model": "IN_SYNC",
        "Lost": "IN_SYNC",
    }
    sagemaker.add_tags(ResourceArn=stack.outputs()["Arn"], Tags=tags(own="2", stray="1"))
    (lost,) = [
        one["PhysicalResourceId"]
        for one in stack.cloudformation.describe_stack_resources(StackName=stack.name)["StackResources"]
        if one["LogicalResourceId"] == "Lost"
    ]
    sagemaker.delete_model(ModelName=lost.rpartition("/")[2])
    found = stack.drift()
    assert found["Lost"]["StackResourceDriftStatus"] == "DELETED"
    assert found["Model"]["StackResourceDriftStatus"] == "MODIFIED"
    kinds = sorted(one["DifferenceType"] for one in found["Model"]["PropertyDifferences"])
    assert kinds == ["ADD", "NOT_EQUAL"]
    assert all(one["PropertyPath"].startswith("/Tags/") for one in found["Model"]["PropertyDifferences"])


def test_an_update_without_changes_is_refused(stack: Stack) -> None:
    body = template(Model=model())
    stack.create(body)
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update(body)


def test_change_sets_show_replacements(stack: Stack) -> None:
    body = template(Model=model(Tags=tags(own="1")))
    stack.create(body)
    replaced = {"Model": with_image(body["Resources"]["Model"], IMAGE.replace(":1", ":2"))}
    for resources, expected, changed in [
        (replaced, "True", ["PrimaryContainer"]),
        ({"Model": model(Tags=tags(own="2"))}, "False", ["Tags"]),
    ]:
        change_set = stack.change_set(template(**resources))
        (change,) = [one["ResourceChange"] for one in change_set["Changes"]]
        assert (change["Action"], change["Replacement"]) == ("Modify", expected)
        assert [detail["Target"]["Name"] for detail in change["Details"]] == changed
        stack.cloudformation.delete_change_set(ChangeSetName=change_set["ChangeSetId"])


def test_fifty_models(stack: Stack, sagemaker: Any) -> None:
    assert stack.create(template(**{f"M{n}": model() for n in range(50)}))["StackStatus"] == "CREATE_COMPLETE"
    assert len(set(names_of(sagemaker, stack))) == 50
    assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"
    assert names_of(sagemaker, stack) == []


def test_a_create_that_waits_for_iam(stack: Stack, sagemaker: Any, cloud: Cloud) -> None:
    cloud.sagemaker.faults.replace([{"operation": "CreateModel", "fault": "iam-race-role", "times": 1}])
    before = len(cloud.sagemaker.calls)
    assert stack.create(template(Model=model()))["StackStatus"] == "CREATE_COMPLETE"
    creates = [call for call in cloud.sagemaker.calls[before:] if call.operation == "CreateModel"]
    assert [call.code for call in creates] == ["ValidationException", None]
    assert stack.reasons("CREATE_IN_PROGRESS").count("Resource creation Initiated") == 1
    assert names_of(sagemaker, stack) == [stack.outputs()["Arn"].rpartition("/")[2]]


def test_handlers_use_the_callers_credentials(stack: Stack, cloud: Cloud) -> None:
    before = len(cloud.sagemaker.calls)
    stack.create(template(Model=model()))
    keys = {call.access_key for call in cloud.sagemaker.calls[before:] if call.operation == "CreateModel"}
    assert keys == {"local-caller"}


def test_an_attribute_that_does_not_exist(stack: Stack, sagemaker: Any) -> None:
    body = template(Model=model())
    body["Outputs"]["Role"] = {"Value": {"Fn::GetAtt": ["Model", "ExecutionRoleArn"]}}
    with pytest.raises(ClientError, match="does not support attribute type ExecutionRoleArn in Fn::GetAtt"):
        stack.create(body)
    assert names_of(sagemaker, stack) == []


def test_the_aws_cli(cloud: Cloud, sagemaker: Any, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(
        f"""
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{{Effect: Allow, Principal: {{Service: sagemaker.amazonaws.com}}, Action: "sts:AssumeRole"}}]
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: !GetAtt Role.Arn
      PrimaryContainer: {{Image: "{IMAGE}"}}
Outputs:
  Name: {{Value: !GetAtt Model.Name}}
"""
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def aws(command: str) -> str:
        done = subprocess.run(
            [programs.program("aws"), *command.split()],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    aws(f"cloudformation deploy --template-file {file} --stack-name by-the-cli --capabilities CAPABILITY_IAM")
    query = "--query Stacks[0].Outputs[0].OutputValue --output text"
    name = aws(f"cloudformation describe-stacks --stack-name by-the-cli {query}")
    assert name in aws("sagemaker list-models --name-contains by-the-cli --query Models[].ModelName --output text")
    image = aws(f"sagemaker describe-model --model-name {name} --query PrimaryContainer.Image --output text")
    assert image == IMAGE
