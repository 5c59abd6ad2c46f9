"""A stand-in for a program does what the installed program does, as far as anybody sees who starts it."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from laptop.tests import forked_programs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "arguments", "status"),
    [
        ("laptop", ("deploy", "-", "--parameter", "ü=\n"), 1),
        ("laptop", ("nonsense",), 2),
        ("aws", ("s3", "cp", "missing", "s3://bucket"), 255),
    ],
)
def test_it_says_and_ends_as_the_installed_program(
    tmp_path: Path, name: str, arguments: tuple[str, ...], status: int
) -> None:
    variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1", "HOME": str(tmp_path)}
    done = [
        subprocess.run(
            [program, *arguments], cwd=tmp_path, env={**os.environ, **variables},
            input="{", capture_output=True, text=True, timeout=300, check=False,
        )
        for program in (forked_programs.program(name), str(forked_programs.INSTALLED / name))
    ]  # fmt: skip
    forked, installed = [(one.returncode, one.stdout, one.stderr) for one in done]
    assert forked == installed
    assert forked[0] == status


# Not SIGHUP: nohup, under which the tests may run, lets programs ignore it.
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_program(number: signal.Signals) -> None:
    command = [forked_programs.program("laptop"), "sagemaker", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.send_signal(number)
        # The end of its output: no fork of it is left that could write.
        process.stdout.read()
        assert process.wait(300) == 0


def test_what_is_killed_is_gone(tmp_path: Path) -> None:
    command = [forked_programs.program("laptop"), "sagemaker", "--port", "0"]
    # What is killed leaves its temporary folder.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.kill()
        # Only when nothing of it runs any more does its output end.
        process.stdout.read()
