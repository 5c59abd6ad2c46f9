"""A handler in AWS's own Lambda runtime: the runtime interface emulator and awslambdaric, without Docker."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3
from werkzeug.wrappers import Request, Response

from laptop import distributions
from laptop.events import InvocationFailed, LocalFailure
from laptop.processes import kill_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

FUNCTION_NAME = "function"
_INVOCATIONS = f"/2015-03-31/functions/{FUNCTION_NAME}/invocations"
# The name that template.yml gives the handlers' function, and that `cfn test` and `cfn invoke` ask for by default.
TYPE_FUNCTION = "TypeFunction"
TYPE_FUNCTION_PATH = f"/2015-03-31/functions/{TYPE_FUNCTION}/invocations"
_START_SECONDS = 10.0
# The emulator ends a late handler by itself; this only guards against an emulator that hangs.
_EMULATOR_MARGIN_SECONDS = 15.0
# Records its process id first: the emulator puts the runtime into a process group of its own.
_BOOTSTRAP = 'echo $$ > "$1"; shift; exec "$@"'


class RuntimeUnavailable(LocalFailure):
    """The runtime cannot be started here; the message says why and what to do."""


class HandlerCrashed(InvocationFailed):
    """The handler process ended, or its code raised, or could not be imported."""


class HandlerTimedOut(InvocationFailed):
    """The handler did not answer within its time limit."""


class NotJson(InvocationFailed):
    """The handler's answer is not JSON."""


def emulator_path() -> Path:
    """AWS's runtime interface emulator for this machine, out of the aws-sam-cli wheel."""
    machine = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
    sam = importlib.util.find_spec("samcli")
    if sam is None or sam.origin is None:
        raise RuntimeUnavailable("aws-sam-cli is not installed: pip install -r requirements-dev.txt")
    path = Path(sam.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    if sys.platform != "linux" or not path.exists():
        raise RuntimeUnavailable(f"AWS's runtime interface emulator runs on Linux only, here is {sys.platform}.")
    return path


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class _ExecutionEnvironment:
    """One emulator with one runtime: serves one invocation at a time, like an environment of Lambda's."""

    def __init__(
        self, command: Sequence[str], directory: Path, environ: Mapping[str, str], cwd: str, timeout: int
    ) -> None:
        self._command, self._environ, self._cwd, self._timeout = command, environ, cwd, timeout
        self._pid_file = directory / "runtime.pid"
        self.log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._changing = threading.Lock()
        self._closed = False
        self.port = 0

    def start(self) -> urllib3.HTTPConnectionPool:
        emulator_port, api_port = free_ports(2)
        # Kept over a restart, so that an endpoint once given out stays true.
        self.port = self.port or emulator_port
        self._pid_file.unlink(missing_ok=True)
        with self._changing, self.log.open("ab") as log:
            if self._closed:
                raise RuntimeUnavailable("The Lambda runtime has been closed.")
            self._process = subprocess.Popen(
                [
                    str(emulator_path()),
                    "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}",
                    "--runtime-api-address", f"127.0.0.1:{api_port}",
                    "/bin/sh", "-c", _BOOTSTRAP, "sh", str(self._pid_file), *self._command,
                ],
                env=dict(self._environ), cwd=self._cwd, stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self._wait_until_ready()
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", self.port, maxsize=1, retries=False)
        return self._pool

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._alive():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.005)
        self.stop()
        raise RuntimeUnavailable(f"The Lambda runtime emulator did not start; its log ends:\n{self.tail()}")

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def invoke(self, payload: bytes) -> bytes:
        if self._closed:
            raise RuntimeUnavailable("The Lambda runtime has been closed.")
        limit = self._timeout + _EMULATOR_MARGIN_SECONDS
        try:
            return self._connections().request("POST", _INVOCATIONS, body=payload, timeout=limit).data
        except urllib3.exceptions.TimeoutError:
            self.stop()
            raise HandlerTimedOut(f"The handler gave no answer within {self._timeout} s.") from None
        except urllib3.exceptions.HTTPError:
            self.stop()
            raise HandlerCrashed("The Lambda runtime emulator ended during the invocation.") from None

    @property
    def process_id(self) -> int | None:
        with suppress(OSError, ValueError):
            return int(self._pid_file.read_text())
        return None

    def stop(self) -> None:
        """Kill the emulator and the handler, even one that hangs."""
        with self._changing:
            process, self._process = self._process, None
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
        if process is not None:
            # The emulator gives the handler a process group of its own, and what the handler starts may have others.
            kill_session(process.pid)
            process.wait()
            self._pid_file.unlink(missing_ok=True)

    def _connections(self) -> urllib3.HTTPConnectionPool:
        if self._pool is None or not self._alive():
            self.stop()
            return self.start()
        return self._pool

    def close(self) -> None:
        with self._changing:
            self._closed = True
        self.stop()

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class LambdaRuntime:
    """The handler behind a Lambda endpoint on loopback; `concurrency` environments at most, started when needed.

    `code` goes to PYTHONPATH, `env` to the handler's environment, `timeout` is in seconds, `memory` in MB (told to
    the handler, not enforced). The process environment is not inherited: a profile of the user cannot leak in.
    With `alone` the handler imports from `code` and what Lambda's own runtime brings, and from nothing else here.
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
    ) -> None:
        self._timeout = timeout
        paths = [str(Path(one).resolve()) for one in code]
        self._cwd = next((one for one in paths if os.path.isdir(one)), os.getcwd())
        self._directory = tempfile.TemporaryDirectory(prefix="lambda-runtime-", ignore_cleanup_errors=True)
        if alone:
            paths.append(_linked_runtime(Path(self._directory.name) / "runtime"))
        # Without its site module Python knows of no packages but those on PYTHONPATH.
        self._command = [sys.executable, *(["-S"] if alone else []), "-m", "awslambdaric", handler]
        place = {"TMPDIR": self._directory.name}
        self._environ = _function_environment(paths, timeout, memory) | place | dict(env or {})
        self._concurrency = concurrency
        self._environments: list[_ExecutionEnvironment] = []
        self._idle: queue.LifoQueue[_ExecutionEnvironment] = queue.LifoQueue()
        self._growing = threading.Lock()
        self._closed = False

    def __enter__(self) -> LambdaRuntime:
        try:
            self._idle.put(self._add_environment())
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
        environment = self._take()
        try:
            answer = environment.invoke(json.dumps(event).encode())
        finally:
            self._idle.put(environment)
        return self._decoded(answer)

    def logs(self) -> str:
        """All that the handlers and the emulators wrote so far."""
        return "".join(one.log.read_text(errors="replace") for one in self._environments)

    def _take(self) -> _ExecutionEnvironment:
        with suppress(queue.Empty):
            return self._idle.get_nowait()
        with self._growing:
            if len(self._environments) < self._concurrency:
                return self._add_environment()
        return self._idle.get()

    def _add_environment(self) -> _ExecutionEnvironment:
        directory = Path(self._directory.name) / str(len(self._environments))
        directory.mkdir()
        environment = _ExecutionEnvironment(self._command, directory, self._environ, self._cwd, self._timeout)
        self._environments.append(environment)
        if self._closed:
            environment.close()
        environment.start()
        return environment

    def _decoded(self, answer: bytes) -> Any:
        try:
            decoded = json.loads(answer)
        except ValueError:
            if answer.startswith(b"Task timed out"):
                raise HandlerTimedOut(f"The handler gave no answer within {self._timeout} s.") from None
            raise NotJson(f"The handler's answer is not JSON ({len(answer)} bytes).") from None
        if isinstance(decoded, dict) and "errorType" in decoded and "status" not in decoded:
            _raise_function_error(decoded)
        return decoded


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


def _raise_function_error(error: Mapping[str, Any]) -> None:
    kind = str(error["errorType"])
    if kind == "Runtime.MarshalError":
        raise NotJson("The handler's answer cannot be written as JSON.")
    # The message of an exception in the handler can hold property values; Lambda's own cannot.
    said = str(error.get("errorMessage", "")).rpartition(" Error: ")[2]
    detail = f": {said}" if kind.startswith(("Runtime.", "Function.")) else ""
    raise HandlerCrashed(f"The handler ended with {kind}{detail}")


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
