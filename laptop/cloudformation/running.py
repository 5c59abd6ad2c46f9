"""Which operation runs on which stack: each is a thread of its own, and a stack has one at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from laptop.cloudformation.operation import Operation
from laptop.cloudformation.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from laptop.cloudformation.deployments import Deployments
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

    def __init__(self, deployments: Deployments, clock: Callable[[], float]) -> None:
        self._deployments, self._stacks, self._clock = deployments, deployments.stacks, clock
        self._runs: dict[str, Run] = {}

    def start(
        self, stack: Stack, status: str, carry_out: Callable[[Operation], None], *, minutes: int | None = None
    ) -> None:
        """Give a stack a status, and carry an operation out that ends after so many minutes at the latest.

        One that still runs, as it may when a stack is deleted, ends first; handlers that run are waited for.
        """
        run, former = Run(self._clock, None if minutes is None else minutes * 60), self._runs.get(stack.id)
        with self._stacks.changed:
            if former is not None:
                former.supersede()
            self._stacks.set_status(stack, status, "User Initiated")
            self._runs[stack.id] = run

        def to_the_end() -> None:
            try:
                if former is not None:
                    former.ended.wait()
                carry_out(Operation(self._deployments, stack, run))
            except BaseException as problem:
                # A fault of the laptop cloud itself: a stack that nobody works on must not stay in progress.
                failed = _FAILED[stack.status.partition("_COMPLETE")[0].removesuffix("_IN_PROGRESS")]
                self._stacks.set_status(stack, failed, f"The laptop cloud failed with {type(problem).__name__}.")
                raise
            finally:
                run.ended.set()

        threading.Thread(target=to_the_end, name=f"stack {stack.name}", daemon=True).start()

    def cancel_update(self, stack: Stack) -> None:
        """End an update under way: it rolls back."""
        self._runs[stack.id].stop("Update cancelled. Rollback requested by user.")

    def close(self) -> None:
        """Stop every operation, and wait until nothing is made any more."""
        for run in list(self._runs.values()):
            run.supersede()
        for run in list(self._runs.values()):
            run.ended.wait(5)
