"""SageMaker Runtime: InvokeEndpoint and the other invocation operations, through the servers of `hosting`.

"Not recorded" marks messages without a public record.
"""

from __future__ import annotations

import json
import re
import struct
import threading
import uuid
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import urllib3

from cfnbox.core.errors import Refused
from cfnbox.core.unexpected import internal_error
from cfnbox.sagemaker.hosting import NoServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.sagemaker.hosting import ContainerServer, HostedServers, Hosting
    from cfnbox.sagemaker.service import Live, SageMakerService

_PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/(?P<kind>invocations|async-invocations|invocations-response-stream)")
OPERATIONS = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
# Payload and time limits of an invocation: "Amazon SageMaker AI endpoints and quotas", "Hosting". Limits of a stream
# and of an asynchronous invocation: API reference.
MOST_BYTES = 6 * 1024 * 1024
INVOKE_SECONDS, STREAM_SECONDS, ASYNC_SECONDS = 60.0, 8 * 60.0, 15 * 60.0
_HEADER = "x-amzn-sagemaker-"
# Request headers passed on to a container (developer guide, "Custom Inference Code with Hosting Services").
_TO_CONTAINER = ("custom-attributes", "target-model", "inference-id", "session-id", "prefix-aware-id")
_FROM_CONTAINER = ("custom-attributes", "new-session-id", "closed-session-id")
_VALIDATION = "ValidationError"
_SERVER_ERROR = 500


@dataclass(frozen=True)
class EndpointInvocation:
    """The request of any invocation operation to an endpoint. The names in `headers` are in lower case."""

    place: Place
    endpoint: str
    headers: Mapping[str, str]
    body: bytes
    content_type: str
    accept: str
    seconds: float

    def header(self, name: str) -> str:
        """Return a header of SageMaker by its name without prefix, or ""."""
        return self.headers.get(_HEADER + name, "")


@dataclass(frozen=True)
class Prediction:
    """The answer of an endpoint's last container."""

    body: bytes
    content_type: str
    variant: str
    headers: Mapping[str, str] = field(default_factory=dict)


class ModelFailed(Exception):
    """A container returned an error or did not answer. `members` are the members of ModelError."""

    def __init__(self, members: Json) -> None:
        super().__init__(members["Message"])
        self.members = members


class EndpointRuntime:
    """The operations of SageMaker Runtime. Thread-safe."""

    def __init__(self, service: SageMakerService, hosting: Hosting) -> None:
        self._service, self._hosting = service, hosting
        self._turns: dict[tuple[Place, str], dict[str, float]] = {}
        self._lock = threading.Lock()

    @staticmethod
    def operation(path: str) -> str | None:
        """Return the operation of a request's path, or None if the path is not of SageMaker Runtime."""
        found = _PATH.fullmatch(path)
        return OPERATIONS[found["kind"]] if found else None

    def answer(self, request: HttpRequest, place: Place) -> Answer:
        """Return the answer to a request whose path has an operation."""
        name, kind = request.path.split("/")[2:4]
        try:
            if len(request.body) > MOST_BYTES:
                # Not recorded; the quota is documented.
                raise Refused(_VALIDATION, f"The body of the request is larger than {MOST_BYTES} bytes.")
            match OPERATIONS[kind]:
                case "InvokeEndpointAsync":
                    return self._asynchronous(request, place, name)
                case "InvokeEndpointWithResponseStream":
                    accept = request.headers.get(f"{_HEADER}accept", "")
                    made = self._invoke(self._invocation(request, place, name, accept, STREAM_SECONDS))
                    return _streamed(made)
            accept = request.headers.get("accept", "")
            made = self._invoke(self._invocation(request, place, name, accept, INVOKE_SECONDS))
        except Refused as refused:
            return _error(refused.status, refused.code, {"Message": refused.message})
        except ModelFailed as failed:
            # The service's model has this status for ModelError.
            return _error(424, "ModelError", failed.members)
        return HTTPStatus.OK, _headers(made) | {"Content-Type": made.content_type}, made.body

    def _invocation(
        self, request: HttpRequest, place: Place, name: str, accept: str, seconds: float
    ) -> EndpointInvocation:
        live = self._service.live_endpoint(place, name)
        if live is not None and live.asynchronous:
            # Not recorded; the developer guide requires InvokeEndpointAsync for an asynchronous endpoint.
            raise Refused(_VALIDATION, f"Endpoint {name} is asynchronous: use InvokeEndpointAsync.")
        return EndpointInvocation(
            place, name, request.headers, request.body, request.headers["content-type"], accept, seconds
        )

    def _invoke(self, invocation: EndpointInvocation) -> Prediction:
        live = self._service.live_endpoint(invocation.place, invocation.endpoint)
        if live is None:
            # aws/amazon-sagemaker-examples#293
            raise Refused(
                _VALIDATION, f"Endpoint {invocation.endpoint} of account {invocation.place.account} not found."
            )
        variant, deployment = self._chosen(invocation, live)
        containers = deployment.containers.get(variant, ()) if deployment else ()
        servers = deployment.servers.get(variant, []) if deployment else []
        unserved = [one.image for one, server in zip(containers, servers, strict=False) if server is None]
        if unserved or not servers:
            image = unserved[0] if unserved else "its containers"
            raise Refused(
                _VALIDATION,
                f"Nothing on this machine serves {image} of endpoint {invocation.endpoint}. Start a server that "
                "answers GET /ping and POST /invocations, and the cloud with: cfnbox up --serve "
                f"'{image if unserved else 'IMAGE'}=http://127.0.0.1:8080'",
            )
        return self._through(invocation, variant, [one for one in servers if one is not None])

    def _chosen(self, invocation: EndpointInvocation, live: Live) -> tuple[str, HostedServers | None]:
        """Return the variant that an invocation is routed to, and its servers."""
        place, endpoint = invocation.place, invocation.endpoint
        component = invocation.header("inference-component")
        if live.has_components:
            if not component:
                # The message is in public reports.
                raise Refused(
                    _VALIDATION,
                    "Inference Component Name header is required for endpoints to which you plan to deploy inference "
                    "components. Please include Inference Component Name header or consider using SageMaker models.",
                )
            variant = self._service.variant_of_component(place, component, endpoint)
            if variant is None:
                # Not recorded.
                raise Refused(_VALIDATION, f"Inference component {component} of endpoint {endpoint} not found.")
            return variant, self._hosting.deployment(place, f"inference-component/{component}")
        if component:
            # Not recorded.
            raise Refused(_VALIDATION, f"Endpoint {endpoint} has no inference components.")
        if target := invocation.header("target-variant"):
            if target not in live.weights:
                # Not recorded.
                raise Refused(_VALIDATION, f"Endpoint {endpoint} has no variant {target}.")
            variant = target
        else:
            variant = self._next_variant(place, endpoint, live.weights)
        return variant, self._hosting.deployment(place, f"endpoint/{endpoint}")

    def _next_variant(self, place: Place, endpoint: str, weights: Mapping[str, float]) -> str:
        """Return the variant whose share of the invocations is furthest below its weight."""
        total = sum(weights.values())
        if not total:
            # Not recorded; API reference, DesiredWeightAndCapacity: a variant of weight 0 takes no traffic.
            raise Refused(_VALIDATION, f"Endpoint {endpoint} has no variant with a weight above 0.")
        with self._lock:
            turns = self._turns.setdefault((place, endpoint), {})
            for name, weight in weights.items():
                turns[name] = turns.get(name, 0.0) + weight
            chosen = max((name for name in weights if weights[name]), key=lambda name: turns[name])
            turns[chosen] -= total
        return chosen

    def _through(
        self, invocation: EndpointInvocation, variant: str, servers: Sequence[ContainerServer]
    ) -> Prediction:
        """Send an invocation to a container, or through the containers of a pipeline in order."""
        hostname = invocation.header("target-container-hostname")
        if servers[0].container.is_direct:
            servers = [one for one in servers if one.container.name == hostname]
            if not servers:
                # Not recorded; API reference, InvokeEndpoint$TargetContainerHostname.
                raise Refused(
                    _VALIDATION,
                    "TargetContainerHostname must name a container of the endpoint, which invokes directly.",
                )
        elif hostname:
            # Not recorded.
            raise Refused(_VALIDATION, f"Endpoint {invocation.endpoint} does not invoke its containers directly.")
        is_multi_model = any(one.container.is_multi_model for one in servers)
        if bool(invocation.header("target-model")) != is_multi_model:
            # aws/amazon-sagemaker-examples#1026; the opposite case is not recorded.
            raise Refused(
                _VALIDATION,
                f"Endpoint {invocation.endpoint} is a multi-model endpoint and needs the target model header."
                if is_multi_model
                else f"Endpoint {invocation.endpoint} is not a multi-model endpoint and does not support target "
                "model header.",
            )
        answered: dict[str, str] = {}
        body, content_type = invocation.body, invocation.content_type
        for server in servers:
            answered, body = self._sent(invocation, server, body, content_type)
            content_type = answered.get("content-type", "")
        kept = {name: answered[_HEADER + name] for name in _FROM_CONTAINER if _HEADER + name in answered}
        return Prediction(body, content_type, variant, kept)

    def _sent(
        self, invocation: EndpointInvocation, server: ContainerServer, body: bytes, content_type: str
    ) -> tuple[dict[str, str], bytes]:
        headers = {_HEADER + name: value for name in _TO_CONTAINER if (value := invocation.header(name))}
        headers |= {"Content-Type": content_type or "application/octet-stream", "Accept": invocation.accept or "*/*"}
        path = "/invocations"
        name = server.container.name
        if server.container.is_multi_model:
            path = f"/models/{quote(self._loaded(invocation, server), safe='')}/invoke"
        try:
            status, answered, content = self._hosting.send(server, "POST", path, headers, body, invocation.seconds)
        except urllib3.exceptions.TimeoutError:
            # Quoted by users of SageMaker, with status 0.
            raise self._failure(
                invocation, name, 0,
                f"Your invocation timed out while waiting for a response from container {name}. Review the latency "
                "metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
            ) from None  # fmt: skip
        except urllib3.exceptions.HTTPError as problem:
            # Not recorded.
            text = f"The server at {server.url} does not answer ({type(problem).__name__})."
            raise self._failure(invocation, name, 0, text) from None
        if status >= HTTPStatus.BAD_REQUEST:
            raise self._failure(invocation, name, status, content.decode("utf-8", "replace"))
        if len(content) > MOST_BYTES:
            # Not recorded; the quota is documented.
            raise self._failure(invocation, name, status, f"The answer is larger than {MOST_BYTES} bytes.")
        return {key.lower(): value for key, value in answered.items()}, content

    def _failure(self, invocation: EndpointInvocation, container: str, status: int, message: str) -> ModelFailed:
        place, endpoint = invocation.place, invocation.endpoint
        kind = "client" if HTTPStatus.BAD_REQUEST <= status < _SERVER_ERROR else "server"
        group = f"/aws/sagemaker/Endpoints/{endpoint}"
        # aws/amazon-sagemaker-examples#1881, with the container name of later reports.
        text = (
            f'Received {kind} error ({status}) from {container} with message "{message}". See '
            f"https://{place.region}.console.aws.amazon.com/cloudwatch/home?region={place.region}"
            f"#logEventViewer:group={group} in account {place.account} for more information."
        )
        return ModelFailed(
            {
                "Message": text,
                "OriginalMessage": message,
                "OriginalStatusCode": status,
                "LogStreamArn": f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:{group}",
            }
        )

    def _loaded(self, invocation: EndpointInvocation, server: ContainerServer) -> str:
        """Load a target model into its container, if necessary, and return its name there."""
        target = invocation.header("target-model")
        with self._lock:
            if target in server.loaded_models:
                return target
            folder = self._hosting.folder()
            url = f"{server.container.artifacts.rstrip('/')}/{target.lstrip('/')}"
            try:
                self._hosting.unpack(invocation.place, url, folder)
            except NoServer as problem:
                raise Refused(_VALIDATION, str(problem)) from None
            # Developer guide, "Build Your Own Container for SageMaker AI Multi-Model Endpoints".
            body = json.dumps({"model_name": target, "url": str(folder)}).encode()
            status, _, content = self._hosting.send(
                server, "POST", "/models", {"Content-Type": "application/json"}, body, INVOKE_SECONDS
            )
            # 409: the model is loaded already.
            if status not in (HTTPStatus.OK, HTTPStatus.CONFLICT):
                text = content.decode("utf-8", "replace")
                raise self._failure(invocation, server.container.name, status, text)
            server.loaded_models.add(target)
        return target

    def _asynchronous(self, request: HttpRequest, place: Place, name: str) -> Answer:
        live = self._service.live_endpoint(place, name)
        if live is None:
            raise Refused(_VALIDATION, f"Endpoint {name} of account {place.account} not found.")
        if not live.asynchronous:
            # Not recorded.
            raise Refused(_VALIDATION, f"Endpoint {name} has no AsyncInferenceConfig: use InvokeEndpoint.")
        location = request.headers.get(f"{_HEADER}inputlocation", "")
        if not location.startswith("s3://"):
            # Not recorded; API reference, InvokeEndpointAsync$InputLocation.
            raise Refused(_VALIDATION, "InputLocation must be the S3 URI of the request.")
        seconds = float(request.headers.get(f"{_HEADER}invocationtimeoutseconds") or ASYNC_SECONDS)
        inference_id = request.headers.get(f"{_HEADER}inference-id") or str(uuid.uuid4())
        invocation = EndpointInvocation(
            place, name, request.headers, b"", request.headers.get(f"{_HEADER}content-type", ""),
            request.headers.get(f"{_HEADER}accept", ""), seconds,
        )  # fmt: skip
        output = live.asynchronous["OutputConfig"]
        identifier = str(uuid.uuid4())
        target = f"{output['S3OutputPath'].rstrip('/')}/{identifier}.out" if "S3OutputPath" in output else ""
        failed = f"{output['S3FailurePath'].rstrip('/')}/{identifier}-error.out" if "S3FailurePath" in output else ""
        request_ = _AsyncRequest(invocation, location, target, failed, inference_id, output)
        threading.Thread(target=self._run, args=(request_,), name=f"invocation of {name}", daemon=True).start()
        headers = {
            "Content-Type": "application/json",
            **({"X-Amzn-SageMaker-OutputLocation": target} if target else {}),
            **({"X-Amzn-SageMaker-FailureLocation": failed} if failed else {}),
        }
        return HTTPStatus.ACCEPTED, headers, json.dumps({"InferenceId": inference_id}).encode()

    def _run(self, request: _AsyncRequest) -> None:
        """Run an asynchronous invocation: input and output in the cloud's S3, and a notification by SNS."""
        try:
            request.carry_out(self._invoke, self._hosting)
        except Exception as problem:  # the thread has no caller
            internal_error("asynchronous inference", problem)


@dataclass(frozen=True)
class _AsyncRequest:
    invocation: EndpointInvocation
    input_location: str
    output_location: str
    failure_location: str
    inference_id: str
    output_config: Json
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    def carry_out(self, invoke: Any, hosting: Hosting) -> None:
        if hosting.clients is None:
            return
        place = self.invocation.place
        s3 = hosting.clients("s3", place)
        topics = self.output_config.get("NotificationConfig", {})
        try:
            body = s3.get_object(**_object(self.input_location))["Body"].read()
            made = invoke(_with_body(self.invocation, body))
            if self.output_location:
                s3.put_object(**_object(self.output_location), Body=made.body, ContentType=made.content_type)
        except (ModelFailed, Refused, s3.exceptions.ClientError) as problem:
            reason = problem.message if isinstance(problem, Refused) else str(problem)
            if self.failure_location:
                s3.put_object(**_object(self.failure_location), Body=reason.encode(), ContentType="text/plain")
            topic: str | None = topics.get("ErrorTopic")
            outcome: Json = {"invocationStatus": "Failed", "failureReason": reason}
        else:
            response = {"contentType": made.content_type, "outputLocation": self.output_location}
            topic, outcome = topics.get("SuccessTopic"), _completed(response)
        if topic:
            hosting.clients("sns", place).publish(TopicArn=topic, Message=json.dumps(self._message(outcome)))

    def _message(self, outcome: Json) -> Json:
        # Developer guide, "Asynchronous inference", "Check prediction results".
        parameters = {"contentType": self.invocation.content_type, "endpointName": self.invocation.endpoint,
                      "inputLocation": self.input_location}  # fmt: skip
        return {
            "awsRegion": self.invocation.place.region,
            "eventTime": _time(datetime.now(UTC)),
            "receivedTime": _time(self.received),
            "requestParameters": parameters,
            **outcome,
            "inferenceId": self.inference_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }


def _completed(response: Json) -> Json:
    return {"invocationStatus": "Completed", "responseParameters": response}


def _with_body(invocation: EndpointInvocation, body: bytes) -> EndpointInvocation:
    return EndpointInvocation(
        invocation.place, invocation.endpoint, invocation.headers, body, invocation.content_type, invocation.accept,
        invocation.seconds,
    )  # fmt: skip


def _object(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _headers(made: Prediction) -> dict[str, str]:
    own = {f"X-Amzn-SageMaker-{name.title()}": value for name, value in made.headers.items()}
    variant = {"x-Amzn-Invoked-Production-Variant": made.variant} if made.variant else {}
    return {"x-amzn-RequestId": str(uuid.uuid4()), **variant, **own}


def _streamed(made: Prediction) -> Answer:
    """Return a prediction as the complete event stream of InvokeEndpointWithResponseStream."""
    headers = _headers(made) | {
        "Content-Type": "application/vnd.amazon.eventstream",
        "X-Amzn-SageMaker-Content-Type": made.content_type,
    }
    # API reference, PayloadPart: parts are at most 1 MB.
    size = 1 << 20
    parts = [made.body[start : start + size] for start in range(0, len(made.body), size)]
    return HTTPStatus.OK, headers, b"".join(map(_event, parts))


def _event(payload: bytes) -> bytes:
    """Return a message of `application/vnd.amazon.eventstream` with a PayloadPart (Smithy, "Amazon Event Stream")."""
    named = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _error(status: int, code: str, members: Json) -> Answer:
    headers = {
        "Content-Type": "application/json",
        "x-amzn-ErrorType": code,
        "x-amzn-RequestId": str(uuid.uuid4()),
    }
    return status, headers, json.dumps(members).encode()
