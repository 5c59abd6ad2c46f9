"""A cache of clients of the cloud's own services, because creating a client takes 0.1 s."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from cfnbox.aws.clients import CREDENTIALS
from cfnbox.aws.direct_calls import answer_calls
from cfnbox.core.place import DEFAULT_ACCOUNT, Place
from cfnbox.core.profiles import session

if TYPE_CHECKING:
    from collections.abc import Callable

    from cfnbox.aws.http import Answer, HttpRequest

# Longer than the maximum time limit of a Lambda function.
_MOST_SECONDS = 15 * 60 + 30


class ServiceClients:
    """boto3 clients for one URL, cached by service and place. Thread-safe.

    `serve` answers their requests in this process. None: the clients send their requests to the URL.
    """

    def __init__(self, url: str, serve: Callable[[HttpRequest], Answer] | None = None) -> None:
        self._url, self._serve = url, serve
        self._session = session()
        self._clients: dict[tuple[str, Place], Any] = {}
        # Creating clients from one session is not thread-safe.
        self._lock = threading.Lock()
        self._prepared: set[tuple[str, Place]] = set()

    def prepare(self, service: str, place: Place) -> None:
        """Create a client in a background thread, before its first use."""
        if (service, place) not in self._prepared:
            self._prepared.add((service, place))
            threading.Thread(target=self.of, args=(service, place), name=f"client of {service}", daemon=True).start()

    def of(self, service: str, place: Place) -> Any:
        """Return a client without retries and parameter validation, and with long timeouts."""
        with self._lock:
            if (service, place) not in self._clients:
                self._clients[service, place] = self._made(service, place)
            return self._clients[service, place]

    def _made(self, service: str, place: Place) -> Any:
        make: Any = self._session.client
        key = CREDENTIALS["AWS_ACCESS_KEY_ID"]
        client = make(
            service,
            endpoint_url=self._url,
            region_name=place.region,
            # An access key of twelve digits names the account, for moto and for ministack.
            aws_access_key_id=key if place.account == DEFAULT_ACCOUNT else place.account,
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                retries={"total_max_attempts": 1},
                parameter_validation=False,
                read_timeout=_MOST_SECONDS,
                max_pool_connections=64,
                proxies={},
            ),
        )
        if self._serve:
            answer_calls(client, self._serve)
        return client
