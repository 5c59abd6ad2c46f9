"""A cloud that is a process of its own, as a user starts it, and the commands that a user sends to it or runs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, cast
from unittest import mock

from cfnbox.aws import clients
from cfnbox.cli import arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cfnbox.cli.shutdown import Ending

# A command that hangs must not hold up the tests for ever.
_SECONDS = 600
_INSTALLED = Path(sys.executable).parent


def program(name: str) -> str:
    """Return the path of a program of this environment."""
    return str(_INSTALLED / name)


def path() -> str:
    """Return a PATH that begins with the programs of this environment."""
    return f"{_INSTALLED}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


class RunningCloud:
    """A cloud in another process: its address, its console's, and the variables that it printed for shells."""

    def __init__(self, process_id: int, exports: dict[str, str], console_url: str) -> None:
        self.process_id, self.console_url = process_id, console_url
        self.url, self.exports = exports["AWS_ENDPOINT_URL"], exports

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return clients.client(service, self.url, region)

    def run(self, name: str, *given: str, folder: Path, **environment: str) -> str:
        """Run a program with the variables that the cloud printed, and return its output; it must succeed."""
        home = {"HOME": str(folder), "PATH": path(), "AWS_PAGER": ""}
        pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        done = subprocess.run(
            [program(name), *given],
            cwd=folder, env={**pip, **home, **self.exports, **environment},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextmanager
def running_cloud(*options: str, folder: Path | None = None, errors: IO[str] | None = None) -> Iterator[RunningCloud]:
    """`cfnbox up`, in a folder, until the end of the block; `errors` takes what it writes beside its output."""
    command = [program("cfnbox"), "up", "--port", "0", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        try:
            assert process.stdout
            exports, console_url = {}, ""
            for line in process.stdout:
                if line.startswith("export "):
                    name, _, value = line.removeprefix("export ").strip().partition("=")
                    exports[name] = value
                elif line.startswith("# The console"):
                    console_url = line.partition(": ")[2].strip()
                elif "Ctrl-C" in line:
                    break
            yield RunningCloud(process.pid, exports, console_url)
        finally:
            process.terminate()


def environment_with(url: str | None, variables: Mapping[str, str]) -> dict[str, str]:
    """No variable of AWS's but these, and the address of the cloud if there is one."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**kept, **({"AWS_ENDPOINT_URL": url} if url else {}), **variables}


class Command:
    """The command line in this process, in a folder: a new process takes a third of a second to start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self, *given: str, url: str | None = None, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        ending, out, errors = SimpleNamespace(status=None), io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, environment_with(url, variables), clear=True),
            mock.patch("sys.stdin", io.StringIO(stdin)),
            chdir(self._folder),
            redirect_stdout(out),
            redirect_stderr(errors),
        ):
            try:
                status = arguments.run(given, cast("Ending", ending))
            except SystemExit as end:
                status = cast("int", end.code)
        return subprocess.CompletedProcess(given, status, out.getvalue(), errors.getvalue())
