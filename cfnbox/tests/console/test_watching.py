"""Invocations of handlers in the output of `cfnbox up --log` and `cfnbox events --handlers`."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import programs
from console.conftest import BAD, PAINT, SECRET, command

if TYPE_CHECKING:
    from programs import RunningCloud


def test_a_failed_event_ends_with_the_exception_and_its_line(painted: RunningCloud) -> None:
    said = command("events", "--stack-name", "bad", url=painted.url).stdout
    failed = next(line for line in said.splitlines() if "CREATE_FAILED" in line and "Spilt" in line)
    assert "The handler ended with KeyError: 'invisible' (paint.py:" in failed
    assert "handler:" not in said


def test_invocations_are_listed_among_the_events_of_their_stack(painted: RunningCloud) -> None:
    said = command("events", "--stack-name", "good", "--handlers", url=painted.url).stdout
    lines = [line for line in said.splitlines() if "CREATE handler:" in line]
    assert ["IN_PROGRESS" in lines[0], "SUCCESS" in lines[1]] == [True, True]
    assert "again after 1 s" in lines[0]
    assert 'callback context {"stirred": 1}' in lines[1]
    assert "Spilt" not in said
    assert said.index("CREATE_IN_PROGRESS") < said.index("CREATE handler: SUCCESS") < said.rindex("CREATE_COMPLETE")
    assert "Recipe" not in said


def test_properties_are_shown_on_request(painted: RunningCloud) -> None:
    said = command("events", "--stack-name", "good", "--handlers", "--show-properties", url=painted.url).stdout
    assert '"Colour": "blue ****", "Recipe": "write-only-recipe"' in said
    assert SECRET not in said


def test_up_prints_each_invocation_at_its_end() -> None:
    up = [programs.program("cfnbox"), "up", "--port", "0", "--log", *PAINT]
    with subprocess.Popen(up, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stderr
            said = next(line for line in process.stdout if line.startswith("export AWS_ENDPOINT_URL="))
            url = said.partition("=")[2].strip()
            assert command("deploy", "-", "--stack-name", "bad", url=url, stdin=json.dumps(BAD)).returncode == 1
            line = process.stderr.readline()
        finally:
            process.terminate()
        rest = process.stderr.read()
    assert "CREATE handler: FAILED" in line
    assert "KeyError: 'invisible' (paint.py:" in line
    assert "| mixing invisible" in rest
    assert "| KeyError: 'invisible'" in rest


def test_a_manual_invocation_prints_the_exception(painted: RunningCloud) -> None:
    model = json.dumps({"Name": "pot", "Colour": "invisible"})
    done = command("invoke", "create", "--model", model, *PAINT, url=painted.url)
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "FAILED"
    assert "The handler ended with KeyError: 'invisible' (paint.py:" in done.stderr
    assert "mixing" not in done.stderr


def test_a_manual_invocation_prints_the_log_of_the_handler(painted: RunningCloud) -> None:
    model = '{"Name": "pot", "Colour": "red"}'
    done = command("invoke", "create", "--model", model, "--log", *PAINT, url=painted.url)
    assert done.returncode == 0, done.stderr
    # A create of two invocations, and no line of Lambda's own.
    assert done.stderr.splitlines() == ["mixing red for None"] * 2
