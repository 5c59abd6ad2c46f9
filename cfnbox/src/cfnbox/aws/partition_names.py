"""Translates ARNs to and from the partition of a region, for a service that always writes `arn:aws:`.

ARNs in requests are translated to the partition `aws`, and ARNs in answers to the partition of the request's
region: China, GovCloud and the isolated regions. Users' stored data is not changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cfnbox.core.regions import partition_of

if TYPE_CHECKING:
    from cfnbox.aws.http import Answer, HttpRequest

_DEFAULT = "aws"
# The separators in plain text, and in URL-encoded forms and paths.
_SEPARATORS = (":", "%3A", "%3a")
# Operations on users' data, which contains no ARN that the service created.
_DATA = re.compile(
    r"\.(SendMessage(Batch)?|ReceiveMessage|(Batch)?(Get|Put|Update|Delete|Write)Item|Transact\w+|Query|Scan"
    r"|PutRecords?|GetRecords|PutLogEvents|(Get|Filter)LogEvents)$"
)
_DATA_PATH = re.compile(r"/invocations$|/response-streaming-invocations$")
# S3 creates no ARNs, and its bodies are objects: but for the configurations of a bucket that name other resources.
_DATA_SERVICES = ("s3", "s3express")
_BUCKET_CONFIGURATION = re.compile(r"(^|&)(notification|replication)(=|&|$)")
# The checksum does not match a changed answer, and these do not match a changed request.
_CHECKSUM = "x-amz-crc32"
_REQUEST_CHECKSUM = re.compile(r"^(content-md5$|x-amz-checksum-|x-amz-sdk-checksum-)")


@dataclass(frozen=True)
class PartitionNames:
    """Translates requests to a service, and its answers, between the partition `aws` and another partition."""

    partition: str

    @classmethod
    def of(cls, region: str) -> PartitionNames:
        """Return the translation for requests to a region."""
        return cls(partition_of(region).name)

    def request(self, request: HttpRequest) -> HttpRequest:
        """Return a request with every ARN in the partition `aws`."""
        if not self._applies_to(request):
            return request
        uri = request.environ.get("REQUEST_URI")
        environ = request.environ if uri is None else {**request.environ, "REQUEST_URI": self._to_aws(str(uri))}
        body, headers = self.to_aws(request.body), request.headers
        if body != request.body:
            headers = {name: value for name, value in headers.items() if not _REQUEST_CHECKSUM.match(name.lower())}
        path, query = self._to_aws(request.path), self._to_aws(request.query)
        return replace(request, path=path, query=query, headers=headers, body=body, environ=environ)

    def answer(self, request: HttpRequest, answer: Answer) -> Answer:
        """Return an answer to that request with every ARN in the partition of its region."""
        if not self._applies_to(request):
            return answer
        status, headers, content = answer
        kept = {name: value for name, value in headers.items() if name.lower() != _CHECKSUM}
        return status, kept, self.from_aws(content)

    def to_aws(self, content: bytes) -> bytes:
        """Return text or a form with every ARN in the partition `aws`."""
        return self._replaced(content, self.partition, _DEFAULT)

    def from_aws(self, content: bytes) -> bytes:
        """Return text with every ARN in this partition."""
        return self._replaced(content, _DEFAULT, self.partition)

    def _to_aws(self, text: str) -> str:
        return self.to_aws(text.encode("latin-1")).decode("latin-1")

    def _replaced(self, content: bytes, before: str, after: str) -> bytes:
        if before != after:
            for separator in _SEPARATORS:
                old, new = (f"arn{separator}{name}{separator}".encode() for name in (before, after))
                content = content.replace(old, new)
        return content

    def _applies_to(self, request: HttpRequest) -> bool:
        return (
            self.partition != _DEFAULT
            and not _is_of_objects(request)
            and not request.headers.get("content-encoding")
            and not _DATA.search(request.headers.get("x-amz-target", ""))
            and not _DATA_PATH.search(request.path)
        )


def _is_of_objects(request: HttpRequest) -> bool:
    return request.signature.service in _DATA_SERVICES and not _BUCKET_CONFIGURATION.search(request.query)
