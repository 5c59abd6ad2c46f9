"""Operations under way: their threads, cancellation and time, and work done in the order of a graph, side by side."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import TYPE_CHECKING

from cfnbox.core.unexpected import internal_error
from cfnbox.providers.protocol import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Set

    from cfnbox.cloudformation.stacks import Stack, Stacks
    from cfnbox.providers.protocol import Resource

# CloudFormation publishes no number; more than any template of the corpus has side by side.
_SIDE_BY_SIDE = 32
# How often who waits looks whether the time of the whole operation is over.
_LOOK_SECONDS = 0.1


class Run:
    """One operation under way, and the Progress of its providers where they make nothing new.

    `superseded` is set when another operation takes its stack over.
    """

    def __init__(self, clock: Callable[[], float], timeout_seconds: float | None = None) -> None:
        self._clock, self._stopped = clock, threading.Event()
        self._deadline = None if timeout_seconds is None else clock() + timeout_seconds
        self.reason = ""
        self.superseded = False
        self.ended = threading.Event()

    def stop(self, reason: str) -> None:
        """Begin nothing more, and end what waits; the first reason counts."""
        if not self._stopped.is_set():
            self.reason = reason
            self._stopped.set()

    def supersede(self) -> None:
        """Stop without another word: whoever calls this carries on with the stack once `ended` is set."""
        self.superseded = True
        self.stop("")

    @property
    def stopped(self) -> bool:
        """Whether nothing more may begin."""
        if self._deadline is not None and self._clock() > self._deadline:
            # CloudFormation's event when TimeoutInMinutes is over.
            self.stop("Stack creation time exceeded the specified timeout")
        return self._stopped.is_set()

    def resume(self) -> None:
        """Allow work again, without a time limit: what failed is about to be rolled back."""
        self._stopped.clear()
        self._deadline = None

    def identified(self, _resource: Resource) -> None:
        """An update does not change who the resource is before it ends."""

    def wait(self, seconds: float) -> None:
        """Sleep; raises Cancelled as soon as the run is stopped or its time is over."""
        until = self._clock() + seconds
        while not self.stopped:
            left = until - self._clock()
            if left <= 0:
                return
            self._stopped.wait(left if self._deadline is None else min(left, _LOOK_SECONDS))
        raise Cancelled("Resource operation cancelled")

    def walk(
        self, graph: Mapping[str, Set[str]], act: Callable[[str], bool], *, despite_failures: bool = False
    ) -> None:
        """Act on each node once all that it needs is done, independent ones at once; until the run is stopped.

        `act` answers whether it succeeded; a node that failed holds back those that need it. Despite failures, which
        stop a run, the others go on; only another operation ends them.
        """
        sorter = TopologicalSorter(graph)
        sorter.prepare()
        running: dict[Future[bool], str] = {}
        ended: SimpleQueue[Future[bool]] = SimpleQueue()
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            while True:
                if not (self.superseded if despite_failures else self.stopped):
                    for node in sorter.get_ready():
                        future = pool.submit(act, node)
                        running[future] = node
                        future.add_done_callback(ended.put)
                if not running:
                    return
                future = ended.get()
                node = running.pop(future)
                if future.result():
                    sorter.done(node)


class Runs:
    """Which operation runs on which stack: each is a thread of its own, and a stack has one at a time."""

    def __init__(self, stacks: Stacks, clock: Callable[[], float]) -> None:
        self._stacks, self._clock = stacks, clock
        self._runs: dict[str, Run] = {}

    def start(self, stack: Stack, status: str, carry_out: Callable[[Run], None], minutes: int | None = None) -> None:
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
                carry_out(run)
            except BaseException as problem:
                # A fault of the local cloud itself: a stack that nobody works on must not stay in progress.
                word = stack.status.partition("_COMPLETE")[0].removesuffix("_IN_PROGRESS")
                failed = f"{'IMPORT_ROLLBACK' if word == 'IMPORT' else word}_FAILED"
                self._stacks.set_status(stack, failed, internal_error("a stack operation", problem))
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
