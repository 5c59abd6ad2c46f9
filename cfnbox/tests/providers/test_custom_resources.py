"""Custom resources with real Lambda functions, and how CloudFormation handles their responses."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cfnbox.providers.custom_resources import CustomResources
from cfnbox.providers.protocol import Cancelled, Resource, ResourceFailed
from providers.provider_requests import PLACE, STACK_ID, RecordingProgress, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cfnbox.providers.callbacks import Callbacks
    from cfnbox.providers.clients import ServiceClients
    from cfnbox.providers.ministack import Ministack

# Answers what the property Answer says, for the request type; "$event" stands for the event that came in.
FUNCTION = """
import json, urllib.request

def handler(event, context):
    answers = json.loads(event["ResourceProperties"]["Answers"])
    answer = answers[event["RequestType"]]
    if answer == "raise":
        raise RuntimeError("no")
    if answer == "silence":
        return
    answer = {key: json.dumps(event) if value == "$event" else value for key, value in answer.items()}
    if answer.get("Data") == "event":
        answer["Data"] = {"Event": json.dumps({key: event[key] for key in event if key != "ResponseURL"})}
    body = json.dumps(answer).encode()
    sent = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""})
    urllib.request.urlopen(sent)
"""
TYPE = "Custom::Thing"


def _zipped(code: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", code)
    return content.getvalue()


@pytest.fixture
def token(ministack: Ministack, connect: Callable[..., Any]) -> str:
    """The ARN of the function."""
    made = connect("lambda").create_function(
        FunctionName="thing-maker",
        Runtime="python3.12",
        Handler="index.handler",
        Role="arn:aws:iam::123456789012:role/maker",
        Code={"ZipFile": _zipped(FUNCTION)},
    )
    arn: str = made["FunctionArn"]
    return arn


@pytest.fixture
def provider(service_clients: ServiceClients, callbacks: Callbacks) -> CustomResources:
    return CustomResources(service_clients, callbacks)


@pytest.fixture
def definition(provider: CustomResources) -> Any:
    return provider.definition(TYPE, PLACE)


def answers(token: str, **members: Any) -> dict[str, Any]:
    timeout = members.pop("ServiceTimeout", 120)
    return {"ServiceToken": token, "ServiceTimeout": timeout, "Answers": json.dumps(members)}


def success(physical_id: str = "thing-1", **data: Any) -> dict[str, Any]:
    return {"Status": "SUCCESS", "PhysicalResourceId": physical_id, "Data": data}


def test_only_custom_types_are_served(provider: CustomResources) -> None:
    assert provider.definition("AWS::CloudFormation::CustomResource", PLACE)
    assert provider.definition("Custom::Anything", PLACE)
    assert provider.definition("AWS::CloudFormation::Stack", PLACE) is None


def test_a_custom_resource_is_created_updated_and_deleted(
    provider: CustomResources, definition: Any, token: str
) -> None:
    echo = {"Status": "SUCCESS", "PhysicalResourceId": "thing-1", "Data": "event"}
    first = {**answers(token, Create=echo, Update=echo, Delete=success()), "Size": 3, "Deep": {"Ready": True}}
    made = provider.create(definition, request(), first, RecordingProgress())
    assert made.physical_id == "thing-1"
    event = json.loads(made.attributes["Event"])
    assert event["RequestType"] == "Create"
    assert (event["StackId"], event["LogicalResourceId"], event["ResourceType"]) == (STACK_ID, "Thing", TYPE)
    assert event["ResourceProperties"]["Size"] == "3"
    assert event["ResourceProperties"]["Deep"] == {"Ready": "true"}
    assert "PhysicalResourceId" not in event
    second = {**first, "Size": 4}
    updated = provider.update(definition, request(), made, first, second, RecordingProgress())
    event = json.loads(updated.attributes["Event"])
    assert (event["RequestType"], event["PhysicalResourceId"]) == ("Update", "thing-1")
    assert (event["ResourceProperties"]["Size"], event["OldResourceProperties"]["Size"]) == ("4", "3")
    provider.delete(definition, request(), updated, second, RecordingProgress())


def test_a_new_physical_id_replaces_the_resource(provider: CustomResources, definition: Any, token: str) -> None:
    properties = answers(token, Update=success("thing-2", Size="big"))
    old = Resource("thing-1", "thing-1", properties, {})
    updated = provider.update(definition, request(), old, properties, properties, RecordingProgress())
    assert (updated.physical_id, updated.attributes) == ("thing-2", {"Size": "big"})


def test_a_failure_has_the_message_of_cloudformation(provider: CustomResources, definition: Any, token: str) -> None:
    failed = {"Status": "FAILED", "Reason": "No room.", "PhysicalResourceId": "half-made"}
    progress = RecordingProgress()
    with pytest.raises(ResourceFailed) as raised:
        provider.create(definition, request(), answers(token, Create=failed), progress)
    assert str(raised.value).startswith(
        "Received response status [FAILED] from custom resource. Message returned: No room. (RequestId: "
    )
    assert [one.physical_id for one in progress.identities] == ["half-made"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"Status": "SUCCESS"}, "Invalid PhysicalResourceId"),
        ({"Status": "SUCCESS", "PhysicalResourceId": ""}, "Invalid PhysicalResourceId"),
        (success(Much="x" * 5000), "Response object is too long."),
        ({"Status": "SUCCESS", "PhysicalResourceId": "x", "Data": ["no"]}, "Data of the response must be an object"),
        ("raise", r"ended with \S+, 3 times, and sent no response"),
        ({"Status": "MAYBE", "PhysicalResourceId": "x"}, r"ended with \S+, 3 times, and sent no response"),
    ],
)
def test_an_invalid_response_fails_the_resource(
    provider: CustomResources, definition: Any, token: str, answer: Any, said: str
) -> None:
    progress = RecordingProgress()
    with pytest.raises(ResourceFailed, match=said):
        provider.create(definition, request(), answers(token, Create=answer), progress)
    # A resource that may exist must be deleted.
    assert len(progress.identities) == 1


def test_a_missing_response_fails_the_resource_after_service_timeout(
    provider: CustomResources, definition: Any, token: str
) -> None:
    with pytest.raises(ResourceFailed, match="did not receive a response from your Custom Resource"):
        provider.create(
            definition, request(), answers(token, Create="silence", ServiceTimeout=1), RecordingProgress()
        )


def test_the_wait_can_be_cancelled(provider: CustomResources, definition: Any, token: str) -> None:
    class Impatient(RecordingProgress):
        def wait(self, seconds: float) -> None:
            raise Cancelled("Resource creation cancelled")

        @contextmanager
        def waking(self, wake: Callable[[], None]) -> Iterator[None]:
            wake()
            yield

    with pytest.raises(Cancelled):
        provider.create(definition, request(), answers(token, Create="silence"), Impatient())


def test_a_missing_function_leaves_no_resource_to_delete(provider: CustomResources, definition: Any) -> None:
    progress, token = RecordingProgress(), "arn:aws:lambda:us-east-1:123456789012:function:missing"
    with pytest.raises(ResourceFailed, match="missing"):
        provider.create(definition, request(), answers(token, Create=success()), progress)
    assert progress.identities == []


def test_the_service_token_cannot_change(provider: CustomResources, definition: Any) -> None:
    made = Resource("x", "x", {}, {})
    with pytest.raises(ResourceFailed, match="Modifying service token is not allowed"):
        provider.update(
            definition, request(), made, {"ServiceToken": "a"}, {"ServiceToken": "b"}, RecordingProgress()
        )


def test_a_topic_can_be_the_service_token(
    provider: CustomResources, definition: Any, token: str, connect: Callable[..., Any]
) -> None:
    sns = connect("sns")
    topic = sns.create_topic(Name="things")["TopicArn"]
    queue = connect("sqs").create_queue(QueueName="things")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:things")
    with pytest.raises(ResourceFailed, match="did not receive a response"):
        provider.create(definition, request(), {"ServiceToken": topic, "ServiceTimeout": 1}, RecordingProgress())
    (message,) = connect("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(json.loads(message["Body"])["Message"])["RequestType"] == "Create"


def test_a_response_at_an_unknown_address_is_refused(callbacks: Callbacks) -> None:
    assert callbacks.answer("PUT", f"{callbacks.PATH}nothing", "", b"{}")[0] == 403
