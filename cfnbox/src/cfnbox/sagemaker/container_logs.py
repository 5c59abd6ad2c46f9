"""What the servers of endpoints print, in CloudWatch Logs, where SageMaker puts what containers print."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

# Developer guide, "CloudWatch Logs for Amazon SageMaker AI", by the first part of the key of a deployment.
_GROUPS = {"endpoint": "/aws/sagemaker/Endpoints/", "inference-component": "/aws/sagemaker/InferenceComponents/"}
_CHUNK_BYTES = 1 << 16


def group_of(key: str) -> str:
    """Return the log group of a deployment: endpoint/NAME or inference-component/NAME."""
    kind, _, name = key.partition("/")
    return _GROUPS[kind] + name


def keep_output(output: IO[bytes], connect: Callable[[], Any] | None, group: str, stream: str) -> None:
    """Write the lines that a process prints into a log stream, until the process has ended.

    `connect` returns a client of CloudWatch Logs; None: the lines are dropped.
    """
    thread = threading.Thread(
        target=_copy, args=(output, connect, group, stream), name=f"log of {group}", daemon=True
    )
    thread.start()


def _copy(output: IO[bytes], connect: Callable[[], Any] | None, group: str, stream: str) -> None:
    # A server must not block or fail because its log cannot be written.
    logs: Any = None
    with output:
        for lines in _chunks(output):
            if connect is None or not lines:
                continue
            now = int(time.time() * 1000)
            events = [{"timestamp": now, "message": line} for line in lines]
            with suppress(BotoCoreError, ClientError):
                if logs is None:
                    logs = connect()
                    _create_stream(logs, group, stream)
                logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def _chunks(output: Any) -> Any:
    """Yield the whole lines of each read, without empty ones."""
    rest = b""
    while chunk := output.read1(_CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        yield [line.decode("utf-8", "replace") for line in lines if line.strip()]
    if rest.strip():
        yield [rest.decode("utf-8", "replace")]


def _create_stream(logs: Any, group: str, stream: str) -> None:
    for create, members in (
        (logs.create_log_group, {"logGroupName": group}),
        (logs.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
    ):
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            create(**members)
