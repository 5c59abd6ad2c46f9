"""Servers on this machine behind endpoints: which image each of them serves, and when an endpoint is in service."""

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

# DescribeEndpoint waits for a server as long as this, unless ContainerStartupHealthCheckTimeoutInSeconds says
# otherwise; AWS waits for 8 minutes.
STARTUP_SECONDS = 60.0
# Developer guide, "Custom Inference Code with Hosting Services": a container must answer /ping within 2 seconds.
_PING_SECONDS = 2.0
_PAUSE_SECONDS = 0.1
_COMMAND = "!"
_HOW = "give --serve 'IMAGE=http://127.0.0.1:8080', or --serve 'IMAGE=!python serve.py'"
# A client of a service of the cloud in a place.
Clients = Callable[[str, "Place"], Any]


@dataclass(frozen=True)
class ServedImage:
    """Which server stands for an image: `url` of one that runs, or `command` that starts one."""

    pattern: str
    url: str = ""
    command: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> ServedImage:
        """Return what an argument says. Raise ValueError for text that is neither IMAGE=URL nor IMAGE=!COMMAND."""
        pattern, _, server = text.partition("=")
        if not (pattern and server):
            raise ValueError(f"{text!r} does not say which server serves an image: {_HOW}")
        if server.startswith(_COMMAND):
            return cls(pattern, command=_command(server.removeprefix(_COMMAND)))
        if urllib.parse.urlsplit(server).scheme not in ("http", "https"):
            raise ValueError(f"{server!r} is not the address of a server: {_HOW}")
        return cls(pattern, url=server.rstrip("/"))

    def matches(self, image: str) -> bool:
        """Say whether the pattern fits an image: all of its reference, or that without registry or without tag."""
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
    """A container of a model. `name` is its host name, or "primary". `artifacts` is an S3 URL, or ""."""

    name: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    artifacts: str = ""
    is_multi_model: bool = False
    is_direct: bool = False
    startup_seconds: float = STARTUP_SECONDS


@dataclass
class ContainerServer:
    """The server of a container. A process that was started ends with its endpoint."""

    container: Container
    url: str
    process: subprocess.Popen[bytes] | None = None
    loaded_models: set[str] = field(default_factory=set)


@dataclass
class HostedServers:
    """The servers of an endpoint by variant, or those of an inference component, in their containers' order.

    A container whose image nothing serves has None.
    """

    containers: Mapping[str, tuple[Container, ...]]
    servers: dict[str, list[ContainerServer | None]] = field(default_factory=dict)


class NoServer(Exception):
    """A server cannot be started, or does not answer; the message is the FailureReason of the endpoint."""


class Hosting:
    """The servers of all endpoints. For any number of threads.

    `clients` makes clients of the cloud's services, and `environment` is what a command finds beside the variables of
    its container.
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
        """Return the first argument that fits an image, or None."""
        return next((served for served in self._images if served.matches(image)), None)

    def deployment(self, place: Place, key: str) -> HostedServers | None:
        """Return what is deployed under a key: endpoint/NAME or inference-component/NAME."""
        with self._lock:
            return self._deployments.get((place, key))

    def deploy(self, place: Place, key: str, containers: Mapping[str, tuple[Container, ...]], hold: Hold) -> None:
        """Start the servers of an endpoint; release `hold` once each answers /ping, or with the FailureReason."""
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
        """End the servers of an endpoint that is deleted."""
        self._replace(place, key, None)

    def clear(self) -> None:
        """End all servers."""
        with self._lock:
            deployments = list(self._deployments.values())
            self._deployments.clear()
        for deployment in deployments:
            self._stop(deployment)

    def close(self) -> None:
        """End all servers, and what waits for them."""
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
            # What a server in Python prints shows at once.
            "PYTHONUNBUFFERED": "1",
            **os.environ, **self._environment, "AWS_REGION": place.region, "AWS_DEFAULT_REGION": place.region,
            # Of AWS's inference toolkits: where the folder `model` is.
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
        """Return a new folder, which goes with the cloud."""
        folder = self._started().folder / "served" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def unpack(self, place: Place, url: str, folder: Path) -> None:
        """Unpack an archive of the cloud's S3 into a folder, or copy all objects below a prefix.

        Raise NoServer when there is nothing.
        """
        bucket, _, key = url.removeprefix("s3://").partition("/")
        # The beginning is SageMaker's message for artifacts that are not there (amazon-sagemaker-examples#2264).
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
                # The text that DescribeEndpoint shows of AWS's (developer guide, "Troubleshooting").
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
        """Return what a server answers. Raise urllib3's HTTPError when it does not, or not in time."""
        made = self._pool.request(
            method, server.url + path, body=body or None, headers=dict(headers), redirect=False, retries=False,
            timeout=urllib3.Timeout(total=seconds),
        )  # fmt: skip
        return made.status, made.headers, made.data


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
