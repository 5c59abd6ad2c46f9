"""The outcomes of AWS's contract tests, each with the invocations of handlers that it caused.

pytest loads this module as a plugin by its name, because cfn leaves no other way to hand it one. So the results of
the run of this process are an attribute of the module.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.markup import escape

from cfnbox.cli import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from cfnbox.handlers.invocations import HandlerInvocation

_STYLES = {"passed": "green", "skipped": "yellow", "failed": "red"}


@dataclass(frozen=True)
class ContractTestResult:
    """One test of the suite: `outcome` is passed, skipped or failed, `reason` pytest's for a skip or a failure."""

    inputs: int
    test: str
    outcome: str
    seconds: float
    reason: str = ""
    invocations: tuple[HandlerInvocation, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether the test failed, in its setup or teardown too."""
        return self.outcome == "failed"

    @property
    def causes(self) -> tuple[HandlerInvocation, ...]:
        """The invocations that failed; the last invocation when each of them succeeded."""
        failed = tuple(item for item in self.invocations if item.status not in ("SUCCESS", "IN_PROGRESS"))
        return failed or self.invocations[-1:]


@dataclass
class Results:
    """The outcomes of a run, in their order; prints each as it ends, failures with what the handlers answered."""

    show_logs: bool = False
    outcomes: list[ContractTestResult] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    runs: int = 0
    _invocations: list[HandlerInvocation] = field(default_factory=list)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def append_invocation(self, invocation: HandlerInvocation) -> None:
        """Note an invocation of the test that runs now. Called by any thread."""
        with self._changing:
            self._invocations.append(invocation)

    def drop_invocations(self) -> tuple[HandlerInvocation, ...]:
        """Return and forget the invocations since the last call."""
        with self._changing:
            dropped, self._invocations = tuple(self._invocations), []
        return dropped

    def append(self, outcome: ContractTestResult) -> None:
        """Add an outcome, and print it."""
        same = next(
            (former for former in self.outcomes if former.has_failed and former.reason == outcome.reason), None
        )
        self.outcomes.append(outcome)
        # pytest's own report is kept back meanwhile: this goes past it.
        line = f"[{_STYLES[outcome.outcome]}]{outcome.outcome:<8}[/] inputs_{outcome.inputs}  {outcome.test:<32}"
        output.out.print(f"{line} [dim]{outcome.seconds:5.2f} s[/]  {escape(outcome.reason)}".rstrip())
        shown = outcome.invocations if self.show_logs else outcome.causes if outcome.has_failed else ()
        for invocation in shown:
            output.print_invocation(invocation.to_json(with_properties=False))
        if outcome.has_failed and not outcome.invocations and same:
            # A fixture that several tests share fails once, and pytest reports the failure for each of them.
            output.out.print(f"    the failure of {same.test}, which all tests share that need the same resource")


RESULTS = Results()


def start(*, show_logs: bool) -> Results:
    """Return the results of this process; with `show_logs` every invocation is shown, and not those of failures."""
    RESULTS.show_logs = show_logs
    return RESULTS


def pytest_sessionstart() -> None:
    """Count the sessions: cfn runs one for each set of inputs, in the order of their numbers."""
    RESULTS.runs += 1


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Note what a selection leaves out; the tests with "pre" in their names are for hooks."""
    RESULTS.left_out.update(item.name for item in items if "_pre_" not in item.name)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note each test once, and a failing setup or teardown as a failure of its own."""
    if report.when == "setup" and report.passed:
        return
    invocations = RESULTS.drop_invocations()
    if report.when == "teardown" and report.passed:
        return
    name = report.nodeid.rpartition("::")[2]
    suffix = "" if report.when == "call" or report.skipped else f" ({report.when})"
    RESULTS.append(
        ContractTestResult(RESULTS.runs, name + suffix, report.outcome, report.duration, _reason(report), invocations)
    )


def _reason(report: pytest.TestReport) -> str:
    """Return why a test was skipped, or the first line of what it raised."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message).partition("\n")[0] if crash and report.failed else ""
