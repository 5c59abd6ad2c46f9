"""Settings of property tests: the same examples in each run, or many new ones if FUZZ is set."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

FUZZ = bool(os.environ.get("FUZZ"))
_EXAMPLES = 2500 if FUZZ else 60
_COMMON: dict[str, Any] = {
    "deadline": None,
    # Without `explain`, which traces every line of a cloud.
    "phases": [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    # Every example empties what a fixture holds.
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    **({"print_blob": True} if FUZZ else {"derandomize": True, "database": None}),
}


def property_test(part: int = 1, **others: Any) -> settings:
    """Decorates a property that is property_test with all examples, or with a part of them because one takes long.

    `others` are further settings of hypothesis.
    """
    return settings(**(_COMMON | {"max_examples": _EXAMPLES // part} | others))
