"""The operations that the local SageMaker serves itself, in front of moto: one table of operations, and tags."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfnbox.aws.http import json_value
from cfnbox.core.errors import Refused
from cfnbox.core.place import Place
from cfnbox.sagemaker import api, endpoints, monitoring, packages, studio
from cfnbox.sagemaker.api import PlaceStore, merged
from cfnbox.sagemaker.hosted import containers_of_component, containers_of_endpoint
from cfnbox.sagemaker.hosting import Hosting
from cfnbox.sagemaker.rules import check_shape, service_model
from cfnbox.sagemaker.store import Hold

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
class SageMakerResource:
    """A model or endpoint with its tags."""

    kind: str
    name: str
    arn: str
    status: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Live:
    """What an invocation must know of an endpoint in service: the weights of its variants, and what it is for."""

    weights: Mapping[str, float]
    has_components: bool
    asynchronous: Json | None


# DescribeEndpoint$EndpointStatus: an endpoint serves meanwhile.
_SERVING = ("InService", "Updating")


class SageMakerService:
    """The SageMaker of one cloud, in all accounts and regions. Thread-safe.

    `hosting` has the servers behind its endpoints.
    """

    def __init__(self, hosting: Hosting | None = None) -> None:
        self._lock, self._hosting = threading.RLock(), hosting or Hosting()
        self._stores: dict[Place, PlaceStore] = {}

    def store(self, place: Place) -> PlaceStore:
        """Return the store of an account and region."""
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
            answered = OPERATIONS[operation](self.store(place), understood)
            self._host(operation, understood, self.store(place))
            return answered

    def _host(self, operation: str, request: Json, store: PlaceStore) -> None:
        """Start the servers of a new or changed endpoint or inference component; end those of a deleted one."""
        verb = operation[:6]
        kind = next(
            (kind for kind in (endpoints.ENDPOINT, endpoints.COMPONENT) if operation == verb + kind.title), None
        )
        if kind is None or verb not in ("Create", "Update", "Delete"):
            return
        name = request[kind.name_member]
        key = f"{kind.path}/{name}"
        if verb == "Delete":
            self._hosting.remove(store.place, key)
            return
        resource = store.resources.find(kind.path, name)
        if resource is None:
            return
        if kind is endpoints.ENDPOINT:
            config = endpoints.CONFIGURATION.find(store, request["EndpointConfigName"])
            containers = containers_of_endpoint(store, config.members)
        else:
            containers = containers_of_component(store, resource.members | request)
        hold = Hold()
        if resource.change is not None:
            resource.change.hold = hold
        self._hosting.deploy(store.place, key, containers, hold)

    def live_endpoint(self, place: Place, name: str) -> Live | None:
        """Return an endpoint in service, or None."""
        with self._lock:
            endpoint = self.store(place).resources.find(endpoints.ENDPOINT.path, name)
            if endpoint is None or endpoint.status not in _SERVING:
                return None
            variants = endpoint.members["ProductionVariants"]
            weights = {one["VariantName"]: one["CurrentWeight"] for one in variants if "CurrentWeight" in one}
            return Live(weights, not weights, endpoint.members.get("AsyncInferenceConfig"))

    def variant_of_component(self, place: Place, name: str, endpoint: str) -> str | None:
        """Return the variant of an inference component in service on an endpoint, or None."""
        with self._lock:
            component = self.store(place).resources.find(endpoints.COMPONENT.path, name)
            if component is None or component.members["EndpointName"] != endpoint or component.status not in _SERVING:
                return None
            return str(component.members.get("VariantName", ""))

    def fail_later(self, operation: str, request: Json, place: Place, reason: str) -> None:
        """Let the Create, Update or Delete that has just started fail with this FailureReason."""
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
        """Delete all resources."""
        with self._lock:
            self._stores.clear()
        self._hosting.clear()

    def models_and_endpoints(self) -> list[SageMakerResource]:
        """Return models, endpoint configurations and endpoints of all accounts and regions, in the order of ARNs."""
        with self._lock:
            kept = [
                SageMakerResource("Model", name, store.arn(name), "", _as_mapping(model.tags))
                for store in self._stores.values()
                for name, model in store.models.items()
            ]
            kept += [
                SageMakerResource(kind, one.name, one.arn, one.status, _as_mapping(one.tags))
                for store in self._stores.values()
                for path, kind in (("endpoint", "Endpoint"), ("endpoint-config", "Endpoint configuration"))
                for one in store.resources.all(path)
            ]
        return sorted(kept, key=lambda one: one.arn)


def _is_kept(arn: str | None) -> bool:
    """Return False if a tag operation is for a resource of moto; True if it has no ARN."""
    return arn is None or _path(arn) in _PATHS


def _path(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[5].partition("/")[0] if len(parts) == 6 else ""


def _as_mapping(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in tags}
