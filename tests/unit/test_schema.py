"""The schema compared with botocore's model of SageMaker, member by member: new members fail a test."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

import botocore.session

from tests.conftest import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import MapShape, StructureShape

SERVICE = botocore.session.get_session().get_service_model("sagemaker")
DOCUMENT = json.loads(SCHEMA.read_text())

# Where the schema says more than botocore, or cannot say as much, and why.
DIFFERENCES = {
    ("ModelName", "minLength"): "the pattern needs one character",
    ("Environment", "key"): "the key's length stands in its pattern: JSON Schema has no other place for it",
    ("Key", "pattern"): "Unicode classes do not work in every engine: validation.py checks the characters",
    ("Value", "pattern"): "Unicode classes do not work in every engine: validation.py checks the characters",
    ("MetricPublishFrequencyInSeconds", "enum"): "the API reference lists the values; botocore has an integer",
    ("InstanceType", "enum"): "read-only, and AWS adds instance types every month",
}
# Members of the requests and answers that are not properties of a model.
NOT_PROPERTIES = {"ResponseMetadata"}
CLOUDFORMATION_ONLY = {"Name": "so that Fn::GetAtt serves the name under any namespace"}


def input_of(operation: str) -> StructureShape:
    return cast("StructureShape", SERVICE.operation_model(operation).input_shape)


def resolved(node: Any) -> Any:
    return DOCUMENT["definitions"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node


def shapes(shape: Any, node: Any, path: Any, seen: Any = ()) -> Iterator[Any]:
    """Every shape below a shape, with the schema that stands for it and the name of its member."""
    node = resolved(node)
    yield path, shape, node
    if shape.type_name == "structure" and shape.name not in seen:
        for name, member in shape.members.items():
            if name in node.get("properties", {}):
                yield from shapes(member, node["properties"][name], (*path, name), (*seen, shape.name))
    elif shape.type_name == "list":
        yield from shapes(shape.member, node["items"], (*path, "*"), seen)
    elif shape.type_name == "map":
        yield from shapes(shape.value, next(iter(node["patternProperties"].values())), (*path, "*"), seen)


def all_shapes() -> Iterator[Any]:
    described = cast("StructureShape", SERVICE.operation_model("DescribeModel").output_shape)
    for shape in (input_of("CreateModel"), described):
        yield from shapes(shape, DOCUMENT, (shape.name,))


SHAPES = list(all_shapes())


def test_the_schema_has_exactly_the_members_of_sagemaker() -> None:
    known = set(input_of("CreateModel").members)
    known |= set(cast("StructureShape", SERVICE.operation_model("DescribeModel").output_shape).members)
    assert set(DOCUMENT["properties"]) == known - NOT_PROPERTIES | set(CLOUDFORMATION_ONLY)
    structures = [one for one in SHAPES if one[1].type_name == "structure" and len(one[0]) > 1]
    differing = {
        ".".join(path): set(node["properties"]) ^ set(shape.members)
        for path, shape, node in structures
        if set(node["properties"]) != set(shape.members)
    }
    assert differing == {}


def test_the_schema_has_every_constraint_of_sagemaker() -> None:
    differing = []
    for path, shape, node in SHAPES:
        name = path[-1] if path[-1] != "*" else path[-2]
        if shape.type_name == "structure" and len(path) > 1:
            stated, wanted = sorted(node.get("required", [])), sorted(shape.required_members)
            differing += [f"{'.'.join(path)} requires {stated}, not {wanted}"] if stated != wanted else []
        differing += [
            f"{'.'.join(path)} {keyword}: {node.get(keyword)}, not {wanted}"
            for keyword, wanted in constraints(shape)
            if (name, keyword) not in DIFFERENCES and node.get(keyword) != wanted
        ]
    assert differing == []


def constraints(shape: Any) -> Iterator[Any]:
    """Return the metadata of a shape as JSON Schema keywords."""
    # CloudFormation's schemas have no type at the root: it is an object by definition.
    if shape.name not in ("CreateModelInput", "DescribeModelOutput"):
        yield (
            "type",
            {"structure": "object", "map": "object", "list": "array", "timestamp": "string"}.get(
                shape.type_name, shape.type_name
            ),
        )
    names = {"string": ("minLength", "maxLength"), "list": ("minItems", "maxItems"), "map": (None, "maxProperties")}
    low, high = names.get(shape.type_name, (None, None))
    if shape.metadata.get("min") and low:
        yield low, shape.metadata["min"]
    if "max" in shape.metadata and high:
        yield high, shape.metadata["max"]
    if "pattern" in shape.metadata:
        yield "pattern", f"^{shape.metadata['pattern']}$"
    if getattr(shape, "enum", None):
        yield "enum", list(shape.enum)


def test_every_declared_difference_from_botocore_exists() -> None:
    said: dict[tuple[str, str], list[bool]] = {}
    for path, shape, node in SHAPES:
        for keyword, wanted in constraints(shape):
            said.setdefault((path[-1], keyword), []).append(node.get(keyword) == wanted)
    for (name, keyword), reason in DIFFERENCES.items():
        assert not all(said.get((name, keyword), [False])), reason


def test_environment_accepts_the_keys_that_sagemaker_accepts() -> None:
    shape = SERVICE.shape_for("EnvironmentMap")
    pattern = next(
        iter(DOCUMENT["definitions"]["ContainerDefinition"]["properties"]["Environment"]["patternProperties"])
    )
    key = cast("MapShape", shape).key
    longest = "k" * key.metadata["max"]
    assert re.fullmatch(pattern, longest)
    assert not re.fullmatch(pattern, longest + "k")
    assert pattern.replace("{0,1023}", "*") == f"^{cast('MapShape', shape).key.metadata['pattern']}$"


def test_every_property_except_tags_is_create_only_or_read_only() -> None:
    changeable = set(DOCUMENT["properties"])
    for kind in ("createOnlyProperties", "readOnlyProperties"):
        changeable -= {pointer.rsplit("/", 1)[1] for pointer in DOCUMENT[kind]}
    assert changeable == {"Tags"}
    created = input_of("CreateModel").members
    assert {pointer.rsplit("/", 1)[1] for pointer in DOCUMENT["createOnlyProperties"]} == set(created) - {"Tags"}


def test_only_unordered_lists_are_declared_as_unordered() -> None:
    unordered = [path for path, shape, node in SHAPES if shape.type_name == "list" and not node["insertionOrder"]]
    assert not [path for path in unordered if path[-1] == "Containers"]


def test_every_pattern_is_anchored_and_compiles() -> None:
    def patterns(node: Any) -> Iterator[Any]:
        if isinstance(node, dict):
            yield from (node["pattern"] for _ in range(isinstance(node.get("pattern"), str)))
            yield from node.get("patternProperties", {})
            for value in node.values():
                yield from patterns(value)
        elif isinstance(node, list):
            for value in node:
                yield from patterns(value)

    found = list(patterns(DOCUMENT))
    assert len(found) > 15
    for pattern in found:
        assert re.fullmatch(r"\^.*\$", pattern)
        re.compile(pattern)
