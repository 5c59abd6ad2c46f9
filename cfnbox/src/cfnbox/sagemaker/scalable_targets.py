"""What Application Auto Scaling refuses of a scalable target, and moto does not.

Both sentences are those that users quote of RegisterScalableTarget. What it answers for an endpoint that does not
exist is not recorded, and so such a target is accepted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from cfnbox.core.paths import Json
    from cfnbox.sagemaker.store import Resources

_BURSTABLE = "ml.t2."


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
