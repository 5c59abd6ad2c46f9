"""Terminal output: live stack events, outputs, changes and drift. Colours are used only on a terminal."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from cfnbox.cloudformation.status import ResourceStatus
from cfnbox.handlers.invocations import PROPERTIES
from cfnbox.providers.protocol import NOT_APPLIED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cfnbox.stack_client import StackOperation

# Do not wrap or cut lines in a pipe, so that grep finds them: wide enough for every table.
_PIPE_WIDTH = 2000
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True)
# Remarks and events, on standard error. `--quiet` hides them.
notes = Console(highlight=False, soft_wrap=True, stderr=True)
_modes = {"json": False, "quiet": False}

_STYLES = (("FAILED", "red"), ("ROLLBACK", "red"), ("IN_PROGRESS", "yellow"), ("COMPLETE", "green"))


def set_modes(*, json_only: bool, quiet: bool) -> None:
    """Set the output modes: JSON instead of tables; quiet without remarks and events."""
    _modes.update(json=json_only, quiet=quiet)
    notes.quiet = quiet


def is_json() -> bool:
    """Return whether the output is to be JSON."""
    return _modes["json"]


def print_json(data: Any) -> None:
    """Print data as JSON, times as text."""
    print(json.dumps(data, indent=2, default=_as_text))


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def remark(text: str) -> None:
    """Print a remark to standard error, unless --quiet is set."""
    notes.print(f"[dim]{escape(text)}[/]")


def style_of(status: str) -> str:
    """Return the colour of a stack or resource status."""
    return next((style for part, style in _STYLES if part in status), "default")


def print_event(event: Mapping[str, Any], console: Console = out) -> None:
    """Print a stack event as one line."""
    status, at = event["ResourceStatus"], event["Timestamp"].astimezone().strftime("%H:%M:%S")
    kind = event["ResourceType"]
    reason = event.get("ResourceStatusReason") or ""
    line = f"{at}  [{style_of(status)}]{status:<36}[/] {event['LogicalResourceId']:<24} [dim]{kind:<28}[/]"
    console.print(f"{line} {escape(reason)}".rstrip())


def print_invocation(told: Mapping[str, Any], console: Console = out) -> None:
    """Print an invocation of a handler (JSON of cfnbox.handlers.invocations) as one line, with its log below."""
    at = datetime.fromisoformat(told["began"]).astimezone().strftime("%H:%M:%S")
    status = told["status"] or "NO ANSWER"
    style = {"SUCCESS": "green", "IN_PROGRESS": "yellow"}.get(status, "red")
    name = escape(told["logical_id"] or "-")
    heading = f"  {told['action']} handler: {status}"
    line = f"{at}  [{style}]{escape(heading):<36}[/] {name:<24} [dim]{escape(told['type_name']):<28}[/] "
    line += f"{told['seconds']:.2f} s"
    said = ": ".join(filter(None, (told["error_code"], told["message"] or told["raised"])))
    waits = f"again after {told['delay']:g} s" if told["delay"] else ""
    context = f"callback context {json.dumps(told['context'])}" if told["context"] else ""
    console.print("  ".join([line, *(escape(one) for one in (said, waits, context) if one)]))
    for name in PROPERTIES:
        if told.get(name) is not None:
            console.print(f"    [dim]{name}[/] {escape(json.dumps(told[name]))}")
    for written in told["log"].splitlines():
        console.print(f"    [dim]| {escape(written)}[/]")
    if told["traceback"] and told["traceback"].splitlines()[-1] not in told["log"]:
        console.print(escape("\n".join(f"    {one}" for one in told["traceback"].splitlines())))


def follow_events(operation: StackOperation, on_silence: Callable[[str, float], None] | None = None) -> str:
    """Print an operation's events until its end, with a progress bar on a terminal. Return the final status.

    `on_silence` is called while there are no events. See StackOperation.events.
    """
    with _progress(operation.resources, operation.stack_name) as progress:
        finished: set[str] = set()
        for event in operation.events(on_silence):
            if not _modes["quiet"]:
                print_event(event, notes if is_json() else progress.console)
            status = ResourceStatus.of_event(event)
            if (status.is_complete or status.is_failed) and event["PhysicalResourceId"] != event["StackId"]:
                # A replaced or rolled-back resource finishes more than once.
                finished.add(event["LogicalResourceId"])
                total = None if operation.resources is None else max(operation.resources, len(finished))
                progress.update(progress.task_ids[0], completed=len(finished), total=total)
    return operation.status


@contextmanager
def _progress(total: int | None, name: str) -> Iterator[Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=out, transient=True, disable=not out.is_terminal or is_json() or _modes["quiet"]
    ) as progress:
        progress.add_task(escape(name), total=total)
        yield progress


def print_rows(headings: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a table, as wide as its content. Values wrap on a narrow terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    out.print(table, soft_wrap=False)


def print_outputs(stack: Mapping[str, Any]) -> None:
    """Print the outputs of a stack, if it has any."""
    outputs = stack.get("Outputs", [])
    if outputs:
        print_rows(("Output", "Value"), ((one["OutputKey"], one["OutputValue"]) for one in outputs))


def print_notices(events: Iterable[Mapping[str, Any]]) -> None:
    """Print the simulated resources, and the properties of others that are not applied here."""
    reasons = {one["LogicalResourceId"]: one.get("ResourceStatusReason", "") for one in _with_notices(events)}
    simulated = [name for name, reason in reasons.items() if reason.startswith("simulated")]
    if simulated:
        names = ", ".join(simulated)
        err.print(f"[yellow]Simulated, because cfnbox has no such service: {names}.[/] --strict refuses.")
    not_applied = [
        f"{name} ({reason[len(NOT_APPLIED) :]})" for name, reason in reasons.items() if name not in simulated
    ]
    if not_applied:
        names = ", ".join(not_applied)
        err.print(
            f"[yellow]Not applied here, because the local service does not keep it: {names}.[/] --strict refuses."
        )


def _with_notices(events: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (one for one in events if one.get("ResourceStatusReason", "").startswith(("simulated", NOT_APPLIED)))


def print_failures(events: Iterable[Mapping[str, Any]]) -> None:
    """Print the full reason of each failed event."""
    for event in events:
        if ResourceStatus.of_event(event).is_failed and event.get("ResourceStatusReason"):
            err.print(f"[red]{escape(event['LogicalResourceId'])}[/]: {escape(event['ResourceStatusReason'])}")


def print_changes(changes: Iterable[Mapping[str, Any]]) -> None:
    """Print the changes of a change set: a line for each resource, then the values before and after."""
    listed = list(changes)
    _print_change_rows(listed)
    for change in (entry["ResourceChange"] for entry in listed):
        targets = {_target_path(detail): detail["Target"] for detail in change.get("Details", [])}
        for path, target in sorted(targets.items()):
            if "BeforeValue" in target or "AfterValue" in target:
                before, after = (escape(str(target.get(name, "-"))) for name in ("BeforeValue", "AfterValue"))
                out.print(f"  {change['LogicalResourceId']} {escape(path)}: [red]{before}[/] -> [green]{after}[/]")


def print_modifications(changes: Iterable[Mapping[str, Any]]) -> None:
    """Print the properties that an update changes."""
    if not _modes["quiet"]:
        _print_change_rows(changes)


def _print_change_rows(changes: Iterable[Mapping[str, Any]]) -> None:
    rows = []
    for change in (entry["ResourceChange"] for entry in changes):
        targets = [detail["Target"] for detail in change.get("Details", [])]
        names = sorted({target.get("Name", target["Attribute"]) for target in targets})
        rows.append((change["Action"], change["LogicalResourceId"], change["ResourceType"],
                     change.get("Replacement", "-"), ", ".join(names)))  # fmt: skip
    print_rows(("Action", "LogicalResourceId", "ResourceType", "Replacement", "Changed"), rows)


def _target_path(detail: Mapping[str, Any]) -> str:
    target = detail["Target"]
    path = str(target.get("Path") or target.get("Name") or target["Attribute"])
    return path.removeprefix("/Properties/")


def print_drift(resources: Iterable[Mapping[str, Any]]) -> None:
    """Print the drift of each resource, with each different property."""
    for resource in resources:
        status = resource["StackResourceDriftStatus"]
        style = {"IN_SYNC": "green", "MODIFIED": "red", "DELETED": "red"}.get(status, "yellow")
        out.print(f"[{style}]{status:<12}[/] {resource['LogicalResourceId']} [dim]{resource['ResourceType']}[/]")
        for one in resource.get("PropertyDifferences", []):
            expected, actual = escape(one["ExpectedValue"]), escape(one["ActualValue"])
            out.print(f"  {one['PropertyPath']}: {one['DifferenceType']}: expected {expected}, is {actual}")
        if resource.get("DriftStatusReason"):
            out.print(f"  {escape(resource['DriftStatusReason'])}")


class Stopwatch:
    """Seconds since its creation."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s"
