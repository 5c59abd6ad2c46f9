"""`python -m tools.sam_local`: SAM's TestEntrypoint in a container, with each event of sam-tests/ in turn.

The function talks to a local SageMaker that ends with the command. Further arguments go to `sam local invoke`.
"""

import argparse
import ipaddress
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException  # type: ignore[import-untyped]
from rich.console import Console
from werkzeug.serving import make_server

from cfnbox.cli.shutdown import Ending, run
from cfnbox.sagemaker.server import LocalSageMaker, SageMakerApp
from tools import sam
from tools.function_package import lambda_python

ROOT = Path(__file__).resolve().parents[1]
EVENTS = ROOT / "sam-tests"
# A model's life; each event finds what those before it left.
ACTIONS = ("create", "read", "update", "list", "delete")
NO_DOCKER = 3
_SAM_ENDS_SECONDS = 0.8
_NO_REGISTRY = (
    "sam local invoke asks AWS's registry of images first. Where the registry cannot be reached and the image is\n"
    "here already, try: python -m tools.sam_local --skip-pull-image"
)

# Its lines for each request would stand between the answers.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(highlight=False, soft_wrap=True, stderr=True)


def main(ending: Ending) -> int:
    """Build and invoke: 0 when every event succeeds, 1 when one does not, NO_DOCKER where no Docker engine is."""
    parser = argparse.ArgumentParser(prog="python -m tools.sam_local", description=__doc__)
    _, for_sam = parser.parse_known_args()
    # It removes its container then.
    ending.first = partial(ending.children.interrupt, _SAM_ENDS_SECONDS)
    try:
        engine = docker.from_env()
        engine.ping()
    except DockerException:
        _err.print(
            "No Docker engine answers here, and sam local runs the function in a container: nothing was tried.\n"
            "Start Docker and try again. Without it the same events run in AWS's own Lambda runtime:\n"
            "  python -m pytest tests/deploy/test_sam.py"
        )
        return NO_DOCKER
    with tempfile.TemporaryDirectory(prefix="sam-") as build, _sagemaker(engine) as url:
        try:
            succeeded = _built(Path(build)) and all(_invoked(one, Path(build), url, for_sam) for one in ACTIONS)
        except sam.SamUnavailable as unavailable:
            _err.print(str(unavailable), markup=False)
            succeeded = False
    return 0 if succeeded else 1


@contextmanager
def _sagemaker(engine: docker.DockerClient) -> Iterator[str]:
    """A local SageMaker, and its URL as a container sees it."""
    if sys.platform != "linux":
        # Docker Desktop has a name, inside containers, for the loopback of this machine.
        with LocalSageMaker() as sagemaker:
            yield sagemaker.url.replace("127.0.0.1", "host.docker.internal")
        return
    # On Linux a container reaches this machine at its bridge's address only; no other machine does.
    server = make_server(_bridge_address(engine), 0, SageMakerApp(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{server.host}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _bridge_address(engine: docker.DockerClient) -> str:
    (settings, *_) = engine.networks.get("bridge").attrs["IPAM"]["Config"]
    # Older engines name the subnet alone, of which the bridge has the first address.
    return str(settings.get("Gateway") or next(ipaddress.ip_network(settings["Subnet"]).hosts()))


def _built(build: Path) -> bool:
    runtime = json.loads((ROOT / ".rpdk-config").read_bytes())["runtime"]
    python = lambda_python(runtime)
    if python is None:
        _err.print(f"{runtime} is neither on PATH nor among pyenv's: sam build needs the interpreter of the runtime.")
        return False
    _out.print("sam build ...")
    done = _sam(["build", "--build-dir", str(build)], Path(python).parent)
    if done.returncode:
        _err.print(done.stderr, markup=False)
    return done.returncode == 0


def _invoked(action: str, build: Path, url: str, for_sam: list[str]) -> bool:
    done = _sam(
        [
            "local", "invoke", "TestEntrypoint", "--template", str(build / "template.yaml"),
            "--event", str(EVENTS / f"{action}.json"), "--parameter-overrides", f"SageMakerEndpoint={url}",
            *for_sam,
        ]
    )  # fmt: skip
    answer = _answer(done.stdout)
    if answer.get("status") != "SUCCESS":
        _err.print(f"[red]{action}: {answer.get('errorCode', 'no answer')}[/]: {answer.get('message', '')}")
        if "status" not in answer:
            _err.print(done.stderr, markup=False)
            if "--skip-pull-image" not in for_sam:
                _err.print(_NO_REGISTRY, markup=False)
        return False
    _out.print(f"[green]{action}[/]: SUCCESS")
    return True


def _answer(printed: str) -> dict[str, Any]:
    try:
        answer = json.loads(printed.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _sam(arguments: list[str], *first_on_path: Path) -> subprocess.CompletedProcess[str]:
    folders = [*map(str, first_on_path), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    environment = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ, "SAM_CLI_TELEMETRY": "0"}
    return subprocess.run(
        [*sam.command(), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=environment | {"PATH": os.pathsep.join(folders)},
    )  # fmt: skip


if __name__ == "__main__":
    run(main)
