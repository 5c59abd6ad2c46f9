"""The story of a model on the local cloud: a stack from deployment to deletion, then the handlers' own events.

    python -m tools.demo                  tell it
    python -m tools.demo --record FILE    draw it as a picture of a terminal (SVG)

Each step shows what CloudFormation and SageMaker answered, and the demo fails if that is not what the step says.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.terminal_theme import MONOKAI

from cfnbox import stack_client
from cfnbox.cli import output
from cfnbox.cli.shutdown import Ending, run
from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION
from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import follow, production_event
from cfnbox.handlers.runtime import TYPE_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cfnbox.cloud import Cloud
    from cfnbox.core.paths import Json
    from cfnbox.handlers.events import Action

ROOT = Path(__file__).resolve().parents[1]
_SCHEMA = ROOT / "aws-sagemaker-model.json"
_TEMPLATE = "examples/endpoint.yaml"
_STACK = "churn"
_NEW_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.4.0-cpu-py311-ubuntu22.04-sagemaker"
# As wide as a README shows a picture with letters that can be read.
_RECORDED_WIDTH = 118
_REPOSITORY = f"{DEFAULT_ACCOUNT}.dkr.ecr.{DEFAULT_REGION}.amazonaws.com/inference"
_MODEL = {
    "ModelName": "by-hand",
    "ExecutionRoleArn": f"arn:aws:iam::{DEFAULT_ACCOUNT}:role/a-second-old",
    "PrimaryContainer": {"Image": f"{_REPOSITORY}:1"},
}


class DemoFailed(LocalFailure):
    """A step did not lead where it says; the message names both."""


def main(_ending: Ending) -> int:
    """Show the story, or write it as an SVG picture of a terminal."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--record", metavar="SVG", help="draw it as a picture of a terminal")
    try:
        return _run(parser.parse_args().record)
    except LocalFailure as failure:
        output.err.print(f"[red]error:[/] {escape(str(failure))}")
        return 1


def _run(record: str | None) -> int:
    if not record:
        _show()
        return 0
    # Not a terminal: nothing is animated. The picture takes its colours from what was printed, all the same.
    output.out = Console(file=io.StringIO(), record=True, highlight=False, width=_RECORDED_WIDTH)
    _show()
    picture = Path(record)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(_drawn(output.out), encoding="utf-8")
    output.err.print(f"{picture} is recorded.")
    return 0


def _drawn(recorded: Console) -> str:
    """The picture, with fonts of the reader's own machine where rich would have them fetched."""
    drawn = recorded.export_svg(title="make demo", theme=MONOKAI, unique_id="demo")
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]*;", "font-family: monospace;", drawn)


def _show() -> None:
    watch = output.Stopwatch()
    _say("1", "A CloudFormation, a Lambda runtime and a SageMaker start on this machine", "cfnbox up .")
    # Imported when needed: moto and ministack take most of a second.
    from cfnbox.cloud import Cloud

    with Cloud(types=[ROOT]) as cloud:
        output.out.print(f"{cloud.type_names[0]} is served at {cloud.url} after {watch}")
        _tell_of_a_stack(_Stack(cloud))
        _tell_of_events(cloud)
    output.out.print(
        f"\n[bold green]The demo is complete after {watch}:[/] deployed, tagged, moved to another image, drifted, "
        "deleted; nothing is left."
    )


def _say(number: str, title: str, command: str = "") -> None:
    output.out.print(f"\n[bold cyan]{number}[/]  [bold]{title}[/]")
    if command:
        output.out.print(f"[dim]$ {escape(command)}[/]")


def _print_row(*columns: tuple[int, str], text: str) -> None:
    """Cells of given widths, and a text behind them that goes on below itself where the line is full."""
    grid = Table.grid(padding=(0, 2))
    for width, _ in columns:
        grid.add_column(width=width, no_wrap=True)
    grid.add_row(*(cell for _, cell in columns), text)
    output.out.print(grid, soft_wrap=False)


def _expect(true: bool, what: str) -> None:
    if not true:
        raise DemoFailed(f"The demo stops: it should have come out that {what}, and did not.")


class _Stack:
    """The stack of the story, and clients of the cloud that it stands on."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloudformation = cloud.client("cloudformation")
        self.sagemaker = cloud.client("sagemaker")

    def deploy(self, *, tags: Mapping[str, str] | None = None, **parameters: str) -> None:
        """Deploy as the command would, and show what changes and what happens."""
        body = (ROOT / _TEMPLATE).read_text(encoding="utf-8")
        made = stack_client.make_change_set(self.cloudformation, _STACK, body, parameters=parameters, tags=tags)
        if made is None:
            raise DemoFailed(f"The demo stops: {_TEMPLATE} changes nothing any more.")
        for change in (one["ResourceChange"] for one in made["Changes"]):
            if change["Action"] == "Modify":
                output.out.print(f"change set: {change['LogicalResourceId']}, Replacement: {change['Replacement']}")
        operation = stack_client.execute(self.cloudformation, _STACK, made)
        _follow(operation)
        _expect(operation.succeeded, f"the stack is deployed, not {operation.status}")

    def output(self, key: str) -> str:
        """An output of the stack."""
        outputs = stack_client.find_stack(self.cloudformation, _STACK) or {}
        return str(next(one["OutputValue"] for one in outputs["Outputs"] if one["OutputKey"] == key))

    @property
    def arn(self) -> str:
        """The model's ARN: what Ref returns."""
        return self.output("ModelArn")

    def stage(self, arn: str) -> str:
        """The tag that the story is about, as SageMaker holds it."""
        tags = self.sagemaker.list_tags(ResourceArn=arn)["Tags"]
        return str(next(tag["Value"] for tag in tags if tag["Key"] == "Stage"))

    def image(self) -> str:
        """The image that the endpoint runs, as SageMaker tells it."""
        described = self.sagemaker.describe_endpoint(EndpointName=self.output("EndpointName"))
        (deployed,) = described["ProductionVariants"][0]["DeployedImages"]
        return str(deployed["SpecifiedImage"].rpartition("/")[2])

    def made(self) -> dict[str, list[str]]:
        """The names of all models, configurations and endpoints there are."""
        return {
            "models": [one["ModelName"] for one in self.sagemaker.list_models()["Models"]],
            "configurations": [
                one["EndpointConfigName"] for one in self.sagemaker.list_endpoint_configs()["EndpointConfigs"]
            ],
            "endpoints": [one["EndpointName"] for one in self.sagemaker.list_endpoints()["Endpoints"]],
        }


def _follow(operation: stack_client.StackOperation) -> None:
    started = time.monotonic()
    for event in operation.events():
        status, logical_id = event["ResourceStatus"], event["LogicalResourceId"]
        reason = f"  [dim]{escape(event['ResourceStatusReason'])}[/]" if event.get("ResourceStatusReason") else ""
        at = f"[dim]{time.monotonic() - started:4.1f} s[/]"
        _print_row((6, at), (35, f"[{output.style_of(status)}]{status}[/]"), text=logical_id + reason)


def _tell_of_a_stack(stack: _Stack) -> None:
    _say(
        "2",
        "A role, a model, its configuration and its endpoint deploy together",
        f"{_command()} --tag Stage=staging",
    )
    stack.deploy(tags={"Stage": "staging"})
    output.print_outputs(stack_client.find_stack(stack.cloudformation, _STACK) or {})
    first, endpoint = stack.arn, stack.output("EndpointName")

    _say("3", "A tag changes in place", f"{_command()} --tag Stage=production")
    stack.deploy(tags={"Stage": "production"})
    _expect(stack.arn == first and stack.stage(first) == "production", "the tag of the same model changed")
    output.out.print(f"SageMaker: the same model, Stage is {stack.stage(first)}")

    _say(
        "4",
        "Another image: a new model and configuration, the endpoint moves over, then the old ones go",
        f"{_command()} --parameter Image=…/pytorch-inference:2.4.0-…",
    )
    stack.deploy(Image=_NEW_IMAGE)
    made = stack.made()
    _expect(
        stack.output("EndpointName") == endpoint and made["models"] == [_name(stack.arn)] != [_name(first)],
        "a new model took the place of the first, behind the same endpoint",
    )
    output.out.print(f"SageMaker: {_name(first)} is gone, the same endpoint runs {stack.image()}")

    _say(
        "5",
        "Somebody changes a tag behind CloudFormation's back, and drift detection finds it",
        f"aws sagemaker add-tags --tags Key=Stage,Value=broken …; cfnbox drift --stack-name {_STACK}",
    )
    stack.sagemaker.add_tags(ResourceArn=stack.arn, Tags=[{"Key": "Stage", "Value": "broken"}])
    drifts = stack_client.detect_drift(stack.cloudformation, _STACK)
    output.print_drift(drifts)
    found = {one["LogicalResourceId"]: one["StackResourceDriftStatus"] for one in drifts}
    _expect(found.get("Model") == "MODIFIED", "the changed tag is found")

    _say("6", "The stack is deleted, and all that it made", f"cfnbox delete --stack-name {_STACK}")
    described = stack_client.find_stack(stack.cloudformation, _STACK) or {}
    operation = stack_client.StackOperation(stack.cloudformation, described["StackId"])
    stack.cloudformation.delete_stack(StackName=_STACK)
    _follow(operation)
    _expect(operation.succeeded and not any(stack.made().values()), "nothing is left")


def _command() -> str:
    return f"cfnbox deploy {_TEMPLATE} --stack-name {_STACK}"


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _tell_of_events(cloud: Cloud) -> None:
    """The same handlers, called as CloudFormation calls them: one production event, and what comes back."""
    _say(
        "7",
        "The handlers alone, in AWS's own Lambda runtime: an event in, progress events out",
        "cfnbox invoke ACTION --model FILE",
    )
    tagged = {**_MODEL, "Tags": [{"Key": "Stage", "Value": "staging"}]}
    # The role is so new that IAM does not know it everywhere.
    cloud.sagemaker.faults.replace([{"operation": "CreateModel", "fault": "iam-race-role", "times": 1}])
    made = _invoke(cloud, "CREATE", tagged)["resourceModel"]
    _invoke(cloud, "READ", made)
    _invoke(cloud, "LIST", {})
    changed = {**made, "Tags": [{"Key": "Stage", "Value": "production"}]}
    _invoke(cloud, "UPDATE", changed, previous=made)
    replaced = {**changed, "PrimaryContainer": {"Image": f"{_REPOSITORY}:2"}}
    _invoke(cloud, "UPDATE", replaced, previous=changed, refused="NotUpdatable")
    _invoke(cloud, "DELETE", made)
    _invoke(cloud, "READ", made, refused="NotFound")


def _invoke(cloud: Cloud, action: Action, desired: Json, *, previous: Json | None = None, refused: str = "") -> Json:
    progress: Json = {}
    definition, functions = TypeDefinition.from_schema(json.loads(_SCHEMA.read_bytes())), cloud.client("lambda")

    def invoke(event: Json) -> Json:
        answer: Json = json.load(functions.invoke(FunctionName=TYPE_FUNCTION, Payload=json.dumps(event))["Payload"])
        return answer

    event = production_event(definition, action, desired=desired, previous=previous, logical_id="Model")
    for progress in follow(invoke, event):
        status = progress["status"]
        _print_row((6, action), (11, f"[{_style(status, refused)}]{status}[/]"), text=escape(_summary(progress)))
    _expect(progress.get("errorCode", "") == refused, f"{action} ends with {refused or 'success'}")
    return progress


def _style(status: str, refused: str) -> str:
    return {"SUCCESS": "green", "IN_PROGRESS": "yellow"}.get(status, "magenta" if refused else "red")


def _summary(progress: Mapping[str, Any]) -> str:
    if progress["status"] == "IN_PROGRESS":
        return str(progress["message"])
    if progress["status"] == "FAILED":
        return f"{progress['errorCode']}: {progress['message']}"
    if "resourceModels" in progress and progress["resourceModels"] is not None:
        return ", ".join(one["ModelArn"] for one in progress["resourceModels"])
    model = progress.get("resourceModel") or {}
    tags = ", ".join(f"{tag['Key']}={tag['Value']}" for tag in model.get("Tags", []))
    return f"{model['ModelArn']}  {tags}" if model else ""


if __name__ == "__main__":
    run(main)
