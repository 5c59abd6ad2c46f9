"""What every test run does, of the type and of the laptop cloud."""

from __future__ import annotations

import gc
import os
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every worker of pytest-xdist begin with slow modules, so that none of them is left alone at the end."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = _slow_modules_first(items, workers)


def _slow_modules_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in equal parts, one for each worker; the slow modules that begin them take about as long in each.

    Quick tests of one folder stay together, as they share what is made once for a session.
    """
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(str(item.path), []).append(item)
    slow = sorted((module for module in modules.values() if _seconds(module)), key=_seconds, reverse=True)
    folders: dict[Path, list[pytest.Item]] = {}
    for module in modules.values():
        if not _seconds(module):
            folders.setdefault(module[0].path.parent, []).extend(module)
    quick = list(chain.from_iterable(folders.values()))
    parts: list[list[list[pytest.Item]]] = [[] for _ in range(workers)]
    for module in slow:
        min(parts, key=lambda part: sum(map(_seconds, part))).append(module)
    ordered: list[pytest.Item] = []
    for number, part in enumerate(parts):
        # What pytest-xdist gives each worker at first.
        size = (len(items) - len(ordered)) // (workers - number)
        # The slowest wait most of their time. Not all workers begin with them: the processors would wait as well.
        begun = list(chain.from_iterable(part[::-1] if number % 2 else part))
        taken = max(size - len(begun), 0)
        ordered += begun + quick[:taken]
        del quick[:taken]
    return ordered + quick


def _seconds(module: list[pytest.Item]) -> int:
    marker = module[0].get_closest_marker("slow")
    return int(marker.args[0]) if marker else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Let the tests of all workers start programs by forks, until the end of the run."""
    from laptop.tests import forked_programs

    forks = ExitStack()
    forks.enter_context(forked_programs.served())
    config.add_cleanup(forks.close)


def pytest_configure(config: pytest.Config) -> None:
    """Look for garbage less often than by default, and let all processes share what hypothesis has computed once."""
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(config.rootpath / ".hypothesis"))
    gc.set_threshold(500_000, 20, 50)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives until the end: modules and tests."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    """Let what is left be garbage once: pytest collects ten times, which takes a second in each worker."""
    gc.collect()
    gc.freeze()
