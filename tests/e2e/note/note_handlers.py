"""Handlers of Example::Notes::Note: the notes, and every request that arrived, are kept in the directory NOTES."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from cloudformation_cli_python_lib import Action, HandlerErrorCode, OperationStatus, ProgressEvent, Resource
from cloudformation_cli_python_lib.interface import BaseModel

DIRECTORY = Path(os.environ["NOTES"])


class Note(BaseModel):
    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties

    @classmethod
    def _deserialize(cls, json_data: Any) -> Any:
        return None if json_data is None else cls(dict(json_data))

    def _serialize(self) -> dict[str, Any]:
        return self.properties


_notes = Resource("Example::Notes::Note", Note)


def resource(event: dict[str, Any], context: Any) -> Any:
    """The entry point, with answers that the library would never give."""
    behaviour = event["requestData"]["resourceProperties"].get("Behaviour")
    if event["action"] == "CREATE" and behaviour == "not-json":
        return {"status": {1, 2}}
    if event["action"] == "CREATE" and behaviour == "not-a-progress-event":
        return {"hello": "world"}
    return _notes(event, context)


def _kept() -> dict[str, Any]:
    path = DIRECTORY / "notes.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _keep(notes: dict[str, Any]) -> None:
    (DIRECTORY / "notes.json").write_text(json.dumps(notes))


def _arrived(action: str, request: Any, context: Any) -> dict[str, Any]:
    desired = request.desiredResourceState.properties
    previous = request.previousResourceState
    record = {
        "action": action,
        "token": request.clientRequestToken,
        "desired": desired,
        "previous": previous.properties if previous else None,
        "tags": request.desiredResourceTags,
        "previous_tags": request.previousResourceTags,
        "system_tags": request.systemTags,
        "context": dict(context),
    }
    with (DIRECTORY / "requests.jsonl").open("a") as requests:
        requests.write(json.dumps(record) + "\n")
    return dict(desired)


def _success(note: dict[str, Any] | None) -> ProgressEvent:
    return ProgressEvent(status=OperationStatus.SUCCESS, resourceModel=Note(note) if note else None)


def _visible(note: dict[str, Any]) -> dict[str, Any]:
    visible = {key: value for key, value in note.items() if key != "Behaviour"}
    return {**visible, "Stats": {"Words": len(note.get("Text", "").split())}}


@_notes.handler(Action.CREATE)
def create(_session: Any, request: Any, context: Any) -> ProgressEvent:
    desired = _arrived("CREATE", request, context)
    note = {**desired, "Id": f"note-{request.clientRequestToken}"}
    note["Labels"] = {**request.desiredResourceTags, **desired.get("Labels", {})}
    notes, behaviour = _kept(), desired.get("Behaviour")
    if behaviour == "crash":
        os._exit(3)
    if behaviour == "hang":
        time.sleep(60)
    if behaviour == "never":
        return _in_progress(note["Id"], {}, Behaviour=behaviour)
    if behaviour == "wait" and not context:
        return _in_progress(note["Id"], {"step": 1})
    if behaviour == "fail-late" and context:
        return ProgressEvent.failed(HandlerErrorCode.NotStabilized, "The ink did not dry.")
    first_delivery = note["Id"] not in notes
    _keep({**notes, note["Id"]: note})
    if behaviour == "crash-once" and first_delivery:
        os._exit(3)
    if behaviour == "fail-late":
        return _in_progress(note["Id"], {"step": 1}, Behaviour=behaviour, Title=note["Title"])
    return _success(_visible(note))


def _in_progress(identifier: str, context: dict[str, Any], **properties: str) -> ProgressEvent:
    return ProgressEvent(
        status=OperationStatus.IN_PROGRESS,
        resourceModel=Note({"Id": identifier, "Title": "waiting", **properties}),
        callbackContext=context,
        callbackDelaySeconds=1,
    )


@_notes.handler(Action.READ)
def read(_session: Any, request: Any, context: Any) -> ProgressEvent:
    note = _kept().get(_arrived("READ", request, context)["Id"])
    return _success(_visible(note)) if note else _missing()


@_notes.handler(Action.UPDATE)
def update(_session: Any, request: Any, context: Any) -> ProgressEvent:
    desired, notes = _arrived("UPDATE", request, context), _kept()
    if desired["Id"] not in notes:
        return _missing()
    note = {**desired, "Labels": {**request.desiredResourceTags, **desired.get("Labels", {})}}
    _keep({**notes, desired["Id"]: note})
    return _success(_visible(note))


@_notes.handler(Action.DELETE)
def delete(_session: Any, request: Any, context: Any) -> ProgressEvent:
    desired, notes = _arrived("DELETE", request, context), _kept()
    if notes.pop(desired["Id"], None) is None:
        return _missing()
    _keep(notes)
    return _success(None)


def _missing() -> ProgressEvent:
    return ProgressEvent.failed(HandlerErrorCode.NotFound, "There is no such note.")
