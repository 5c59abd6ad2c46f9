"""Run a handler in Lambda's runtime without Docker: awslambdaric, or `python_loop` where that has no wheel."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from cfnbox.aws.http import json_value
from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION
from cfnbox.handlers import answer_check, interpreters, tracebacks
from cfnbox.handlers.debugging import TIME_LIMIT_SECONDS, Debugger
from cfnbox.handlers.events import InvocationFailed
from cfnbox.handlers.execution_environment import (
    ExecutionEnvironment,
    HandlerCrashed,
    ProcessExited,
)
from cfnbox.handlers.invocations import InvocationOutcome
from cfnbox.handlers.pool import EnvironmentPool
from cfnbox.handlers.runtime_api import MOST_ANSWER_BYTES, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# The function name of the handlers in template.yml, and the default of `cfn test` and `cfn invoke`.
TYPE_FUNCTION = "TypeFunction"
TYPE_FUNCTION_PATH = f"/2015-03-31/functions/{TYPE_FUNCTION}/invocations"
_FUNCTION_NAME = "function"
_CHECK_MODULE = "cfnbox_answer_check"
_FUNCTION_ARN = f"arn:aws:lambda:{DEFAULT_REGION}:{DEFAULT_ACCOUNT}:function:{_FUNCTION_NAME}"


class NotJson(InvocationFailed):
    """The handler's answer is not JSON."""


class LambdaRuntime:
    """Runs a handler in at most `concurrency` execution environments, which start on demand.

    `code` is added to PYTHONPATH, `env` to the handler's environment. `timeout` is in seconds, `memory` in MB (passed
    to the handler, not enforced). The process environment is not inherited, so that the handler cannot use a profile
    of the user. An `isolated` handler imports only from `code` and from Lambda's own packages.
    `record` gets each event with its outcome. With a `debugger` each new process waits until a debugger attaches,
    and there is only one environment, without a time limit. Temporary files go below `temporary`.
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
        isolated: bool = False,
        record: Callable[[Any, InvocationOutcome], None] = lambda _event, _outcome: None,
        debugger: Debugger | None = None,
        temporary: str | None = None,
    ) -> None:
        if debugger is not None:
            # A debugger attaches to one process at a time, without a time limit.
            timeout, concurrency = TIME_LIMIT_SECONDS, 1
        self._record, self._handler, self._debugger = record, handler, debugger
        self._paths = paths = [str(Path(path).resolve()) for path in code]
        self._directory = tempfile.TemporaryDirectory(
            prefix="lambda-runtime-", dir=temporary, ignore_cleanup_errors=True
        )
        folder = Path(self._directory.name)
        if isolated:
            paths = [*paths, interpreters.linked_runtime(folder / "runtime")]
        # Without its site module (-S), Python finds only the packages on PYTHONPATH.
        self._debugger_report = folder / "debugger-port"
        debugging = debugger.options(self._debugger_report) if debugger else []
        self._own = _own_code(handler, paths)
        entry_point = self._entry_point = _checked_entry_point(handler, folder / "entry")
        options = [*(["-S"] if isolated else []), *debugging]
        command = [sys.executable, *options, *interpreters.python_runtime(), entry_point]
        cwd = next((path for path in paths if os.path.isdir(path)), os.getcwd())
        paths = [*paths, str(folder / "entry")]
        environ = _function_environment(handler, paths, timeout, memory)
        environ |= {"LAMBDA_TASK_ROOT": cwd, "TMPDIR": str(folder), **(env or {})}
        self._pool = EnvironmentPool(
            lambda number: ExecutionEnvironment(command, folder / f"{number}.log", environ, cwd, timeout), concurrency
        )

    def __enter__(self) -> LambdaRuntime:
        try:
            # With a debugger the process starts with the first event, so that the announcement appears then.
            if self._debugger is None:
                self._pool.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop every process; safe to call twice."""
        self._pool.close()
        self._directory.cleanup()

    @property
    def process_ids(self) -> list[int]:
        """Return the ids of the running handler processes, one for each environment."""
        return self._pool.process_ids

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return the handler's JSON answer. Raise HandlerCrashed, HandlerTimedOut or NotJson if there is none."""
        with self._pool.environment() as environment:
            if self._debugger and environment.process_id is None:
                self._debugger_report.unlink(missing_ok=True)
                environment.start()
                self._debugger.announce_when_ready(
                    self._handler, self._debugger_report, lambda: environment.process_id is not None
                )
            outcome = self._outcome(environment, json.dumps(event).encode())
        self._record(event, outcome)
        if outcome.failure:
            raise outcome.failure
        return outcome.answer

    def _outcome(self, environment: ExecutionEnvironment, payload: bytes) -> InvocationOutcome:
        # Drop output that was written after the previous answer: it belongs to no invocation.
        environment.logged()
        began, started = datetime.now(UTC), time.monotonic()
        answer, failure, raised = None, None, None
        try:
            answer = self._answer(environment, payload)
        except InvocationFailed as problem:
            failure = problem
        seconds, log = time.monotonic() - started, environment.logged()
        if isinstance(failure, HandlerCrashed):
            raised = failure.raised
        elif isinstance(answer, dict) and answer.get("status") == "FAILED":
            # The library converts a handler's exception to a failure without a message, and logs the traceback.
            raised = tracebacks.last_logged(log, self._paths, self._own)
        return InvocationOutcome(began, seconds, log, answer, failure, raised)

    def logs(self) -> str:
        """Return the whole output of the handlers so far."""
        return self._pool.logs()

    def _answer(self, environment: ExecutionEnvironment, payload: bytes) -> Any:
        try:
            reply = environment.invoke(Event(payload, _FUNCTION_ARN))
        except ProcessExited as exited:
            raise self._crash({"errorType": "Runtime.ExitError", "errorMessage": str(exited)}) from None
        if reply.is_too_large:
            text = f"Response payload size exceeded maximum allowed payload size ({MOST_ANSWER_BYTES} bytes)."
            raise self._crash({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": text})
        try:
            answer = json.loads(reply.body)
        except ValueError:
            raise NotJson(f"The handler's answer is not JSON ({len(reply.body)} bytes).") from None
        if not reply.is_error:
            return answer
        raise self._crash(answer if isinstance(answer, dict) else {})

    def _crash(self, error: Mapping[str, Any]) -> InvocationFailed:
        message = str(error.get("errorMessage", ""))
        if error.get("errorType") == "Runtime.MarshalError":
            reason = message.partition("Unable to marshal response: ")[2]
            return NotJson(f"The handler's answer cannot be written as JSON{f': {reason}' if reason else ''}.")
        check_module, module = (name.rpartition(".")[0] for name in (self._entry_point, self._handler))
        message = message.replace(check_module, module) if check_module else message
        raised = tracebacks.answered({**error, "errorMessage": message}, self._paths, self._own)
        return HandlerCrashed(f"The handler ended with {raised}", raised)


def serve_lambda(
    invoke: Callable[[Any], Any], environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Serve Lambda's Invoke operation as a WSGI application. Report function errors as Lambda does."""
    headers: dict[str, str] = {}
    try:
        answer = invoke(_with_local_credentials(json_value(Request(environ).get_data())))
    except ValueError:
        message = {"Type": "User", "Message": "Could not parse request body into json"}
        return Response(json.dumps(message), 400, mimetype="application/json")(environ, start_response)
    except LocalFailure as failure:
        answer = {"errorType": type(failure).__name__, "errorMessage": str(failure)}
        headers = {"X-Amz-Function-Error": "Unhandled"}
    response = Response(json.dumps(answer), headers=headers, mimetype="application/json")
    return response(environ, start_response)


def _with_local_credentials(event: Any) -> Any:
    """Return the event without the sender's credentials, because the handler calls only services on this machine.

    The access key is the event's account: the local services read the account from the access key.
    """
    match event:
        case {"awsAccountId": str(account), "requestData": {"callerCredentials": dict()} as data}:
            local = {"accessKeyId": account, "secretAccessKey": "local", "sessionToken": "local"}
            return {**event, "requestData": {**data, "callerCredentials": local}}
    return event


def _own_code(handler: str, folders: Sequence[str]) -> list[str]:
    """Return the author's files and folders. Among installed packages that is only the handler's package."""
    package = handler.partition(".")[0]
    own = []
    for folder in map(Path, folders):
        is_installed = any(folder.glob("*.dist-info"))
        own += [folder / package, folder / f"{package}.py"] if is_installed else [folder]
    return [str(path) for path in own]


def _checked_entry_point(handler: str, folder: Path) -> str:
    """Write the module `answer_check` into a folder, and return the name of the handler in it."""
    module, _, function = handler.rpartition(".")
    if not module:
        return handler
    folder.mkdir()
    (folder / f"{_CHECK_MODULE}.py").write_bytes(Path(answer_check.__file__).read_bytes())
    return f"{_CHECK_MODULE}.{function}"


def _function_environment(handler: str, paths: Sequence[str], timeout: int, memory: int) -> dict[str, str]:
    return {
        "_HANDLER": handler,
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(paths),
        "AWS_REGION": DEFAULT_REGION,
        "AWS_DEFAULT_REGION": DEFAULT_REGION,
        "AWS_LAMBDA_FUNCTION_NAME": _FUNCTION_NAME,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{_FUNCTION_NAME}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        # The credentials of the function's role. They show in API calls that do not use the caller's credentials.
        "AWS_ACCESS_KEY_ID": "local-function-role",
        "AWS_SECRET_ACCESS_KEY": "local-function-role-secret",
        "AWS_SESSION_TOKEN": "local-function-role-session",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
