"""The pytest plugin, with tests of a user in a separate folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# The folder of AWS::SageMaker::Model.
PROJECT = Path(__file__).resolve().parents[3]
QUEUE = """
TEMPLATE = {
    "Parameters": {"Seconds": {"Type": "Number"}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}}},
    "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
}
"""


def run_tests(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_templates.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_stack_is_deployed_updated_and_deleted(tmp_path: Path) -> None:
    done = run_tests(
        tmp_path,
        QUEUE
        + """
def test_stack(cfnbox):
    stack = cfnbox.deploy(TEMPLATE, parameters={"Seconds": 10}, tags={"team": "churn"})
    assert stack.status == "CREATE_COMPLETE"
    queue = stack.resources["Queue"]
    assert (queue.type, queue.status) == ("AWS::SQS::Queue", "CREATE_COMPLETE")
    assert queue.physical_id == stack.outputs["Url"]
    assert [event["ResourceStatus"] for event in stack.events if event["LogicalResourceId"] == "Queue"] == [
        "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    sqs = cfnbox.client("sqs")
    read = lambda: sqs.get_queue_attributes(QueueUrl=queue.physical_id, AttributeNames=["All"])["Attributes"]
    assert read()["VisibilityTimeout"] == "10"
    stack.update(TEMPLATE, parameters={"Seconds": 20})
    assert (stack.status, read()["VisibilityTimeout"], stack.drift()) == ("UPDATE_COMPLETE", "20", {})
    sqs.set_queue_attributes(QueueUrl=queue.physical_id, Attributes={"VisibilityTimeout": "30"})
    assert list(stack.drift()) == ["Queue"]
    stack.delete()
    assert stack.status == "DELETE_COMPLETE"
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_test_starts_with_an_empty_account(tmp_path: Path) -> None:
    done = run_tests(
        tmp_path,
        QUEUE
        + """
import pytest

@pytest.mark.parametrize("turn", range(3))
def test_stack(cfnbox, turn):
    assert cfnbox.client("cloudformation").describe_stacks()["Stacks"] == []
    cfnbox.deploy(TEMPLATE, parameters={"Seconds": 10}, stack_name="same")
    assert len(cfnbox.client("sqs").list_queues()["QueueUrls"]) == 1
""",
        "-n", "2",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_failed_deployment_has_the_reasons_in_its_text(tmp_path: Path) -> None:
    done = run_tests(
        tmp_path,
        """
from cfnbox import DeployFailed
import pytest

def test_failure(cfnbox):
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "Not_a_name"}}
    with pytest.raises(DeployFailed, match=r"\\n  Bucket .AWS::S3::Bucket.: .*BucketName"):
        cfnbox.deploy({"Resources": {"Bucket": bucket}})
    properties = {"Handle": {"Ref": "Handle"}, "Timeout": "1"}
    waiting = {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
               "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "Properties": properties}}
    reason = r"ROLLBACK_COMPLETE\\n  Wait .AWS::CloudFormation::WaitCondition.: "
    with pytest.raises(DeployFailed, match=reason) as failed:
        cfnbox.deploy({"Resources": waiting})
    assert failed.value.events[-1]["ResourceStatus"] == "ROLLBACK_COMPLETE"

def test_refusal(cfnbox):
    with pytest.raises(DeployFailed, match="Invalid template resource property 'Oops'"):
        cfnbox.deploy({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Oops": 1}}})
    with pytest.raises(DeployFailed, match="cannot be read: No such file"):
        cfnbox.deploy("no-such-template.yaml")
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_without_the_fixtures_does_not_import_boto3(tmp_path: Path) -> None:
    done = run_tests(tmp_path, "import sys\n\ndef test_modules():\n    assert 'boto3' not in sys.modules\n")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_registered_type_works_in_the_account_of_the_test(tmp_path: Path) -> None:
    done = run_tests(
        tmp_path,
        f"""
import pytest

@pytest.fixture(scope="session")
def cfnbox_types():
    return [{str(PROJECT)!r}]

@pytest.mark.parametrize("turn", range(2))
def test_model(cfnbox, turn):
    image = {{"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/i:1"}}
    role = f"arn:aws:iam::{{cfnbox.account}}:role/inference"
    properties = {{"ExecutionRoleArn": role, "PrimaryContainer": image}}
    resources = {{"Model": {{"Type": "AWS::SageMaker::Model", "Properties": properties}}}}
    arn = cfnbox.deploy({{"Resources": resources}}).resources["Model"].physical_id
    assert arn.split(":")[4] == cfnbox.account
    assert [model["ModelArn"] for model in cfnbox.client("sagemaker").list_models()["Models"]] == [arn]
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr
