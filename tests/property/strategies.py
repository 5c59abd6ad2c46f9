"""Random models from the schema: as a user may write them, and as CloudFormation may send them."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from hypothesis import strategies as st

from hypothesis_settings import FUZZ
from tests.conftest import IMAGE, SCHEMA, Json

TYPE = json.loads(SCHEMA.read_text())
READ_ONLY = {pointer.rpartition("/")[2] for pointer in TYPE["readOnlyProperties"]}
CREATE_ONLY = {pointer.rpartition("/")[2] for pointer in TYPE["createOnlyProperties"]}
# The root schema as far as a user may write it; that one kind of container is needed is for `models` to see to.
USERS = {
    "type": "object",
    "properties": {name: schema for name, schema in TYPE["properties"].items() if name not in READ_ONLY},
    "additionalProperties": False,
}
MAX_ENVIRONMENT_BYTES = 32 * 1024

Path = tuple[str | int, ...]
Strategy = st.SearchStrategy


class Place(NamedTuple):
    """A value within a model, and the schema that it keeps."""

    path: Path
    schema: Json
    value: Any


def resolved(schema: Json) -> Json:
    """The schema that a schema refers to."""
    return TYPE["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def matching(schema: Json) -> re.Pattern[str]:
    """The pattern of a schema, to be matched wholly. CloudFormation's \\d and \\s are ASCII."""
    return re.compile(schema["pattern"], re.ASCII)


def values(schema: Json) -> Strategy[Any]:
    """Every value that keeps a schema."""
    return _values(json.dumps(resolved(schema)))


@cache
def _values(text: str) -> Strategy[Any]:
    # Kept: hypothesis needs long to make sense of a pattern.
    schema = json.loads(text)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    strategies: dict[str, Callable[[Json], Strategy[Any]]] = {
        "object": _objects,
        "array": _arrays,
        "string": _strings,
        "boolean": lambda _: st.booleans(),
    }
    return strategies[schema["type"]](schema)


def _deferred(schema: Json) -> Strategy[Any]:
    # hypothesis takes a function, and no other callable.
    return st.deferred(lambda: values(schema))


def _objects(schema: Json) -> Strategy[Json]:
    properties: dict[str, Json] = schema.get("properties", {})
    members = {name: _deferred(member) for name, member in properties.items()}
    if "patternProperties" not in schema:
        required = {name: members.pop(name) for name in schema.get("required", [])}
        return st.fixed_dictionaries(required, optional=members)
    ((pattern, member),) = schema["patternProperties"].items()
    keys = values({"type": "string", "pattern": pattern})
    return st.dictionaries(keys, values(member), max_size=4) | st.integers(0, schema["maxProperties"]).map(
        lambda size: {f"KEY_{number}": "" for number in range(size)}
    )


def _arrays(schema: Json) -> Strategy[list[Any]]:
    # Long lists are dull; the longest that there may be is not.
    least, most = schema.get("minItems", 0), schema.get("maxItems", 4)
    item = values(schema["items"])
    return st.lists(item, min_size=least, max_size=max(least, min(most, 3))) | item.map(lambda one: [one] * most)


def _strings(schema: Json) -> Strategy[str]:
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1024)
    if "pattern" not in schema:
        return st.text(min_size=least, max_size=most)
    pattern = matching(schema)
    kept = [text.filter(pattern.fullmatch).filter(lambda text: least <= len(text) <= most) for text in _like(pattern)]
    long = "x" * most
    return st.one_of(*kept, *([st.just(long)] if pattern.fullmatch(long) else []))


# How texts begin, and what they may go on with: the widest alphabet first, each with a sample of it.
BEGINNINGS = (
    "",
    "K",
    "/",
    "s3://b",
    "https://b/",
    "arn:aws:iam::123456789012:role/",
    "arn:aws-cn:sagemaker:cn-north-1:123456789012:model-package/",
)
ALPHABETS = (
    (st.characters(codec="utf-8"), "é\n /"),
    (st.characters(exclude_categories=("C", "Z")), "é☃"),
    (st.characters(codec="ascii", categories=("L", "N"), include_characters="-"), "a-Z0"),
    (st.characters(codec="ascii", categories=("L", "N"), include_characters="_"), "a_Z0"),
)


def _like(pattern: re.Pattern[str]) -> Iterator[Strategy[str]]:
    """Texts most of which match a pattern, each drawn at once: the patterns' own take a draw for each character."""
    found = False
    for beginning in BEGINNINGS:
        for alphabet, sample in ALPHABETS:
            if pattern.fullmatch(beginning + sample):
                found = True
                yield st.text(alphabet, max_size=40).map(beginning.__add__)
                break
    if not found or FUZZ:
        yield st.from_regex(pattern, fullmatch=True)


TAG_CHARACTERS = st.characters(categories=("L", "N", "Z"), include_characters="_.:/=+-@")
TAG_KEYS = st.text(TAG_CHARACTERS, min_size=1, max_size=128).filter(lambda key: not key.lower().startswith("aws:"))
TAG_VALUES = st.text(TAG_CHARACTERS, max_size=256)
TAG_SETS = st.dictionaries(TAG_KEYS, TAG_VALUES, max_size=4) | st.integers(0, 50).map(
    lambda size: {f"key {number}": str(number) for number in range(size)}
)
ECR_IMAGES = st.just(IMAGE) | st.text(st.characters(codec="ascii", exclude_categories=("C", "Z")), max_size=80).map(
    f"{IMAGE}-".__add__
)


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as the resource model has them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@st.composite
def models(draw: st.DrawFn) -> Json:
    """A model that breaks neither the schema nor a rule that the schema cannot say."""
    model = {**draw(values(USERS)), "Tags": tag_list(draw(TAG_SETS))}
    containers = draw(st.lists(_containers(), min_size=1, max_size=3))
    model.pop("PrimaryContainer", None)
    model["Containers"] = containers
    _give_hostnames(model, draw)
    for container in [c for c in containers if c.get("Mode") == "MultiModel"][1:]:
        del container["Mode"]
    if any(container.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc" for container in containers):
        model["VpcConfig"] = draw(values(TYPE["definitions"]["VpcConfig"]))
    while environment_bytes(containers) > MAX_ENVIRONMENT_BYTES:
        next(c["Environment"] for c in containers if c.get("Environment")).popitem()
    if draw(st.booleans()):
        model["PrimaryContainer"] = model.pop("Containers")[0]
    return model


def environment_bytes(containers: list[Json]) -> int:
    """The size of all environment variables of some containers."""
    pairs = [pair for container in containers for pair in container.get("Environment", {}).items()]
    return sum(len(text.encode()) for pair in pairs for text in pair)


def _give_hostnames(model: Json, draw: st.DrawFn) -> None:
    """Each container has one, or none has; Direct needs them."""
    direct = model.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"
    containers = model["Containers"]
    given = direct or draw(st.booleans())
    hostname = values(TYPE["definitions"]["ContainerDefinition"]["properties"]["ContainerHostname"])
    count = len(containers)
    hostnames = draw(st.lists(hostname, min_size=count, max_size=count, unique=True)) if given else [None] * count
    for container, name in zip(containers, hostnames, strict=True):
        container.pop("ContainerHostname", None)
        container |= {"ContainerHostname": name} if name else {}


@st.composite
def _containers(draw: st.DrawFn) -> Json:
    container = draw(values(TYPE["definitions"]["ContainerDefinition"]))
    private = container.get("ImageConfig", {}).get("RepositoryAccessMode") == "Vpc"
    if "ModelPackageName" in container:
        container.pop("Image", None)
        container.pop("ModelDataUrl", None)
    elif not private:
        container["Image"] = draw(ECR_IMAGES)
    else:
        container.setdefault("Image", "registry.example.com/inference")
    if not private:
        container.get("ImageConfig", {}).pop("RepositoryAuthConfig", None)
    if container.get("Mode") == "MultiModel":
        container.pop("ModelDataSource", None)
    sources = [container.get("ModelDataSource", {}), *container.get("AdditionalModelDataSources", [])]
    for source in (one["S3DataSource"] for one in sources if "S3DataSource" in one):
        if source["S3DataType"] == "S3Prefix":
            source |= {"CompressionType": "None", "S3Uri": source["S3Uri"][:1023].rstrip("/") + "/"}
    return dict(container)


def as_strings(value: Any) -> Any:
    """A model as CloudFormation sends it: booleans and numbers are strings."""
    if isinstance(value, dict):
        return {name: as_strings(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_strings(item) for item in value]
    return value if isinstance(value, str) else json.dumps(value)


def unordered(value: Any, schema: Json = TYPE) -> Any:
    """A model with its lists without an order in the order of their JSON."""
    schema = resolved(schema)
    if isinstance(value, dict):
        return {name: unordered(member, _member(schema, name)) for name, member in value.items()}
    if isinstance(value, list):
        items = [unordered(item, schema["items"]) for item in value]
        return items if schema["insertionOrder"] else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def is_within(asked: Any, there: Any) -> bool:
    """Whether everything that was asked for is there."""
    if isinstance(asked, dict) and isinstance(there, dict):
        return all(name in there and is_within(member, there[name]) for name, member in asked.items())
    if isinstance(asked, list) and isinstance(there, list):
        return len(asked) == len(there) and all(map(is_within, asked, there))
    return asked == there and type(asked) is type(there)


def places(value: Any, schema: Json = USERS, path: Path = ()) -> Iterator[Place]:
    """Every place in a model, the model itself first."""
    schema = resolved(schema)
    yield Place(path, schema, value)
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        inner = schema["items"] if isinstance(step, int) else _member(schema, step)
        yield from places(member, inner, (*path, step))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """A copy of a model with another value at a path."""
    if not path:
        return new
    changed = value.copy()
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


def _member(schema: Json, name: str) -> Json:
    properties: dict[str, Json] = schema.get("properties", {})
    return properties[name] if name in properties else next(iter(schema["patternProperties"].values()))
