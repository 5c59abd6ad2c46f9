"""The code of functions and layers, unpacked as Lambda unpacks it."""

from __future__ import annotations

import hashlib
import io
import threading
import urllib.request
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS = 60.0


class Archives:
    """A cache of unpacked archives. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def code(self, location: str, digest: str) -> Path:
        """Return the folder of a function's code. `location` is a URL, `digest` changes with the content."""
        return self._unpacked(digest, [location])

    def layers(self, functions: Any, arns: Sequence[str]) -> Path | None:
        """Return the folder with the merged content of layers, or None if there are no layers."""
        if not arns:
            return None
        found = [functions.get_layer_version_by_arn(Arn=arn)["Content"] for arn in arns]
        return self._unpacked(" ".join(one["CodeSha256"] for one in found), [one["Location"] for one in found])

    def _unpacked(self, digest: str, locations: Sequence[str]) -> Path:
        folder = self._folder / hashlib.sha256(digest.encode()).hexdigest()[:16]
        with self._lock:
            if not folder.exists():
                unfinished = folder.with_suffix(".unfinished")
                for location in locations:
                    _unpack(location, unfinished)
                unfinished.rename(folder)
        return folder


def _unpack(location: str, folder: Path) -> None:
    with urllib.request.urlopen(location, timeout=_SECONDS) as answer:  # noqa: S310 - an address of the local cloud
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    folder.mkdir(parents=True, exist_ok=True)
    for entry in archive.infolist():
        path = Path(archive.extract(entry, folder))
        if mode := (entry.external_attr >> 16) & 0o777:
            # Executables of layers and of provided runtimes; the owner can always read, and remove a folder.
            path.chmod(mode | (0o700 if path.is_dir() else 0o400))
