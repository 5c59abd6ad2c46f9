"""One request: which service it is for. Who composes the services is `composition`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.aws.http import Answer, Request, send
from cfnbox.aws.wire import error_answer
from cfnbox.core.errors import Refused
from cfnbox.core.regions import require_region

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Serve = Callable[[Request], Answer]
# botocore's signing names of protocol rest-xml.
_REST_XML_SERVICES = ("s3", "s3express", "route53", "cloudfront")
_TARGETS = {"SageMaker": "sagemaker"}


@dataclass(frozen=True)
class Routes:
    """Who answers a request: by its path, else by the signing name of its service, else `others`.

    A path that ends with a slash stands for everything below it. The first path that fits decides.
    """

    paths: Mapping[str, Serve]
    services: Mapping[str, Serve]
    others: Serve

    def find(self, request: Request) -> Serve:
        """Return what answers the request."""
        for path, serve in self.paths.items():
            if request.path == path or (path.endswith("/") and request.path.startswith(path)):
                return serve
        return self.services.get(_service_of(request), self.others)


class Router:
    """The WSGI application behind the one address: each request goes to the service that it is for."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return send(start_response, self._answer(Request.of(environ)))

    def _answer(self, request: Request) -> Answer:
        speaks_xml = request.is_form or request.signature.service in _REST_XML_SERVICES
        try:
            require_region(request.signature.region, json=not speaks_xml)
        except Refused as refused:
            return error_answer(refused, "query" if speaks_xml else "json", str(uuid.uuid4()))
        return self._routes.find(request)(request)


def _service_of(request: Request) -> str:
    """Return the signing name of the service that a request is for; an unsigned request may name it as its target."""
    return request.signature.service or _TARGETS.get(request.headers.get("x-amz-target", "").partition(".")[0], "")
