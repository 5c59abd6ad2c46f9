"""Local SageMaker: `service` answers for models, endpoints and more, moto in a child process for the rest.

`LocalSageMaker` is a server in threads of this process, `SageMakerApp` the application without a server.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from cfnbox.aws.admission import Admission
from cfnbox.aws.http import (
    LOOPBACK,
    Answer,
    ConnectionDropped,
    HttpRequest,
    HttpServer,
    json_value,
    keep_silent,
    send,
)
from cfnbox.aws.waiters import Waiters
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cfnbox.sagemaker import api as sagemaker_api
from cfnbox.sagemaker import scalable_targets, scaling_tags
from cfnbox.sagemaker.api import PlaceStore
from cfnbox.sagemaker.faults import BadRule, Faults, Rule, When, error_message
from cfnbox.sagemaker.hosting import Hosting
from cfnbox.sagemaker.invocations import EndpointRuntime
from cfnbox.sagemaker.moto import Moto
from cfnbox.sagemaker.rules import service_model
from cfnbox.sagemaker.service import SageMakerService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from cfnbox.core.paths import Json
    from cfnbox.core.processes import ChildProcesses

_TARGET = "SageMaker."

_MOST_CALLS = 2_000
# The prefix of the requests that control the server.
CONTROL_PATH = "/_local/"


@dataclass(frozen=True)
class Call:
    """A recorded request. `status` is None if no answer was sent; `code` is AWS's error code or None."""

    operation: str
    service: str
    region: str
    access_key: str
    status: int | None
    code: str | None
    fault: str | None


@dataclass(frozen=True)
class _Arrived:
    """A received request. `members` is its JSON; it is empty for services with another protocol."""

    request: HttpRequest
    operation: str
    members: Json
    place: Place
    reset_count: int

    @property
    def is_of_no_operation(self) -> bool:
        """Return whether the request is signed for SageMaker but its target is of another service."""
        is_target = bool(self.request.headers.get("x-amz-target"))
        return is_target and not self.is_sagemaker and self.request.signature.service == "sagemaker"

    @property
    def is_sagemaker(self) -> bool:
        """Return whether the request is for SageMaker's own API."""
        return self.request.headers.get("x-amz-target", "").startswith(_TARGET)

    @property
    def is_of_scaling(self) -> bool:
        """Return whether the request is for Application Auto Scaling."""
        return self.request.signature.service == scaling_tags.SERVICE


class _Resets:
    """A lock for resets. A request from before a reset has no effect after it; a running request delays the reset."""

    def __init__(self) -> None:
        self.count = 0
        self._acting = 0
        self._changed = threading.Condition()

    @contextmanager
    def acting(self, reset_count: int) -> Iterator[None]:
        """Hold off resets during a request. Raise ConnectionDropped if a reset happened since the request arrived."""
        with self._changed:
            if reset_count != self.count:
                raise ConnectionDropped
            self._acting += 1
        try:
            yield
        finally:
            with self._changed:
                self._acting -= 1
                self._changed.notify_all()

    @contextmanager
    def resetting(self) -> Iterator[None]:
        """Wait for the running requests, and count a reset."""
        with self._changed:
            self.count += 1
            self._changed.wait_for(lambda: not self._acting)
            yield


class SageMakerApp:
    """The WSGI application: SageMaker with fault injection and a record of every request.

    `waiters` answers the waiters of clients. `may_assume` returns whether SageMaker may assume the role of an ARN.
    `processes` starts moto's process on demand; None: the application makes its own. `hosting` has the servers of
    endpoints; None: endpoints have no servers.
    """

    def __init__(
        self,
        waiters: Waiters | None = None,
        may_assume: Callable[[str], bool] = lambda _role: True,
        processes: ChildProcesses | None = None,
        hosting: Hosting | None = None,
    ) -> None:
        self._waiters, self._may_assume = waiters or Waiters(), may_assume
        self.calls: list[Call] = []
        self.faults = Faults()
        self._hosting = hosting or Hosting()
        self.service, self._moto = SageMakerService(self._hosting), Moto(processes)
        self._invocations = EndpointRuntime(self.service, self._hosting)
        self._scaling_tags = scaling_tags.ScalingTags()
        self._resets = _Resets()

    def reset(self) -> None:
        """Delete all state: models, endpoints, tags, moto's resources, recorded calls and faults.

        A request that arrived before the reset and is not yet running has no effect: its connection is reset.
        """
        with self._resets.resetting():
            self.service.clear()
            self._moto.reset()
            self._scaling_tags.reset()
            # A new list, because a running request appends its call to the list of its arrival.
            self.calls = []
            self.faults.clear()

    def close(self) -> None:
        """Stop moto's process, if it is running, and the servers of endpoints."""
        self._hosting.close()
        self._moto.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return send(start_response, self.answer(HttpRequest.of(environ)))

    def answer(self, request: HttpRequest) -> Answer:
        """Return the answer to a request. Raise ConnectionDropped to reset the connection."""
        if request.path.startswith(CONTROL_PATH):
            return self._control(request.method, request.path, request.body)
        return self._recorded(self._arrived(request))

    def _arrived(self, request: HttpRequest) -> _Arrived:
        reset_count = self._resets.count
        members: Any = {}
        if request.headers.get("x-amz-target"):
            try:
                members = json_value(request.body)
            except ValueError:
                members = {}
        place = request.signature.place
        if not request.signature.names_account:
            place = Place(place.region, self._moto.account_of(request.signature.access_key))
        members = members if isinstance(members, dict) else {}
        return _Arrived(request, _operation(request), members, place, reset_count)

    def _recorded(self, request: _Arrived) -> Answer:
        calls = self.calls
        signature = request.request.signature
        rule = self.faults.meet(request.operation, request.members)
        status, code = None, None
        try:
            made = self._answer(request, rule)
            status, code = made[0], _error_code(made)
            return made
        finally:
            fault = rule.fault if rule else None
            calls.append(Call(request.operation, signature.service, signature.region, signature.access_key, status,
                              code, fault))  # fmt: skip
            del calls[:-_MOST_CALLS]

    def _answer(self, request: _Arrived, rule: Rule | None) -> Answer:
        rule = rule or self._of_its_role(request)
        if rule is None and EndpointRuntime.operation(request.request.path):
            return self._invocations.answer(request.request, request.place)
        if rule and (instead := _instead_of_acting(request, rule)):
            return instead
        made = self._waiters.answer(
            request.request.headers.get("user-agent", ""), "sagemaker", request.operation,
            lambda: self._acted(request), _members,
        )  # fmt: skip
        return self._spoiled(made, request, rule) if rule else made

    def _of_its_role(self, request: _Arrived) -> Rule | None:
        """Return the fault for a model whose role SageMaker may not assume. The answer is that of the IAM race."""
        role = request.members.get("ExecutionRoleArn") if request.operation == "CreateModel" else None
        return Rule("iam-race-role") if isinstance(role, str) and not self._may_assume(role) else None

    def _acted(self, request: _Arrived) -> Answer:
        with self._resets.acting(request.reset_count):
            answer = self._acted_on(request)
            if request.is_sagemaker and request.operation == "CreateModel" and answer[0] == HTTPStatus.OK:
                self.faults.note_create(request.members["ModelName"])
            return answer

    def _acted_on(self, request: _Arrived) -> Answer:
        try:
            payload = None
            if request.is_of_no_operation:
                raise Refused("UnknownOperationException", f"SageMaker has no operation {request.operation}.")
            if request.is_sagemaker:
                payload = self.service.answer(request.operation, request.request.body, request.place)
            elif (
                request.is_of_scaling
                and (tags := self._scaling_tags.answer(request.operation, request.members)) is not None
            ):
                return json_answer(200, tags)
            if request.is_of_scaling and request.operation == "RegisterScalableTarget":
                scalable_targets.require_scalable(self.service.store(request.place).resources, request.members)
            if payload is None:
                return self._from_moto(request)
            if request.operation == "DeletePipeline":
                self._moto.delete_pipeline(request.place, request.members["PipelineName"])
        except Refused as refused:
            return _error(request, refused)
        status, headers, content = json_answer(200, payload)
        # An operation without an output shape, such as DeleteModel, returns no body.
        return status, headers, content if service_model().operation_model(request.operation).output_shape else b""

    def _from_moto(self, request: _Arrived) -> Answer:
        """Return moto's answer. Raise Refused if moto fails at an operation that it does not support."""
        if request.is_sagemaker and isinstance(name := request.members.get("PipelineName"), str):
            self._moto.put_pipeline(request.place, self.service.pipeline(request.place, name))
        if request.is_sagemaker and request.operation == "AddTags":
            keys = [tag["Key"] for tag in request.members["Tags"]]
            self._moto.remove_tags(request.place, request.members["ResourceArn"], keys)
        if request.is_of_scaling:
            return self._from_moto_scaling(request)
        return self._moto.answer(request.request, request.operation, is_sagemaker=request.is_sagemaker)

    def _from_moto_scaling(self, request: _Arrived) -> Answer:
        sent = replace(request.request, body=scalable_targets.request_to_moto(request.request.body))
        made = self._moto.answer(sent, request.operation, is_sagemaker=False)
        made = scalable_targets.answer_of_moto(made, request.members.get("ScalableDimension"))
        self._scaling_tags.note(request.operation, request.members, request.place, made)
        return made

    def _spoiled(self, made: Answer, request: _Arrived, rule: Rule) -> Answer:
        """Return the answer after a fault, or raise ConnectionDropped."""
        status, headers, content = made
        # moto writes some headers in lower case. Remove its content-length, because only one may be sent.
        headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        half = content[: len(content) // 2]
        match rule.kind.when:
            case When.DROP_AFTER:
                raise ConnectionDropped
            case When.FAIL_LATER:
                self.service.fail_later(request.operation, request.members, request.place, rule.kind.message)
            case When.STALL:
                keep_silent(rule.seconds or 0, request.request.environ)
            case When.TRUNCATE:
                # An empty answer cannot be cut, so Content-Length announces a byte that is never sent.
                promised = str(max(len(content), 1))
                return status, headers | {"Content-Length": promised, "Connection": "close"}, half
            case When.GARBLE:
                return status, headers, half or b"{"
            case When.QUIRK if status == HTTPStatus.OK:
                return json_answer(status, sagemaker_api.QUIRKS[rule.fault](json.loads(content)))
        return made

    def _control(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a request that controls this server. No AWS request has such a path."""
        routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("POST", "/_local/faults"): self.faults.replace,
            ("GET", "/_local/calls"): lambda _: [asdict(call) for call in list(self.calls)],
            ("POST", "/_local/reset"): lambda _: self.reset(),
            ("POST", "/_local/system-tags"): lambda sent: self.service.write_system_tags(sent["arn"], sent["tags"]),
        }
        if (method, path) not in routes:
            known = ", ".join(f"{verb} {at}" for verb, at in routes)
            return json_answer(404, {"message": f"no such control request; there are: {known}"})
        try:
            done = routes[method, path](json_value(body or b"null"))
        except Refused as refused:
            return refusal(refused)
        except BadRule as problem:
            return json_answer(400, {"message": str(problem)})
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            return json_answer(400, {"message": f"not understood: {problem}"})
        return json_answer(200, {} if done is None else done)


def _members(made: Answer) -> Json:
    """Return the JSON members of an answer, or {} for an error, because waiters read no error members."""
    status, _, content = made
    return json.loads(content) if status == HTTPStatus.OK and content.startswith(b"{") else {}


def json_answer(status: int, payload: object) -> Answer:
    """Return an answer in SageMaker's protocol, JSON 1.1."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid.uuid4())}
    return status, headers, json.dumps(payload).encode()


def refusal(refused: Refused) -> Answer:
    """Return the error answer for a refused request."""
    return json_answer(refused.status, {"__type": refused.code, "message": refused.message})


def _operation(request: HttpRequest) -> str:
    """Return the operation's name from the place where each AWS protocol has it. REST: method and path."""
    if invocation := EndpointRuntime.operation(request.path):
        return invocation
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if "/operation/" in request.path:
        return request.path.rpartition("/")[2]
    if request.is_form:
        return parse_qs(request.body.decode("utf-8", "replace")).get("Action", [""])[0]
    return f"{request.method} {request.path}"


def _instead_of_acting(request: _Arrived, rule: Rule) -> Answer | None:
    """Return the answer of a fault that applies before the service acts, or None. A drop raises ConnectionDropped."""
    place = request.place
    match rule.kind.when:
        case When.DROP_BEFORE:
            raise ConnectionDropped
        case When.ERROR if not rule.kind.code:
            return rule.kind.status, {}, b""
        case When.ERROR:
            message = error_message(rule.kind, request.operation, request.members, place.account, place.region)
            return _error(request, Refused(rule.kind.code, message, rule.kind.status))
        case When.NOT_YET:
            arn = request.members.get("ResourceArn") or PlaceStore(place).arn(request.members["ModelName"])
            return refusal(sagemaker_api.missing(arn))
        case When.NO_TAGS_YET:
            return json_answer(200, {"Tags": []})
    return None


def _error(request: _Arrived, refused: Refused) -> Answer:
    """Return an error in the request's protocol: XML for form data (IAM, STS, older CloudWatch), else JSON."""
    if not request.request.is_form:
        return refusal(refused)
    # The services of this protocol name the common errors without "Exception".
    code, text = escape(refused.code.removesuffix("Exception")), escape(refused.message)
    content = f"<ErrorResponse><Error><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>"
    return refused.status, {"Content-Type": "text/xml"}, content.encode()


def _error_code(made: Answer) -> str | None:
    status, _, content = made
    if status < HTTPStatus.BAD_REQUEST:
        return None
    found = re.search(rb'"__type"\s*:\s*"([^"]*)"|<Code>([^<]*)</Code>', content)
    return (found[1] or found[2]).decode().rpartition("#")[2] if found else None


class LocalSageMaker:
    """A server in threads of this process, on an address of this machine. Port 0 selects a free port.

    A context manager. The server does not check credentials: every program that reaches it has full access.
    """

    def __init__(self, port: int = 0, host: str = LOOPBACK, hosting: Hosting | None = None) -> None:
        self.app = SageMakerApp(hosting=hosting)
        self._admission = Admission(hosts=frozenset({host}))
        self._server = HttpServer(self._serve, port, host)
        self.url = self._server.url

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = HttpRequest.of(environ)
        reason = self._admission.refusal(request.headers)
        answer = refusal(Refused("AccessDeniedException", reason, 403)) if reason else self.app.answer(request)
        return send(start_response, answer)

    @property
    def calls(self) -> list[Call]:
        """Return all requests since the start or the last reset, in the order of their answers."""
        return self.app.calls

    @property
    def service(self) -> SageMakerService:
        """Return the service behind the server, without faults and without a record."""
        return self.app.service

    @property
    def faults(self) -> Faults:
        """Return the active faults."""
        return self.app.faults

    def reset(self) -> None:
        """Delete all state, recorded calls and faults."""
        self.app.reset()

    def write_system_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Write `aws:` tags as CloudFormation does. Raise Refused (no such model) or ValueError (other keys)."""
        self.app.service.write_system_tags(arn, tags)

    def close(self) -> None:
        """Stop the server and close its connections."""
        self._server.close()
        self.app.close()

    def __enter__(self) -> LocalSageMaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
