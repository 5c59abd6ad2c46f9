"""Handlers of a pot of paint: a create takes two invocations, and the colour `invisible` makes it raise."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cloudformation_cli_python_lib import Action, OperationStatus, ProgressEvent, Resource


@dataclass
class Pot:
    Name: str | None = None
    Colour: str | None = None
    Recipe: str | None = None
    Label: str | None = None

    @classmethod
    def _deserialize(cls, given: dict[str, Any] | None) -> Pot | None:
        return None if given is None else cls(**given)

    def _serialize(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


resource = Resource("Example::Paint::Pot", Pot)


@resource.handler(Action.CREATE)
def create(session: Any, request: Any, context: dict[str, Any]) -> ProgressEvent:
    pot = request.desiredResourceState
    print(f"mixing {pot.Colour} for {pot.Label}")
    if "stirred" in context:
        return ProgressEvent(status=OperationStatus.SUCCESS, resourceModel=pot)
    if pot.Colour == "invisible":
        return mix({}, pot.Colour)
    return ProgressEvent(
        status=OperationStatus.IN_PROGRESS, resourceModel=pot, callbackContext={"stirred": 1}, callbackDelaySeconds=1
    )


def mix(colours: dict[str, Any], name: str) -> Any:
    return colours[name]


@resource.handler(Action.READ)
def read(session: Any, request: Any, context: dict[str, Any]) -> ProgressEvent:
    # Simulate a change outside of the stack: a colour that is not in the template.
    return ProgressEvent(
        status=OperationStatus.SUCCESS,
        resourceModel=Pot(Name=request.desiredResourceState.Name, Colour="<b>grey</b>"),
    )


@resource.handler(Action.UPDATE)
def update(session: Any, request: Any, context: dict[str, Any]) -> ProgressEvent:
    return ProgressEvent(status=OperationStatus.SUCCESS, resourceModel=request.desiredResourceState)


@resource.handler(Action.DELETE)
def delete(session: Any, request: Any, context: dict[str, Any]) -> ProgressEvent:
    return ProgressEvent(status=OperationStatus.SUCCESS)
