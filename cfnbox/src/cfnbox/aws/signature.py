"""The signature of a request: its access key, service and region. Nothing is verified."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION, Place

# The scope of a credential: ACCESS_KEY/DATE/REGION/SERVICE/aws4_request in Signature Version 4; 4A has no region.
_SCOPE = (
    r"(?P<access_key>[^/,=\s]+)/[^/,\s]+/(?:(?P<region>[^/,\s]+)/)?(?P<service>[a-z0-9-]+)/aws4_request(?=[,\s]|$)"
)
_IN_HEADER, _IN_PARAMETER = re.compile(rf"\s*AWS4-\S+\s+Credential={_SCOPE}"), re.compile(_SCOPE)
_ACCOUNT = re.compile(r"[0-9]{12}")
_IN_QUERY = "X-Amz-Credential"


@dataclass(frozen=True)
class Signature:
    """The credential scope of a signature. An unsigned request has no access key and no service."""

    access_key: str = ""
    region: str = DEFAULT_REGION
    service: str = ""

    @property
    def names_account(self) -> bool:
        """Whether the access key is an account id: twelve digits, as in moto and ministack."""
        return _ACCOUNT.fullmatch(self.access_key) is not None

    @property
    def place(self) -> Place:
        """The account and region of the request."""
        return Place(self.region, self.access_key if self.names_account else DEFAULT_ACCOUNT)


UNSIGNED = Signature()


def signature_of(authorization: str, query: str = "") -> Signature:
    """Return the signature in the `Authorization` header, or in the query of a presigned URL; else UNSIGNED."""
    scope = _IN_HEADER.match(authorization)
    if scope is None and _IN_QUERY in query:
        scope = _IN_PARAMETER.fullmatch(urllib.parse.parse_qs(query).get(_IN_QUERY, [""])[0])
    return Signature(**scope.groupdict(DEFAULT_REGION)) if scope else UNSIGNED


def is_incomplete(authorization: str) -> bool:
    """Return whether the `Authorization` header has an unreadable scope, or more than one scope.

    Another engine parses the header in its own way, and could route the request to another service.
    """
    scopes = max(authorization.count("Credential="), authorization.count("aws4_request"))
    return scopes > (1 if _IN_HEADER.match(authorization) else 0)
