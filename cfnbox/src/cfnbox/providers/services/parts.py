"""Parts of a type: properties that have API calls of their own.

Each part can be applied (previous and desired properties in, calls out) and read (properties out).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cfnbox.providers.protocol import ResourceFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.providers.services.calls import Calls


class Part(Protocol):
    """Properties of a type with API calls of their own. `key` holds the members that name the resource."""

    @property
    def in_create(self) -> bool:
        """Return whether the create call already sets the properties."""

    @property
    def removed_before_delete(self) -> bool:
        """Return whether a deletion must remove what the template set, because the service requires it."""

    def apply(self, calls: Calls, key: Json, previous: Json, desired: Json) -> None:
        """Make the calls that a change of the properties needs; none where nothing changed."""

    def read(self, calls: Calls, key: Json) -> Json:
        """Return the properties as the service has them; those that are not set are left out."""


def document(value: Any) -> str:
    """Return a policy document as the text that an API takes."""
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Setting:
    """One property with a put, a get and perhaps a delete operation of its own.

    `request` makes the members of the put call of the property's value, `answer` the value of the get call's answer
    (None: not set). Without `delete` a removed property is put back to `default`. Without `get` the property is in
    the type's description.
    """

    property: str
    put: str
    get: str = ""
    delete: str = ""
    request: Callable[[Any], Json] | None = None
    answer: Callable[[Json], Any] | None = None
    default: Any = None
    in_create: bool = False
    removed_before_delete: bool = False

    def apply(self, calls: Calls, key: Json, previous: Json, desired: Json) -> None:
        """Put the desired value, or delete the previous one."""
        value = desired.get(self.property)
        if value == previous.get(self.property):
            return
        if value is None and self.delete:
            _tolerate_missing(calls, self.delete, key)
            return
        value = self.default if value is None else value
        members = self.request(value) if self.request else {self.property: value}
        calls.invoke(self.put, {**key, **members}, missing_is="InvalidRequest")

    def read(self, calls: Calls, key: Json) -> Json:
        """Get the value."""
        answer = calls.find(self.get, key) if self.get else None
        if answer is None:
            return {}
        value = self.answer(answer) if self.answer else answer.get(self.property)
        return {} if value is None else {self.property: value}


@dataclass(frozen=True)
class Update:
    """Properties that one update operation sets; the type's description has them.

    `request` makes the members of the properties that changed; `defaults` are the values of removed properties.
    With `sends_all` the call has all of the properties, not only those that changed.
    """

    operation: str
    properties: tuple[str, ...]
    request: Callable[[Json], Json] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    sends_all: bool = False
    in_create: bool = True
    removed_before_delete: bool = False

    def apply(self, calls: Calls, key: Json, previous: Json, desired: Json) -> None:
        """Call the operation when one of the properties differs."""
        changed = [name for name in self.properties if previous.get(name) != desired.get(name)]
        if not changed:
            return
        sent = self.properties if self.sends_all else changed
        values = {name: desired.get(name, self.defaults.get(name)) for name in sent}
        values = {name: value for name, value in values.items() if value is not None}
        members = self.request(values) if self.request else values
        calls.invoke(self.operation, {**key, **members}, missing_is="InvalidRequest")

    def read(self, _calls: Calls, _key: Json) -> Json:
        """Return nothing: the type's description has the properties."""
        return {}


def attribute_text(value: Any) -> str:
    """Return a property's value as the text that an API of attributes takes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


@dataclass(frozen=True)
class Attributes:
    """Properties that are attributes to the service: texts by name, set together or one by one.

    `names` are the attributes by property; the type's description has them (`read`). `defaults` are the texts that
    removed properties get, "" for others. `one_by_one` says that the operation sets a single AttributeName.
    """

    operation: str
    names: Mapping[str, str]
    defaults: Mapping[str, str] = field(default_factory=dict)
    one_by_one: bool = False
    in_create: bool = True
    removed_before_delete: bool = False

    def texts(self, properties: Json) -> dict[str, str]:
        """Return the attributes of those properties that are set."""
        return {
            attribute: attribute_text(properties[name])
            for name, attribute in self.names.items()
            if properties.get(name) is not None
        }

    def properties(self, attributes: Mapping[str, str]) -> Json:
        """Return the properties of those attributes that are not empty; the schema gives them their types."""
        found = {name: attributes.get(attribute) for name, attribute in self.names.items()}
        return {name: value for name, value in found.items() if value not in (None, "")}

    def apply(self, calls: Calls, key: Json, previous: Json, desired: Json) -> None:
        """Set the attributes that differ."""
        before, after = self.texts(previous), self.texts(desired)
        removed = {name: self.defaults.get(name, "") for name in before if name not in after}
        changed = {name: value for name, value in after.items() if before.get(name) != value} | removed
        if self.one_by_one:
            for name, value in changed.items():
                calls.invoke(self.operation, {**key, "AttributeName": name, "AttributeValue": value})
        elif changed:
            calls.invoke(self.operation, {**key, "Attributes": changed})

    def read(self, _calls: Calls, _key: Json) -> Json:
        """Return nothing: the type's description has the properties."""
        return {}


@dataclass(frozen=True)
class Items:
    """A property that is a list, each item of which has an operation that adds and one that removes it.

    `add_request` and `remove_request` make the members of a call of an item, `items` reads the list from the service,
    `identity` is what an item is known by: an item that differs but has the same identity is added again and not
    removed.
    """

    property: str
    add: str
    remove: str
    add_request: Callable[[Any], Json]
    items: Callable[[Calls, Json], list[Any]]
    remove_request: Callable[[Any], Json] | None = None
    identity: Callable[[Any], Any] = str
    in_create: bool = False
    removed_before_delete: bool = False

    def apply(self, calls: Calls, key: Json, previous: Json, desired: Json) -> None:
        """Remove the items that are gone, then add those that are new or differ."""
        before = {self.identity(item): item for item in previous.get(self.property) or ()}
        after = {self.identity(item): item for item in desired.get(self.property) or ()}
        remove_request = self.remove_request or self.add_request
        for identity, item in before.items():
            if identity not in after:
                _tolerate_missing(calls, self.remove, {**key, **remove_request(item)})
        for identity, item in after.items():
            if before.get(identity) != item:
                calls.invoke(self.add, {**key, **self.add_request(item)}, missing_is="InvalidRequest")

    def read(self, calls: Calls, key: Json) -> Json:
        """List the items."""
        return {self.property: self.items(calls, key)}


@dataclass(frozen=True)
class Hook:
    """Properties that need code: `apply` and `read` as in Part."""

    applying: Callable[[Calls, Json, Json, Json], None]
    reading: Callable[[Calls, Json], Json] = lambda _calls, _key: {}
    in_create: bool = False
    removed_before_delete: bool = False

    def apply(self, calls: Calls, key: Json, previous: Json, desired: Json) -> None:
        """Make the calls that a change needs."""
        self.applying(calls, key, previous, desired)

    def read(self, calls: Calls, key: Json) -> Json:
        """Return the properties as the service has them."""
        return self.reading(calls, key)


def _tolerate_missing(calls: Calls, operation: str, members: Json) -> None:
    """Call an operation that removes; that there is nothing to remove is no failure."""
    try:
        calls.invoke(operation, members)
    except ResourceFailed as failure:
        if failure.code != "NotFound":
            raise
