"""A package into CloudFormation's registry in one region, once: what is uploaded, registered and remembered.

The registry does not say which package a version was made from. So a record beside the package in the bucket holds,
for each account, region and registration request, the idempotency key of the request and the version it became.
The record is written before the request: a run that was cut off is taken up by the next one, and two runs at a time
make one version. What the service promises for that is RegisterType's ClientRequestToken ("prevents CloudFormation
from generating more than one version of an extension from the same registration request").
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from tools.type_name import file_name

if TYPE_CHECKING:
    from pathlib import Path

Connect = Callable[[str, str], Any]
# A registration takes some minutes; CloudFormation names no limit.
WAIT_SECONDS = 1800
# What the tool does in the bucket; s3:ListBucket lets S3 say that an object does not exist.
BUCKET_PERMISSIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket")
_SCHEMA = "schema.json"


class BadPackage(Exception):
    """The file is not a package for the registry; the message says why and what to do."""


class RegistrationFailed(Exception):
    """The package is not registered. The text is the reason that CloudFormation gives, or what to do next."""


class StoredObject(Enum):
    """What lies in the bucket under the key of a package."""

    NOTHING = auto()
    THE_PACKAGE = auto()
    SOMETHING_ELSE = auto()


@dataclass(frozen=True)
class Package:
    """A package as `cfn submit` and `python -m tools.package` make it: its type's name and its SHA-256 in hex."""

    path: Path
    type_name: str
    digest: str

    @classmethod
    def load(cls, path: Path) -> Package:
        """Read a package. Raises BadPackage."""
        try:
            with zipfile.ZipFile(path) as archive:
                schema = json.loads(archive.read(_SCHEMA))
            return cls(path, str(schema["typeName"]), hashlib.sha256(path.read_bytes()).hexdigest())
        except FileNotFoundError:
            raise BadPackage(f"{path} is not there. Make it: make package TYPE_NAME=Acme::SageMaker::Model") from None
        except (OSError, zipfile.BadZipFile) as error:
            raise BadPackage(f"{path} cannot be read as a zip file: {error}") from None
        except (KeyError, TypeError, ValueError):
            raise BadPackage(f"{path} has no {_SCHEMA} with a typeName: make it with make package") from None

    @property
    def slug(self) -> str:
        """The type's name as part of an S3 key."""
        return file_name(self.type_name)

    @property
    def key(self) -> str:
        """The S3 key, which changes with every byte of the package."""
        return f"{self.slug}/{self.digest}.zip"

    @property
    def checksum(self) -> str:
        """The SHA-256 as S3 writes it."""
        return base64.b64encode(bytes.fromhex(self.digest)).decode()


@dataclass(frozen=True)
class Settings:
    """How to register: `bucket` may hold {region}; roles are ARNs; the log role comes with the log group."""

    bucket: str
    execution_role: str | None = None
    log_role: str | None = None
    log_group: str | None = None
    set_default: bool = False


class Registration:
    """One package in one region. `connect` makes a boto3 client of a service in a region.

    Methods raise ClientError and BotoCoreError as boto3 does, and RegistrationFailed for a bucket of another account.
    """

    def __init__(self, package: Package, settings: Settings, region: str, connect: Connect) -> None:
        self.package, self.settings, self.region, self._connect = package, settings, region, connect
        self.bucket = settings.bucket.replace("{region}", region)
        self._token = ""

    @cached_property
    def _s3(self) -> Any:
        return self._connect("s3", self.region)

    @cached_property
    def _account(self) -> str:
        """The account of the caller."""
        return str(self._connect("sts", self.region).get_caller_identity()["Account"])

    def _ask_bucket(self, operation: str, **request: Any) -> dict[str, Any]:
        """Call an operation of S3 on the caller's own bucket. Raises RegistrationFailed for another account's.

        The name of a bucket says nothing of its owner: after a deletion any account can take the name.
        """
        try:
            answer: dict[str, Any] = getattr(self._s3, operation)(
                Bucket=self.bucket, ExpectedBucketOwner=self._account, **request
            )
        except ClientError as error:
            # S3 answers a HEAD request without a body: its error has the status as its code.
            if error.response["Error"]["Code"] in ("AccessDenied", "403"):
                raise RegistrationFailed(
                    f"The bucket {self.bucket} is not a bucket of your account {self._account}, or you are not "
                    f"allowed to call {error.operation_name} on it: S3 answers both in the same way. Use a bucket of "
                    f"your account, and ask for {', '.join(BUCKET_PERMISSIONS)} on it."
                ) from None
            raise
        return answer

    @cached_property
    def _cloudformation(self) -> Any:
        return self._connect("cloudformation", self.region)

    @property
    def url(self) -> str:
        """Where the package is, or goes."""
        return f"s3://{self.bucket}/{self.package.key}"

    @property
    def request(self) -> dict[str, Any]:
        """The RegisterType request without its idempotency key."""
        request: dict[str, Any] = {
            "Type": "RESOURCE",
            "TypeName": self.package.type_name,
            "SchemaHandlerPackage": self.url,
        }
        if self.settings.execution_role:
            request["ExecutionRoleArn"] = self.settings.execution_role
        if self.settings.log_role and self.settings.log_group:
            request["LoggingConfig"] = {
                "LogRoleArn": self.settings.log_role,
                "LogGroupName": self.settings.log_group,
            }
        return request

    @cached_property
    def _record_key(self) -> str:
        request = hashlib.sha256(json.dumps(self.request, sort_keys=True).encode()).hexdigest()
        return f"{self.package.slug}/registered/{self._account}/{self.region}/{request}.json"

    def registered_version(self) -> str | None:
        """The ARN of the version that this very package became with these settings, if it is still in use."""
        arn = self._record().get("versionArn")
        return arn if arn and self._version(arn).get("DeprecatedStatus") == "LIVE" else None

    def is_default(self, arn: str) -> bool:
        """Say whether a version is the one that templates get."""
        return bool(self._version(arn).get("IsDefaultVersion"))

    def stored_object(self) -> StoredObject:
        """Return what is in the bucket under the package's key, by the checksum that S3 keeps of its content.

        Any person who can write to the bucket can put an object there. S3 has no SHA-256 of an object that came by
        another way than `upload`: such an object counts as something else, too.
        """
        try:
            answer = self._ask_bucket("head_object", Key=self.package.key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return StoredObject.NOTHING
            raise
        is_package = answer.get("ChecksumSHA256") == self.package.checksum
        return StoredObject.THE_PACKAGE if is_package else StoredObject.SOMETHING_ELSE

    def upload(self) -> None:
        """Put the package into the bucket. S3 refuses it when it does not arrive as it was read."""
        self._ask_bucket(
            "put_object",
            Key=self.package.key,
            Body=self.package.path.read_bytes(),
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=self.package.checksum,
        )

    def replace(self) -> None:
        """Put the package in place of another object. A request that an earlier run began may have read that one."""
        self._delete_record()
        self.upload()

    def start(self) -> None:
        """Ask for the registration, or take up one that an earlier run asked for and did not see the end of."""
        request_token = self._request_token()
        answer = self._cloudformation.register_type(**self.request, ClientRequestToken=request_token)
        self._token = answer["RegistrationToken"]

    def wait(self, poll_seconds: int) -> str:
        """Return the ARN of the version once CloudFormation has made it. Raises RegistrationFailed."""
        waiter = self._cloudformation.get_waiter("type_registration_complete")
        attempts = WAIT_SECONDS // max(poll_seconds, 1)
        try:
            waiter.wait(RegistrationToken=self._token, WaiterConfig={"Delay": poll_seconds, "MaxAttempts": attempts})
        except WaiterError as error:
            raise self._failure(dict(error.last_response)) from None
        answer = self._cloudformation.describe_type_registration(RegistrationToken=self._token)
        arn: str = answer["TypeVersionArn"]
        # CloudFormation reads an address, without the version or the checksum of the object.
        if self.stored_object() is not StoredObject.THE_PACKAGE:
            self._delete_record()
            raise RegistrationFailed(
                f"{self.url} was replaced while CloudFormation registered it: the version may hold other code. "
                f"Deregister {arn}, find out who writes to the bucket, and run the same command again."
            )
        self._ask_bucket("put_object", Key=self._record_key, Body=json.dumps({"versionArn": arn}).encode())
        return arn

    def make_default(self, arn: str) -> None:
        """Let templates get this version."""
        self._cloudformation.set_type_default_version(Arn=arn)

    def _failure(self, answer: dict[str, Any]) -> RegistrationFailed:
        if answer.get("ProgressStatus") == "FAILED":
            # Its idempotency key would only bring this failure back.
            self._delete_record()
            return RegistrationFailed(answer.get("Description") or "CloudFormation gave no reason.")
        if "Error" in answer:
            return RegistrationFailed(f"DescribeTypeRegistration: {answer['Error'].get('Message')}")
        return RegistrationFailed(
            f"CloudFormation has not ended the registration {self._token} after {WAIT_SECONDS // 60} minutes. "
            "Run the same command again to go on waiting for it."
        )

    def _request_token(self) -> str:
        """The idempotency key of this registration: the recorded one of a run that was cut off, or a new one."""
        if "versionArn" in self._record():
            # That version was deregistered.
            self._delete_record()
        token = str(uuid.uuid4())
        body = json.dumps({"requestToken": token}).encode()
        try:
            self._ask_bucket("put_object", Key=self._record_key, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            return str(self._record().get("requestToken", token))
        return token

    def _record(self) -> dict[str, Any]:
        # A record that cannot be read is as good as none: it will be written anew.
        with suppress(self._s3.exceptions.NoSuchKey, ValueError):
            record = json.loads(self._ask_bucket("get_object", Key=self._record_key)["Body"].read())
            return record if isinstance(record, dict) else {}
        return {}

    def _delete_record(self) -> None:
        self._ask_bucket("delete_object", Key=self._record_key)

    def _version(self, arn: str) -> dict[str, Any]:
        """DescribeType of one version: the last part of its ARN is the version's id."""
        version = arn.rpartition("/")[2]
        with suppress(self._cloudformation.exceptions.TypeNotFoundException):
            answer: dict[str, Any] = self._cloudformation.describe_type(
                Type="RESOURCE", TypeName=self.package.type_name, VersionId=version
            )
            return answer
        return {}
