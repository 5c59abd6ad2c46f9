"""A SageMaker on this machine: moto's, corrected to what the service does with models, in process or as a server."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import signal
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import get_account_id_from
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from local import sagemaker_api
from local.faults import BadRule, Faults, Rule, When, error_message
from local.sagemaker_api import OPERATIONS, Place
from local.sagemaker_rules import Json, Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TARGET = "SageMaker."
CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
URL_REGION = re.compile(r"://api\.sagemaker\.([a-z0-9-]+)\.")
Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Call:
    """One request that arrived: `status` is None when no answer was sent, `code` the AWS error code if there was one."""

    operation: str
    service: str
    region: str
    access_key: str
    status: int | None
    code: str | None
    fault: str | None


def _json_answer(status: int, payload: Json, **headers: str) -> Answer:
    body = json.dumps(payload).encode()
    common = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    return status, common | headers, body


def _refusal(refused: Refused) -> Answer:
    return _json_answer(refused.status, {"__type": refused.code, "message": refused.message})


def _caller(headers: Mapping[str, str], url: str) -> tuple[str, str, str]:
    """Access key, region and service of a request, from its signature; the region else from its host name."""
    if match := CREDENTIAL.search(headers.get("Authorization", "")):
        return match["key"], match["region"], match["service"]
    region = URL_REGION.search(url)
    return "", region[1] if region else "us-east-1", ""


def _account(headers: Mapping[str, str], access_key: str) -> str:
    # The order is moto's own, so that its multi-account features work for models too.
    given = os.environ.get("MOTO_ACCOUNT_ID") or headers.get("x-moto-account-id")
    return given or (get_account_id_from(access_key) if access_key else DEFAULT_ACCOUNT_ID)


def answer(headers: Mapping[str, str], url: str, body: bytes) -> Answer | None:
    """The answer to a SageMaker request about models, or None when the request is about something else."""
    operation = headers.get("X-Amz-Target", "").removeprefix(TARGET)
    if operation not in OPERATIONS:
        return None
    access_key, region, _ = _caller(headers, url)
    try:
        payload = sagemaker_api.answer(operation, body, Place(_account(headers, access_key), region))
    except Refused as refused:
        return _refusal(refused)
    if payload is None:
        return None
    # DeleteModel has no output shape, and so no body.
    return _json_answer(200, payload) if operation != "DeleteModel" else (200, _json_answer(200, {})[1], b"")


_installed = threading.Lock()


def install() -> None:
    """Corrects moto's SageMaker in this process; once is enough, more do no harm."""
    with _installed:
        if getattr(SageMakerResponse, "_models_corrected", False):
            return
        plain_dispatch = SageMakerResponse._dispatch

        def dispatch(self: Any, request: Any, full_url: str | None = None, headers: Any = None) -> Any:
            corrected = answer(request.headers, full_url or request.url, request.get_data())
            return corrected or plain_dispatch(self, request, full_url, headers)

        moto_response: Any = SageMakerResponse
        moto_response._dispatch = dispatch
        moto_backend: Any = SageMakerModelBackend
        moto_backend.add_tags = _add_tags
        moto_backend.create_model = _create_model
        moto_response._models_corrected = True


def _add_tags(backend: Any, arn: str, tags: list[dict[str, str]]) -> list[dict[str, str]]:
    """Replaces moto's, which appends keys that are there; serves every taggable resource and the tagging API."""
    resource = backend._get_resource_from_arn(arn)
    resource.tags = sagemaker_api.merged(resource.tags, tags)
    tagged: list[dict[str, str]] = resource.tags
    return tagged


def _create_model(backend: Any, model_name: str, **members: Any) -> Any:
    """Replaces moto's, which its own CloudFormation calls."""
    names = {"execution_role_arn": "ExecutionRoleArn", "primary_container": "PrimaryContainer"}
    names |= {"vpc_config": "VpcConfig", "containers": "Containers", "tags": "Tags"}
    request = {names[key]: value for key, value in members.items() if value} | {"ModelName": model_name}
    place = Place(backend.account_id, backend.region_name)
    sagemaker_api.answer("CreateModel", json.dumps(request).encode(), place)
    return place.model(model_name)


@contextlib.contextmanager
def mock() -> Iterator[None]:
    """moto's mock_aws, with SageMaker corrected: botocore clients of this process talk to it, nothing leaves."""
    install()
    with mock_aws():
        yield


class _Dropped(Exception):
    """The connection is to be reset without an answer."""


class SageMakerApp:
    """The WSGI application: moto's services, SageMaker corrected, faults on demand, every request recorded."""

    def __init__(self) -> None:
        install()
        self.calls: list[Call] = []
        self.faults = Faults()
        self._moto = DomainDispatcherApplication(create_backend_app)

    def reset(self) -> None:
        """Empties everything: models, tags and all other state of moto, recorded calls, faults."""
        moto_api_backend.reset()
        self.calls.clear()
        self.faults.clear()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if environ["PATH_INFO"].startswith("/_local/"):
            status, headers, content = self._control(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
        else:
            status, headers, content = self._serve(environ, body)
        headers = {"Content-Length": str(len(content))} | headers
        start_response(f"{status} {_REASONS.get(status, 'Status')}", list(headers.items()))
        return [content]

    def _serve(self, environ: WSGIEnvironment, body: bytes) -> Answer:
        headers = _headers(environ)
        access_key, region, service = _caller(headers, "")
        operation = _operation(environ, headers, body)
        request = _request(headers, body)
        rule = self.faults.meet(operation, request)
        status, code = None, None
        try:
            made = self._act(environ, headers, body, operation, request, rule)
            status, code = made[0], _error_code(made)
            return made
        finally:
            fault = rule.fault if rule else None
            self.calls.append(Call(operation, service, region, access_key, status, code, fault))

    def _act(
        self,
        environ: WSGIEnvironment,
        headers: Mapping[str, str],
        body: bytes,
        operation: str,
        request: Json,
        rule: Rule | None,
    ) -> Answer:
        if rule and (instead := self._instead(headers, operation, request, rule)):
            return instead
        made = answer(headers, "", body) or _collected(self._moto, environ)
        if operation == "CreateModel" and made[0] == 200:
            self.faults.note_create(str(request.get("ModelName")))
        return self._spoiled(made, rule, environ) if rule else made

    def _instead(self, headers: Mapping[str, str], operation: str, request: Json, rule: Rule) -> Answer | None:
        """The answer of a fault that keeps the service from acting."""
        access_key, region, _ = _caller(headers, "")
        account = _account(headers, access_key)
        match rule.kind.when:
            case When.DROP_BEFORE:
                raise _Dropped
            case When.ERROR:
                message = error_message(rule.kind, operation, request, account, region)
                return _refusal(Refused(rule.kind.code, message, rule.kind.status))
            case When.NOT_YET:
                arn = request.get("ResourceArn") or Place(account, region).arn(str(request.get("ModelName")))
                return _refusal(sagemaker_api.missing(arn))
            case When.NO_TAGS_YET:
                return _json_answer(200, {"Tags": []})
        return None

    def _spoiled(self, made: Answer, rule: Rule, environ: WSGIEnvironment) -> Answer:
        """What is left of an answer when a fault hits it on its way back."""
        status, headers, content = made
        half = content[: len(content) // 2]
        match rule.kind.when:
            case When.DROP_AFTER:
                raise _Dropped
            case When.STALL:
                _wait(rule.seconds or 0, environ.get("werkzeug.socket"))
            case When.TRUNCATE:
                # An empty answer has nothing to cut off, so it promises a byte that never comes.
                promised = str(max(len(content), 1))
                return status, headers | {"Content-Length": promised, "Connection": "close"}, half
            case When.GARBLE:
                return status, headers, half or b"{"
        return made

    def _control(self, method: str, path: str, body: bytes) -> Answer:
        """The requests that steer this server; no AWS request has such a path."""
        routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("POST", "/_local/faults"): self.faults.replace,
            ("GET", "/_local/calls"): lambda _: [asdict(call) for call in list(self.calls)],
            ("POST", "/_local/reset"): lambda _: self.reset(),
            ("POST", "/_local/system-tags"): lambda sent: sagemaker_api.write_system_tags(sent["arn"], sent["tags"]),
        }
        route = routes.get((method, path))
        if route is None:
            known = ", ".join(f"{verb} {at}" for verb, at in routes)
            return _json_answer(404, {"message": f"no such control request; there are: {known}"})
        try:
            return _json_answer(200, route(json.loads(body or b"null")) or {})
        except Refused as refused:
            return _refusal(refused)
        except BadRule as problem:
            return _json_answer(400, {"message": str(problem)})
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            return _json_answer(400, {"message": f"not understood: {problem}"})


_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    return {
        "Authorization": environ.get("HTTP_AUTHORIZATION", ""),
        "X-Amz-Target": environ.get("HTTP_X_AMZ_TARGET", ""),
        "x-moto-account-id": environ.get("HTTP_X_MOTO_ACCOUNT_ID", ""),
    }


def _operation(environ: WSGIEnvironment, headers: Mapping[str, str], body: bytes) -> str:
    """The operation's name, as each of the protocols of AWS carries it; method and path for REST."""
    if target := headers["X-Amz-Target"]:
        return target.rpartition(".")[2]
    path: str = environ["PATH_INFO"]
    if "/operation/" in path:
        return path.rpartition("/")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    return f"{environ['REQUEST_METHOD']} {path}"


def _request(headers: Mapping[str, str], body: bytes) -> Json:
    if not headers["X-Amz-Target"]:
        return {}
    try:
        request = json.loads(body)
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _error_code(made: Answer) -> str | None:
    status, _, content = made
    if status < 400:
        return None
    found = re.search(rb'"__type"\s*:\s*"([^"]*)"|<Code>([^<]*)</Code>', content)
    name = (found[1] or found[2] or b"").decode() if found else ""
    return name.rpartition("#")[2] or None


def _collected(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    content, status, headers = run_wsgi_app(app, environ, buffered=True)
    return int(status.split()[0]), dict(headers), b"".join(content)


def _wait(seconds: float, connection: socket.socket | None) -> None:
    """Keeps silent for so long, or until the client has gone away."""
    if connection is None:
        time.sleep(seconds)
    elif select.select([connection], [], [], seconds)[0]:
        raise _Dropped


class _Connection(MotoRequestHandler):
    """One connection, kept alive between requests, as AWS does and werkzeug's own handler does not."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet at once: no waiting of 40 ms for a delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def setup(self) -> None:
        """Lets the server close this connection when it stops."""
        super().setup()
        self.server.connections.add(self.connection)  # type: ignore[attr-defined]

    def finish(self) -> None:
        """Ends the connection."""
        self.server.connections.discard(self.connection)  # type: ignore[attr-defined]
        super().finish()

    def run_wsgi(self) -> None:
        """Answers one request, whole; a dropped connection is reset (RST), not closed."""
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        environ = self.make_environ()
        body = self._body(environ)
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        try:
            status, headers, content = _collected(self.server.app, environ)
        except _Dropped:
            self._reset()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _body(self, environ: WSGIEnvironment) -> bytes:
        source: Any = environ["wsgi.input"]
        read: bytes = source.read() if environ.get("wsgi.input_terminated") else source.read(int(environ.get("CONTENT_LENGTH") or 0))
        return read

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keeps quiet."""


class LocalSageMaker:
    """The server on a loopback port, in threads of this process; 0 is any free port. A context manager.

    The state is moto's, which belongs to the process: two servers in one process share their models.
    """

    def __init__(self, port: int = 0) -> None:
        self.app = SageMakerApp()
        self._server = make_server("127.0.0.1", port, self.app, threaded=True, request_handler=_Connection)
        self._server.connections = set()  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="local-sagemaker", daemon=True)
        self._thread.start()

    @property
    def calls(self) -> list[Call]:
        """Every request since the start or the last reset, in the order of their answers."""
        return self.app.calls

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self.app.faults

    def reset(self) -> None:
        """Empties models, tags, calls and faults."""
        self.app.reset()

    def write_system_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Writes `aws:` tags as CloudFormation does. Raises Refused for a missing model, ValueError for other keys."""
        sagemaker_api.write_system_tags(arn, tags)

    def close(self) -> None:
        """Stops the server and closes its connections."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):  # type: ignore[attr-defined]
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def __enter__(self) -> LocalSageMaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_app() -> SageMakerApp:
    """The WSGI application, to be mounted elsewhere; faults that reset a connection need our own server."""
    return SageMakerApp()


def serve(port: int) -> None:
    """Serves until SIGINT or SIGTERM, as `python -m local sagemaker --port N` does; prints the URL first."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with LocalSageMaker(port) as local_sagemaker:
        print(f"local SageMaker at {local_sagemaker.url} (AWS_ENDPOINT_URL={local_sagemaker.url})", flush=True)
        stopped.wait()
