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
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.credentials import Credentials as Keys
from botocore.session import Session
from cloudformation_cli_python_lib.utils import Credentials

from .errors import UNSENT, OutOfTime, Unreadable

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
# Logs and metrics are not worth a user's time.
_TELEMETRY = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})


class Lease:
    """What one invocation has: the time it must answer by (a `time.monotonic` value) and the calls it made."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.calls: list[str] = []

    def before_send(self, operation: str, seconds: float) -> None:
        """Count an attempt, which may take so many seconds, or refuse it when it might outlast the invocation."""
        if self.deadline - time.monotonic() < seconds + MARGIN:
            raise OutOfTime
        self.calls.append(operation)


class HandlerSession:
    """A session as the handlers' library passes it: `client(service, region_name=...)`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        # botocore makes its options attributes, which its types do not know.
        self._longest_attempt: float = vars(config)["connect_timeout"] + vars(config)["read_timeout"]
        self._credentials = Keys("", "", "")
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._lease: Lease | None = None

    @cached_property
    def _session(self) -> Session:
        """botocore's session, made when first needed: it takes as long as a client does."""
        session = Session()
        session.register_component("credential_provider", self)
        return session

    def load_credentials(self) -> Keys:
        """Return the credentials that are put in and taken out, as botocore asks of a credential provider."""
        return self._credentials

    def client(self, service: str, region_name: str | None = None) -> Any:
        """Return the kept client of a service and region."""
        key = service, region_name
        if key not in self._clients:
            client = self._session.create_client(service, region_name=region_name, config=self._config)
            client.meta.events.register(f"before-send.{service}", self._before_send)
            if service == "sagemaker":
                client.meta.events.register(f"before-parse.{service}", _require_json)
                client.meta.events.register(f"response-received.{service}", _mark_unanswered)
            self._clients[key] = client
        return self._clients[key]

    @contextmanager
    def lent(self, credentials: Credentials | None, lease: Lease | None = None) -> Iterator["HandlerSession"]:
        """Work with credentials and a lease until the end of the invocation."""
        self._put(credentials)
        self._lease = lease
        try:
            yield self
        finally:
            self._put(None)
            self._lease = None

    def _put(self, credentials: Credentials | None) -> None:
        self._credentials.access_key = credentials.accessKeyId if credentials else ""
        self._credentials.secret_key = credentials.secretAccessKey if credentials else ""
        self._credentials.token = credentials.sessionToken if credentials else ""

    def _before_send(self, event_name: str, **_: Any) -> None:
        if self._lease:
            self._lease.before_send(event_name.rpartition(".")[2], self._longest_attempt)


def _require_json(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Refuse what botocore misreads: an answer cut off on its way, and JSON that is not an object."""
    succeeded = response_dict["status_code"] < 300
    try:
        answer = json.loads(response_dict["body"] or b"{}")
    except ValueError:
        # An error that never was JSON (a proxy's page) is told by its status, as botocore does.
        answer = None if succeeded or response_dict["body"].lstrip().startswith(b"{") else {}
    empty = succeeded and operation_model.output_shape and not response_dict["body"]
    if empty or not isinstance(answer, dict):
        raise Unreadable


def _mark_unanswered(
    context: dict[str, Any], parsed_response: dict[str, Any] | None, exception: Any, **_: Any
) -> None:
    """Mark what an attempt came to when it, or one before it in the same call, may have acted without saying so."""
    metadata = (parsed_response or {}).get("ResponseMetadata", {})
    lost = not isinstance(exception, UNSENT) if exception else metadata.get("HTTPStatusCode", 0) >= 500
    context["unanswered"] = lost or context.get("unanswered", False)
    if exception:
        exception.unanswered = context["unanswered"]
    else:
        metadata["Unanswered"] = context["unanswered"]


CALLER = HandlerSession(_MUTATIONS)
PROVIDER = HandlerSession(_TELEMETRY)

# Lambda gives the initialisation a whole core, and a request its share of one.
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    CALLER.client("sagemaker", region_name=os.environ["AWS_REGION"])
