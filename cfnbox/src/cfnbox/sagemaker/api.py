"""SageMaker's seven operations on models, and the store of one account and region."""

from __future__ import annotations

import base64
import copy
import json
import time
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from cfnbox.aws.http import json_value
from cfnbox.sagemaker.rules import (
    TAGS_PER_RESOURCE,
    check_model,
    check_tag_keys,
    check_tags,
    containers_of,
    invalid,
)
from cfnbox.sagemaker.store import Resources, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cfnbox.core.errors import Refused
    from cfnbox.core.paths import Json
    from cfnbox.core.place import Place

# ListModels documents no default; ListEndpoints and most other lists of SageMaker document 10.
MODELS_PER_PAGE = 10
TAGS_PER_PAGE = 50

_sequence = count()


@dataclass(slots=True)
class StoredModel:
    """A model: `description` is the answer of DescribeModel, `tags` SageMaker's list of Key/Value pairs."""

    model_name: str
    arn: str
    creation_time: float
    description: Json
    tags: list[dict[str, str]]
    sequence: int = field(default_factory=lambda: next(_sequence))


class ModelStore(dict[str, StoredModel]):
    """Models by name, with an ordered index for each way to list them."""

    def __init__(self) -> None:
        super().__init__()
        self.by_time: list[tuple[float, int, str]] = []
        self.by_name: list[tuple[str]] = []

    def add(self, model: StoredModel) -> None:
        """Add a model. The caller has checked that the name is free."""
        self[model.model_name] = model
        insort(self.by_time, (model.creation_time, model.sequence, model.model_name))
        insort(self.by_name, (model.model_name,))

    def pop(self, name: str) -> StoredModel:  # type: ignore[override]
        """Remove an existing model and return it. Raise KeyError for an unknown name."""
        model = super().pop(name)
        del self.by_time[bisect_left(self.by_time, (model.creation_time, model.sequence, name))]
        del self.by_name[bisect_left(self.by_name, (name,))]
        return model


class PlaceStore:
    """The resources that SageMaker keeps in one account and region."""

    def __init__(self, place: Place) -> None:
        self.place, self.account, self.region = place, place.account, place.region
        self.models, self.resources = ModelStore(), Resources()

    def arn(self, name: str, path: str = "model") -> str:
        """Return the ARN of a resource in this account and region. `path` is the ARN's part before the name."""
        return f"arn:{self.place.partition}:sagemaker:{self.region}:{self.account}:{path}/{name}"

    def model(self, name: str) -> StoredModel:
        """Return the model of a name. Raise Refused if no model has it."""
        if model := self.models.get(name):
            return model
        raise missing(self.arn(name))

    def tagged(self, arn: str) -> StoredModel | Stored:
        """Return the resource of an ARN. Raise Refused if no resource has it.

        No public record has the message for a tag call on a missing resource. The code is ValidationException
        (amazon-sagemaker-feedback#108); the message is DescribeModel's.
        """
        path, _, name = arn.split(":", 5)[5].partition("/")
        found = self.models.get(name) if path == "model" else self.resources.by_arn(arn)
        if found is None or found.arn != arn:
            raise missing(arn, path.replace("-", " "))
        return found


def missing(arn: str, noun: str = "model") -> Refused:
    """Return the error for a resource that does not exist."""
    return invalid(f'Could not find {noun} "{arn}".')


def create_model(place: PlaceStore, request: Json) -> Json:
    """Answer CreateModel: store the model with the service's defaults."""
    tags = request.get("Tags", [])
    check_tags(tags)
    check_model(request, place.region)
    name, arn = request["ModelName"], place.arn(request["ModelName"])
    if name in place.models:
        raise invalid(f'Cannot create already existing model "{arn}".')
    # CreationTime has milliseconds in the service's answers.
    created = round(time.time(), 3)
    described = _described(request) | {"ModelArn": arn, "CreationTime": created}
    place.models.add(StoredModel(name, arn, created, described, copy.deepcopy(tags)))
    return {"ModelArn": arn}


def _described(request: Json) -> Json:
    described = copy.deepcopy({key: value for key, value in request.items() if key != "Tags"})
    for container in containers_of(described):
        container.setdefault("Mode", "SingleModel")
        if _mirrors_model_data_url(container):
            container["ModelDataSource"] = {"S3DataSource": _mirrored(container["ModelDataUrl"])}
    if described.get("Containers"):
        described.setdefault("InferenceExecutionConfig", {"Mode": "Serial"})
    else:
        described.pop("Containers", None)
    described.setdefault("EnableNetworkIsolation", False)
    described["DeploymentRecommendation"] = {"RecommendationStatus": "NOT_APPLICABLE"}
    return described


def _mirrors_model_data_url(container: Json) -> bool:
    # A multi-model container's URL is a prefix of many artifacts, so no single object can mirror it.
    return "ModelDataUrl" in container and "ModelDataSource" not in container and container["Mode"] == "SingleModel"


def _mirrored(url: str) -> Json:
    # recorded/describe_with_modeldataurl.json
    return {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}


def describe_model(place: PlaceStore, request: Json) -> Json:
    """Answer DescribeModel: the members of the create request with the service's defaults, and no unset member."""
    return place.model(request["ModelName"]).description


def with_empty_members(answered: Json) -> Json:
    """Add the empty structures that the service sometimes returns for unset members, and return the description."""
    for container in containers_of(answered):
        container.setdefault("Environment", {})
        if "ImageConfig" in container:
            container["ImageConfig"].setdefault("RepositoryAuthConfig", {})
    return answered


def delete_model(place: PlaceStore, request: Json) -> Json:
    """Answer DeleteModel: delete the model at once."""
    place.models.pop(place.model(request["ModelName"]).model_name)
    return {}


def list_models(place: PlaceStore, request: Json) -> Json:
    """Answer ListModels: one page of the filtered and sorted models. The default order is newest first."""
    ascending = request.get("SortOrder", "Descending") == "Ascending"
    index, low, high = _listed_range(place.models, request)
    if token := request.get("NextToken"):
        last = position_of(token, (str,) if index is place.models.by_name else (float, int, str))
        low, high = (
            (max(low, bisect_right(index, last)), high) if ascending else (low, min(high, bisect_left(index, last)))
        )
    positions = range(low, high) if ascending else range(high - 1, low - 1, -1)
    matching = (index[i] for i in positions if _matches(place.models[index[i][-1]], request))
    limit = request.get("MaxResults", MODELS_PER_PAGE)
    page = [key for _, key in zip(range(limit + 1), matching, strict=False)]
    listed: Json = {"Models": [_summary(place.models[key[-1]]) for key in page[:limit]]}
    return listed | ({"NextToken": token_of(page[limit - 1])} if len(page) > limit else {})


def _listed_range(models: ModelStore, request: Json) -> tuple[list[Any], int, int]:
    """Return the index to read, and the first and last position that can match."""
    if request.get("SortBy") == "Name":
        return models.by_name, 0, len(models.by_name)
    low = bisect_left(models.by_time, (request.get("CreationTimeAfter", float("-inf")),))
    return (
        models.by_time,
        low,
        bisect_left(models.by_time, (request.get("CreationTimeBefore", float("inf")),)),
    )


def _matches(model: StoredModel, request: Json) -> bool:
    after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
    return (
        request.get("NameContains", "") in model.model_name
        and (after is None or model.creation_time >= after)
        and (before is None or model.creation_time < before)
    )


def _summary(model: StoredModel) -> Json:
    return {"ModelName": model.model_name, "ModelArn": model.arn, "CreationTime": model.creation_time}


def with_lower_case_arns(answered: Json) -> Json:
    """Write the ARNs of a page of models in lower case, as observed in some lists of the service."""
    for summary in answered.get("Models", []):
        summary["ModelArn"] = summary["ModelArn"].lower()
    return answered


def token_of(key: Iterable[Any]) -> str:
    """Return the NextToken of a position in a list."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode()


def position_of(token: str, types: tuple[type, ...]) -> tuple[Any, ...]:
    """Return the position that `token_of` encoded. Raise Refused for any other text (message not recorded)."""
    try:
        key = tuple(json_value(base64.urlsafe_b64decode(token)))
    except (ValueError, TypeError):
        key = ()
    if tuple(map(type, key)) != types:
        raise invalid("The NextToken is not valid.")
    return key


def add_tags(place: PlaceStore, request: Json) -> Json:
    """Answer AddTags: add tags, or overwrite their values by key."""
    tagged = place.tagged(request["ResourceArn"])
    check_tags(request["Tags"])
    tags = merged(tagged.tags, request["Tags"])
    if sum(not tag["Key"].startswith("aws:") for tag in tags) > TAGS_PER_RESOURCE:
        # Not recorded; the limit is the API reference's.
        raise invalid(f"A resource can have at most {TAGS_PER_RESOURCE} tags.")
    tagged.tags = tags
    return {"Tags": tags}


def merged(tags: list[dict[str, str]], added: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return `tags` updated by `added`, by key. A key keeps its position in the list."""
    values = {tag["Key"]: tag["Value"] for tag in [*tags, *added]}
    return [{"Key": key, "Value": value} for key, value in values.items()]


def list_tags(place: PlaceStore, request: Json) -> Json:
    """Answer ListTags: pages of 50, including the `aws:` tags of AWS."""
    tags = place.tagged(request["ResourceArn"]).tags
    start = position_of(request["NextToken"], (int,))[0] if request.get("NextToken") else 0
    end = start + TAGS_PER_PAGE
    listed: Json = {"Tags": tags[start:end]}
    return listed | ({"NextToken": token_of([end])} if end < len(tags) else {})


def delete_tags(place: PlaceStore, request: Json) -> Json:
    """Answer DeleteTags. A key that the resource does not have is not an error."""
    tagged = place.tagged(request["ResourceArn"])
    check_tag_keys(request["TagKeys"])
    tagged.tags = [tag for tag in tagged.tags if tag["Key"] not in request["TagKeys"]]
    return {}


QUIRKS: dict[str, Callable[[Json], Json]] = {
    "empty-members": with_empty_members,
    "lower-case-arns": with_lower_case_arns,
}

OPERATIONS: dict[str, Callable[[PlaceStore, Json], Json]] = {
    "CreateModel": create_model,
    "DescribeModel": describe_model,
    "DeleteModel": delete_model,
    "ListModels": list_models,
    "AddTags": add_tags,
    "ListTags": list_tags,
    "DeleteTags": delete_tags,
}
