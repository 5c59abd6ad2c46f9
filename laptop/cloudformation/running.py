"""Which operation runs on which stack: each is a thread of its own, and a stack has one at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from laptop.cloudformation.operation import Carrier, Operation, rollback_word
from laptop.cloudformation.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from laptop.cloudformation.stacks import Stack

# How a stack ends whose operation ends without a word.
_FAILED = {
    "CREATE": "CREATE_FAILED",
    "UPDATE": "UPDATE_FAILED",
    "DELETE": "DELETE_FAILED",
    "ROLLBACK": "ROLLBACK_FAILED",
    "UPDATE_ROLLBACK": "UPDATE_ROLLBACK_FAILED",
    "IMPORT": "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK": "IMPORT_ROLLBACK_FAILED",
}


class Operations:
    """Starts operations and knows which run."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier, self._stacks = carrier, carrier.stacks
        self._runs: dict[str, Run] = {}

    def create(self, stack: Stack, *, timeout_minutes: int | None, on_failure: str) -> None:
        """Make a new stack's resources; `on_failure` is ROLLBACK, DELETE or DO_NOTHING."""
        self._stacks.set_status(stack, "CREATE_IN_PROGRESS", "User Initiated")
        run = Run(self._carrier.clock, None if timeout_minutes is None else timeout_minutes * 60)
        self._start(stack, run, lambda: Operation(self._carrier, stack, run).create(on_failure))

    def update(self, stack: Stack, *, disable_rollback: bool = False) -> None:
        """Bring a stack to its new deployment; what it was is kept in `stable` already."""
        self._stacks.set_status(stack, "UPDATE_IN_PROGRESS", "User Initiated")
        run = Run(self._carrier.clock)
        self._start(stack, run, lambda: Operation(self._carrier, stack, run).update(disable_rollback))

    def import_resources(self, stack: Stack, identifiers: dict[str, str]) -> None:
        """Adopt existing resources: logical id to primary identifier."""
        self._stacks.set_status(stack, "IMPORT_IN_PROGRESS", "User Initiated")
        run = Run(self._carrier.clock)
        self._start(stack, run, lambda: Operation(self._carrier, stack, run).adopt(identifiers))

    def roll_back(self, stack: Stack, skipped: Iterable[str] = (), reason: str = "User Initiated") -> None:
        """Bring a stack that failed back to what it was; resources to skip are taken as they are."""
        run = Run(self._carrier.clock)
        word = rollback_word(stack)
        self._stacks.set_status(stack, f"{word}_IN_PROGRESS", reason)
        self._start(stack, run, lambda: Operation(self._carrier, stack, run).roll_back(word, frozenset(skipped)))

    def cancel_update(self, stack: Stack) -> None:
        """End an update under way: it rolls back."""
        self._runs[stack.id].stop("Update cancelled. Rollback requested by user.")

    def delete(self, stack: Stack, retained: Iterable[str] = (), *, force: bool = False) -> None:
        """Delete a stack; a create or rollback under way ends first, handlers that run are waited for."""
        former = self._runs.get(stack.id)
        with self._stacks.changed:
            if former is not None:
                former.supersede()
            self._stacks.set_status(stack, "DELETE_IN_PROGRESS", "User Initiated")
        run = Run(self._carrier.clock)

        def carry_out() -> None:
            if former is not None:
                former.ended.wait()
            Operation(self._carrier, stack, run).delete(frozenset(retained), force=force)

        self._start(stack, run, carry_out)

    def close(self) -> None:
        """Stop every operation, and wait until nothing is made any more."""
        for run in list(self._runs.values()):
            run.supersede()
        for run in list(self._runs.values()):
            run.ended.wait(5)

    def _start(self, stack: Stack, run: Run, carry_out: Callable[[], None]) -> None:
        self._runs[stack.id] = run

        def to_the_end() -> None:
            try:
                carry_out()
            except BaseException as problem:
                # A fault of the laptop cloud itself: a stack that nobody works on must not stay in progress.
                failed = _FAILED[stack.status.partition("_COMPLETE")[0].removesuffix("_IN_PROGRESS")]
                self._stacks.set_status(stack, failed, f"The laptop cloud failed with {type(problem).__name__}.")
                raise
            finally:
                run.ended.set()

        threading.Thread(target=to_the_end, name=f"stack {stack.name}", daemon=True).start()
