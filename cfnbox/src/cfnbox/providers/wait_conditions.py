"""Wait conditions and their handles: a stack waits for a number of signals.

Source: CloudFormation user guide, "Create wait conditions in a template", and its messages.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused
from cfnbox.providers.names import generated_name
from cfnbox.providers.protocol import Owner, Resource, ResourceFailed, no_notice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.core.type_definition import TypeDefinition
    from cfnbox.providers.callbacks import Callbacks
    from cfnbox.providers.protocol import Progress, Request
    from cfnbox.providers.published import PublishedTypes

_CONDITION, _HANDLE = "AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle"
_MOST_SECONDS = 43200


@dataclass
class _Handle:
    """The signals of a handle by their unique id, in the order of arrival."""

    stack_id: str
    signals: dict[str, Json] = field(default_factory=dict)
    came: threading.Event = field(default_factory=threading.Event)

    def receive(self, content_type: str, body: bytes) -> None:
        """Store a signal. A known unique id marks a repeated signal."""
        if content_type:
            raise Refused("SignatureDoesNotMatch", "A signal is sent with an empty Content-Type header.", 403)
        try:
            signal = json.loads(body)
        except ValueError:
            signal = None
        if not isinstance(signal, dict) or signal.get("Status") not in ("SUCCESS", "FAILURE"):
            raise Refused("InvalidSignal", "A signal is a JSON object with Status, SUCCESS or FAILURE, and UniqueId.")
        if not isinstance(signal.get("UniqueId"), str) or not signal["UniqueId"]:
            raise Refused("InvalidSignal", "A signal needs a UniqueId, which is text.")
        self.signals.setdefault(signal["UniqueId"], signal)
        self.came.set()


class WaitConditions:
    """The provider of wait conditions and their handles.

    `on_signal` is called for each signal of a wait condition, with the message of the stack event.
    """

    notice = staticmethod(no_notice)

    def __init__(
        self,
        callbacks: Callbacks,
        published: PublishedTypes,
        on_signal: Callable[[Owner, str], None] = lambda _owner, _text: None,
    ) -> None:
        self._callbacks, self._published, self._on_signal = callbacks, published, on_signal
        self._handles: dict[str, _Handle] = {}

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        """Return the published schema of the two types, or None."""
        return self._published.find(type_name, place.region) if type_name in (_CONDITION, _HANDLE) else None

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        """Open a handle, or wait for the signals of a handle.

        A wait condition without a handle receives its signals by its CreationPolicy, like any resource.
        """
        if definition.type_name == _HANDLE:
            handle = _Handle(_stack_id(request))
            url = self._callbacks.open(handle.receive)
            self._handles[url] = handle
            return Resource(url, url, {"Id": url}, {"Id": url})
        physical_id = generated_name(request, 255)
        signals = self._awaited(request, desired, progress) if "Handle" in desired else {}
        data = json.dumps(signals, separators=(",", ":"))
        attributes = {"Id": physical_id, "Data": data}
        return Resource(physical_id, physical_id, {**desired, **attributes}, attributes)

    def update(
        self,
        definition: TypeDefinition,
        _request: Request,
        _resource: Resource,
        _previous: Json,
        _desired: Json,
        _progress: Progress,
    ) -> Resource:
        """Raise ResourceFailed: CloudFormation updates neither of the two types."""
        raise ResourceFailed(f"Update to resource type {definition.type_name} is not supported.", "NotUpdatable")

    def delete(
        self, definition: TypeDefinition, _request: Request, resource: Resource, _previous: Json, _progress: Progress
    ) -> None:
        """Close a handle. A wait condition has no state to delete."""
        if definition.type_name == _HANDLE:
            self._callbacks.close(resource.physical_id)
            self._handles.pop(resource.physical_id, None)

    def read(self, definition: TypeDefinition, _request: Request, _identifier: str) -> Resource:
        """Raise ResourceFailed: neither of the two types can be read."""
        raise ResourceFailed(f"Resources of type {definition.type_name} cannot be read.", "UnsupportedAction")

    def list(
        self, definition: TypeDefinition, _request: Request, _filters: Json, _next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        """Raise ResourceFailed: neither of the two types can be listed."""
        raise ResourceFailed(f"Resources of type {definition.type_name} cannot be listed.", "UnsupportedAction")

    def _awaited(self, request: Request, desired: Json, progress: Progress) -> dict[str, str]:
        """Wait for enough signals. Return their data by unique id."""
        handle = self._handles.get(str(desired["Handle"]))
        if handle is None or handle.stack_id != _stack_id(request):
            raise ResourceFailed(
                "The Handle of a wait condition must be the Ref of a wait condition handle of the same stack.",
                "InvalidRequest",
            )
        with progress.waking(handle.came.set):
            return self._signals(handle, request, desired, progress)

    def _signals(self, handle: _Handle, request: Request, desired: Json, progress: Progress) -> dict[str, str]:
        count, seconds = _whole(desired, "Count", 1, None), _whole(desired, "Timeout", None, _MOST_SECONDS)
        deadline, told = time.monotonic() + seconds, 0
        while True:
            handle.came.clear()
            signals = list(handle.signals.values())
            for signal in signals[told:]:
                self._tell(request, f"Received {signal['Status']} signal with UniqueId {signal['UniqueId']}")
            told = len(signals)
            for signal in signals:
                if signal["Status"] == "FAILURE":
                    raise ResourceFailed(
                        f"WaitCondition received failed message: '{signal.get('Reason', '')}' "
                        f"for uniqueId: {signal['UniqueId']}"
                    )
            if len(signals) >= count:
                return {one["UniqueId"]: str(one.get("Data", "")) for one in signals}
            if time.monotonic() > deadline:
                raise ResourceFailed(
                    f"WaitCondition timed out. Received {len(signals)} conditions when expecting {count}",
                    "NotStabilized",
                )
            progress.wait(0)
            handle.came.wait(max(deadline - time.monotonic(), 0))

    def _tell(self, request: Request, text: str) -> None:
        if request.owner is not None:
            self._on_signal(request.owner, text)


def _stack_id(request: Request) -> str:
    return request.owner.stack_id if request.owner else ""


def _whole(desired: Json, name: str, default: int | None, most: int | None) -> int:
    """Return a property as an integer of at least 1. Raise ResourceFailed for another value."""
    given = str(desired.get(name, default if default is not None else ""))
    if not given.isdecimal() or int(given) < 1 or (most is not None and int(given) > most):
        between = "at least 1" if most is None else f"between 1 and {most}"
        raise ResourceFailed(f"{name} of a wait condition must be a whole number, {between}.", "InvalidRequest")
    return int(given)
