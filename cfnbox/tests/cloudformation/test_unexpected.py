"""Unexpected errors: the log has the traceback, and the message names the log entry. Neither contains a value."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from cloudformation.conftest import template, thing

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from cloudformation.conftest import Control, User

SENTENCE = re.compile(
    r"Internal error in (?P<where>.+): (?P<name>\w+)\. Details: log entry (?P<entry>\w+) (?P<place>.+)\."
)
VALUE = "a-value-of-a-property"


def test_the_reason_of_an_unexpected_error_names_the_log_entry(
    user: User, control: Control, caplog: pytest.LogCaptureFixture
) -> None:
    control.things.orders.astonish["create", "a"] = KeyError(VALUE)
    user.create("s", template(A=thing(Name="a")))
    reasons = [one.get("ResourceStatusReason", "") for one in user.history("s")]
    told = next(match for match in map(SENTENCE.fullmatch, reasons) if match)
    assert told["where"] == "the provider of Acme::Store::Thing"
    assert told["name"] == "KeyError"
    assert told["place"] == "of the logger cfnbox"
    (record,) = (one for one in caplog.records if one.name == "cfnbox")
    assert told["entry"] in record.getMessage()
    assert "store.py" in record.getMessage()
    assert "raise" in record.getMessage()
    assert VALUE not in record.getMessage() + str(reasons)


COMMAND = """
from cfnbox.cli.shutdown import run

def fails(ending):
    try:
        int("a-value" + "-of-a-property")
    except ValueError as problem:
        raise KeyError("a-value" + "-of-a-property") from problem

run(fails)
"""


def test_a_command_writes_the_log_to_a_file(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    told = SENTENCE.fullmatch(done.stderr.strip().removeprefix("error: "))
    assert told
    file = tmp_path / "cfnbox" / "cfnbox.log"
    assert told["place"] == f"in {file}"
    text = file.read_text()
    assert told["entry"] in text
    assert text.index("ValueError") < text.index("KeyError")
    assert VALUE not in text + done.stderr
    assert (file.parent.stat().st_mode & 0o077) == 0


def test_a_command_without_errors_writes_no_log_file(tmp_path: Path) -> None:
    code = "from cfnbox.cli.shutdown import run; run(lambda ending: 0)"
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "XDG_STATE_HOME": str(tmp_path)}, timeout=60, check=True
    )
    assert not (tmp_path / "cfnbox" / "cfnbox.log").exists()


def test_a_library_prints_nothing_and_writes_no_file(tmp_path: Path) -> None:
    code = "from cfnbox.core.unexpected import internal_error; print(internal_error('x', KeyError('y')))"
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert SENTENCE.fullmatch(done.stdout.strip())
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
