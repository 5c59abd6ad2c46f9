"""A cloud in a process of its own: started, waited for, and stopped."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, cast

from cfnbox.core.errors import LocalFailure
from cfnbox.session import Session

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_STOP_SECONDS = 10


class CloudDidNotStart(LocalFailure):
    """The process of the cloud ended before it was ready. The message has its output."""


class CloudProcess(Session):
    """`cfnbox up` on a free port until closed, and a session in its default account and region. A context manager.

    `types` are folders of registry types; without any it serves AWS's types alone.
    """

    def __init__(self, types: Sequence[str | os.PathLike[str]] = (), *, options: Sequence[str] = ()) -> None:
        served = [str(folder) for folder in types] or ["--no-types"]
        command = [sys.executable, "-m", "cfnbox", "up", "--port", "0", *map(str, options), *served]
        # Use a file, because a full pipe that is not read would block the cloud.
        self._errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8", prefix="cfnbox-")  # noqa: SIM115 - close() closes it
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        try:
            super().__init__(self._address(cast("IO[str]", self._process.stdout)))
        except BaseException:
            self.close()
            raise

    def _address(self, lines: IO[str]) -> str:
        for line in lines:
            if line.startswith("export AWS_ENDPOINT_URL="):
                return line.partition("=")[2].strip()
        self._process.wait()
        self._errors.seek(0)
        raise CloudDidNotStart(
            f"The cloud did not start (exit status {self._process.returncode}).\n{self._errors.read()}"
        )

    @property
    def process_id(self) -> int:
        """The id of the process."""
        return self._process.pid

    def close(self) -> None:
        """Stop the process and wait until it has ended; safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> CloudProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
