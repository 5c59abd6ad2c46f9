"""The account and region of an operation."""

from __future__ import annotations

from dataclasses import dataclass

from cfnbox.core.regions import partition_of

# The account of every request whose access key is not an account id.
DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Place:
    """The account and region of an operation."""

    region: str
    account: str = DEFAULT_ACCOUNT

    @property
    def partition(self) -> str:
        """The partition of the region."""
        return partition_of(self.region).name
