"""How hard the properties are tried: `HYPOTHESIS_PROFILE` is `test`, always the same, or `fuzz`, long and random."""

import os

from hypothesis import HealthCheck, Phase, settings

# Every example empties the local SageMaker itself, so a fixture for all of them is right.
EVERYWHERE = {
    "deadline": None,
    # Without `explain`, which traces every line of the local SageMaker.
    "phases": [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("test", max_examples=150, derandomize=True, database=None, **EVERYWHERE)
settings.register_profile("fuzz", max_examples=2500, print_blob=True, **EVERYWHERE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


def share(parts: int) -> int:
    """The number of examples of a property that is tried with a part of them."""
    return settings.default.max_examples // parts
