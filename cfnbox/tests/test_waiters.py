"""Waiters of AWS's clients: the answer is delayed until the awaited operation ends, so that they do not poll."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.aws import clients
from cfnbox.aws.waiters import Waiters
from cfnbox.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

# One question is enough on a quick machine. If each were answered at once, there would be about twenty in a second.
FEW = 4
# The User-Agent of botocore's waiters and of other clients.
BY_A_WAITER = "Boto3/1.43.83 md/Botocore#1.43.106 ua/2.1 os/linux lang/python#3.11.7 m/B,Z,b cfg/retry-mode#legacy"
BY_ANOTHER_CLIENT = BY_A_WAITER.replace("B,", "")
# Its creation takes until a test sends the signal.
SLOW = {
    "Resources": {
        "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
        "Wait": {
            "Type": "AWS::CloudFormation::WaitCondition",
            "DependsOn": "Handle",
            "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "600"},
        },
    },
    "Outputs": {"Url": {"Value": {"Ref": "Handle"}}},
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as started:
        yield started


class Counted:
    """A client, and how often it has asked for something since the last time; `asks` is set as soon as it does."""

    def __init__(self, service: str, url: str) -> None:
        self.client = clients.client(service, url)
        self.asks, self._asked = threading.Event(), 0
        self.client.meta.events.register("before-send", self._count)

    def _count(self, **_: Any) -> None:
        self._asked += 1
        self.asks.set()

    def wait(self, name: str, **arguments: Any) -> None:
        """Wait as botocore does, but sleep so little that there are many questions if each is answered at once."""
        self.client.get_waiter(name).wait(**arguments, WaiterConfig={"Delay": 0.05, "MaxAttempts": 5_000})

    def asked(self) -> int:
        asked, self._asked = self._asked, 0
        self.asks.clear()
        return asked


def test_waiting_for_a_stack_needs_few_requests(cloud: Cloud) -> None:
    counted = Counted("cloudformation", cloud.url)
    cloudformation = counted.client
    cloudformation.create_stack(StackName="slow", TemplateBody=json.dumps(SLOW))
    # A client that does not wait has an immediate answer: the signal is not sent yet.
    assert cloudformation.describe_stacks(StackName="slow")["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    url = physical_id(cloudformation, "Handle")
    counted.asked()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(counted.wait, "stack_create_complete", StackName="slow")
        assert counted.asks.wait(60)
        time.sleep(1)
        signal(url)
        waiting.result()
    assert counted.asked() <= FEW


def physical_id(cloudformation: Any, logical_id: str) -> str:
    while True:
        for one in cloudformation.describe_stack_resources(StackName="slow")["StackResources"]:
            if one["LogicalResourceId"] == logical_id and one["ResourceStatus"] == "CREATE_COMPLETE":
                return str(one["PhysicalResourceId"])


def signal(url: str) -> None:
    body = json.dumps({"Status": "SUCCESS", "Reason": "done", "UniqueId": "1", "Data": ""}).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT"), timeout=60)  # noqa: S310


def test_waiting_for_an_endpoint_needs_few_requests(cloud: Cloud) -> None:
    counted = Counted("sagemaker", cloud.url)
    sagemaker = counted.client
    variant = {"VariantName": "all", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1, "ModelName": "waited"}
    image = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/i:1"}
    sagemaker.create_model(ModelName="waited", PrimaryContainer=image)
    sagemaker.create_endpoint_config(EndpointConfigName="waited", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="waited", EndpointConfigName="waited")
    counted.asked()
    counted.wait("endpoint_in_service", EndpointName="waited")
    asked = counted.asked()
    assert asked <= FEW
    # A question is one call, however often it was looked up.
    assert [call.operation for call in cloud.sagemaker.calls].count("DescribeEndpoint") == asked
    sagemaker.delete_endpoint(EndpointName="waited")
    counted.wait("endpoint_deleted", EndpointName="waited")


def stacks(status: str) -> dict[str, Any]:
    return {"Stacks": [{"StackStatus": status}]}


def request(status: str) -> dict[str, Any]:
    return {"ProgressEvent": {"OperationStatus": status}}


@pytest.mark.parametrize(
    ("agent", "service", "operation", "answer"),
    [
        (BY_ANOTHER_CLIENT, "cloudformation", "DescribeStacks", stacks("CREATE_IN_PROGRESS")),
        ("", "cloudformation", "DescribeStacks", stacks("CREATE_IN_PROGRESS")),
        (BY_A_WAITER, "cloudformation", "DescribeStacks", stacks("UPDATE_ROLLBACK_COMPLETE")),
        # Its user decides when it goes on.
        (BY_A_WAITER, "cloudformation", "DescribeStacks", stacks("REVIEW_IN_PROGRESS")),
        (BY_A_WAITER, "cloudformation", "DescribeStacks", {"Stacks": []}),
        (BY_A_WAITER, "cloudformation", "ListStacks", {"StackSummaries": [{"StackStatus": "CREATE_IN_PROGRESS"}]}),
        (BY_A_WAITER, "sagemaker", "DescribeEndpoint", {"EndpointStatus": "InService"}),
        (BY_A_WAITER, "pricing", "DescribeServices", {}),
    ],
)
def test_an_answer_to_other_clients_or_with_a_final_status_is_immediate(
    agent: str, service: str, operation: str, answer: dict[str, Any]
) -> None:
    answers = [answer]
    assert Waiters().answer(agent, service, operation, answers.pop, dict) == answer


@pytest.mark.parametrize(
    ("service", "operation", "first", "last"),
    [
        (
            "cloudformation",
            "DescribeStacks",
            stacks("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
            stacks("UPDATE_COMPLETE"),
        ),
        ("cloudformation", "DescribeChangeSet", {"Status": "CREATE_PENDING"}, {"Status": "CREATE_COMPLETE"}),
        ("cloudcontrol", "GetResourceRequestStatus", request("PENDING"), request("SUCCESS")),
        ("sagemaker", "DescribeEndpoint", {"EndpointStatus": "RollingBack"}, {"EndpointStatus": "InService"}),
        ("sagemaker", "DescribeNotebookInstance", {"NotebookInstanceStatus": "Pending"}, {}),
        ("sagemaker", "DescribeTrainingJob", {"TrainingJobStatus": "InProgress"}, {"TrainingJobStatus": "Failed"}),
    ],
)
def test_a_waiter_is_answered_with_the_final_status(
    service: str, operation: str, first: dict[str, Any], last: dict[str, Any]
) -> None:
    answers = [last, first, first]
    assert Waiters().answer(BY_A_WAITER, service, operation, answers.pop, dict) == last
    assert answers == []


def test_a_waiter_is_answered_when_the_cloud_closes() -> None:
    waiters, asked = Waiters(), threading.Event()

    def ask() -> dict[str, Any]:
        asked.set()
        return stacks("CREATE_IN_PROGRESS")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waiters.answer, BY_A_WAITER, "cloudformation", "DescribeStacks", ask, dict)
        assert asked.wait(60)
        waiters.close()
        assert waiting.result(60) == stacks("CREATE_IN_PROGRESS")
