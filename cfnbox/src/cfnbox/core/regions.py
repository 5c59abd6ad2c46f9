"""AWS's regions, with their partitions and domains. Source: botocore's partitions.json."""

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
    """A partition: the part of ARNs and host names that all of its regions share."""

    name: str
    url_suffix: str


@cache
def partitions() -> Mapping[str, Partition]:
    """Return every region with its partition."""
    entries = botocore.loaders.Loader().load_data("partitions")["partitions"]
    return {
        region: Partition(entry["id"], entry["outputs"]["dnsSuffix"])
        for entry in entries
        for region in entry["regions"]
    }


def partition_of(region: str) -> Partition:
    """Return the partition of a region; the partition `aws` for an unknown region."""
    return partitions().get(region) or next(known for known in partitions().values() if known.name == "aws")


def require_region(region: str, *, json: bool) -> None:
    """Raise Refused when the region does not exist. `json`: the service has a JSON protocol.

    AWS has no endpoint for an unknown region. The code and the first sentence are the answer of a service to a
    signature for another region (IAM user guide, "Troubleshoot signed requests").
    """
    if region not in partitions():
        code, status = ("InvalidSignatureException", 400) if json else ("SignatureDoesNotMatch", 403)
        text = f"AWS has no region {region}: set AWS_REGION or --region to a region of AWS."
        raise Refused(code, f"Credential should be scoped to a valid region. {text}", status)
