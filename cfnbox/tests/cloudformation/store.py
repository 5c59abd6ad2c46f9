"""A provider that stores resources in a dict, and fails, hangs or reports its identifier late on demand."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from cfnbox.core.type_definition import TypeDefinition
from cfnbox.providers.protocol import Progress, Request, Resource, ResourceFailed, no_notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

TYPES = {
    "Acme::Store::Thing": {
        "properties": {
            "Name": {"type": "string"},
            "Value": {"type": "string"},
            "Frozen": {"type": "string"},
            "Needs": {"type": "array", "items": {"type": "string"}},
            "Tags": {"type": "array", "insertionOrder": False, "items": {"type": "object"}},
            "Parts": {"type": "array", "items": {"type": "object"}},
            "Perhaps": {"type": "string"},
            "Unordered": {"type": "array", "insertionOrder": False, "items": {"type": "string"}},
            "Ordered": {"type": "array", "items": {"type": "string"}},
            "AnyCase": {"type": "string"},
            "Secret": {"type": "string"},
            "Number": {"type": "integer"},
            "Id": {"type": "string"},
            "Echo": {"type": "string"},
            "Silent": {"type": "string"},
        },
        "createOnlyProperties": ["/properties/Frozen", "/properties/Parts/*/Key"],
        "conditionalCreateOnlyProperties": ["/properties/Perhaps"],
        "readOnlyProperties": ["/properties/Id", "/properties/Echo", "/properties/Silent"],
        "writeOnlyProperties": ["/properties/Secret"],
        "propertyTransform": {"/properties/AnyCase": "$lowercase(AnyCase)"},
        "primaryIdentifier": ["/properties/Id"],
        "additionalProperties": False,
    },
}
for name, extra in (
    ("Acme::Store::Fixed", {"handlers": {"create": {}, "read": {}, "delete": {}}}),
    ("Acme::Store::Lone", {"replacementStrategy": "delete_then_create"}),
    (
        "Acme::Store::Named",
        {"primaryIdentifier": ["/properties/Name"], "createOnlyProperties": ["/properties/Frozen"]},
    ),
    (
        "AWS::Store::Named",
        {"primaryIdentifier": ["/properties/Name"], "createOnlyProperties": ["/properties/Frozen"]},
    ),
    ("Custom::Thing", {}),
    ("Acme::Store::Alias", {"additionalIdentifiers": [["/properties/Name"]]}),
):
    TYPES[name] = {**TYPES["Acme::Store::Thing"], **extra}
DEFINITIONS = {name: TypeDefinition.from_schema({"typeName": name, **schema}) for name, schema in TYPES.items()}
# Fn::GetAtt serves properties that a template sets, as it does of many types of AWS.
OPEN = "AWS::Store::Open"
DEFINITIONS[OPEN] = TypeDefinition.from_schema(
    {"typeName": OPEN, **TYPES["Acme::Store::Thing"]}, attributes=["Id", "Echo", "Value", "Frozen", "Unordered"]
)
STRICT = "AWS::Store::Strict"
DEFINITIONS[STRICT] = TypeDefinition.from_schema({
    "typeName": STRICT,
    "properties": {
        "Name": {"type": "string"},
        "Policy": {"type": "string"},
        "Mode": {"type": "string", "enum": ["Active", "PassThrough"]},
        "Id": {"type": "string"},
    },
    "required": ["Name", "Policy"],
    "readOnlyProperties": ["/properties/Id"],
    "primaryIdentifier": ["/properties/Id"],
    "additionalProperties": False,
})  # fmt: skip


@dataclass
class Orders:
    """Failures, waits and invalid results by operation and Name property. Each of them has an effect once.

    `fail` has the moment of a failure: "before" or "after" the operation. With "late" the operation succeeds, but
    reports its identifier only at the end. `codes` has the error codes. `astonish` has exceptions and results that a
    provider may not have.
    """

    fail: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: dict[tuple[str, str], str] = field(default_factory=dict)
    astonish: dict[tuple[str, str], Any] = field(default_factory=dict)
    hang: dict[tuple[str, str], threading.Event] = field(default_factory=dict)
    wait: dict[tuple[str, str], float] = field(default_factory=dict)


class StoreProvider:
    """Serves Acme::Store::*, AWS::Store::* and Custom::Thing. `things` are the live resources by identifier."""

    notice = staticmethod(no_notice)

    def __init__(self) -> None:
        self.things: dict[str, Json] = {}
        self.calls: list[tuple[str, str]] = []
        self.orders = Orders()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def definition(self, type_name: str, place: Place) -> TypeDefinition | None:
        return DEFINITIONS.get(type_name)

    def create(self, definition: TypeDefinition, request: Request, desired: Json, progress: Progress) -> Resource:
        name = desired.get("Name", "")
        named = definition.type_name.endswith("Named")
        with self._lock:
            identifier = name if named else f"thing-{next(self._numbers)}"
        if named and identifier in self.things:
            raise ResourceFailed(f"A thing of the name {name} exists already.", "AlreadyExists")
        early = self._meet("create", name, progress, "before")
        if ("create", name) in self.orders.astonish:
            return cast("Resource", self._astonish("create", name))
        with self._lock:
            self.things[identifier] = {**desired, "Tags": _merged(request, desired)}
        resource = _resource(definition, identifier, desired)
        if early != "late":
            progress.identified(resource)
        try:
            self._meet("create", name, progress, "after")
        except ResourceFailed:
            if early == "late":
                # Nobody has been told of it: a handler that fails so undoes what it did.
                del self.things[identifier]
            raise
        return resource

    def update(self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json, desired: Json,
               progress: Progress) -> Resource:  # fmt: skip
        self._meet("update", desired.get("Name", ""), progress, "before")
        if ("update", desired.get("Name", "")) in self.orders.astonish:
            return cast("Resource", self._astonish("update", desired["Name"]))
        with self._lock:
            if resource.identifier not in self.things:
                raise ResourceFailed("There is no such thing.", "NotFound")
            self.things[resource.identifier] = {**desired, "Tags": _merged(request, desired)}
        self._meet("update", desired.get("Name", ""), progress, "after")
        return _resource(definition, resource.identifier, desired)

    def delete(self, definition: TypeDefinition, request: Request, resource: Resource, previous: Json,
               progress: Progress) -> None:  # fmt: skip
        self._meet("delete", previous.get("Name", ""), progress, "before")
        if ("delete", previous.get("Name", "")) in self.orders.astonish:
            self._astonish("delete", previous["Name"])
        with self._lock:
            if self.things.pop(resource.identifier, None) is None:
                raise ResourceFailed("There is no such thing.", "NotFound")

    def read(self, definition: TypeDefinition, request: Request, identifier: str) -> Resource:
        name = self.things.get(identifier, {}).get("Name", "")
        if event := self.orders.hang.get(("read", name)):
            event.wait(300)
        if ("read", name) in self.orders.astonish:
            return cast("Resource", self._astonish("read", name))
        if identifier not in self.things:
            raise ResourceFailed("There is no such thing.", "NotFound")
        return _resource(definition, identifier, self.things[identifier])

    def list(
        self, definition: TypeDefinition, request: Request, filters: Json, next_token: str | None
    ) -> tuple[Sequence[Json], str | None]:
        return [{"Id": one} for one in self.things], None

    def _meet(self, action: str, name: str, progress: Progress, moment: str) -> str:
        if moment == "before":
            self.calls.append((action, name))
        if event := self.orders.hang.get((action, name)):
            event.wait(300)
        # A resource that exists, and stabilises.
        if moment == "after" and (event := self.orders.hang.get((f"stabilise {action}", name))):
            while not event.is_set():
                progress.wait(0.01)
        if seconds := self.orders.wait.pop((action, name), 0):
            progress.wait(seconds)
        order = self.orders.fail.get((action, name), "")
        if order == moment:
            del self.orders.fail[action, name]
            code: Any = self.orders.codes.get((action, name), "GeneralServiceException")
            raise ResourceFailed(f"The {action} of a thing failed {moment} it was done.", code)
        return order

    def _astonish(self, action: str, name: str) -> Any:
        answer = self.orders.astonish[action, name]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _resource(definition: TypeDefinition, identifier: str, properties: Json) -> Resource:
    properties = {key: value for key, value in properties.items() if key != "Secret"}
    model: Json = {**properties, "Id": identifier, "Echo": str(properties.get("Value", ""))}
    return Resource(identifier, identifier, model, definition.attributes_of(model))


def _merged(request: Request, desired: Json) -> list[Any]:
    own = {tag["Key"]: tag["Value"] for tag in desired.get("Tags", [])}
    return [{"Key": key, "Value": value} for key, value in {**request.stack_tags, **own}.items()]
