"""Resource models with every property of the schema filled, each value marked, to be looked for where none may be."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from aws_sagemaker_model.properties import READ_ONLY, SCHEMA

Json = dict[str, Any]

MARK = "canary"
VARIABLE = "TOKEN"
# What a marked value may have to begin with to match a pattern of the schema.
_BEGINNINGS = ("", "/", "s3://bucket/", "arn:aws:iam::123456789012:role/")
# Of an enumeration the first value, where the others of the model allow it; these are chosen to go together.
_CHOICES = {"RepositoryAccessMode": "Vpc", "S3DataType": "S3Object"}
# A container of a package has its image, its artifacts and its environment from there.
_OF_AN_IMAGE = ("Image", "ModelDataUrl", "ModelDataSource", "Environment", "InferenceSpecificationName")
_OF_A_PACKAGE = ("ModelPackageName",)


def models() -> dict[str, Json]:
    """Return models that together have every property that a user may set but the name, all values marked."""
    numbers = itertools.count(1000)

    def container(without: tuple[str, ...]) -> Json:
        filled = _filled(SCHEMA["properties"]["PrimaryContainer"], "", numbers)
        return {name: value for name, value in filled.items() if name not in without}

    common = {
        name: _filled(schema, name, numbers)
        for name, schema in SCHEMA["properties"].items()
        if name not in ("ModelName", "PrimaryContainer", "Containers", "InferenceExecutionConfig", *READ_ONLY)
    }
    pipeline = _filled(SCHEMA["properties"]["InferenceExecutionConfig"], "InferenceExecutionConfig", numbers)
    return {
        "an image": {**common, "PrimaryContainer": container(_OF_A_PACKAGE)},
        "a package": {**common, "PrimaryContainer": container(_OF_AN_IMAGE)},
        "a pipeline": {
            **common,
            "Containers": [container(_OF_A_PACKAGE), container(_OF_AN_IMAGE)],
            "InferenceExecutionConfig": pipeline,
        },
    }


def pointers(value: Any, pointer: str = "") -> Iterator[str]:
    """The places of a value's leaves, list positions and names of a user's choice as `*`."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from pointers(member, f"{pointer}/{'*' if name == VARIABLE else name}")
    elif isinstance(value, list):
        for item in value:
            yield from pointers(item, f"{pointer}/*")
    else:
        yield pointer


def settable() -> set[str]:
    """The places of all leaves that the schema knows, but for read-only properties."""

    def walk(schema: Json, pointer: str) -> Iterator[str]:
        schema = _resolved(schema)
        if schema["type"] == "object":
            patterns = [("*", member) for member in schema.get("patternProperties", {}).values()]
            for name, member in [*schema.get("properties", {}).items(), *patterns]:
                yield from walk(member, f"{pointer}/{name}")
        elif schema["type"] == "array":
            yield from walk(schema["items"], f"{pointer}/*")
        else:
            yield pointer

    return {
        pointer
        for name, schema in SCHEMA["properties"].items()
        if name not in READ_ONLY
        for pointer in walk(schema, f"/{name}")
    }


def _filled(schema: Json, name: str, numbers: Iterator[int]) -> Any:
    schema = _resolved(schema)
    if "enum" in schema:
        return _CHOICES.get(name, schema["enum"][0])
    if schema["type"] == "object":
        members = {member: _filled(of, member, numbers) for member, of in schema.get("properties", {}).items()}
        for of in schema.get("patternProperties", {}).values():
            members[VARIABLE] = _filled(of, "", numbers)
        return members
    if schema["type"] == "array":
        return [_filled(schema["items"], name, numbers)]
    return True if schema["type"] == "boolean" else _marked(schema.get("pattern", ""), next(numbers))


def _marked(pattern: str, number: int) -> str:
    value = f"{MARK}{number}"
    return next(begin + value for begin in _BEGINNINGS if re.search(pattern, begin + value))


def _resolved(schema: Json) -> Json:
    return SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
