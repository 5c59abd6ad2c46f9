"""A SageMaker on this machine: moto's, and in front of it what the service does with models, endpoints and more.

`mock()` for clients in this process; `LocalSageMaker` for a server in threads of this process; `create_app` for the
bare application.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from cfnbox.aws.http import Answer, ConnectionDropped, HttpServer, Request, collected, keep_silent, send
from cfnbox.aws.waiters import Waiters
from cfnbox.core.errors import Refused
from cfnbox.core.unexpected import internal_error
from cfnbox.sagemaker import api as sagemaker_api
from cfnbox.sagemaker.corrections import (
    answer,
    install,
    json_answer,
    mock,
    operation_of,
    place_of,
    refusal,
)
from cfnbox.sagemaker.faults import BadRule, Faults, Rule, When, error_message
from cfnbox.sagemaker.service import fail_later, forget_everything, write_system_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from cfnbox.aws.signature import Signature
    from cfnbox.core.paths import Json

__all__ = ["Call", "LocalSageMaker", "SageMakerApp", "create_app", "install", "mock"]

# Below it are the requests that steer the server.
CONTROL_PATH = "/_local/"


@dataclass(frozen=True)
class Call:
    """One request that arrived: `status` is None when no answer was sent, `code` AWS's error code or None."""

    operation: str
    service: str
    region: str
    access_key: str
    status: int | None
    code: str | None
    fault: str | None


@dataclass(frozen=True)
class _Arrived:
    """A request as it came in; `members` is its JSON, empty for services that speak something else."""

    environ: WSGIEnvironment
    body: bytes
    headers: Mapping[str, str]
    signature: Signature
    is_form: bool
    operation: str
    members: Json


class SageMakerApp:
    """The WSGI application: moto, with SageMaker corrected, faults on demand and every request recorded.

    `waiters` answers the waiters of clients. `may_assume` says whether SageMaker may assume the role of an ARN.
    """

    def __init__(
        self, waiters: Waiters | None = None, may_assume: Callable[[str], bool] = lambda _role: True
    ) -> None:
        install()
        self._waiters, self._may_assume = waiters or Waiters(), may_assume
        self.calls: list[Call] = []
        self.faults = Faults()
        self._moto = DomainDispatcherApplication(create_backend_app)

    def reset(self) -> None:
        """Empties everything: models, endpoints, tags and all other state of moto, recorded calls, faults."""
        forget_everything()
        # A new list: a call that is still under way is not one of those that come now.
        self.calls = []
        self.faults.clear()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return send(start_response, self.answer(Request.of(environ)))

    def answer(self, request: Request) -> Answer:
        """Return the answer to one request; raise ConnectionDropped to have the connection reset."""
        if request.path.startswith(CONTROL_PATH):
            return self._control(request.method, request.path, request.body)
        return self._recorded(_arrived(request))

    def _recorded(self, request: _Arrived) -> Answer:
        calls = self.calls
        signature = request.signature
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

    def _answer(self, request: _Arrived, rule: Rule | None) -> Answer:
        rule = rule or self._of_its_role(request)
        if rule and (instead := _instead_of_acting(request, rule)):
            return instead
        made = self._waiters.answer(
            request.environ.get("HTTP_USER_AGENT", ""), "sagemaker", request.operation,
            lambda: answer(request.headers, "", request.body) or self._from_moto(request), _members,
        )  # fmt: skip
        if request.operation == "CreateModel" and made[0] == HTTPStatus.OK:
            self.faults.note_create(request.members["ModelName"])
        return _spoiled(made, request, rule) if rule else made

    def _of_its_role(self, request: _Arrived) -> Rule | None:
        """The fault of a model whose role SageMaker may not assume: IAM that is not ready looks the same."""
        role = request.members.get("ExecutionRoleArn") if request.operation == "CreateModel" else None
        return Rule("iam-race-role") if isinstance(role, str) and not self._may_assume(role) else None

    def _from_moto(self, request: _Arrived) -> Answer:
        """moto's answer; where it fails at what it does not have, a refusal that says so."""
        request.environ["wsgi.input"] = io.BytesIO(request.body)
        if operation_of(request.headers) is None:
            return collected(self._moto, request.environ)
        lacks = f"cfnbox does not have {request.operation} of SageMaker"
        try:
            return collected(self._moto, request.environ)
        except NotImplementedError:
            return refusal(Refused("UnsupportedOperation", f"{lacks}."))
        except Exception as problem:
            # moto fails in many ways where a resource is missing or a member is one that it does not expect.
            lacks += " as it is asked for here, or a resource that it names does not exist"
            logged = internal_error(f"moto's {request.operation}", problem)
            return refusal(Refused("UnsupportedOperation", f"{lacks}. {logged}"))

    def _control(self, method: str, path: str, body: bytes) -> Answer:
        """The requests that steer this server; no AWS request has such a path."""
        routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("POST", "/_local/faults"): self.faults.replace,
            ("GET", "/_local/calls"): lambda _: [asdict(call) for call in list(self.calls)],
            ("POST", "/_local/reset"): lambda _: self.reset(),
            ("POST", "/_local/system-tags"): lambda sent: write_system_tags(sent["arn"], sent["tags"]),
        }
        if (method, path) not in routes:
            known = ", ".join(f"{verb} {at}" for verb, at in routes)
            return json_answer(404, {"message": f"no such control request; there are: {known}"})
        try:
            done = routes[method, path](json.loads(body or b"null"))
        except Refused as refused:
            return refusal(refused)
        except BadRule as problem:
            return json_answer(400, {"message": str(problem)})
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            return json_answer(400, {"message": f"not understood: {problem}"})
        return json_answer(200, {} if done is None else done)


def _members(made: Answer) -> Json:
    """The members of an answer in JSON; an error has none that a waiter looks at."""
    status, _, content = made
    return json.loads(content) if status == HTTPStatus.OK and content.startswith(b"{") else {}


def _arrived(request: Request) -> _Arrived:
    environ, signature = request.environ, request.signature
    if signature.names_account:
        # An access key of twelve digits names its account, for ministack's services as for these.
        environ.setdefault("HTTP_X_MOTO_ACCOUNT_ID", signature.access_key)
    names = ("Authorization", "X-Amz-Target", "x-moto-account-id")
    headers = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in names}
    members: Any = {}
    if headers["X-Amz-Target"]:
        try:
            members = json.loads(request.body)
        except ValueError:
            members = {}
    return _Arrived(environ, request.body, headers, signature, request.is_form, _operation(request),
                    members if isinstance(members, dict) else {})  # fmt: skip


def _operation(request: Request) -> str:
    """The operation's name, as each protocol of AWS carries it; method and path for REST."""
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if "/operation/" in request.path:
        return request.path.rpartition("/")[2]
    if request.is_form:
        return parse_qs(request.body.decode("utf-8", "replace")).get("Action", [""])[0]
    return f"{request.method} {request.path}"


def _instead_of_acting(request: _Arrived, rule: Rule) -> Answer | None:
    """The answer of a fault that keeps the service from acting, or None."""
    place = place_of(request.headers, "")
    match rule.kind.when:
        case When.DROP_BEFORE:
            raise ConnectionDropped
        case When.ERROR if not rule.kind.code:
            return rule.kind.status, {}, b""
        case When.ERROR:
            message = error_message(rule.kind, request.operation, request.members, place.account, place.region)
            return _error(request, Refused(rule.kind.code, message, rule.kind.status))
        case When.NOT_YET:
            arn = request.members.get("ResourceArn") or place.arn(request.members["ModelName"])
            return refusal(sagemaker_api.missing(arn))
        case When.NO_TAGS_YET:
            return json_answer(200, {"Tags": []})
    return None


def _spoiled(made: Answer, request: _Arrived, rule: Rule) -> Answer:
    """What is left of an answer when a fault hits it on its way back."""
    status, headers, content = made
    # moto writes some of its headers in lower case: two lengths would be one too many.
    headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
    half = content[: len(content) // 2]
    match rule.kind.when:
        case When.DROP_AFTER:
            raise ConnectionDropped
        case When.FAIL_LATER:
            fail_later(request.operation, request.members, place_of(request.headers, ""), rule.kind.message)
        case When.STALL:
            keep_silent(rule.seconds or 0, request.environ)
        case When.TRUNCATE:
            # An empty answer has nothing to cut off, so it promises a byte that never comes.
            promised = str(max(len(content), 1))
            return status, headers | {"Content-Length": promised, "Connection": "close"}, half
        case When.GARBLE:
            return status, headers, half or b"{"
        case When.QUIRK if status == HTTPStatus.OK:
            return json_answer(status, sagemaker_api.QUIRKS[rule.fault](json.loads(content)))
    return made


def _error(request: _Arrived, refused: Refused) -> Answer:
    """An error in the protocol of the request: XML for form data (IAM, STS, CloudWatch of old), else JSON."""
    if not request.is_form:
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
    """The server on a loopback port (0: any free one), in threads of this process. A context manager.

    The state is moto's, which belongs to the process: two servers in one process share their models.
    """

    def __init__(self, port: int = 0) -> None:
        self.app = SageMakerApp()
        self._server = HttpServer(self.app, port)
        self.url = self._server.url

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
        """Writes `aws:` tags as CloudFormation does. Raises Refused (no model) or ValueError (other keys)."""
        write_system_tags(arn, tags)

    def close(self) -> None:
        """Stops the server and closes its connections; the state stays, as it is moto's."""
        self._server.close()

    def __enter__(self) -> LocalSageMaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_app() -> SageMakerApp:
    """The WSGI application, to be mounted elsewhere; faults that break connections need LocalSageMaker."""
    return SageMakerApp()
