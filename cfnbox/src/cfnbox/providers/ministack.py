"""ministack in a child process: AWS's other services, and a CloudFormation for types without another provider.

The environment variables, the paths below /_ministack/ and the application `ministack.app:app` are documented by
ministack. Nothing of it is imported into this process.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import threading
import urllib.parse
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree

from cfnbox.aws.child_application import ChildApplication, ChildEnded
from cfnbox.aws.clients import CREDENTIALS
from cfnbox.aws.partition_names import PartitionNames
from cfnbox.aws.wire import error_answer
from cfnbox.core.errors import LocalFailure, Refused
from cfnbox.core.extras import requirement_of
from cfnbox.core.place import DEFAULT_ACCOUNT, DEFAULT_REGION, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cfnbox.aws.http import Answer, HttpRequest
    from cfnbox.core.paths import Json
    from cfnbox.core.processes import ChildProcesses

# The SSM parameter of `cdk bootstrap`, which every CDK template reads (aws-cdk, DefaultStackSynthesizer).
BOOTSTRAP_PARAMETER, BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version", "21"
_APPLICATION = "ministack.app:app"
_RESET_PATH = "/_ministack/reset"
_NAMESPACE = re.compile(r"^\{[^}]*\}")
# Host names by which ministack recognises requests for its CloudFormation and Cloud Control.
_CONTROL_PLANE_HOST = re.compile(r"^(cloudformation|cloudcontrolapi)\.")
_CONTROL_PLANE_TARGET = re.compile(r"^(CloudApiService|CloudFormation)")
_CONTROL_PLANE_VERSION = "2010-05-15"
# URLs of AWS in ministack's answers. ministack serves them at any host name with the same beginning.
_PUBLIC_URL = re.compile(rb"https://([a-z0-9-]+\.(?:lambda-url|appsync-api)\.[a-z0-9-]+)\.(?:on\.aws|amazonaws\.com)")
_URL_SERVICES = ("lambda", "appsync")
_STACK_RESPONSE_PATHS = ("/_ministack/cfn-", "/_ministack/config")

# ministack sends its own invocations of a function with this variable to the address in it: its Lambda proxy mode.
PROXY_VARIABLE = "MINISTACK_LAMBDA_PROXY_URL"


class MinistackUnavailable(LocalFailure):
    """ministack is missing or has an unsupported version. The message says what to do."""


class MinistackFailed(Exception):
    """A service of ministack returned an error, with its code and its message."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Ministack:
    """The child process, and the cloud's own requests to its services. Thread-safe."""

    def __init__(self, port: int, processes: ChildProcesses) -> None:
        """Set the child up. `port` is the cloud's port, for the URLs in answers."""
        _require_version()
        # Names below localhost are this machine (RFC 6761).
        self._local_url = rf"http://\1.localhost:{port}".encode()
        self._child = ChildApplication("ministack", _APPLICATION, processes, _environment(port, processes.folder))
        self._lock = threading.RLock()
        # Whether a place has our bootstrap parameter instead of a bootstrap stack.
        self._bootstrapped: dict[Place, bool] = {}
        # Roles may exist once something was asked of IAM; their trust policies are read once until the next change.
        self._iam_changes = 0
        self._trust_policies: dict[str, Json | str | None] = {}

    def close(self) -> None:
        """Stop the process."""
        self._child.close()

    def answer(self, request: HttpRequest) -> Answer:
        """Forward a user's request to its service, but never to ministack's CloudFormation."""
        protocol = "query" if request.is_form else "json"
        if _is_for_control_plane(request):
            # The error of AWS's API Gateway for an unsigned request.
            refused = Refused("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
            return error_answer(refused, protocol, str(uuid.uuid4()))
        try:
            # ministack's ARNs are all in the partition aws.
            names = PartitionNames.of(request.signature.region)
            status, headers, content = names.answer(request, self._child.answer(names.request(request)))
            if request.signature.service in _URL_SERVICES and not request.path.endswith("/invocations"):
                content = _PUBLIC_URL.sub(self._local_url, content)
            return status, headers, content
        except ChildEnded as ended:
            return error_answer(Refused("InternalFailure", str(ended), 500), protocol, str(uuid.uuid4()))
        finally:
            # ministack finds the service in several ways. Only a signature for another service rules IAM out.
            if request.signature.service in ("", "iam"):
                self.forget_trust_policies()

    def query(self, service: str, place: Place, version: str, members: Mapping[str, str]) -> ElementTree.Element:
        """Call an operation of AWS's query protocol. Return its answer without namespaces. Raise MinistackFailed."""
        names = PartitionNames.of(place.region)
        body = names.to_aws(urllib.parse.urlencode({"Version": version, **members}).encode())
        status, _, content = self._child.send(
            "POST", "/", _headers(service, place, "application/x-www-form-urlencoded"), body
        )
        content = names.from_aws(content)
        if service == "cloudformation":
            content = _PUBLIC_URL.sub(self._local_url, content)
        root = ElementTree.fromstring(content)  # noqa: S314 - our own child process wrote it
        for element in root.iter():
            element.tag = _NAMESPACE.sub("", element.tag)
        if status >= 400:
            raise MinistackFailed(root.findtext(".//Message") or "", root.findtext(".//Code") or "")
        return root

    @contextmanager
    def s3_object(self, place: Place, content: bytes) -> Iterator[str]:
        """Store content in a temporary bucket of S3 during the context, and yield its URL."""
        headers = _headers("s3", place, "application/octet-stream")
        bucket = f"/cfnbox-{uuid.uuid4()}"
        key = f"{bucket}/template"
        self._child.send("PUT", bucket, headers, b"")
        self._child.send("PUT", key, headers, content)
        try:
            yield f"http://127.0.0.1:{self._child.port}{key}"
        finally:
            for target in (key, bucket):
                self._child.send("DELETE", target, headers, b"")

    def clear(self) -> None:
        """Delete all resources of the services."""
        with self._lock:
            self._bootstrapped.clear()
            self.forget_trust_policies()
            self._child.send("POST", _RESET_PATH, {}, b"")

    def add_bootstrap_parameter(self, place: Place) -> None:
        """Create the parameter of `cdk bootstrap` in a place, once, unless a bootstrap stack has created it."""
        with self._lock:
            if place not in self._bootstrapped:
                parameter = {"Name": BOOTSTRAP_PARAMETER, "Type": "String", "Value": BOOTSTRAP_VERSION}
                self._ssm("PutParameter", place, parameter)
                self._bootstrapped[place] = True

    def remove_bootstrap_parameter(self, place: Place) -> None:
        """Delete our bootstrap parameter permanently, because a user deploys a bootstrap stack in the place."""
        with self._lock:
            if self._bootstrapped.get(place):
                self._ssm("DeleteParameter", place, {"Name": BOOTSTRAP_PARAMETER})
            self._bootstrapped[place] = False

    def _ssm(self, operation: str, place: Place, members: Json) -> None:
        headers = _headers("ssm", place, "application/x-amz-json-1.1") | {"X-Amz-Target": f"AmazonSSM.{operation}"}
        self._child.send("POST", "/", headers, json.dumps(members).encode())

    def forget_trust_policies(self) -> None:
        """Clear the cache of trust policies, because roles may have changed."""
        with self._lock:
            self._iam_changes += 1
            self._trust_policies.clear()

    def trust_policy(self, role_arn: str) -> Json | str | None:
        """Return a role's trust policy, or None for a role that does not exist in this cloud."""
        with self._lock:
            changes = self._iam_changes
            if changes == 0 or role_arn in self._trust_policies:
                return self._trust_policies.get(role_arn)
        policy = self._trust_policy(role_arn)
        with self._lock:
            if self._iam_changes == changes:
                self._trust_policies[role_arn] = policy
        return policy

    def _trust_policy(self, role_arn: str) -> Json | str | None:
        account, _, path = role_arn.partition("::")[2].partition(":")
        name = path.rpartition("/")[2]
        try:
            role = self.query("iam", Place(DEFAULT_REGION, account), "2010-05-08",
                              {"Action": "GetRole", "RoleName": name})  # fmt: skip
        except MinistackFailed:
            return None
        # Roles are global in an account, so the region of the request does not determine their partition.
        if _without_partition(role.findtext(".//Arn") or "") != _without_partition(role_arn):
            return None
        document = urllib.parse.unquote(role.findtext(".//AssumeRolePolicyDocument") or "")
        try:
            return cast("Json", json.loads(document))
        except ValueError:
            return document


def _without_partition(arn: str) -> str:
    return arn.partition(":iam:")[2]


def _require_version() -> None:
    """Raise MinistackUnavailable unless the required version is installed."""
    requirement = requirement_of("ministack")
    try:
        version = importlib.metadata.version("ministack")
    except ImportError:
        version = "none"
    if not requirement.specifier.contains(version):
        raise MinistackUnavailable(
            f"cfnbox is written for {requirement}; installed is {version}. "
            f"Install the pinned version: pip install {requirement}"
        )


def _environment(port: int, folder: Path) -> dict[str, str]:
    """Return the complete environment of ministack and of its Lambda functions, without the user's variables."""
    environment = {
        # It checks the signatures of presigned URLs of S3.
        **CREDENTIALS,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "CRITICAL",
        "MINISTACK_ACCOUNT_ID": DEFAULT_ACCOUNT,
        "MINISTACK_REGION": DEFAULT_REGION,
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
    }
    if not Path("/var/run/docker.sock").exists():
        # Without Docker, ministack retries and leaks a socket each time. Nothing listens on this address.
        environment["DOCKER_HOST"] = "tcp://127.0.0.1:9"
    return environment


def _headers(service: str, place: Place, content_type: str) -> dict[str, str]:
    # An access key of twelve digits names the account. The signature itself is not checked.
    scope = f"{place.account}/20260101/{place.region}/{service}/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "Content-Type": content_type,
    }


def _is_for_control_plane(request: HttpRequest) -> bool:
    """Return whether ministack would treat a request as one for its own stacks, which only the provider may use."""
    if request.path.startswith(_STACK_RESPONSE_PATHS):
        return True
    if request.signature.service in ("cloudformation", "cloudcontrolapi"):
        return True
    host, target = (request.headers.get(name, "") for name in ("host", "x-amz-target"))
    if _CONTROL_PLANE_HOST.match(host) or _CONTROL_PLANE_TARGET.match(target):
        return True
    if request.signature.service:
        return False
    members = urllib.parse.parse_qs(request.query)
    if request.is_form:
        members |= urllib.parse.parse_qs(request.body.decode("utf-8", "replace"))
    return members.get("Version") == [_CONTROL_PLANE_VERSION] or _names_stacks(members.get("Action", [""])[0])


def _names_stacks(action: str) -> bool:
    """Return whether the name of an operation without a version is CloudFormation's."""
    return any(word in action for word in ("Stack", "ChangeSet", "Template")) and "Email" not in action


def without_proxy(value: Any) -> Any:
    """Return a value without PROXY_VARIABLE in function configurations, because cfnbox set the variable."""
    if isinstance(value, list):
        return [without_proxy(item) for item in value]
    if not isinstance(value, dict):
        return value
    members = {name: without_proxy(item) for name, item in value.items()}
    environment = members.get("Environment")
    variables = environment.get("Variables") if isinstance(environment, dict) else None
    if isinstance(variables, dict) and variables.pop(PROXY_VARIABLE, None) is not None and not variables:
        del members["Environment"]
    return members
