"""What the commands show of stacks and handlers: events and invocations, as they come and afterwards."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from cfnbox.aws import clients
from cfnbox.cli import output
from cfnbox.console.inspection_api import INVOCATIONS_PATH
from cfnbox.handlers.debugging import Debugger
from cfnbox.stack_client import ABOUT_PATH

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from cfnbox.handlers.invocations import Invocation, Outcome


def listener(arguments: Namespace) -> Callable[[Invocation], None] | None:
    """What `--log` prints of each invocation, beside the output that other programs read; None without it."""
    if not getattr(arguments, "log", False):
        return None
    return lambda ended: output.print_invocation(ended.told(with_properties=arguments.show_properties), output.err)


def recorder(arguments: Namespace) -> Callable[[Any, Outcome], None]:
    """What `cfnbox invoke` says of each invocation beside the answer: what was raised, and the log with `--log`."""

    def record(_event: Any, outcome: Outcome) -> None:
        if arguments.log and outcome.log:
            output.err.print(outcome.log, markup=False)
        # A handler that gave no answer ends the command, with what was raised as the error.
        if outcome.raised and not outcome.failure:
            output.err.print(f"[red]The handler ended with[/] {escape(str(outcome.raised))}")

    return record


def debugger(arguments: Namespace) -> Debugger | None:
    """The debugger that `--debug` asks for, with its announcements beside the output; None without it."""
    if not getattr(arguments, "debug", False):
        return None
    return Debugger(arguments.debug_port, lambda text: output.err.print(text, markup=False))


def print_events(cloudformation: Any, arguments: Namespace) -> None:
    """All events of a stack, oldest first; with `--handlers` the invocations of its handlers among them."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=arguments.stack_name)
    events = [event for page in pages for event in page["StackEvents"]][::-1]
    lines = [(event["Timestamp"], partial(output.print_event, event)) for event in events]
    if arguments.handlers and events:
        told = _invocations(cloudformation.meta.endpoint_url, events[0]["StackId"], arguments.show_properties)
        lines += [(datetime.fromisoformat(one["began"]), partial(output.print_invocation, one)) for one in told]
    for _, show in sorted(lines, key=itemgetter(0)):
        show()


def _invocations(url: str, stack_id: str, with_properties: bool) -> list[dict[str, Any]]:
    inspection = clients.require_loopback(_json(f"{url}{ABOUT_PATH}")["inspection"])
    query = urllib.parse.urlencode({"stack": stack_id, **({"properties": 1} if with_properties else {})})
    told: list[dict[str, Any]] = _json(f"{inspection}{INVOCATIONS_PATH}?{query}")
    return told


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)
