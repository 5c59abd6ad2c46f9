"""The commands of `cfnbox`: each takes its arguments and returns the exit status."""

from __future__ import annotations

import math
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cfnbox import stack_client
from cfnbox.aws import clients
from cfnbox.cli import connection, event_output, inputs, output, shutdown
from cfnbox.cli.serving import new_cloud, warn_of
from cfnbox.cloudformation.status import StackStatus
from cfnbox.core.errors import LocalFailure
from cfnbox.core.extras import require_extra
from cfnbox.handlers.events import follow, production_event

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from cfnbox.core.paths import Json


@contextmanager
def _running_or_own(arguments: Namespace) -> Iterator[str]:
    url = None if arguments.own_cloud else connection.endpoint(arguments)
    if url is not None:
        connection.say_where(url, arguments)
        yield url
        return
    with new_cloud(arguments, 0) as cloud:
        yield cloud.url
        output.remark("This cloud ends with the command. To keep stacks: cfnbox up")


def deploy(arguments: Namespace) -> int:
    """Create or update a stack and show its events."""
    deployment = inputs.deployment(arguments)
    with _running_or_own(arguments) as url:
        cloudformation = clients.client("cloudformation", url, inputs.region(arguments))
        _print_warnings(deployment, cloudformation, arguments)
        if arguments.recreate:
            _delete_failed(cloudformation, deployment.stack_name)
        change_set = _change_set(cloudformation, _packaged(deployment, arguments, url))
        if change_set is None:
            if output.is_json():
                output.print_json(
                    _stack_members(stack_client.find_stack(cloudformation, deployment.stack_name) or {})
                )
            else:
                output.out.print(f"No changes to deploy. Stack {deployment.stack_name} is up to date.")
            return 0
        is_first = all(change["ResourceChange"]["Action"] == "Add" for change in change_set["Changes"])
        if not is_first and not arguments.json:
            output.print_modifications(change_set["Changes"])
        return _shown(stack_client.execute(cloudformation, deployment.stack_name, change_set))


def _print_warnings(deployment: inputs.StackInput, cloudformation: Any, arguments: Namespace) -> None:
    # Imported here, after the template is parsed and the cloud is up, to start faster.
    from cfnbox.cli.validation import print_warnings

    if not arguments.quiet:
        print_warnings(deployment.template, arguments.template, cloudformation, inputs.region(arguments))


def _delete_failed(cloudformation: Any, name: str) -> None:
    """Delete a stack in a status that allows only deletion."""
    stack = stack_client.find_stack(cloudformation, name)
    if stack is None or not StackStatus(stack["StackStatus"]).can_only_be_deleted:
        return
    output.remark(f"Stack {name} is {stack['StackStatus']}: it is deleted first.")
    operation = stack_client.StackOperation(cloudformation, stack["StackId"])
    cloudformation.delete_stack(StackName=stack["StackId"])
    output.follow_events(operation)
    if not operation.succeeded:
        output.print_failures(operation.own)
        raise LocalFailure(f"Stack {name} cannot be deleted: {operation.status}")


def change_set(arguments: Namespace) -> int:
    """Show the changes of a deployment, and do not execute its change set."""
    deployment = inputs.deployment(arguments)
    with _running_or_own(arguments) as url:
        cloudformation = clients.client("cloudformation", url, inputs.region(arguments))
        _print_warnings(deployment, cloudformation, arguments)
        made = _change_set(cloudformation, _packaged(deployment, arguments, url))
        if output.is_json():
            output.print_json([] if made is None else made["Changes"])
        elif made is None:
            output.out.print(f"No changes. Stack {deployment.stack_name} is up to date.")
        else:
            output.print_changes(made["Changes"])
        if made is not None:
            cloudformation.delete_change_set(ChangeSetName=made["ChangeSetId"])
    return 0


def _packaged(deployment: inputs.StackInput, arguments: Namespace, url: str) -> inputs.StackInput:
    """Return the input with a packaged template: local files are uploaded to S3."""
    # Imported here, after the cloud is up, to start faster.
    from cfnbox.cli.packaging import packaged

    return deployment._replace(template=packaged(deployment.template, arguments.template, url))


def import_(arguments: Namespace) -> int:
    """Adopt existing resources into a stack."""
    deployment, resources = inputs.deployment(arguments), inputs.json_value(arguments.resources_to_import)
    cloudformation = connection.cloudformation(arguments)
    made = _change_set(cloudformation, deployment, resources)
    if made is None:
        raise inputs.BadInput("--resources-to-import names nothing to import.")
    return _shown(stack_client.execute(cloudformation, deployment.stack_name, made))


def _change_set(cloudformation: Any, deployment: inputs.StackInput, resources: Any = ()) -> Any:
    try:
        return stack_client.make_change_set(
            cloudformation,
            deployment.stack_name,
            deployment.template,
            parameters=deployment.parameters,
            tags=deployment.tags,
            resources_to_import=resources,
        )
    except ClientError as refused:
        stack = stack_client.find_stack(cloudformation, deployment.stack_name)
        if stack is None or not StackStatus(stack["StackStatus"]).can_only_be_deleted:
            raise
        raise stack_client.OperationRefused(
            f"{refused.response['Error']['Message']} Delete the stack first: cfnbox delete --stack-name "
            f"{deployment.stack_name}, or deploy with --recreate, which does it."
        ) from None


def delete(arguments: Namespace) -> int:
    """Delete a stack and show its events."""
    cloudformation = connection.cloudformation(arguments)
    stack = cloudformation.describe_stacks(StackName=arguments.stack_name)["Stacks"][0]
    resources = cloudformation.describe_stack_resources(StackName=arguments.stack_name)["StackResources"]
    operation = stack_client.StackOperation(cloudformation, stack["StackId"], len(resources))
    cloudformation.delete_stack(StackName=arguments.stack_name)
    return _shown(operation)


def _shown(operation: stack_client.StackOperation) -> int:
    status = output.follow_events(operation, event_output.Silence(operation.url))
    if not operation.succeeded:
        stack = operation.describe()
        if output.is_json():
            output.print_json(_stack_members(stack))
        output.err.print(f"[red]{stack['StackName']}: {status}[/]")
        output.print_failures(operation.own)
        if StackStatus(status).can_only_be_deleted:
            output.remark(
                f"Before its next deployment: cfnbox delete --stack-name {stack['StackName']}, or use --recreate"
            )
        return 1
    if status.startswith("DELETE"):
        return 0
    if output.is_json():
        output.print_json(_stack_members(operation.describe()))
    else:
        output.print_outputs(operation.describe())
    output.print_notices(operation.own)
    return 0


def _stack_members(stack: Json) -> Json:
    return {
        "name": stack["StackName"],
        "id": stack["StackId"],
        "status": stack["StackStatus"],
        "reason": stack.get("StackStatusReason"),
        "parameters": {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])},
        "tags": {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])},
        "outputs": {entry["OutputKey"]: entry["OutputValue"] for entry in stack.get("Outputs", [])},
    }


def outputs(arguments: Namespace) -> int:
    """Print the outputs of a stack, or the value of one of them."""
    cloudformation = connection.cloudformation(arguments)
    stack = _stack_members(cloudformation.describe_stacks(StackName=arguments.stack_name)["Stacks"][0])
    values = stack["outputs"]
    if arguments.key and arguments.key not in values:
        known = f"It has {', '.join(values)}." if values else "It has none."
        raise inputs.BadInput(f"Stack {stack['name']} has no output {arguments.key}. {known}")
    if output.is_json():
        output.print_json(values[arguments.key] if arguments.key else values)
    elif arguments.key:
        print(values[arguments.key])
    else:
        output.print_rows(("Output", "Value"), values.items())
    return 0


def describe(arguments: Namespace) -> int:
    """Print the status, parameters, tags, outputs and resources of a stack."""
    cloudformation = connection.cloudformation(arguments)
    stack = cloudformation.describe_stacks(StackName=arguments.stack_name)["Stacks"][0]
    members = _stack_members(stack)
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack["StackId"])
    summaries = [summary for page in pages for summary in page["StackResourceSummaries"]]
    resources = [
        {
            "logicalId": summary["LogicalResourceId"],
            "physicalId": summary.get("PhysicalResourceId"),
            "type": summary["ResourceType"],
            "status": summary["ResourceStatus"],
            "reason": summary.get("ResourceStatusReason"),
        }
        for summary in summaries
    ]
    if output.is_json():
        output.print_json({**members, "resources": resources})
        return 0
    output.print_rows(
        ("Stack", members["name"]), ((name, members[name]) for name in ("id", "status", "reason") if members[name])
    )
    for title in ("parameters", "tags", "outputs"):
        if members[title]:
            output.out.print()
            output.print_rows((title.capitalize(), ""), members[title].items())
    output.out.print()
    output.print_rows(
        ("Resource", "Type", "Status", "Physical id"),
        ((one["logicalId"], one["type"], one["status"], one["physicalId"] or "-") for one in resources),
    )
    return 0


def drift(arguments: Namespace) -> int:
    """Compare a stack's resources with what the service holds."""
    cloudformation = connection.cloudformation(arguments)
    drifts = stack_client.detect_drift(cloudformation, arguments.stack_name)
    drifts += stack_client.unchecked_drifts(cloudformation, arguments.stack_name, drifts)
    if output.is_json():
        output.print_json(drifts)
    else:
        output.print_drift(drifts)
    return 0


def events(arguments: Namespace) -> int:
    """Print all events of a stack, oldest first."""
    event_output.print_events(connection.cloudformation(arguments), arguments)
    return 0


def list_(arguments: Namespace) -> int:
    """Print the stacks of a running cloud."""
    pages = connection.cloudformation(arguments).get_paginator("list_stacks").paginate()
    stacks = [stack for page in pages for stack in page["StackSummaries"]]
    if output.is_json():
        output.print_json(stacks)
        return 0
    output.print_rows(("StackName", "StackStatus", "CreationTime"), (
        (stack["StackName"], stack["StackStatus"], stack["CreationTime"]) for stack in stacks))  # fmt: skip
    return 0


def validate(arguments: Namespace) -> int:
    """Validate templates and print the findings."""
    from cfnbox.cli.validation import run

    return run(arguments)


def sagemaker(arguments: Namespace) -> int:
    """Serve the local SageMaker alone."""
    from cfnbox.sagemaker.server import LocalSageMaker

    warn_of(arguments.host)
    with LocalSageMaker(arguments.port, arguments.host) as local_sagemaker:
        print(f"local SageMaker at {local_sagemaker.url} (AWS_ENDPOINT_URL={local_sagemaker.url})", flush=True)
        shutdown.wait_for_signal()
    return 0


def contract(arguments: Namespace) -> int:
    """Run AWS's own contract tests on the handlers."""
    require_extra("contract", "rpdk", "cfnbox contract")
    from cfnbox.cli.contract import run

    return run(arguments)


def demo(arguments: Namespace) -> int:
    """Demonstrate the type in a cloud of its own."""
    from cfnbox.cli.demo import run

    return run(arguments)


def invoke(arguments: Namespace) -> int:
    """Send one event to a handler in the Lambda runtime, and show each progress event."""
    from cfnbox.cli.type_sources import first_source
    from cfnbox.handlers.runtime import LambdaRuntime

    source = first_source(arguments)
    definition = source.definition
    event = production_event(
        definition,
        arguments.action,
        desired=inputs.model(arguments.model),
        previous=inputs.model(arguments.previous) if arguments.previous else None,
        stack_tags=inputs.pairs(arguments.tag, "--tag"),
        logical_id="Invoked",
        next_token=arguments.next_token,
        region=inputs.region(arguments),
    )
    with _service(arguments) as url:
        region = dict.fromkeys(inputs.REGION_VARIABLES, inputs.region(arguments))
        env = {"AWS_ENDPOINT_URL": url, **region, **inputs.pairs(arguments.env, "--env")}
        code, debugger = source.code(), event_output.debugger(arguments)
        limit = math.inf if debugger else source.definition.timeout_seconds(arguments.action)
        with (
            closing(source),
            LambdaRuntime(
                code.handler,
                code.paths,
                env=env,
                timeout=arguments.timeout,
                isolated=code.isolated,
                record=event_output.recorder(arguments),
                debugger=debugger,
            ) as runtime,
        ):
            progress = {}
            for progress in follow(runtime.invoke, event, timeout=limit):
                output.out.print_json(data=progress)
    return 0 if progress.get("status") == "SUCCESS" else 1


@contextmanager
def _service(arguments: Namespace) -> Iterator[str]:
    """Yield the URL of the running cloud, or of a local SageMaker that ends with the command."""
    url = connection.endpoint(arguments)
    if url is not None:
        yield url
        return
    from cfnbox.sagemaker.server import LocalSageMaker

    with LocalSageMaker() as local_sagemaker:
        yield local_sagemaker.url
