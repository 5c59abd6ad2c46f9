"""The running cloud that a command talks to."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from cfnbox import stack_client
from cfnbox.aws import clients
from cfnbox.cli import inputs, output
from cfnbox.core.errors import LocalFailure

if TYPE_CHECKING:
    from argparse import Namespace

    from cfnbox.core.paths import Json

_SECONDS = 5


class NoCloud(LocalFailure):
    """The command needs a running cloud, and no cloud answers. The message says how to start a cloud."""


def endpoint(arguments: Namespace) -> str | None:
    """Return the URL of the named cloud, else of the cloud on the default port. Return None if no cloud runs."""
    named = arguments.endpoint or os.environ.get("AWS_ENDPOINT_URL")
    url = clients.require_loopback(named or f"http://127.0.0.1:{stack_client.DEFAULT_PORT}").rstrip("/")
    try:
        about(url)
    except (urllib.error.URLError, ValueError, OSError):
        if named:
            raise NoCloud(f"No local cloud answers at {url}. Start one: cfnbox up") from None
        return None
    return url


def require_endpoint(arguments: Namespace) -> str:
    """Return the address of the running cloud. Raise NoCloud."""
    url = endpoint(arguments)
    if url is None:
        raise NoCloud(f"No local cloud runs on port {stack_client.DEFAULT_PORT}. Start one: cfnbox up")
    return url


def about(url: str) -> Json:
    """Return a cloud's description of itself. Raise OSError or ValueError if no cloud answers at the URL."""
    with urllib.request.urlopen(url + stack_client.ABOUT_PATH, timeout=_SECONDS) as answer:  # noqa: S310 - loopback
        told: Json = json.load(answer)
    return told


def cloudformation(arguments: Namespace) -> Any:
    """Print the address of the running cloud, and return a client of it. Raise NoCloud."""
    url = require_endpoint(arguments)
    say_where(url, arguments)
    return clients.client("cloudformation", url, inputs.region(arguments))


def say_where(url: str, arguments: Namespace) -> None:
    """Print a remark with the cloud and the region of a command."""
    output.remark(f"In the cloud at {url}, region {escape(inputs.region(arguments))}")
