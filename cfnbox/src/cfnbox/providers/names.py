"""Names that CloudFormation generates for resources without a name in the template."""

from __future__ import annotations

import re
import secrets
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cfnbox.providers.protocol import Request

_ALPHABET = string.ascii_uppercase + string.digits
_RANDOM_LENGTH = 12


def generated_name(request: Request, limit: int, allowed: str = "A-Za-z0-9-", *, lower: bool = False) -> str:
    """Return a new name in CloudFormation's form, `Stack-LogicalId-RANDOM12`.

    The part before the random part is cut to the limit. Characters not in `allowed` are removed.
    """
    suffix = _random()
    owner = request.owner
    before = f"{owner.stack_name}-{owner.logical_id}" if owner else ""
    before = re.sub(f"[^{allowed}]", "", before)[: limit - _RANDOM_LENGTH - 1].strip("-")
    name = f"{before}-{suffix}" if before else suffix
    return name.lower() if lower else name


def random_name(title: str) -> str:
    """Return a new name in the form of SageMaker's resources, `EndpointConfig-RANDOM12`."""
    return f"{title}-{_random()}"


def _random() -> str:
    # One call: each asks the operating system for random bytes.
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(_RANDOM_LENGTH))
