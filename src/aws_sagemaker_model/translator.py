"""Translate a resource model to a CreateModel request, and a DescribeModel answer to a resource model. Pure.

A resource model is a dict of the properties that are set. Their names are the same in CloudFormation and SageMaker.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from . import names, tags
from .properties import CREATE_ONLY, MODEL, cut_to_schema, schema_of
from .validation import mirrors_model_data_url

Properties = Mapping[str, Any]

# The values that DescribeModel returns for properties that the request left out (recorded answers of the service).
_MODEL_DEFAULTS = {"EnableNetworkIsolation": False, "InferenceExecutionConfig": {"Mode": "Serial"}}
_CONTAINER_DEFAULTS = {"Mode": "SingleModel"}
# Properties of a container that DescribeModel takes from the model package; a request cannot set them beside it.
_FROM_THE_PACKAGE = ("Image", "ModelDataUrl")
# Only one of these can be set. An empty one counts as left out, because a condition of a template may leave it so.
_ONE_OF_TWO = ("PrimaryContainer", "Containers")


def to_create_request(properties: Properties, model_name: str, model_tags: tags.Tags) -> dict[str, Any]:
    """Return the CreateModel request for a valid resource model.

    Leave out what only a read adds, so that a resource model that was read can be created again.
    """
    request = {name: properties[name] for name in CREATE_ONLY if name in properties}
    request = {name: value for name, value in request.items() if value or name not in _ONE_OF_TWO}
    request = _each_container(request, _without_mirror)
    return {**request, "ModelName": model_name, **_tags(model_tags)}


def to_model(description: Properties, model_tags: tags.Tags) -> dict[str, Any]:
    """Return the resource model for a DescribeModel answer and the tags of the model."""
    identifiers = to_identifiers(description)
    model = {**cut_to_schema(description), **identifiers, "Name": identifiers["ModelName"], **_tags(model_tags)}
    if "CreationTime" in model:
        model["CreationTime"] = model["CreationTime"].astimezone(UTC).isoformat()
    return model


def to_identifiers(answer: Properties) -> dict[str, str]:
    """Return the identifiers in a DescribeModel answer or in an entry of a ListModels answer."""
    name = answer["ModelName"]
    return {"ModelArn": names.respelled(answer["ModelArn"], name), "ModelName": name}


def is_as_requested(request: Properties, description: Properties) -> bool:
    """Say whether a DescribeModel answer shows the model of a CreateModel request. Ignore tags."""
    return canonical(request) == canonical(cut_to_schema(description))


def create_only_changes(desired: Properties, previous: Properties, description: Properties) -> list[str]:
    """Return the names of the create-only properties that an update would change.

    A property changes if it differs from the description and from the previous properties. A property that is left
    out changes if the previous properties had it; but a name that is left out was generated, and stays.
    """
    to_be, before, current = (canonical(state) for state in (desired, previous, cut_to_schema(description)))

    def stays(name: str) -> bool:
        was_stated = previous.get(name) is not None
        if desired.get(name) is None and (name == "ModelName" or not was_stated):
            return True
        return to_be.get(name) == current.get(name) or (was_stated and to_be.get(name) == before.get(name))

    return [name for name in CREATE_ONLY if not stays(name)]


def canonical(properties: Properties) -> dict[str, Any]:
    """Return create-only properties in a form in which equal models compare equal.

    It has no empty members and nothing that the service adds, and unordered lists are sorted.
    """
    kept = {name: _filled(properties.get(name), MODEL["properties"][name]) for name in CREATE_ONLY}
    kept = _each_container({name: value for name, value in kept.items() if value is not None}, _without_additions)
    return _without(kept, _MODEL_DEFAULTS)


def _filled(value: Any, schema: dict[str, Any]) -> Any:
    """Return a value without nulls and empty members, with unordered lists sorted; None if it becomes empty."""
    if isinstance(value, dict):
        members = {name: _filled(member, schema_of(name, schema) or {}) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not None} or None
    if isinstance(value, list):
        items = [_filled(item, schema.get("items", {})) for item in value]
        is_ordered = schema.get("insertionOrder", True)
        return (items if is_ordered else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))) or None
    return value


def _each_container(properties: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    def changed(value: Any) -> Any:
        if isinstance(value, list):
            return [changed(container) for container in value]
        return change(value) if isinstance(value, dict) else value

    return {name: changed(value) if name in _ONE_OF_TWO else value for name, value in properties.items()}


def _without_mirror(container: dict[str, Any]) -> dict[str, Any]:
    mirrored = mirrors_model_data_url(container)
    return {name: value for name, value in container.items() if not (mirrored and name == "ModelDataSource")}


def _without_additions(container: dict[str, Any]) -> dict[str, Any]:
    kept = _without(_without_mirror(container), _CONTAINER_DEFAULTS)
    from_the_package = _FROM_THE_PACKAGE if "ModelPackageName" in kept else ()
    return {name: value for name, value in kept.items() if name not in from_the_package}


def _without(properties: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in defaults or value != defaults[name]}


def _tags(model_tags: tags.Tags) -> dict[str, Any]:
    return {"Tags": tags.to_list(model_tags)} if model_tags else {}
