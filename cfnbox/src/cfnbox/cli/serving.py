"""`cfnbox up`, and the commands for a running cloud: `status`, `stop`, `env`."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from rich.markup import escape

from cfnbox import stack_client
from cfnbox.aws import clients
from cfnbox.aws.http import EVERY_ADDRESS, LOOPBACK
from cfnbox.cli import connection, event_output, inputs, output, shutdown
from cfnbox.core.cleanup import RUN_VARIABLE, is_running
from cfnbox.core.errors import LocalFailure
from cfnbox.core.extras import require_extra
from cfnbox.core.place import DEFAULT_REGION

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from cfnbox.cloud import Cloud

_READY = "# Ctrl-C stops it"
_STOP_SECONDS = 30
# Start a command with its output in a file, and print its process id.
_START = """
import subprocess, sys
with open(sys.argv[1], "w") as log:
    process = subprocess.Popen(
        sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
print(process.pid)
"""
_POLL_SECONDS = 0.1
# The log of a cloud in the background.
_LOG_VARIABLE = "CFNBOX_DETACHED_LOG"


class NotStarted(LocalFailure):
    """A cloud in the background ended before it was ready. The message is its output."""


def up(arguments: Namespace) -> int:
    """Serve until a signal ends the process."""
    if arguments.detach:
        return _detach()
    watch = output.Stopwatch()
    warn_of(arguments.host)
    if arguments.console:
        require_extra("console", "jinja2", "--console")
    with new_cloud(arguments, arguments.port) as cloud:
        if arguments.state:
            for sentence in cloud.keep_state(arguments.state):
                output.err.print(f"[yellow]warning:[/] {escape(sentence)}")
        for template in arguments.deploy or ():
            stack = cloud.deploy(Path(template), stack_name=stack_client.stack_name_of(template))
            output.remark(f"Deployed {template} as stack {stack.name}: {stack.status}")
        # Flush, because another program may wait on the pipe.
        print(_greeting(cloud, watch, arguments), flush=True)
        cloud.load()
        # Loaded modules are permanent. Garbage collection over them takes a tenth of a stack's time.
        gc.freeze()
        shutdown.wait_for_signal()
    return 0


def warn_of(host: str) -> None:
    """Print a warning if the cloud listens on an address that other machines can reach."""
    if host == LOOPBACK:
        return
    where = "any address of this machine" if host == EVERY_ADDRESS else host
    output.err.print(
        f"[yellow]warning:[/] Every program that reaches {where} can do all that this cloud can, and that is to run "
        "code on this machine. There are no passwords."
    )
    if host == EVERY_ADDRESS:
        output.err.print("Name the addresses that requests may use: --allow-host ADDRESS")


def new_cloud(arguments: Namespace, port: int) -> Cloud:
    """Return a new cloud with the types named by the arguments."""
    # Imported when needed: moto and ministack take most of a second.
    from cfnbox.cli.type_sources import sources
    from cfnbox.cloud import Cloud

    return Cloud(
        port=port,
        host=getattr(arguments, "host", LOOPBACK),
        sources=sources(arguments),
        on_invocation=event_output.listener(arguments),
        debugger=event_output.debugger(arguments),
        console=getattr(arguments, "console", False),
        serve=getattr(arguments, "serve", None) or (),
        env=inputs.pairs(arguments.env, "--env"),
        timeout=arguments.timeout,
        strict=arguments.strict,
        allow_origins=getattr(arguments, "allow_origin", None) or (),
        allow_hosts=getattr(arguments, "allow_host", None) or (),
    )


def _greeting(cloud: Cloud, watch: output.Stopwatch, arguments: Namespace) -> str:
    from cfnbox.handlers.runtime import TYPE_FUNCTION

    own = f", and {' and '.join(cloud.type_names)} by their own handlers" if cloud.type_names else ""
    lines = [
        f"# cfnbox is ready after {watch}: CloudFormation, AWS's types{own}.",
        "# boto3, the AWS CLI, CDK and Terraform talk to it with:",
        *_exports(cloud.url),
    ]
    if cloud.type_names:
        lines.append(
            "# AWS's contract tests, in a terminal with your own credentials: "
            f"cfn test --endpoint {cloud.url} --function-name {TYPE_FUNCTION}"
        )
    if arguments.console:
        lines.append(f"# The console, in a browser: {cloud.console_url}")
    kept = f"what deploys its stacks is kept in {arguments.state}" if arguments.state else "nothing is kept"
    return "\n".join([*lines, f"{_READY}; {kept}."])


def _exports(url: str) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in _variables(url).items()]


def _variables(url: str) -> dict[str, str]:
    """Return the environment variables that point AWS clients to a cloud."""
    proxies = {name: os.environ[name] for name in ("NO_PROXY", "no_proxy")}
    region = dict.fromkeys(inputs.REGION_VARIABLES, DEFAULT_REGION)
    return {"AWS_ENDPOINT_URL": url, **clients.CREDENTIALS, **region, **proxies}


def _detach() -> int:
    """Start the same command in the background, wait until it is ready, and print its output.

    An intermediate process starts it and exits, so that the cloud is not a child of this command.
    """
    command = [sys.executable, "-m", "cfnbox", *(word for word in sys.argv[1:] if word != "--detach")]
    own = os.environ.get(RUN_VARIABLE, "")
    folder = Path(own).parent if own else Path(tempfile.gettempdir())
    environment = {name: value for name, value in os.environ.items() if not (own and value.startswith(own))}
    descriptor, log = tempfile.mkstemp(prefix="cfnbox-up-", suffix=".log", dir=folder)
    os.close(descriptor)
    between = subprocess.run(
        [sys.executable, "-c", _START, log, *command],
        env={**environment, "TMPDIR": str(folder), _LOG_VARIABLE: log}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return _wait_until_ready(Path(log), int(between.stdout))


def take_log() -> Callable[[], None]:
    """Return a call that removes the log of this process. Only a cloud in the background has a log."""
    log = os.environ.pop(_LOG_VARIABLE, "")
    return partial(Path(log).unlink, missing_ok=True) if log else lambda: None


def _wait_until_ready(log: Path, process_id: int) -> int:
    while True:
        is_alive = _is_alive(process_id)
        text = log.read_text(encoding="utf-8")
        if _READY in text:
            print(text.partition(_READY)[0], end="")
            print(f"# It runs in the background and writes to {log}. To end it: cfnbox stop")
            return 0
        if not is_alive:
            log.unlink()
            raise NotStarted(f"The cloud did not start.\n{text}")
        time.sleep(_POLL_SECONDS)


def _is_alive(process_id: int) -> bool:
    return psutil.pid_exists(process_id) and is_running(psutil.Process(process_id))


def env(arguments: Namespace) -> int:
    """Print the environment variables to export for a running cloud."""
    url = connection.require_endpoint(arguments)
    if arguments.json:
        output.print_json(_variables(url))
    else:
        print("\n".join(_exports(url)))
    return 0


def status(arguments: Namespace) -> int:
    """Print the types and stacks of a running cloud. Raise NoCloud without a running cloud."""
    url = connection.require_endpoint(arguments)
    told = connection.about(url)
    pages = (
        clients.client("cloudformation", url, inputs.region(arguments)).get_paginator("describe_stacks").paginate()
    )
    stacks = {stack["StackName"]: stack["StackStatus"] for page in pages for stack in page["Stacks"]}
    shown = {"url": url, "process": told["process"], "types": told["types"], "console": told["console"],
             "region": inputs.region(arguments), "stacks": stacks}  # fmt: skip
    if arguments.json:
        output.print_json(shown)
        return 0
    rows = {
        "Address": url,
        "Process": told["process"],
        "Own types": ", ".join(told["types"]) or "-",
        "Console": told["console"] or "off (cfnbox up --console)",
        f"Stacks in {shown['region']}": ", ".join(f"{name} {state}" for name, state in stacks.items()) or "-",
    }
    output.print_rows(("Running cloud", ""), rows.items())
    return 0


def stop(arguments: Namespace) -> int:
    """Stop a running cloud, and wait for its end."""
    url = connection.require_endpoint(arguments)
    process_id = connection.about(url)["process"]
    os.kill(process_id, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _is_alive(process_id):
        if time.monotonic() > deadline:
            output.err.print(f"[red]error:[/] The cloud at {url} (process {process_id}) does not end.")
            return 1
        time.sleep(_POLL_SECONDS)
    output.remark(f"The cloud at {url} has ended.")
    return 0
