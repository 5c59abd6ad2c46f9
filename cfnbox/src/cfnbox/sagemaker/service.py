"""All that the local SageMaker answers itself, in front of moto: one table of operations, tags on everything."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.aws.http import json_value
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cfnbox.sagemaker import api, endpoints, monitoring, packages, studio
from cfnbox.sagemaker.api import PlaceStore, merged
from cfnbox.sagemaker.rules import check_shape, service_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cfnbox.core.paths import Json
    from cfnbox.sagemaker.resources import Operation

_PARTS = (endpoints, packages, monitoring, studio)
_KINDS = [kind for part in _PARTS for kind in part.KINDS]
_PATHS = {"model", *(kind.path for kind in _KINDS)}

OPERATIONS: dict[str, Operation] = {
    **api.OPERATIONS,
    **{name: operation for kind in _KINDS for name, operation in kind.operations.items()},
    **{name: operation for part in _PARTS for name, operation in part.OPERATIONS.items()},
}
# What is refused before moto has the request, because moto does not know the models.
CHECKS: dict[str, Callable[[PlaceStore, Json], None]] = {"CreateTransformJob": endpoints.check_transform_job}


@dataclass(frozen=True)
class Kept:
    """A model or endpoint with its tags."""

    kind: str
    name: str
    arn: str
    status: str
    tags: Mapping[str, str]


class SageMakerService:
    """The SageMaker of one cloud, in all accounts and regions. For any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stores: dict[Place, PlaceStore] = {}

    def store(self, place: Place) -> PlaceStore:
        """Return what is kept in that account and region."""
        with self._lock:
            return self._stores.setdefault(place, PlaceStore(place))

    def answer(self, operation: str, body: bytes, place: Place) -> Json | None:
        """Return what SageMaker answers to an operation, or None when it is moto's: the request is well-formed then.

        `body` is the request's JSON. Raise Refused.
        """
        if operation not in service_model().operation_names:
            # The code is that of every AWS service of this protocol, which answers no text.
            raise Refused("UnknownOperationException", f"SageMaker has no operation {operation}.")
        try:
            request = json_value(body or b"{}")
        except ValueError:
            raise Refused("SerializationException", "") from None
        understood = check_shape(operation, request)
        if operation in CHECKS:
            with self._lock:
                CHECKS[operation](self.store(place), understood)
        if operation not in OPERATIONS or not _is_kept(understood.get("ResourceArn")):
            return None
        with self._lock:
            return OPERATIONS[operation](self.store(place), understood)

    def fail_later(self, operation: str, request: Json, place: Place, reason: str) -> None:
        """Have what a Create, Update or Delete has just begun end in failure, for this FailureReason."""
        for kind in _KINDS:
            if operation in kind.operations and isinstance(name := request.get(kind.name_member), str):
                with self._lock:
                    self.store(place).resources.fail_later(kind.path, name, reason)

    def pipeline(self, place: Place, name: str) -> Json:
        """Return a pipeline as its CreatePipeline request would be now. Raise Refused when there is none."""
        with self._lock:
            found = studio.PIPELINE.find(self.store(place), name)
            return {"PipelineName": found.name, **found.members}

    def write_system_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Write `aws:` tags on a resource, as CloudFormation itself does and no caller of AddTags can.

        Raise Refused when there is no such resource, ValueError when a key is not AWS's own.
        """
        if strange := [key for key in tags if not key.startswith("aws:")]:
            raise ValueError(
                f"not system tags: {', '.join(strange)}; only keys that begin with aws: can be written here"
            )
        if _path(arn) not in _PATHS:
            raise api.missing(arn)
        _, _, _, region, account, _ = arn.split(":", 5)
        with self._lock:
            tagged = self.store(Place(region, account)).tagged(arn)
            tagged.tags = merged(tagged.tags, [{"Key": key, "Value": value} for key, value in tags.items()])

    def clear(self) -> None:
        """Forget all resources."""
        with self._lock:
            self._stores.clear()

    def models_and_endpoints(self) -> list[Kept]:
        """Return the models and endpoints of all accounts and regions, in the order of their ARNs."""
        with self._lock:
            kept = [
                Kept("Model", name, store.arn(name), "", _as_mapping(model.tags))
                for store in self._stores.values()
                for name, model in store.models.items()
            ]
            kept += [
                Kept("Endpoint", one.name, one.arn, one.status, _as_mapping(one.tags))
                for store in self._stores.values()
                for one in store.resources.all("endpoint")
            ]
        return sorted(kept, key=lambda one: one.arn)


def _is_kept(arn: str | None) -> bool:
    """False when a tag operation is about a resource that only moto has; True without an ARN."""
    return arn is None or _path(arn) in _PATHS


def _path(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[5].partition("/")[0] if len(parts) == 6 else ""


def _as_mapping(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in tags}
