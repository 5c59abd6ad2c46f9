"""Print stack events and handler invocations, live and afterwards."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from contextlib import suppress
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

    from cfnbox.handlers.invocations import HandlerInvocation, InvocationOutcome


_FIRST_REMARK_SECONDS = 2.0


def listener(arguments: Namespace) -> Callable[[HandlerInvocation], None] | None:
    """Return the callback of `--log`, which prints each invocation to standard error. Return None without `--log`."""
    if not getattr(arguments, "log", False):
        return None
    return lambda ended: output.print_invocation(ended.to_json(with_properties=arguments.show_properties), output.err)


def recorder(arguments: Namespace) -> Callable[[Any, InvocationOutcome], None]:
    """Return the callback of `cfnbox invoke`, which prints an exception, and with `--log` the log."""

    def record(_event: Any, outcome: InvocationOutcome) -> None:
        if arguments.log and outcome.log:
            output.err.print(outcome.log, markup=False)
        # Without an answer of the handler, the command ends with the exception as its error.
        if outcome.raised and not outcome.failure:
            output.err.print(f"[red]The handler ended with[/] {escape(str(outcome.raised))}")

    return record


def debugger(arguments: Namespace) -> Debugger | None:
    """Return the debugger for `--debug`, which prints to standard error. Return None without `--debug`."""
    if not getattr(arguments, "debug", False):
        return None
    return Debugger(arguments.debug_port, lambda text: output.err.print(text, markup=False))


def print_events(cloudformation: Any, arguments: Namespace) -> None:
    """Print all events of a stack, oldest first. `--handlers` adds the invocations of its handlers."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=arguments.stack_name)
    events = [event for page in pages for event in page["StackEvents"]][::-1]
    if output.is_json():
        output.print_json(events)
        return
    lines = [(event["Timestamp"], partial(output.print_event, event)) for event in events]
    if arguments.handlers and events:
        told = _invocations(cloudformation.meta.endpoint_url, events[0]["StackId"], arguments.show_properties)
        lines += [(datetime.fromisoformat(one["began"]), partial(output.print_invocation, one)) for one in told]
    for _, show in sorted(lines, key=itemgetter(0)):
        show()


class Silence:
    """Prints the reason why a stack has no events: first after two seconds, then after doubling intervals."""

    def __init__(self, url: str) -> None:
        self._url, self._next = url, _FIRST_REMARK_SECONDS

    def __call__(self, stack_id: str, seconds: float) -> None:
        """Print a remark if the next is due."""
        if seconds < _FIRST_REMARK_SECONDS:
            self._next = _FIRST_REMARK_SECONDS
        elif seconds >= self._next:
            self._next = seconds + max(seconds, _FIRST_REMARK_SECONDS)
            output.remark(f"{seconds:.0f} s without an event. {self._reason(stack_id)}".rstrip())

    def _reason(self, stack_id: str) -> str:
        with suppress(OSError, ValueError, KeyError):
            waiting = [told for told in _invocations(self._url, stack_id, False) if told["status"] == "IN_PROGRESS"]
            if waiting:
                last = waiting[-1]
                return f"{last['logical_id']} ({last['type_name']}) waits: {last['message'] or 'no message'}"
        return ""


def _invocations(url: str, stack_id: str, with_properties: bool) -> list[dict[str, Any]]:
    inspection = clients.require_loopback(_json(f"{url}{ABOUT_PATH}")["inspection"])
    query = urllib.parse.urlencode({"stack": stack_id, **({"properties": 1} if with_properties else {})})
    told: list[dict[str, Any]] = _json(f"{inspection}{INVOCATIONS_PATH}?{query}")
    return told


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback
        return json.load(answer)
