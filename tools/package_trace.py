"""What the function's code uses of its folder, found out by invoking it in every way CloudFormation can.

The handler runs in a bare interpreter of its own (traced_handler.py) against the local SageMaker: all actions,
refusals, waiting, faults of the service and of the network, TLS, other partitions, log delivery and metrics.
"""

import json
import os
import socketserver
import subprocess
import sys
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from laptop.definition import TypeDefinition
from laptop.events import Action, production_event
from laptop.runtime import free_ports
from laptop.sagemaker.server import LocalSageMaker

Json = dict[str, Any]

_DRIVER = Path(__file__).with_name("traced_handler.py")
_ROLE = "arn:aws:iam::123456789012:role/inference"
_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/inference:1"
_MODEL = {"ExecutionRoleArn": _ROLE, "PrimaryContainer": {"Image": _IMAGE}}
_PASSING_FAULTS = ("internal-error", "reset-before", "truncated")
_STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/traced/11111111-2222-3333-4444-555555555555"


class TraceFailed(Exception):
    """An invocation did not end as it must, so that what it used says nothing; the message says which and how."""


@dataclass(frozen=True)
class Usage:
    """What was used: paths relative to their folder, and operations by botocore's name of the service."""

    modules: frozenset[str]
    data: frozenset[str]
    operations: Mapping[str, frozenset[str]]

    def __or__(self, other: "Usage") -> "Usage":
        operations: defaultdict[str, frozenset[str]] = defaultdict(frozenset, self.operations)
        for service, names in other.operations.items():
            operations[service] |= names
        return Usage(self.modules | other.modules, self.data | other.data, operations)


class TracedHandler:
    """The handler, behind pipes, in an interpreter that finds nothing but some folders."""

    def __init__(self, search_path: str, python: str, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, "-S", "-s", "-B", str(_DRIVER), search_path],
            env=_function_environment() | dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._events = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)
        self._errors = cast("IO[str]", self._process.stderr)

    def invoke(self, event: Mapping[str, Any]) -> Json:
        """Return the answer to an event. Raises TraceFailed when the process has ended."""
        try:
            self._events.write(json.dumps(event) + "\n")
            self._events.flush()
        except BrokenPipeError:
            raise self._died() from None
        return self._answer()

    def finish(self) -> Usage:
        """End the process and return what it used."""
        self._events.close()
        used = self._answer()
        operations = {service: frozenset(names) for service, names in used["operations"].items()}
        return Usage(frozenset(used["modules"]), frozenset(used["data"]), operations)

    def close(self) -> None:
        """Stop the process, whatever it does."""
        with self._process:
            self._process.kill()

    def _answer(self) -> Json:
        line = self._answers.readline()
        if not line:
            raise self._died()
        answer: Json = json.loads(line)
        return answer

    def _died(self) -> TraceFailed:
        return TraceFailed(f"The handler process ended:\n{self._errors.read()[-2000:]}")


def trace(search_path: str, schema_path: Path, python: str = sys.executable) -> Usage:
    """Return what the function's code uses of the folders that it lies in. Raises TraceFailed."""
    definition = TypeDefinition.load(schema_path)
    with LocalSageMaker() as server:
        with _traced(search_path, python, {"AWS_ENDPOINT_URL": server.url}) as handler:
            _Scenario(handler, definition, server).run()
            used = handler.finish()
        # TLS fails at a server without it, the proxy is not there: the ways of the network without a network.
        with _no_tls() as port, _traced(search_path, python, _unreachable(port)) as handler:
            _Scenario(handler, definition, server).meet_no_service()
            return used | handler.finish()


@contextmanager
def _traced(search_path: str, python: str, environ: Mapping[str, str]) -> Iterator[TracedHandler]:
    handler = TracedHandler(search_path, python, environ)
    try:
        yield handler
    finally:
        handler.close()


def _function_environment() -> dict[str, str]:
    """What Lambda sets, as far as botocore reads it."""
    return {
        "PATH": os.defpath,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "_X_AMZN_TRACE_ID": "Root=1-00000000-000000000000000000000000;Sampled=0",
    }


@contextmanager
def _no_tls() -> Iterator[int]:
    """A port of a server that knows no TLS."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _WithoutTls) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class _WithoutTls(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(1)
        self.request.sendall(b"What is TLS?")


def _unreachable(port: int) -> dict[str, str]:
    (closed,) = free_ports(1)
    return {
        "AWS_ENDPOINT_URL_SAGEMAKER": f"https://127.0.0.1:{port}",
        "HTTPS_PROXY": f"http://127.0.0.1:{closed}",
        "NO_PROXY": "127.0.0.1",
    }


class _Scenario:
    """Invocations in an order that makes sense, each with the outcome that it must have."""

    def __init__(self, handler: TracedHandler, definition: TypeDefinition, server: LocalSageMaker) -> None:
        self._handler, self._definition, self._server = handler, definition, server
        # The local SageMaker keeps its state as long as this process lives.
        self._own = f"traced-{uuid.uuid4().hex[:8]}"

    def run(self) -> None:
        """Lead a model through its life, and through everything that can go wrong in it."""
        self._live()
        self._refuse()
        self._meet_faults()
        self._go_abroad()
        self._come_by_sam()
        self._clean_up()

    def meet_no_service(self) -> None:
        """Find no service at all, and no log group of the provider."""
        self._expect("NetworkFailure", "READ", {"ModelName": self._own}, log_group=self._own)

    def _live(self) -> None:
        tags = [{"Key": "stage", "Value": "test"}]
        made = self._expect(
            "SUCCESS", "CREATE", {**_MODEL, "Tags": tags}, stack_tags={"team": "risk"}, log_group=self._own,
            stack_id=_STACK, logical_id="Model",
        )  # fmt: skip
        model = made["resourceModel"]
        self._expect("SUCCESS", "READ", model, log_group=self._own)
        self._expect("SUCCESS", "READ", {"ModelName": model["ModelName"]})
        self._expect("SUCCESS", "UPDATE", {**model, "Tags": [{"Key": "new", "Value": "1"}]}, previous=model)
        self._expect("SUCCESS", "LIST", {})
        self._expect("NotUpdatable", "UPDATE", {**model, "EnableNetworkIsolation": True}, previous=model)
        self._expect("SUCCESS", "DELETE", model, log_group=self._own)
        self._expect("NotFound", "READ", model, log_group=self._own)
        self._expect("NotFound", "DELETE", model)

    def _refuse(self) -> None:
        self._expect("InvalidRequest", "CREATE", {**_MODEL, "Containers": [{"Image": ""}], "Unknown": 1})
        self._expect("SUCCESS", "CREATE", {**_MODEL, "ModelName": self._own})
        self._expect("AlreadyExists", "CREATE", {**_MODEL, "ModelName": self._own})
        answer = self._handler.invoke({"action": "CREATE"})
        _require("InvalidRequest", answer, "an event that is none")

    def _meet_faults(self) -> None:
        for fault in ("iam-race-role", "throttling"):
            self._server.faults.replace([{"operation": "CreateModel", "fault": fault}])
            self._expect("IN_PROGRESS", "CREATE", {**_MODEL, "ModelName": f"{self._own}-{fault}"})
        # Once each: botocore sends the request again.
        for fault in _PASSING_FAULTS:
            self._server.faults.replace([{"operation": "CreateModel", "fault": fault, "times": 1}])
            self._expect("SUCCESS", "CREATE", {**_MODEL, "ModelName": f"{self._own}-{fault}"})
        for fault, code in (("access-denied", "AccessDenied"), ("expired-credentials", "InvalidCredentials")):
            self._server.faults.replace([{"operation": "DescribeModel", "fault": fault}])
            self._expect(code, "READ", {"ModelName": self._own})
        self._server.faults.replace([])

    def _go_abroad(self) -> None:
        for region in ("us-gov-west-1", "cn-north-1", "eu-central-1"):
            self._expect("SUCCESS", "LIST", {}, region=region)

    def _come_by_sam(self) -> None:
        credentials = {"accessKeyId": "a", "secretAccessKey": "b", "sessionToken": "c"}
        request = {"desiredResourceState": {"ModelName": self._own}, "clientRequestToken": "token"}
        event = {"credentials": credentials, "action": "READ", "request": request, "region": "us-east-1"}
        _require("SUCCESS", self._handler.invoke(event), "an event of SAM's")

    def _clean_up(self) -> None:
        for name in (self._own, *(f"{self._own}-{fault}" for fault in _PASSING_FAULTS)):
            self._expect("SUCCESS", "DELETE", {"ModelName": name})

    def _expect(self, outcome: str, action: Action, desired: Json, **event: Any) -> Json:
        answer = self._handler.invoke(production_event(self._definition, action, desired=desired, **event))
        _require(outcome, answer, action)
        return answer


def _require(outcome: str, answer: Mapping[str, Any], what: str) -> None:
    if outcome not in (answer.get("status"), answer.get("errorCode")):
        seen = answer.get("errorCode") or answer.get("status")
        raise TraceFailed(f"{what} must end in {outcome}, but ended in {seen}: {answer.get('message')}")
