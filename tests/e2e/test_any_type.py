"""cfnbox with a type it knows nothing of but the schema: a note whose handlers keep it in a file."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cfnbox.aws import clients
from tests.e2e.conftest import NOTE, Stack, descendants, is_running, started_cloud
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def arguments(notes: Path) -> list[str]:
    """How `up` is told of the type."""
    schema = NOTE / "example-notes-note.json"
    line = f"--schema {schema} --code {NOTE} --handler note_handlers.resource --env NOTES={notes} --timeout 6"
    return line.split()


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes")


@pytest.fixture(scope="module")
def url(notes: Path) -> Iterator[str]:
    with started_cloud(*arguments(notes)) as (started, _):
        yield started


@pytest.fixture
def stack(url: str, stack_name: str) -> Stack:
    return Stack(url, stack_name)


@pytest.fixture
def requests(notes: Path) -> Any:
    """What arrived at the handlers since the test began, each with the action that is asked for."""
    log = notes / "requests.jsonl"
    before = len(log.read_text().splitlines()) if log.exists() else 0

    def since(action: str) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in log.read_text().splitlines()[before:]]
        return [record for record in records if record["action"] == action]

    return since


def kept(notes: Path) -> dict[str, Any]:
    path = notes / "notes.json"
    return json.loads(path.read_text()) if path.exists() else {}


def note(title: str, **properties: Any) -> dict[str, Any]:
    resource = {"Type": "Example::Notes::Note", "Properties": {"Title": title, **properties}}
    outputs = {"Id": {"Value": {"Ref": "Note"}}, "Words": {"Value": {"Fn::GetAtt": ["Note", "Stats.Words"]}}}
    return {"Resources": {"Note": resource}, "Outputs": outputs}


def test_identifier_and_nested_attributes_come_from_the_schema(stack: Stack, notes: Path) -> None:
    assert stack.create(note(stack.name, Text="three short words"))["StackStatus"] == "CREATE_COMPLETE"
    outputs = stack.outputs()
    assert kept(notes)[outputs["Id"]]["Title"] == stack.name
    assert outputs["Words"] == "3"


def test_only_read_only_properties_are_attributes_of_a_third_party_type(stack: Stack, notes: Path) -> None:
    body = note(stack.name)
    body["Outputs"]["Title"] = {"Value": {"Fn::GetAtt": ["Note", "Title"]}}
    with pytest.raises(ClientError, match="does not support attribute type Title in Fn::GetAtt"):
        stack.create(body)
    assert stack.name not in {one["Title"] for one in kept(notes).values()}


def test_an_update_receives_previous_and_desired_properties(stack: Stack, requests: Any) -> None:
    stack.create(note(stack.name, Text="old text", Labels={"own": "1"}), tags={"team": "search"})
    identifier = stack.outputs()["Id"]
    stack.update(note(stack.name, Text="a new text", Labels={"own": "2"}), tags={"team": "ads"})
    (request,) = requests("UPDATE")
    assert request["desired"] == {
        "Id": identifier,
        "Title": stack.name,
        "Text": "a new text",
        "Labels": {"own": "2"},
        "Stats": {"Words": 2},
    }
    assert request["previous"] == {**request["desired"], "Text": "old text", "Labels": {"own": "1"}}
    assert (request["tags"], request["previous_tags"]) == ({"team": "ads"}, {"team": "search"})
    assert request["system_tags"] == {
        "aws:cloudformation:stack-name": stack.name,
        "aws:cloudformation:stack-id": stack.describe()["StackId"],
        "aws:cloudformation:logical-id": "Note",
    }
    assert stack.outputs() == {"Id": identifier, "Words": "3"}


@pytest.mark.parametrize("change", [{"title": "another"}, {"Paper": {"Size": "A5", "Colour": "white"}}])
def test_create_only_properties_replace_at_any_depth(stack: Stack, notes: Path, change: dict[str, Any]) -> None:
    properties: dict[str, Any] = {"title": stack.name, "Paper": {"Size": "A4", "Colour": "white"}}
    stack.create(note(**properties))
    old = stack.outputs()["Id"]
    body = note(**{**properties, **change})
    assert stack.update(body)["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.outputs()["Id"] != old
    assert old not in kept(notes)


def test_a_nested_property_that_is_not_create_only_changes_in_place(stack: Stack) -> None:
    stack.create(note(stack.name, Paper={"Size": "A4", "Colour": "white"}))
    old = stack.outputs()["Id"]
    stack.update(note(stack.name, Paper={"Size": "A4", "Colour": "blue"}))
    assert stack.outputs()["Id"] == old


def test_in_progress_is_invoked_again(stack: Stack, requests: Any) -> None:
    stack.create(note(stack.name, Behaviour="wait"))
    first, second = requests("CREATE")
    assert first["token"] == second["token"]
    assert (first["context"], second["context"]) == ({}, {"step": 1})
    assert second["desired"] == {"Id": stack.outputs()["Id"], "Title": "waiting"}


def test_a_dead_handler_gets_the_same_event_again(stack: Stack, requests: Any, notes: Path) -> None:
    assert stack.create(note(stack.name, Behaviour="crash-once"))["StackStatus"] == "CREATE_COMPLETE"
    first, second = requests("CREATE")
    assert first == second
    assert [one["Title"] for one in kept(notes).values()].count(stack.name) == 1


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("crash", "Runtime exited with error: exit status 3"),
        ("hang", "The handler gave no answer within 6 s."),
        ("not-json", "The handler's answer is not JSON"),
        ("not-a-progress-event", "The handler's answer is not a progress event"),
        ("fail-late", "The ink did not dry."),
    ],
)
def test_a_handler_that_fails_fails_the_resource(stack: Stack, notes: Path, behaviour: str, reason: str) -> None:
    assert stack.create(note(stack.name, Behaviour=behaviour))["StackStatus"] == "ROLLBACK_COMPLETE"
    (given,) = stack.reasons("CREATE_FAILED")
    assert reason in given
    assert "HandlerErrorCode: " in given
    assert stack.name not in {one["Title"] for one in kept(notes).values()}


def test_a_delete_receives_the_properties_and_identifier(stack: Stack, requests: Any, notes: Path) -> None:
    stack.create(note(stack.name, Text="one"), tags={"team": "search"})
    identifier = stack.outputs()["Id"]
    assert stack.delete()["StackStatus"] == "DELETE_COMPLETE"
    (request,) = requests("DELETE")
    assert request["desired"] == {"Id": identifier, "Title": stack.name, "Text": "one", "Stats": {"Words": 1}}
    assert request["tags"] == {"team": "search"}
    assert identifier not in kept(notes)


def test_drift_of_a_map_of_tags(stack: Stack, notes: Path) -> None:
    stack.create(note(stack.name, Text="as written", Labels={"own": "1"}), tags={"team": "search"})
    assert stack.drift()["Note"]["StackResourceDriftStatus"] == "IN_SYNC"
    everything = kept(notes)
    everything[stack.outputs()["Id"]] |= {"Text": "overwritten", "Labels": {"own": "1", "team": "ads"}}
    (notes / "notes.json").write_text(json.dumps(everything))
    differences = {one["PropertyPath"]: one for one in stack.drift()["Note"]["PropertyDifferences"]}
    assert set(differences) == {"/Text", "/Labels/team"}
    assert differences["/Text"]["ActualValue"] == "overwritten"


def test_up_ends_in_the_middle_of_an_operation(tmp_path: Path) -> None:
    with started_cloud(*arguments(tmp_path)) as (url, process):
        body = json.dumps(note("hanging", Behaviour="hang"))
        clients.client("cloudformation", url).create_stack(StackName="hanging", TemplateBody=body)
        eventually((tmp_path / "requests.jsonl").exists)
        below = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert not [pid for pid in below if is_running(pid)]
