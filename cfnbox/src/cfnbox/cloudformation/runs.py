"""Running operations: their threads, cancellation and timeout, and work in the order of a graph, side by side."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from graphlib import TopologicalSorter
from itertools import chain
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from cfnbox.cloudformation.status import FAILURE_OF, StackStatus
from cfnbox.core.unexpected import internal_error
from cfnbox.providers.protocol import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Set

    from cfnbox.cloudformation.stacks import OperationType, Stacks, StackState
    from cfnbox.providers.protocol import Resource

# CloudFormation publishes no number; more than any template of the corpus has side by side.
_SIDE_BY_SIDE = 32
_STOP_SECONDS = 5


class Timer(Protocol):
    """A call that is made later, as threading.Timer makes it."""

    def start(self) -> None:
        """Begin to wait."""

    def cancel(self) -> None:
        """Never make the call."""


def timer(seconds: float, call: Callable[[], None]) -> Timer:
    """Return a timer that does not keep the process alive."""
    made = threading.Timer(seconds, call)
    made.daemon = True
    return made


class Run:
    """A running stack operation. Also the Progress of provider updates and deletes; a create has its own.

    `superseded` is set when another operation takes its stack over. `changed` is the condition of Stacks.
    """

    def __init__(self, changed: threading.Condition) -> None:
        self._changed, self._stopped = changed, threading.Event()
        self._wakers: list[Callable[[], None]] = []
        self._timer: Timer | None = None
        self._background_threads: set[threading.Thread] = set()
        self.reason = ""
        self.superseded = False
        self.ended = threading.Event()

    def limit(self, timer: Timer) -> None:
        """Start the timer that stops the run, until `resume`."""
        self._timer = timer
        timer.start()

    def exceed(self) -> None:
        """Stop because TimeoutInMinutes is over; the reason is that of CloudFormation's event."""
        with self._changed:
            if self._timer is not None:
                self.stop("Stack creation time exceeded the specified timeout")

    def stop(self, reason: str) -> None:
        """Begin nothing more, and end what waits; the first reason counts."""
        with self._changed:
            if self._stopped.is_set():
                return
            self.reason = reason
            self._stopped.set()
            self._changed.notify_all()
            wakers = list(self._wakers)
        for wake in wakers:
            wake()

    def supersede(self) -> None:
        """Stop without an event. The caller takes over the stack after `ended` is set."""
        self.superseded = True
        self.stop("")

    @property
    def stopped(self) -> bool:
        """Whether nothing more may begin."""
        return self._stopped.is_set()

    def resume(self) -> None:
        """Allow work again, without a timeout: a rollback begins."""
        self._end_timer()
        if not self.superseded:
            self._stopped.clear()

    def close(self) -> None:
        """Say that the operation has ended."""
        self._end_timer()
        self.ended.set()

    def start_in_background(self, name: str, work: Callable[[], None]) -> None:
        """Begin work that may go on after the operation has ended; it ends when the run is stopped."""
        thread = threading.Thread(target=lambda: self._work_in_background(work), name=name, daemon=True)
        with self._changed:
            self._background_threads.add(thread)
        thread.start()

    def _work_in_background(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            with self._changed:
                self._background_threads.discard(threading.current_thread())
                self._changed.notify_all()

    @property
    def has_background_work(self) -> bool:
        """Whether work in the background goes on."""
        return bool(self._background_threads)

    def wait_for_end(self, seconds: float | None = None) -> None:
        """Wait until the operation and its work in the background have ended, or the time is over."""
        self.ended.wait(seconds)
        with self._changed:
            self._changed.wait_for(lambda: not self._background_threads, seconds)

    def _end_timer(self) -> None:
        with self._changed:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def identified(self, _resource: Resource) -> None:
        """Do nothing: an update does not change the identity of a resource before it ends."""

    def wait(self, seconds: float) -> None:
        """Sleep. Raise Cancelled as soon as the run is stopped."""
        if self._stopped.wait(seconds):
            raise Cancelled("Resource operation cancelled")

    def wait_for(self, is_done: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until `is_done`, which is called at each change of a stack; return False when the time is over.

        Raise Cancelled as soon as the run is stopped.
        """
        with self._changed:
            if self._changed.wait_for(lambda: is_done() or self.stopped, seconds) and not is_done():
                raise Cancelled("Resource operation cancelled")
            return is_done()

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` when the run is stopped, as long as the context lasts."""
        with self._changed:
            self._wakers.append(wake)
            is_late = self.stopped
        try:
            if is_late:
                wake()
            yield
        finally:
            with self._changed:
                self._wakers.remove(wake)

    def walk(
        self, graph: Mapping[str, Set[str]], act: Callable[[str], bool], *, despite_failures: bool = False
    ) -> None:
        """Act on each node after its predecessors, on independent ones at once, until the run is stopped.

        `act` returns whether it succeeded; a node that failed holds back its successors. A failure stops the run.
        With `despite_failures` the other nodes go on, and only another operation ends the walk.
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

    def __init__(self, stacks: Stacks, timer: Callable[[float, Callable[[], None]], Timer] = timer) -> None:
        self._stacks, self._timer = stacks, timer
        self._runs: dict[str, Run] = {}
        # The operations of each stack that have ended, but whose work in the background goes on.
        self._background_runs: dict[str, list[Run]] = {}

    def start(
        self,
        stack: StackState,
        kind: OperationType,
        status: StackStatus,
        carry_out: Callable[[Run], None],
        minutes: int | None = None,
    ) -> str:
        """Give a stack a status, begin an operation that ends after `minutes` at the latest, and return its id.

        A running operation of the stack ends first, as it may when a stack is deleted; running handlers are waited
        for. So does work in the background, when a stack is deleted.
        """
        run = Run(self._stacks.changed)
        with self._stacks.changed:
            previous_runs = [self._runs[stack.id]] if stack.id in self._runs else []
            if kind == "DELETE_STACK":
                previous_runs += self._background_runs.pop(stack.id, [])
            for previous in previous_runs:
                previous.supersede()
            operation_id = self._stacks.begin_operation(stack, kind).id
            self._stacks.set_status(stack, status, "User Initiated")
            self._runs[stack.id] = run
        if minutes is not None:
            run.limit(self._timer(minutes * 60, run.exceed))

        def run_to_the_end() -> None:
            try:
                for previous in previous_runs:
                    previous.wait_for_end()
                carry_out(run)
            except BaseException as problem:
                # An internal error: a stack on which nothing works must not stay in progress.
                reason = internal_error("a stack operation", problem)
                if stack.status in FAILURE_OF:
                    self._stacks.set_status(stack, FAILURE_OF[stack.status], reason)
            finally:
                run.close()
                with self._stacks.changed:
                    if self._runs.get(stack.id) is run:
                        del self._runs[stack.id]
                        self._keep_background_runs(stack, run)

        threading.Thread(target=run_to_the_end, name=f"stack {stack.name}", daemon=True).start()
        return operation_id

    def _keep_background_runs(self, stack: StackState, ended: Run) -> None:
        """Remember the operations of a stack whose work in the background goes on."""
        runs = [*self._background_runs.pop(stack.id, []), ended]
        if going_on := [run for run in runs if run.has_background_work]:
            self._background_runs[stack.id] = going_on

    def cancel_update(self, stack: StackState) -> None:
        """End a running update: it rolls back."""
        run = self._runs.get(stack.id)
        # Without one the update has just ended, and CancelUpdateStack comes too late to have an effect.
        if run is not None:
            run.stop("Update cancelled. Rollback requested by user.")

    def close(self) -> None:
        """Stop every operation, and wait until it makes nothing any more."""
        with self._stacks.changed:
            runs = [*self._runs.values(), *chain.from_iterable(self._background_runs.values())]
        for run in runs:
            run.supersede()
        for run in runs:
            run.wait_for_end(_STOP_SECONDS)
