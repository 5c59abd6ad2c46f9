"""Tags of scalable targets, which moto's Application Auto Scaling has none of.

Messages: API reference of Application Auto Scaling, TagResource and ListTagsForResource.
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING

from cfnbox.core.errors import Refused

if TYPE_CHECKING:
    from cfnbox.aws.http import Answer
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

SERVICE = "application-autoscaling"
_MOST_TAGS = 50
_NAMES = ("ServiceNamespace", "ResourceId", "ScalableDimension")


class ScalingTags:
    """The tags by ARN, of the targets that were registered through this process. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tags: dict[str, dict[str, str]] = {}
        self._arns: dict[tuple[str, ...], str] = {}

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._tags.clear()
            self._arns.clear()

    def answer(self, operation: str, members: Json) -> Json | None:
        """Return the answer to an operation on tags; None for other operations. Raise Refused."""
        with self._lock:
            match operation:
                case "ListTagsForResource":
                    return {"Tags": dict(self._of(members))}
                case "TagResource":
                    merged = {**self._of(members), **members.get("Tags", {})}
                    if len(merged) > _MOST_TAGS:
                        message = "The request contains too many tags. Try the request again with fewer tags."
                        raise Refused("TooManyTagsException", message)
                    self._tags[members["ResourceARN"]] = merged
                    return {}
                case "UntagResource":
                    for key in members.get("TagKeys", ()):
                        self._of(members).pop(key, None)
                    return {}
        return None

    def note(self, operation: str, members: Json, place: Place, answer: Answer) -> None:
        """Take the tags of a target that moto has registered, and forget those of a deregistered one."""
        status, _, content = answer
        if status != HTTPStatus.OK or operation not in ("RegisterScalableTarget", "DeregisterScalableTarget"):
            return
        key = (place.account, place.region, *(str(members.get(name)) for name in _NAMES))
        with self._lock:
            if operation == "DeregisterScalableTarget":
                self._tags.pop(self._arns.pop(key, ""), None)
                return
            arn = self._arns[key] = json.loads(content)["ScalableTargetARN"]
            # Only a new target takes tags: the API reference tells to use TagResource for one that exists.
            self._tags.setdefault(arn, dict(members.get("Tags") or {}))

    def _of(self, members: Json) -> dict[str, str]:
        arn = str(members.get("ResourceARN"))
        if arn not in self._tags:
            raise Refused("ResourceNotFoundException", f"The specified resource {arn} was not found.")
        return self._tags[arn]
