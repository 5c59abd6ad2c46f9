"""Wraps a handler for Lambda's runtime, and reports which member of an answer is not JSON.

cloudformation_cli_python_lib answers InternalFailure without a message, and logs nothing, when the ProgressEvent of a
handler cannot be serialized. This module runs in the handler's process, uses only the standard library, and exports
the handler of `_HANDLER` under the handler's own name, so that the runtime loads it like the original module.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LIBRARY = "cloudformation_cli_python_lib"


def checked(handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Wrap the handler: it returns JSON, or a failure that names the member that is not JSON."""
    entry_point = _before_serialization(handler)

    @functools.wraps(handler, updated=())
    def call(event: Any, context: Any) -> Any:
        answer = entry_point(event, context)
        written = _written(answer)
        return _failure(answer) if written is None else answer if entry_point is handler else json.loads(written)

    return call


def _before_serialization(handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the entry point without the serialization of the library's Resource, or the handler itself."""
    kind = type(handler)
    wrapped = getattr(kind.__call__, "__wrapped__", None)
    is_of_library = any(base.__module__.startswith(_LIBRARY) for base in kind.__mro__)
    return functools.partial(wrapped, handler) if wrapped and is_of_library else handler


def _as_json(value: Any) -> Any:
    """Convert a value that the json module does not know, as the encoders of the library and of awslambdaric do."""
    if isinstance(value, Decimal):
        return float(value)
    for name in ("isoformat", "_serialize"):
        if callable(method := getattr(value, name, None)):
            return method()
    raise TypeError


def _written(value: Any) -> str | None:
    try:
        return json.dumps(value, default=_as_json)
    except (TypeError, ValueError, RecursionError):
        return None


def _failure(answer: Any) -> Any:
    if not isinstance(answer, dict):
        return answer
    others = {name: value for name, value in answer.items() if name != "message"}
    if "message" in answer and _written(others) is not None:
        # Keep the failure and its error code.
        return {**json.loads(_written(others) or ""), "message": str(answer["message"])}
    member, kind = _not_json(answer)
    text = f"The handler's answer is not JSON: {member} is of the type {kind}, which JSON does not have."
    print(text)
    return {"status": "FAILED", "errorCode": "InternalFailure", "message": text}


def _not_json(value: Any, name: str = "") -> tuple[str, str]:
    """Return the path of the innermost member that is not JSON, such as callbackContext.seen, and its type."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        odd = next((key for key in value if not isinstance(key, (str, int, float, bool, type(None)))), None)
        if odd is not None:
            return f"a key of {name or 'the answer'}", type(odd).__name__
        inner = list(value.items())
    elif isinstance(value, list | tuple):
        inner = list(enumerate(value))
    for key, member in inner:
        if _written(member) is None:
            return _not_json(member, f"{name}.{key}" if name else str(key))
    return name or "the answer", type(value).__name__


def _load() -> None:
    module, _, function = os.environ["_HANDLER"].rpartition(".")
    loaded = importlib.import_module(module.replace("/", "."))
    if hasattr(loaded, function):
        globals()[function] = checked(getattr(loaded, function))


if __name__ == "cfnbox_answer_check":
    _load()
