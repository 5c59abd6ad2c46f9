"""The handler session: botocore clients live as long as the execution environment, credentials for one invocation.

To make a client, botocore parses the service model, which is slow; and CloudFormation passes new credentials with
every request. So one session is kept for the caller, and one for the logs and metrics of the provider. Each gets
credentials for an invocation and loses them after it. An execution environment serves one invocation at a time.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.credentials import Credentials as _Keys
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError
from botocore.session import Session

from .errors import OutOfTime, Unreadable

# Seconds. An attempt takes at most their sum: two attempts fit into the 30 s of a read, three into 60 s.
CONNECT_TIMEOUT = 3
READ_TIMEOUT = 10
ATTEMPTS = 3
# Seconds that are left for the answer.
MARGIN = 2.0

_MUTATIONS = Config(
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    user_agent_extra="aws-sagemaker-model",
)
# Short, because the user waits while logs and metrics are sent.
_TELEMETRY = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})

# The exceptions of a request that did not reach the service.
_UNSENT = (OutOfTime, EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


Credentials = tuple[str, str, str | None]
"""Access key, secret key and session token."""


@dataclass
class Lease:
    """The deadline of an invocation (a `time.monotonic` value), and its attempts.

    `calls` are the operations of all attempts. `lost` counts the attempts of the current call that were sent and not
    answered: the service may have acted on them.
    """

    deadline: float
    calls: list[str] = field(default_factory=list)
    lost: int = 0


class HandlerSession:
    """A session with the interface of the library's own: `client(service, region_name=...)`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        # botocore sets its options as attributes that its types do not declare.
        self._longest_attempt: float = vars(config)["connect_timeout"] + vars(config)["read_timeout"]
        self._keys = _Keys("", "", "")
        self._clients: dict[tuple[str, str | None], Any] = {}
        self.lease = Lease(float("inf"))

    @cached_property
    def _session(self) -> Session:
        """Return botocore's session, made at its first use because that takes as long as making a client."""
        session = Session()
        session.register_component("credential_provider", self)
        return session

    def load_credentials(self) -> _Keys:
        """Return the credentials of the present invocation: botocore calls this of a credential provider."""
        return self._keys

    def client(self, service: str, region_name: str | None = None) -> Any:
        """Return the client of a service and region, made at its first use."""
        key = service, region_name
        if key not in self._clients:
            client = self._session.create_client(service, region_name=region_name, config=self._config)
            client.meta.events.register(f"before-send.{service}", self._begin_attempt)
            client.meta.events.register(f"response-received.{service}", self._end_attempt)
            if service == "sagemaker":
                client.meta.events.register(f"before-parse.{service}", _require_json)
            self._clients[key] = client
        return self._clients[key]

    @contextmanager
    def lent(self, credentials: Credentials, lease: Lease) -> Iterator["HandlerSession"]:
        """Hold credentials and a lease for one invocation."""
        self._keys.access_key, self._keys.secret_key, self._keys.token = credentials
        self.lease = lease
        try:
            yield self
        finally:
            self._keys.access_key = self._keys.secret_key = self._keys.token = ""

    def _begin_attempt(self, event_name: str, **_: Any) -> None:
        """Count an attempt, or refuse it if it might outlast the invocation. Raise OutOfTime."""
        self.lease.lost += 1
        if self.lease.deadline - time.monotonic() < self._longest_attempt + MARGIN:
            raise OutOfTime
        self.lease.calls.append(event_name.rpartition(".")[2])

    def _end_attempt(self, parsed_response: dict[str, Any] | None, exception: Any, **_: Any) -> None:
        """Count an answer. A server error is not an answer, because the service may have acted before it failed."""
        status = (parsed_response or {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        if isinstance(exception, _UNSENT) or status < 500:
            self.lease.lost -= 1


def _require_json(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Refuse answers that botocore misreads: a truncated one, and JSON that is not an object. Raise Unreadable."""
    body = response_dict["body"]
    is_success = response_dict["status_code"] < 300
    try:
        answer = json.loads(body or b"{}")
    except ValueError:
        # botocore classifies an error that is not JSON, such as the page of a proxy, by its status.
        answer = None if is_success or body.lstrip().startswith(b"{") else {}
    is_empty = is_success and operation_model.output_shape and not body
    if is_empty or not isinstance(answer, dict):
        raise Unreadable


CALLER = HandlerSession(_MUTATIONS)
PROVIDER = HandlerSession(_TELEMETRY)

# Made while Lambda initialises the function, because the function has a whole core then and a share of one later.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    CALLER.client("sagemaker", region_name=os.environ["AWS_REGION"])
