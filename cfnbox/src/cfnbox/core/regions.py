"""AWS's regions, with their partitions and domains: botocore's partitions.json."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import botocore.loaders

from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Partition:
    """What the names and addresses of a region's resources have in common."""

    name: str
    url_suffix: str


@cache
def partitions() -> Mapping[str, Partition]:
    """Every region with its partition."""
    known = botocore.loaders.Loader().load_data("partitions")["partitions"]
    return {region: Partition(one["id"], one["outputs"]["dnsSuffix"]) for one in known for region in one["regions"]}


def partition_of(region: str) -> Partition:
    """The partition of a region; AWS's own for what is no region."""
    return partitions().get(region) or next(one for one in partitions().values() if one.name == "aws")


def require_region(region: str, *, json: bool) -> None:
    """Refused when there is no such region; `json` when the protocol of the service is.

    No service of AWS has an endpoint there. Code and first sentence are those with which a service refuses a
    signature for a region that is not its own (IAM user guide, "Troubleshoot signed requests").
    """
    if region not in partitions():
        code, status = ("InvalidSignatureException", 400) if json else ("SignatureDoesNotMatch", 403)
        text = f"AWS has no region {region}: set AWS_REGION, or --region, to one that it has."
        raise Refused(code, f"Credential should be scoped to a valid region. {text}", status)
