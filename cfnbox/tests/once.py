"""What takes long to make, made once for all processes of pytest-xdist (as its documentation tells, by a lock)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a path among the temporary files. The first process that asks for it calls `make` with the path."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path, complete = folder / name, folder / f"{name}.complete"
    with FileLock(folder / f"{name}.lock"):
        if not complete.exists():
            make(path)
            complete.touch()
    return path
