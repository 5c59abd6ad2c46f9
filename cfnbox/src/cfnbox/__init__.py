"""cfnbox: CloudFormation on this machine.

`Cloud` serves it in this process; `Session` deploys to a cloud that runs; the pytest plugin is `cfnbox.testing`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfnbox.cloud import Cloud
    from cfnbox.process import CloudProcess
    from cfnbox.session import DeployFailed, Session, Stack, StackResource

__all__ = ["Cloud", "CloudProcess", "DeployFailed", "Session", "Stack", "StackResource", "__version__"]
__version__: str

_MODULES = {
    "Cloud": "cloud",
    "CloudProcess": "process",
    "DeployFailed": "session",
    "Session": "session",
    "Stack": "session",
    "StackResource": "session",
}


def __getattr__(name: str) -> Any:
    # Imported at first use: a command that needs no server starts in a third of the time.
    if name == "__version__":
        return importlib.metadata.version("cfnbox")
    if name in _MODULES:
        return getattr(importlib.import_module(f"cfnbox.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'cfnbox' has no attribute {name!r}")
