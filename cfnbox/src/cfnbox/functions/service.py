"""Lambda's API in front of ministack, which keeps the functions: only their invocations are answered here.

ministack invokes functions too, for event sources, function URLs and asynchronous invocations. It sends such an
invocation to the address in the variable PROXY_VARIABLE of a function ("Lambda proxy mode" in its documentation). So
every function gets that variable on its way to ministack, and loses it on its way back.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import urllib.parse
import uuid
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cfnbox.aws.http import json_value
from cfnbox.aws.wire import error_answer
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cfnbox.functions.running import FunctionEvent
from cfnbox.functions.tasks import TASK_FUNCTION, without_own
from cfnbox.handlers import interpreters
from cfnbox.providers.ministack import PROXY_VARIABLE, without_proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json
    from cfnbox.functions.running import Execution, Functions
    from cfnbox.functions.tasks import FunctionTasks
    from cfnbox.providers.clients import ServiceClients

PROXY_PATH = "/_cfnbox/functions/invocations"
CODE_PATHS = ("/_ministack/lambda-code/", "/_ministack/lambda-layers/")
_INVOKE = re.compile(r"/2015-03-31/functions/(?P<name>.+)/invocations")
_FUNCTIONS = re.compile(r"/2015-03-31/functions/?")
_UPDATE_CODE = re.compile(r"/2015-03-31/functions/(?P<name>.+)/code")
_CONFIGURE = re.compile(r"/2015-03-31/functions/(?P<name>.+)/configuration")
# LayerName of the API reference: "the name or Amazon Resource Name (ARN) of the layer". ministack knows names alone.
_LAYER_ARN = re.compile(r"(?P<before>/2018-10-31/layers/)arn:[^/]+:layer:(?P<name>[^/:]+)(?P<after>/versions.*)")
_JSON = "application/json"
_LOG_BYTES = 4096
# Invoke: the payload of a synchronous request.
_MOST_BYTES = 6_291_456


class LambdaService:
    """Answers requests to Lambda. `forward` takes one to ministack."""

    def __init__(
        self,
        url: str,
        forward: Callable[[HttpRequest], Answer],
        clients: ServiceClients,
        functions: Functions,
        tasks: FunctionTasks,
    ) -> None:
        self._proxy_url = f"{url}{PROXY_PATH}"
        self._forward, self._clients, self._functions, self._tasks = forward, clients, functions, tasks

    def answer(self, request: HttpRequest) -> Answer:
        """Answer a request to Lambda's API."""
        invoked = _INVOKE.fullmatch(request.path) if request.method == "POST" else None
        if invoked and request.headers.get("x-amz-invocation-type", "RequestResponse") == "RequestResponse":
            return self._invoke(request, invoked["name"])
        configured = _CONFIGURE.fullmatch(request.path) if request.method == "PUT" else None
        if configured:
            request = self._with_proxy(request, configured["name"])
        elif request.method == "POST" and _FUNCTIONS.fullmatch(request.path):
            request = self._with_proxy(request, None)
        answer = _without_proxy(self._forward(_with_layer_name(request)))
        is_new = request.method == "POST" and _FUNCTIONS.fullmatch(request.path)
        is_new_code = request.method == "PUT" and _UPDATE_CODE.fullmatch(request.path)
        if (is_new or is_new_code) and answer[0] < HTTPStatus.BAD_REQUEST:
            self._keep_code(request, answer)
        if request.method == "GET" and _FUNCTIONS.fullmatch(request.path):
            return without_own(answer, "Functions", "FunctionName", TASK_FUNCTION)
        return answer

    def _keep_code(self, request: HttpRequest, answer: Answer) -> None:
        """Keep the code that a request brought: ministack serves a version with the code of $LATEST."""
        name = json.loads(answer[2])["FunctionName"]
        found = self._clients.of("lambda", request.signature.place).get_function(FunctionName=name)
        self._functions.keep_code(found)

    def proxied(self, request: HttpRequest) -> Answer:
        """Run a function that ministack invokes. A failure is a status, of which ministack reports the body."""
        headers = request.headers
        arn = headers.get("x-amzn-lambda-function-arn", "")
        parts = arn.split(":")
        if len(parts) < 7:
            refused = Refused("InvalidRequestContentException", "The request names no function.")
            return error_answer(refused, "json", str(uuid.uuid4()))
        if parts[6] == TASK_FUNCTION:
            self._tasks.start(json.loads(request.body))
            return HTTPStatus.OK, {"Content-Type": _JSON}, b"null"
        place, version = Place(parts[3], parts[4]), headers.get("x-amzn-lambda-function-version", "$LATEST")
        found = self._clients.of("lambda", place).get_function(FunctionName=parts[6], Qualifier=version)
        invocation = FunctionEvent(
            request.body, arn, request_id=headers.get("x-amzn-lambda-request-id") or str(uuid.uuid4()),
            has_own_log=True,
        )  # fmt: skip
        execution = self._functions.invoke(place, found, invocation)
        status = HTTPStatus.BAD_GATEWAY if execution.has_failed else HTTPStatus.OK
        return status, {"Content-Type": _JSON}, execution.payload

    def code(self, request: HttpRequest) -> Answer:
        """Answer a request for the code of a function or of a layer."""
        if request.method not in ("GET", "HEAD") or ".." in request.path:
            refused = Refused("AccessDenied", f"The local cloud serves nothing at {request.path}.", 403)
            return error_answer(refused, "json", str(uuid.uuid4()))
        return self._forward(request)

    def _invoke(self, request: HttpRequest, name: str) -> Answer:
        place = request.signature.place
        query = dict(urllib.parse.parse_qsl(request.query))
        qualifier = {"Qualifier": query["Qualifier"]} if "Qualifier" in query else {}
        request_id = str(uuid.uuid4())
        try:
            found = self._clients.of("lambda", place).get_function(FunctionName=name, **qualifier)
        except ClientError:
            # ministack says what is wrong with the request, as it does for every operation.
            return self._forward(request)
        try:
            _check(request.body)
            reserved = found.get("Concurrency", {}).get("ReservedConcurrentExecutions")
            if reserved == 0:
                raise Refused("TooManyRequestsException", "Rate Exceeded.", HTTPStatus.TOO_MANY_REQUESTS)
            invocation = FunctionEvent(
                request.body or b"{}",
                _arn(found, name, query.get("Qualifier", "")),
                _client_context(request),
                request_id,
            )
        except Refused as refused:
            return error_answer(refused, "json", request_id)
        execution = self._functions.invoke(place, found, invocation)
        return HTTPStatus.OK, _headers(request, execution, request_id), execution.payload

    def _with_proxy(self, request: HttpRequest, name: str | None) -> HttpRequest:
        """Return the request with the variable that brings ministack's own invocations here."""
        try:
            body = json_value(request.body or b"{}")
        except ValueError:
            return request
        if not isinstance(body, dict) or body.get("PackageType") == "Image":
            return request
        if name is not None and not isinstance(body.get("Environment"), dict):
            try:
                current = self._clients.of("lambda", request.signature.place).get_function_configuration(
                    FunctionName=name
                )
            except ClientError:
                return request
            body["Environment"] = {"Variables": current.get("Environment", {}).get("Variables", {})}
        environment = body.get("Environment") or {}
        variables = environment.get("Variables") if isinstance(environment, dict) else None
        if interpreters.find(str(body.get("Runtime", "python"))) is None or not isinstance(variables or {}, dict):
            return request
        body["Environment"] = {**environment, "Variables": {**(variables or {}), PROXY_VARIABLE: self._proxy_url}}
        return replace(request, body=json.dumps(body).encode())


def _check(payload: bytes) -> None:
    if len(payload) > _MOST_BYTES:
        text = f"Request must be smaller than {_MOST_BYTES} bytes for the InvokeFunction operation"
        raise Refused("RequestTooLargeException", text, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        json_value(payload or b"{}")
    except ValueError:
        raise Refused("InvalidRequestContentException", "Could not parse request body into json.") from None


def _client_context(request: HttpRequest) -> str:
    encoded = request.headers.get("x-amz-client-context", "")
    try:
        context = base64.b64decode(encoded, validate=True).decode()
        if encoded:
            json_value(context)
    except (binascii.Error, ValueError):
        raise Refused(
            "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."
        ) from None
    return context


def _arn(found: Json, name: str, qualifier: str) -> str:
    """Return the ARN by which a function was invoked: it names an alias or a version where the caller did.

    `name` is a name, a partial ARN or an ARN, each with or without a qualifier.
    """
    arn = ":".join(str(found["Configuration"]["FunctionArn"]).split(":")[:7])
    before, _, after = name.rpartition(":")
    if not qualifier and before and not before.endswith(":function"):
        qualifier = after
    return f"{arn}:{qualifier}" if qualifier else arn


def _headers(request: HttpRequest, execution: Execution, request_id: str) -> dict[str, str]:
    headers = {
        "Content-Type": _JSON,
        "x-amzn-RequestId": request_id,
        "X-Amz-Executed-Version": execution.version,
    }
    if execution.has_failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if request.headers.get("x-amz-log-type") == "Tail":
        headers["X-Amz-Log-Result"] = base64.b64encode(execution.log.encode()[-_LOG_BYTES:]).decode()
    return headers


def _without_proxy(answer: Answer) -> Answer:
    """Return an answer without the variable that the user did not set."""
    status, headers, content = answer
    if PROXY_VARIABLE.encode() not in content:
        return answer
    try:
        members = json.loads(content)
    except ValueError:
        return answer
    members = without_proxy(members)
    body = json.dumps(members).encode()
    kept = {name: value for name, value in headers.items() if name.lower() != "content-length"}
    return status, {**kept, "Content-Length": str(len(body))}, body


def _with_layer_name(request: HttpRequest) -> HttpRequest:
    """Return the request with the name of a layer in place of its ARN."""
    found = _LAYER_ARN.fullmatch(request.path)
    if found is None:
        return request
    path = f"{found['before']}{found['name']}{found['after']}"
    return replace(request, path=path, environ={**request.environ, "REQUEST_URI": urllib.parse.quote(path)})
