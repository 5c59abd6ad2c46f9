"""Creations whose resource has its configuration and still stabilises: what they tell, and how Express mode goes on.

Sources: the events of users for the reason and the detailed status of a resource and of its stack; the CDK's tests
(aws-cdk-cli, `stabilizingResources`) for the reason in Express mode, which users see on every resource; the user
guide for what Express mode does.
"""

from __future__ import annotations

import threading
from concurrent import futures
from typing import TYPE_CHECKING

from cfnbox.providers.protocol import Cancelled, ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Set
    from contextlib import AbstractContextManager

    from cfnbox.cloudformation.runs import Run
    from cfnbox.providers.protocol import Progress, Resource

CONFIGURATION_COMPLETE = "CONFIGURATION_COMPLETE"
CONFIGURED = "Eventual consistency check initiated"
COMPLETED_IN_EXPRESS = (
    "Resource operation completed using Express Mode. It may continue becoming available in the background."
)


class Creation:
    """The Progress of a create: a resource is the stack's from the moment it has an identity.

    `on_configured` is called once, when the provider begins to wait for a resource that has an identity.
    """

    def __init__(
        self, identify: Callable[[Resource], None], run: Run, on_configured: Callable[[Resource], None]
    ) -> None:
        self._identify, self._run, self._on_configured = identify, run, on_configured
        self._is_configured = False
        self.resource: Resource | None = None

    def identified(self, resource: Resource) -> None:
        """See cfnbox.providers.protocol.Progress."""
        self._identify(resource)
        self.resource = resource

    def wait(self, seconds: float) -> None:
        """See cfnbox.providers.protocol.Progress."""
        if seconds > 0 and self.resource is not None and not self._is_configured:
            self._is_configured = True
            self._on_configured(self.resource)
        self._run.wait(seconds)

    def waking(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """See cfnbox.providers.protocol.Progress."""
        return self._run.waking(wake)


class Background:
    """The creations of an operation in Express mode, which go on in threads after their resources are complete.

    They end when the run of the operation is stopped, also after it: the stack is deleted, or the cloud closes.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._running: set[str] = set()
        self._changed = threading.Condition()

    def create(
        self,
        logical_id: str,
        identify: Callable[[Resource], None],
        create: Callable[[Progress], Resource],
        on_end: Callable[[Resource], None],
    ) -> Resource:
        """Call `create`, and return the resource as soon as it has its configuration.

        Raise what `create` raises before. `on_end` is called with the resource of a creation that went on.
        """
        configured: futures.Future[Resource] = futures.Future()
        ended: futures.Future[Resource] = futures.Future()

        def work() -> None:
            try:
                resource = create(Creation(identify, self._run, configured.set_result))
            except BaseException as problem:
                # After the resource is complete, a failure is the service's: nothing of the stack changes.
                ended.set_exception(problem)
            else:
                if configured.done():
                    on_end(resource)
                ended.set_result(resource)
            finally:
                with self._changed:
                    self._running.discard(logical_id)
                    self._changed.notify_all()

        with self._changed:
            self._running.add(logical_id)
        self._run.start_in_background(f"creation of {logical_id}", work)
        futures.wait([configured, ended], return_when=futures.FIRST_COMPLETED)
        return ended.result() if ended.done() else configured.result()

    def retry(
        self, predecessors: Set[str], create: Callable[[], Resource], has_identity: Callable[[], bool]
    ) -> Resource:
        """Call `create` again after a failure, as long as a resource that it depends on becomes available."""
        while True:
            try:
                return create()
            except Cancelled:
                raise
            except ResourceFailed:
                if has_identity() or not self._wait_for_one(predecessors):
                    raise

    def _wait_for_one(self, logical_ids: Set[str]) -> bool:
        """Wait until the creation of one of these resources ends; return False if none of them goes on."""
        with self._changed:
            awaited = self._running & logical_ids
            if not awaited:
                return False
            self._changed.wait_for(lambda: not awaited <= self._running)
            return True
