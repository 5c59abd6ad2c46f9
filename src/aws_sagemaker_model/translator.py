"""Resource model to CreateModel request; DescribeModel answer to resource model. Names are the same in both. Pure.

A resource model is a dict of the properties that are set, by CloudFormation's names.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from . import names, tags
from .properties import CREATE_ONLY, MODEL, cut_to_schema, schema_of
from .validation import mirrors_model_data_url

Properties = Mapping[str, Any]

# What DescribeModel returns where the caller gave nothing, by property (recorded answers of the service).
_MODEL_DEFAULTS = {"EnableNetworkIsolation": False, "InferenceExecutionConfig": {"Mode": "Serial"}}
_CONTAINER_DEFAULTS = {"Mode": "SingleModel"}
# What DescribeModel returns of the package of a container, beside which nobody can set it.
_FROM_THE_PACKAGE = ("Image", "ModelDataUrl")
# Only one of these can be set: an empty one, as a condition of a template may leave it, counts as left out.
_ONE_OF_TWO = ("PrimaryContainer", "Containers")


def to_create_request(properties: Properties, model_name: str, model_tags: tags.Tags) -> dict[str, Any]:
    """Return the CreateModel request for a resource model that is valid.

    Leaves out what only a read adds, so that a model can be created again from what was read of one.
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
    """Return the identifiers in a DescribeModel answer or in an entry of ListModels."""
    name = answer["ModelName"]
    return {"ModelArn": names.respelled(answer["ModelArn"], name), "ModelName": name}


def is_as_requested(request: Properties, description: Properties) -> bool:
    """Say whether a DescribeModel answer is what a CreateModel request makes, tags aside."""
    return canonical(request) == canonical(cut_to_schema(description))


def create_only_changes(desired: Properties, previous: Properties, description: Properties) -> list[str]:
    """Name the create-only properties that an update would change.

    A property is changed when it is neither what the service holds nor what it was before. One that is left out
    is changed when it was stated before; a name that is left out was generated, and stays.
    """
    wanted, before, there = (canonical(state) for state in (desired, previous, cut_to_schema(description)))

    def stays(name: str) -> bool:
        was_stated = previous.get(name) is not None
        if desired.get(name) is None and (name == "ModelName" or not was_stated):
            return True
        return wanted.get(name) == there.get(name) or (was_stated and wanted.get(name) == before.get(name))

    return [name for name in CREATE_ONLY if not stays(name)]


def canonical(properties: Properties) -> dict[str, Any]:
    """Return create-only properties in the form in which equal models are equal.

    Without what is empty, without what the service adds by itself, and with unordered lists sorted.
    """
    kept = {name: _filled(properties.get(name), MODEL["properties"][name]) for name in CREATE_ONLY}
    kept = _each_container({name: value for name, value in kept.items() if value is not None}, _without_additions)
    return _without(kept, _MODEL_DEFAULTS)


def _filled(value: Any, schema: dict[str, Any]) -> Any:
    """Return a value without nulls and empty members, its unordered lists sorted; None if nothing is left."""
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
