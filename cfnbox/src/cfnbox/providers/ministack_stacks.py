"""Resources in stacks of ministack's CloudFormation: each is the only resource of an internal stack."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfnbox.providers.ministack import MinistackFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place
    from cfnbox.providers.ministack import Ministack

    Wait = Callable[[float], None]

_VERSION = "2010-05-15"
_TYPES = Path(__file__).with_name("ministack_types.json")
_REFERENCE = "Ref"
# Separator of the items of a list attribute, because an output is a single text. XML forbids control characters.
_SEPARATOR = "\N{SYMBOL FOR UNIT SEPARATOR}"
_CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
# The quota of TemplateBody.
_INLINE_BYTES = 51200
_FIRST_WAIT, _LONGEST_WAIT = 0.002, 0.1
_NAME_LENGTH = 100
_IMPORT = "adopt"
# Part of the reason for a failed import of a resource that another stack owns.
_OWNED = "already exists in stack"
_NO_UPDATES = "No updates are to be performed."
_UNKNOWN_ATTRIBUTE = re.compile(r"Requested attribute (\S+) does not exist in schema")
_OUTPUT = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True)
class NameRule:
    """The rule for a generated name: its property, its maximum length, and its case."""

    property: str
    limit: int
    lower: bool = False


@dataclass(frozen=True)
class TypeEntry:
    """The table entry of a type that ministack supports: its attributes there, its names and identifiers.

    `replacing` are properties whose change replaces the resource in ministack, although AWS's schema has them as
    updatable. `ignored` are the dotted names of properties that ministack ignores. `identifiers` are the properties
    by which ministack imports a resource.
    """

    attributes: tuple[str, ...]
    name: NameRule | None = None
    names: tuple[str, ...] = ()
    replacing: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    identifiers: tuple[str, ...] = ()
    tag_property: str | None = None
    tags_are_a_map: bool = False


@cache
def types() -> Mapping[str, TypeEntry]:
    """Return the types that ministack supports, by name."""
    return {name: _entry(entry) for name, entry in json.loads(_TYPES.read_bytes()).items()}


def _entry(entry: Json) -> TypeEntry:
    name, tags = entry.get("name"), entry.get("tags", {})
    return TypeEntry(
        attributes=tuple(entry["attributes"]),
        name=NameRule(name["property"], name["limit"], name.get("lower", False)) if name else None,
        names=tuple(entry.get("names", (name["property"],) if name else ())),
        replacing=tuple(entry.get("replacing", ())),
        ignored=frozenset(entry.get("ignored", ())),
        identifiers=tuple(entry.get("import", ())),
        tag_property=tags.get("property"),
        tags_are_a_map=tags.get("map", False),
    )


@dataclass(frozen=True)
class ResourceStack:
    """A resource and its internal stack. `attributes` are texts, or lists of texts, by dotted name."""

    place: Place
    type_name: str
    stack_name: str
    logical_id: str
    properties: Json
    physical_id: str = ""
    attributes: Json = field(default_factory=dict)
    is_adopted: bool = False


class StackFailed(MinistackFailed):
    """An operation on an internal stack failed. The message is the resource's status reason."""


class ResourceStacks:
    """Create, update, read and delete internal stacks. Thread-safe.

    `lists` returns the names of a type's list attributes.
    """

    def __init__(self, ministack: Ministack, lists: Callable[[str, Place], frozenset[str]]) -> None:
        self._ministack, self._lists = ministack, lists
        # Attributes that a resource of a type with certain properties does not have.
        self._absent: set[tuple[str, frozenset[str], str]] = set()

    def create(self, desired: ResourceStack, wait: Wait) -> ResourceStack:
        """Create the stack of a resource. Delete the stack of a failed attempt."""
        while True:
            named = replace(desired, stack_name=_unique(desired.stack_name))
            self._send("CreateStack", named, {})
            try:
                return self._finished(named, wait)
            except MinistackFailed as failure:
                self._discard(named, wait)
                if not self._is_absent_attribute(named, failure):
                    raise
            except BaseException:
                # Cancelled: delete the stack.
                self._call("DeleteStack", named.place, {"StackName": named.stack_name})
                raise

    def update(self, current: ResourceStack, properties: Json, wait: Wait) -> ResourceStack:
        """Update a resource in place."""
        desired = replace(current, properties=properties)
        try:
            self._send("UpdateStack", desired, {})
        except MinistackFailed as failure:
            if str(failure) != _NO_UPDATES:
                raise
            return desired
        try:
            return self._finished(desired, wait)
        except MinistackFailed as failure:
            if not self._is_absent_attribute(desired, failure):
                raise
            return self.update(current, properties, wait)

    def delete(self, resource: ResourceStack, wait: Wait) -> None:
        """Delete a resource with its stack. A missing resource is not a failure."""
        if resource.is_adopted:
            # An imported resource has the DeletionPolicy Retain, until this update removes it.
            self._send("UpdateStack", replace(resource, is_adopted=False), {})
            self._finished(resource, wait)
        members = {"StackName": resource.stack_name}
        self._call("DeleteStack", resource.place, members)
        status = self._final_status(resource, wait)
        if status != "DELETE_COMPLETE":
            raise StackFailed(self._reason(resource, "DELETE_FAILED"), "DeleteFailed")

    def adopt(self, resource: ResourceStack, values: Sequence[str], wait: Wait) -> ResourceStack | None:
        """Import an existing resource into a new stack by its identifiers. Return None if it does not exist."""
        with self._import(resource, values) as (named, reason):
            if reason:
                self._call("DeleteStack", named.place, {"StackName": named.stack_name})
                return None
            self._call("ExecuteChangeSet", named.place,
                       {"StackName": named.stack_name, "ChangeSetName": _IMPORT})  # fmt: skip
            return self._finished(named, wait)

    def exists(self, resource: ResourceStack, values: Sequence[str]) -> bool:
        """Return whether a resource with these identifiers exists, with or without a stack."""
        with self._import(resource, values) as (named, reason):
            self._call("DeleteStack", named.place, {"StackName": named.stack_name})
            return not reason or _OWNED in reason

    @contextmanager
    def _import(self, resource: ResourceStack, values: Sequence[str]) -> Iterator[tuple[ResourceStack, str]]:
        """Create an import change set. Yield the stack, and the reason why the import fails or "".

        The change set uses ImportExistingResources, because a change set of type IMPORT may not have outputs.
        """
        identifiers = dict(zip(types()[resource.type_name].identifiers, values, strict=True))
        named = replace(
            resource, stack_name=_unique(resource.stack_name), is_adopted=True,
            properties={**resource.properties, **identifiers},
        )  # fmt: skip
        self._send(
            "CreateChangeSet", named,
            {"ChangeSetName": _IMPORT, "ChangeSetType": "CREATE", "ImportExistingResources": "true"},
        )  # fmt: skip
        described = self._call("DescribeChangeSet", named.place,
                               {"StackName": named.stack_name, "ChangeSetName": _IMPORT})  # fmt: skip
        if described.findtext(".//DescribeChangeSetResult/Status") == "FAILED":
            yield named, described.findtext(".//DescribeChangeSetResult/StatusReason") or "FAILED"
        elif described.findtext(".//ResourceChange/Action") != "Import":
            yield named, "not found"
        else:
            yield named, ""

    def _send(self, action: str, resource: ResourceStack, members: Mapping[str, str]) -> None:
        """Call an operation with the template of a stack."""
        sent = {"StackName": resource.stack_name, "DisableValidation": "true", **members}
        sent |= {f"Capabilities.member.{number}": name for number, name in enumerate(_CAPABILITIES, 1)}
        template = json.dumps(self._template(resource))
        if len(template.encode()) <= _INLINE_BYTES:
            self._call(action, resource.place, sent | {"TemplateBody": template})
            return
        with self._ministack.s3_object(resource.place, template.encode()) as url:
            self._call(action, resource.place, sent | {"TemplateURL": url})

    def _template(self, resource: ResourceStack) -> Json:
        definition: Json = {"Type": resource.type_name, "Properties": resource.properties}
        if resource.is_adopted:
            definition["DeletionPolicy"] = "Retain"
        outputs: Json = {_REFERENCE: {"Value": {"Ref": resource.logical_id}}}
        lists = self._lists(resource.type_name, resource.place)
        for name in self._attributes(resource):
            attribute: Any = {"Fn::GetAtt": [resource.logical_id, name]}
            value = {"Fn::Join": [_SEPARATOR, attribute]} if name in lists else attribute
            if name not in lists:
                value = {"Fn::Sub": f"${{{resource.logical_id}.{name}}}"}
            outputs[_output(name)] = {"Value": value}
        return {"Resources": {resource.logical_id: definition}, "Outputs": outputs}

    def _attributes(self, resource: ResourceStack) -> list[str]:
        """Return the names of the attributes to read."""
        kind = resource.type_name, frozenset(resource.properties)
        return [name for name in types()[resource.type_name].attributes if (*kind, name) not in self._absent]

    def _is_absent_attribute(self, resource: ResourceStack, failure: MinistackFailed) -> bool:
        """Return whether an operation failed only because of a missing attribute, which is then not read again."""
        found = _UNKNOWN_ATTRIBUTE.search(str(failure))
        if found is None or found[1] not in types()[resource.type_name].attributes:
            return False
        self._absent.add((resource.type_name, frozenset(resource.properties), found[1]))
        return True

    def _finished(self, resource: ResourceStack, wait: Wait) -> ResourceStack:
        """Wait for the end of an operation. Return the resource with the attributes from the outputs."""
        stack = self._settled(resource, wait)
        status = stack.findtext("StackStatus") or ""
        if "ROLLBACK" in status or not status.endswith("_COMPLETE"):
            step = "UPDATE_FAILED" if status.startswith("UPDATE") else "CREATE_FAILED"
            raise StackFailed(self._reason(resource, step), "GeneralServiceException")
        outputs = {
            output.findtext("OutputKey") or "": output.findtext("OutputValue") or ""
            for output in stack.iterfind("Outputs/member")
        }
        lists = self._lists(resource.type_name, resource.place)
        attributes: Json = {}
        for name in self._attributes(resource):
            text = outputs.get(_output(name), "None")
            if name in lists:
                attributes[name] = text.split(_SEPARATOR) if text else []
            elif text != "None":
                attributes[name] = text
        return replace(resource, physical_id=outputs.get(_REFERENCE, resource.physical_id), attributes=attributes)

    def _settled(self, resource: ResourceStack, wait: Wait) -> Element:
        seconds = _FIRST_WAIT
        while True:
            answered = self._call("DescribeStacks", resource.place, {"StackName": resource.stack_name})
            stack = answered.find(".//Stacks/member")
            if stack is None:
                raise StackFailed(f"Stack with id {resource.stack_name} does not exist", "ValidationError")
            if not (stack.findtext("StackStatus") or "").endswith("_IN_PROGRESS"):
                return stack
            wait(seconds)
            seconds = min(seconds * 2, _LONGEST_WAIT)

    def _final_status(self, resource: ResourceStack, wait: Wait) -> str:
        try:
            return self._settled(resource, wait).findtext("StackStatus") or ""
        except MinistackFailed as failure:
            if "does not exist" in str(failure):
                return "DELETE_COMPLETE"
            raise

    def _reason(self, resource: ResourceStack, status: str) -> str:
        """Return the reason in the first failed event: the resource's own, unless an output failed."""
        events = self._call("DescribeStackEvents", resource.place, {"StackName": resource.stack_name})
        reasons = [
            event.findtext("ResourceStatusReason") or ""
            for event in events.iterfind(".//StackEvents/member")
            if (event.findtext("ResourceStatus") or "").endswith("_FAILED")
        ]
        # Events are listed newest first.
        return reasons[-1] if reasons else status

    def _discard(self, resource: ResourceStack, wait: Wait) -> None:
        self._call("DeleteStack", resource.place, {"StackName": resource.stack_name})
        self._final_status(resource, wait)

    def _call(self, action: str, place: Place, members: Mapping[str, str]) -> Element:
        return self._ministack.query("cloudformation", place, _VERSION, {"Action": action, **members})


def _unique(stack_name: str) -> str:
    """Return a unique name of an internal stack."""
    return f"{stack_name[:_NAME_LENGTH]}-{secrets.token_hex(6)}"


def _output(attribute: str) -> str:
    """Return the name of the output for an attribute. Output names have only letters and digits."""
    return "Attribute" + _OUTPUT.sub("0", attribute)
