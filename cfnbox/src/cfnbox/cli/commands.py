"""The commands of `cfnbox`: each takes its arguments and returns the exit status."""

from __future__ import annotations

import gc
import json
import math
import os
import shlex
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from cfnbox import stack_client
from cfnbox.aws import clients
from cfnbox.cli import event_output, inputs, output, shutdown
from cfnbox.core.errors import LocalFailure
from cfnbox.core.extras import require_extra
from cfnbox.core.place import DEFAULT_REGION
from cfnbox.handlers.events import follow, production_event

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from cfnbox.cloud import Cloud


class NoCloud(LocalFailure):
    """No cloud answers where one is needed; the message says how to start one."""


def up(arguments: Namespace) -> int:
    """Serve until a signal ends the process."""
    watch = output.Stopwatch()
    if arguments.console:
        require_extra("console", "jinja2", "--console")
    with _new_cloud(arguments, arguments.port) as cloud:
        # stdout may be a pipe that somebody waits on.
        print(_greeting(cloud, watch, arguments), flush=True)
        cloud.load()
        # What is loaded stays: looking through it for garbage takes a tenth of the time of a stack.
        gc.freeze()
        shutdown.wait_for_signal()
    return 0


def _greeting(cloud: Cloud, watch: output.Stopwatch, arguments: Namespace) -> str:
    from cfnbox.handlers.runtime import TYPE_FUNCTION

    proxies = {name: os.environ[name] for name in ("NO_PROXY", "no_proxy")}
    region = dict.fromkeys(inputs.REGION_VARIABLES, DEFAULT_REGION)
    exports = {"AWS_ENDPOINT_URL": cloud.url, **clients.CREDENTIALS, **region, **proxies}
    return "\n".join(
        [
            f"# cfnbox is ready after {watch}: CloudFormation, AWS's types{_own_types(cloud)}.",
            "# boto3, the AWS CLI, CDK and Terraform talk to it with:",
            *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
            *(
                [
                    "# AWS's contract tests, in a terminal with your own credentials: "
                    f"cfn test --endpoint {cloud.url} --function-name {TYPE_FUNCTION}"
                ]
                if cloud.type_names
                else []
            ),
            *([f"# The console, in a browser: {cloud.console_url}"] if arguments.console else []),
            "# Ctrl-C stops it; nothing is kept.",
        ]
    )


def _own_types(cloud: Cloud) -> str:
    return f", and {' and '.join(cloud.type_names)} by their own handlers" if cloud.type_names else ""


def _new_cloud(arguments: Namespace, port: int) -> Cloud:
    # Imported when needed: moto and ministack take most of a second.
    from cfnbox.cli.type_sources import sources
    from cfnbox.cloud import Cloud

    return Cloud(
        port=port,
        sources=sources(arguments),
        on_invocation=event_output.listener(arguments),
        debugger=event_output.debugger(arguments),
        console=getattr(arguments, "console", False),
        env=inputs.pairs(arguments.env, "--env"),
        timeout=arguments.timeout,
        strict=arguments.strict,
        allow_origins=getattr(arguments, "allow_origin", None) or (),
        allow_hosts=getattr(arguments, "allow_host", None) or (),
    )


def _endpoint(arguments: Namespace) -> str | None:
    """The running cloud that is meant: the one that was named, or the one on the default port; None if none is."""
    named = arguments.endpoint or os.environ.get("AWS_ENDPOINT_URL")
    url = clients.require_loopback(named or f"http://127.0.0.1:{stack_client.DEFAULT_PORT}").rstrip("/")
    try:
        with urllib.request.urlopen(url + stack_client.ABOUT_PATH, timeout=5) as answer:  # noqa: S310 - loopback, checked above
            json.load(answer)
    except (urllib.error.URLError, ValueError, OSError):
        if named:
            raise NoCloud(f"No local cloud answers at {url}. Start one: cfnbox up") from None
        return None
    return url


def _cloudformation(arguments: Namespace) -> Any:
    url = _endpoint(arguments)
    if url is None:
        raise NoCloud(f"No local cloud runs on port {stack_client.DEFAULT_PORT}. Start one: cfnbox up")
    _say_where(url, arguments)
    return clients.client("cloudformation", url, inputs.region(arguments))


def _say_where(url: str, arguments: Namespace) -> None:
    output.err.print(f"[dim]In the cloud at {url}, region {escape(inputs.region(arguments))}[/]")


@contextmanager
def _running_or_own(arguments: Namespace) -> Iterator[str]:
    url = None if arguments.own_cloud else _endpoint(arguments)
    if url is not None:
        _say_where(url, arguments)
        yield url
        return
    with _new_cloud(arguments, 0) as cloud:
        yield cloud.url
        output.err.print("[dim]This cloud ends with the command. To keep stacks: cfnbox up[/]")


def deploy(arguments: Namespace) -> int:
    """Create or update a stack and show its events."""
    deployment = inputs.deployment(arguments)
    with _running_or_own(arguments) as url:
        cloudformation = clients.client("cloudformation", url, inputs.region(arguments))
        change_set = _change_set(cloudformation, _packaged(deployment, arguments, url))
        if change_set is None:
            output.out.print(f"No changes to deploy. Stack {deployment.stack_name} is up to date.")
            return 0
        return _shown(stack_client.execute(cloudformation, deployment.stack_name, change_set))


def change_set(arguments: Namespace) -> int:
    """Show what a deployment would do, and leave the change set undone."""
    deployment = inputs.deployment(arguments)
    with _running_or_own(arguments) as url:
        cloudformation = clients.client("cloudformation", url, inputs.region(arguments))
        made = _change_set(cloudformation, _packaged(deployment, arguments, url))
        if made is None:
            output.out.print(f"No changes. Stack {deployment.stack_name} is up to date.")
            return 0
        output.print_changes(made["Changes"])
        cloudformation.delete_change_set(ChangeSetName=made["ChangeSetId"])
    return 0


def _packaged(deployment: inputs.Deployment, arguments: Namespace, url: str) -> inputs.Deployment:
    """With the template as the cloud can read it: local files that it names are put into S3."""
    # Loaded when the cloud is up.
    from cfnbox.cli.packaging import packaged

    return deployment._replace(template=packaged(deployment.template, arguments.template, url))


def import_(arguments: Namespace) -> int:
    """Adopt existing resources into a stack."""
    deployment, resources = inputs.deployment(arguments), inputs.json_value(arguments.resources_to_import)
    cloudformation = _cloudformation(arguments)
    made = _change_set(cloudformation, deployment, resources)
    if made is None:
        raise inputs.BadInput("--resources-to-import names nothing to import.")
    return _shown(stack_client.execute(cloudformation, deployment.stack_name, made))


def _change_set(cloudformation: Any, deployment: inputs.Deployment, resources: Any = ()) -> Any:
    return stack_client.make_change_set(
        cloudformation,
        deployment.stack_name,
        deployment.template,
        parameters=deployment.parameters,
        tags=deployment.tags,
        resources_to_import=resources,
    )


def delete(arguments: Namespace) -> int:
    """Delete a stack and show its events."""
    cloudformation = _cloudformation(arguments)
    stack = cloudformation.describe_stacks(StackName=arguments.stack_name)["Stacks"][0]
    resources = cloudformation.describe_stack_resources(StackName=arguments.stack_name)["StackResources"]
    operation = stack_client.Operation(cloudformation, stack["StackId"], len(resources))
    cloudformation.delete_stack(StackName=arguments.stack_name)
    return _shown(operation)


def _shown(operation: stack_client.Operation) -> int:
    status = output.follow_events(operation)
    if not operation.succeeded:
        output.err.print(f"[red]{operation.describe()['StackName']}: {status}[/]")
        output.print_failures(operation.own)
        return 1
    if not status.startswith("DELETE"):
        output.print_outputs(operation.describe())
        output.print_notices(operation.own)
    return 0


def drift(arguments: Namespace) -> int:
    """Compare a stack's resources with what the service holds."""
    output.print_drift(stack_client.detect_drift(_cloudformation(arguments), arguments.stack_name))
    return 0


def events(arguments: Namespace) -> int:
    """All events of a stack, oldest first."""
    event_output.print_events(_cloudformation(arguments), arguments)
    return 0


def list_(arguments: Namespace) -> int:
    """The stacks of a running cloud."""
    pages = _cloudformation(arguments).get_paginator("list_stacks").paginate()
    stacks = [stack for page in pages for stack in page["StackSummaries"]]
    output.print_rows(("StackName", "StackStatus", "CreationTime"), (
        (stack["StackName"], stack["StackStatus"], stack["CreationTime"]) for stack in stacks))  # fmt: skip
    return 0


def sagemaker(arguments: Namespace) -> int:
    """Serve the local SageMaker alone."""
    from cfnbox.sagemaker.server import LocalSageMaker

    with LocalSageMaker(arguments.port) as local_sagemaker:
        print(f"local SageMaker at {local_sagemaker.url} (AWS_ENDPOINT_URL={local_sagemaker.url})", flush=True)
        shutdown.wait_for_signal()
    return 0


def contract(arguments: Namespace) -> int:
    """Run AWS's own contract tests on the handlers."""
    require_extra("contract", "rpdk", "cfnbox contract")
    from cfnbox.cli.contract import run

    return run(arguments)


def demo(arguments: Namespace) -> int:
    """Show what the type does on a cloud of its own."""
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
    """The running cloud, or a local SageMaker that lasts as long as the command."""
    url = _endpoint(arguments)
    if url is not None:
        yield url
        return
    from cfnbox.sagemaker.server import LocalSageMaker

    with LocalSageMaker() as local_sagemaker:
        yield local_sagemaker.url
