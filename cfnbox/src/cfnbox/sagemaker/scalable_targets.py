"""Scalable targets of SageMaker: what Application Auto Scaling refuses and moto does not, and inference components.

moto lacks the dimension of inference components. It stores such a target as a variant whose name no user can give.

Both sentences are those that users quote of RegisterScalableTarget. What it answers for an endpoint that does not
exist is not recorded, and so such a target is accepted here.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from cfnbox.aws.http import Answer
    from cfnbox.core.paths import Json
    from cfnbox.sagemaker.store import Resources

_BURSTABLE = "ml.t2."
_COMPONENT, _COMPONENT_COPIES = "inference-component/", "sagemaker:inference-component:DesiredCopyCount"
_COMPONENT_ID = re.compile(rb"inference-component/([A-Za-z0-9-]+)")
_STORED_ID = re.compile(rb"endpoint/([A-Za-z0-9-]+)/variant/\.copies")
_VARIANT_INSTANCES = "sagemaker:variant:DesiredInstanceCount"
_DIMENSION = "ScalableDimension"


def require_scalable(resources: Resources, members: Json) -> None:
    """Raise Refused when the members of RegisterScalableTarget cannot be a scalable target."""
    least, most = members.get("MinCapacity"), members.get("MaxCapacity")
    if isinstance(least, int) and isinstance(most, int) and most < least:
        raise Refused("ValidationException", "Maximum capacity cannot be less than minimum capacity")
    instance_type = _instance_type(resources, str(members.get("ResourceId")))
    if instance_type.startswith(_BURSTABLE):
        raise Refused(
            "ValidationException",
            f"You cannot register a variant with {instance_type} instance type as a scalable target. This is because "
            "the burstable performance of these instances can lead to unpredictable behavior with Auto Scaling.",
        )


def _instance_type(resources: Resources, resource_id: str) -> str:
    """Return the instance type of the variant in endpoint/NAME/variant/VARIANT; "" if it is unknown."""
    kind, _, rest = resource_id.partition("/")
    endpoint_name, _, variant_name = rest.partition("/variant/")
    endpoint = resources.find("endpoint", endpoint_name) if kind == "endpoint" else None
    config = resources.find("endpoint-config", endpoint.members["EndpointConfigName"]) if endpoint else None
    variants = config.members["ProductionVariants"] if config else []
    return next((v.get("InstanceType", "") for v in variants if v["VariantName"] == variant_name), "")


def request_to_moto(body: bytes) -> bytes:
    """Return the body of a request with a resource id and a dimension that moto knows."""
    return _COMPONENT_ID.sub(rb"endpoint/\1/variant/.copies", body).replace(
        _COMPONENT_COPIES.encode(), _VARIANT_INSTANCES.encode()
    )


def answer_of_moto(answer: Answer, dimension: object) -> Answer:
    """Return moto's answer with the ids and dimension of components; `dimension` is that of the request."""
    status, headers, content = answer
    content = _STORED_ID.sub(rb"inference-component/\1", content)
    if status != HTTPStatus.OK or b"ScalableDimension" not in content:
        return status, headers, content
    members = {
        name: _of_dimension(value, dimension) if isinstance(value, list) else value
        for name, value in json.loads(content).items()
    }
    return status, headers, json.dumps(members).encode()


def _of_dimension(items: list[Any], dimension: object) -> list[Any]:
    known = [
        {**item, _DIMENSION: _COMPONENT_COPIES} if str(item.get("ResourceId")).startswith(_COMPONENT) else item
        for item in items
    ]
    return [item for item in known if dimension is None or item.get(_DIMENSION) == dimension]
