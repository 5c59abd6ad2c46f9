"""The outcomes of AWS's contract tests, each with the invocations of handlers that it caused.

pytest loads this module as a plugin by name, because cfn offers no other way to pass a plugin. Therefore the results
of this process are an attribute of the module.
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
    """A test of the suite: `outcome` is passed, skipped or failed; `reason` is pytest's for a skip or a failure."""

    inputs: int
    test: str
    outcome: str
    seconds: float
    reason: str = ""
    invocations: tuple[HandlerInvocation, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Return whether the test failed, including its setup and teardown."""
        return self.outcome == "failed"

    @property
    def causes(self) -> tuple[HandlerInvocation, ...]:
        """Return the failed invocations, or only the last invocation if all succeeded."""
        failed = tuple(item for item in self.invocations if item.status not in ("SUCCESS", "IN_PROGRESS"))
        return failed or self.invocations[-1:]


@dataclass
class Results:
    """The outcomes of a run, in order. Each is printed when its test ends, a failure with the handlers' answers."""

    show_logs: bool = False
    outcomes: list[ContractTestResult] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    runs: int = 0
    _invocations: list[HandlerInvocation] = field(default_factory=list)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def append_invocation(self, invocation: HandlerInvocation) -> None:
        """Record an invocation for the running test. Thread-safe."""
        with self._changing:
            self._invocations.append(invocation)

    def drop_invocations(self) -> tuple[HandlerInvocation, ...]:
        """Return the invocations since the last call, and clear them."""
        with self._changing:
            dropped, self._invocations = tuple(self._invocations), []
        return dropped

    def append(self, outcome: ContractTestResult) -> None:
        """Add an outcome, and print it."""
        same = next(
            (former for former in self.outcomes if former.has_failed and former.reason == outcome.reason), None
        )
        self.outcomes.append(outcome)
        # pytest captures output now, so this line bypasses the capture.
        line = f"[{_STYLES[outcome.outcome]}]{outcome.outcome:<8}[/] inputs_{outcome.inputs}  {outcome.test:<32}"
        output.out.print(f"{line} [dim]{outcome.seconds:5.2f} s[/]  {escape(outcome.reason)}".rstrip())
        shown = outcome.invocations if self.show_logs else outcome.causes if outcome.has_failed else ()
        for invocation in shown:
            output.print_invocation(invocation.to_json(with_properties=False))
        if outcome.has_failed and not outcome.invocations and same:
            # pytest reports the failure of a shared fixture once for each of its tests.
            output.out.print(f"    the failure of {same.test}, which all tests share that need the same resource")


RESULTS = Results()


def start(*, show_logs: bool) -> Results:
    """Return the results of this process. `show_logs` prints every invocation, not only those of failures."""
    RESULTS.show_logs = show_logs
    return RESULTS


def pytest_sessionstart() -> None:
    """Count the sessions: cfn runs one for each set of inputs, in the order of their numbers."""
    RESULTS.runs += 1


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Record the deselected tests. Tests with "pre" in their names are for hooks."""
    RESULTS.left_out.update(item.name for item in items if "_pre_" not in item.name)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record each test once, and a failed setup or teardown as a separate failure."""
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
    """Return the reason of a skip, or the first line of the exception."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message).partition("\n")[0] if crash and report.failed else ""
