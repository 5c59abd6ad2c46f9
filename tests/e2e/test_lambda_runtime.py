"""Handlers in AWS's own Lambda runtime: side by side, started, ended and heard."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cfnbox.core.type_definition import TypeDefinition
from cfnbox.handlers.events import follow, production_event
from cfnbox.handlers.execution_environment import HandlerCrashed, RuntimeUnavailable
from cfnbox.handlers.runtime import LambdaRuntime
from tests.e2e.conftest import NOTE
from waiting import eventually

DEFINITION = TypeDefinition.load(NOTE / "example-notes-note.json")


def runtime(notes: Path, **arguments: Any) -> LambdaRuntime:
    return LambdaRuntime("note_handlers.resource", [NOTE], env={"NOTES": str(notes)}, **arguments)


def event(action: Any, **desired: Any) -> dict[str, Any]:
    return production_event(DEFINITION, action, desired=desired)


def test_following_ends_when_the_schemas_time_is_over(tmp_path: Path) -> None:
    slept: list[float] = []
    with runtime(tmp_path) as functions:
        create = event("CREATE", Title="x", Behaviour="never")
        limit = DEFINITION.timeout_seconds("CREATE")
        progress = list(follow(functions.invoke, create, sleep=slept.append, timeout=limit))
    assert {one["status"] for one in progress[:-1]} == {"IN_PROGRESS"}
    assert (progress[-1]["status"], progress[-1]["errorCode"]) == ("FAILED", "NotStabilized")
    assert limit - 10 < sum(slept) <= limit


def test_a_runtime_starts_again_after_its_process_died(tmp_path: Path) -> None:
    with runtime(tmp_path) as functions:
        assert functions.invoke(event("READ", Id="nowhere"))["errorCode"] == "NotFound"
        (process,) = functions.process_ids
        os.kill(process, signal.SIGKILL)
        # The runtime takes its exit status: a zombie would stay here.
        eventually(lambda: not Path(f"/proc/{process}").exists())
        assert functions.invoke(event("READ", Id="nowhere"))["errorCode"] == "NotFound"
        assert functions.process_ids != [process]


def test_invocations_side_by_side(tmp_path: Path) -> None:
    events = [event("READ", Id=str(number)) for number in range(12)]
    with runtime(tmp_path, concurrency=3) as functions, ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(functions.invoke, events))
    assert [answer["errorCode"] for answer in answers] == ["NotFound"] * 12
    arrived = [json.loads(line)["desired"]["Id"] for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert sorted(arrived, key=int) == [str(number) for number in range(12)]


MEETING = """
import os, pathlib, time

def resource(event, _context):
    room = pathlib.Path(os.environ["ROOM"])
    (room / event["name"]).touch()
    while len(list(room.iterdir())) < event["guests"]:
        time.sleep(0.01)
    return {}
"""


def test_handlers_that_wait_do_not_wait_for_a_processor(tmp_path: Path) -> None:
    """More of them than there are processors wait for each other."""
    (tmp_path / "meeting.py").write_text(MEETING)
    (tmp_path / "room").mkdir()
    guests = (os.cpu_count() or 1) + 2
    events = [{"name": str(number), "guests": guests} for number in range(guests)]
    env = {"ROOM": str(tmp_path / "room")}
    with (
        LambdaRuntime("meeting.resource", [tmp_path], env=env, concurrency=guests) as functions,
        ThreadPoolExecutor(guests) as threads,
    ):
        assert list(threads.map(functions.invoke, events)) == [{}] * guests


def test_a_handler_that_could_not_be_started_is_started_later(tmp_path: Path) -> None:
    code, moved = tmp_path / "code", tmp_path / "moved"
    code.mkdir()
    (tmp_path / "room").mkdir()
    (code / "meeting.py").write_text(MEETING)
    events = [{"name": str(number), "guests": 2} for number in range(2)]
    with (
        LambdaRuntime("meeting.resource", [code], env={"ROOM": str(tmp_path / "room")}, concurrency=2) as functions,
        ThreadPoolExecutor(2) as threads,
    ):
        first = threads.submit(functions.invoke, events[0])
        while not list((tmp_path / "room").iterdir()):
            time.sleep(0.01)
        code.rename(moved)
        for _ in range(3):
            with pytest.raises(
                RuntimeUnavailable, match=r"cannot be started in .*code: No such file or directory\.$"
            ):
                functions.invoke(events[1])
        moved.rename(code)
        assert [functions.invoke(events[1]), first.result()] == [{}, {}]


STARTING_LONG = """
import os, pathlib, time

pathlib.Path(os.environ["STARTS"], str(os.getpid())).write_text(str(time.monotonic()))
time.sleep(0.6)

def resource(event, _context):
    return {}
"""


def test_no_more_handlers_start_at_once_than_there_are_processors(tmp_path: Path) -> None:
    (tmp_path / "starting.py").write_text(STARTING_LONG)
    (tmp_path / "starts").mkdir()
    processors = os.cpu_count() or 1
    guests, env = processors + 4, {"STARTS": str(tmp_path / "starts")}
    with (
        LambdaRuntime("starting.resource", [tmp_path], env=env, concurrency=guests) as functions,
        ThreadPoolExecutor(guests) as threads,
    ):
        # Who waits for a second starts one more.
        until = time.monotonic() + 1
        assert list(threads.map(functions.invoke, [{}] * guests)) == [{}] * guests
    started = [float(one.read_text()) for one in (tmp_path / "starts").iterdir()]
    assert started
    assert len([moment for moment in started if moment < until]) <= processors


TALKING_LATE = """
import os, pathlib, threading, time

def resource(event, _context):
    said, answered = pathlib.Path(os.environ["SAID"]), pathlib.Path(os.environ["ANSWERED"], event["name"])

    def talk():
        while not answered.exists():
            time.sleep(0.01)
        print("late words of " + event["name"], flush=True)
        said.touch()

    threading.Thread(target=talk).start()
    print("words of " + event["name"], flush=True)
    return {}
"""


def test_what_a_handler_says_after_its_answer_is_of_no_other_invocation(tmp_path: Path) -> None:
    (tmp_path / "talking.py").write_text(TALKING_LATE)
    said, logs = tmp_path / "said", list[str]()
    env = {"SAID": str(said), "ANSWERED": str(tmp_path)}
    with LambdaRuntime(
        "talking.resource", [tmp_path], env=env, record=lambda _, one: logs.append(one.log)
    ) as runtime:
        runtime.invoke({"name": "first"})
        (tmp_path / "first").touch()
        eventually(said.exists)
        runtime.invoke({"name": "second"})
    assert logs == ["words of first", "words of second"]


def test_a_handler_that_cannot_be_imported(tmp_path: Path) -> None:
    expected = pytest.raises(HandlerCrashed, match="Unable to import module 'nowhere'")
    with LambdaRuntime("nowhere.resource", [tmp_path]) as functions, expected:
        functions.invoke({})
