"""A handler in AWS's own Lambda runtime: the runtime interface emulator and awslambdaric, without Docker."""

from __future__ import annotations

import json
import os
import queue
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from cfnbox.core.errors import LocalFailure
from cfnbox.handlers import distributions, tracebacks
from cfnbox.handlers.debugging import TIME_LIMIT_SECONDS, Debugger
from cfnbox.handlers.events import InvocationFailed
from cfnbox.handlers.execution_environment import (
    FUNCTION_NAME,
    ExecutionEnvironment,
    HandlerCrashed,
    HandlerTimedOut,
    RuntimeUnavailable,
)
from cfnbox.handlers.invocations import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# The name that template.yml gives the handlers' function, and that `cfn test` and `cfn invoke` ask for by default.
TYPE_FUNCTION = "TypeFunction"
TYPE_FUNCTION_PATH = f"/2015-03-31/functions/{TYPE_FUNCTION}/invocations"
# More handlers than processors only hold each other up while they compute. Those that wait for something outside hold
# up nobody for longer than this.
_PROCESSORS = os.cpu_count() or 1
_PATIENCE_SECONDS = 0.25
# Starting computes, most of it imports. Who waits for a handler that starts is served sooner than by one more, unless
# that one keeps its first invocation for longer than a start takes.
_START_SECONDS = 1.0


class NotJson(InvocationFailed):
    """The handler's answer is not JSON."""


class LambdaRuntime:
    """The handler behind a Lambda endpoint on loopback; `concurrency` environments at most, started when needed.

    `code` goes to PYTHONPATH, `env` to the handler's environment, `timeout` is in seconds, `memory` in MB (told to
    the handler, not enforced). The process environment is not inherited: a profile of the user cannot leak in.
    With `alone` the handler imports from `code` and what Lambda's own runtime brings, and from nothing else here.
    `record` is given each event with what came of it. With a `debugger` each new process waits for one to attach,
    and there is no time limit and no second environment.
    """

    def __init__(
        self,
        handler: str = "aws_sagemaker_model.handlers.resource",
        code: Sequence[str | Path] = (),
        env: Mapping[str, str] | None = None,
        timeout: int = 60,
        memory: int = 256,
        concurrency: int = 1,
        *,
        alone: bool = False,
        record: Callable[[Any, Outcome], None] = lambda _event, _outcome: None,
        debugger: Debugger | None = None,
    ) -> None:
        if debugger is not None:
            # A debugger holds one process at a time, for as long as its user likes.
            timeout, concurrency = TIME_LIMIT_SECONDS, 1
        self._timeout, self._record = timeout, record
        self._handler, self._debugger = handler, debugger
        self._debugger_port = debugger.port() if debugger else 0
        self._paths = paths = [str(Path(one).resolve()) for one in code]
        self._cwd = next((one for one in paths if os.path.isdir(one)), os.getcwd())
        self._directory = tempfile.TemporaryDirectory(prefix="lambda-runtime-", ignore_cleanup_errors=True)
        if alone:
            paths = [*paths, _linked_runtime(Path(self._directory.name) / "runtime")]
        # Without its site module Python knows of no packages but those on PYTHONPATH.
        debugging = debugger.options(self._debugger_port) if debugger else []
        self._command = [sys.executable, *(["-S"] if alone else []), *debugging, "-m", "awslambdaric", handler]
        place = {"TMPDIR": self._directory.name}
        self._environ = _function_environment(paths, timeout, memory) | place | dict(env or {})
        self._concurrency = concurrency
        self._environments: list[ExecutionEnvironment] = []
        self._idle: queue.LifoQueue[ExecutionEnvironment] = queue.LifoQueue()
        self._starting: set[ExecutionEnvironment] = set()
        self._growing = threading.Lock()
        self._processors = threading.Semaphore(_PROCESSORS)
        self._closed = False

    def __enter__(self) -> LambdaRuntime:
        try:
            environment = self._added_environment()
            environment.start()
            self._idle.put(environment)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop every process that was started; safe to call twice."""
        self._closed = True
        for environment in self._environments:
            environment.close()
        self._directory.cleanup()

    @property
    def endpoint(self) -> str:
        """The Lambda endpoint URL of the first environment (function name `function`), for `cfn test`."""
        return f"http://127.0.0.1:{self._environments[0].port}"

    @property
    def process_ids(self) -> list[int]:
        """The handler processes that run now, one for each environment that was needed."""
        return [one.process_id for one in self._environments if one.process_id is not None]

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """The handler's JSON answer; HandlerCrashed, HandlerTimedOut or NotJson when there is none."""
        with self._turn():
            environment = self._take()
            if self._debugger and not environment.serves:
                self._debugger.announce(self._handler, self._debugger_port)
            try:
                outcome = self._outcome(environment, json.dumps(event).encode())
            finally:
                self._starting.discard(environment)
                self._idle.put(environment)
        self._record(event, outcome)
        if outcome.failure:
            raise outcome.failure
        return outcome.answer

    def _outcome(self, environment: ExecutionEnvironment, payload: bytes) -> Outcome:
        # What was written after the last answer belongs to no invocation.
        environment.logged()
        began, started = datetime.now(UTC), time.monotonic()
        answer, failure, raised = None, None, None
        try:
            answer = self._decoded(environment.invoke(payload))
        except InvocationFailed as problem:
            failure = problem
        seconds, log = time.monotonic() - started, environment.logged()
        if isinstance(failure, HandlerCrashed):
            raised = failure.raised
        elif isinstance(answer, dict) and answer.get("status") == "FAILED":
            # The library turns what a handler raises into a failure without a message, and logs the traceback.
            raised = tracebacks.last_logged(log, self._paths)
        return Outcome(began, seconds, log, answer, failure, raised)

    def logs(self) -> str:
        """All that the handlers and the emulators wrote so far."""
        return "".join(one.log.read_text(errors="replace") for one in self._environments)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for a processor, but not for long."""
        taken = self._processors.acquire(timeout=_PATIENCE_SECONDS)
        try:
            yield
        finally:
            if taken:
                self._processors.release()

    def _take(self) -> ExecutionEnvironment:
        with suppress(queue.Empty):
            return self._idle.get(timeout=_START_SECONDS if len(self._starting) >= _PROCESSORS else 0)
        with self._growing:
            if len(self._environments) < self._concurrency:
                return self._added_environment()
        return self._idle.get()

    def _added_environment(self) -> ExecutionEnvironment:
        """One more, which starts with its first invocation, or with the next when that failed."""
        directory = Path(self._directory.name) / str(len(self._environments))
        directory.mkdir()
        environment = ExecutionEnvironment(self._command, directory, self._environ, self._cwd, self._timeout)
        self._environments.append(environment)
        self._starting.add(environment)
        if self._closed:
            environment.close()
        return environment

    def _decoded(self, answer: bytes) -> Any:
        try:
            decoded = json.loads(answer)
        except ValueError:
            if answer.startswith(b"Task timed out"):
                raise HandlerTimedOut(f"The handler gave no answer within {self._timeout} s.") from None
            raise NotJson(f"The handler's answer is not JSON ({len(answer)} bytes).") from None
        if isinstance(decoded, dict) and "errorType" in decoded and "status" not in decoded:
            raise self._function_error(decoded)
        return decoded

    def _function_error(self, error: Mapping[str, Any]) -> InvocationFailed:
        if error["errorType"] == "Runtime.MarshalError":
            return NotJson("The handler's answer cannot be written as JSON.")
        # Lambda writes its own failures as "RequestId: ... Error: ...".
        said = str(error.get("errorMessage", "")).rpartition(" Error: ")[2]
        raised = tracebacks.answered({**error, "errorMessage": said}, self._paths)
        return HandlerCrashed(f"The handler ended with {raised}", raised)


def serve_lambda(
    invoke: Callable[[Any], Any], environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """WSGI application: Lambda's Invoke operation, with an error of the function as Lambda reports it."""
    headers: dict[str, str] = {}
    try:
        answer = invoke(_with_local_credentials(json.loads(Request(environ).get_data())))
    except ValueError:
        message = {"Type": "User", "Message": "Could not parse request body into json"}
        return Response(json.dumps(message), 400, mimetype="application/json")(environ, start_response)
    except LocalFailure as failure:
        answer = {"errorType": type(failure).__name__, "errorMessage": str(failure)}
        headers = {"X-Amz-Function-Error": "Unhandled"}
    response = Response(json.dumps(answer), headers=headers, mimetype="application/json")
    return response(environ, start_response)


def _linked_runtime(folder: Path) -> str:
    if not distributions.link(distributions.LAMBDA_RUNTIME, folder):
        raise RuntimeUnavailable("awslambdaric or boto3 is not installed: pip install -r requirements-dev.txt")
    return str(folder)


def _with_local_credentials(event: Any) -> Any:
    """The event without the sender's credentials: all that the handler reaches is on this machine.

    The access key is the event's account, which the services here take for the account that it belongs to.
    """
    match event:
        case {"awsAccountId": str(account), "requestData": {"callerCredentials": dict()} as data}:
            local = {"accessKeyId": account, "secretAccessKey": "local", "sessionToken": "local"}
            return {**event, "requestData": {**data, "callerCredentials": local}}
    return event


def _function_environment(paths: Sequence[str], timeout: int, memory: int) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(paths),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION_NAME,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        # The function's own role; a handler that used it instead of the caller's would show in the calls.
        "AWS_ACCESS_KEY_ID": "local-function-role",
        "AWS_SECRET_ACCESS_KEY": "local-function-role-secret",
        "AWS_SESSION_TOKEN": "local-function-role-session",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
