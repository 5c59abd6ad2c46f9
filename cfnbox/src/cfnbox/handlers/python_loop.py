"""Run a Python function as awslambdaric does: `python python_loop.py mod.function`. Standard library only.

For machines without a wheel of awslambdaric, and for versions of Python that it is not installed for.
"""

from __future__ import annotations

import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback
from types import SimpleNamespace
from typing import Any

_LOG_FORM = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"


class Context:
    """The second argument of a handler ("Using the Lambda context object", Lambda guide)."""

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        for name in ("LOG_GROUP_NAME", "LOG_STREAM_NAME", "FUNCTION_NAME", "FUNCTION_VERSION"):
            setattr(self, name.lower(), os.environ.get(f"AWS_LAMBDA_{name}"))
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        client = json.loads(headers.get("Lambda-Runtime-Client-Context") or "null")
        self.client_context = None if client is None else SimpleNamespace(**client)
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the time limit."""
        return max(0, self._deadline - int(time.time() * 1000))


class RuntimeFault(Exception):
    """A failure that the runtime detects; `kind` is its errorType."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = f"Runtime.{kind}"


def _handler(name: str) -> Any:
    path, dot, function = name.rpartition(".")
    if not dot:
        raise RuntimeFault(
            "MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        )
    try:
        module = importlib.import_module(path.replace("/", "."))
    except ImportError as error:
        raise RuntimeFault("ImportModuleError", f"Unable to import module '{path}': {error}") from None
    except SyntaxError as error:
        raise RuntimeFault("UserCodeSyntaxError", f"Syntax error in module '{path}': {error}") from None
    if not hasattr(module, function):
        raise RuntimeFault("HandlerNotFound", f"Handler '{function}' missing on module '{path}'")
    return getattr(module, function)


def _encoded(answer: Any) -> bytes:
    try:
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    except Exception as error:
        raise RuntimeFault("MarshalError", f"Unable to marshal response: {error}") from None


def _error(error: BaseException, request_id: str = "") -> bytes:
    """Log an error, and return it as Lambda reports it, without the frames of this module and of importlib."""
    frames = [] if isinstance(error, RuntimeFault) else traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    trace, kind = traceback.format_list(own), getattr(error, "kind", type(error).__name__)
    lines = [f"[ERROR] {kind}: {error}", "Traceback (most recent call last):", *"".join(trace).splitlines()]
    print("\r".join(line.replace("  ", "\u00a0\u00a0") for line in lines), flush=True)
    answer = {"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": trace}
    return json.dumps(answer).encode()


def main() -> None:
    """Load the function, and handle events until the process is killed."""
    connection, request_id = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"]), ""

    def call(method: str, path: str, body: bytes | None = None) -> tuple[bytes, http.client.HTTPMessage]:
        connection.request(method, f"/2018-06-01/runtime/{path}", body)
        answer = connection.getresponse()
        return answer.read(), answer.headers

    def add_request_id(record: logging.LogRecord) -> bool:
        record.aws_request_id = request_id
        return True

    # Replace the folder of this file.
    sys.path[0] = os.getcwd()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logging.Formatter.converter = time.gmtime
    logs = logging.StreamHandler(sys.stdout)
    logs.setFormatter(logging.Formatter(_LOG_FORM, "%Y-%m-%dT%H:%M:%S"))
    logs.addFilter(add_request_id)
    logging.getLogger().addHandler(logs)
    try:
        handler = _handler(sys.argv[1])
    except Exception as error:
        call("POST", "init/error", _error(error))
        sys.exit(1)
    while True:
        event, headers = call("GET", "invocation/next")
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        try:
            answer, outcome = _encoded(handler(json.loads(event), Context(headers))), "response"
        except Exception as error:
            answer, outcome = _error(error, request_id), "error"
        call("POST", f"invocation/{request_id}/{outcome}", answer)


if __name__ == "__main__":
    main()
