"""The ARN of a model: the same spelling in every answer, never of another region or account, and never invented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.core.place import Place
from cfnbox.handlers.events import Action, follow, production_event, reinvocation
from tests.conftest import MODEL, Invoke, model_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.sagemaker.server import LocalSageMaker

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/"
NAMED = {**MODEL, "ModelName": "Scorer"}


@pytest.fixture
def made(invoke: Invoke) -> Any:
    return invoke("CREATE", NAMED)["resourceModel"]


@pytest.fixture
def lower_case(made: Any, sagemaker: LocalSageMaker) -> None:
    """Let every answer of SageMaker spell the ARN in lower case, as some have been seen to."""
    stored = sagemaker.service.store(Place("us-east-1")).models["Scorer"]
    stored.description["ModelArn"] = stored.description["ModelArn"].lower()


def test_every_action_returns_the_same_spelling(
    invoke: Invoke, sagemaker: LocalSageMaker, made: Any, lower_case: Any
) -> None:
    sagemaker.faults.inject("ListModels", "lower-case-arns")
    tagged = {**made, "Tags": [{"Key": "team", "Value": "risk"}]}
    answers = [
        invoke("READ", {"ModelArn": made["ModelArn"]}),
        invoke("READ", {"ModelName": "Scorer"}),
        invoke("READ", {"ModelArn": made["ModelArn"].lower(), "ModelName": "Scorer"}),
        invoke("UPDATE", tagged, previous=made),
        invoke("UPDATE", {**tagged, "ModelArn": made["ModelArn"].lower()}, previous=made),
    ]
    assert {answer["resourceModel"]["ModelArn"] for answer in answers} == {ARN + "Scorer"}
    assert invoke("LIST")["resourceModels"] == [{"ModelArn": ARN + "Scorer", "ModelName": "Scorer"}]


@pytest.mark.parametrize("action", ["CREATE", "UPDATE", "DELETE"])
def test_an_in_progress_answer_has_the_same_spelling(
    invoke: Invoke, sagemaker: LocalSageMaker, made: Any, lower_case: Any, action: Action
) -> None:
    first_call = {"CREATE": "CreateModel", "UPDATE": "ListTags", "DELETE": "DeleteModel"}[action]
    sagemaker.faults.inject(first_call, "throttling")
    lower = {"ModelArn": made["ModelArn"].lower(), "ModelName": "Scorer"}
    answer = invoke(action, {**MODEL, "ModelName": "Other"} if action == "CREATE" else {**NAMED, **lower})
    assert answer["status"] == "IN_PROGRESS", answer
    assert answer["resourceModel"]["ModelArn"] == ARN + ("Other" if action == "CREATE" else "Scorer")


@pytest.mark.parametrize(
    "arn",
    [
        ARN.replace("arn:aws:", "arn:aws-cn:") + "Scorer",
        ARN.replace("arn:aws:", "arn:aws-us-gov:") + "Scorer",
        ARN.replace("us-east-1", "eu-west-1") + "Scorer",
        ARN.replace("123456789012", "210987654321") + "Scorer",
        ARN + "folder/Scorer",
        ARN + "Scorer/1",
        ARN + "-Scorer",
        ARN,
    ],
)
@pytest.mark.parametrize("action", ["READ", "UPDATE", "DELETE"])
def test_an_arn_of_another_region_account_or_kind_is_not_found(
    invoke: Invoke, client: Any, made: Any, operations: Callable[[], list[str]], action: Action, arn: str
) -> None:
    operations()
    for desired in ({"ModelArn": arn}, {**NAMED, "ModelArn": arn}):
        assert invoke(action, desired)["errorCode"] == "NotFound"
    assert operations() == []
    assert client.describe_model(ModelName="Scorer")


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_an_arn_in_the_partition_of_the_request_is_accepted(
    invoke: Invoke, sagemaker: LocalSageMaker, region: str, partition: str
) -> None:
    models = sagemaker.service.store(Place(region)).models
    invoke("CREATE", {**model_in(region), "ModelName": "Scorer"}, region=region)
    arn = f"arn:{partition}:sagemaker:{region}:123456789012:model/Scorer"
    assert "Scorer" in models
    assert invoke("DELETE", {"ModelArn": arn}, region=region)["status"] == "SUCCESS"
    assert "Scorer" not in models


@pytest.fixture
def deliver_anonymously(sagemaker: LocalSageMaker, definition: TypeDefinition) -> Any:
    """Deliver an event without an awsAccountId, and all that CloudFormation sends after it; return the answers."""
    from aws_sagemaker_model.handlers import resource

    def deliver(action: Action, desired: Any, **given: Any) -> Any:
        event = production_event(definition, action, desired=desired, **given)
        del event["awsAccountId"]
        return list(follow(lambda one: resource(one, None), event, sleep=lambda _: None))

    return deliver


@pytest.mark.parametrize("model", [MODEL, NAMED], ids=["name generated", "name chosen"])
@pytest.mark.parametrize(
    ("call", "fault"),
    [("CreateModel", "iam-race-role"), ("CreateModel", "reset-after"), ("DescribeModel", "garbled")],
)
def test_without_an_account_no_arn_is_invented(
    deliver_anonymously: Any, sagemaker: LocalSageMaker, model: Any, call: Any, fault: str
) -> None:
    sagemaker.faults.inject(call, fault, times=3)
    *waits, last = deliver_anonymously("CREATE", model, logical_id="Scorer")
    assert last["status"] == "SUCCESS", last
    assert last["resourceModel"]["ModelArn"].startswith(ARN)
    told = {wait["resourceModel"].get("ModelArn") for wait in waits}
    assert told <= {None, last["resourceModel"]["ModelArn"]}
    # Once the service has said which model it made, every answer names it.
    assert call == "CreateModel" or None not in told


def test_without_an_account_an_unreadable_model_is_named_by_the_arn_of_create_model(
    deliver_anonymously: Any, sagemaker: LocalSageMaker
) -> None:
    sagemaker.faults.inject("DescribeModel", "access-denied")
    (answer,) = deliver_anonymously("CREATE", NAMED)
    assert answer["errorCode"] == "AccessDenied"
    assert answer["resourceModel"] == {"ModelArn": ARN + "Scorer", "ModelName": "Scorer"}


@pytest.mark.parametrize("action", ["UPDATE", "DELETE"])
@pytest.mark.parametrize("identifiers", [{"ModelArn": ARN + "Scorer"}, {"ModelName": "Scorer"}])
def test_without_an_account_a_change_continues_with_the_identifiers_of_its_request(
    deliver_anonymously: Any, sagemaker: LocalSageMaker, made: Any, action: Action, identifiers: Any
) -> None:
    sagemaker.faults.inject("DescribeModel" if action == "UPDATE" else "DeleteModel", "throttling", times=4)
    *waits, last = deliver_anonymously(action, identifiers)
    assert last["status"] == "SUCCESS", last
    assert waits
    for wait in waits:
        assert wait["resourceModel"].items() >= identifiers.items()
        assert wait["resourceModel"].get("ModelArn") in (None, ARN + "Scorer")


def test_a_retry_with_an_invented_arn_of_an_earlier_version_succeeds(
    invoke: Invoke, sagemaker: LocalSageMaker, definition: TypeDefinition
) -> None:
    """Earlier versions of this type could answer with an ARN without an account."""
    from aws_sagemaker_model.handlers import resource

    sagemaker.faults.inject("CreateModel", "throttling", times=3)
    event = production_event(definition, "CREATE", desired=NAMED)
    del event["awsAccountId"]
    answer = resource(event, None)
    answer["resourceModel"]["ModelArn"] = ARN.replace("123456789012", "None") + "Scorer"
    again = resource(reinvocation(event, answer), None)
    assert again["status"] == "SUCCESS", again
