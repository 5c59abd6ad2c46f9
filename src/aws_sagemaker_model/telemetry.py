"""The log line of an invocation, and its metrics in the account of the type's provider.

They contain operations, outcomes, durations and the name of the model, but no other property value.
"""

import json
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from cloudformation_cli_python_lib import OperationStatus, ProgressEvent, exceptions
from cloudformation_cli_python_lib.log_delivery import ProviderLogHandler
from cloudformation_cli_python_lib.metrics import MetricsPublisher

from .request import Request
from .session import MARGIN, PROVIDER, Lease

LOG = logging.getLogger(__package__)

# At DEBUG these loggers write whole requests, with property values and credentials.
_LOGGERS = [*map(logging.getLogger, ("botocore", "boto3", "urllib3", "s3transfer", "cloudformation_cli_python_lib"))]


def silence_libraries() -> None:
    """Keep the loggers of libraries from writing requests, at every level of the root logger."""
    for logger in _LOGGERS:
        _set_level(logger, logging.CRITICAL + 1)


def _set_level(logger: logging.Logger, level: int) -> None:
    """Set the level of a logger if it differs, because every change clears a cache of all loggers."""
    if logger.level != level:
        logger.setLevel(level)


def write(line: dict[str, Any], progress: ProgressEvent, started: float) -> None:
    """Write the log line of an invocation; `started` is a `time.monotonic` value."""
    _set_level(LOG, logging.INFO)
    error_code = progress.errorCode.name if progress.errorCode else None
    outcome = {"outcome": progress.status.name, "error_code": error_code}
    LOG.info(json.dumps(line | outcome | {"milliseconds": round((time.monotonic() - started) * 1000, 1)}))


def deliver(
    line: dict[str, Any], progress: ProgressEvent, started: float, request: Request, type_name: str, deadline: float
) -> None:
    """Write the log line and publish the metrics of a request. Raise nothing.

    With a log group, both go to the account of the type's provider over the network. They get the time that is left,
    and their failures are ignored, because the answer does not depend on them.
    """
    has_time = deadline - time.monotonic() > MARGIN
    if not (request.log_group and request.provider_credentials and has_time):
        write(line, progress, started)
        return
    with PROVIDER.lent(request.provider_credentials, Lease(deadline)):
        # Made for each invocation, because the next may have another log group and another stack.
        delivery: logging.Handler = logging.NullHandler()
        with suppress(Exception):
            delivery = _LogDelivery(request.log_group, _stream(request), PROVIDER)
        LOG.addHandler(delivery)
        try:
            write(line, progress, started)
        finally:
            LOG.removeHandler(delivery)
        with suppress(Exception):
            _publish(MetricsPublisher(PROVIDER, type_name), request, progress, started)


class _LogDelivery(ProviderLogHandler):  # type: ignore[misc]
    """The library's delivery of logs to the provider. Its failures must not fail the request."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):
            super().emit(record)


def _stream(request: Request) -> str:
    """Return the name of the log stream of a request, as the library builds it."""
    if request.stack_id and request.logical_id:
        return f"{request.stack_id}/{request.logical_id}"
    return f"{request.account}-{request.region}"


def _publish(metrics: MetricsPublisher, request: Request, progress: ProgressEvent, started: float) -> None:
    now = datetime.now(UTC)
    metrics.publish_invocation_metric(now, request.action)
    metrics.publish_duration_metric(now, request.action, (time.monotonic() - started) * 1000)
    if progress.status is OperationStatus.FAILED:
        # The library names the metric after the class of the exception, and does not use its message.
        kind = getattr(exceptions, progress.errorCode.name)
        metrics.publish_exception_metric(now, request.action, kind.__new__(kind))
