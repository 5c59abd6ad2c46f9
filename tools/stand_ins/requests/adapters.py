"""What the handlers' library imports of requests to read the payload of a hook."""

from . import Session as HTTPAdapter

__all__ = ["HTTPAdapter"]
