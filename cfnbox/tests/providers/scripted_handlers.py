"""Handlers of a type whose resources say in their property `Answers` what each invocation is to answer.

The n-th invocation of an operation gives the n-th answer. "$event" in it stands for the event that came in.
"""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from typing import Any


def resource(event: dict[str, Any], _context: Any) -> Any:
    properties = event["requestData"]["resourceProperties"]
    step = (event.get("callbackContext") or {}).get("step", 0)
    answers = json.loads(properties.get("Answers") or Path(os.environ["ANSWERS"]).read_text())
    answer = answers[min(step, len(answers) - 1)]
    if answer == "not json":
        return {1, 2}
    if answer == "large":
        return {"status": "SUCCESS", "message": "a" * 7_000_000}
    if answer == "raise":
        raise RuntimeError("the secret of the handler")
    if answer == "swallow":
        return _swallow({})
    if answer == "log":
        print("printed by the handler")
        answer = {"status": "IN_PROGRESS", "callbackContext": {"step": step + 1}}
    if answer == "end":
        os._exit(3)
    if answer == "end once":
        marker = Path(os.environ["ANSWERS"]).with_suffix(f".{event['bearerToken']}")
        if not marker.exists():
            marker.touch()
            os._exit(3)
        answer = {"status": "SUCCESS", "resourceModel": {"Id": "second"}}
    if isinstance(answer, dict) and answer.get("status") == "IN_PROGRESS" and answer.get("resourceModel"):
        # The model becomes the next desired state, and must carry the script on.
        answer["resourceModel"]["Answers"] = properties["Answers"]
    return _filled(answer, event)


def _swallow(properties: dict[str, Any]) -> Any:
    """What cloudformation_cli_python_lib makes of an exception that is none of its own."""
    try:
        of_a_resource = properties["Colour"]
    except KeyError as error:
        print(f"Exception caught {error}")
        traceback.print_exc()
        return {"status": "FAILED", "errorCode": "InternalFailure", "message": ""}
    return of_a_resource


def _filled(answer: Any, event: dict[str, Any]) -> Any:
    if isinstance(answer, dict):
        return {key: _filled(value, event) for key, value in answer.items()}
    return json.dumps(event) if answer == "$event" else answer
