"""Drift: what a template says of each resource against what its provider reads now."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from laptop.cloudformation import secrets
from laptop.paths import without
from laptop.providers import properties
from laptop.providers.properties import coerced
from laptop.providers.protocol import Request, ResourceFailed
from laptop.refusal import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from laptop.cloudformation.operation import Carrier
    from laptop.cloudformation.stacks import Stack, StackResource
    from laptop.definition import TypeDefinition
    from laptop.paths import Json


@dataclass
class Detection:
    """One drift detection of a stack."""

    id: str
    stack: Stack
    status: str = "DETECTION_IN_PROGRESS"
    reason: str = ""
    drifted: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


def detect(carrier: Carrier, stack: Stack, logical_ids: Iterable[str] | None = None) -> Detection:
    """Begin to detect drift of a stack, or of some of its resources, in a thread of its own."""
    names = sorted(stack.resources.keys() if logical_ids is None else logical_ids)
    unknown = [name for name in names if name not in stack.resources]
    if unknown:
        listed = ", ".join(unknown)
        raise Invalid(f"Resource(s) [{listed}] do not exist in stack [{stack.name}]")
    detection = Detection(str(uuid.uuid4()), stack)
    threading.Thread(target=_carry_out, args=(carrier, detection, names), name="drift", daemon=True).start()
    return detection


def _carry_out(carrier: Carrier, detection: Detection, names: list[str]) -> None:
    stack, failed = detection.stack, list[str]()
    for name in names:
        try:
            detect_one(carrier, stack, name)
        except ResourceFailed:
            failed.append(name)
    with carrier.stacks.changed:
        found = [one.drift["StackResourceDriftStatus"] for one in stack.resources.values()]
        detection.drifted = sum(status in ("MODIFIED", "DELETED") for status in found)
        known = "IN_SYNC" if "IN_SYNC" in found else "NOT_CHECKED"
        stack.drift = {
            "StackDriftStatus": "DRIFTED" if detection.drifted else known,
            "LastCheckTimestamp": datetime.now(UTC),
        }
        if failed:
            detection.reason = f"Failed to detect drift on resources [{', '.join(failed)}]"
        detection.status = "DETECTION_FAILED" if failed else "DETECTION_COMPLETE"
        carrier.stacks.changed.notify_all()


def detect_one(carrier: Carrier, stack: Stack, name: str) -> Json:
    """Detect drift of one resource now: its StackResourceDrift; raises ResourceFailed when it cannot be read."""
    resource = stack.resources[name]
    checked = _checked(carrier, stack, resource)
    with carrier.stacks.changed:
        now = stack.resources.get(name)
        if now is not None and now.physical_id == resource.physical_id:
            # Not told in an event, and no change of the resource.
            stack.resources = {**stack.resources, name: replace(now, drift=checked)}
    return described(stack, replace(resource, drift=checked))


def _checked(carrier: Carrier, stack: Stack, resource: StackResource) -> Json:
    now = {"Timestamp": datetime.now(UTC)}
    served = carrier.find(resource.type_name, stack.place)
    if resource.exists is None:
        return {"StackResourceDriftStatus": "NOT_CHECKED", **now}
    request = Request(stack.place, str(uuid.uuid4()))
    try:
        read = served.provider.read(served.definition, request, resource.exists.identifier)
    except ResourceFailed as failure:
        if failure.code == "NotFound":
            return {"StackResourceDriftStatus": "DELETED", **now}
        if failure.code == "UnsupportedAction":
            return {"StackResourceDriftStatus": "NOT_CHECKED", "DriftStatusReason": str(failure), **now}
        raise
    # A template writes "1" where a service answers 1: what is compared has the types of the schema.
    expected = properties.coerced(served.definition, _expected(served.definition, resource))
    actual = secrets.as_referred(expected, compared(served.definition, read.model, expected))
    differences = list(_differences(served.definition, expected, actual))
    expected, actual, differences = secrets.hidden([expected, actual, differences], stack.secrets)
    return {
        "StackResourceDriftStatus": "MODIFIED" if differences else "IN_SYNC",
        "ExpectedProperties": json.dumps(expected),
        "ActualProperties": json.dumps(actual),
        "PropertyDifferences": differences,
        **now,
    }


def _expected(definition: TypeDefinition, resource: StackResource) -> Json:
    """What the template sets, in the types of the schema, without what cannot be read, with the stack's tags."""
    expected = coerced(definition, without(resource.properties, definition.write_only))
    name = definition.tag_property
    if name is None or not resource.stack_tags or "." in name:
        return expected
    if definition.tags_are_a_map:
        return {**expected, name: {**resource.stack_tags, **expected.get(name, {})}}
    own = expected.get(name, [])
    keys = {tag.get("Key") for tag in own if isinstance(tag, dict)}
    added = [{"Key": key, "Value": value} for key, value in resource.stack_tags.items() if key not in keys]
    return {**expected, name: [*own, *added]}


def compared(definition: TypeDefinition, model: Json, expected: Json) -> Json:
    """The part of a read model that drift compares: what was set, and every tag that is not CloudFormation's own."""
    part = definition.explicitly_set(model, expected)
    name = definition.tag_property
    if name and name in model:
        tags: Any = model[name]
        if isinstance(tags, dict):
            tags = {key: value for key, value in tags.items() if not key.startswith("aws:")}
        elif isinstance(tags, list):
            tags = [tag for tag in tags if not str(tag.get("Key", "")).startswith("aws:")]
        if tags or name in expected:
            part[name] = tags
    return part


def _differences(definition: TypeDefinition, expected: Json, actual: Json) -> Iterator[Json]:
    for name in definition.changed(expected, actual):
        yield from _parts(f"/{name}", expected.get(name), actual.get(name))


def _parts(path: str, expected: Any, actual: Any) -> Iterator[Json]:
    if expected == actual:
        return
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            yield from _parts(f"{path}/{key}", expected.get(key), actual.get(key))
        return
    if isinstance(expected, list | None) and isinstance(actual, list):
        for position, (wanted, found) in enumerate(_paired(expected or [], actual)):
            yield from _parts(f"{path}/{position}", wanted, found)
        return
    kind = "REMOVE" if actual is None else "ADD" if expected is None else "NOT_EQUAL"
    yield {
        "PropertyPath": path,
        "ExpectedValue": _text(expected),
        "ActualValue": _text(actual),
        "DifferenceType": kind,
    }


def _paired(expected: list[Any], actual: list[Any]) -> list[tuple[Any, Any]]:
    """The items that belong together: by their Key where they are tags, else by position; None where one is alone."""
    items = [*expected, *actual]
    if not all(isinstance(one, dict) and "Key" in one for one in items):
        return list(itertools.zip_longest(expected, actual))
    wanted, found = ({one["Key"]: one for one in side} for side in (expected, actual))
    return [(wanted.get(key), found.get(key)) for key in {one["Key"]: None for one in items}]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def described(stack: Stack, resource: StackResource) -> Json:
    """A StackResourceDrift as DescribeStackResourceDrifts answers it."""
    return {
        "StackId": stack.id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type_name,
        "Timestamp": datetime.now(UTC),
        **resource.drift,
    }
