"""The signature of a request: who sent it, and the service and region that it is for. Nothing is verified."""

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
    """What the scope of a signature says; an unsigned request has no access key and no service."""

    access_key: str = ""
    region: str = DEFAULT_REGION
    service: str = ""

    @property
    def names_account(self) -> bool:
        """Whether the access key is an account: twelve digits, as moto and ministack read it too."""
        return _ACCOUNT.fullmatch(self.access_key) is not None

    @property
    def place(self) -> Place:
        """The account and region that the request acts in."""
        return Place(self.region, self.access_key if self.names_account else DEFAULT_ACCOUNT)


UNSIGNED = Signature()


def signature_of(authorization: str, query: str = "") -> Signature:
    """Return the signature in a header `Authorization`, or in the query of a presigned URL; else UNSIGNED."""
    scope = _IN_HEADER.match(authorization)
    if scope is None and _IN_QUERY in query:
        scope = _IN_PARAMETER.fullmatch(urllib.parse.parse_qs(query).get(_IN_QUERY, [""])[0])
    return Signature(**scope.groupdict(DEFAULT_REGION)) if scope else UNSIGNED


def is_incomplete(authorization: str) -> bool:
    """Whether a header `Authorization` has a scope that cannot be read, or more than one.

    Another engine that reads the header in its own way could take the request for another service's.
    """
    scopes = max(authorization.count("Credential="), authorization.count("aws4_request"))
    return scopes > (1 if _IN_HEADER.match(authorization) else 0)
