"""boto3 clients for a cloud on this machine."""

from __future__ import annotations

import functools
import ipaddress
import urllib.parse
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from cfnbox.core.errors import LocalFailure
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION
from cfnbox.core.profiles import session

if TYPE_CHECKING:
    import boto3

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class NotLoopback(LocalFailure):
    """The endpoint is not on this machine; the message names it."""


def require_loopback(url: str) -> str:
    """Return the URL if it is on this machine, else raise NotLoopback: a real account must never be reached."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise NotLoopback(f"{url} is not an address of this machine; give --endpoint http://127.0.0.1:PORT.")
    return url


def client(service: str, url: str, region: str = DEFAULT_REGION, account: str = DEFAULT_ACCOUNT) -> Any:
    """Return a client for the cloud at a loopback URL, with credentials that are invalid in every real account.

    An access key of twelve digits names the account.
    """
    # boto3's type hints accept only a literal as the service.
    make: Any = _session().client
    return make(
        service,
        endpoint_url=require_loopback(url),
        region_name=region,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"] if account == DEFAULT_ACCOUNT else account,
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        # No proxy stands between this process and its own machine.
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


@functools.cache
def _session() -> boto3.Session:
    return session()
