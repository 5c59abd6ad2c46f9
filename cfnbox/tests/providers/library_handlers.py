"""Handlers of cloudformation_cli_python_lib whose answers are not JSON, each by the property `Answer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloudformation_cli_python_lib import (
    Action,
    HandlerErrorCode,
    OperationStatus,
    ProgressEvent,
    Resource,
)
from cloudformation_cli_python_lib.interface import BaseModel


@dataclass
class Model(BaseModel):  # type: ignore[misc]
    """The resource model."""

    Id: Any = None
    Answer: Any = None

    @classmethod
    def _deserialize(cls, members: Any) -> Model:
        return cls(**(members or {}))


resource = Resource("Example::Scripts::Script", Model)


@resource.handler(Action.CREATE)  # type: ignore[untyped-decorator]
def create(_session: Any, request: Any, _context: Any) -> ProgressEvent:
    """Answer as the property says."""
    model = request.desiredResourceState
    if model.Answer == "context":
        context = {"steps": [1, {"seen": {"a"}}]}
        return ProgressEvent(OperationStatus.IN_PROGRESS, resourceModel=model, callbackContext=context)
    if model.Answer == "model":
        return ProgressEvent(OperationStatus.SUCCESS, resourceModel=Model(Id="x", Answer=b"bytes"))
    if model.Answer == "key":
        return ProgressEvent(OperationStatus.IN_PROGRESS, callbackContext={"pairs": {(1, 2): 3}})
    if model.Answer == "exception":
        return ProgressEvent.failed(HandlerErrorCode.InvalidRequest, ValueError("Id is taken"))
    return ProgressEvent(OperationStatus.SUCCESS, resourceModel=Model(Id="x"))
