"""ministack's CloudFormation engine with one registry type added, from nothing but the type's schema.

The only module that knows ministack, and the private names of it that a type is added through.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from laptop.events import (
    DEFAULT_ACCOUNT,
    Action,
    InvocationFailed,
    Invoke,
    LocalFailure,
    follow,
    new_token,
    production_event,
)
from laptop.paths import Json, has, put_at, value_at
from laptop.runtime import HandlerCrashed

if TYPE_CHECKING:
    from laptop.definition import TypeDefinition

MINISTACK_VERSION = "1.5.33"
DEFAULT_REGION = "us-east-1"
Asgi = Callable[[Any, Any, Any], Awaitable[None]]
# What a resource's properties carry through the engine beside the template's own; no property has such a name.
_TAGS = "\0tags"
_SYSTEM = "aws:cloudformation:"

# Every private name of ministack that is used here; `load` reports one that is gone.
_NAMES = {
    "ministack.app": ("app",),
    "ministack.core.responses": ("get_account_id", "get_region"),
    "ministack.services.cloudformation": ("_stacks", "handle_request"),
    "ministack.services.cloudformation.provisioners": (
        "_CONDITIONALLY_REPLACING_PROPERTIES",
        "_REPLACING_PROPERTIES",
        "_RESOURCE_HANDLERS",
        "_STACK_TAG_PROPERTY",
        "_tag_map",
        "_with_stack_tags",
    ),
    "ministack.services.cloudformation.stacks": ("_add_event", "_runs_on_worker_thread", "_with_stack_tags"),
    "ministack.services.cloudformation.drift": ("_DRIFT_READERS",),
    "ministack.services.cloudformation.changesets": ("_IMPORT_LOOKUPS", "_IMPORT_NOT_FOUND"),
}


class EngineUnavailable(LocalFailure):
    """ministack is missing, or is not the version this adapter was written for; the message says what to do."""


class ResourceFailed(Exception):
    """An operation on a resource failed; the text is the reason in the stack event."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


def load(port: int) -> dict[str, Any]:
    """ministack's modules by name, imported with the settings of a cloud on that port; EngineUnavailable if unfit."""
    os.environ.update(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        MINISTACK_ACCOUNT_ID=DEFAULT_ACCOUNT,
        MINISTACK_REGION=DEFAULT_REGION,
        LOG_LEVEL="CRITICAL",
    )
    try:
        version = importlib.metadata.version("ministack")
        modules = {name: importlib.import_module(name) for name in _NAMES}
    except ImportError as error:
        raise EngineUnavailable(
            f"ministack {MINISTACK_VERSION} is not installed or lacks a module ({error}): "
            "pip install -r requirements-dev.txt"
        ) from None
    missing = [f"{name}.{one}" for name, names in _NAMES.items() for one in names if not hasattr(modules[name], one)]
    if missing or version != MINISTACK_VERSION:
        lacks = f" and lacks {', '.join(missing)}" if missing else ""
        raise EngineUnavailable(
            f"The engine is written for ministack {MINISTACK_VERSION}; installed is {version}{lacks}. "
            f"Install the pinned version: pip install ministack=={MINISTACK_VERSION}"
        )
    logging.getLogger("cloudformation").setLevel(logging.CRITICAL)
    return modules


class Engine:
    """CloudFormation with a type's handlers behind it. One for each type in a process: ministack's state is global.

    `invoke` takes an event to the handler. `on_tagged` is told identifier and system tags of each resource that
    CloudFormation itself writes its `aws:cloudformation:` tags onto.
    """

    def __init__(
        self,
        definition: TypeDefinition,
        invoke: Invoke,
        port: int,
        on_tagged: Callable[[str, Mapping[str, str]], None] = lambda _identifier, _tags: None,
    ) -> None:
        self._definition, self._invoke, self._on_tagged = definition, invoke, on_tagged
        self._modules = load(port)
        self._cloudformation = self._modules["ministack.services.cloudformation"]
        self._known: dict[str, Json] = {}
        self._register()

    @property
    def app(self) -> Asgi:
        """The ASGI application that serves CloudFormation and ministack's other services."""
        return cast("Asgi", self._modules["ministack.app"].app)

    def _register(self) -> None:
        definition, name = self._definition, self._definition.type_name
        provisioners = self._modules["ministack.services.cloudformation.provisioners"]
        stacks = self._modules["ministack.services.cloudformation.stacks"]
        changesets = self._modules["ministack.services.cloudformation.changesets"]
        drift = self._modules["ministack.services.cloudformation.drift"]
        provisioners._RESOURCE_HANDLERS[name] = {
            "create": self._create,
            "update": self._update,
            "update_with_logical_id": True,
            "delete": self._delete,
            "delete_with_logical_id": True,
            "import": self._import,
        }
        nested = tuple({one.partition(".")[0] for one in definition.create_only if "." in one})
        provisioners._REPLACING_PROPERTIES[name] = tuple(one for one in definition.create_only if "." not in one)
        provisioners._CONDITIONALLY_REPLACING_PROPERTIES[name] = nested
        if definition.tag_property:
            shape = "map" if definition.tags_are_a_map else "list"
            provisioners._STACK_TAG_PROPERTY[name] = (definition.tag_property, shape)
        changesets._IMPORT_LOOKUPS[name] = (definition.primary_identifier, self._import_problem)
        drift._DRIFT_READERS[name] = (self._read_for_drift, frozenset(_readable(definition)))
        self._wrap("_runs_on_worker_thread", (stacks,), lambda original: lambda resource_type: (
            resource_type == name or original(resource_type)))  # fmt: skip
        self._wrap("_with_stack_tags", (stacks, provisioners), self._tags_apart)

    def _wrap(self, name: str, modules: tuple[Any, ...], wrapper: Callable[[Any], Any]) -> None:
        original = getattr(modules[0], name)
        # An engine takes the place of an earlier one of the same type, and stands beside those of others.
        if getattr(original, "type_name", None) == self._definition.type_name:
            original = original.__wrapped__
        wrapped = wrapper(original)
        wrapped.__wrapped__, wrapped.type_name = original, self._definition.type_name
        for module in modules:
            setattr(module, name, wrapped)

    def _tags_apart(self, original: Any) -> Any:
        """In place of merging stack tags and system tags into the tag property: hand each on as it is."""
        tag_map = self._modules["ministack.services.cloudformation.provisioners"]._tag_map

        def apart(resource_type: str, props: Json, stack_tags: Any, *place: str) -> Any:
            if resource_type != self._definition.type_name or not self._definition.tag_property:
                return original(resource_type, props, stack_tags, *place)
            system = dict(zip(("stack-name", "stack-id", "logical-id"), place, strict=True))
            tags = {"stack": tag_map(stack_tags), "system": {_SYSTEM + key: value for key, value in system.items()}}
            return {**props, _TAGS: tags}

        return apart

    def _create(self, logical_id: str, props: Json, stack_name: str) -> tuple[str, Json]:
        properties, tags = _parted(props)
        stack = self._stack(stack_name)
        replaces = logical_id in stack.get("_resources", {})
        place = {"logical_id": logical_id, "stack_id": stack["StackId"]}
        identifiers: list[str] = []

        def started(progress: Json) -> None:
            identifier = self._identifier(progress)
            if identifier and not identifiers:
                operation = stack["StackStatus"].partition("_")[0]
                self._event(stack, logical_id, f"{operation}_IN_PROGRESS", "Resource creation Initiated", identifier)
            identifiers.extend([identifier] if identifier else [])

        try:
            model = self._run("CREATE", {**place, **_now(tags)}, desired=properties, on_progress=started)
        except ResourceFailed as failure:
            if failure.code == "AlreadyExists":
                raise self._with_advice(failure, properties, replaces=replaces) from None
            if identifiers:
                self._undo_create(identifiers[0], properties, {**place, **_now(tags)})
            raise
        return self._adopted(model, properties, tags, place)

    def _undo_create(self, identifier: str, properties: Json, place: Json) -> None:
        """A failed create that had told its identifier is deleted in the rollback, as CloudFormation does."""
        desired = {**properties, **self._definition.identifier_model(identifier)}
        self._run("DELETE", place, desired=desired, absent_is_success=True)

    def _with_advice(self, failure: ResourceFailed, properties: Json, *, replaces: bool) -> ResourceFailed:
        identifiers = (self._definition.primary_identifier, *self._definition.additional_identifiers)
        named = sorted({name for one in identifiers for name in one if has(properties, name)})
        if not (replaces and named):
            return failure
        return ResourceFailed(
            f"{failure} This update replaces the resource, and the new one cannot take the name of the old one while "
            f"that exists: leave {' and '.join(named)} out of the template, so that a name is generated.",
            failure.code,
        )

    def _update(
        self, physical_id: str, old: Json, new: Json, stack_name: str, logical_id: str | None = None
    ) -> tuple[str, Json]:
        if old == new and physical_id in self._known:
            # CloudFormation leaves alone what does not change; ministack sends everything through an update.
            return physical_id, self._attributes(physical_id)
        previous, previous_tags = _parted(old)
        desired, tags = _parted(new)
        if any(_differs(previous, desired, name) for name in self._definition.create_only):
            return self._create(logical_id or physical_id, new, stack_name)
        place = {"logical_id": logical_id, "stack_id": self._stack(stack_name)["StackId"]}
        kept = self._kept(physical_id)
        model = self._run(
            "UPDATE",
            {**place, **_now(tags), **_before(previous_tags)},
            desired={**desired, **kept},
            previous={**previous, **kept},
        )
        return self._adopted(model, desired, tags, place)

    def _delete(self, physical_id: str, props: Json, logical_id: str | None = None) -> None:
        desired = {**_parted(props)[0], **self._kept(physical_id)}
        known = self._known.get(physical_id, {})
        place = {"logical_id": logical_id, **known.get("place", {}), **_now(known.get("tags", {}))}
        stack = self._in_clean_up(place.get("stack_id"))
        if stack:
            self._event(stack, logical_id, "DELETE_IN_PROGRESS", "", physical_id)
        self._run("DELETE", place, desired=desired, absent_is_success=True)
        self._known.pop(physical_id, None)
        if stack:
            self._event(stack, logical_id, "DELETE_COMPLETE", "", physical_id)

    def _in_clean_up(self, stack_id: str | None) -> Json | None:
        """The stack whose update now deletes what it replaced: ministack tells of that in no event or status."""
        stack = next((one for one in self._stacks() if one["StackId"] == stack_id), None)
        if stack is None or not stack["StackStatus"].startswith("UPDATE_") or "ROLLBACK" in stack["StackStatus"]:
            return None
        if stack["StackStatus"] == "UPDATE_IN_PROGRESS":
            stack["StackStatus"] = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            self._event(stack, None, stack["StackStatus"], "", stack["StackId"])
        return stack

    def _import(self, identifier: Mapping[str, str]) -> tuple[str, Json]:
        return self._adopted(self._run("READ", {}, desired=dict(identifier)), {}, {}, {})

    def _import_problem(self, *identifier: str) -> str | None:
        """Why a resource cannot be imported, or None; the message that ministack gives for its own types."""
        changesets = self._modules["ministack.services.cloudformation.changesets"]
        try:
            self._run("READ", {}, desired=self._definition.identifier_model("|".join(identifier)))
        except ResourceFailed as failure:
            if failure.code != "NotFound":
                return str(failure)
            not_found = changesets._IMPORT_NOT_FOUND
            return str(not_found.format(type=self._definition.type_name, value="|".join(identifier)))
        return None

    def _read_for_drift(self, physical_id: str, props: Json) -> Json | None:
        try:
            model = self._run("READ", {}, desired=self._definition.identifier_model(physical_id))
        except ResourceFailed as failure:
            if failure.code == "NotFound":
                return None
            raise
        tag_property = self._definition.tag_property
        compared = self._definition.explicitly_set(model, props)
        if tag_property and tag_property in model:
            compared[tag_property] = model[tag_property]
        return compared

    def _adopted(self, model: Json, properties: Json, tags: Json, place: Json) -> tuple[str, Json]:
        """Remember a resource that now exists: its physical id and the attributes of Fn::GetAtt."""
        try:
            identifier = self._definition.identifier(model)
        except KeyError as missing:
            raise ResourceFailed(
                f"The handler's answer lacks the primary identifier {missing}.", "InternalFailure"
            ) from None
        self._known[identifier] = {"model": {**properties, **model}, "place": place, "tags": tags}
        if tags:
            self._on_tagged(identifier, tags["system"])
        return identifier, self._attributes(identifier)

    def _attributes(self, physical_id: str) -> Json:
        """Read-only properties; for a type in AWS's namespace the identifiers as well, which a third party lacks."""
        names = set(self._definition.read_only)
        if self._definition.type_name.startswith("AWS::"):
            names.update(*self._definition.additional_identifiers, self._definition.primary_identifier)
        model = self._known[physical_id]["model"]
        return {name: value_at(model, name) for name in names if has(model, name)}

    def _kept(self, physical_id: str) -> Json:
        """Identifier and known read-only properties, which CloudFormation adds to the template's."""
        kept = self._definition.identifier_model(physical_id)
        model = self._known.get(physical_id, {}).get("model", {})
        for name, value in self._definition.read_only_part(model).items():
            put_at(kept, name, value)
        return kept

    def _run(
        self,
        action: Action,
        place: Json,
        *,
        desired: Json,
        previous: Json | None = None,
        on_progress: Callable[[Json], None] = lambda _progress: None,
        absent_is_success: bool = False,
    ) -> Json:
        """One operation from first to last invocation: the model of its SUCCESS, or ResourceFailed."""
        responses = self._modules["ministack.core.responses"]
        token = new_token()
        event = production_event(
            self._definition, action, desired=desired, previous=previous, token=token,
            region=responses.get_region(), account=responses.get_account_id(), **place,
        )  # fmt: skip
        progress: Json = {}
        try:
            for progress in follow(self._deliver, event, timeout=self._definition.timeout_seconds(action)):
                on_progress(progress)
        except InvocationFailed as failure:
            progress = {"status": "FAILED", "errorCode": "InternalFailure", "message": str(failure)}
        code = progress.get("errorCode", "InternalFailure")
        if progress["status"] == "SUCCESS" or (absent_is_success and code == "NotFound"):
            return cast("Json", progress.get("resourceModel") or {})
        # The form in which CloudFormation reports a handler's failure in stack events.
        message = progress.get("message") or "The handler gave no message."
        raise ResourceFailed(
            f'Resource handler returned message: "{message}" (RequestToken: {token}, HandlerErrorCode: {code})', code
        )

    def _deliver(self, event: Json) -> Any:
        """Lambda gave no answer: the same event once more, as CloudFormation delivers an event at least once."""
        try:
            return self._invoke(event)
        except HandlerCrashed:
            return self._invoke(event)

    def _identifier(self, progress: Json) -> str | None:
        try:
            return self._definition.identifier(progress.get("resourceModel") or {})
        except KeyError:
            return None

    @property
    def busy(self) -> bool:
        """Whether an operation on a stack is under way."""
        states = [stack["StackStatus"] for stack in self._stacks()]
        return any(state.endswith("_IN_PROGRESS") and state != "REVIEW_IN_PROGRESS" for state in states)

    def _stacks(self) -> list[Json]:
        """The stacks of every account and region."""
        return list(self._cloudformation._stacks._data.values())

    def _stack(self, stack_name: str) -> Json:
        return cast("Json", self._cloudformation._stacks[stack_name])

    def _event(self, stack: Json, logical_id: str | None, status: str, reason: str, physical_id: str) -> None:
        """One stack event: of the resource, or without a logical id of the stack itself."""
        add = self._modules["ministack.services.cloudformation.stacks"]._add_event
        name, kind = stack["StackName"], self._definition.type_name if logical_id else "AWS::CloudFormation::Stack"
        add(stack["StackId"], name, logical_id or name, kind, status, reason, physical_id)


def _parted(props: Json) -> tuple[Json, Json]:
    """The template's own properties, and the tags that came with them."""
    return {key: value for key, value in props.items() if key != _TAGS}, props.get(_TAGS, {})


def _now(tags: Json) -> Json:
    return {"stack_tags": tags["stack"], "system_tags": tags["system"]} if tags else {}


def _before(tags: Json) -> Json:
    return {f"previous_{key}": value for key, value in _now(tags).items()}


def _differs(previous: Json, desired: Json, name: str) -> bool:
    return bool(_value(previous, name) != _value(desired, name))


def _value(model: Json, name: str) -> Any:
    return value_at(model, name) if has(model, name) else None


def _readable(definition: TypeDefinition) -> set[str]:
    hidden = {*definition.write_only, *definition.read_only}
    return {name for name in definition.schema.get("properties", {}) if name not in hidden}
