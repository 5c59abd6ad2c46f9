"""Admission of requests to a server on this machine: programs, and web pages of origins that the user allows.

A browser sends some requests of any web page without a CORS preflight: forms, text/plain, images. A page may also
make its own host name resolve to this machine (DNS rebinding). The browser names the source of a request in `Origin`,
`Sec-Fetch-Site` (Fetch Metadata Request Headers, W3C) and `Referer`, and its target in `Host`. A page cannot forge
these headers. SDKs and command-line programs send only `Host`.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Sec-Fetch-Site of a request that no other site caused.
_OWN_SITES = ("none", "same-origin")
_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]*)?")
_ORIGIN = re.compile(r"null|https?://[^/\s,]+", re.IGNORECASE)
# The methods that a page of an allowed origin may use, as a preflight answer lists them (CORS, Fetch standard).
_ANY_METHOD = "GET, HEAD, POST, PUT, PATCH, DELETE"


@dataclass(frozen=True)
class Admission:
    """Admits requests to this machine's names and to `hosts`, from programs, own pages and pages of `origins`.

    `origins` are as a browser spells them, such as http://localhost:3000; `hosts` are names without a port.
    """

    origins: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, origins: tuple[str, ...] = (), hosts: tuple[str, ...] = ()) -> Admission:
        """Return the admission for these origins and hosts. Raise ValueError with the invalid origin or host."""
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is not an origin: give scheme, host and port, as http://localhost:3000.")
        for host in hosts:
            if not host or host_name(host) != host.lower():
                raise ValueError(f"{host} is not a host name: give it without scheme and port, as cloud.example.")
        return cls(frozenset(origin.lower() for origin in origins), frozenset(host.lower() for host in hosts))

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """Return why a request with these headers (names in lower case) is refused; None when it is not."""
        host = headers.get("host", "")
        if host and not self._is_known(host):
            return (
                f"{shown(host)} is not a name of this machine. To reach the local cloud by that name, start it with "
                f"--allow-host {shown(host_name(host))}."
            )
        is_foreign = headers.get("sec-fetch-site", "none").lower() not in _OWN_SITES
        # Images and links have no Origin, and older browsers send no Sec-Fetch-Site: Referer then names the page.
        source = headers.get("origin", "") or _origin_of(headers.get("referer", ""))
        if source.lower() in self.origins or not (is_foreign or (source and not _is_own(source, host))):
            return None
        if not source:
            return "A web page of another site caused this request, and the local cloud refuses such requests."
        return (
            f"A web page of {shown(source)} caused this request. To allow its pages everything that the local cloud "
            f"can do, code on this machine included, start it with --allow-origin {shown(source)}."
        )

    def allowed_origin(self, headers: Mapping[str, str]) -> str | None:
        """Return the origin of a request that comes from a page of `origins`."""
        origin = headers.get("origin", "")
        return origin if origin.lower() in self.origins else None

    def allows_own_pages(self, host: str) -> bool:
        """Return whether pages that the server itself serves may send it requests."""
        return f"http://{host.lower()}" in self.origins

    def _is_known(self, host: str) -> bool:
        name = host_name(host)
        return name in self.hosts or is_loopback(name)


def cors_headers(origin: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the CORS headers that let a page of an allowed origin send this request and read its answer."""
    allowed = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "*", "Vary": "Origin"}
    if "access-control-request-method" in headers:
        allowed["Access-Control-Allow-Methods"] = _ANY_METHOD
        allowed["Access-Control-Allow-Headers"] = headers.get("access-control-request-headers", "*")
    return allowed


@lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Return whether a host name is this machine: localhost, a name below it (RFC 6761), or a loopback address."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=256)
def host_name(host: str) -> str:
    """Return the name in a `Host` header, in lower case and without its port; "" if it has no name."""
    match = _HOST.fullmatch(host.lower())
    return (match["address"] or match["name"]).removesuffix(".") if match else ""


def shown(text: str) -> str:
    """Return untrusted text in a printable form: short, and without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text[:200])


def _origin_of(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _is_own(origin: str, host: str) -> bool:
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
