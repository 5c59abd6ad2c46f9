"""The handler session: botocore clients kept for the life of the execution environment, credentials never.

A client costs a parse of the service model; CloudFormation passes new credentials with every request. So one
botocore session is kept for the caller and one for the provider's logs and metrics, each with credentials that are
put in for one invocation and taken out after it. An execution environment serves one invocation at a time.
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

# Seconds. An attempt takes at most their sum; two attempts fit into the 30 s of a read, three into 60 s.
CONNECT_TIMEOUT = 3
READ_TIMEOUT = 10
ATTEMPTS = 3
# Seconds kept to answer in.
MARGIN = 2.0

_MUTATIONS = Config(
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    user_agent_extra="aws-sagemaker-model",
)
# Short, because the user waits for an answer while logs and metrics are sent.
_TELEMETRY = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})

# Raised when the request did not reach the service.
_UNSENT = (OutOfTime, EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


Credentials = tuple[str, str, str | None]
"""Access key, secret key and session token."""


@dataclass
class Lease:
    """What one invocation has: the time it must answer by (a `time.monotonic` value) and the attempts it made.

    `calls` are the operations of all attempts. `lost` counts the attempts of the call under way that were sent and
    not answered, so that the service may have acted on them.
    """

    deadline: float
    calls: list[str] = field(default_factory=list)
    lost: int = 0


class HandlerSession:
    """A session as the handlers' library passes it: `client(service, region_name=...)`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        # botocore sets its options as attributes that its types do not declare.
        self._longest_attempt: float = vars(config)["connect_timeout"] + vars(config)["read_timeout"]
        self._keys = _Keys("", "", "")
        self._clients: dict[tuple[str, str | None], Any] = {}
        self.lease = Lease(float("inf"))

    @cached_property
    def _session(self) -> Session:
        """botocore's session, made when first needed, because it takes as long as making a client."""
        session = Session()
        session.register_component("credential_provider", self)
        return session

    def load_credentials(self) -> _Keys:
        """Return the credentials that are put in and taken out, as botocore asks of a credential provider."""
        return self._keys

    def client(self, service: str, region_name: str | None = None) -> Any:
        """Return the kept client of a service and region."""
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
        """Work with credentials and a lease until the end of the invocation."""
        self._keys.access_key, self._keys.secret_key, self._keys.token = credentials
        self.lease = lease
        try:
            yield self
        finally:
            self._keys.access_key = self._keys.secret_key = self._keys.token = ""

    def _begin_attempt(self, event_name: str, **_: Any) -> None:
        """Count an attempt, or refuse it when it might outlast the invocation."""
        self.lease.lost += 1
        if self.lease.deadline - time.monotonic() < self._longest_attempt + MARGIN:
            raise OutOfTime
        self.lease.calls.append(event_name.rpartition(".")[2])

    def _end_attempt(self, parsed_response: dict[str, Any] | None, exception: Any, **_: Any) -> None:
        """Take note of an answer. A server error does not count: the service may have acted before it failed."""
        status = (parsed_response or {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        if isinstance(exception, _UNSENT) or status < 500:
            self.lease.lost -= 1


def _require_json(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Refuse what botocore misreads: an answer cut off on its way, and JSON that is not an object."""
    body = response_dict["body"]
    succeeded = response_dict["status_code"] < 300
    try:
        answer = json.loads(body or b"{}")
    except ValueError:
        # botocore reads an error that is not JSON, such as the page of a proxy, by its status.
        answer = None if succeeded or body.lstrip().startswith(b"{") else {}
    empty = succeeded and operation_model.output_shape and not body
    if empty or not isinstance(answer, dict):
        raise Unreadable


CALLER = HandlerSession(_MUTATIONS)
PROVIDER = HandlerSession(_TELEMETRY)

# Made while Lambda initialises the function, which then has a whole core; an invocation has only a share of one.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    CALLER.client("sagemaker", region_name=os.environ["AWS_REGION"])
