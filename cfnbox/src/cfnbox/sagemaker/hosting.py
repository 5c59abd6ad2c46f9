"""Local servers for endpoints: the images that they serve, their processes and their health checks."""

from __future__ import annotations

import fnmatch
import functools
import io
import os
import shlex
import socket
import subprocess
import tarfile
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import urllib3

from cfnbox.core.processes import ChildProcesses
from cfnbox.sagemaker.container_logs import group_of, keep_output

if TYPE_CHECKING:
    from pathlib import Path

    from cfnbox.core.place import Place
    from cfnbox.sagemaker.store import Hold

# Default time limit for a server's first successful /ping. ContainerStartupHealthCheckTimeoutInSeconds overrides it.
# AWS waits for 8 minutes.
STARTUP_SECONDS = 60.0
# Developer guide, "Custom Inference Code with Hosting Services": a container must answer /ping within 2 seconds.
_PING_SECONDS = 2.0
_PAUSE_SECONDS = 0.1
_COMMAND = "!"
_HOW = "give --serve 'IMAGE=http://127.0.0.1:8080', or --serve 'IMAGE=!python serve.py'"
# Return a client of a service of the cloud, by service name and place.
Clients = Callable[[str, "Place"], Any]


@dataclass(frozen=True)
class ServedImage:
    """The server for an image: the `url` of a running server, or the `command` that starts a server."""

    pattern: str
    url: str = ""
    command: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> ServedImage:
        """Parse an argument. Raise ValueError for text that is neither IMAGE=URL nor IMAGE=!COMMAND."""
        pattern, _, server = text.partition("=")
        if not (pattern and server):
            raise ValueError(f"{text!r} does not say which server serves an image: {_HOW}")
        if server.startswith(_COMMAND):
            return cls(pattern, command=_command(server.removeprefix(_COMMAND)))
        if urllib.parse.urlsplit(server).scheme not in ("http", "https"):
            raise ValueError(f"{server!r} is not the address of a server: {_HOW}")
        return cls(pattern, url=server.rstrip("/"))

    def matches(self, image: str) -> bool:
        """Return whether the pattern matches an image reference, with or without its registry and its tag."""
        without_registry = image.partition("/")[2] or image
        names = (image, without_registry)
        repositories = (name.partition("@")[0].partition(":")[0] for name in names)
        return any(fnmatch.fnmatchcase(name, self.pattern) for name in (*names, *repositories))


def _command(text: str) -> tuple[str, ...]:
    try:
        command = tuple(shlex.split(text))
    except ValueError as problem:
        raise ValueError(f"{text!r} cannot be split into a command and its arguments ({problem}).") from None
    if not command:
        raise ValueError(f"No command follows the exclamation mark: {_HOW}")
    return command


@dataclass(frozen=True)
class Container:
    """A container of a model. `name` is its host name or "primary"; `artifacts` is an S3 URL or ""."""

    name: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    artifacts: str = ""
    is_multi_model: bool = False
    is_direct: bool = False
    startup_seconds: float = STARTUP_SECONDS


@dataclass
class ContainerServer:
    """The server of a container. `process` is the process that this module started; it ends with its endpoint."""

    container: Container
    url: str
    process: subprocess.Popen[bytes] | None = None
    loaded_models: set[str] = field(default_factory=set)


@dataclass
class HostedServers:
    """The servers of an endpoint by variant, or of an inference component, in the order of the containers.

    The entry of a container without a server is None.
    """

    containers: Mapping[str, tuple[Container, ...]]
    servers: dict[str, list[ContainerServer | None]] = field(default_factory=dict)


class NoServer(Exception):
    """A server does not start or does not answer. The message is the FailureReason of the endpoint."""


class Hosting:
    """The servers of all endpoints. Thread-safe.

    `clients` makes clients of the cloud's services. A command gets the variables in `environment` in addition to the
    variables of its container.
    """

    def __init__(
        self,
        images: Sequence[ServedImage] = (),
        processes: ChildProcesses | None = None,
        clients: Clients | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._images, self._processes, self._own_processes = tuple(images), processes, processes is None
        self.clients, self._environment = clients, dict(environment or {})
        self._pool = urllib3.PoolManager(retries=False, maxsize=16)
        self._deployments: dict[tuple[Place, str], HostedServers] = {}
        self._lock, self._closing = threading.RLock(), threading.Event()

    def find(self, image: str) -> ServedImage | None:
        """Return the first server argument whose pattern matches an image, or None."""
        return next((served for served in self._images if served.matches(image)), None)

    def deployment(self, place: Place, key: str) -> HostedServers | None:
        """Return the deployed servers of a key, endpoint/NAME or inference-component/NAME, or None."""
        with self._lock:
            return self._deployments.get((place, key))

    def deploy(self, place: Place, key: str, containers: Mapping[str, tuple[Container, ...]], hold: Hold) -> None:
        """Start the servers of an endpoint. Release `hold` when all answer /ping, or with a FailureReason."""
        deployment = HostedServers(containers)
        if not any(self.find(one.image) for listed in containers.values() for one in listed):
            deployment.servers = {name: [None] * len(listed) for name, listed in containers.items()}
            self._replace(place, key, deployment)
            hold.release()
            return
        threading.Thread(
            target=self._deploy, args=(place, key, deployment, hold), name=f"deployment of {key}", daemon=True
        ).start()

    def _deploy(self, place: Place, key: str, deployment: HostedServers, hold: Hold) -> None:
        failure: str | None = "InternalServerError"
        try:
            for variant, containers in deployment.containers.items():
                servers = deployment.servers.setdefault(variant, [])
                for container in containers:
                    servers.append(self._start(place, key, variant, container))
                    self._wait_for_ping(variant, servers[-1])
            failure = None
        except NoServer as problem:
            failure = str(problem)
        finally:
            if failure is None:
                self._replace(place, key, deployment)
            else:
                self._stop(deployment)
            hold.release(failure)

    def _replace(self, place: Place, key: str, deployment: HostedServers | None) -> None:
        with self._lock:
            previous = self._deployments.pop((place, key), None)
            if deployment is not None:
                self._deployments[place, key] = deployment
        if previous is not None:
            self._stop(previous)

    def remove(self, place: Place, key: str) -> None:
        """Stop the servers of a deleted endpoint."""
        self._replace(place, key, None)

    def clear(self) -> None:
        """Stop all servers."""
        with self._lock:
            deployments = list(self._deployments.values())
            self._deployments.clear()
        for deployment in deployments:
            self._stop(deployment)

    def close(self) -> None:
        """Stop all servers and the threads that wait for them."""
        self._closing.set()
        self.clear()
        self._pool.clear()
        if self._processes is not None and self._own_processes:
            self._processes.close()

    def _stop(self, deployment: HostedServers) -> None:
        for servers in deployment.servers.values():
            for server in servers:
                if server is not None and server.process is not None and self._processes is not None:
                    self._processes.stop(server.process)

    def _start(self, place: Place, key: str, variant: str, container: Container) -> ContainerServer | None:
        served = self.find(container.image)
        if served is None:
            return None
        if served.url:
            return ContainerServer(container, served.url)
        folder = self.folder()
        (folder / "model").mkdir(parents=True)
        if container.artifacts and not container.is_multi_model:
            self.unpack(place, container.artifacts, folder / "model")
        port = _free_port()
        environment = {
            # Do not buffer the output of a Python server.
            "PYTHONUNBUFFERED": "1",
            **os.environ, **self._environment, "AWS_REGION": place.region, "AWS_DEFAULT_REGION": place.region,
            # AWS's inference toolkits read the folder `model` from these.
            "SAGEMAKER_BASE_DIR": str(folder), "SM_MODEL_DIR": str(folder / "model"),
            **container.environment, "SAGEMAKER_BIND_TO_PORT": str(port),
        }  # fmt: skip
        try:
            process = self._started().start(
                list(served.command), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as problem:
            raise NoServer(
                f"CannotStartContainerError. The command {shlex.join(served.command)} of --serve cannot be started "
                f"for the {container.name} container of production variant {variant} ({problem.strerror})."
            ) from None
        if process.stdout is not None:
            clients = self.clients
            connect = None if clients is None else functools.partial(clients, "logs", place)
            stream = f"{variant}/i-{folder.name[:17]}"
            # A pipeline has one stream for each container (developer guide, "CloudWatch Logs").
            stream += "" if container.name == "primary" else f"/{container.name}"
            keep_output(process.stdout, connect, group_of(key), stream)
        return ContainerServer(container, f"http://127.0.0.1:{port}", process)

    def _started(self) -> ChildProcesses:
        with self._lock:
            self._processes = self._processes or ChildProcesses()
            return self._processes

    def folder(self) -> Path:
        """Return a new folder. It is deleted with the cloud."""
        folder = self._started().folder / "served" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def unpack(self, place: Place, url: str, folder: Path) -> None:
        """Unpack an archive of the cloud's S3 into a folder, or copy all objects below a prefix.

        Raise NoServer if no object exists there.
        """
        bucket, _, key = url.removeprefix("s3://").partition("/")
        # The beginning is SageMaker's message for missing artifacts (amazon-sagemaker-examples#2264).
        missing = NoServer(f"Could not find model data at {url}.")
        if self.clients is None:
            raise missing
        s3 = self.clients("s3", place)
        try:
            if not key.endswith("/"):
                content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                    archive.extractall(folder, filter="data")
                return
            listed = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
            for found in listed:
                path = folder / found["Key"].removeprefix(key)
                if not path.resolve().is_relative_to(folder.resolve()) or found["Key"].endswith("/"):
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())
        except s3.exceptions.ClientError:
            raise missing from None
        except (tarfile.TarError, EOFError):
            raise NoServer(f"The model data at {url} is not a tar archive.") from None

    def _wait_for_ping(self, variant: str, server: ContainerServer | None) -> None:
        if server is None:
            return
        deadline = time.monotonic() + server.container.startup_seconds
        while not self._pings(server):
            has_ended = server.process is not None and server.process.poll() is not None
            if has_ended or self._closing.wait(_PAUSE_SECONDS) or time.monotonic() > deadline:
                # The FailureReason in AWS (developer guide, "Troubleshooting").
                raise NoServer(
                    f"The {server.container.name} container for production variant {variant} did not pass the ping "
                    "health check. Please check CloudWatch logs for this endpoint."
                )

    def _pings(self, server: ContainerServer) -> bool:
        try:
            return self.send(server, "GET", "/ping", {}, b"", _PING_SECONDS)[0] == HTTPStatus.OK
        except urllib3.exceptions.HTTPError:
            return False

    def send(
        self, server: ContainerServer, method: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request to a server and return its answer. Raise urllib3's HTTPError without an answer in time."""
        made = self._pool.request(
            method, server.url + path, body=body or None, headers=dict(headers), redirect=False, retries=False,
            timeout=urllib3.Timeout(total=seconds),
        )  # fmt: skip
        return made.status, made.headers, made.data


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
