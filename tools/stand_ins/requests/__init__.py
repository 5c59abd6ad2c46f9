"""requests' place in the package: the handlers' library imports it for hooks, and this is a resource type."""

from typing import Any


class Session:
    """A session that cannot be made."""

    def __init__(self, **_: Any) -> None:
        raise ImportError("requests is not in this package: only hooks use it, and this is a resource type")
