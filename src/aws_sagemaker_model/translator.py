"""Resource model to CreateModel request; DescribeModel answer to resource model. Names are the same in both."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC
from typing import Any

from . import schema, tags
from .models import ResourceModel
from .schema import Path
from .validation import mirrors_model_data_url

Properties = Mapping[str, Any]

# What DescribeModel returns where the caller gave nothing, by property (recorded answers of the service).
_MODEL_DEFAULTS = {"EnableNetworkIsolation": False}
_PIPELINE_DEFAULTS = {"InferenceExecutionConfig": {"Mode": "Serial"}}
_CONTAINER_DEFAULTS = {"Mode": "SingleModel"}
_NO_PROPERTIES: dict[str, Any] = dict.fromkeys(field.name for field in fields(ResourceModel))


def to_create_request(properties: Properties, model_name: str, model_tags: tags.Tags) -> dict[str, Any]:
    """Return the CreateModel request for a resource model given as JSON.

    Drops what only a read adds, so that a model can be created again from what was read of one.
    """
    request = {name: properties[name] for name in schema.CREATE_ONLY if name in properties}
    request = _each_container(schema.known(request), _without_mirror)
    return {**request, "ModelName": model_name, **({"Tags": tags.to_list(model_tags)} if model_tags else {})}


def to_model(description: Properties, model_tags: tags.Tags) -> ResourceModel:
    """Return the resource model for a DescribeModel answer and the tags of the model."""
    created = description.get("CreationTime")
    return from_json(
        {
            **schema.known(description),
            "Name": description["ModelName"],
            **({"CreationTime": created.astimezone(UTC).isoformat()} if created is not None else {}),
            **({"Tags": tags.to_list(model_tags)} if model_tags else {}),
        }
    )


def to_identifiers(model_arn: str, model_name: str) -> ResourceModel:
    """Return a resource model that holds identifiers only, spelt as the name is.

    SageMaker has been seen to list ARNs in lower case.
    """
    return from_json({"ModelArn": model_arn.rpartition("/")[0] + "/" + model_name, "ModelName": model_name})


def from_json(properties: Properties) -> ResourceModel:
    """Return the resource model for properties that fit the schema; what is nested in it stays JSON.

    `ResourceModel._deserialize` would look for the types of all of it, every time: for a page of a list that takes
    longer than the service.
    """
    return ResourceModel(**{**_NO_PROPERTIES, **properties})


def to_json(model: ResourceModel | None) -> dict[str, Any]:
    """Return a resource model as JSON, without properties that are not set."""
    return schema.known(model._serialize()) if model else {}


def with_arn(properties: Properties, model_arn: str) -> ResourceModel:
    """Return the resource model for properties whose model has, or will have, an ARN."""
    return from_json({**properties, "ModelArn": model_arn})


def create_only_changes(desired: Properties, previous: Properties | None, description: Properties) -> list[str]:
    """Name the create-only properties that an update would change.

    A property is changed when it is neither what the service holds nor what it was before; what the service
    adds by itself is no difference. A name that was left out was generated, and stays.
    """
    wanted, there, before = (canonical(state or {}) for state in (desired, description, previous))
    return [
        name
        for name in schema.CREATE_ONLY
        if wanted.get(name) != there.get(name)
        and (previous is None or wanted.get(name) != before.get(name))
        and not (name == "ModelName" and name not in desired)
    ]


def canonical(properties: Properties) -> dict[str, Any]:
    """Return the create-only properties without the service's defaults, unordered lists sorted."""
    kept = schema.known({name: properties[name] for name in schema.CREATE_ONLY if name in properties})
    defaults = {**_MODEL_DEFAULTS, **(_PIPELINE_DEFAULTS if "Containers" in kept else {})}
    bare = _each_container(_without(kept, defaults), _without_container_defaults)
    return {name: _sorted(value, (name,)) for name, value in bare.items()}


def _each_container(properties: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    changed = dict(properties)
    if "PrimaryContainer" in changed:
        changed["PrimaryContainer"] = change(changed["PrimaryContainer"])
    if "Containers" in changed:
        changed["Containers"] = [change(container) for container in changed["Containers"]]
    return changed


def _without_mirror(container: dict[str, Any]) -> dict[str, Any]:
    if not mirrors_model_data_url(container):
        return container
    return {name: value for name, value in container.items() if name != "ModelDataSource"}


def _without_container_defaults(container: dict[str, Any]) -> dict[str, Any]:
    return _without(_without_mirror(container), _CONTAINER_DEFAULTS)


def _without(properties: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in defaults or value != defaults[name]}


def _sorted(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(member, (*path, name)) for name, member in value.items()}
    if isinstance(value, list):
        items = [_sorted(item, (*path, position)) for position, item in enumerate(value)]
        return items if schema.is_ordered(path) else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return value
