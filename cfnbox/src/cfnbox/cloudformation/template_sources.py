"""What templates read from the services of the same cloud: documents in S3, SSM parameters and secrets."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cfnbox.aws import clients
from cfnbox.core.errors import Invalid, Refused
from cfnbox.template.transforms import BucketNotFound

if TYPE_CHECKING:
    from cfnbox.core.place import Place
    from cfnbox.template.dynamic import DynamicReferences

_MOST_TEMPLATE_BYTES = 1 << 20
# Lambda's limit of an unzipped package: no zip of a package is larger.
_MOST_BYTES = 250 << 20
# Both styles of an S3 URL, regional and old ones included (S3 user guide, "Methods for accessing a bucket").
_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3[.-](?:[a-z0-9.-]+\.)?amazonaws\.com(?:\.cn)?|(?P<old>.+)\.s3\.amazonaws\.com"
)


@dataclass(frozen=True)
class TemplateSources:
    """Reads from the services at the cloud's own address."""

    url: str

    def template(self, url: str, place: Place) -> str:
        """Return the text at an S3 URL of any style, or at an address of this cloud. Raise Refused without one."""
        if (parts := urllib.parse.urlsplit(url)).scheme == "s3":
            # Recorded.
            raise Invalid(f"S3 error: Domain name specified in {parts.netloc} is not a valid S3 domain")
        content = self.content(url, place, _MOST_TEMPLATE_BYTES)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise Invalid(f"The template at {url} is not UTF-8 text.") from None

    def content(self, url: str, place: Place, most_bytes: int = _MOST_BYTES) -> bytes:
        """Return the bytes of an object in S3. Raise Refused without one, and for more than `most_bytes`."""
        bucket, key = self._object(url)
        try:
            return self._read(bucket, key, place, most_bytes)
        except (ClientError, BotoCoreError):
            text = f"S3 error: {url} cannot be read, because there is no object {key} in a bucket {bucket}."
            raise Invalid(text) from None

    def _read(self, bucket: str, key: str, place: Place, most_bytes: int) -> bytes:
        answer = clients.client("s3", self.url, place.region).get_object(Bucket=bucket, Key=key)
        content: bytes = answer["Body"].read(most_bytes + 1)
        if len(content) > most_bytes:
            raise Invalid(f"The object s3://{bucket}/{key} is larger than {most_bytes} bytes.")
        return content

    def included(self, bucket: str, key: str, place: Place) -> bytes | None:
        """Return the bytes of an object for AWS::Include, or None if it does not exist. Raise BucketNotFound."""
        try:
            return self._read(bucket, key, place, _MOST_TEMPLATE_BYTES)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchBucket":
                raise BucketNotFound from None
            return None
        except (BotoCoreError, Refused):
            return None

    def _object(self, url: str) -> tuple[str, str]:
        parts = urllib.parse.urlsplit(url)
        host, path = parts.hostname or "", urllib.parse.unquote(parts.path.lstrip("/"))
        if parts.scheme == "s3":
            return parts.netloc, path
        matched = _HOST.fullmatch(host)
        if matched and (matched["bucket"] or matched["old"]):
            return matched["bucket"] or matched["old"], path
        own = urllib.parse.urlsplit(self.url)
        bucket, _, key = path.partition("/")
        if (matched or (host, parts.port) == (own.hostname, own.port)) and key:
            return bucket, key
        raise Invalid("TemplateURL must be a supported URL.")

    def references(self, place: Place) -> DynamicReferences:
        """Return the SSM parameters and secrets of an account and region."""
        return _References(self.url, place)


@dataclass(frozen=True)
class _References:
    url: str
    place: Place

    def parameter(self, name: str) -> str | None:
        """See cfnbox.template.dynamic.DynamicReferences."""
        return self._read("ssm", "get_parameter", ("Parameter", "Value"), Name=name, WithDecryption=True)

    def secret(self, secret_id: str, stage: str | None, version_id: str | None) -> str | None:
        """See cfnbox.template.dynamic.DynamicReferences."""
        version = {"VersionStage": stage, "VersionId": version_id}
        named = {key: value for key, value in version.items() if value}
        return self._read("secretsmanager", "get_secret_value", ("SecretString",), SecretId=secret_id, **named)

    def _read(self, service: str, operation: str, path: tuple[str, ...], **request: Any) -> str | None:
        try:
            value = getattr(clients.client(service, self.url, self.place.region), operation)(**request)
        except (ClientError, BotoCoreError):
            return None
        for member in path:
            value = value.get(member, {})
        return str(value) if value else None
