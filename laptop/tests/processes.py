"""A cloud that is a process of its own, as a user starts it, and the commands that a user sends to it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from laptop import clients

if TYPE_CHECKING:
    from collections.abc import Iterator

_BIN = Path(sys.executable).parent
# A command that hangs must not hold up the tests for ever.
_SECONDS = 600


class RunningCloud:
    """A cloud in another process: its address, and the variables that it printed for shells."""

    def __init__(self, exports: dict[str, str]) -> None:
        self.url, self.exports = exports["AWS_ENDPOINT_URL"], exports

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return clients.client(service, self.url, region)

    def run(self, program: str, *arguments: str, folder: Path, **environment: str) -> str:
        """What a program says with nothing exported but what the cloud printed; it must succeed."""
        home = {"HOME": str(folder), "PATH": f"{_BIN}:{os.environ['PATH']}", "AWS_PAGER": ""}
        pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        done = subprocess.run(
            [str(_BIN / program), *arguments], cwd=folder, env={**pip, **home, **self.exports, **environment},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextmanager
def running_cloud(
    *arguments: str, folder: Path | None = None, errors: IO[str] | None = None
) -> Iterator[RunningCloud]:
    """`laptop up`, in a folder, until the end of the block; `errors` takes what it writes beside its output."""
    command = [sys.executable, "-m", "laptop", "up", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        try:
            assert process.stdout
            exports = {}
            for line in process.stdout:
                if line.startswith("export "):
                    name, _, value = line.removeprefix("export ").strip().partition("=")
                    exports[name] = value
                elif "Ctrl-C" in line:
                    break
            yield RunningCloud(exports)
        finally:
            process.terminate()
