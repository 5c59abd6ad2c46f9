"""`cfnbox demo`: a stack of AWS's types from its deployment to its deletion, and a stack that fails.

Each step shows the answers of CloudFormation and the services. The demo fails on an unexpected answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from cfnbox.cli import output
from cfnbox.cloudformation.status import StackStatus
from cfnbox.core.errors import LocalFailure
from cfnbox.session import DeployFailed

if TYPE_CHECKING:
    from argparse import Namespace

    from cfnbox.core.paths import Json
    from cfnbox.session import Session, Stack

_NAME = "orders"
_TEMPLATE: Json = {
    "Parameters": {"Seconds": {"Type": "Number", "Default": 30}},
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}}},
        "Address": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "/orders/queue", "Type": "String", "Value": {"Ref": "Queue"}},
        },
    },
    "Outputs": {"QueueUrl": {"Value": {"Ref": "Queue"}}},
}


class DemoFailed(LocalFailure):
    """A step had an unexpected result. The message names the expected and the actual result."""


def run(_arguments: Namespace) -> int:
    """Run all steps of the demo."""
    watch = output.Stopwatch()
    _say("1", "A CloudFormation and AWS's services start on this machine", "cfnbox up")
    # Imported when needed: a cloud takes most of a second.
    from cfnbox.cloud import Cloud

    with Cloud() as cloud:
        output.out.print(f"They are served at {cloud.url} after {watch}")
        stack = _deploy(cloud)
        _update(cloud, stack)
        _drift(cloud, stack)
        _fail(cloud)
        _delete(stack)
    output.out.print(
        f"\n[bold green]The demo is complete after {watch}:[/] deployed, updated, drifted, refused, deleted; "
        "nothing is left."
    )
    return 0


def _say(number: str, title: str, command: str) -> None:
    output.out.print(f"\n[bold cyan]{number}[/]  [bold]{title}[/]\n[dim]$ {escape(command)}[/]")


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise DemoFailed(f"The demo stops: it should have come out that {what}, and did not.")


def _print_events(stack: Stack, after: int = 0) -> None:
    for event in stack.events[after:]:
        output.print_event(event)


def _deploy(session: Session) -> Stack:
    _say("2", "A queue and a parameter with its address deploy together", f"cfnbox deploy {_NAME}.yaml")
    stack = session.deploy(_TEMPLATE, stack_name=_NAME)
    _print_events(stack)
    output.print_rows(("Output", "Value"), stack.outputs.items())
    address = session.client("ssm").get_parameter(Name="/orders/queue")["Parameter"]["Value"]
    _expect(address == stack.outputs["QueueUrl"], "the parameter holds the queue's address")
    return stack


def _update(session: Session, stack: Stack) -> None:
    _say("3", "The queue changes in place", f"cfnbox deploy {_NAME}.yaml --parameter Seconds=60")
    before = len(stack.events)
    stack.update(_TEMPLATE, parameters={"Seconds": 60})
    _print_events(stack, before)
    answer = session.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["QueueUrl"], AttributeNames=["VisibilityTimeout"]
    )
    _expect(answer["Attributes"]["VisibilityTimeout"] == "60", "the queue has the new value")
    output.out.print(f"SQS: the same queue, VisibilityTimeout is {answer['Attributes']['VisibilityTimeout']}")


def _drift(session: Session, stack: Stack) -> None:
    _say("4", "A change behind CloudFormation's back, and drift detection finds it",
         f"aws ssm put-parameter --overwrite ...; cfnbox drift --stack-name {_NAME}")  # fmt: skip
    session.client("ssm").put_parameter(Name="/orders/queue", Value="elsewhere", Overwrite=True)
    drifted = stack.drift()
    output.print_drift(drifted.values())
    _expect(list(drifted) == ["Address"], "the changed parameter is found")


def _fail(session: Session) -> None:
    _say("5", "A mistake fails the stack, which says why and leaves nothing",
         f"cfnbox deploy {_NAME}.yaml --stack-name mistake --parameter Seconds=99999")  # fmt: skip
    template = {**_TEMPLATE, "Resources": {"Queue": _TEMPLATE["Resources"]["Queue"]}}
    reason = ""
    try:
        session.deploy(template, stack_name="mistake", parameters={"Seconds": 99999})
    except DeployFailed as failed:
        reason = str(failed)
    output.out.print(f"[red]{escape(reason)}[/]")
    _expect("Queue" in reason, "the queue is refused")
    # A failed first change set leaves a stack in REVIEW_IN_PROGRESS, as in AWS.
    session.stack("mistake").delete()


def _delete(stack: Stack) -> None:
    _say("6", "The stack is deleted, and all that it made", f"cfnbox delete --stack-name {_NAME}")
    before = len(stack.events)
    stack.delete()
    _print_events(stack, before)
    _expect(stack.status == StackStatus.DELETE_COMPLETE, "nothing is left")
