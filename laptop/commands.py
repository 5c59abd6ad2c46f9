"""The commands of `python -m laptop`: each takes its arguments and returns the exit status."""

from __future__ import annotations

import json
import os
import shlex
import sys
import urllib.error
import urllib.request
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.markup import escape

from laptop import clients, console, ending, watching
from laptop.events import LocalFailure, follow, production_event
from laptop.runtime import TYPE_FUNCTION

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Iterator, Sequence

    from laptop.cloud import Cloud
    from laptop.projects import Project


class NoCloud(LocalFailure):
    """No cloud answers where one is needed; the message says how to start one."""


class BadInput(LocalFailure):
    """An argument or a file cannot be used; the message says which and why."""


def up(arguments: Namespace) -> int:
    """Serve until a signal ends the process."""
    watch = console.Stopwatch()
    with _new_cloud(arguments, arguments.port) as cloud:
        # stdout may be a pipe that somebody waits on.
        print(_greeting(cloud, watch), flush=True)
        ending.wait_for_signal()
    return 0


def _greeting(cloud: Cloud, watch: console.Stopwatch) -> str:
    proxies = {name: os.environ[name] for name in ("NO_PROXY", "no_proxy")}
    region = {"AWS_DEFAULT_REGION": clients.REGION, "AWS_REGION": clients.REGION}
    exports = {"AWS_ENDPOINT_URL": cloud.url, **clients.CREDENTIALS, **region, **proxies}
    return "\n".join(
        [
            f"# The laptop cloud is ready after {watch}: CloudFormation with {' and '.join(cloud.type_names)} "
            "by its own handlers, a local SageMaker, and ministack's other services.",
            "# boto3, the AWS CLI, CDK and Terraform talk to it with:",
            *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
            "# AWS's contract tests, in a terminal with your own credentials: "
            f"cfn test --endpoint {cloud.url} --function-name {TYPE_FUNCTION}",
            "# Ctrl-C stops it; nothing is kept.",
        ]
    )


def _new_cloud(arguments: Namespace, port: int) -> Cloud:
    # Imported when needed: moto and ministack take most of a second.
    from laptop import cloud

    return cloud.Cloud(
        port,
        sources=_sources(arguments),
        on_invocation=watching.listener(arguments),
        env=_pairs(arguments.env, "--env"),
        timeout=arguments.timeout,
        strict=arguments.strict,
    )


def _sources(arguments: Namespace) -> Sequence[Project]:
    """The types that are meant: what options name part by part, else the projects of folders, this one by default."""
    from laptop import cloud, projects

    folders = [Path(one) for one in (*getattr(arguments, "folders", ()), *(arguments.project or ()))]
    if not (arguments.schema or arguments.code or arguments.handler or arguments.type_name):
        here = Path.cwd()
        is_project = (here / projects.SETTINGS).is_file()
        return projects.projects(folders or [here if is_project else cloud.ROOT], _say)
    if folders:
        raise BadInput("Name folders of types, or --schema, --code, --handler and --type-name, but not both.")
    schema = _schema(arguments.schema).resolve()
    code = tuple(Path(_folder(one, "--code")).resolve() for one in arguments.code or cloud.DEFAULT_CODE)
    named = projects.Layout(schema.parent, schema, arguments.handler or cloud.DEFAULT_HANDLER, code)
    return [projects.Project(lambda: named, _say, name) for name in arguments.type_name or (None,)]


def _say(text: str) -> None:
    console.err.print(f"[dim]{escape(text)}[/]")


def _schema(given: str | None) -> Path:
    from laptop import cloud

    path = Path(given or cloud.DEFAULT_SCHEMA)
    if not path.is_file():
        what = f"--schema {given} is no file" if given else f"There is no {path}"
        raise BadInput(f"{what}: give the schema of a registry type (JSON, as `cfn init` makes it) with --schema.")
    return path


def _folder(given: str | Path, option: str) -> str | Path:
    if not Path(given).is_dir():
        raise BadInput(f"{option} {given} is no directory.")
    return given


def _endpoint(arguments: Namespace) -> str | None:
    """The running cloud that is meant: the one that was named, or the one on the default port; None if none is."""
    named = arguments.endpoint or os.environ.get("AWS_ENDPOINT_URL")
    url = clients.require_loopback(named or f"http://127.0.0.1:{clients.DEFAULT_PORT}").rstrip("/")
    try:
        with urllib.request.urlopen(url + clients.ABOUT_PATH, timeout=5) as answer:  # noqa: S310 - loopback, checked above
            json.load(answer)
    except (urllib.error.URLError, ValueError, OSError):
        if named:
            raise NoCloud(f"No laptop cloud answers at {url}. Start one: python -m laptop up") from None
        return None
    return url


def _cloudformation(arguments: Namespace) -> Any:
    url = _endpoint(arguments)
    if url is None:
        raise NoCloud(f"No laptop cloud runs on port {clients.DEFAULT_PORT}. Start one: python -m laptop up")
    _say_where(url)
    return clients.client("cloudformation", url)


def _say_where(url: str) -> None:
    console.err.print(f"[dim]In the cloud at {url}[/]")


@contextmanager
def _running_or_own(arguments: Namespace) -> Iterator[str]:
    url = None if arguments.own_cloud else _endpoint(arguments)
    if url is not None:
        _say_where(url)
        yield url
        return
    with _new_cloud(arguments, 0) as cloud:
        yield cloud.url
        console.err.print("[dim]This cloud ends with the command. To keep stacks: python -m laptop up[/]")


def deploy(arguments: Namespace) -> int:
    """Create or update a stack and show its events."""
    template = _template(arguments)
    with _running_or_own(arguments) as url:
        cloudformation = clients.client("cloudformation", url)
        change_set = _change_set(cloudformation, arguments, template)
        if change_set is None:
            console.out.print(f"No changes to deploy. Stack {_stack_name(arguments)} is up to date.")
            return 0
        return _shown(clients.execute(cloudformation, _stack_name(arguments), change_set))


def change_set(arguments: Namespace) -> int:
    """Show what a deployment would do, and leave the change set undone."""
    template = _template(arguments)
    with _running_or_own(arguments) as url:
        cloudformation = clients.client("cloudformation", url)
        made = _change_set(cloudformation, arguments, template)
        if made is None:
            console.out.print(f"No changes. Stack {_stack_name(arguments)} is up to date.")
            return 0
        console.print_changes(made["Changes"])
        cloudformation.delete_change_set(ChangeSetName=made["ChangeSetId"])
    return 0


def import_(arguments: Namespace) -> int:
    """Adopt existing resources into a stack."""
    template, resources = _template(arguments), _json(arguments.resources_to_import)
    cloudformation = _cloudformation(arguments)
    made = _change_set(cloudformation, arguments, template, resources)
    if made is None:
        raise BadInput("--resources-to-import names nothing to import.")
    return _shown(clients.execute(cloudformation, _stack_name(arguments), made))


def _change_set(cloudformation: Any, arguments: Namespace, template: str, resources: Any = ()) -> Any:
    return clients.make_change_set(
        cloudformation,
        _stack_name(arguments),
        template,
        parameters=_pairs(arguments.parameter, "--parameter"),
        tags=_pairs(arguments.tag, "--tag") if arguments.tag else None,
        resources_to_import=resources,
    )


def delete(arguments: Namespace) -> int:
    """Delete a stack and show its events."""
    cloudformation = _cloudformation(arguments)
    stack = cloudformation.describe_stacks(StackName=arguments.stack_name)["Stacks"][0]
    resources = cloudformation.describe_stack_resources(StackName=arguments.stack_name)["StackResources"]
    operation = clients.Operation(cloudformation, stack["StackId"], len(resources))
    cloudformation.delete_stack(StackName=arguments.stack_name)
    return _shown(operation)


def _shown(operation: clients.Operation) -> int:
    status = console.follow_events(operation)
    if not operation.succeeded:
        console.err.print(f"[red]{operation.describe()['StackName']}: {status}[/]")
        console.print_failures(operation.own)
        return 1
    if not status.startswith("DELETE"):
        console.print_outputs(operation.describe())
        console.print_simulated(operation.own)
    return 0


def drift(arguments: Namespace) -> int:
    """Compare a stack's resources with what the service holds."""
    console.print_drift(clients.detect_drift(_cloudformation(arguments), arguments.stack_name))
    return 0


def events(arguments: Namespace) -> int:
    """All events of a stack, oldest first."""
    watching.print_events(_cloudformation(arguments), arguments)
    return 0


def list_(arguments: Namespace) -> int:
    """The stacks of a running cloud."""
    pages = _cloudformation(arguments).get_paginator("list_stacks").paginate()
    stacks = [stack for page in pages for stack in page["StackSummaries"]]
    console.print_rows(("StackName", "StackStatus", "CreationTime"), (
        (stack["StackName"], stack["StackStatus"], stack["CreationTime"]) for stack in stacks))  # fmt: skip
    return 0


def sagemaker(arguments: Namespace) -> int:
    """Serve the local SageMaker alone."""
    from laptop.sagemaker.server import LocalSageMaker

    with LocalSageMaker(arguments.port) as local_sagemaker:
        print(f"local SageMaker at {local_sagemaker.url} (AWS_ENDPOINT_URL={local_sagemaker.url})", flush=True)
        ending.wait_for_signal()
    return 0


def contract(arguments: Namespace) -> int:
    """Run AWS's own contract tests on the handlers."""
    from laptop.contract import run

    return run(arguments)


def demo(arguments: Namespace) -> int:
    """Show what the type does on a cloud of its own."""
    from laptop.demo import run

    return run(arguments)


def invoke(arguments: Namespace) -> int:
    """Send one handler event through the runtime emulator and show each progress event."""
    from laptop.runtime import LambdaRuntime

    source, *_others = _sources(arguments)
    definition = source.definition
    event = production_event(
        definition,
        arguments.action,
        desired=_model(arguments.model),
        previous=_model(arguments.previous) if arguments.previous else None,
        stack_tags=_pairs(arguments.tag, "--tag"),
        logical_id="Invoked",
        next_token=arguments.next_token,
    )
    with _service(arguments) as url:
        env = {"AWS_ENDPOINT_URL": url, **_pairs(arguments.env, "--env")}
        code = source.code()
        with (
            closing(source),
            LambdaRuntime(code.handler, code.paths, env=env, timeout=arguments.timeout, alone=code.alone) as runtime,
        ):
            progress = {}
            for progress in follow(runtime.invoke, event):
                console.out.print_json(data=progress)
            if arguments.log:
                console.err.print(runtime.logs(), markup=False)
    return 0 if progress.get("status") == "SUCCESS" else 1


@contextmanager
def _service(arguments: Namespace) -> Iterator[str]:
    """The running cloud, or a local SageMaker that lasts as long as the command."""
    url = _endpoint(arguments)
    if url is not None:
        yield url
        return
    from laptop.sagemaker.server import LocalSageMaker

    with LocalSageMaker() as local_sagemaker:
        yield local_sagemaker.url


def _template(arguments: Namespace) -> str:
    """The text of the template; BadInput when it is none, with the place of what is wrong."""
    if arguments.template == "-" and not arguments.stack_name:
        raise BadInput("A template from standard input has no file name: give the stack's with --stack-name.")
    text, name = _read(arguments.template), "Standard input" if arguments.template == "-" else arguments.template
    try:
        members = _members(text)
    except yaml.MarkedYAMLError as error:
        mark, said = error.problem_mark or error.context_mark, [error.context, error.problem]
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadInput(f"{name}{place}: not valid YAML: {', '.join(filter(None, said))}.") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{name}: not valid YAML: {error}.") from None
    if not text.strip():
        raise BadInput(f"{name} is empty: a template needs Resources.")
    if "Resources" not in members:
        raise BadInput(f"{name} is no template: it has no Resources.")
    return text


def _members(text: str) -> Collection[str]:
    """The names at the top of a YAML or JSON text. Raises yaml.YAMLError."""
    with suppress(ValueError):
        # JSON may be indented by tabs, which YAML does not allow.
        parsed = json.loads(text)
        return parsed if isinstance(parsed, dict) else ()
    root = yaml.compose(text, yaml.SafeLoader)
    return {key.value for key, _ in root.value} if isinstance(root, yaml.MappingNode) else ()


def _stack_name(arguments: Namespace) -> str:
    return str(arguments.stack_name or Path(arguments.template).stem.replace("_", "-").replace(".", "-"))


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    for one in given or []:
        if "=" not in one:
            raise BadInput(f"{option} takes KEY=VALUE, and {one.split()[0] if one.split() else 'nothing'} has no =.")
    return dict(one.split("=", 1) for one in given or [])


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}."
        ) from None


def _model(path: str | None) -> Any:
    return _json(path) if path else {}


def _json(given: str) -> Any:
    """JSON of an argument that starts like JSON, else of the file it names."""
    inline = given.lstrip().startswith(("[", "{"))
    try:
        return json.loads(given if inline else _read(given.removeprefix("file://")))
    except ValueError as error:
        where = "The argument" if inline else given
        raise BadInput(f"{where} is not JSON: {error}.") from None
