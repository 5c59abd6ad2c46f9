"""The application of moto's server, as the child process of `moto` serves it: its failures become answers."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import run_wsgi_app

from cfnbox.core.unexpected import traceback_without_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_MOTO = DomainDispatcherApplication(create_backend_app)
# The path of moto's own reset (moto's documentation, "Server mode").
RESET_PATH = "/moto-api/reset"
# A header of the answers that moto did not give.
FAILURE_HEADER = "X-Moto-Failure"


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer as moto does: 501 for what it does not implement, 500 where it fails, whose traceback is in the log."""
    try:
        content, status, headers = run_wsgi_app(_MOTO, environ, buffered=True)
    except NotImplementedError:
        return _failed(start_response, HTTPStatus.NOT_IMPLEMENTED)
    except Exception as problem:
        print(traceback_without_values(problem), file=sys.stderr)
        return _failed(start_response, HTTPStatus.INTERNAL_SERVER_ERROR)
    start_response(status, list(headers))
    return [b"".join(content)]


def _failed(start_response: StartResponse, status: HTTPStatus) -> list[bytes]:
    start_response(f"{status.value} {status.phrase}", [(FAILURE_HEADER, status.phrase), ("Content-Length", "0")])
    # The server sends the head of an answer with the first part of its body.
    return [b""]
