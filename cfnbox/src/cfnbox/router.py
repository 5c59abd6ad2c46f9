"""Routing: whether a request is admitted, and which service it is for. `composition` maps services to engines."""

from __future__ import annotations

import posixpath
import re
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cfnbox.aws.admission import Admission, cors_headers
from cfnbox.aws.http import Answer, HttpRequest, send
from cfnbox.aws.signature import is_incomplete
from cfnbox.aws.wire import error_answer, service_model
from cfnbox.core.errors import Refused
from cfnbox.core.regions import require_region

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Serve = Callable[[HttpRequest], Answer]
# botocore's signing names of protocol rest-xml.
_REST_XML_SERVICES = ("s3", "s3express", "route53", "cloudfront")
# Targets of the JSON protocols that the cloud serves for unsigned requests too.
_TARGETS = {"SageMaker": "sagemaker"}
_CLOUDFORMATION, _CLOUDCONTROL = "cloudformation", "cloudcontrolapi"
# Host names, a target and a signing name by which another engine would route to its own control plane.
_CONTROL_HOST = re.compile(r"(?:^|\.)(cloudformation|cloudcontrolapi)\.")
_CONTROL_TARGET = "CloudApiService"
_CONTROL_NAMES = {"cloudcontrol": _CLOUDCONTROL}
# Services of the query protocol with operations that CloudFormation has too: DescribeAccountLimits, DescribeEvents,
# GetTemplate (botocore's service models).
_SAME_OPERATIONS = (
    "autoscaling",
    "elasticache",
    "elasticbeanstalk",
    "elasticloadbalancing",
    "rds",
    "redshift",
    "ses",
)
# Operations of the query protocol that AWS accepts unsigned (botocore's service models, `authtype: none`).
_UNSIGNED_ACTIONS = ("AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
# The administration paths of ministack and moto: reset, settings, sent messages.
_ADMINISTRATION = ("/_ministack", "/_localstack", "/moto-api")
_DATED_PATH = re.compile(r"/\d{4}-\d{2}-\d{2}/")
# A page that is stored in the cloud runs in a sandbox: its scripts have no origin, and cannot call the cloud.
_SANDBOX = "sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts"


@dataclass(frozen=True)
class Routes:
    """The handler of each request: by path, else by the signing name of its service.

    A path that ends with a slash includes everything below it; the first matching path wins. `own` has the services
    of the cloud itself. `engines` has those of other engines, which route a request again by their own rules.
    `others` answers for every other service.
    """

    paths: Mapping[str, Serve]
    own: Mapping[str, Serve]
    engines: Mapping[str, Serve]
    others: Serve

    def at(self, path: str) -> Serve | None:
        """Return the handler of a path; None when the service decides."""
        return next((self.paths[known] for known in self.paths if _is_at(path, known)), None)


class Router:
    """The WSGI application at the cloud's address. It routes each request to its service."""

    def __init__(self, routes: Routes, admission: Admission) -> None:
        self._routes, self._admission = routes, admission

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return send(start_response, self.answer(HttpRequest.of(environ)))

    def answer(self, request: HttpRequest) -> Answer:
        """Return the answer to a request. Raise ConnectionDropped to reset its connection."""
        try:
            if reason := self._admission.refusal(request.headers):
                raise Refused("AccessDenied", reason, 403)
            origin = self._admission.allowed_origin(request.headers)
            if origin and request.method == "OPTIONS":
                return 204, cors_headers(origin, request.headers), b""
            _check_signature(request)
            status, headers, content = self._serve(request)
        except Refused as refused:
            return error_answer(refused, _protocol_of(request), str(uuid.uuid4()))
        return status, headers | (cors_headers(origin, request.headers) if origin else {}), content

    def _serve(self, request: HttpRequest) -> Answer:
        service = _service_of(request)
        serve = self._routes.at(request.path) or self._routes.own.get(service)
        return serve(request) if serve else self._foreign(request, self._routes.engines.get(service))

    def _foreign(self, request: HttpRequest, serve: Serve | None) -> Answer:
        """Return the answer of another engine without CORS headers. Sandbox all pages but allowed own pages."""
        _refuse_second_control_plane(request)
        status, engine_headers, content = (serve or self._routes.others)(request)
        headers = {
            name: value for name, value in engine_headers.items() if not name.lower().startswith("access-control-")
        }
        if not self._admission.allows_own_pages(request.headers.get("host", "")):
            policies = [headers.pop(name) for name in list(headers) if name.lower() == "content-security-policy"]
            headers["Content-Security-Policy"] = ", ".join([*policies, _SANDBOX])
        return status, headers, content


def _is_at(path: str, known: str) -> bool:
    return path == known or (known.endswith("/") and path.startswith(known))


def _check_signature(request: HttpRequest) -> None:
    if is_incomplete(request.headers.get("authorization", "")):
        # The text is that of "Common Errors" in the API references.
        raise Refused("IncompleteSignature", "The request signature does not conform to AWS standards.", 403)
    require_region(request.signature.region, json=_protocol_of(request) == "json")


def _refuse_second_control_plane(request: HttpRequest) -> None:
    """Raise Refused when another engine would route a request to its own CloudFormation or administration."""
    if posixpath.normpath(f"/{request.path}").replace("//", "/").startswith(_ADMINISTRATION):
        raise Refused("AccessDenied", f"The local cloud serves nothing at {request.path}.", 403)
    service = _control_plane_of(request)
    actions = _actions(request)
    if not request.signature.service and (service or (actions and request.path in ("", "/"))):
        if actions and not service and set(actions) <= set(_UNSIGNED_ACTIONS):
            return
        # Code, message and status are those of STS (amzn/selling-partner-api-docs#3081).
        raise Refused("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    if service:
        # The message of AWS Batch (cllunsford/aws-signing-proxy#25); the code is from the IAM user guide,
        # "Troubleshoot signed requests".
        text = f"Credential should be scoped to correct service: '{service}'. "
        raise Refused("SignatureDoesNotMatch", text, 403)


def _control_plane_of(request: HttpRequest) -> str | None:
    """Return the control-plane service that another engine could route this request to; None if there is none."""
    signed = request.signature.service
    if request.headers.get("x-amz-target", "").startswith(_CONTROL_TARGET):
        return _CLOUDCONTROL
    if signed in _CONTROL_NAMES:
        return _CONTROL_NAMES[signed]
    if not request.headers.get("authorization") and (
        host := _CONTROL_HOST.search(request.headers.get("host", "").lower())
    ):
        return host[1]
    has_operation = signed not in _SAME_OPERATIONS and _cloudformation_operations().intersection(_actions(request))
    return _CLOUDFORMATION if has_operation else None


def _actions(request: HttpRequest) -> list[str]:
    """Return the operations (`Action`) of a request of the query protocol, in its query and in its body."""
    fields = [request.query]
    if request.is_form:
        fields.append(request.body.decode("utf-8", "replace"))
    elif not request.query:
        return []
    return [action for text in fields if "Action" in text for action in urllib.parse.parse_qs(text).get("Action", [])]


@cache
def _cloudformation_operations() -> frozenset[str]:
    return frozenset(service_model(_CLOUDFORMATION).operation_names)


def _service_of(request: HttpRequest) -> str:
    """Return the signing name of a request's service; for an unsigned request from its target."""
    if request.signature.service or request.headers.get("authorization"):
        return request.signature.service
    return _TARGETS.get(request.headers.get("x-amz-target", "").partition(".")[0], "")


def _protocol_of(request: HttpRequest) -> str:
    """Return the protocol in which the service of a request answers errors: query, rest-xml or json."""
    service = request.signature.service
    if service in _REST_XML_SERVICES:
        return "rest-xml"
    if request.is_form or service == _CLOUDFORMATION:
        return "query"
    is_rest = not (service or request.headers.get("x-amz-target") or "json" in request.headers["content-type"])
    return (
        "rest-xml" if is_rest and not (request.path.startswith("/_") or _DATED_PATH.match(request.path)) else "json"
    )
