"""Run functions in execution environments, with Lambda's environment variables, answers and logs."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import uuid
import zipfile
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil

from cfnbox.core.errors import LocalFailure
from cfnbox.functions.code import Archives
from cfnbox.handlers import interpreters
from cfnbox.handlers.execution_environment import ExecutionEnvironment, HandlerTimedOut, ProcessExited
from cfnbox.handlers.pool import EnvironmentPool
from cfnbox.handlers.runtime_api import MOST_ANSWER_BYTES, Event, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.processes import ChildProcesses
    from cfnbox.functions.logs import FunctionLogs
    from cfnbox.handlers.interpreters import Interpreter

# The maximum number of functions with running processes. The least recently used function is stopped first.
_MOST_FUNCTIONS = 20
# The maximum number of concurrent invocations of a function. A function that invokes itself needs several.
_MOST_ENVIRONMENTS = 100
_TASK, _LAYERS = "/var/task", "/opt"
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Execution:
    """The outcome of an invocation: the payload of the answer, and the log with Lambda's own lines."""

    payload: bytes
    has_failed: bool
    version: str
    log: str


@dataclass(frozen=True)
class FunctionEvent:
    """An event for a function. `has_own_log` says that Lambda's own lines are written elsewhere."""

    payload: bytes
    function_arn: str
    client_context: str = ""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    has_own_log: bool = False


class Functions:
    """Runs the functions of a cloud. The functions send their API calls to `url`, the address of the cloud."""

    def __init__(self, url: str, clients: Any, logs: FunctionLogs, processes: ChildProcesses) -> None:
        self._url, self._clients, self._logs = url, clients, logs
        # The processes and the folder are removed when the cloud ends, even if it is killed.
        self._environment = processes.environment
        self._folder = processes.folder / "functions"
        self._archives = Archives(self._folder / "code")
        self._running: OrderedDict[str, _Function] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """End every process; safe to call twice."""
        with self._lock:
            self._closed = True
            running = list(self._running.values())
            self._running.clear()
        for function in running:
            function.pool.close()

    def invoke(self, place: Place, found: Json, invocation: FunctionEvent) -> Execution:
        """Run a function. `found` is the answer of GetFunction."""
        configuration = found["Configuration"]
        try:
            function = self._function(place, found)
            reply, log = function.run(invocation)
        except LocalFailure as failure:
            reply, log = _failure(invocation.request_id, "Runtime.InvalidEntrypoint", str(failure)), ""
            return Execution(reply.body, True, str(configuration["Version"]), log)
        milliseconds = reply.seconds * 1000
        if not invocation.has_own_log:
            name = configuration["FunctionName"]
            self._logs.count(place, name, milliseconds, has_failed=reply.is_error)
        return Execution(reply.body, reply.is_error, str(configuration["Version"]), log)

    def keep_code(self, found: Json) -> None:
        """Keep the code of a function, as GetFunction describes it, for the versions that are published of it."""
        if location := found.get("Code", {}).get("Location"):
            # What cannot be unpacked fails when the function is invoked.
            with suppress(zipfile.BadZipFile):
                self._archives.code(location, str(found["Configuration"]["CodeSha256"]))

    def _function(self, place: Place, found: Json) -> _Function:
        configuration = found["Configuration"]
        arn = str(configuration["FunctionArn"])
        state = {name: configuration.get(name) for name in _STATE}
        digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
        with self._lock:
            if self._closed:
                raise LocalFailure("The functions have been stopped.")
            function = self._running.get(arn)
            if function is None or function.digest != digest:
                if function:
                    function.pool.retire()
                function = self._running[arn] = self._made(place, found, digest)
            self._running.move_to_end(arn)
            while len(self._running) > _MOST_FUNCTIONS:
                self._running.popitem(last=False)[1].pool.retire()
            return function

    def _made(self, place: Place, found: Json, digest: str) -> _Function:
        configuration = found["Configuration"]
        runtime = str(configuration.get("Runtime") or "an image")
        interpreter = interpreters.find(runtime)
        location = found.get("Code", {}).get("Location")
        if interpreter is None or not location:
            raise LocalFailure(
                f"Nothing on this machine runs {runtime}. cfnbox runs functions in Python, in Node.js where node is "
                "on PATH, and those of the runtimes provided.al2 and provided.al2023."
            )
        code = self._archives.code(location, str(configuration["CodeSha256"]))
        arns = [one["Arn"] for one in configuration.get("Layers", ())]
        layers = self._archives.layers(self._clients.of("lambda", place), arns)
        folder = self._folder / uuid.uuid4().hex[:12]
        folder.mkdir(parents=True)
        return _Function(
            digest, place, configuration, interpreter, code, layers, folder, self._logs, self._variables(place)
        )

    def _variables(self, place: Place) -> dict[str, str]:
        """Return the environment variables of every function: the address of the cloud, and none of the user's."""
        brought = self._folder / "runtime"
        with_sdk = str(brought) if brought.exists() else interpreters.linked_runtime(brought)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": with_sdk,
            "PYTHONPYCACHEPREFIX": str(self._folder / "pycache"),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_ENDPOINT_URL": self._url,
            "AWS_REGION": place.region,
            "AWS_DEFAULT_REGION": place.region,
            # The local services read the account from the access key.
            "AWS_ACCESS_KEY_ID": place.account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **self._environment,
        }


# A change of one of these members of the configuration needs new processes.
_STATE = (
    "CodeSha256",
    "Environment",
    "Handler",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "Runtime",
    "Timeout",
    "Version",
)


class _Function:
    """A version of a function with its execution environments."""

    def __init__(
        self,
        digest: str,
        place: Place,
        configuration: Json,
        interpreter: Interpreter,
        code: Path,
        layers: Path | None,
        folder: Path,
        logs: FunctionLogs,
        variables: Mapping[str, str],
    ) -> None:
        self.digest, self._place, self._configuration = digest, place, configuration
        self._interpreter, self._code, self._layers = interpreter, code, layers
        self._folder, self._logs, self._variables = folder, logs, variables
        self._name, self._version = str(configuration["FunctionName"]), str(configuration["Version"])
        self._timeout, self._memory = int(configuration["Timeout"]), int(configuration["MemorySize"])
        self._group = str(configuration.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{self._name}")
        self._streams: dict[ExecutionEnvironment, str] = {}
        self.pool = EnvironmentPool(self._environment, _MOST_ENVIRONMENTS)

    def run(self, invocation: FunctionEvent) -> tuple[Reply, str]:
        """Return the answer and the log of an event."""
        headers = (("Lambda-Runtime-Client-Context", invocation.client_context),) if invocation.client_context else ()
        event = Event(invocation.payload, invocation.function_arn, invocation.request_id, headers)
        with self.pool.environment() as environment:
            started = time.monotonic()
            notes: list[str] = []
            try:
                reply = _bounded(environment.invoke(event), event.request_id)
            except HandlerTimedOut:
                text = f"Task timed out after {self._timeout}.00 seconds"
                now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                notes.append(f"{now} {event.request_id} {text}")
                reply = _failure(event.request_id, "Sandbox.Timedout", text, float(self._timeout))
            except ProcessExited as exited:
                reply = _failure(event.request_id, "Runtime.ExitError", str(exited), time.monotonic() - started)
                notes.append(json.loads(reply.body)["errorMessage"])
            log = self._log(environment, invocation, reply, notes)
            if reply.is_error:
                # Show the paths of files as they are in Lambda.
                reply = Reply(self._as_in_lambda(reply.body.decode(errors="replace")).encode(), True, reply.seconds)
            return reply, log

    def _log(
        self, environment: ExecutionEnvironment, invocation: FunctionEvent, reply: Reply, notes: list[str]
    ) -> str:
        written = [*self._as_in_lambda(environment.read_log()).split("\n"), *notes]
        lines = [line for line in written if line]
        start = f"START RequestId: {invocation.request_id} Version: {self._version}"
        end = [f"END RequestId: {invocation.request_id}", self._report(environment, invocation, reply)]
        whole = [start, *lines, *end]
        self._logs.put(
            self._place, self._group, self._streams[environment], lines if invocation.has_own_log else whole
        )
        return "\n".join([*whole, ""])

    def _report(self, environment: ExecutionEnvironment, invocation: FunctionEvent, reply: Reply) -> str:
        milliseconds, init = reply.seconds * 1000, environment.take_init_seconds()
        parts = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {int(milliseconds) + 1} ms",
            f"Memory Size: {self._memory} MB",
            f"Max Memory Used: {_memory_of(environment.process_id) or self._memory} MB",
            *([] if init is None else [f"Init Duration: {init * 1000:.2f} ms"]),
        ]
        return "\t".join([*parts, ""])

    def _as_in_lambda(self, text: str) -> str:
        text = text.replace(str(self._code), _TASK)
        return text.replace(str(self._layers), _LAYERS) if self._layers else text

    def _environment(self, number: int) -> ExecutionEnvironment:
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{self._version}]{uuid.uuid4().hex}"
        temporary = self._folder / f"tmp-{number}"
        temporary.mkdir()
        handler = str(self._configuration.get("Handler") or "")
        own = self._configuration.get("Environment", {}).get("Variables", {})
        environ = {
            **self._variables,
            **self._paths(),
            "TMPDIR": str(temporary),
            "_HANDLER": handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self._configuration.get('Runtime')}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._memory),
            "AWS_LAMBDA_FUNCTION_NAME": self._name,
            "AWS_LAMBDA_FUNCTION_VERSION": self._version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": self._group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "LAMBDA_TASK_ROOT": str(self._code),
            **{name: str(value) for name, value in own.items() if name not in ("AWS_ENDPOINT_URL", "PATH")},
        }
        command = list(self._interpreter.command)
        if self._interpreter.language != "provided":
            command.append(handler)
        log = self._folder / f"{number}.log"
        environment = ExecutionEnvironment(command, log, environ, str(self._code), self._timeout)
        self._streams[environment] = stream
        return environment

    def _paths(self) -> dict[str, str]:
        """Return the search paths for the code of the function and its layers, in Lambda's order."""
        python = [str(self._code)]
        if self._layers is None:
            return {"PYTHONPATH": os.pathsep.join([*python, self._variables["PYTHONPATH"]])}
        layers, version = self._layers, self._interpreter.version
        python += [str(layers / "python"), str(layers / "python" / "lib" / f"python{version}" / "site-packages")]
        return {
            "PYTHONPATH": os.pathsep.join([*python, self._variables["PYTHONPATH"]]),
            "NODE_PATH": str(layers / "nodejs" / "node_modules"),
            "LD_LIBRARY_PATH": os.pathsep.join([str(self._code), str(self._code / "lib"), str(layers / "lib")]),
            "PATH": os.pathsep.join([self._variables["PATH"], str(layers / "bin")]),
        }


def _failure(request_id: str, kind: str, text: str, seconds: float = 0.0) -> Reply:
    """Return a failure that Lambda itself reports."""
    body = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {text}"}
    return Reply(json.dumps(body).encode(), True, seconds)


def _bounded(reply: Reply, request_id: str) -> Reply:
    if not reply.is_too_large:
        return reply
    text = f"Response payload size exceeded maximum allowed payload size ({MOST_ANSWER_BYTES} bytes)."
    return _failure(request_id, "Function.ResponseSizeTooLarge", text, reply.seconds)


def _memory_of(process_id: int | None) -> int:
    try:
        return int(psutil.Process(process_id).memory_info().rss / _MEGABYTE) if process_id else 0
    except psutil.Error:
        return 0
