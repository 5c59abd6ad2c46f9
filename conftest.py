"""What every test run does, of the type and of the laptop cloud."""

from __future__ import annotations

import gc
from itertools import chain

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every worker of pytest-xdist begin with slow tests, so that none of them is left alone at the end."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = _slow_modules_first(items, workers)


def _slow_modules_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in as many equal parts as there are workers: first some modules with slow tests, then others."""
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(str(item.path), []).append(item)
    slow = [module for module in modules.values() if any(item.get_closest_marker("slow") for item in module)]
    quick = list(chain.from_iterable(module for module in modules.values() if module not in slow))
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        size = (len(items) - len(ordered)) // (workers - worker)
        part = list(chain.from_iterable(slow[worker::workers]))
        taken = max(size - len(part), 0)
        ordered += part + quick[:taken]
        del quick[:taken]
    return ordered + quick


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives until the end: modules and tests, a fifth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
