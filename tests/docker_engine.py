"""A Docker engine that is there, has a bridge on loopback, and runs nothing."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from cfnbox.aws.http import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWERS = {
    "/_ping": "OK",
    "/version": {"ApiVersion": "1.47"},
    "/networks/bridge": {"Id": "bridge", "IPAM": {"Config": [{"Gateway": "127.0.0.1"}]}},
}


@contextmanager
def docker_engine() -> Iterator[str]:
    """What DOCKER_HOST is to be for it."""

    @Request.application
    def answer(request: Request) -> Response:
        found = next((one for path, one in _ANSWERS.items() if request.path.endswith(path)), {})
        return Response(found if isinstance(found, str) else json.dumps(found), mimetype="application/json")

    server = HttpServer(answer)
    try:
        yield server.url.replace("http://", "tcp://")
    finally:
        server.close()
