"""Write logs and metrics of functions as Lambda does: to CloudWatch Logs and to the namespace AWS/Lambda."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cfnbox.core.place import Place
    from cfnbox.providers.clients import ServiceClients

_LOG = logging.getLogger(__name__)
_EXISTS = "ResourceAlreadyExistsException"


class FunctionLogs:
    """Writes logs and metrics in the background, in the order of the invocations."""

    def __init__(self, clients: ServiceClients) -> None:
        self._clients = clients
        self._writer = ThreadPoolExecutor(1, "logs of functions")
        self._streams: set[tuple[Place, str, str]] = set()

    def close(self) -> None:
        """Stop writing."""
        self._writer.shutdown(wait=False, cancel_futures=True)

    def put(self, place: Place, group: str, stream: str, lines: Sequence[str]) -> None:
        """Append lines to a log stream."""
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines if line]
        if events:
            self._later(self._put, place, group, stream, events)

    def count(self, place: Place, function: str, milliseconds: float, *, has_failed: bool) -> None:
        """Count an invocation in the metrics of a function."""
        self._later(self._count, place, function, milliseconds, has_failed)

    def _later(self, write: Callable[..., None], *arguments: Any) -> None:
        def attempt() -> None:
            try:
                write(*arguments)
            except (ClientError, BotoCoreError) as error:
                # As in AWS, an invocation does not fail because its log cannot be written.
                _LOG.info("The log of a function was not written: %s", error)

        try:
            self._writer.submit(attempt)
        except RuntimeError:
            _LOG.info("The log of a function was not written, because the cloud closes.")

    def _put(self, place: Place, group: str, stream: str, events: list[dict[str, Any]]) -> None:
        logs = self._clients.of("logs", place)
        if (place, group, stream) not in self._streams:
            _unless_it_exists(logs.create_log_group, logGroupName=group)
            _unless_it_exists(logs.create_log_stream, logGroupName=group, logStreamName=stream)
            self._streams.add((place, group, stream))
        try:
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        except ClientError:
            # The user may have deleted the group. The next invocation creates it again.
            self._streams.discard((place, group, stream))
            raise

    def _count(self, place: Place, function: str, milliseconds: float, has_failed: bool) -> None:
        dimensions = [{"Name": "FunctionName", "Value": function}]
        values = (
            ("Invocations", 1.0, "Count"), ("Errors", float(has_failed), "Count"),
            ("Duration", milliseconds, "Milliseconds"),
        )  # fmt: skip
        self._clients.of("cloudwatch", place).put_metric_data(
            Namespace="AWS/Lambda",
            MetricData=[
                {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}
                for name, value, unit in values
            ],
        )


def _unless_it_exists(create: Callable[..., Any], **members: str) -> None:
    try:
        create(**members)
    except ClientError as error:
        if error.response["Error"]["Code"] != _EXISTS:
            raise
