"""The soak, in short: the handler keeps its size, and one that does not is found out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.soak import is_flat, soak

if TYPE_CHECKING:
    from pathlib import Path

LEAKS = {
    "memory": "b'x' * 300_000",
    "descriptors": "open(__file__)",
}


def test_the_handler_keeps_its_size() -> None:
    assert is_flat(soak(lifecycles=60, warm_up=40))


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS.keys())
def test_a_handler_that_leaks_is_found_out(tmp_path: Path, leak: Any) -> None:
    (tmp_path / "leaky.py").write_text(
        "from aws_sagemaker_model.handlers import resource\n"
        "kept = []\n"
        "def leaky(event, context):\n"
        f"    kept.append({leak})\n"
        "    return resource(event, context)\n"
    )
    assert not is_flat(soak(lifecycles=20, warm_up=5, handler="leaky.leaky", code=[tmp_path]))
